"""When a run closes, what it is judged by, who works on it: without processes, by a clock of our own."""

import json
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from cloud_ingest import Recipient
from cloud_ingest.job_results import make_task
from cloud_ingest.jobs import JobRunner
from cloud_ingest.lifecycle import Lifecycle
from cloud_ingest.models import FindingRow, Job, Letter, Run, RunEvent
from cloud_ingest.run_life import enter
from cloud_ingest.tasks import Result
from recording.topics import End, Status
from tests.cloud_ingest.test_store import TOPICS, World
from tests.support.runs import make_info

S = 1_000_000_000


class Night(World):
    def __init__(self, data, url=None, **settings):
        super().__init__(data, url, **{"silence_s": 60.0, "offline_s": 20.0, "lease_s": 30.0, **settings})
        self.connected_at = 0
        self.site_folder = self.settings.data / "sites" / "site"
        self.site_folder.mkdir(parents=True)
        self.restart()

    def restart(self):
        self.life = Lifecycle(
            self.database, self.store, self.settings, lambda: self.connected_at, lambda: self.now
        )
        self.runner = JobRunner(self.database, self.settings, lambda: "http://here", lambda: self.now)

    def begin(self):
        self.take((TOPICS.run, json.dumps(make_info().to_json()).encode()))
        self.batches(0, 1)
        self.batches(0, kind="poses")

    def end(self, **batches):
        self.take((TOPICS.end, End("run-1", batches).to_json()))

    def after(self, seconds):
        self.now += int(seconds * S)
        self.life.tick()
        self.life.tick()
        return self.run().state

    def job(self):
        with self.database.read() as session:
            return session.scalar(select(Job).order_by(Job.id.desc()))

    def task(self):
        with self.database.read() as session:
            return make_task(session, self.settings, self.run(), self.job(), "http://here")


@pytest.fixture
def night(tmp_path, database_url):
    made = Night(tmp_path / "data", database_url, recipients=(Recipient("a@b.example"),))
    yield made
    made.database.close()


def test_a_run_whose_batches_are_all_there_closes_at_once(night):
    night.begin()
    assert night.after(1) == "recording"
    night.end(readings=2, poses=1)
    assert night.after(1) == "closing"
    assert night.run().complete
    assert night.job().state == "queued"


def test_silence_counts_only_while_we_listen(night):
    night.begin()
    night.connected_at = None
    assert night.after(10_000) == "recording"
    night.connected_at = night.now
    assert night.after(59) == "recording"
    assert night.after(2) == "closing"
    assert not night.run().complete
    assert "silent" in night.run().reason


def test_a_sign_of_life_puts_silence_off(night):
    night.begin()
    assert night.after(50) == "recording"
    night.take((TOPICS.status, Status("online", "run-1", 1).to_json()))
    assert night.after(50) == "recording"
    assert night.after(15) == "closing"


def test_a_robot_that_is_gone_and_comes_back_in_time_goes_on(night):
    night.begin()
    night.take((TOPICS.status, Status("offline", "run-1", 1).to_json()))
    assert night.after(15) == "recording"
    night.batches(2)
    assert night.after(15) == "recording"
    night.take((TOPICS.status, Status("offline", "run-1", 1).to_json()))
    assert night.after(21) == "closing"
    assert "gone" in night.run().reason


def test_announced_batches_that_never_come_do_not_keep_a_run_open(night):
    night.begin()
    night.end(readings=3, poses=1)
    for _ in range(6):
        night.take((TOPICS.status, Status("online", "run-1", 1).to_json()))
        state = night.after(12)
    assert state == "closing"
    assert "announced" in night.run().reason


def test_a_run_is_judged_by_the_catalogue_of_its_beginning(night):
    (night.site_folder / "plan.json").write_text("old plan")
    (night.site_folder / "holdings.csv").write_text("old holdings")
    night.begin()
    night.after(1)
    (night.site_folder / "plan.json").write_text("new plan")
    (night.site_folder / "holdings.csv").unlink()
    night.restart()
    night.end(readings=2, poses=1)
    night.after(1)
    task = night.task()
    assert open_text(task.plan) == "old plan"
    assert open_text(task.holdings) == "old holdings"
    assert task.facts["notes"] == []


