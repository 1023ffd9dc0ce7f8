"""A night's part in its site's ledger: once, in order, and followed by what staff did meanwhile."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud_ingest import casebook
from cloud_ingest.job_results import make_task, store_result
from cloud_ingest.models import CaseStep, Job, NightRow, Run
from cloud_ingest.night_work import LEDGER, MEMORY
from cloud_ingest.nights import make_night_task, ready_night, sweep
from cloud_ingest.run_life import enter
from cloud_ingest.tasks import NightResult, Result
from reports.case import Case, Step
from reports.findings import Finding
from reports.ledger_book import Ledger, LedgerError
from tests.cloud_ingest.test_store import TOPICS, World

S = 1_000_000_000
HOUR = 3600 * S


def case(name, run_id, at, kind="missing", **more):
    when = datetime.fromtimestamp(at / S, UTC)
    finding = Finding(kind, name, barcode=f"b-{name}", title=f"Title {name} \0 \ud800", confidence=0.9)
    step = Step(when, "scan", "opened", run_id, kind, 0.9)
    return Case(finding, "open", when, run_id, when, run_id, confidence=0.9, history=(step,), **more)


class Office(World):
    """Runs worked out by hand: what a night adds to the ledger is said by the test."""

    def __init__(self, data, url):
        super().__init__(data, url)
        self.now = 1_770_000_000 * S

    def close_run(self, run_id, hours):
        """A run that was closed some hours after the beginning, with its job."""
        self.now = (1_770_000_000 + 3600 * hours) * S
        if self.run(run_id) is None:
            self.batches(0, run_id=run_id, topics=TOPICS)
            with self.database.write() as session:
                enter(session, session.get(Run, run_id), "closing", "", self.now)
        with self.database.write() as session:
            run = session.get(Run, run_id)
            run.heard_at = self.now
            session.add(
                Job(
                    run_id=run_id, revision=run.revision, state="queued", attempts=1, not_before=0, progress="",
                    created_at=self.now,
                )
            )  # fmt: skip

    def again(self, run_id):
        """Batches came late."""
        with self.database.write() as session:
            run = session.get(Run, run_id)
            run.revision += 1
            enter(session, run, "recording", "", self.now)
            enter(session, run, "closing", "", self.now)

    def begin(self, run_id):
        """A worker takes the run's job."""
        with self.database.write() as session:
            run = session.get(Run, run_id)
            enter(session, run, "localizing", "", self.now)
            job = session.scalar(select(Job).where(Job.run_id == run_id).order_by(Job.id.desc()))
            job.state = "running"
            sweep(session, self.settings, run.site)
            task = make_task(session, self.settings, run, job, "http://here")
            return replace(task, night=make_night_task(session, self.settings, run, job)), job.id

    def begin_again(self, run_id):
        """What the night was judged on is no longer so."""
        with self.database.write() as session:
            session.scalar(select(Job).where(Job.run_id == run_id)).attempts += 1
        return self.begin(run_id)

    def end(self, run_id, begun, names, memory=b"memory"):
        """The worker is done: its night found these cases beside those that were there."""
        self.store_night(run_id, begun, self.make_ready(run_id, begun, names, memory))

    def make_ready(self, run_id, begun, names, memory=b"memory"):
        """What the worker left, held against the ledger; nobody has to wait for that."""
        task, job_id = begun
        work = Path(task.work)
        work.mkdir(parents=True, exist_ok=True)
        if task.night.ledger is None:
            return None
        before = Ledger.from_json(json.loads((self.settings.data / task.night.ledger).read_bytes()))
        found = {name: before.cases.get(name) or case(name, run_id, self.now) for name in names}
        after = replace(before, cases={**before.cases, **found}, runs=(*before.runs, run_id))
        (work / LEDGER).write_text(json.dumps(after.to_json()))
        (work / MEMORY).write_bytes(memory)
        with self.database.read() as session:
            run, job = session.get(Run, run_id), session.get(Job, job_id)
            night = NightResult(task.night.not_after)
            return ready_night(session, self.settings, run, job, task.night, night, work)

    def store_night(self, run_id, begun, ready):
        task, job_id = begun
        night = None if ready is None else NightResult(ready.at)
        with self.database.write() as session:
            run, job = session.get(Run, run_id), session.get(Job, job_id)
            enter(session, run, "reporting", "", self.now)
            store_result(
                session, self.settings, job, run, Result([], [], [], 0, night), task, self.now, ready
            )

    def work_out(self, run_id, hours, *names):
        self.close_run(run_id, hours)
        begun = self.begin(run_id)
        self.end(run_id, begun, names, run_id.encode())
        return begun[0].night

    def ledger(self):
        with self.database.read() as session:
            return casebook.load(session, "site")

    def act(self, name, did, who="anna", why=""):
        with self.database.write() as session:
            return casebook.act(session, "site", name, did, who=who, why=why, at=self.now)

    def states(self):
        return {name: (c.state, c.resolution) for name, c in self.ledger().cases.items()}

    def memory(self):
        with self.database.read() as session:
            row = session.scalar(select(NightRow).where(NightRow.memory.is_not(None)))
            return (self.settings.data / row.memory).read_bytes()

    def files(self):
        return sorted(p.name for p in (self.settings.data / "sites" / "site" / "nights").iterdir())


