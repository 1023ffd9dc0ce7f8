"""What is written back: to an emulated Koha, from the service's own database, across crashes and reruns."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import select

from cloud_ingest import ServeSettings, SiteSettings, casebook, job_results
from cloud_ingest.database import Database
from cloud_ingest.models import Run, WriteBack
from cloud_ingest.night_work import judge
from cloud_ingest.run_life import enter, remember_site
from cloud_ingest.tasks import NightTask
from cloud_ingest.write_back import HEARD, heard_books, plan_inventory
from cloud_ingest.writer import Writer
from reports.ledger_book import Ledger
from reports.night import NOT_LOOKED, RIGHT, SILENT, UNSURE, WRONG
from sim.ils import KohaEmulator, Stock
from stacks.holdings import Holding, Holdings
from stacks.ils import Journal
from tests.cloud_ingest.test_nights import Office as NightOffice
from tests.cloud_ingest.test_nights import case
from tests.reports.conftest import make_world
from tests.stacks.ils.support import CuttingProxy
from tests.support.runs import make_info

S = 1_000_000_000
AT = 1_770_000_000 * S


def book(n, status="available", epc=None):
    return Holding(f"B{n}", epc or f"{n:024X}", f"QA{n} .B{n}", "lcc", f"Title {n}", "A", status)


class Office:
    """A service with a library system of its own; time stands still unless somebody moves it."""

    def __init__(self, tmp_path, koha, database, writes=("missing", "inventory_date"), url=None):
        ils = {
            "kind": "koha", "url": url or koha.url, "client_id": koha.client_id, "timeout_s": 10.0, "retries": 0,
            "client_secret": koha.client_secret, "journal": str(tmp_path / "journal.sqlite"), "writes": list(writes),
        }  # fmt: skip
        self.settings = ServeSettings(
            tmp_path / "data",
            sites=(SiteSettings("north", ils=ils),),
            writes_per_minute=6000,
            database=database,
        )
        self.database = Database(self.settings)
        self.now = AT
        self.writer = Writer(self.database, self.settings, lambda: self.now)
        self.journal = Journal(tmp_path / "journal.sqlite")
        self.work = tmp_path / "work"
        self.work.mkdir(exist_ok=True)
        with self.database.write() as session:
            cases = {}
            for n in (1, 2):
                made = case(f"f{n}", "run-1", AT, "missing")
                cases[f"f{n}"] = replace(made, finding=replace(made.finding, barcode=f"B{n}"))
            before = casebook.load(session, "north")
            if not len(before):
                casebook.save(session, "north", Ledger(cases, "north"), AT, before=before)

    def act(self, finding_id, did):
        with self.database.write() as session:
            casebook.act(session, "north", finding_id, did, who="anna", at=self.now)

    def heard(self, run_id, day, barcodes):
        (self.work / HEARD).write_text(json.dumps({"date": day, "barcodes": barcodes}))
        with self.database.write() as session:
            remember_site(session, "north", AT)
            run = session.get(Run, run_id)
            if run is None:
                run = Run(
                    run_id=run_id, site="north", robot="r", info=make_info(run_id).to_json(), opened_at=AT,
                    heard_at=AT, complete=True, late=0, duplicates=0, revision=0, notes=[],
                )  # fmt: skip
                session.add(run)
                enter(session, run, "recording", "it began", AT)
            plan_inventory(session, self.settings, run, self.work, self.now)

    def rows(self):
        with self.database.read() as session:
            rows = session.scalars(select(WriteBack).order_by(WriteBack.id)).all()
        return [(row.what, row.about, row.state) for row in rows]

    def until_done(self, most=20):
        return sum(self.writer.tick() for _ in range(most))


@pytest.fixture
def koha():
    with KohaEmulator(Stock([book(n) for n in range(1, 131)])) as emulator:
        yield emulator


@pytest.fixture
def office(tmp_path, koha, database_url):
    made = []

    def make(**more):
        made.append(Office(tmp_path, koha, database_url, **more))
        return made[-1]

    yield make
    for one in made:
        one.database.close()


def dates(koha):
    return {c.barcode: str(c.last_seen)[:10] for c in koha.stock.copies if c.last_seen}


def state(koha, barcode):
    return next(c.state for c in koha.stock.copies if c.barcode == barcode)


def test_what_staff_marked_missing_is_told_once_and_journalled(office, koha):
    desk = office()
    desk.act("f1", "marked_missing")
    desk.act("f2", "reshelved")
    assert state(koha, "B1") == "available", "the command line tells nobody itself"
    assert desk.until_done() == 1
    assert (state(koha, "B1"), state(koha, "B2")) == ("missing", "available")
    assert desk.rows() == [("missing", "f1", "done")]
    [entry] = desk.journal.entries()
    assert (entry.what, entry.barcode, entry.outcome) == ("missing", "B1", "done")
    assert "anna" not in entry.value


@pytest.mark.parametrize("writes", [(), ("inventory_date",)])
def test_nothing_is_told_where_the_site_has_not_turned_it_on_and_nothing_is_told_late(office, koha, writes):
    desk = office(writes=writes)
    desk.act("f1", "marked_missing")
    assert desk.until_done() == 0
    assert desk.rows() == [("missing", "f1", "off")]
    later = office()
    assert later.until_done() == 0
    assert state(koha, "B1") == "available"


def test_a_case_that_is_opened_again_first_is_not_told(office, koha):
    desk = office()
    desk.act("f1", "marked_missing")
    desk.act("f1", "reopen")
    assert desk.until_done() == 0
    assert (state(koha, "B1"), desk.rows()) == ("available", [("missing", "f1", "off")])


def test_a_refusal_is_kept_with_its_reason_and_resolving_again_tries_again(office, koha):
    desk = office()
    koha.stock.lend("B1")
    desk.act("f1", "marked_missing")
    assert desk.until_done() == 0
    assert desk.rows() == [("missing", "f1", "failed")]
    koha.stock.give_back("B1")
    desk.now += S
    desk.act("f1", "marked_missing")
    assert desk.until_done() == 1
    assert state(koha, "B1") == "missing"


def test_a_library_system_that_is_down_is_told_when_it_is_back(office, koha):
    desk = office()
    desk.act("f1", "marked_missing")
    koha.trouble.add("503", times=3)
    assert desk.until_done(1) == 0
    assert desk.until_done(3) == 0, "not before its pause is over"
    assert desk.rows() == [("missing", "f1", "planned")]
    for _ in range(4):
        desk.now += 1000 * S
        desk.writer.tick()
    assert (state(koha, "B1"), desk.rows()) == ("missing", [("missing", "f1", "done")])


def test_a_lost_answer_is_unknown_until_somebody_has_looked_and_is_never_sent_again(office, koha):
    with CuttingProxy(int(koha.url.rpartition(":")[2].split("/")[0]), b"PUT ") as proxy:
        desk = office(url=f"http://127.0.0.1:{proxy.port}")
        desk.act("f1", "marked_missing")
        assert desk.until_done(1) == 0
        assert state(koha, "B1") == "missing", "it did it, and we cannot know"
        assert desk.rows() == [("missing", "f1", "unknown")]
        proxy.cut_at = b""
        desk.now += 4000 * S
        assert desk.until_done() == 0
        [entry] = desk.journal.entries()
        assert entry.outcome == "unknown"
        desk.journal.end(entry.id, "done", "looked")
        desk.now += 4000 * S
        desk.until_done()
        assert desk.rows() == [("missing", "f1", "done")]
        assert len(desk.journal.entries()) == 1


def test_a_service_that_died_after_the_library_system_answered_does_not_tell_it_again(office, koha):
    desk = office()
    desk.act("f1", "marked_missing")
    desk.writer._end = lambda *_: (_ for _ in ()).throw(MemoryError())  # between its answer and our commit
    with pytest.raises(MemoryError):
        desk.writer.tick()
    assert desk.rows() == [("missing", "f1", "planned")]
    koha.stock.put("B1", "available")
    after = office()
    after.until_done()
    assert after.rows() == [("missing", "f1", "done")]
    assert len(after.journal.entries()) == 1
    assert state(koha, "B1") == "available"


def test_the_books_a_run_heard_get_its_date_and_a_rerun_writes_only_the_new_ones(office, koha):
    desk = office()
    first = [f"B{n}" for n in range(1, 121)]
    desk.heard("run-1", "2026-11-22", first)
    assert desk.writer.tick() == 50, "a slice, and then what staff said has its turn"
    again = office()  # the service died
    assert again.until_done() == 70
    assert dates(koha) == dict.fromkeys(first, "2026-11-22")
    again.heard("run-1", "2026-11-22", [*first, "B125"])
    assert again.until_done() == 1
    assert set(dates(koha)) == {*first, "B125"}
    again.heard("run-0", "2026-11-20", ["B1", "B126"])  # an older night that came late
    assert again.until_done() == 1
    assert dates(koha)["B1"] == "2026-11-22"
    assert {state for _, _, state in again.rows()} == {"done"}


def test_a_book_that_was_in_somebodys_hands_since_keeps_the_later_date(office, koha):
    desk = office()
    koha.stock.lend("B1")
    koha.stock.give_back("B1")
    since = next(c.last_seen for c in koha.stock.copies if c.barcode == "B1")
    desk.heard("run-1", "2020-01-01", ["B1"])
    desk.until_done()
    assert next(c.last_seen for c in koha.stock.copies if c.barcode == "B1") == since
    assert desk.rows() == [("inventory_date", "run-1", "done")]


def test_one_refused_book_keeps_none_back_and_many_in_a_row_end_it(office, koha):
    desk = office()
    desk.heard("run-1", "2026-11-22", ["B1", "nobody", "B2"])
    assert desk.until_done() == 2
    assert desk.rows() == [("inventory_date", "run-1", "done")]
    desk.heard("run-2", "2026-11-23", [f"nobody-{n}" for n in range(100)])
    assert desk.until_done() == 0
    assert desk.rows()[-1] == ("inventory_date", "run-2", "failed")
    assert len(desk.journal.entries(outcome="failed")) == 21


def test_only_books_surely_heard_are_named():
    books = [
        book(0),
        book(1),
        book(2),
        book(3),
        book(4),
        book(5, "loaned"),
        book(6),
        book(7, epc=f"{6:024X}"),
    ]
    what = np.array([RIGHT, WRONG, SILENT, UNSURE, NOT_LOOKED, RIGHT, RIGHT, RIGHT])
    looks = SimpleNamespace(
        what=what,
        barcode=np.array([b.barcode for b in books], object),
        epc=np.array([b.epc for b in books], object),
    )
    assert heard_books(looks, Holdings.of(books)) == ["B0", "B1"]


def test_a_night_names_the_books_it_heard_by_the_date_of_the_site(tmp_path):
    """Heard books only: not the silent, the lent, and those whose shelf was scanned from behind or not at all."""
    world = make_world()
    shelf = world.plan.walking_order[0].id
    silent, lent, misplaced = world.on(shelf)[2], world.on(shelf)[4], world.on(shelf)[6]
    del world.stands[silent]
    world.set_status(lent, "loaned")
    world.insert(misplaced, world.plan.walking_order[5].id, None)
    (tmp_path / "ledger.json").write_text(json.dumps(Ledger(site="site").to_json()))
    at = int(datetime(2026, 11, 22, 17, 30, tzinfo=UTC).timestamp()) * S
    task = SimpleNamespace(
        night=NightTask("ledger.json", None, 0, None, at + 60 * S), data=str(tmp_path), holdings=None,
        holdings_now=None, inventory=True, facts={"time_zone": "Asia/Shanghai"}, lists=[],
    )  # fmt: skip
    holdings = world.holdings()
    given = (task, "run-1", at, world.positions(), world.coverage(), world.plan, holdings, [], tmp_path)
    judge(*given)
    told = json.loads((tmp_path / HEARD).read_text())
    names = {h.epc: h.barcode for h in holdings}
    assert told["date"] == "2026-11-23", "half past one in the morning there"
    heard = set(told["barcodes"])
    assert len(told["barcodes"]) == len(heard) == len(holdings) - 2
    assert names.get(misplaced, misplaced) in heard
    assert not heard & {names.get(silent, silent), names.get(lent, lent)}
    (tmp_path / HEARD).unlink()
    task.inventory = False
    judge(*given)
    assert not (tmp_path / HEARD).exists()


def test_what_is_to_be_written_is_planned_with_the_result_or_not_at_all(tmp_path, monkeypatch):
    office = NightOffice(tmp_path / "data", None)
    office.close_run("run-1", 1)
    assert not office.begin("run-1")[0].inventory, "nobody has turned it on"
    office = NightOffice(tmp_path / "other", None)
    ils = {"kind": "koha", "writes": ["inventory_date"]}
    office.settings = replace(office.settings, sites=(SiteSettings("site", ils=ils),))

    def end(names, barcodes):
        begun = office.begin("run-1")
        assert begun[0].inventory
        work = Path(begun[0].work)
        work.mkdir(parents=True, exist_ok=True)
        (work / HEARD).write_text(json.dumps({"date": "2026-11-22", "barcodes": barcodes}))
        office.end("run-1", begun, names)

    def planned():
        with office.database.read() as session:
            rows = session.scalars(select(WriteBack)).all()
        return [
            (r.about, r.state, r.next, json.loads((office.settings.data / r.file).read_text())) for r in rows
        ]

    office.close_run("run-1", 1)
    with monkeypatch.context() as patch:
        patch.setattr(job_results.letters, "plan", lambda *_: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(MemoryError):
            end(["f1"], ["B1"])
    assert planned() == []
    with office.database.write() as session:
        session.get(Run, "run-1").state = "closing"
    end(["f1"], ["B1"])
    assert planned() == [("run-1", "planned", 0, {"date": "2026-11-22", "barcodes": ["B1"]})]
    with office.database.write() as session:
        row = session.scalar(select(WriteBack))
        row.next, row.state = 1, "done"
    office.again("run-1")
    office.close_run("run-1", 2)
    end(["f1"], ["B1", "B2"])
    assert planned() == [("run-1", "planned", 0, {"date": "2026-11-22", "barcodes": ["B1", "B2"]})]
