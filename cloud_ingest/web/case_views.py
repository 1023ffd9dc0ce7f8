"""What the API says of cases, as plain data; the command line says the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from cloud_ingest.models import ArchivedCase, CaseRow, WriteBack
from cloud_ingest.web.views import instant
from reports.ledger_json import case_from_json
from reports.listed_text import without_notes

_TODO = ("open", "assigned")


def list_cases(
    session: Session,
    site: str | None,
    state: str,
    kind: str | None = None,
    text: str = "",
    offset: int = 0,
    limit: int = 100,
) -> dict[str, Any]:
    """Tell of cases, the surest first.

    Parameters
    ----------
    session
        The database.
    site, kind
        Of one site, of one kind; None: all.
    state
        ``open``, ``assigned`` or ``resolved``; ``todo``: open and assigned ones that are not quiet; ``all`` of these;
        ``archived``: those that were resolved years ago.
    text
        Part of a barcode, call number, title or shelf.
    offset, limit
        Which of them.
    """
    of = ArchivedCase if state == "archived" else CaseRow
    wanted: list[ColumnElement[bool]] = []
    if site is not None:
        wanted.append(of.site == site)
    if kind is not None:
        wanted.append(of.kind == kind)
    if state == "todo":
        wanted += [of.state.in_(_TODO), of.quiet.is_(False)]
    elif state not in ("all", "archived"):
        wanted.append(of.state == state)
    if text:
        columns = (of.barcode, of.call_number, of.title, of.shelf_id)
        wanted.append(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    total = session.scalar(select(func.count()).select_from(of).where(*wanted)) or 0
    rows = session.scalars(
        select(of)
        .where(*wanted)
        .order_by(of.confidence.desc(), of.site, of.finding_id)
        .offset(offset)
        .limit(limit)
    )
    away = select(func.count(ArchivedCase.id))
    archived = session.scalar(away if site is None else away.where(ArchivedCase.site == site)) or 0
    cases = [_summary(row) for row in rows]
    return {"total": total, "archived": archived, "offset": offset, "cases": cases}


def show_case(
    session: Session,
    site: str | None,
    finding_id: str,
    *,
    notes: bool = True,
    say: Callable[[str], str] = str,
) -> dict[str, Any] | None:
    """Tell everything about one case, the newest that was put away where there is none; None: nor that.

    Without `notes`, those of staff's lists are left out. `say` puts sentences into a reader's language.
    """
    row: CaseRow | ArchivedCase | None = None
    for of in (CaseRow, ArchivedCase):
        rows = select(of).where(of.finding_id == finding_id).order_by(of.seen_at.desc())
        row = row or session.scalars(rows if site is None else rows.where(of.site == site)).first()
    if row is None:
        return None
    case = case_from_json(row.data, f"case {finding_id}")
    finding = case.finding

    def shown(text: str) -> str:
        return say(text if notes else without_notes(text))

    told = session.scalars(
        select(WriteBack)
        .where(WriteBack.site == row.site, WriteBack.about == finding_id, WriteBack.barcode != "")
        .order_by(WriteBack.id)
    )
    return {
        **_summary(row),
        "epc": finding.epc,
        "offset_m": finding.offset_m,
        "archived": isinstance(row, ArchivedCase),
        "belongs": say(finding.belongs),
        "evidence": shown(finding.evidence),
        "library_system": [
            {"what": w.what, "state": w.state, "error": w.error, "at": instant(w.done_at)} for w in told
        ],
        "opened_run": case.opened_run,
        "seen_run": case.seen_run,
        "history": [
            {"at": _iso(step.at), "who": step.who, "did": step.did, "why": shown(step.why)}
            for step in case.history
        ],
    }


def count_cases(session: Session) -> list[dict[str, Any]]:
    """Count what is to be done, site by site and kind by kind, the most first."""
    rows = session.execute(
        select(CaseRow.site, CaseRow.kind, func.count())
        .where(CaseRow.state.in_(_TODO), CaseRow.quiet.is_(False))
        .group_by(CaseRow.site, CaseRow.kind)
        .order_by(CaseRow.site, func.count().desc(), CaseRow.kind)
    )
    return [{"site": site, "kind": kind, "count": count} for site, kind, count in rows]


def _summary(row: CaseRow | ArchivedCase) -> dict[str, Any]:
    return {
        "finding_id": row.finding_id,
        "site": row.site,
        "kind": row.kind,
        "state": row.state,
        "resolution": row.resolution,
        "quiet": row.quiet,
        "assigned_to": row.assigned_to,
        "barcode": row.barcode,
        "call_number": row.call_number,
        "title": row.title,
        "shelf_id": row.shelf_id,
        "confidence": round(row.confidence, 4),
        "nights": row.nights,
        "opened_at": instant(row.opened_at),
        "seen_at": instant(row.seen_at),
        "mailed_at": instant(row.mailed_at),
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
