"""By the set hour there is a mail for every site."""

import email
from dataclasses import replace
from datetime import datetime, time
from email import policy
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from cloud_ingest import Recipient, ServeSettings, SiteSettings, letters
from cloud_ingest.database import Database
from cloud_ingest.mail_days import Schedule, read_span
from cloud_ingest.models import Morning, OutboxMail, Run
from cloud_ingest.morning import Mornings
from cloud_ingest.outbox import put
from cloud_ingest.run_life import enter, remember_site
from reports import build_notice

ZONE = ZoneInfo("Europe/Berlin")


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * 1_000_000_000


class Desk:
    def __init__(self, tmp_path, begun="2026-03-01T12:00", **settings):
        self.settings = ServeSettings(
            tmp_path,
            sites=(SiteSettings("Mitte", (Recipient("mitte@lib.example"),)), SiteSettings("Nord")),
            recipients=(Recipient("all@lib.example"),),
            morning=time(7, 30),
            time_zone="Europe/Berlin",
            **settings,
        )
        self.database = Database(self.settings)
        self.now = at(begun)
        self.mornings = Mornings(self.database, self.settings, lambda: "http://here", lambda: self.now)
        self.mornings.meet()

    def tick(self, when):
        self.now = at(when)
        self.mornings.tick()

    def mails(self):
        with self.database.read() as session:
            rows = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()
        made = [email.message_from_bytes(row.message, policy=policy.default) for row in rows]
        return [
            (row.recipient, " ".join(mail.get_content().split()))
            for row, mail in zip(rows, made, strict=True)
        ]

    def run(self, run_id, site, opened, *states):
        with self.database.write() as session:
            run = Run(
                run_id=run_id, site=site, robot="r", opened_at=at(opened), heard_at=at(opened), complete=True,
                late=0, duplicates=0, revision=0, notes=[],
            )  # fmt: skip
            remember_site(session, site, at(opened))
            session.add(run)
            for state in ("recording", *states):
                enter(session, run, state, f"because of {state}", at(opened))

    def report(self, run_id, text, when):
        to, sender = "mitte@lib.example", "n@lib.example"
        with self.database.write() as session:
            put(
                session,
                about=f"run:{run_id}",
                report_kind="report",
                site="Mitte",
                run_id=run_id,
                recipient=to,
                sender=sender,
                mail=build_notice("Mitte", "report", [text], to, sender),
                at=at(when),
            )


@pytest.fixture
def desk(tmp_path, database_url):
    made = Desk(tmp_path, database=database_url)
    yield made
    made.database.close()


def test_a_night_without_a_run_is_told_once_to_those_of_the_site(desk):
    desk.tick("2026-03-02T07:29:59")
    assert desk.mails() == []
    desk.tick("2026-03-02T07:30:00")
    desk.tick("2026-03-02T09:00")
    (one, text), (two, _) = sorted(desk.mails())
    assert (one, two) == ("all@lib.example", "mitte@lib.example")
    assert "No stocktake has begun since 2026-03-01 07:30 CET" in text
    desk.tick("2026-03-03T07:30")
    assert len(desk.mails()) == 4


def test_a_service_that_slept_through_the_hour_makes_good_for_it(desk):
    desk.tick("2026-03-02T11:45")
    assert len(desk.mails()) == 2


def test_a_site_first_heard_of_after_the_hour_waits_for_tomorrow(desk):
    desk.tick("2026-03-02T07:30")
    desk.run("run-1", "Neu", "2026-03-02T08:00")
    desk.tick("2026-03-02T08:30")
    assert len(desk.mails()) == 2
    desk.tick("2026-03-03T07:30")
    assert len(desk.mails()) == 5


def test_a_run_still_at_work_is_told_with_its_state(desk):
    desk.run("run-1", "Mitte", "2026-03-01T23:00", "closing", "localizing")
    desk.run("run-2", "Nord", "2026-03-01T23:00")
    desk.tick("2026-03-02T07:30")
    texts = dict(desk.mails())
    assert "Run run-1 is being worked out" in texts["mitte@lib.example"]
    assert "Run run-2 is still being recorded" in texts["all@lib.example"]


def test_a_site_whose_report_went_out_gets_no_second_mail(desk):
    desk.run("run-1", "Mitte", "2026-03-01T23:00", "closing", "localizing", "reporting", "reported")
    desk.report("run-1", "all well", "2026-03-02T04:00")
    desk.tick("2026-03-02T07:30")
    assert [(to, text[:8]) for to, text in desk.mails()] == [
        ("mitte@lib.example", "all well"),
        ("all@lib.example", "There is"),
    ]


