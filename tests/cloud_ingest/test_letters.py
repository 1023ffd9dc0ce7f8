"""What somebody finds in the mail, and when: letters written by the real process, from a ledger made by hand."""

import email
import json
import os
import signal
import socket
import threading
from datetime import UTC, datetime, time
from email import policy as email_policy
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from cloud_ingest import Recipient, Schedule, ServeSettings, SiteSettings, casebook, composing, letters
from cloud_ingest.compose_tasks import LetterTask
from cloud_ingest.composer import Composer
from cloud_ingest.database import Database
from cloud_ingest.findings_json import write_findings
from cloud_ingest.mail_days import read_span
from cloud_ingest.models import Letter, NightRow, OutboxMail, Run
from cloud_ingest.outbox import put
from cloud_ingest.run_life import enter, remember_site
from cloud_ingest.tasks import ENDED
from reports import build_notice
from reports.case import Case, Step
from reports.findings import Finding
from reports.ledger_book import Ledger
from reports.phrases import say
from sim.ils import KohaEmulator, Stock
from stacks.holdings import Holding, Holdings, write_holdings
from stacks.ils import IlsError, IlsItem
from stacks.plan import Face, Floor, Plan, Shelf, write_plan
from tests.cloud_ingest.conftest import make_info, until

S = 1_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")
MANY = "all@lib.example"


def shelf(name, number):
    return Shelf(name, "1", 1, 0.9 * number, 0.9 * number + 0.9, 0.3, 0.35, range_start=f"QA{100 + number}")


def face(name, y):
    shelves = tuple(shelf(f"{name}-{n}", n) for n in range(3))
    return Face(name, (0.0, y), 0.0, -90.0, 2.7, 0.1, shelves)


PLAN = Plan("site", 1, (Floor("EG", (face("A", 0.0),)), Floor("OG", (face("B", 5.0),))))
KINDS = ("wrong_shelf", "missing", "wrong_order", "missing", "wrong_shelf", "wrong_order")


def finding(n, kind, where):
    return Finding(
        kind,
        f"f{n}",
        epc=f"{n:024X}",
        barcode=f"3000{n}",
        call_number=f"QA{100 + n} .B{n}",
        title=f"Title {n}",
        shelf_id=where,
        offset_m=0.3,
        belongs="" if kind == "missing" else say("shelf {shelf}", shelf="A-2"),
        confidence=0.99,
        evidence=say("It was heard {n} times.", n=n),
        belongs_shelf_id="" if kind == "missing" else "A-2",
        belongs_m=2.0,
    )


FINDINGS = [finding(n, kind, f"{'AB'[n % 2]}-{n // 2}") for n, kind in enumerate(KINDS)]


class Desk:
    """A service whose runs are worked out by hand; letters are written by its real process."""

    def __init__(self, tmp_path, *recipients, **settings):
        self.settings = ServeSettings(
            tmp_path / "data",
            recipients=recipients or (Recipient(MANY),),
            time_zone="Europe/Berlin",
            sender="nightstack@lib.example",
            **settings,
        )
        self.database = Database(self.settings)
        self.now = self.at("2026-03-02T05:00")  # a Monday
        self.composer = Composer(self.database, self.settings, lambda: "http://here", lambda: self.now)

    @staticmethod
    def at(text):
        return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * S

    def run(self, run_id, when, findings=FINDINGS, kind="report", night=True):
        """A run that has just been reported, with its night in the ledger."""
        self.now = self.at(when)
        moment = datetime.fromtimestamp(self.now / S, UTC)
        folder = self.settings.data / "runs" / run_id
        (folder / "expected").mkdir(parents=True, exist_ok=True)
        write_plan(folder / "expected" / "plan.json", PLAN)
        books = [
            Holding(f.barcode, f.epc, f.call_number, "lcc", f.title, "A-2", "available") for f in FINDINGS
        ]
        write_holdings(folder / "expected" / "holdings.csv", Holdings.of(books))
        write_findings(folder, findings)
        ended = {
            "ended_at": self.now,
            "complete": True,
            "reason": "",
            "notes": [],
            "time_zone": "Europe/Berlin",
        }
        (folder / ENDED).write_text(
            json.dumps({**ended, "state": "done", "end": "", "said": [], "readings": 9})
        )
        with self.database.write() as session:
            remember_site(session, "site", self.now)
            run = session.get(Run, run_id)
            if run is None:
                run = Run(
                    run_id=run_id, site="site", robot="r", info=make_info(run_id).to_json(), opened_at=self.now,
                    heard_at=self.now, complete=True, late=0, duplicates=0, revision=0, notes=[],
                )  # fmt: skip
                session.add(run)
                for state in ("recording", "closing", "localizing", "reporting", "reported"):
                    enter(session, run, state, f"because of {state}", self.now)
            if night:
                before = casebook.load(session, "site")
                known = {
                    f.finding_id: before.cases.get(f.finding_id)
                    or Case(
                        f, "open", moment, run_id, moment, run_id, confidence=f.confidence, nights=3,
                        history=(Step(moment, "scan", "opened", run_id, f.kind, f.confidence),),
                    )
                    for f in findings
                }  # fmt: skip
                after = Ledger({**before.cases, **known}, "site", (*before.runs, run_id))
                casebook.save(session, "site", after, self.now, before=before)
                if session.get(NightRow, run_id) is None:
                    session.add(NightRow(run_id=run_id, site="site", at=self.now, revision=0, step_before=0))
            letters.plan(session, self.settings, run, kind, "", self.now)

    def tick(self, when=None):
        if when is not None:
            self.now = self.at(when)
        return self.composer.tick()

    def mails(self):
        with self.database.read() as session:
            rows = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()
        return {
            row.recipient: email.message_from_bytes(row.message, policy=email_policy.default) for row in rows
        }

    def texts(self):
        return {
            to: " ".join((mail.get_body(("plain",)) or mail).get_content().split())
            for to, mail in self.mails().items()
        }

    def letters(self):
        with self.database.read() as session:
            return list(session.scalars(select(Letter).order_by(Letter.id)))

    def mailed(self):
        with self.database.read() as session:
            ledger = casebook.load(session, "site")
        return {name for name, case in ledger.cases.items() if case.mailed_at is not None}


