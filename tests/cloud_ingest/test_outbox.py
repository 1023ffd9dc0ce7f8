"""The outbox against a real mail server that misbehaves."""

import email
from email import policy

import pytest
from sqlalchemy import select

from cloud_ingest import Recipient, ServeSettings
from cloud_ingest.database import Database
from cloud_ingest.models import OutboxMail
from cloud_ingest.outbox import Outbox, put
from cloud_ingest.run_life import remember_site
from cloud_ingest.service import _sender
from reports import build_notice
from reports.smtp import MailError, SmtpSettings

S = 1_000_000_000


class Post:
    def __init__(self, tmp_path, port, database):
        smtp = SmtpSettings("127.0.0.1", port, timeout_s=5.0)
        self.settings = ServeSettings(
            tmp_path,
            smtp=smtp,
            recipients=(Recipient("a@b.example"),),
            mail_retry_s=10.0,
            mail_attempts=4,
            database=database,
        )
        self.database = Database(self.settings)
        self.now = 100 * S
        self.outbox = self.make()

    def make(self, send=None):
        return Outbox(self.database, self.settings, send or _sender(self.settings), lambda: self.now)

    def put(self, about="run:1", kind="report", to="a@b.example"):
        with self.database.write() as session:
            remember_site(session, "site", 1)
            return put(
                session,
                about=about,
                report_kind=kind,
                site="site",
                run_id=None,
                recipient=to,
                sender="nightstack@lib.example",
                mail=build_notice("Mitte", "Übersicht", ["Zeile"], to, "nightstack@lib.example"),
                at=self.now,
            )

    def rows(self):
        with self.database.read() as session:
            return list(session.scalars(select(OutboxMail).order_by(OutboxMail.id)))

    def row(self):
        (row,) = self.rows()
        return row


@pytest.fixture
def post(tmp_path, mail_server, database_url):
    made = Post(tmp_path, mail_server.port, database_url)
    yield made
    made.database.close()


def test_a_mail_goes_out_once_and_a_copy_is_kept(post, mail_server, tmp_path):
    assert post.put()
    assert not post.put(), "the same report to the same recipient is one mail"
    assert post.outbox.tick() == 1
    assert post.outbox.tick() == 0
    assert mail_server.attempts == 1
    received = email.message_from_bytes(mail_server.kept[0], policy=policy.default)
    assert received["Subject"] == "Mitte: Übersicht"
    assert received["Message-ID"] == post.row().message_id
    assert post.row().state == "sent"
    (copy,) = tmp_path.glob("sites/site/mail/*.eml")
    assert copy.read_bytes() == post.row().message


def test_each_kind_of_mail_about_a_run_has_a_message_id_of_its_own(post):
    for kind in ("report", "update-1"):
        assert post.put(kind=kind)
    one, other = (row.message_id for row in post.rows())
    assert one != other
    assert one.endswith("@lib.example>")


def test_each_recipient_has_a_mail_of_its_own(post, mail_server):
    for to in ("a@b.example", "c@d.example"):
        post.put(to=to)
    assert post.outbox.tick() == 2
    assert len({row.message_id for row in post.rows()}) == 2


def test_4xx_is_tried_again_later_and_with_longer_pauses(post, mail_server):
    mail_server.plans = ["451 later", "450 busy"]
    post.put()
    assert post.outbox.tick() == 0
    row = post.row()
    assert (row.state, row.attempts, row.not_before) == ("pending", 1, post.now + 10 * S)
    assert "451" in row.error
    assert post.outbox.tick() == 0
    assert mail_server.attempts == 1, "not before its time"
    post.now += 10 * S
    post.outbox.tick()
    assert post.row().not_before == post.now + 20 * S
    post.now += 20 * S
    assert post.outbox.tick() == 1
    assert (post.row().state, len(mail_server.kept)) == ("sent", 1)


def test_5xx_is_final_and_holds_up_nobody_else(post, mail_server):
    mail_server.plans = ["554 refused for good"]
    post.put()
    post.put(to="c@d.example")
    assert post.outbox.tick() == 1
    bad, good = post.rows()
    assert (bad.state, good.state) == ("failed", "sent")
    assert "554" in bad.error
    post.now += 10_000 * S
    assert post.outbox.tick() == 0