def test_a_report_that_was_late_yesterday_does_not_silence_this_morning(desk):
    desk.run("run-1", "Mitte", "2026-03-01T23:00", "closing", "localizing", "reporting", "reported")
    desk.tick("2026-03-02T07:30")
    desk.report("run-1", "late", "2026-03-02T08:10")
    before = len(desk.mails())
    desk.tick("2026-03-03T07:30")
    texts = dict(desk.mails()[before:])
    assert (
        "No stocktake has begun since 2026-03-02 07:30 CET. The last one was run-1"
        in texts["mitte@lib.example"]
    )


def test_the_hour_is_that_of_the_zone_also_when_the_clocks_change(desk):
    # 29 March 2026: summer time began at 2; 7:30 CEST is 5:30 UTC.
    desk.tick("2026-03-28T07:30")
    before = len(desk.mails())
    desk.now = int(datetime(2026, 3, 29, 5, 29, 59, tzinfo=ZoneInfo("UTC")).timestamp()) * 10**9
    desk.mornings.tick()
    assert len(desk.mails()) == before
    desk.now += 10**9
    desk.mornings.tick()
    assert len(desk.mails()) == before + 2


def test_a_site_nobody_reads_for_is_noted(tmp_path):
    settings = ServeSettings(tmp_path, sites=(SiteSettings("Still"),))
    database = Database(settings)
    now = [at("2026-03-01T12:00")]
    mornings = Mornings(database, settings, lambda: "", lambda: now[0])
    mornings.meet()
    now[0] = at("2026-03-02T09:00")
    mornings.tick()
    with database.read() as session:
        assert "nobody" in session.scalar(select(Morning.outcome))
        assert session.scalars(select(OutboxMail)).all() == []
    database.close()


def test_a_report_whose_mail_waits_for_its_hour_counts_as_told(tmp_path):
    later = Recipient("late@lib.example", schedule=Schedule(hour=time(9, 0)))
    settings = ServeSettings(tmp_path, sites=(SiteSettings("Mitte", (later,)),), time_zone="Europe/Berlin")
    desk = Desk.__new__(Desk)
    desk.settings, desk.database = settings, Database(settings)
    desk.now = at("2026-03-01T12:00")
    desk.mornings = Mornings(desk.database, settings, lambda: "http://here", lambda: desk.now)
    desk.mornings.meet()
    desk.run("run-1", "Mitte", "2026-03-01T23:00", "closing", "localizing", "reporting", "reported")
    with desk.database.write() as session:
        letters.plan(session, settings, session.get(Run, "run-1"), "report", "", at("2026-03-02T04:00"))
    desk.tick("2026-03-02T07:00")
    assert desk.mails() == []
    with desk.database.read() as session:
        assert "due 2026-03-02 09:00 CET" in session.scalar(select(Morning.outcome))
    # The night after has no run: that is told, although a mail of the last one may still wait.
    desk.tick("2026-03-03T07:00")
    assert len(desk.mails()) == 1
    desk.database.close()


def test_on_quiet_days_nobody_is_told_that_there_is_nothing(tmp_path):
    quiet = Recipient("quiet@lib.example", quiet_days=(read_span("2026-03-02"),))
    settings = ServeSettings(
        tmp_path,
        sites=(SiteSettings("Mitte", (quiet, Recipient("keen@lib.example"))), SiteSettings("Nord", (quiet,))),
        time_zone="Europe/Berlin",
    )
    desk = Desk.__new__(Desk)
    desk.settings, desk.database = settings, Database(settings)
    desk.now = at("2026-03-01T12:00")
    desk.mornings = Mornings(desk.database, settings, lambda: "http://here", lambda: desk.now)
    desk.mornings.meet()
    desk.tick("2026-03-02T07:00")
    assert [to for to, _ in desk.mails()] == ["keen@lib.example"]
    desk.tick("2026-03-03T07:00")
    assert sorted(to for to, _ in desk.mails()) == ["keen@lib.example"] * 2 + ["quiet@lib.example"] * 2
    desk.database.close()


def test_where_the_clocks_go_back_a_morning_is_seen_to_when_its_hour_is_over_the_first_time(tmp_path):
    """Half past two comes twice that night; a service that begins its work between the two is late already."""
    desk = Desk(tmp_path, "2026-10-20T12:00")
    desk.settings = replace(desk.settings, morning=time(2, 30))
    mornings = Mornings(desk.database, desk.settings, lambda: "http://here", lambda: desk.now)
    second = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=ZONE)
    desk.now = int(second.timestamp()) * 1_000_000_000
    mornings.tick()
    assert len(desk.mails()) == 2, "one a site"
    desk.now += 3600 * 1_000_000_000
    mornings.tick()
    assert len(desk.mails()) == 2
    desk.database.close()
