"""What a run adds to its site's ledger and memory: once, however often it is worked out.

Beside each night stands what ledger and memory were before it. A run that is worked out again (a worker that died,
batches that came late) starts from there, and the steps that staff and mails took since are taken over. Files come
first and under names of their own, the row that points to them with the run's result: a crash in between leaves a
file that nothing points to, and the next run of the site removes it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud_ingest import casebook
from cloud_ingest.models import Job, NightRow, Run
from cloud_ingest.night_work import LEDGER, MEMORY
from cloud_ingest.paths import safe_name, site_folder, write_durably
from cloud_ingest.settings import ServeSettings
from cloud_ingest.tasks import NightResult, NightTask
from reports.ledger_book import Ledger

_LOG = logging.getLogger(__name__)


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
    )


def take_night(
    session: Session,
    settings: ServeSettings,
    run: Run,
    job: Job,
    told: NightTask,
    result: NightResult,
    work: Path,
    now: int,
) -> list[str]:
    """Make a night part of the site's ledger and memory, in the transaction that stores its result.

    Returns
    -------
    list of str
        What is to be said of it, one sentence each.
    """
    assert told.ledger is not None, "a night that was judged had a ledger to start from"
    after = Ledger.from_json(json.loads((work / LEDGER).read_bytes()), str(work / LEDGER))
    after, lost = casebook.again(after, casebook.steps_since(session, run.site, told.step))
    memory: str | None = None
    if (work / MEMORY).is_file():
        file = _files(settings.data, run.site) / f"{_stem(run, job)}.memory.parquet"
        write_durably(file, (work / MEMORY).read_bytes())
        memory = file.relative_to(settings.data).as_posix()
    casebook.save(session, run.site, after, now, before=casebook.load(session, run.site))
    row = session.get(NightRow, run.run_id)
    if row is None:
        row = NightRow(run_id=run.run_id, site=run.site)
        session.add(row)
    row.at, row.revision, row.memory = result.at, run.revision, memory
    row.memory_before, row.ledger_before, row.step_before = told.memory, told.ledger, told.step
    session.flush()
    # Of former nights only the memory's last state is needed, and the newest night holds that.
    session.execute(
        update(NightRow)
        .where(NightRow.site == run.site, NightRow.run_id != run.run_id)
        .values(ledger_before=None, memory_before=None, memory=None)
    )
    return lost


def sweep(session: Session, settings: ServeSettings, site: str) -> int:
    """Remove files of a site's nights that no row points to; call while no run of the site is worked out."""
    folder = _files(settings.data, site)
    if not folder.is_dir():
        return 0
    known: set[str] = set()
    for row in session.scalars(select(NightRow).where(NightRow.site == site)):
        known |= {name for name in (row.memory, row.memory_before, row.ledger_before) if name is not None}
    stale = [path for path in folder.iterdir() if path.relative_to(settings.data).as_posix() not in known]
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