def test_a_server_that_hangs_up_gets_the_same_message_id_again(post, mail_server):
    mail_server.plans = ["drop", "take and drop"]
    post.put()
    for _ in range(3):
        post.outbox.tick()
        post.now += 100 * S
    assert post.row().state == "sent"
    # It took one and hung up before it said so: a second copy, which the Message-ID betrays.
    ids = {email.message_from_bytes(m)["Message-ID"] for m in mail_server.kept}
    assert (len(mail_server.kept), len(ids)) == (2, 1)


def test_a_server_that_is_not_there_is_tried_until_the_attempts_are_used_up(post):
    settings = ServeSettings(
        post.settings.data, smtp=SmtpSettings("127.0.0.1", 1, timeout_s=1.0), mail_attempts=4
    )
    outbox = Outbox(post.database, settings, _sender(settings), lambda: post.now)
    post.put()
    for _ in range(10):
        outbox.tick()
        post.now += 4000 * S
    assert (post.row().state, post.row().attempts) == ("failed", 4)
    assert "\n" not in post.row().error


class Died(BaseException):
    pass


@pytest.mark.parametrize("handed_over", [False, True])
def test_dying_while_sending_neither_loses_nor_renames_the_mail(post, mail_server, handed_over):
    def dying(mail):
        if handed_over:
            _sender(post.settings)(mail)
        raise Died

    post.put()
    with pytest.raises(Died):
        post.make(dying).tick()
    assert post.row().state == "sending"
    again = post.make()
    assert again.tick() == 0, "a mail in that state is nobody's until the restart looks at it"
    assert again.recover() == 1
    assert again.tick() == 1
    ids = {email.message_from_bytes(m)["Message-ID"] for m in mail_server.kept}
    assert len(mail_server.kept) == (2 if handed_over else 1)
    assert ids == {post.row().message_id}


def test_without_a_mail_server_mails_wait_and_can_be_read(post, tmp_path):
    outbox = Outbox(post.database, ServeSettings(post.settings.data), None, lambda: post.now)
    post.put()
    assert outbox.tick() == 0
    (copy,) = tmp_path.glob("sites/site/mail/*.eml")
    assert copy.read_bytes() == post.row().message
    assert (post.row().state, post.row().attempts) == ("pending", 0)


def test_a_mail_server_that_is_down_all_morning_gets_the_mail_within_a_quarter_of_an_hour(post, mail_server):
    def down(mail):
        raise MailError("mail server: connection refused", temporary=True)

    settings = ServeSettings(post.settings.data)
    broken = Outbox(post.database, settings, down, lambda: post.now)
    post.put()
    began = post.now
    while post.now - began < 24 * 3600 * S:
        broken.tick()
        post.now += 60 * S
    assert post.row().state == "pending", "a day without a mail server loses no mail"
    post.now += 900 * S
    assert post.outbox.tick() == 1
    assert len(mail_server.kept) == 1


def test_a_full_disk_keeps_no_mail_back(post, mail_server, tmp_path):
    (tmp_path / "sites").write_text("no folder can be made here")
    post.put()
    assert post.outbox.tick() == 1
    assert (post.row().state, len(mail_server.kept)) == ("sent", 1)


@pytest.mark.parametrize("refused", [False, True])
def test_a_database_that_fails_after_the_hand_over_doubles_no_mail(post, mail_server, refused):
    mail_server.plans = ["451 later"] if refused else []
    post.put()
    write, calls = post.database.write, []

    def failing():
        calls.append(1)
        if 2 <= len(calls) <= 4:  # the first one takes the mail, the next ones were to say what became of it
            raise OSError("disk full")
        return write()

    post.database.write = failing
    for _ in range(3):
        with pytest.raises(OSError, match="disk full"):
            post.outbox.tick()
    assert post.row().state == "sending"
    post.outbox.tick()
    assert post.row().state == ("pending" if refused else "sent")
    post.now += 100 * S
    post.outbox.tick()
    assert (post.row().state, len(mail_server.kept)) == ("sent", 1)
