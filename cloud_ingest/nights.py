"""What a run adds to its site's ledger and memory: once, however often it is worked out.

Beside each night stands what ledger and memory were before it. A run that is worked out again (a worker that died,
batches that came late) starts from there, and the steps that staff and mails took since are taken over. Files come
first and under names of their own, the row that points to them with the run's result: a crash in between leaves a
file that nothing points to, and the next run of the site removes it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud_ingest import casebook
from cloud_ingest.models import Job, NightRow, Run
from cloud_ingest.night_work import LEDGER, MEMORY
from cloud_ingest.paths import safe_name, site_folder, write_durably
from cloud_ingest.settings import ServeSettings
from cloud_ingest.tasks import NightResult, NightTask
from recording.words import counted
from reports.ledger_archive import part
from reports.ledger_book import Ledger

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Base:
    """What a run is to be judged on."""

    ledger: str  # a file, relative to the data folder
    memory: str | None
    step: int


def make_night_task(session: Session, settings: ServeSettings, run: Run, job: Job) -> NightTask:
    """Gather what a worker needs to judge a night by the ones before it; writes the ledger it is to start from."""
    newest = _newest(session, run.site)
    own = session.get(NightRow, run.run_id)
    base: _Base | None = None
    if own is not None and own.ledger_before is not None and (settings.data / own.ledger_before).is_file():
        base = _Base(own.ledger_before, own.memory_before, own.step_before)
    elif own is None:
        file = _files(settings.data, run.site) / f"{_stem(run, job)}.before.json"
        written = json.dumps(casebook.load(session, run.site).to_json())
        write_durably(file, written.encode())
        base = _Base(
            file.relative_to(settings.data).as_posix(),
            None if newest is None else newest.memory,
            casebook.last_step(session, run.site),
        )
    later = newest is not None and newest.run_id != run.run_id
    return NightTask(
        ledger=None if base is None else base.ledger,
        memory=None if base is None else base.memory,
        step=0 if base is None else base.step,
        not_before=newest.at if newest is not None and later else None,
        not_after=run.heard_at,
        policy=dict(settings.site(run.site).policy),
        keep_days=settings.keep_cases_days,
        newest=_named(newest),
        tags=dict(settings.site(run.site).tags),
    )


class StaleNightError(Exception):
    """Another night has been taken into the ledger since this one was begun: it must be judged again, on that one."""


@dataclass(frozen=True, slots=True)
class ReadyNight:
    """A night held against its site's ledger, to be stored as it is: what takes long is done, and nobody has waited.

    Attributes
    ----------
    at
        When the night was (ns UTC).
    ledger
        After it, and after every step up to `step`; with the cases that are put away.
    changes
        What of `ledger` is to be written, and what to be put away.
    runs
        The nights that were in the stored ledger.
    step
        The last step of staff or mails that `ledger` has.
    memory
        The new memory's file, relative to the data folder; None: there is none.
    lost
        Steps that could not be taken over, one sentence each.
    """

    at: int
    ledger: Ledger
    changes: casebook.Changes
    runs: tuple[str, ...]
    step: int
    memory: str | None
    lost: list[str]

    @property
    def opened(self) -> str:
        """How many cases this night has opened, kind by kind; those that no mail shows as lines apart."""
        new = self.changes.new.values()
        kinds = Counter(str(row["kind"]) for row in new if not row["quiet"])
        said = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
        quiet = sum(bool(row["quiet"]) for row in new)
        doubts = f", and {quiet:,} not to be listed" if quiet else ""
        return f"{counted(sum(kinds.values()), 'new case')}{f' ({said})' if said else ''}{doubts}"


def ready_night(
    session: Session,
    settings: ServeSettings,
    run: Run,
    job: Job,
    told: NightTask,
    result: NightResult,
    work: Path,
) -> ReadyNight:
    """Hold what a worker left against the ledger as it is stored; `session` only reads.

    A ledger of many years takes seconds to read: no time to hold the lock that ingest and staff wait for.

    Raises
    ------
    StaleNightError
        The ledger has another night than the one this was judged on.
    """
    after = Ledger.from_json(json.loads((work / LEDGER).read_bytes()), str(work / LEDGER))
    stored = casebook.load(session, run.site)
    _check_newest(session, run, told)
    if _last(stored.runs, run.run_id) != _last(after.runs, run.run_id):
        raise _stale(run, _last(stored.runs, run.run_id))
    step = casebook.last_step(session, run.site)
    after, lost = casebook.again(after, casebook.steps_since(session, run.site, told.step))
    memory: str | None = None
    if (work / MEMORY).is_file():
        file = _files(settings.data, run.site) / f"{_stem(run, job)}.memory.parquet"
        write_durably(file, (work / MEMORY).read_bytes())
        memory = file.relative_to(settings.data).as_posix()
    kept, old = part(after, _time(result.at), timedelta(days=settings.keep_cases_days))
    changes = casebook.Changes.between(stored, kept, run.site, old)
    return ReadyNight(result.at, after, changes, stored.runs, step, memory, lost)


def take_night(
    session: Session, settings: ServeSettings, run: Run, told: NightTask, ready: ReadyNight, now: int
) -> list[str]:
    """Make a night part of the site's ledger and memory, in the transaction that stores its result.

    Of the ledger only what changes is written; what staff and mails have done since it was made ready is read.

    Returns
    -------
    list of str
        What is to be said of it, one sentence each.

    Raises
    ------
    StaleNightError
        Another night was taken in since; the caller's transaction is to be given up.
    """
    casebook.lock(session, run.site, now)
    _check_newest(session, run, told)
    runs = casebook.runs_of(session, run.site)
    if runs != ready.runs:
        raise _stale(run, _last(runs, run.run_id))
    steps = casebook.steps_since(session, run.site, ready.step)
    after, lost = casebook.again(ready.ledger, steps)
    for case in {step.finding_id: after.find(step.finding_id) for step in steps}.values():
        if case is not None:
            ready.changes.touch(run.site, case.id, case)
    casebook.write(session, run.site, ready.changes, after, now)
    casebook.archive(session, run.site, run.run_id, ready.changes, now)
    forgotten = _time(ready.at) - timedelta(days=settings.keep_cases_days)
    casebook.forget_steps(session, run.site, told.step, int(forgotten.timestamp()) * _NS)
    row = session.get(NightRow, run.run_id)
    if row is None:
        row = NightRow(run_id=run.run_id, site=run.site)
        session.add(row)
    row.at, row.revision, row.memory = ready.at, run.revision, ready.memory
    row.memory_before, row.ledger_before, row.step_before = told.memory, told.ledger, told.step
    session.flush()
    # Of former nights only the memory's last state is needed, and the newest night holds that.
    session.execute(
        update(NightRow)
        .where(NightRow.site == run.site, NightRow.run_id != run.run_id)
        .values(ledger_before=None, memory_before=None, memory=None)
    )
    put_away: list[str] = []
    if n := len(ready.changes.archived):
        days = f"{settings.keep_cases_days:g} days"
        put_away = [f"{counted(n, 'case')} resolved more than {days} ago went into the archive."]
    return [*ready.lost, *lost, *put_away]


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at / _NS, UTC)


def _last(runs: Sequence[str], but: str) -> str | None:
    """Return the newest night but one; a run that is worked out again stands on the night before its own."""
    return next((run for run in reversed(runs) if run != but), None)


def _check_newest(session: Session, run: Run, told: NightTask) -> None:
    """Raise StaleNightError where another night was taken in since this one was begun, or the same one anew.

    A night that is worked out again keeps its name in the ledger: only its revision tells.
    """
    newest = _newest(session, run.site)
    if _named(newest) != told.newest:
        raise _stale(run, None if newest is None else newest.run_id)


def _named(night: NightRow | None) -> str:
    return "" if night is None else f"{night.run_id}#{night.revision}"


def _stale(run: Run, newest: str | None) -> StaleNightError:
    which = "no night" if newest is None else f"the night {newest}, as it was worked out last,"
    return StaleNightError(
        f"{which} is the newest of {run.site}'s ledger by now; {run.run_id} is judged again"
    )


def sweep(session: Session, settings: ServeSettings, site: str) -> int:
    """Remove files of a site's nights that no row points to, and no job at work; return how many."""
    folder = _files(settings.data, site)
    if not folder.is_dir():
        return 0
    known: set[str] = set()
    for row in session.scalars(select(NightRow).where(NightRow.site == site)):
        known |= {name for name in (row.memory, row.memory_before, row.ledger_before) if name is not None}
    working = select(Run, Job).join(Job, Job.run_id == Run.run_id)
    at_work = session.execute(working.where(Run.site == site, Job.state == "running"))
    theirs = tuple(f"{_stem(run, job)}." for run, job in at_work)
    stale = [
        path
        for path in folder.iterdir()
        if path.relative_to(settings.data).as_posix() not in known and not path.name.startswith(theirs)
    ]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _newest(session: Session, site: str) -> NightRow | None:
    return session.scalar(
        select(NightRow)
        .where(NightRow.site == site)
        .order_by(NightRow.at.desc(), NightRow.run_id.desc())
        .limit(1)
    )


def _files(data: Path, site: str) -> Path:
    return site_folder(data, site) / "nights"


def _stem(run: Run, job: Job) -> str:
    return f"{safe_name(run.run_id)}.{job.id}-{job.attempts}"
