"""Servers with a bad night: what passes is waited for, what does not is said in words, and nothing is believed."""

import json
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from sim.ils import KohaEmulator, Stock
from stacks.ils import IlsError, open_ils
from tests.stacks.ils.support import emulated, quick_clock, settings, some_holdings

HTTP = ("koha", "folio", "alma")


def pull(ils):
    return [item for page in ils.items() for item in page]


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("what", ["429", "500", "503", "truncated", "broken", "die"])
def test_trouble_that_passes_is_waited_for(kind, what, connect):
    waits = []
    with emulated(kind) as emulator:
        ils = connect(emulator, quick_clock(waits))
        ils.item(emulator.stock.copies[0].barcode)  # signed in
        emulator.trouble.add(what, times=2, method="GET")
        assert len(pull(ils)) == 30
        assert waits
        assert min(waits) >= (1.0 if what == "429" else 0.005), "Retry-After is the least"


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("what", ["429", "500", "truncated", "broken"])
def test_trouble_that_stays_is_an_error_after_a_few_tries(kind, what, connect):
    with emulated(kind) as emulator:
        ils = connect(emulator)
        ils.item(emulator.stock.copies[0].barcode)
        before = len(emulator.trouble.seen)
        emulator.trouble.add(what, times=100)
        with pytest.raises(IlsError) as raised:
            pull(ils)
        assert raised.value.temporary
        assert "\n" not in str(raised.value)
        assert emulator.address in str(raised.value)
        assert len(emulator.trouble.seen) - before <= 9


def test_waits_grow_and_are_the_same_for_the_same_seed(connect):
    made = []
    for _ in range(2):
        waits = []
        with emulated("koha") as emulator:
            ils = connect(emulator, quick_clock(waits), retries=4, backoff_s=1.0)
            emulator.trouble.add("503", times=9, method="GET")
            with pytest.raises(IlsError, match="after 5 tries"):
                pull(ils)
        made.append(waits)
    assert made[0] == made[1]
    assert [round(w / 2**i, 6) for i, w in enumerate(made[0])] != [1.0] * 4, "spread"
    assert all(0.5 * 2**i <= w <= 1.5 * 2**i for i, w in enumerate(made[0]))


def test_a_server_that_asks_for_hours_is_not_waited_for(connect):
    with emulated("koha") as emulator:
        ils = connect(emulator, longest_wait_s=0.5)
        emulator.trouble.add("429", method="GET")
        with pytest.raises(IlsError, match=r"asks to wait 1 s, more than longest_wait_s"):
            pull(ils)


@pytest.mark.parametrize("kind", HTTP)
def test_a_web_page_is_no_answer(kind, connect):
    with emulated(kind) as emulator:
        ils = connect(emulator)
        emulator.trouble.add("html", method="GET")
        with pytest.raises(IlsError, match="web page instead of JSON"):
            pull(ils)


@pytest.mark.parametrize("kind", HTTP)
def test_nothing_is_sent_to_another_host(kind, connect):
    with emulated(kind) as emulator:
        ils = connect(emulator)
        emulator.trouble.add("redirect", method="GET")
        with pytest.raises(
            IlsError, match=r"http://elsewhere.example, which is not the server that was named"
        ):
            pull(ils)


@pytest.mark.parametrize("kind", HTTP)
def test_a_page_that_comes_again_ends_the_pull(kind, connect):
    """A server that ignores the paging would go on for ever."""
    with emulated(kind) as emulator:
        ils = (
            connect(emulator, holds=False)
            if kind == "koha"
            else connect(emulator, **({"requests": False} if kind == "folio" else {}))
        )
        pages = ils.items()
        next(pages)
        emulator.trouble.add("repeat", times=50, method="GET")
        with pytest.raises(IlsError, match=r"repeats|no total_record_count"):
            list(pages)


