"""What the API says of runs, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud_ingest.letters import POSTED
from cloud_ingest.models import (
    ArchivedCase,
    Batch,
    Bounce,
    CaseRow,
    DocumentRow,
    Job,
    Letter,
    OutboxMail,
    QuarantineRow,
    Run,
    RunEvent,
)
from cloud_ingest.paths import letter_folder
from cloud_ingest.trouble import strays, undelivered
from cloud_ingest.watermarks import MAX_MISSING, Watermark

_NS = 1_000_000_000


def instant(at: int | None) -> str | None:
    """Write nanoseconds UTC as ISO 8601 with milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / _NS, UTC).isoformat(timespec="milliseconds")


def list_runs(session: Session, limit: int, site: str | None) -> list[dict[str, Any]]:
    """Tell of the newest runs, the newest first."""
    wanted = select(Run).order_by(Run.opened_at.desc(), Run.run_id).limit(limit)
    if site is not None:
        wanted = wanted.where(Run.site == site)
    runs = session.scalars(wanted).all()
    counts = _counts(session, [run.run_id for run in runs])
    documents: dict[str, list[str]] = {}
    for run_id, name in session.execute(
        select(DocumentRow.run_id, DocumentRow.name)
        .where(DocumentRow.run_id.in_([run.run_id for run in runs]))
        .order_by(DocumentRow.name)
    ):
        documents.setdefault(run_id, []).append(name)
    return [
        {**_summary(run, counts.get(run.run_id, {})), "documents": documents.get(run.run_id, [])}
        for run in runs
    ]


def show_run(session: Session, run: Run, data: Path) -> dict[str, Any]:
    """Tell everything about one run."""
    came_back: dict[int, list[dict[str, Any]]] = {}
    for bounce in session.scalars(
        select(Bounce)
        .join(OutboxMail, OutboxMail.id == Bounce.mail_id)
        .where(OutboxMail.run_id == run.run_id)
        .order_by(Bounce.id)
    ):
        assert bounce.mail_id is not None, "they are joined by it"
        came_back.setdefault(bounce.mail_id, []).append(
            {
                "at": instant(bounce.at),
                "recipient": bounce.recipient,
                "action": bounce.action,
                "status": bounce.status,
                "diagnostic": bounce.diagnostic,
            }
        )
    counts = _counts(session, [run.run_id]).get(run.run_id, {})
    job = session.scalar(select(Job).where(Job.run_id == run.run_id).order_by(Job.revision.desc()).limit(1))
    quarantined = session.scalar(
        select(func.coalesce(func.sum(QuarantineRow.times), 0)).where(QuarantineRow.run_id == run.run_id)
    )
    return {
        **_summary(run, counts),
        "info": run.info,
        "missing": _missing(session, run),
        "quarantined": int(quarantined or 0),
        "notes": run.notes,
        "events": [
            {"at": instant(event.at), "state": event.state, "reason": event.reason}
            for event in session.scalars(
                select(RunEvent).where(RunEvent.run_id == run.run_id).order_by(RunEvent.id)
            )
        ],
        "job": None
        if job is None
        else {
            "state": job.state,
            "attempts": job.attempts,
            "progress": job.progress,
            "cpu_s": job.cpu_s,
            "error": job.error,
        },
        "documents": [
            {"name": row.name, "media_type": row.media_type, "size": row.size, "sha256": row.sha256}
            for row in session.scalars(
                select(DocumentRow).where(DocumentRow.run_id == run.run_id).order_by(DocumentRow.name)
            )
        ],
        "mails": [
            {
                "recipient": mail.recipient,
                "kind": mail.report_kind,
                "state": mail.state,
                "attempts": mail.attempts,
                "sent_at": instant(mail.sent_at),
                "error": mail.error,
                "message_id": mail.message_id,
                "bounces": came_back.get(mail.id, []),
            }
            for mail in session.scalars(
                select(OutboxMail).where(OutboxMail.run_id == run.run_id).order_by(OutboxMail.id)
            )
        ],
        "letters": [
            {
                "id": letter.id,
                "recipient": letter.recipient,
                "kind": letter.kind,
                "state": letter.state,
                "due_at": instant(letter.due_at),
                "error": letter.error,
                "documents": _letter_documents(data, letter),
            }
            for letter in session.scalars(
                select(Letter).where(Letter.run_id == run.run_id).order_by(Letter.id)
            )
        ],
    }


def list_trouble(session: Session, now: int) -> dict[str, Any]:
    """Tell whose mail does not arrive, and how many messages in the Maildir are about no mail of ours."""
    return {
        "undelivered": [
            {
                "site": told.site,
                "recipient": told.recipient,
                "what": told.what,
                "error": told.error,
                "run_id": told.run_id,
                "written_at": instant(told.at),
                "message_id": told.message_id,
            }
            for told in undelivered(session, now)
        ],
        "strays": strays(session, now),
    }