@pytest.fixture
def desk(tmp_path, database_url):
    made = []

    def make(*recipients, **settings):
        made.append(Desk(tmp_path, *recipients, database=database_url, **settings))
        return made[-1]

    yield make
    for one in made:
        one.database.close()


def lines_of(text):
    return {f.finding_id for f in FINDINGS if f.barcode in text}


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


def koha(url, emulator=None, **more):
    who = ("id", "secret") if emulator is None else (emulator.client_id, emulator.client_secret)
    return {"kind": "koha", "url": url, "client_id": who[0], "client_secret": who[1], "retries": 0, **more}


def with_ils(desk, *recipients, ils, **settings):
    site = SiteSettings("site", recipients or (Recipient(MANY),), ils=ils)
    return desk(sites=(site,), **settings)


def stock(**states):
    books = [
        Holding(f.barcode, f.epc, f.call_number, "lcc", f.title, "A-2", states.get(f.finding_id, "available"))
        for f in FINDINGS
    ]
    return Stock(books)


def test_a_book_lent_since_is_off_the_list_and_that_is_said(desk, tmp_path):
    with KohaEmulator(stock(f1="loaned", f4="loaned")) as emulator:
        office = with_ils(desk, ils=koha(emulator.url, emulator, journal=str(tmp_path / "j.sqlite")))
        office.run("run-1", "2026-03-02T05:00")
        assert office.tick() == 1
    assert office.mailed() == {"f0", "f2", "f3", "f5"}
    text = office.texts()[MANY]
    assert "30001" in text and "30004" in text, "what went is told"
    html = office.mails()[MANY].get_body(("html",)).get_content()
    assert "Title 1" not in html


def test_a_library_system_that_is_down_keeps_no_mail_back_and_is_told(desk):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        office = with_ils(desk, ils=koha(f"http://127.0.0.1:{closed.getsockname()[1]}"))
        office.run("run-1", "2026-03-02T05:00")
        assert office.tick() == 1
    assert office.mailed() == {f.finding_id for f in FINDINGS}
    assert "library system" in office.texts()[MANY]
    assert office.letters()[0].error


def test_a_library_system_that_never_answers_takes_no_more_than_its_time(desk):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ils = koha(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=300.0)
        office = with_ils(desk, ils=ils, recheck_s=3.0, compose_timeout_s=60.0)
        office.run("run-1", "2026-03-02T05:00")
        assert office.tick() == 1
    assert "library system" in office.texts()[MANY]


def test_secrets_of_the_library_system_are_in_no_file(desk):
    with KohaEmulator(stock()) as emulator:
        office = with_ils(desk, ils=koha(emulator.url, emulator))
        office.run("run-1", "2026-03-02T05:00")
        office.tick()
        for path in office.settings.data.rglob("*"):
            if path.is_file():
                assert emulator.client_secret.encode() not in path.read_bytes(), path


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
    assert lines_of(office.texts()[MANY]) == {"f0", "f1"}
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


class Sinking:
    """A library system that goes down after so many answers; every book asked for has the same status."""

    def __init__(self, answers, status):
        self.answers, self.status, self.asked = answers, status, 0

    def __call__(self, barcode):
        self.asked += 1
        if self.asked > self.answers:
            raise IlsError("gone", temporary=True)
        return IlsItem(barcode, status=self.status)

    item = __call__

    def close(self):
        pass


def test_lines_that_make_room_for_others_are_all_told_however_often_that_goes_round():
    moment = datetime(2026, 3, 2, 4, tzinfo=UTC)
    cases = [
        Case(f, "open", moment, "run-1", moment, "run-1", confidence=f.confidence, nights=3)
        for f in (finding(n, "wrong_order", "A-1") for n in range(60))
    ]
    night = composing._Night(None, PLAN, None, cases, [], moment, {})
    letter = LetterTask(1, MANY, "en", [], [], 2.0, "folder")
    asking = Sinking(1000, "loaned")
    work, dropped, _, failed = composing._list(
        SimpleNamespace(ils={"kind": "koha"}, run_id="run-1"), letter, night, asking, moment
    )
    assert work.findings == () and not failed
    assert 0 < asking.asked < 60
    assert len(dropped) == asking.asked, "each that went is told, once"


@pytest.mark.parametrize(("answers", "holds"), [(1000, True), (2, False)])
def test_a_check_that_broke_off_is_not_called_a_check(desk, monkeypatch, answers, holds):
    office = with_ils(desk, ils=koha("http://127.0.0.1:9"))
    office.run("run-1", "2026-03-02T05:00")
    [batch] = office.composer._batches(office.now)
    with office.database.read() as session:
        Path(batch.task.ledger).write_text(json.dumps(casebook.load(session, "site").to_json()))
    Path(batch.task.work).mkdir()
    monkeypatch.setattr(composing, "open_ils", lambda _: Sinking(answers, "available"))
    [written] = composing.compose(batch.task)
    mail = email.message_from_bytes(
        (Path(batch.task.work) / written.file).read_bytes(), policy=email_policy.default
    )
    text = " ".join(mail.get_body(("plain",)).get_content().split())
    assert ("every line still holds" in text) == holds
    assert bool(written.failed) != holds
