"""What staff say of a whole morning: how long its list took them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reports.case import BY_STAFF, Case

if TYPE_CHECKING:
    from reports.ledger_book import Ledger

MOST_MINUTES = 24 * 60.0
"""Longer than this is no morning."""

LATE = timedelta(hours=20)
"""Said in the evening, it is still about the morning's list."""

_KEPT = 60
_MOST_LINES = 20_000  # of all mornings that are kept: a ledger's head is written anew with each step


@dataclass(frozen=True, slots=True)
class Took:
    """One morning's work and how long it took.

    Attributes
    ----------
    at : datetime
        When it was said.
    who : str
    minutes : float
    lines : tuple of str
        Ids of the cases that were worked.
    """

    at: datetime
    who: str
    minutes: float
    lines: tuple[str, ...]


def took(ledger: Ledger, minutes: float, *, who: str, at: datetime, recorded: bool = False) -> Ledger:
    """Record that a morning's work took so many minutes; said again by the same person, the last word counts.

    Parameters
    ----------
    ledger
        As it was.
    minutes
        From taking up the list to the last book put away, breaks left out.
    who, at
        The person, and when it is said (with a time zone).
    recorded
        False: the whole list of the last mail was worked. True: the lines that `who` has recorded something about
        since then, such as where time ran out, or where several share a list.

    Raises
    ------
    LedgerError
        No minutes, no name, a time without a zone, or no line that it could be about.
    """
    from reports.ledger_book import LedgerError

    if not 0.0 < minutes <= MOST_MINUTES:
        raise LedgerError(
            f"took: {minutes:g} minutes is no time a morning takes; say 1 to {MOST_MINUTES:.0f}"
        )
    who = who.strip()
    if not who:
        raise LedgerError("took: nobody is named whose morning it was; give a name")
    if at.tzinfo is None:
        raise LedgerError(f"took: the time {at.isoformat()} has no time zone; give one")
    last = max(
        (c.mailed_at for c in ledger.cases.values() if c.mailed_at and c.mailed_at <= at), default=None
    )
    if last is None or at - last > LATE:
        raise LedgerError(
            "took: no list was mailed in the last 20 hours, so there is nothing that it could be about"
        )
    if recorded:
        lines = [c.id for c in ledger.cases.values() if _worked(c, who, last, at)]
    else:
        lines = [c.id for c in ledger.cases.values() if c.mailed_at == last]
    if not lines:
        raise LedgerError(
            f"took: {who} has recorded nothing since the last mail; record what was done, "
            "or say that the whole list was"
        )
    said = [t for t in ledger.mornings if not (t.who == who and last <= t.at <= at)]
    if len(lines) > _MOST_LINES:
        raise LedgerError(
            f"took: {len(lines):,} lines are no morning's work; say that only what was recorded is meant"
        )
    return replace(ledger, mornings=_newest([*said, Took(at, who, float(minutes), tuple(lines))]))


def _newest(mornings: list[Took]) -> tuple[Took, ...]:
    """Return the last mornings, as many as a ledger keeps."""
    made, lines = list[Took](), 0
    for told in reversed(mornings[-_KEPT:]):
        lines += len(told.lines)
        if lines > _MOST_LINES:
            break
        made.append(told)
    return tuple(reversed(made))


def _worked(case: Case, who: str, since: datetime, until: datetime) -> bool:
    return any(s.did in BY_STAFF and s.who == who and since <= s.at <= until for s in case.history)