@pytest.fixture
def office(tmp_path, database_url):
    made = Office(tmp_path / "data", database_url)
    yield made
    made.database.close()


def test_nights_follow_one_another_and_each_knows_the_ones_before(office):
    first = office.work_out("run-1", 0, "a", "b")
    assert (first.memory, first.not_before) == (None, None)
    second = office.work_out("run-2", 24, "c")
    assert (office.settings.data / second.memory).read_bytes() == b"run-1"
    assert set(office.states()) == {"a", "b", "c"}
    assert office.ledger().runs == ("run-1", "run-2")
    assert office.memory() == b"run-2"


def test_titles_that_no_database_holds_are_kept_as_far_as_can_be(office):
    office.work_out("run-1", 0, "a")
    assert office.ledger().cases["a"].finding.title == "Title a \\0 ?"


def test_a_run_worked_out_again_replaces_what_it_added(office):
    office.work_out("run-1", 0, "a")
    office.work_out("run-2", 24, "b")
    office.again("run-2")
    told = office.work_out("run-2", 25, "c")
    assert (office.settings.data / told.memory).read_bytes() == b"run-1"
    assert set(office.states()) == {"a", "c"}, (
        "b was in the first report of that night, and is not in the second"
    )
    assert office.ledger().runs == ("run-1", "run-2")


def test_what_staff_did_between_two_reports_of_one_night_is_kept(office):
    office.work_out("run-1", 0, "a", "b", "c")
    office.act("a", "reshelved")
    office.act("b", "assign", "boris")
    with office.database.write() as session:
        casebook.mark_mailed(session, "site", ["a", "b"], office.now)
    office.again("run-1")
    office.work_out("run-1", 1, "a", "b")
    assert office.states() == {"a": ("resolved", "reshelved"), "b": ("assigned", "")}
    ledger = office.ledger()
    assert ledger.cases["b"].mailed_at is not None
    assert [s.who for s in ledger.cases["a"].history] == ["scan", "anna"]


def test_what_staff_do_while_a_night_is_worked_out_is_not_lost(office):
    office.work_out("run-1", 0, "a", "b")
    office.close_run("run-2", 24)
    begun = office.begin("run-2")
    office.act("a", "false_alarm", why="it stands right")
    office.end("run-2", begun, ["c"])
    assert office.states() == {"a": ("resolved", "false_alarm"), "b": ("open", ""), "c": ("open", "")}


def test_a_step_whose_case_the_new_report_does_not_have_is_told(office):
    office.work_out("run-1", 0, "a")
    office.act("a", "reshelved")
    office.again("run-1")
    office.work_out("run-1", 1, "b")
    assert office.states() == {"b": ("open", "")}
    assert any("anna" in note and "'a'" in note for note in office.run("run-1").notes)


def test_a_night_a_later_one_has_followed_changes_nothing(office):
    office.work_out("run-1", 0, "a")
    office.work_out("run-2", 24, "b")
    before = office.states()
    office.again("run-1")
    told = office.work_out("run-1", 25, "x")
    assert told.ledger is None
    assert office.states() == before
    assert office.memory() == b"run-2"


