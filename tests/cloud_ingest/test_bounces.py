"""What comes back: notices in a real Maildir, read, matched and shown."""

import mailbox
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from sqlalchemy import select

from cloud_ingest.bounces import Bounces, return_address
from cloud_ingest.models import Bounce, OutboxMail
from cloud_ingest.notices import read_notice
from cloud_ingest.trouble import strays
from tests.cloud_ingest.smtp_server import SmtpServer
from tests.cloud_ingest.test_outbox_smtp import Post

S = 1_000_000_000
ANNA, BORIS = "anna@lib.example", "boris@lib.example"


def notice(
    message_id, recipient=ANNA, action="failed", returned="message/rfc822", to="nightstack@lib.example"
):
    """A delivery status notification as RFC 3464, appendix E, has it."""
    whole = MIMEMultipart("report", **{"report-type": "delivery-status"})
    whole["From"], whole["To"], whole["Subject"] = "MAILER-DAEMON@mx.example", to, "Undelivered"
    whole.attach(MIMEText("This is the mail system. Your message could not be delivered."))
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    about, of = Message(), Message()
    about["Reporting-MTA"] = "dns; mx.example"
    of["Final-Recipient"] = f"rfc822; {recipient}"
    of["Action"], of["Status"] = action, "5.1.1"
    of["Diagnostic-Code"] = f"smtp; 550 5.1.1 <{recipient}>: no such\n mailbox here"
    status.set_payload([about, of])
    whole.attach(status)
    if returned == "message/rfc822":
        original = EmailMessage()
        original["Message-ID"], original["Subject"] = message_id, "report"
        original.set_content("all well")
        part = Message()
        part["Content-Type"] = "message/rfc822"
        part.set_payload([original])
        whole.attach(part)
    elif returned:
        whole.attach(MIMEText(f"Message-ID: {message_id}\nSubject: report\n", "rfc822-headers"))
    return whole.as_bytes()


@pytest.fixture
def office(tmp_path, database_url):
    with SmtpServer() as server:
        made = Post(tmp_path / "data", server.port, database=database_url)
        made.maildir = tmp_path / "Maildir"
        made.box = mailbox.Maildir(made.maildir)
        made.bounces = Bounces(made.database, made.maildir, lambda: made.now)
        made.put(ANNA, BORIS)
        made.tick()
        yield made
        made.database.close()


def bounces(office):
    with office.database.read() as session:
        return list(session.scalars(select(Bounce).order_by(Bounce.id)))


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
def test_a_mail_that_comes_back_is_told_with_what_the_other_server_said(office, returned):
    office.box.add(notice(office.rows()[ANNA].message_id, returned=returned))
    assert office.bounces.tick() == 1
    row = office.rows()[ANNA]
    assert row.state == "bounced"
    assert row.error == "came back: 5.1.1 550 5.1.1 <anna@lib.example>: no such mailbox here"
    assert office.troubles() == [(ANNA, "bounced")]
    assert office.rows()[BORIS].state == "sent"


def test_a_notice_without_the_mail_is_known_by_the_address_it_came_to(office):
    to = return_address("back@lib.example", office.rows()[BORIS].message_id)
    assert to.startswith("back+")
    office.box.add(notice("", BORIS, returned="", to=to))
    assert office.bounces.tick() == 1
    assert office.rows()[BORIS].state == "bounced"
    assert office.rows()[ANNA].state == "sent"


def test_a_notice_counts_once_however_often_it_is_read(office):
    data = notice(office.rows()[ANNA].message_id)
    office.box.add(data)
    assert office.bounces.tick() == 1
    assert office.bounces.tick() == 0
    assert not list((office.maildir / "new").iterdir())
    (kept,) = (office.maildir / "cur").iterdir()
    assert kept.name.endswith(":2,S")
    # A process that died after the commit and before the move reads it again, and so does one that begins anew.
    kept.rename(office.maildir / "new" / kept.name.partition(":")[0])
    assert Bounces(office.database, office.maildir, lambda: office.now).tick() == 0
    assert len(bounces(office)) == 1


