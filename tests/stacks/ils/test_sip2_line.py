"""SIP2 on the wire: checksums, sequence numbers, resends, late and wrong answers, by a scripted other end."""

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from pysip2 import (
    ACSStatusResponse,
    ItemInformationResponse,
    RequestACSResend,
    RequestSCResend,
    SCStatusRequest,
    decode_message,
    encode_message,
)

from stacks.ils import IlsError, open_ils
from tests.stacks.ils.support import emulated, quick_clock, settings, some_holdings

NOW = "20261121    083000"


def encoded(message, sequence, encoding="utf-8"):
    return encode_message(message, sequence_number=sequence, checksum=True, encoding=encoding)


def status(sequence, supported="NNNNNYYNNNYYNNNN", online="Y"):
    no = dict.fromkeys(
        ("checkin_ok", "checkout_ok", "acs_renewal_policy", "status_update_ok", "offline_ok"), "N"
    )
    made = ACSStatusResponse(
        online_status=online,
        timeout_period="030",
        retries_allowed="003",
        date_time_sync=NOW,
        protocol_version="2.00",
        institution_id="",
        supported_messages=supported,
        **no,
    )
    return encoded(made, sequence)


def information(barcode, sequence, title="红楼梦", encoding="utf-8"):
    made = ItemInformationResponse(
        circulation_status="03", security_marker="01", fee_type="01", transaction_date=NOW,
        item_identifier=barcode, title_identifier=title,
    )  # fmt: skip
    return encoded(made, sequence, encoding)


