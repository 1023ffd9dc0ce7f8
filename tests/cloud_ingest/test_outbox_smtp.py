"""The outbox against a mail server that behaves as mail servers do, over real sockets."""

import email
import os
import signal
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud_ingest import Recipient, ServeSettings
from cloud_ingest.database import Database
from cloud_ingest.models import OutboxMail
from cloud_ingest.outbox import Outbox, put
from cloud_ingest.run_life import remember_site
from cloud_ingest.service import _sender
from cloud_ingest.trouble import undelivered
from reports import build_notice
from reports.smtp import SmtpSettings
from tests.cloud_ingest.smtp_server import SmtpServer
from tests.support.mqtt_broker import make_certificate

S = 1_000_000_000
THREE = ("anna@lib.example", "boris@lib.example", "chen@lib.example")


class Post:
    def __init__(self, tmp_path, port, host="127.0.0.1", timeout_s=5.0, database=None, **smtp):
        self.settings = ServeSettings(
            tmp_path,
            smtp=SmtpSettings(host, port, timeout_s=timeout_s, **smtp),
            recipients=tuple(Recipient(who) for who in THREE),
            mail_retry_s=10.0,
            database=database,
        )
        self.database = Database(self.settings)
        self.now = 1_800_000_000 * S
        self.outbox = self.make(self.settings)

    def make(self, settings):
        return Outbox(self.database, settings, _sender(settings), lambda: self.now)

    def put(self, *to, kind="report"):
        with self.database.write() as session:
            remember_site(session, "site", 1)
            for who in to:
                mail = build_notice("site", "report", ["all well"], who, "n@lib.example")
                put(
                    session, about="run:1", report_kind=kind, site="site", run_id=None, recipient=who,
                    sender="n@lib.example", mail=mail, at=self.now,
                )  # fmt: skip

    def tick(self, seconds=0):
        self.now += seconds * S
        return self.outbox.tick()

    def rows(self):
        with self.database.read() as session:
            return {row.recipient: row for row in session.scalars(select(OutboxMail))}

    def troubles(self):
        with self.database.read() as session:
            return [(u.recipient, u.what) for u in undelivered(session, self.now)]


