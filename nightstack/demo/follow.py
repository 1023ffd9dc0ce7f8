"""The demo's eye on its run: how far the night is, whether it still moves, how to go on by hand where it does not."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightstack.demo.processes import Program
from nightstack.demo.typed import command
from nightstack.errors import CommandError
from nightstack.progress import ProgressCallback

#: Nothing at all moved for so long, not even a processor: something is stuck.
SILENT_S = 120.0
#: A processor was at work for so long and finished no step: an endless loop. A first compilation takes a minute or
#: two on a slow machine, and many minutes only on one that others keep busy.
ENDLESS_S = 1800.0
#: Processor seconds that count as work; the signs of life of a process that waits use a thousandth of it.
WORK_CPU_S = 0.5

# Share of the whole at which each stage begins: measured on two cores with 2,000 books.
ROBOT_FROM, WORK_FROM, SCORE_FROM = 0.10, 0.65, 0.95
_POLL_S = 0.25


@dataclass
class Watch:
    """Whether a night still moves: by what it has got done, and by the processor time of the process at work on it."""

    clock: Callable[[], float] = time.monotonic
    _done: object = None
    _cpu_s: float = 0.0
    _done_at: float = field(init=False)
    _moved_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._done_at = self._moved_at = self.clock()

    def see(self, done: object, cpu_s: float | None) -> str | None:
        """Look at the night once more.

        Parameters
        ----------
        done
            Anything that changes when something gets done.
        cpu_s
            Processor seconds of the job that is under way; None where none is, or it has not said yet.

        Returns
        -------
        str or None
            What is wrong, where something is stuck.
        """
        now = self.clock()
        if done != self._done:
            self._done, self._done_at, self._moved_at = done, now, now
            self._cpu_s = cpu_s or 0.0
        # A job that is tried again begins at zero.
        elif cpu_s is not None and not self._cpu_s <= cpu_s < self._cpu_s + WORK_CPU_S:
            self._cpu_s, self._moved_at = cpu_s, now
        if now - self._moved_at > SILENT_S:
            return f"nothing moved for {SILENT_S:.0f} s"
        if now - self._done_at > ENDLESS_S:
            return f"no step was finished in {ENDLESS_S:.0f} s, though the processor was at work"
        return None


def follow(
    http: str, robot: Program, ingest: Program, data: Path, progress: ProgressCallback
) -> dict[str, Any]:
    """Watch the newest run through the service's own API until it is reported.

    Parameters
    ----------
    http
        The service's URL.
    robot, ingest
        The programs; one that ends sooner than it should is noticed.
    data
        The service's data folder, for messages.
    progress
        Told how far the night is.

    Returns
    -------
    dict
        The run as the API tells it.

    Raises
    ------
    CommandError
        The run failed, a program ended, or nothing moves any more; logs, recording and the command to go on by
        hand are named.
    """
    watch = Watch()
    while True:
        run = _newest_run(http)
        state = str(run["state"]) if run else "none"
        if run is not None and state == "reported":
            return run
        if run is not None and state == "failed":
            raise CommandError(f"the run failed: {run.get('reason')}; {_where_to_look(ingest, data, run)}")
        if not ingest.running():
            raise CommandError(f"the ingest ended; {_where_to_look(ingest, data, run)}")
        if not robot.running() and robot.process.returncode != 0:
            raise CommandError(f"the robot agent failed; see {robot.log}")
        stored = int(run["readings_stored"]) if run else 0
        said = robot.last_line()
        job = _job(http, run) if run is not None and state in ("localizing", "reporting") else {}
        step = str(job.get("progress") or "")
        what = {
            "none": "the robot sets out",
            "recording": f"the robot drives{_along(said)}: {stored:,} readings stored",
            "closing": "gathering the recording",
            "localizing": "working out where each book stands",
            "reporting": "writing the report",
        }.get(state, state)
        if state == "localizing" and step:
            what += f": {step.partition('% ')[2] or step}"
        stuck = watch.see((state, stored, said, job.get("attempts"), step), job.get("cpu_s"))
        if stuck is not None:
            raise CommandError(f"{stuck} while {what}; {_where_to_look(ingest, data, run)}")
        progress(_share_done(state, said, step), what)
        time.sleep(_POLL_S)


def _where_to_look(ingest: Program, data: Path, run: dict[str, Any] | None) -> str:
    """Name the logs that say something, and what to do with what was recorded."""
    folder = None if run is None else data / "runs" / str(run["run_id"])
    logs = [ingest.log, *([] if folder is None else [folder / "job.log"])]
    written = [str(log) for log in logs if log.exists() and log.stat().st_size]
    told = f"see {' and '.join(written)}" if written else "no log says more"
    recording = None if folder is None else folder / "recording"
    if recording is None or not (recording / "run.json").exists():
        return told
    return f"{told}; what the robot heard is in {recording}: go on by hand with `{command('localize', recording)}`"


def _along(said: str) -> str:
    """Where the robot says it is: its own count and share are seconds older than the ingest's, and left out."""
    found = re.search(r"face [^,]+, pass \d+", said)
    return f" along {found[0]}" if found else ""


def _share_done(state: str, said: str, step: str) -> float:
    if state in ("none", "recording"):
        return ROBOT_FROM + (WORK_FROM - ROBOT_FROM) * _percent(said)
    if state in ("localizing", "reporting"):
        return WORK_FROM + (SCORE_FROM - WORK_FROM) * _percent(step)
    return WORK_FROM if state == "closing" else SCORE_FROM


def _percent(said: str) -> float:
    found = re.search(r"(\d+) ?%", said)
    return min(int(found[1]) / 100.0, 1.0) if found else 0.0


def _newest_run(http: str) -> dict[str, Any] | None:
    runs = _get(f"{http}/api/v1/runs")
    return runs[0] if runs else None


def _job(http: str, run: dict[str, Any]) -> dict[str, Any]:
    return (_get(f"{http}/api/v1/runs/{run['run_id']}") or {}).get("job") or {}


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (our own service)
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError):
        return None