@pytest.mark.parametrize("kind", ["koha", "folio"])
def test_a_token_that_ends_in_a_pull_is_renewed(kind, connect):
    with emulated(kind) as emulator:
        ils = connect(emulator)
        pages = ils.items()
        first = next(pages)
        emulator.trouble.add("expire", method="GET")
        assert len(first) + sum(map(len, pages)) == 30


def test_a_token_is_renewed_before_it_ends(connect):
    with emulated("koha") as emulator:
        emulator.token_s = 1
        ils = connect(emulator)
        ils.item("1")
        assert emulator.trouble.count("POST /api/v1/oauth/token") == 1
        ils._http._client.auth._ends = 0.0
        ils.item("1")
        assert emulator.trouble.count("POST /api/v1/oauth/token") == 2


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("koha", {"client_secret": "no"}),
        ("folio", {"password": "no"}),
        ("alma", {"api_key": "no"}),
        ("sip2", {"password": "no"}),
    ],
)
def test_a_wrong_password_is_said_and_not_shown(kind, wrong, connect):
    secret = "wr0ng-s3cret"
    with emulated(kind) as emulator:
        ils = connect(emulator, **dict.fromkeys(wrong, secret))
        with pytest.raises(IlsError) as raised:
            ils.item(emulator.stock.copies[0].barcode)
        assert secret not in str(raised.value)
        assert secret not in repr(ils)
        if kind != "sip2":
            assert not raised.value.temporary


def test_basic_sign_in_works_as_well(tmp_path):
    with emulated("koha") as emulator:
        given = settings(emulator, tmp_path, user=emulator.user, password=emulator.password)
        given = {k: v for k, v in given.items() if k not in ("client_id", "client_secret")}
        with open_ils(given) as ils:
            assert ils.item(emulator.stock.copies[0].barcode).status == "available"


def test_a_slow_server_is_given_up(connect):
    with emulated("koha") as emulator:
        emulator.trouble.delay_s = 30.0
        emulator.trouble.add("slow", times=9, method="GET")
        ils = connect(emulator, timeout_s=0.2, retries=1)
        with pytest.raises(IlsError, match=r"did not answer in 0.2 s after 2 tries") as raised:
            ils.item("1")
        assert raised.value.temporary


def test_alma_stops_before_the_day_is_used_up(connect):
    with emulated("alma") as emulator:
        ils = connect(emulator)
        emulator.left = 4990
        with pytest.raises(IlsError, match="fewer than calls_kept"):
            pull(ils)
        emulator.left = 50_000
        emulator.trouble.add("daily")
        seen = len(emulator.trouble.seen)
        with pytest.raises(IlsError, match="requests of today are used up"):
            ils.item(emulator.stock.copies[0].barcode)
        assert len(emulator.trouble.seen) == seen + 1, "no second try"


def test_records_that_cannot_be_read_are_left_out_and_counted(connect, monkeypatch):
    import sim.ils.koha as koha

    rows = some_holdings(2000)
    shown = koha._shown

    def spoiled(copy, embeds):
        made = shown(copy, embeds)
        if copy.number in (5, 6):
            made["lost_status"] = "four"
        if copy.number == 7:
            made["external_id"] = None
        if copy.number == 8:
            made["timestamp"] = "yesterday"
        return made

    monkeypatch.setattr(koha, "_shown", spoiled)
    with emulated("koha", rows) as emulator:
        ils = connect(emulator, page_size=500, holds=False)
        assert len(pull(ils)) == 1996
        assert ils.unread == {rows[4].barcode, rows[5].barcode, rows[7].barcode}
        assert ils.notes[0] == "1 items without a barcode left out"
        assert "3 records could not be read" in ils.notes[1]
        assert "lost_status" in ils.notes[1]


def test_a_pull_that_is_mostly_misread_is_refused(connect, monkeypatch):
    import sim.ils.koha as koha

    shown = koha._shown
    monkeypatch.setattr(koha, "_shown", lambda c, e: {**shown(c, e), "lost_status": "four"})
    with (
        emulated("koha") as emulator,
        pytest.raises(IlsError, match="30 of 30 items cannot be read, such as"),
    ):
        pull(connect(emulator, holds=False))


