"""What somebody finds in the mail, and when: letters written by the real process, from a ledger made by hand."""

import os
import re
import signal
import socket
import threading
from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud_ingest import Recipient, Schedule, SiteSettings, casebook
from cloud_ingest.mail_days import read_span
from cloud_ingest.models import Letter, OutboxMail
from cloud_ingest.outbox import put
from reports import build_notice
from reports.listed import ListTally
from reports.listed_text import beside, for_list
from reports.phrases import to_json
from tests.cloud_ingest.conftest import until
from tests.cloud_ingest.letter_desk import FINDINGS, MANY, S, finding, koha, lines_of, open_desks, with_ils


@pytest.fixture
def desk(tmp_path, database_url):
    yield from open_desks(tmp_path, database_url)


def test_each_recipient_gets_the_own_floors_and_kinds_in_the_own_language(desk):
    office = desk(
        Recipient(MANY),
        Recipient("og@lib.example", floors=("OG",)),
        Recipient("missing@lib.example", kinds=("missing",)),
        Recipient("zh@lib.example", "zh", kinds=("wrong_order",)),
        Recipient("attic@lib.example", floors=("attic",)),
    )
    office.run("run-1", "2026-03-02T05:00")
    assert office.tick() == 5
    texts = office.texts()
    assert lines_of(texts[MANY]) == {f.finding_id for f in FINDINGS}
    assert lines_of(texts["og@lib.example"]) == {"f1", "f3", "f5"}
    assert lines_of(texts["missing@lib.example"]) == {"f1", "f3"}
    assert lines_of(texts["zh@lib.example"]) == {"f2", "f5"}
    assert office.mails()["zh@lib.example"]["Content-Language"].startswith("zh")
    assert "书" in texts["zh@lib.example"]
    assert "floor attic, which the plan does not have (it has EG, OG)" in texts["attic@lib.example"]
    # Each has documents of an own beside the run's.
    folders = sorted(p.name for p in (office.settings.data / "runs" / "run-1" / "mail").iterdir())
    assert len(folders) == 5
    assert office.mailed() == {f.finding_id for f in FINDINGS}
    assert office.tick() == 0


def test_a_failed_night_says_what_of_the_earlier_list_is_open_and_lists_none_of_it(desk):
    office = desk(Recipient(MANY), Recipient("missing@lib.example", kinds=("missing",)))
    office.run("run-1", "2026-03-02T05:00")
    assert office.tick() == 2
    why = "no poses came from the robot, so no book can be placed"
    office.run("run-2", "2026-03-03T05:00", [], kind="failed", night=False, state="failed", end=why)
    assert office.tick() == 2
    for to, open_lines in ((MANY, len(FINDINGS)), ("missing@lib.example", 2)):
        mail, text = office.mails()[to], office.texts()[to]
        assert mail["Subject"] == "site: last night's run failed"
        assert lines_of(text) == set()
        assert f"The run could not be worked out: {why}." in text
        assert (
            f"The list of the last night that was worked out still holds: {open_lines} lines are open."
            in text
        )
        assert not re.search(r"\b0\b", text), "noughts are no results"


def test_lists_and_the_last_nights_are_in_the_mail_in_each_language(desk):
    office = desk(Recipient(MANY), Recipient("zh@lib.example", "zh"))
    line = replace(
        finding(1, "listed", "A-1"), asked_for=for_list("Course", "wanted", "desk"), beside=beside("QA1", "QA3"),
        lists=("Course",), purpose="wanted",
    )  # fmt: skip
    tally = ListTally("Course", "wanted", 40, located=7, away={"loaned": 3}, silent=30)
    figures = [["r", f"2026-03-0{n}T02:00:00+00:00", 9 - n, 5, 100, 90 + n] for n in (1, 2, 3)]
    told = {"lists": [to_json(tally.said)], "nights": figures}
    office.run("run-1", "2026-03-04T05:00", findings=[line], **told)
    assert office.tick() == 2
    texts = office.texts()
    for words in (
        '"Course" (a reader waits): 7 of 40 located, 3 on loan, 30 not heard tonight.',
        "fetch for the reader",
        "between QA1 and QA3",
        "Course (a reader waits): desk",
        "Due to be searched for: 8, 7, 6 (last 3 nights)",
    ):
        assert words in texts[MANY], words
    for words in ("“Course”（读者在等）：40 册中已找到 7 册", "取出交给读者", "待查找的缺失图书：8"):
        assert words in texts["zh@lib.example"], words