def test_a_transaction_that_fails_leaves_ledger_and_memory_as_they_were(office):
    office.work_out("run-1", 0, "a")
    office.close_run("run-2", 24)
    begun = office.begin("run-2")
    write = office.database.write

    class Lost(Exception):
        pass

    from contextlib import contextmanager

    @contextmanager
    def failing():
        with write() as session:
            yield session
            raise Lost

    office.database.write = failing
    with pytest.raises(Lost):
        office.end("run-2", begun, ["b"], b"lost")
    office.database.write = write
    assert set(office.states()) == {"a"}
    assert office.memory() == b"run-1"
    # The next attempt removes what lies about, and adds the night once.
    with office.database.write() as session:
        enter(session, session.get(Run, "run-2"), "localizing", "", office.now)
        enter(session, session.get(Run, "run-2"), "localizing", "", office.now)
    begun = office.begin("run-2")
    office.end("run-2", begun, ["b"], b"run-2")
    assert set(office.states()) == {"a", "b"}
    assert office.memory() == b"run-2"


def test_files_of_former_nights_go(office):
    for n in range(5):
        office.work_out(f"run-{n}", 24 * n, f"c{n}")
    names = office.files()
    assert len([name for name in names if name.startswith("run-4")]) == 2
    assert len(names) <= 5, names


def test_an_act_is_all_or_nothing_and_wrong_ones_are_one_line(office):
    office.work_out("run-1", 0, "a")
    for name, did in (("none", "reshelved"), ("a", "reopen"), ("a", "burn")):
        with pytest.raises(LedgerError) as caught:
            office.act(name, did)
        assert "\n" not in str(caught.value)
    assert office.states() == {"a": ("open", "")}
    with office.database.read() as session:
        assert session.scalars(select(CaseStep)).all() == []


def test_runs_of_one_site_are_taken_in_order_of_time_and_sites_beside_one_another(office):
    from cloud_ingest.jobs import JobRunner
    from recording.topics import Topics

    office.close_run("late", 30)
    office.close_run("early", 20)
    office.batches(0, run_id="other", topics=Topics("elsewhere", "robot"))
    with office.database.write() as session:
        enter(session, session.get(Run, "other"), "closing", "", office.now)
    office.close_run("other", 40)
    runner = JobRunner(office.database, office.settings, lambda: "", lambda: office.now)
    assert runner.claim("w1").run_id == "early"
    assert runner.claim("w2").run_id == "other"
    assert runner.claim("w3") is None, "the other night of that site waits for the first"
    with office.database.write() as session:
        job = session.scalar(select(Job).where(Job.run_id == "early"))
        job.state = "done"
    assert runner.claim("w3").run_id == "late"


def test_a_ledger_survives_the_database_with_every_field(office):
    full = case(
        "a", "run-1", office.now, "wrong_shelf",
        nights=3, silent=3, mailed_at=datetime.fromtimestamp(office.now / S, UTC), quiet=True, assigned_to="anna",
        also=("z",), looked_at=datetime.fromtimestamp(office.now / S, UTC) + timedelta(seconds=1),
        heard_on="S1", llr=2.5, absent=1, dead_tag=True,
    )  # fmt: skip
    full = replace(full, finding=replace(full.finding, title="Übersicht 北"))
    ledger = Ledger({"a": full}, "site", ("run-1",))
    with office.database.write() as session:
        casebook.save(session, "site", ledger, office.now, before=Ledger(site="site"))
    assert office.ledger() == ledger


def test_what_mails_showed_is_taken_over_at_once_and_in_order():
    """A mail shows thousands of cases; taking each step over by itself would make the ledger anew each time."""
    cases = {f"f{n}": case(f"f{n}", "run-1", 0, "missing") for n in range(4)}
    steps = [
        casebook.Done("f0", casebook.MAILED, "", "", 5 * S),
        casebook.Done("f1", casebook.MAILED, "", "", 5 * S),
        casebook.Done("f1", "reshelved", "anna", "", 6 * S),
        casebook.Done("f1", "reopen", "anna", "", 7 * S),
        casebook.Done("f2", "reshelved", "anna", "", 7 * S),
        casebook.Done("gone", "reshelved", "anna", "", 7 * S),
        casebook.Done("f3", casebook.MAILED, "", "", 8 * S),
    ]
    after, lost = casebook.again(Ledger(cases, "site"), steps)
    mailed = {name: c.mailed_at and int(c.mailed_at.timestamp()) for name, c in after.cases.items()}
    assert mailed == {"f0": 5, "f1": None, "f2": None, "f3": 8}, "what was opened again was not mailed since"
    assert (after.cases["f1"].state, after.cases["f2"].resolution) == ("open", "reshelved")
    assert len(lost) == 1 and "anna" in lost[0]