@pytest.fixture
def post(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Post(tmp_path / "data", *args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.database.close()


def test_a_grey_list_says_later_and_then_takes_each_mail_once(post):
    with SmtpServer(greylist=True) as server:
        office = post(server.port)
        office.put(*THREE)
        assert office.tick() == 0
        assert {row.state for row in office.rows().values()} == {"pending"}
        assert all("greylisted" in row.error for row in office.rows().values())
        assert office.tick(5) == 0, "it does not come back before its time"
        assert office.tick(10) == 3
        assert sorted(to for mail in server.taken for to in mail.rcpt_tos) == sorted(THREE)
        assert office.troubles() == []


def test_one_refused_recipient_of_three_costs_the_others_nothing_and_is_named(post):
    with SmtpServer(rcpt={"boris@lib.example": "550 5.1.1 no such user here"}) as server:
        office = post(server.port)
        office.put(*THREE)
        assert office.tick() == 2
        states = {who: row.state for who, row in office.rows().items()}
        assert states == {
            "anna@lib.example": "sent",
            "boris@lib.example": "failed",
            "chen@lib.example": "sent",
        }
        assert "550" in office.rows()["boris@lib.example"].error
        assert office.troubles() == [("boris@lib.example", "refused")]
        assert office.tick(100_000) == 0, "a refusal for good is not tried again"
        # The address was mended at the other end: the next mail arrives and the trouble is over.
        server.rcpt.clear()
        office.put("boris@lib.example", kind="update-1")
        assert office.tick() == 1
        assert office.troubles() == []


def test_a_recipient_who_is_put_off_again_and_again_is_named_while_it_is_tried(post):
    with SmtpServer(rcpt={"anna@lib.example": "452 4.2.2 mailbox full"}) as server:
        office = post(server.port)
        office.put("anna@lib.example")
        for pause in (0, 10, 20):
            office.tick(pause)
        assert office.troubles() == [("anna@lib.example", "waiting")]


def test_a_server_that_falls_silent_in_data_is_left_and_tried_again_with_the_same_id(post):
    with SmtpServer(data=["hang"]) as server:
        office = post(server.port, timeout_s=0.5)
        office.put("anna@lib.example")
        assert office.tick() == 0
        (row,) = office.rows().values()
        assert row.state == "pending"
        assert "timed out" in row.error
        assert office.tick(10) == 1
        assert [email.message_from_bytes(m.content)["Message-ID"] for m in server.taken] == [row.message_id]


def test_a_server_that_dies_after_data_before_its_answer_gets_the_same_message_id(post):
    with SmtpServer(data=["keep and die"]) as server:
        office = post(server.port)
        office.put("anna@lib.example")
        assert office.tick() == 0
        assert office.tick(10) == 1
        ids = {email.message_from_bytes(mail.content)["Message-ID"] for mail in server.taken}
        assert (len(server.taken), len(ids)) == (2, 1)


def test_a_server_that_dies_before_the_good_bye_has_the_mail_and_gets_no_second_one(post):
    with SmtpServer(data=["keep, then die"]) as server:
        office = post(server.port)
        office.put("anna@lib.example")
        assert office.tick() == 1
        assert office.tick(1000) == 0
        assert len(server.taken) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    file, key = make_certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, str(file)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_out_encrypted(post, certificate, security):
    context, ca_file = certificate
    with SmtpServer(**{security: context}) as server:
        office = post(server.port, "localhost", security=security, ca_file=ca_file)
        office.put(*THREE)
        assert office.tick() == 3
        assert server.plain_mails == 0


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_gets_no_mail_and_the_mail_waits(post, certificate, security):
    context, ca_file = certificate
    with SmtpServer(**{security: context}) as server:
        office = post(server.port, "localhost", security=security)
        office.put("anna@lib.example")
        assert office.tick() == 0
        (row,) = office.rows().values()
        assert row.state == "pending", "somebody may set ca_file before breakfast"
        assert "ca_file" in row.error
        assert server.attempts == 0
        smtp = replace(office.settings.smtp, ca_file=ca_file)
        office.outbox = office.make(replace(office.settings, smtp=smtp))
        assert office.tick(10) == 1


def test_a_server_without_starttls_gets_nothing_in_the_open(post):
    with SmtpServer() as server:
        office = post(server.port, security="starttls")
        office.put("anna@lib.example")
        assert office.tick() == 0
        assert server.attempts == 0
        assert "security" in office.rows()["anna@lib.example"].error


SEND_AND_DIE = """
import os, signal, sys
from pathlib import Path
from cloud_ingest import ServeSettings
from cloud_ingest.database import Database
from cloud_ingest.outbox import Outbox
from cloud_ingest.service import _sender
from reports.smtp import SmtpSettings

settings = ServeSettings(Path(sys.argv[1]), smtp=SmtpSettings("127.0.0.1", int(sys.argv[2])))
send = _sender(settings)

def dying(mail):
    if sys.argv[3] == "after":
        send(mail)
    os.kill(os.getpid(), signal.SIGKILL)

outbox = Outbox(Database(settings), settings, send if sys.argv[3] == "never" else dying)
outbox.recover()
outbox.tick()
"""


@pytest.mark.parametrize(("moment", "copies"), [("before", 1), ("after", 2)])
def test_a_process_killed_while_sending_sends_the_same_mail_again(post, moment, copies):
    with SmtpServer() as server:
        office = post(server.port)
        office.now = 1_000 * S  # before any clock of the processes below
        office.put("anna@lib.example")

        def run(when):
            command = [sys.executable, "-c", SEND_AND_DIE, str(office.settings.data), str(server.port), when]
            return subprocess.run(
                command, cwd=Path(__file__).parents[2], env=os.environ, timeout=60
            ).returncode

        assert run(moment) == -signal.SIGKILL
        assert office.rows()["anna@lib.example"].state == "sending"
        assert run("never") == 0
        (row,) = office.rows().values()
        assert row.state == "sent"
        ids = [email.message_from_bytes(mail.content)["Message-ID"] for mail in server.taken]
        assert ids == [row.message_id] * copies


def test_each_mail_has_a_return_address_of_its_own(post):
    with SmtpServer() as server:
        office = post(server.port)
        office.outbox = office.make(replace(office.settings, bounce_address="back@lib.example"))
        office.put(*THREE)
        assert office.tick() == 3
        froms = {mail.mail_from for mail in server.taken}
        assert len(froms) == 3
        assert all(f.startswith("back+") and f.endswith("@lib.example") for f in froms)
        tokens = {f.removeprefix("back+").partition("@")[0] for f in froms}
        assert all(any(token in row.message_id for token in tokens) for row in office.rows().values())
        # What the reader sees is the sender, not that address.
        assert {email.message_from_bytes(m.content)["From"] for m in server.taken} == {"n@lib.example"}