def test_only_what_a_mail_shows_counts_as_mailed_and_the_next_mail_knows_since_when(desk):
    office = desk(Recipient(MANY, kinds=("missing",)))
    office.run("run-1", "2026-03-02T05:00")
    office.tick()
    assert office.mailed() == {"f1", "f3"}
    with office.database.write() as session:
        casebook.act(session, "site", "f1", "marked_missing", who="anna", at=office.now)
    office.run("run-2", "2026-03-03T05:00")
    office.tick()
    assert lines_of(office.texts()[MANY]) == {"f3"}, "what staff dealt with is off the list"


def test_a_list_fits_the_minutes_and_tells_what_waits(desk):
    office = desk(Recipient(MANY, minutes=3.0))
    office.run("run-1", "2026-03-02T05:00")
    office.tick()
    shown = lines_of(office.texts()[MANY])
    assert 0 < len(shown) < len(FINDINGS)
    assert office.mailed() == shown


def test_a_mail_waits_for_its_hour_and_is_about_the_newest_night(desk):
    office = desk(Recipient(MANY, schedule=Schedule(("mon", "thu"), time(6, 30))))
    office.run("run-1", "2026-03-02T05:00", FINDINGS[:3])
    assert office.tick("2026-03-02T06:29") == 0
    assert office.tick("2026-03-02T06:30") == 1
    office.run("run-2", "2026-03-03T05:00", FINDINGS[:4])
    office.run("run-3", "2026-03-05T05:00", FINDINGS)
    assert office.tick("2026-03-05T06:29") == 0
    assert office.tick("2026-03-05T06:31") == 1
    assert lines_of(office.texts()[MANY]) == {f.finding_id for f in FINDINGS}
    assert [(letter.run_id, letter.state) for letter in office.letters()] == [
        ("run-1", "posted"),
        ("run-2", "superseded"),
        ("run-3", "posted"),
    ]
    assert "run-3" in office.letters()[1].error


def test_on_quiet_days_there_is_no_mail_and_its_findings_are_in_the_next(desk):
    quiet = (read_span("2026-03-02..2026-03-03"),)
    office = desk(Recipient(MANY, quiet_days=quiet), Recipient("keen@lib.example"))
    office.run("run-1", "2026-03-02T05:00", FINDINGS[:3])
    assert office.tick() == 1
    office.run("run-2", "2026-03-03T05:00", FINDINGS[:2])
    assert office.tick("2026-03-03T23:59") == 1
    assert set(office.texts()) == {"keen@lib.example"}
    assert office.tick("2026-03-04T07:00") == 1
    assert lines_of(office.texts()[MANY]) == {"f0", "f1", "f2"}


def test_a_letter_that_is_due_later_than_its_run_is_reported_again_is_written_of_the_new_report(desk):
    office = desk(Recipient(MANY, schedule=Schedule(hour=time(6, 30))))
    office.run("run-1", "2026-03-02T05:00", FINDINGS[:1])
    office.run("run-1", "2026-03-02T05:30", FINDINGS[:4], kind="update-1")
    assert office.tick("2026-03-02T06:30") == 1
    assert len(office.mails()) == 1
    assert lines_of(office.texts()[MANY]) == {"f0", "f1", "f2", "f3"}
    assert [letter.state for letter in office.letters()] == ["superseded", "posted"]


def test_a_run_that_is_in_no_ledger_is_told_by_its_own_findings(desk):
    office = desk()
    office.run("run-1", "2026-03-02T05:00", FINDINGS[:2], night=False)
    assert office.tick() == 1
    # What was silent one night alone is perhaps missing: counted, and nobody's errand.
    assert lines_of(office.texts()[MANY]) == {"f0"} and "Perhaps missing: 1" in office.texts()[MANY]
    assert office.mailed() == set()