@contextmanager
def scripted(answer):
    """Serve lines: `answer(frame, message, sequence, n)` gives the bytes to send, None to hang up."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    end, _ = listener.accept()
                except OSError:
                    return
                buffer = b""
                with end:
                    while data := end.recv(4096):
                        buffer += data
                        while b"\r" in buffer:
                            frame, _, buffer = buffer.partition(b"\r")
                            got = decode_message(frame + b"\r", encoding="utf-8")
                            heard.append(type(got.message).__name__)
                            if isinstance(got.message, SCStatusRequest):
                                end.sendall(status(got.sequence_number))
                                continue
                            said = answer(got.message, got.sequence_number, len(heard))
                            if said is None:
                                data = b""
                                break
                            end.sendall(said)
                        if not data:
                            break

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], heard


@contextmanager
def line(port, tmp_path, **more):
    given = {
        "kind": "sip2",
        "host": "127.0.0.1",
        "port": port,
        "journal": str(tmp_path / "j"),
        "timeout_s": 5.0,
        "retries": 1,
    }
    with open_ils({**given, **more}, quick_clock()) as ils:
        yield ils


def test_a_wrong_checksum_is_asked_for_again(tmp_path):
    last = []

    def answer(message, sequence, _):
        if isinstance(message, RequestACSResend):
            return last[0]
        last[:] = [information("1", sequence)]
        return last[0].replace("红".encode(), "白".encode())

    with scripted(answer) as (port, heard), line(port, tmp_path) as ils:
        assert ils.item("1").title == "红楼梦"
        assert heard == ["SCStatusRequest", "ItemInformationRequest", "RequestACSResend"]


def test_checksums_that_stay_wrong_are_an_error(tmp_path):
    def answer(message, sequence, _):
        return information("1", 0 if sequence is None else sequence)[:-5] + b"0000\r"

    with (
        scripted(answer) as (port, _),
        line(port, tmp_path, retries=0) as ils,
        pytest.raises(IlsError, match="checksums are wrong"),
    ):
        ils.item("1")


def test_the_request_is_sent_again_when_the_other_end_could_not_read_it(tmp_path):
    def answer(message, sequence, n):
        return encode_message(RequestSCResend(), checksum=True) if n == 2 else information("1", sequence)

    with scripted(answer) as (port, heard), line(port, tmp_path) as ils:
        assert ils.item("1").status == "available"
        assert heard.count("ItemInformationRequest") == 2


def test_a_late_answer_is_not_taken_for_this_one(tmp_path):
    def answer(message, sequence, _):
        return information("1", (sequence + 9) % 10, "the one before") + b"\n" + information("1", sequence)

    with scripted(answer) as (port, _), line(port, tmp_path) as ils:
        assert ils.item("1").title == "红楼梦"


def test_an_answer_about_another_item_is_refused(tmp_path):
    with (
        scripted(lambda m, s, n: information("2", s)) as (port, _),
        line(port, tmp_path) as ils,
        pytest.raises(IlsError, match="asked for 1, it answered about 2"),
    ):
        ils.item("1")


def test_an_answer_of_another_kind_is_refused(tmp_path):
    with (
        scripted(lambda m, s, n: status(s)) as (port, _),
        line(port, tmp_path) as ils,
        pytest.raises(IlsError, match="ACSStatusResponse where ItemInformationResponse should be"),
    ):
        ils.item("1")


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (b"HTTP/1.1 400 Bad Request\r", "what is no SIP2"),
        (b"18\r", "what is no SIP2"),
        (b"x" * 100_000, "sends without end"),
        (b"18030101" + NOW.encode() + b"AB1|AJ\xb0\xa1|\r", "is not utf-8; set encoding"),
        (b"18030101" + NOW.encode() + b"AB1|AJtitle|\r", "answers without checksums"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(said, match, tmp_path):
    with (
        scripted(lambda m, s, n: said) as (port, _),
        line(port, tmp_path) as ils,
        pytest.raises(IlsError, match=match),
    ):
        ils.item("1")


def test_a_system_without_checksums_can_be_read(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with listener.accept()[0] as end:
                for said in (
                    status(0)[:-10] + b"\r",
                    b"18030101" + NOW.encode() + "AB1|AJ书|\r\n".encode("gb18030"),
                ):
                    end.recv(4096)
                    end.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        with line(listener.getsockname()[1], tmp_path, error_detection=False, encoding="gb18030") as ils:
            assert ils.item("1").title == "书"


def test_a_line_that_broke_is_made_anew(tmp_path):
    with (
        scripted(lambda m, s, n: None if n == 2 else information("1", s)) as (port, heard),
        line(port, tmp_path) as ils,
    ):
        assert ils.item("1").status == "available"
        assert heard == ["SCStatusRequest", "ItemInformationRequest"] * 2


def test_a_silent_system_is_given_up(tmp_path):
    with (
        scripted(lambda m, s, n: b"") as (port, _),
        line(port, tmp_path, timeout_s=0.2) as ils,
        pytest.raises(IlsError, match=r"did not answer in 0.2 s") as raised,
    ):
        ils.item("1")
    assert raised.value.temporary


def test_a_system_that_gives_no_item_information_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with listener.accept()[0] as end:
                end.recv(4096)
                end.sendall(status(0, supported="N" * 16))
                end.recv(4096)

        threading.Thread(target=serve, daemon=True).start()
        with (
            line(listener.getsockname()[1], tmp_path) as ils,
            pytest.raises(IlsError, match="gives no item information"),
        ):
            ils.item("1")


def test_many_items_go_over_one_line_and_sequence_numbers_wrap(tmp_path):
    with emulated("sip2", some_holdings(35)) as emulator, open_ils(settings(emulator, tmp_path)) as ils:
        pages = list(ils.items_of([row.barcode for row in some_holdings(35)] + ["999"]))
        assert [page[0].title for page in pages] == [row.title for row in some_holdings(35)]
        assert emulator.asked == 36


FOREIGN = """
import json, sys
from Sip2.sip2 import Sip2
sip = Sip2()
sip.hostName, sip.hostPort = "127.0.0.1", int(sys.argv[1])
sip.tlsEnable, sip.hostEncoding, sip.loglevel = False, "utf-8", "ERROR"
sip.institutionId = "CPL"
sip.connect()
made = []
sip.sip_login_response(sip.get_response(sip.sip_login_request(sys.argv[2], sys.argv[3])))
made.append(sip.last_response_parsed["fixed"]["Ok"])
sip.sip_sc_status_response(sip.get_response(sip.sip_sc_status_request()))
made.append(sip.last_response_parsed["fixed"]["OnlineStatus"])
for barcode in sys.argv[4:]:
    sip.sip_item_information_response(sip.get_response(sip.sip_item_information_request(barcode)))
    got = sip.last_response_parsed
    made.append([got["fixed"]["CirculationStatus"], got["variable"]["AB"], got["variable"]["AJ"]])
sip.disconnect()
print("MADE " + json.dumps(made))
"""


def test_a_client_by_other_hands_reads_the_emulated_server(tmp_path):
    """The package sip2 (module Sip2), in a process of its own, as a peer."""
    import json

    with emulated("sip2") as emulator:
        emulator.stock.lend("31822000001")
        command = [sys.executable, "-c", FOREIGN, str(emulator.port), emulator.user, emulator.password]
        done = subprocess.run(
            [*command, "31822000000", "31822000001", "999"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
        line_made = next((x for x in done.stdout.splitlines() if x.startswith("MADE ")), None)
        assert line_made is not None, done.stdout + done.stderr
        login, online, first, second, unknown = json.loads(line_made[5:])
    assert (login, online) == ("1", "Y")
    flat = json.dumps([first, second, unknown], ensure_ascii=False)
    assert "红楼梦 第一册" in flat
    assert [first[0], second[0], unknown[0]] == ["03", "04", "01"]