def test_a_delay_is_noted_and_the_mail_counts_as_sent(office):
    office.box.add(notice(office.rows()[ANNA].message_id, action="delayed"))
    assert office.bounces.tick() == 1
    assert office.rows()[ANNA].state == "sent"
    assert bounces(office)[0].action == "delayed"
    assert office.troubles() == []


def test_the_next_mail_that_arrives_ends_the_trouble(office):
    office.box.add(notice(office.rows()[ANNA].message_id))
    office.bounces.tick()
    assert office.troubles() == [(ANNA, "bounced")]
    office.put(ANNA, kind="update-1")
    office.tick()
    assert office.troubles() == []


def test_a_notice_that_comes_before_we_wrote_down_that_the_mail_is_gone_is_not_lost(office):
    office.put(ANNA, kind="update-1")
    write, calls = office.database.write, []

    def failing():
        calls.append(1)
        if len(calls) == 2:  # the one that was to say "sent"
            raise OSError("disk full")
        return write()

    office.database.write = failing
    with pytest.raises(OSError, match="disk full"):
        office.tick()
    office.database.write = write
    with office.database.read() as session:
        identity = session.scalar(select(OutboxMail.message_id).where(OutboxMail.report_kind == "update-1"))
    office.box.add(notice(identity))
    office.bounces.tick()
    office.tick()
    assert office.troubles() == [(ANNA, "bounced")]


STRANGE = [
    b"",
    b"\0\xff\xfe",
    b"From: a\n\nI am on leave until Monday.",
    b"Content-Type: multipart/report; report-type=delivery-status\n\nno boundary",
    b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n\n--x--\n",
    b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;\n\nAction: failed\n",
    b'Content-Type: multipart/report; boundary="\xff"\nTo: =?x?q?=ff?= <a@b>\n\n--\xff\n',
    b"Content-Type: message/rfc822\n\n" * 200,
]


@pytest.mark.parametrize("data", STRANGE)
def test_what_is_no_notice_is_put_aside_and_counted(office, data):
    (office.maildir / "new" / "strange").write_bytes(data)
    office.box.add(notice(office.rows()[ANNA].message_id))
    office.bounces.tick()
    assert office.rows()[ANNA].state == "bounced", "the next one is read all the same"
    assert bounces(office)[0].mail_id is None or bounces(office)[1].mail_id is None
    with office.database.read() as session:
        assert strays(session, office.now) == 1


def test_a_forged_notice_of_a_mail_we_never_sent_changes_nothing(office):
    office.box.add(notice("<nightstack.00000000000000000000000000000000@lib.example>"))
    office.bounces.tick()
    assert {row.state for row in office.rows().values()} == {"sent"}


def test_a_maildir_that_is_not_there_is_told_and_found_later(office):
    away = Bounces(office.database, office.maildir / "none")
    assert away.tick() == 0
    assert "bounces" in away.problem
    mailbox.Maildir(office.maildir / "none")
    away.tick()
    assert away.problem is None


def test_a_global_notice_is_read_too():
    data = (
        b"Content-Type: multipart/report; report-type=global-delivery-status; boundary=x\n\n"
        b"--x\nContent-Type: message/global-delivery-status\n\nReporting-MTA: dns; mx\n\n"
        b"Final-Recipient: rfc822; chen@lib.example\nAction: failed\nStatus: 5.7.1\n\n"
        b"--x\nContent-Type: message/global-headers\n\nMessage-ID: <a@b>\n\n--x--\n"
    )
    read = read_notice(data)
    assert [(r.recipient, r.action, r.status) for r in read.returned] == [
        ("chen@lib.example", "failed", "5.7.1")
    ]
    assert read.message_ids == ("<a@b>",)