def certificate(tmp_path, name):
    key, crt = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "3650",
        "-subj",
        f"/CN={name}",
    ]
    command += ["-addext", f"subjectAltName=DNS:{name}" + (",IP:127.0.0.1" if name == "localhost" else "")]
    subprocess.run([*command, "-keyout", str(key), "-out", str(crt)], check=True, capture_output=True)
    return str(crt), str(key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificate")
def test_certificates_are_checked_and_what_is_wrong_is_said(tmp_path):
    crt, key = certificate(tmp_path, "localhost")
    other, _ = certificate(tmp_path, "elsewhere.example")
    with KohaEmulator(Stock(some_holdings()), certificate=crt, key=key) as emulator:
        given = settings(emulator, tmp_path)
        with (
            open_ils(given, quick_clock()) as ils,
            pytest.raises(IlsError, match=r"certificate is not accepted.*ca_file") as raised,
        ):
            ils.item("1")
        assert not raised.value.temporary
        with (
            open_ils({**given, "ca_file": other}, quick_clock()) as ils,
            pytest.raises(IlsError, match="not accepted"),
        ):
            ils.item("1")
        with open_ils({**given, "ca_file": crt}, quick_clock()) as ils:
            assert len(pull(ils)) == 30
    with emulated("koha") as plain:
        given = {**settings(plain, tmp_path), "url": plain.url.replace("http", "https")}
        with open_ils(given, quick_clock()) as ils, pytest.raises(IlsError, match="no TLS there"):
            ils.item("1")
    with pytest.raises(IlsError, match="is no PEM file"):
        open_ils({**given, "ca_file": key[:-4]})


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificate")
def test_sip2_goes_through_tls(tmp_path):
    crt, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    with emulated("sip2") as emulator, socket.create_server(("127.0.0.1", 0)) as listener:

        def carry():
            for _ in range(2):
                plain, _peer = listener.accept()
                try:
                    outer = context.wrap_socket(plain, server_side=True)
                except ssl.SSLError:
                    plain.close()
                    continue
                inner = socket.create_connection(("127.0.0.1", emulator.port))
                with outer, inner:
                    while data := outer.recv(4096):
                        inner.sendall(data)
                        outer.sendall(inner.recv(4096))

        threading.Thread(target=carry, daemon=True).start()
        given = settings(emulator, tmp_path, port=listener.getsockname()[1], tls=True, retries=0)
        with open_ils(given) as ils, pytest.raises(IlsError, match="certificate is not accepted"):
            ils.item("1")
        with open_ils({**given, "ca_file": crt}) as ils:
            assert ils.item(emulator.stock.copies[0].barcode).title == "红楼梦 第一册"


def test_a_server_that_is_not_there_is_temporary(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for given in (
        {"kind": "alma", "url": f"http://127.0.0.1:{port}", "api_key": "k"},
        {"kind": "sip2", "host": "127.0.0.1", "port": port},
        {"kind": "folio", "url": f"http://127.0.0.1:{port}", "tenant": "t", "user": "u", "password": "p"},
    ):
        with open_ils({**given, "journal": str(tmp_path / "j"), "retries": 1}, quick_clock()) as ils:
            with pytest.raises(IlsError, match="cannot be reached") as raised:
                ils.item("1")
            assert raised.value.temporary


def test_an_endless_answer_is_cut(tmp_path):
    """A server that sends a body without end fills no memory."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def pour():
            with listener.accept()[0] as end:
                end.recv(65536)
                end.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
                lump = json.dumps([0] * 300_000).encode()
                try:
                    while True:
                        end.sendall(lump)
                except OSError:
                    return

        threading.Thread(target=pour, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        given = {"kind": "alma", "url": url, "api_key": "k", "journal": str(tmp_path / "j")}
        with open_ils(given, quick_clock()) as ils, pytest.raises(IlsError, match="over 64 MiB"):
            ils.item("1")