def test_a_plan_that_came_during_the_run_is_used_and_that_is_said(night):
    night.begin()
    night.after(1)
    (night.site_folder / "plan.json").write_text("late plan")
    night.end(readings=2, poses=1)
    night.after(1)
    task = night.task()
    assert open_text(task.plan) == "late plan"
    assert task.holdings is None
    assert any("plan.json was not there when the run opened" in note for note in task.facts["notes"])


def test_late_batches_open_a_reported_run_again_and_are_in_the_next_task(night):
    night.begin()
    night.end(readings=2, poses=1)
    night.after(1)
    with night.database.write() as session:
        run, job = session.get(Run, "run-1"), session.scalar(select(Job))
        job.state = "done"
        for state in ("localizing", "reporting", "reported"):
            enter(session, run, state, "", night.now)
    night.batches(2, 3)
    assert night.run().late == 2
    night.end(readings=4, poses=1)
    night.after(1)
    assert night.after(1) == "closing"
    task = night.task()
    assert (task.revision, len(task.segments["readings"])) == (1, 2)
    assert any("this is report 2" in note for note in task.facts["notes"])
    with night.database.read() as session:
        reasons = session.scalars(select(RunEvent.reason).order_by(RunEvent.id)).all()
    assert any("2 messages came after it had been closed" in reason for reason in reasons)


def test_a_job_is_held_by_one_worker_until_its_lease_runs_out(night):
    night.begin()
    night.end(readings=2, poses=1)
    night.after(1)
    assert night.runner.claim("first").attempts == 1
    assert night.run().state == "localizing"
    assert night.runner.claim("second") is None
    night.now += 31 * S
    assert night.runner.claim("second").attempts == 2
    # The first one wakes up again: the job is not its any more.
    with night.database.write() as session:
        assert night.runner._held(session, night.job().id, "first") is None
        assert night.runner._held(session, night.job().id, "second") is not None


def test_a_job_whose_workers_all_died_fails_its_run(night):
    night.begin()
    night.end(readings=2, poses=1)
    night.after(1)
    for _ in range(night.settings.job_attempts):
        assert night.runner.claim("w") is not None
        night.now += 31 * S
    assert night.runner.claim("w") is None
    assert night.run().state == "failed"
    assert "died" in night.run().reason


def test_a_report_whose_commit_failed_is_there_once_after_the_next_attempt(night, monkeypatch):
    night.begin()
    night.end(readings=2, poses=1)
    night.after(1)
    ready = []

    def work_out(job, task, worker):
        assert night.runner._enter_reporting(job, worker)
        work = Path(task.work)
        work.mkdir(parents=True, exist_ok=True)
        title = "NUL \0, half a pair \ud800"
        findings = [{"finding_id": "f1", "kind": "missing", "barcode": "b1", "title": title}]
        result = Result([], findings, [], 30)
        (work / "result.json").write_text(result.to_json())
        ready.append(1)
        return {"done": True}

    def fail_once(session):
        if len(ready) == 1:
            ready.append(0)
            raise OSError("disk full")

    monkeypatch.setattr(night.runner, "_run_child", work_out)
    event.listen(Session, "before_commit", fail_once)
    try:
        with pytest.raises(OSError, match="disk full"):
            night.runner._work(night.runner.claim("first"), "first")
        assert night.run().state == "reporting"
        assert night.runner.claim("second") is None
        night.now += 31 * S
        night.runner._work(night.runner.claim("second"), "second")
    finally:
        event.remove(Session, "before_commit", fail_once)
    assert night.run().state == "reported"
    with night.database.read() as session:
        assert [letter.recipient for letter in session.scalars(select(Letter))] == ["a@b.example"]
        (finding,) = session.scalars(select(FindingRow))
    assert (finding.barcode, finding.title) == ("b1", "NUL \\0, half a pair ?")


def test_one_run_that_cannot_go_on_does_not_hold_up_the_others(night, monkeypatch):
    night.begin()
    night.batches(0, run_id="run-2")
    real = night.life._look_after
    seen = []

    def look_after(run):
        seen.append(run.run_id)
        if run.run_id == "run-1":
            raise OSError("disk full")
        real(run)

    monkeypatch.setattr(night.life, "_look_after", look_after)
    night.after(1)
    assert set(seen) == {"run-1", "run-2"}
    assert seen.count("run-1") == 1, "a run in trouble is left alone for a while"


def open_text(path):
    return Path(path).read_text()
