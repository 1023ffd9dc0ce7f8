"""The cases of a ledger's file as ``nightstack cases`` shows them: the same facts as of the service's database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightstack.errors import InputError

if TYPE_CHECKING:
    from reports.case import Case
    from reports.ledger import Ledger

FEWEST = 8
"""So many characters of an id stand for the whole of it, where no other begins so."""

_TODO = ("open", "assigned")


def list_ledger(file: Path, state: str, kind: str | None, text: str, limit: int) -> dict[str, Any]:
    """Tell of the cases of a ledger, the surest first, in the form of the service's ``list_cases``.

    Raises
    ------
    InputError, LedgerError
        The file cannot be read or is no ledger.
    """
    ledger = _read(file)
    away = _archived(file)
    found = [c for c in (away if state == "archived" else ledger.cases.values()) if _in(c, state)]
    part = text.casefold()
    found = [c for c in found if (kind is None or c.finding.kind == kind) and _has(c, part)]
    found.sort(key=lambda c: (-c.confidence, c.id))
    return {
        "total": len(found),
        "archived": len(away),
        "offset": 0,
        "cases": [_summary(ledger, case) for case in found[:limit]],
    }


def show_ledger(file: Path, named: str) -> dict[str, Any] | None:
    """Tell everything about one case of a ledger, by id, the beginning of one, or barcode; None: there is no such."""
    ledger = _read(file)
    case = ledger.find(case_id(ledger, named))
    if case is None:
        case = next((c for c in reversed(_archived(file)) if named in (c.id, c.finding.barcode)), None)
    if case is None:
        return None
    f = case.finding
    return {
        **_summary(ledger, case),
        "offset_m": f.offset_m,
        "belongs": str(f.belongs),
        "evidence": str(f.evidence),
        "library_system": [],
        "opened_run": case.opened_run,
        "seen_run": case.seen_run,
        "history": [
            {"at": s.at.isoformat(timespec="seconds"), "who": s.who, "did": s.did, "why": str(s.why)}
            for s in case.history
        ],
    }


def case_id(ledger: Ledger, named: str) -> str:
    """Return the id of the case somebody named: by id, by barcode, or by the first characters of its id.

    Raises
    ------
    InputError
        Several cases may be meant.
    """
    if not named or ledger.find(named) is not None:
        return named
    about = [case for case in ledger.cases.values() if case.finding.barcode == named]
    chosen = [case for case in about if not case.resolved] or about
    if len(chosen) > 1:
        raise InputError(f"{named}: this book has several cases; name one of {_ids(chosen)}")
    if not chosen and len(named) >= FEWEST:
        chosen = [case for case in ledger.cases.values() if case.id.startswith(named)]
        if len(chosen) > 1:
            raise InputError(f"{named}: several cases begin so; name one of {_ids(chosen)}")
    return chosen[0].id if chosen else named


def _ids(cases: Iterable[Case]) -> str:
    return ", ".join(f"{case.id} ({case.finding.kind})" for case in cases)


def _read(file: Path) -> Ledger:
    from nightstack.inputs import input_file
    from nightstack.ledger_file import read_ledger

    input_file(file, "`nightstack exceptions RECORDING --ledger FILE` makes one")
    return read_ledger(file)


def _archived(file: Path) -> list[Case]:
    from nightstack.ledger_file import archive_file
    from reports.ledger_json import case_from_json

    away = archive_file(file)
    if not away.is_file():
        return []
    try:
        lines = away.read_text(encoding="utf-8").splitlines()
        return [case_from_json(json.loads(line), f"{away}: line {n}") for n, line in enumerate(lines, 1)]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{away}: cannot be read as archived cases ({error}); move it away") from None


def _in(case: Case, state: str) -> bool:
    if state == "todo":
        return case.state in _TODO and not case.quiet
    return state in ("all", "archived") or case.state == state


def _has(case: Case, part: str) -> bool:
    f = case.finding
    return not part or any(part in t.casefold() for t in (f.barcode, f.call_number, f.title, f.shelf_id))


def _summary(ledger: Ledger, case: Case) -> dict[str, Any]:
    from reports.ledger_policy import waiting

    f = case.finding
    return {
        "finding_id": case.id,
        "site": ledger.site,
        "kind": f.kind,
        "perhaps": waiting(case),
        "epc": f.epc,
        "state": case.state,
        "resolution": case.resolution,
        "quiet": case.quiet,
        "assigned_to": case.assigned_to,
        "barcode": f.barcode,
        "call_number": f.call_number,
        "title": f.title,
        "shelf_id": f.shelf_id,
        "confidence": round(case.confidence, 4),
        "nights": case.nights,
        "opened_at": _iso(case.opened_at),
        "seen_at": _iso(case.seen_at),
        "mailed_at": _iso(case.mailed_at),
    }


def _iso(at: Any) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
