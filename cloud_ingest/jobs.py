"""Who works on closed runs: leases on jobs, and the worker processes that do them.

A job is held by a lease that its holder keeps renewing. A holder that died does not, and the job is taken
again - by this process after a restart, or by another one. Each attempt counts; a run whose job failed
`job_attempts` times, or for a reason that trying again cannot mend, has failed, and a mail says so.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session, aliased

from cloud_ingest.database import Database
from cloud_ingest.job_results import fail_run, make_task, store_result
from cloud_ingest.models import LOCALIZING, REPORTING, Job, Run
from cloud_ingest.nights import ReadyNight, StaleNightError, make_night_task, ready_night, sweep
from cloud_ingest.paths import run_folder
from cloud_ingest.pulse import is_pulse
from cloud_ingest.run_life import enter
from cloud_ingest.settings import ServeSettings
from cloud_ingest.tasks import Result, Task
from cloud_ingest.texts import one_line

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
_LOG_TAIL = 4000
_MOST_STALE = 8  # the pauses between them are four minutes in all
_PROGRESS_S = 1.0  # progress is written down no more often: each time is a transaction


class JobRunner:
    """Takes one job after the other; `run` is a thread's work, several may run side by side.

    Parameters
    ----------
    database, settings
        The service's.
    base_url
        What links begin with.
    clock
        Nanoseconds UTC.
    """

    def __init__(
        self,
        database: Database,
        settings: ServeSettings,
        base_url: Callable[[], str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._settings = settings
        self._base_url = base_url
        self._clock = clock
        self._stop = threading.Event()
        self._claiming = threading.Lock()
        self.children: dict[int, subprocess.Popen[str]] = {}

    def stop(self) -> None:
        """End the workers; their jobs are taken again at the next start."""
        self._stop.set()
        for child in list(self.children.values()):
            child.terminate()

    def run(self) -> None:
        """Work until stopped."""
        worker = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        while not self._stop.is_set():
            try:
                job = self.claim(worker)
            except Exception:
                _LOG.exception("cannot look for jobs; trying again")
                job = None
            if job is None:
                self._stop.wait(0.3)
                continue
            try:
                self._work(job, worker)
            except Exception:
                _LOG.exception(
                    "job %d of run %s cannot go on; its lease runs out and it is taken again",
                    job.id,
                    job.run_id,
                )
                self._stop.wait(1.0)

    def claim(self, worker: str) -> Job | None:
        """Take the next job that is free, or whose holder has gone: of each site one at a time, in order of time."""
        with self._claiming:
            return self._claim(worker)

    def _claim(self, worker: str) -> Job | None:
        now = self._clock()
        free = (Job.state == "queued") & (Job.not_before <= now)
        orphaned = (Job.state == "running") & (Job.lease_until < now)
        wanted = (
            select(Job)
            .join(Run, Run.run_id == Job.run_id)
            .where(or_(free, orphaned), ~_blocked(now))
            .order_by(Job.id)
            .limit(1)
        )
        with self._database.read() as session:
            # Looking takes no write lock, so that an idle worker never holds up the ingest.
            if session.scalar(wanted) is None:
                return None
        with self._database.write() as session:
            job = session.scalar(wanted.with_for_update(skip_locked=True, of=Job))
            if job is None:
                return None
            run = session.get_one(Run, job.run_id, with_for_update=True)
            taken_over = job.state == "running"
            if job.attempts >= self._settings.job_attempts:
                why = "its worker died every time"
                fail_run(session, self._settings, job, run, why, now)
                _LOG.error("run %s of %s failed: %s", run.run_id, run.site, why)
                return None
            job.state, job.worker = "running", worker
            job.attempts += 1
            job.cpu_s = None
            job.lease_until = now + int(self._settings.lease_s * _NS)
            why = "taken over from a worker that died" if taken_over else "a worker took it"
            enter(session, run, LOCALIZING, f"{why}, attempt {job.attempts}", now)
            return job

    def _work(self, job: Job, worker: str) -> None:
        with self._database.read() as session:
            run = session.get_one(Run, job.run_id)
            task = make_task(session, self._settings, run, job, self._url(run))
            sweep(session, self._settings, run.site)
            task = replace(task, night=make_night_task(session, self._settings, run, job))
        _LOG.debug("run %s: working it out, attempt %d", run.run_id, job.attempts)
        outcome = self._run_child(job, task, worker)
        # What follows takes seconds where a ledger is large: the lease must outlive it.
        if outcome is None or not self._renew(job, worker, {}):  # stopped, or somebody else has the job now
            return
        result = _read_result(Path(task.work)) if outcome.get("done") or outcome.get("result") else None
        try:
            kept = self._store(job, task, worker, outcome, result)
        except StaleNightError as err:
            kept = self._judge_again(job, worker, err)
        if kept:
            shutil.rmtree(task.work, ignore_errors=True)

    def _store(
        self, job: Job, task: Task, worker: str, outcome: dict[str, Any], result: Result | None
    ) -> bool:
        """Write down what became of a job; whether it was ours to the end."""
        night: ReadyNight | None = None
        done = bool(outcome.get("done"))
        if done and result is not None and result.night is not None and task.night is not None:
            with self._database.read() as session:
                run = session.get_one(Run, job.run_id)
                night = ready_night(
                    session, self._settings, run, job, task.night, result.night, Path(task.work)
                )
        with self._database.write() as session:
            held = self._held(session, job.id, worker)
            if held is None:
                return False
            now = self._clock()
            run = session.get_one(Run, job.run_id, with_for_update=True)
            if done and result is not None:
                store_result(session, self._settings, held, run, result, task, now, night)
            elif outcome.get("final") or held.attempts >= self._settings.job_attempts:
                reason = str(outcome.get("failed"))
                fail_run(session, self._settings, held, run, reason, now, result)
            else:
                held.state, held.worker, held.lease_until = "queued", None, None
                held.error = one_line(str(outcome.get("failed")))
                held.not_before = now + _NS * 2 ** (held.attempts - 1)
        if held.state == "done":
            cases = "no case is new, its site's ledger is unchanged" if night is None else night.opened
            _LOG.info("night %s of %s judged: %s; %s", run.run_id, run.site, run.reason, cases)
        elif held.state == "failed":
            _LOG.error("run %s of %s failed: %s", run.run_id, run.site, run.reason)
        else:
            _LOG.warning("run %s of %s is tried again: %s", run.run_id, run.site, held.error)
        return True

    def _judge_again(self, job: Job, worker: str, why: StaleNightError) -> bool:
        """Give a job back whose night stands on a ledger that is no longer so; that is no failure of its worker."""
        _LOG.warning("run %s: %s", job.run_id, why)
        with self._database.write() as session:
            held = self._held(session, job.id, worker)
            if held is not None:
                now = self._clock()
                held.stale += 1
                if held.stale > _MOST_STALE:
                    run = session.get_one(Run, job.run_id, with_for_update=True)
                    reason = f"other nights were taken in meanwhile {held.stale} times; the last time, {why}"
                    fail_run(session, self._settings, held, run, reason, now)
                else:
                    held.state, held.worker, held.lease_until = "queued", None, None
                    held.error, held.attempts = one_line(str(why)), held.attempts - 1
                    held.not_before = now + _NS * 2 ** (held.stale - 1)
        return held is not None

    def _run_child(self, job: Job, task: Task, worker: str) -> dict[str, Any] | None:
        """Run the worker process, keep the lease, pass on how far it is; return what it said last."""
        log = run_folder(self._settings.data, task.run_id) / "job.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            start = errors.tell()
            child = subprocess.Popen(
                [sys.executable, "-m", "cloud_ingest.job_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                # A group of its own, so that the processes of its pool end with it, however it ends.
                start_new_session=True,
            )
        self.children[child.pid] = child
        try:
            assert child.stdin is not None
            child.stdin.write(task.to_json() + "\n")
            child.stdin.flush()
            last = self._follow(child, job, worker)
        except BrokenPipeError:
            last = {}
        finally:
            _kill_group(child.pid)
            status = child.wait()
            self.children.pop(child.pid, None)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    _close(pipe)
        if last is None or self._stop.is_set():
            return None
        if "done" in last or "failed" in last:
            return last
        at = f" at {_far(last)}" if "step" in last else ""
        return {
            "failed": f"the worker ended early ({_how(status)}){at}{_last_words(log, start)}",
            "final": False,
        }

    def _follow(self, child: subprocess.Popen[str], job: Job, worker: str) -> dict[str, Any] | None:
        said: queue.Queue[str | None] = queue.Queue()
        assert child.stdout is not None
        threading.Thread(target=_read_lines, args=(child.stdout, said), daemon=True).start()
        renew_s = self._settings.lease_s / 3
        began = renewed = time.monotonic()
        last: dict[str, Any] = {}
        while True:
            try:
                line = said.get(timeout=min(renew_s, 0.5))
            except queue.Empty:
                line = ""
            if line is None:
                return last
            if line:
                last = json.loads(line)
                if last.get("state") == REPORTING and not self._enter_reporting(job, worker):
                    return None
                if "done" in last or "failed" in last:
                    return last
            if self._stop.is_set():
                return None
            since_s = time.monotonic() - renewed
            if since_s >= renew_s or (line and since_s >= _PROGRESS_S):
                renewed = time.monotonic()
                if not self._renew(job, worker, last):
                    return None
            if time.monotonic() - began > self._settings.job_timeout_s:
                return {"failed": f"it took longer than job_timeout_s ({self._settings.job_timeout_s:.0f} s)"}

    def _renew(self, job: Job, worker: str, said: dict[str, Any]) -> bool:
        with self._database.write() as session:
            held = self._held(session, job.id, worker)
            if held is None:
                return False
            held.lease_until = self._clock() + int(self._settings.lease_s * _NS)
            if "step" in said:
                held.progress = one_line(_far(said), 300)
                held.cpu_s = said.get("cpu_s")
            return True

    def _enter_reporting(self, job: Job, worker: str) -> bool:
        with self._database.write() as session:
            if self._held(session, job.id, worker) is None:
                return False
            run = session.get_one(Run, job.run_id, with_for_update=True)
            enter(session, run, REPORTING, "the report is being written", self._clock())
            return True

    def _held(self, session: Session, job_id: int, worker: str) -> Job | None:
        job = session.get_one(Job, job_id, with_for_update=True)
        return job if job.state == "running" and job.worker == worker else None

    def _url(self, run: Run) -> str:
        return f"{self._base_url()}/runs/{run.run_id}"


def _blocked(now: int) -> ColumnElement[bool]:
    """Whether a job must wait for another one of its site: each night is judged on what the one before has taught."""
    other, others_run = aliased(Job), aliased(Run)
    held = (other.state == "running") & (other.lease_until >= now)
    earlier = or_(
        others_run.heard_at < Run.heard_at, (others_run.heard_at == Run.heard_at) & (other.id < Job.id)
    )
    return exists(
        select(other.id)
        .join(others_run, others_run.run_id == other.run_id)
        .where(
            others_run.site == Run.site,
            other.id != Job.id,
            other.state.in_(("queued", "running")),
            or_(held, earlier),
        )
        .correlate(Job, Run)
    )


def _read_lines(stream: Any, said: queue.Queue[str | None]) -> None:
    for line in stream:
        if line.startswith("{") and line.endswith("\n"):  # a worker killed in mid-line says only half of it
            said.put(line)
    said.put(None)


def _read_result(work: Path) -> Result:
    return Result.from_json((work / "result.json").read_text(encoding="utf-8"))


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:
        # The worker died with something still unsent; its end has been noticed already.
        return


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        # All of them have ended by themselves.
        return


def _how(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _far(said: dict[str, Any]) -> str:
    return f"{100 * said.get('progress', 0):.0f} % {said['step']}"


def _last_words(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _LOG_TAIL))
        said = file.read().decode(errors="replace").strip().splitlines()
    lines = [line for line in said if not is_pulse(line)]
    return f": {lines[-1].strip()[:300]}" if lines else ""
