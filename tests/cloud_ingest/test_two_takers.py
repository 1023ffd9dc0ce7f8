"""Two that take nights into one ledger, and staff at work meanwhile: nothing is lost, nobody waits for long."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select

from cloud_ingest import casebook
from cloud_ingest.jobs import JobRunner
from cloud_ingest.models import CaseRow, Job, NightRow
from cloud_ingest.nights import StaleNightError
from tests.cloud_ingest.test_nights import Office, S


@pytest.fixture
def office(tmp_path, database_url):
    made = Office(tmp_path / "data", database_url)
    yield made
    made.database.close()


def together(*works):
    """Run each in a thread of its own, all at once; return what each gave or raised."""
    at_once = threading.Barrier(len(works))

    def one(work):
        at_once.wait(30)
        try:
            return work()
        except StaleNightError as err:
            return err

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


@pytest.mark.parametrize("before", [["a"], []], ids=["a ledger", "no ledger yet"])
def test_of_two_nights_judged_on_one_ledger_one_is_taken_and_the_other_is_told(office, before):
    if before:
        office.work_out("run-0", 0, *before)
    begun = {}
    for n, run_id in enumerate(("run-1", "run-2")):
        office.close_run(run_id, 24 + n)
        begun[run_id] = office.begin(run_id)
    ended = together(*(lambda r=r: office.end(r, begun[r], [f"of-{r}"], r.encode()) for r in begun))
    stale = [run_id for run_id, came in zip(begun, ended, strict=True) if isinstance(came, StaleNightError)]
    assert len(stale) == 1, ended
    (taken,) = set(begun) - set(stale)
    assert "\n" not in str(ended[list(begun).index(stale[0])])
    assert set(office.states()) == {*before, f"of-{taken}"}
    assert office.memory() == taken.encode()
    # Judged again on what is there now, it loses nothing of the other.
    office.end(stale[0], office.begin_again(stale[0]), [f"of-{stale[0]}"], stale[0].encode())
    assert set(office.states()) == {*before, "of-run-1", "of-run-2"}
    assert office.ledger().runs[-2:] == (taken, stale[0])


def test_a_night_that_lost_its_ledger_while_it_was_made_ready_is_told_as_well(office):
    """The other one comes between the look at the ledger and the lock."""
    office.work_out("run-0", 0, "a")
    begun = {}
    for n, run_id in enumerate(("run-1", "run-2")):
        office.close_run(run_id, 24 + n)
        begun[run_id] = office.begin(run_id)
    ready = office.make_ready("run-1", begun["run-1"], ["b"])
    office.end("run-2", begun["run-2"], ["c"])
    with pytest.raises(StaleNightError):
        office.store_night("run-1", begun["run-1"], ready)
    assert set(office.states()) == {"a", "c"}
    with office.database.read() as session:
        assert set(session.scalars(select(NightRow.run_id))) == {"run-0", "run-2"}


@pytest.mark.parametrize("when", ["before it is made ready", "between that and the lock"])
def test_a_former_night_that_is_worked_out_again_meanwhile_is_not_overwritten(office, when):
    """Its name in the ledger is the same, what it found is not."""
    office.work_out("run-1", 0, "a", "b")
    office.close_run("run-2", 24)
    begun = office.begin("run-2")
    ready = None if when.startswith("before") else office.make_ready("run-2", begun, ["c"])
    office.again("run-1")
    office.work_out("run-1", 2, "a", "late")
    with pytest.raises(StaleNightError, match="run-1"):
        if ready is None:
            office.end("run-2", begun, ["c"])
        else:
            office.store_night("run-2", begun, ready)
    assert set(office.states()) == {"a", "late"}
    office.end("run-2", office.begin_again("run-2"), ["c"])
    assert set(office.states()) == {"a", "late", "c"} and office.ledger().runs == ("run-1", "run-2")


def test_staff_who_act_while_a_night_is_taken_lose_nothing(office):
    names = [f"case-{n:02}" for n in range(24)]
    office.work_out("run-1", 0, *names)
    office.close_run("run-2", 24)
    begun = office.begin("run-2")
    staff = [lambda some=names[n::3]: [office.act(name, "reshelved") for name in some] for n in range(3)]
    together(*staff, lambda: office.end("run-2", begun, ["new"]))
    states = office.states()
    assert states.pop("new") == ("open", "")
    assert states == dict.fromkeys(names, ("resolved", "reshelved"))
    histories = [
        [s.who for s in case.history] for name, case in office.ledger().cases.items() if name != "new"
    ]
    assert histories == [["scan", "anna"]] * len(names), "each step once"


def test_steps_between_the_look_at_the_ledger_and_the_lock_are_taken_over(office):
    office.work_out("run-1", 0, "a", "b", "c")
    office.close_run("run-2", 24)
    begun = office.begin("run-2")
    ready = office.make_ready("run-2", begun, ["d"])
    office.act("a", "false_alarm")
    with office.database.write() as session:
        casebook.mark_mailed(session, "site", ["b"], office.now)
    office.store_night("run-2", begun, ready)
    assert office.states() == {
        "a": ("resolved", "false_alarm"), "b": ("open", ""), "c": ("open", ""), "d": ("open", ""),
    }  # fmt: skip
    assert office.ledger().cases["b"].mailed_at is not None


def test_the_write_lock_is_not_held_while_a_ledger_is_read(office):
    """Whoever stores a night under the lock reads no case but those somebody has touched meanwhile."""
    names = [f"case-{n:03}" for n in range(300)]
    office.work_out("run-1", 0, *names)
    office.close_run("run-2", 24)
    begun = office.begin("run-2")
    ready = office.make_ready("run-2", begun, ["new"])
    office.act(names[7], "reshelved")
    read = []
    table = f"FROM {CaseRow.__tablename__}"
    event.listen(
        office.database.engine,
        "after_cursor_execute",
        lambda c, cursor, statement, *more: read.append(statement) if table in statement else None,
    )
    office.store_night("run-2", begun, ready)
    assert [statement for statement in read if statement.startswith("SELECT")] == []
    assert len(office.states()) == 301
    assert office.states()[names[7]] == ("resolved", "reshelved")


def test_a_job_that_is_stale_again_and_again_pauses_longer_each_time_and_ends(office):
    runner = JobRunner(office.database, office.settings, lambda: "http://here", lambda: office.now)
    office.close_run("run-1", 0)
    with office.database.write() as session:
        session.scalar(select(Job)).attempts = 0
    pauses = []
    while (job := runner.claim("worker")) is not None:
        assert job.attempts == 1, "that is no failure of the worker"
        runner._judge_again(job, "worker", StaleNightError("the night run-0 is the newest by now"))
        since = office.now
        while office.run("run-1").state != "failed" and (office.now - since) < 600 * S:
            with office.database.read() as session:
                if session.scalar(select(Job)).not_before <= office.now:
                    break
            assert runner.claim("worker") is None
            office.now += S
        pauses.append((office.now - since) // S)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 0]
    run = office.run("run-1")
    assert run.state == "failed" and "9 times" in run.reason and "\n" not in run.reason
