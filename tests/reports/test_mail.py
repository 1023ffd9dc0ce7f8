"""The mail: what it holds, and what a real SMTP server makes of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP as SMTP_POLICY
from email.policy import default

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from recording import AntennaMount, RunInfo
from reports import (
    AddressError,
    Documents,
    MailError,
    SmtpSettings,
    build_mail,
    build_notice,
    make_report,
    send_mail,
    write_documents,
)

INFO = RunInfo(
    "run-7",
    "Nordbücherei 北",
    datetime(2026, 11, 20, 21, 0, tzinfo=UTC),
    "robot-1",
    (AntennaMount(1, "r", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0)),),
)
DATE = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
DESK, SENDER = "Circulation desk <desk@example.org>", "Nightstack <nightstack@library.example>"


@pytest.fixture
def report(library):
    library.insert(library.on("A-01-1")[3], "A-03-4", library.on("A-03-4")[5])
    del library.stands[library.on("A-01-3")[5]]
    library.p_heard = {("A-03-2", 1.8, 2.1): 0.2}
    return make_report(
        INFO,
        positions=library.positions(),
        coverage=library.coverage(),
        plan=library.plan,
        holdings=library.holdings(),
    )


@pytest.fixture
def documents(report, tmp_path) -> Documents:
    return write_documents(report, tmp_path / "run-7")


class Handler:
    """Takes mails, or answers a stage with what the test says."""

    def __init__(self):
        self.taken = []
        self.answers = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


class Server:
    """A mail server of aiosmtpd on a free port of the loopback, in a thread of its own."""

    def __init__(self, **options):
        self.handler = Handler()
        self._options = options
        self._tls = options.pop("implicit_tls", None)
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        assert ready.wait(10)

    def _run(self, ready):
        async def start():
            made = await self._loop.create_server(
                lambda: SMTP(self.handler, hostname="test", loop=self._loop, **self._options),
                "127.0.0.1",
                0,
                ssl=self._tls,
            )
            self.port = made.sockets[0].getsockname()[1]
            return made

        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(start())
        ready.set()
        self._loop.run_forever()

    def stop(self):
        async def end():
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def settings(self, **more):
        return SmtpSettings(**({"host": "127.0.0.1", "port": self.port, "timeout_s": 5.0} | more))


@pytest.fixture
def serve():
    servers = []

    def start(**options):
        servers.append(Server(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, crt = folder / "key.pem", folder / "crt.pem"
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
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(crt)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: no certificate for the TLS tests")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return context, str(crt)


def test_the_mail_says_what_there_is_in_its_subject(report, documents):
    mail = build_mail(report, documents, DESK, SENDER, date=DATE)
    assert mail["Subject"] == "Nordbücherei 北: 1 misplaced, 1 missing, 1 zone not scanned"
    assert mail["To"].addresses[0].addr_spec == "desk@example.org"
    assert mail["From"].addresses[0].display_name == "Nightstack"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"].startswith("<nordb-cherei")
    assert mail["Date"].datetime == DATE


def test_text_html_and_attachments_survive_the_wire(report, documents):
    mail = message_from_bytes(build_mail(report, documents, DESK, SENDER).as_bytes(), policy=default)
    assert mail["Subject"].startswith("Nordbücherei 北")
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for f in report.findings:
        assert f.barcode in text
        assert f.barcode in html
    attached = {a.get_filename(): a.get_content() for a in mail.iter_attachments()}
    assert attached["report.pdf"] == documents.pdf.read_bytes()
    assert attached["report.xlsx"] == documents.xlsx.read_bytes()
    csv = attached["exceptions.csv"]
    assert (csv if isinstance(csv, bytes) else csv.encode()).startswith(b"kind,epc,barcode")


def test_same_run_and_recipient_same_message_id(report, documents):
    one = build_mail(report, documents, DESK, SENDER)["Message-ID"]
    assert one == build_mail(report, None, DESK, SENDER, date=DATE)["Message-ID"]
    assert one != build_mail(report, documents, "other@example.org", SENDER)["Message-ID"]
    other = replace(report, info=replace(INFO, run_id="run-8"))
    assert one != build_mail(other, documents, DESK, SENDER)["Message-ID"]
    assert one.endswith("@library.example>")
    assert build_mail(report, None, DESK, SENDER, message_id="<a@b>")["Message-ID"] == "<a@b>"


def test_what_is_too_large_is_named_and_not_attached(report, documents):
    sizes = {
        p.name: p.stat().st_size for p in (documents.pdf, documents.picklist, documents.xlsx, documents.csv)
    }
    largest = max(sizes, key=sizes.__getitem__)
    mail = build_mail(report, documents, DESK, SENDER, attachment_cap=sum(sizes.values()) - 1)
    assert {a.get_filename() for a in mail.iter_attachments()} == set(sizes) - {largest}
    for kind in ("plain", "html"):
        body = " ".join(mail.get_body((kind,)).get_content().split())
        assert f"Too large to be attached: {largest}" in body
        assert str(documents.folder) in body
    linked = build_mail(
        report, documents, DESK, SENDER, attachment_cap=0, documents_at="https://x.example/run-7"
    )
    assert list(linked.iter_attachments()) == []
    assert "https://x.example/run-7" in linked.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    "address",
    [
        "desk@example.org\r\nBcc: spy@example.org",
        "desk@example.org\nX: y",
        "desk",
        "",
        "@example.org",
        "desk@",
        "a@b.example, c@d.example",
        "<script>@x y",
        "münchen@example.org",
    ],
)
def test_no_header_can_be_slipped_in(report, address):
    with pytest.raises(AddressError):
        build_mail(report, None, address, SENDER)
    with pytest.raises(AddressError):
        build_mail(report, None, DESK, address)


def test_a_line_break_in_a_name_stays_in_its_header(report):
    sly = replace(report, info=replace(INFO, site="North\r\nBcc: spy@example.org"))
    mail = message_from_bytes(build_mail(sly, None, DESK, SENDER).as_bytes(), policy=default)
    assert mail["Bcc"] is None
    assert mail["Subject"].strip().startswith("North Bcc: spy@example.org:")
    with pytest.raises(AddressError):
        build_mail(report, None, DESK, SENDER, message_id="<a@b>\r\nBcc: x@y")


def test_a_failed_run_has_a_mail(tmp_path):
    report = make_report(INFO, state="failed", reason="poses.parquet is missing")
    mail = build_mail(report, write_documents(report, tmp_path), DESK, SENDER)
    assert mail["Subject"] == "Nordbücherei 北: last night's run failed"
    assert "poses.parquet is missing" in mail.get_body(("plain",)).get_content()


def test_notices():
    lines = ("No run came\r\nlast night.", "Look at the robot.")
    mail = build_notice("North", "no run last night", lines, DESK, SENDER, about="2026-11-21", date=DATE)
    assert mail["Subject"] == "North: no run last night"
    assert "No run came last night." in mail.get_content()
    same = build_notice("North", "no run last night", ("later text",), DESK, SENDER, about="2026-11-21")
    assert same["Message-ID"] == mail["Message-ID"]
    other = build_notice("North", "no run last night", lines, DESK, SENDER, about="2026-11-22")
    assert other["Message-ID"] != mail["Message-ID"]


def test_delivered_over_smtp(report, documents, serve):
    server = serve()
    send_mail(build_mail(report, documents, DESK, SENDER), server.settings())
    ((sender, recipients, content),) = server.handler.taken
    assert (sender, recipients) == ("nightstack@library.example", ["desk@example.org"])
    mail = message_from_bytes(content, policy=default)
    assert mail["Subject"].startswith("Nordbücherei 北")
    assert {a.get_filename() for a in mail.iter_attachments()} == {
        "report.pdf",
        "picklist.pdf",
        "report.xlsx",
        "exceptions.csv",
    }


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "temporary"),
    [
        ("451 greylisted, try again", True),
        ("452 full", True),
        ("550 no such user", False),
        ("554 refused", False),
    ],
)
def test_refusals_are_temporary_or_permanent(serve, stage, answer, temporary):
    server = serve()
    server.handler.answers[stage] = answer
    with pytest.raises(MailError) as error:
        send_mail(build_notice("N", "s", ("x",), DESK, SENDER), server.settings())
    assert error.value.temporary is temporary
    assert error.value.permanent is not temporary
    assert answer[:3] in str(error.value)
    assert f"127.0.0.1:{server.port}" in str(error.value)
    assert "\n" not in str(error.value)
    assert server.handler.taken == []


def test_nobody_listens_is_temporary():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = SmtpSettings("127.0.0.1", taken.getsockname()[1], timeout_s=5.0)
        with pytest.raises(MailError) as error:
            send_mail(build_notice("N", "s", ("x",), DESK, SENDER), settings)
    assert error.value.temporary


def test_a_server_that_never_answers_is_temporary():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings = SmtpSettings("127.0.0.1", mute.getsockname()[1], timeout_s=0.3)
        with pytest.raises(MailError, match="timed out") as error:
            send_mail(build_notice("N", "s", ("x",), DESK, SENDER), settings)
    assert error.value.temporary


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"user", b"secret"), handled=False)


def test_starttls_and_log_in(certificate, serve):
    context, authority = certificate
    server = serve(tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate)
    notice = build_notice("N", "s", ("x",), DESK, SENDER)
    right = server.settings(security="starttls", user="user", password="secret", ca_file=authority)
    send_mail(notice, right)
    assert len(server.handler.taken) == 1
    with pytest.raises(MailError, match="refused user 'user'") as error:
        send_mail(notice, replace(right, password="wrong"))
    assert error.value.permanent
    assert "wrong" not in str(error.value)
    assert "secret" not in repr(right)
    with pytest.raises(MailError, match="certificate") as error:
        send_mail(notice, replace(right, ca_file=None))
    assert error.value.permanent
    with pytest.raises(MailError):
        send_mail(notice, server.settings())
    assert len(server.handler.taken) == 1


def test_implicit_tls(certificate, serve):
    context, authority = certificate
    server = serve(implicit_tls=context)
    send_mail(
        build_notice("N", "s", ("x",), DESK, SENDER), server.settings(security="tls", ca_file=authority)
    )
    assert len(server.handler.taken) == 1


def test_a_server_without_the_encryption_asked_for_gets_nothing(serve):
    server = serve()
    with pytest.raises(MailError) as error:
        send_mail(build_notice("N", "s", ("x",), DESK, SENDER), server.settings(security="starttls"))
    assert error.value.permanent
    with pytest.raises(MailError) as error:
        send_mail(build_notice("N", "s", ("x",), DESK, SENDER), server.settings(security="tls"))
    assert error.value.permanent
    assert server.handler.taken == []


@pytest.mark.parametrize(
    "site", ["main", "Zentralbibliothek", "北京图书馆", "x" * 90, "st.mary-s" + 8 * "-annexe"]
)
@pytest.mark.parametrize("policy", [None, SMTP_POLICY], ids=["own policy", "another policy"])
def test_every_header_begins_beside_its_name_and_unfolds_to_the_same_text(site, policy):
    for length in (*range(40, 110), 400, 1500):
        words = ("a zone (3), run not finished and " * 60)[:length].strip()
        raw = build_notice(site, words, ["Text."], DESK, SENDER, date=DATE).as_bytes(policy=policy)
        head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
        for line in head:
            assert line.startswith(b" ") or line.partition(b": ")[2].strip(), line
            assert len(line) <= 78
        back = message_from_bytes(raw, policy=default)
        assert back["Subject"] == f"{site}: {words}"
        again = message_from_bytes(raw, policy=SMTP_POLICY).as_bytes()
        assert again.partition(b"\r\n")[0] == head[0]


def test_a_subject_cannot_bring_in_a_header_of_its_own():
    subject = "a line that is long enough to be folded, and then\r\n Bcc: x@y.example\r\nBcc: x@y.example"
    raw = build_notice("main", subject, ["Text."], DESK, SENDER, date=DATE).as_bytes()
    assert "Bcc" not in message_from_bytes(raw, policy=default)
    assert raw.lower().count(b"\r\nbcc:") == 0
