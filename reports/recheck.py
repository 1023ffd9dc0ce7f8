"""The last look before mailing: every line held against the library system as it is now.

Between the opening of the run and the mail lie hours in which the returns were emptied and the doors were open.
Nothing is written; the system is asked once for each barcode, the first lines first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reports.findings import MOVES, Finding
from reports.phrases import Said
from reports.recheck_text import R
from stacks.ils.items import IlsItem

Ask = Callable[[str], IlsItem | None]

_GONE = frozenset(("missing", "lost", "claimed_returned"))
_AWAY = frozenset(("loaned", "on_hold", "in_transit", "in_process"))
_STATUS_KINDS = ("found", "on_shelf_loaned", "on_shelf_status")
_STANDS = (*MOVES, "low_confidence", "lying", "security_off", "listed")
_IN_A_ROW = 3  # answers that fail one after the other before the system is taken to be down


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What is left of a list.

    Attributes
    ----------
    kept : list of Finding
        In their order; a kind or evidence may have changed with the book's status.
    dropped : list of (Finding, str)
        Lines that went, each with a sentence that says why.
    asked : int
        Items the library system answered for.
    failed : str
        Why the rest could not be asked, one sentence; empty: all were. Lines not asked are kept as they were.
    """

    kept: list[Finding]
    dropped: list[tuple[Finding, str]]
    asked: int
    failed: str = ""


def recheck(
    findings: Sequence[Finding],
    ask: Ask,
    *,
    now: datetime,
    recent_days: float = 3.0,
    most: int = 500,
    seen: datetime | None = None,
) -> Rechecked:
    """Hold every line against the library system, which is only read.

    Parameters
    ----------
    findings
        The mailed lines. If more than `most` items stand in them, the kinds that a status decides come first
        (missing, on the shelf but lent, found), then moves, then the rest; in each the surest lines first.
    ask
        The item of a barcode as it is now; None: no such item. What it raises is said and does not stop the mail:
        after three failures in a row nothing more is asked.
    now
        With a time zone.
    recent_days
        A silent book that was returned or used in the house within so many days is on its way, not missing.
    most
        Items to ask for at most.
    seen
        When the night was: what was lent or used since then is no longer where it was heard.
    """
    answers, failed, too_many = _answers(findings, ask, most)
    recent = now - timedelta(days=recent_days)
    kept: list[Finding] = []
    dropped: list[tuple[Finding, str]] = []
    for f in findings:
        if f.barcode not in answers:
            kept.append(f)
            continue
        made = _now(f, answers[f.barcode], recent, seen)
        if isinstance(made, Finding):
            kept.append(made)
        else:
            dropped.append((f, made))
    left = sum(1 for f in kept if f.barcode and f.barcode not in answers)
    words = ""
    if failed:
        words = R.failed(failed, len(answers), left)
    elif too_many and left:
        words = R.too_many(left)
    return Rechecked(kept, dropped, len(answers), words)


def _answers(findings: Sequence[Finding], ask: Ask, most: int) -> tuple[dict[str, IlsItem | None], str, bool]:
    """Return the items asked for, why the last failed (empty: none did), and whether some were not asked."""
    order = sorted((f for f in findings if f.barcode), key=lambda f: (_rank(f.kind), -f.confidence))
    barcodes = list(dict.fromkeys(f.barcode for f in order))
    answers: dict[str, IlsItem | None] = {}
    failed, in_a_row = "", 0
    for barcode in barcodes[:most]:
        try:
            answers[barcode] = ask(barcode)
            in_a_row = 0
        except Exception as e:  # whatever goes wrong there, the mail goes out
            failed = " ".join((str(e) or type(e).__name__).split())
            in_a_row += 1
            if in_a_row >= _IN_A_ROW:
                break
    return answers, failed, len(barcodes) > most


def _rank(kind: str) -> int:
    if kind == "missing" or kind in _STATUS_KINDS:
        return 0
    return 1 if kind in MOVES else 2


def _now(f: Finding, item: IlsItem | None, recent: datetime, seen: datetime | None) -> Finding | Said:
    """Return the finding as it is now, or why it goes."""
    if item is None:
        if f.kind in ("missing", "dead_tag", "weak_tag"):
            return R.unknown(f.barcode)
        if f.kind in (*_STANDS, *_STATUS_KINDS):
            gone = {"belongs": "", "belongs_shelf_id": "", "belongs_m": None, "move_id": ""}
            return replace(f, kind="unknown_tag", evidence=f.evidence + R.no_record(), **gone)
        return f
    status, used = item.status, item.last_activity
    since = seen is not None and used is not None and used > seen
    if f.kind == "missing":
        if status != "available":
            return R.now(f.barcode, status)
        return R.on_its_way(f.barcode, used) if used is not None and used >= recent else f
    if f.kind == "dead_tag":
        return f if status == "available" else R.now(f.barcode, status)
    if f.kind in _STATUS_KINDS:
        if status == "available" or (since and status in _AWAY):
            return R.now(f.barcode, status)
        return _as_status(f, status)
    if f.kind == "weak_tag":
        return f if status not in _AWAY else R.now(f.barcode, status)
    if f.kind in _STANDS:
        if status in _AWAY:
            return R.now(f.barcode, status)
        if status == "available":
            return R.used_since(f.barcode) if since else f
        return _as_status(f, status) if f.kind in MOVES else f
    return f


def _as_status(f: Finding, status: str) -> Finding:
    kind = "found" if status in _GONE else "on_shelf_loaned" if status == "loaned" else "on_shelf_status"
    if kind == f.kind:
        return f
    return replace(f, kind=kind, move_id="", evidence=f.evidence + R.became(status))