def _letter_documents(data: Path, letter: Letter) -> list[str]:
    folder = letter_folder(data, letter.run_id, letter.kind, letter.recipient)
    if letter.state != POSTED or not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def list_quarantine(session: Session, limit: int, run_id: str | None) -> dict[str, Any]:
    """Tell what was put aside, the newest first."""
    wanted = select(QuarantineRow).order_by(QuarantineRow.id.desc()).limit(limit)
    if run_id is not None:
        wanted = wanted.where(QuarantineRow.run_id == run_id)
    total, messages = session.execute(
        select(func.count(), func.coalesce(func.sum(QuarantineRow.times), 0)).select_from(QuarantineRow)
    ).one()
    return {
        "rows": total,
        "messages": int(messages),
        "newest": [
            {
                "at": instant(row.at),
                "last_at": instant(row.last_at),
                "times": row.times,
                "topic": row.topic,
                "reason": row.reason,
                "run_id": row.run_id,
                "kind": row.kind,
                "seq": row.seq,
                "size": row.size,
                "file": row.file,
            }
            for row in session.scalars(wanted)
        ],
    }


def totals(session: Session) -> dict[str, int]:
    """Count what is in the database, for whoever watches the service."""
    made: dict[str, int] = {}
    for kind, batches, rows in session.execute(
        select(Batch.kind, func.count(), func.sum(Batch.rows)).group_by(Batch.kind)
    ):
        made[f'nightstack_batches_stored{{kind="{kind}"}}'] = batches
        made[f'nightstack_rows_stored{{kind="{kind}"}}'] = int(rows)
    for state, count in session.execute(select(Run.state, func.count()).group_by(Run.state)):
        made[f'nightstack_runs{{state="{state}"}}'] = count
    for state, count in session.execute(select(OutboxMail.state, func.count()).group_by(OutboxMail.state)):
        made[f'nightstack_mails{{state="{state}"}}'] = count
    for state, count in session.execute(select(Letter.state, func.count()).group_by(Letter.state)):
        made[f'nightstack_letters{{state="{state}"}}'] = count
    for state, count in session.execute(select(CaseRow.state, func.count()).group_by(CaseRow.state)):
        made[f'nightstack_cases{{state="{state}"}}'] = count
    made['nightstack_cases{state="archived"}'] = session.scalar(select(func.count(ArchivedCase.id))) or 0
    for state, count in session.execute(select(Job.state, func.count()).group_by(Job.state)):
        made[f'nightstack_jobs{{state="{state}"}}'] = count
    made["nightstack_duplicate_batches"] = int(
        session.scalar(select(func.coalesce(func.sum(Run.duplicates), 0))) or 0
    )
    made["nightstack_quarantine_rows"] = session.scalar(select(func.count()).select_from(QuarantineRow)) or 0
    return made


def _summary(run: Run, counts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    announced = run.announced or {}
    return {
        "run_id": run.run_id,
        "site": run.site,
        "robot": run.robot,
        "state": run.state,
        "reason": run.reason,
        "complete": run.complete,
        "late_data": run.revision > 0 or run.late > 0,
        "revision": run.revision,
        "end_reason": run.end_reason,
        "opened_at": instant(run.opened_at),
        "heard_at": instant(run.heard_at),
        "closed_at": instant(run.closed_at),
        "readings_stored": counts.get("readings", (0, 0))[1],
        "duplicates": run.duplicates,
        "batches": {
            kind: {
                "stored": counts.get(kind, (0, 0))[0],
                "rows": counts.get(kind, (0, 0))[1],
                "announced": announced.get(kind),
            }
            for kind in sorted({*counts, *announced})
        },
    }


def _counts(session: Session, run_ids: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
    made: dict[str, dict[str, tuple[int, int]]] = {}
    for run_id, kind, batches, rows in session.execute(
        select(Batch.run_id, Batch.kind, func.count(), func.sum(Batch.rows))
        .where(Batch.run_id.in_(run_ids))
        .group_by(Batch.run_id, Batch.kind)
    ):
        made.setdefault(run_id, {})[kind] = (batches, int(rows))
    return made


def _missing(session: Session, run: Run) -> dict[str, dict[str, Any]]:
    """Tell the gaps of each kind: how far there is none, and the first of them."""
    marks: dict[str, Watermark] = {}
    for kind, seq in session.execute(
        select(Batch.kind, Batch.seq).where(Batch.run_id == run.run_id).order_by(Batch.kind, Batch.seq)
    ):
        marks.setdefault(kind, Watermark()).add((seq,))
    announced = run.announced or {}
    made: dict[str, dict[str, Any]] = {}
    for kind in sorted({*marks, *announced}):
        mark = marks.get(kind, Watermark())
        gaps = mark.missing(announced.get(kind))
        made[kind] = {"upto": mark.upto, "gaps": list(gaps), "more": len(gaps) == MAX_MISSING}
    return made
