"""What a job needs from the database, and what it leaves there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from cloud_ingest import letters, staff_lists
from cloud_ingest.expected import HOLDINGS, PLAN
from cloud_ingest.models import CLOSING, FAILED, REPORTED, Batch, DocumentRow, FindingRow, Job, Run, RunEvent
from cloud_ingest.nights import ReadyNight, take_night
from cloud_ingest.paths import run_folder, snapshot_folder
from cloud_ingest.run_life import enter
from cloud_ingest.settings import ServeSettings
from cloud_ingest.tasks import Result, Task
from cloud_ingest.texts import one_line, storable
from cloud_ingest.write_back import INVENTORY, plan_inventory


def make_task(session: Session, settings: ServeSettings, run: Run, job: Job, url: str) -> Task:
    """Gather everything a worker needs, so that it needs no database."""
    segments: dict[str, list[str]] = {}
    rows = session.execute(
        select(Batch.kind, Batch.file)
        .where(Batch.run_id == run.run_id, Batch.file.is_not(None))
        .group_by(Batch.kind, Batch.file)
        .having(func.sum(Batch.rows) > 0)
        .order_by(Batch.kind, func.min(Batch.seq))
    )
    for kind, name in rows:
        assert name is not None
        segments.setdefault(kind, []).append(str((settings.data / name).absolute()))
    site = settings.site(run.site)
    stored = stored_facts(session, run)
    folder = run_folder(settings.data, run.run_id).absolute()
    expected = snapshot_folder(settings.data, run.run_id).absolute()
    return Task(
        run_id=run.run_id,
        site=run.site,
        revision=run.revision,
        info=run.info,
        segments=segments,
        folder=str(folder),
        work=str(folder / f".work-{job.id}"),
        plan=_if_there(expected / PLAN),
        holdings=_if_there(expected / HOLDINGS),
        calibration=None if site.calibration is None else str(site.calibration.absolute()),
        jobs=settings.jobs,
        data=str(settings.data.absolute()),
        base_url=url,
        holdings_now=None if site.holdings is None else _if_there(site.holdings.absolute()),
        lists=staff_lists.lists_of(session, run.site),
        inventory=INVENTORY in site.ils.get("writes", ()),
        facts={
            "complete": run.complete and run.end_reason in (None, "done"),
            "reason": "; ".join([run_end(session, run), *stored]),
            "notes": [*run.notes, *(f"Stored: {line}." for line in stored), *_again(run)],
            "ended_at": run.heard_at,
            "time_zone": site.time_zone,
        },
    )


def stored_facts(session: Session, run: Run) -> list[str]:
    """Say what of a run is stored, where it is not everything that was announced; a clause each."""
    counts: dict[str, tuple[int, int]] = {}
    for kind, batches, rows in session.execute(
        select(Batch.kind, func.count(), func.sum(Batch.rows))
        .where(Batch.run_id == run.run_id)
        .group_by(Batch.kind)
    ):
        counts[kind] = (batches, int(rows))
    said: list[str] = []
    kinds: set[str] = {*counts, *(run.announced or {})}
    for kind in sorted(kinds):
        batches, rows = counts.get(kind, (0, 0))
        wanted = (run.announced or {}).get(kind)
        of = "" if wanted is None or wanted <= batches else f" of {wanted}"
        if of or run.announced is None:
            said.append(f"{batches}{of} batches of {kind} came ({rows} rows)")
    return said


def _again(run: Run) -> list[str]:
    if not run.revision:
        return []
    return [f"Batches came after the run had been closed; this is report {run.revision + 1} of it."]


def run_end(session: Session, run: Run) -> str:
    """Say why a run was closed."""
    reason = session.scalar(
        select(RunEvent.reason)
        .where(RunEvent.run_id == run.run_id, RunEvent.state == CLOSING)
        .order_by(RunEvent.id.desc())
        .limit(1)
    )
    return reason or run.reason


def store_result(
    session: Session,
    settings: ServeSettings,
    job: Job,
    run: Run,
    result: Result,
    task: Task,
    now: int,
    night: ReadyNight | None = None,
) -> None:
    """Write a report into the database, its night into the site's ledger, its letters, and the run's last state.

    `night` is what `cloud_ingest.nights.ready_night` made of the result's night; None where it has none.

    Raises
    ------
    StaleNightError
        Another night was taken in since; the caller's transaction is to be given up.
    """
    notes: list[str] = []
    if night is not None and task.night is not None:
        notes = take_night(session, settings, run, task.night, night, now)
        plan_inventory(session, settings, run, Path(task.work), now)
    _replace(session, settings, run, replace(result, notes=[*result.notes, *notes]))
    if result.night is not None:  # else a later night has told already what became of them
        staff_lists.note_tallies(session, run.site, run.run_id, task.lists, result.lists)
    kind = "report" if run.revision == 0 else f"update-{run.revision}"
    letters.plan(session, settings, run, kind, "", now)
    job.state, job.finished_at, job.error, job.progress = "done", now, None, "100 %"
    placed, found = result.positions, len(result.findings)
    how = "complete" if run.complete else "incomplete"
    enter(session, run, REPORTED, f"{placed} tags placed, {found} findings; the recording is {how}", now)


def fail_run(
    session: Session,
    settings: ServeSettings,
    job: Job,
    run: Run,
    reason: str,
    now: int,
    result: Result | None = None,
) -> None:
    """Give a run up, and plan the letters to everybody who waits for its report."""
    line = one_line(reason)
    job.state, job.finished_at, job.error = "failed", now, line
    if result is not None:
        _replace(session, settings, run, result)
    kind = "failed" if run.revision == 0 else f"failed-{run.revision}"
    letters.plan(session, settings, run, kind, line, now)
    enter(session, run, FAILED, line, now)


def _replace(session: Session, settings: ServeSettings, run: Run, result: Result) -> None:
    folder = run_folder(settings.data, run.run_id).relative_to(settings.data)
    session.execute(delete(DocumentRow).where(DocumentRow.run_id == run.run_id))
    session.execute(delete(FindingRow).where(FindingRow.run_id == run.run_id))
    for document in result.documents:
        session.add(
            DocumentRow(
                run_id=run.run_id,
                name=document.name,
                file=(folder / document.file).as_posix(),
                media_type=document.media_type,
                size=document.size,
                sha256=document.sha256,
            )
        )
    rows = [
        {**_storable(finding), "run_id": run.run_id, "place": place}
        for place, finding in enumerate(result.findings)
    ]
    if rows:
        session.execute(insert(FindingRow), rows)
    run.notes = list(dict.fromkeys([*run.notes, *result.notes]))


def _storable(finding: dict[str, Any]) -> dict[str, Any]:
    """Clean a finding's texts: titles and call numbers are the catalogue's, whatever it holds."""
    return {name: storable(value) if isinstance(value, str) else value for name, value in finding.items()}


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None