def test_a_process_that_is_killed_while_it_writes_is_started_again(desk):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # where it hangs, to be killed in peace
        office = with_ils(
            desk,
            ils=koha(f"http://127.0.0.1:{silent.getsockname()[1]}"),
            recheck_s=600.0,
            compose_timeout_s=600.0,
        )
        office.run("run-1", "2026-03-02T05:00")
        posting = threading.Thread(target=office.tick)
        posting.start()
        asked, _ = silent.accept()
        os.kill(office.composer._child.pid, signal.SIGKILL)
        posting.join(60)
        asked.close()
        assert office.mails() == {}
        assert office.mailed() == set()
        assert "killed" in office.letters()[0].error or "ended early" in office.letters()[0].error
    office.now += 60 * S
    assert office.tick() == 1
    assert office.letters()[0].attempts == 2
    assert office.mailed() == {f.finding_id for f in FINDINGS}


def test_a_letter_that_cannot_be_written_ends_in_a_short_mail(desk):
    office = desk(Recipient(MANY), Recipient("zh@lib.example", "zh"))
    office.run("run-1", "2026-03-02T05:00")
    (office.settings.data / "runs" / "run-1" / "findings.json").write_text("{broken")
    for _ in range(3):
        assert office.tick() == 0
        office.now += 60 * S
    assert office.tick() == 2
    texts = office.texts()
    assert "is done" in texts[MANY]
    assert "http://here/runs/run-1" in texts[MANY]
    assert "http://here/runs/run-1" in texts["zh@lib.example"]
    assert office.mailed() == set()
    assert office.tick() == 0


def test_somebody_whose_mail_does_not_arrive_is_named_to_the_others(desk):
    office = desk(Recipient(MANY), Recipient("lost@lib.example"))
    office.run("run-0", "2026-03-01T05:00", [])
    with office.database.write() as session:
        for letter in session.scalars(select(Letter)):
            session.delete(letter)
        mail = build_notice("site", "report", ["x"], "lost@lib.example", "n@lib.example")
        put(
            session, about="run:run-0", report_kind="report", site="site", run_id="run-0",
            recipient="lost@lib.example", sender="n@lib.example", mail=mail, at=office.now,
        )  # fmt: skip
        session.flush()
        row = session.scalar(select(OutboxMail))
        row.state, row.error = "failed", "550 5.1.1 no such user"
    office.run("run-1", "2026-03-02T05:00")
    office.tick()
    assert "The last mail to lost@lib.example was refused: 550 5.1.1 no such user." in office.texts()[MANY]
    assert "lost@lib.example was refused" not in office.texts()["lost@lib.example"]


def test_documents_that_are_too_large_are_linked(desk):
    office = desk(attachment_bytes=1)
    office.run("run-1", "2026-03-02T05:00")
    office.tick()
    mail = office.mails()[MANY]
    assert list(mail.iter_attachments()) == []
    assert "http://here/runs/run-1" in office.texts()[MANY]


def test_the_hour_is_the_sites_own(desk):
    tokyo = Recipient(MANY, schedule=Schedule(hour=time(6, 30)))
    office = desk(sites=(SiteSettings("site", (tokyo,), time_zone="Asia/Tokyo"),))
    office.run("run-1", "2026-03-02T05:00")  # 13:00 there: late for that day, and nothing went out on it
    assert office.tick() == 1
    office.run("run-2", "2026-03-02T16:00")  # 00:00 on the 3rd
    assert office.tick("2026-03-02T22:29") == 0
    assert office.tick("2026-03-02T22:31") == 1


def test_files_of_letters_are_gone_when_they_are_posted(desk):
    office = desk()
    office.run("run-1", "2026-03-02T05:00")
    office.tick()
    left = {p.name for p in Path(office.settings.data / "runs" / "run-1").iterdir()}
    assert not {name for name in left if name.startswith(".")}
    assert until(lambda: office.composer._child is None, 1)
