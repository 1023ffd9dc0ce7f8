"""What putting one trouble right is worth: how wanted and how lost the book is, how sure we are, how long it waits."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from reports.case import Case
from reports.places import Places
from stacks.holdings import Holding

WEIGHTS = {
    "found": 1.2,
    "wrong_shelf": 1.0,
    "wrong_location": 1.0,
    "on_shelf_loaned": 0.8,
    "on_shelf_status": 0.7,
    "listed": 1.0,
    "missing": 0.7,
    "wrong_order": 1.0,
    "range_moved": 0.4,
    "security_off": 0.3,
    "unknown_tag": 0.25,
    "blank_tag": 0.2,
    "dead_tag": 0.2,
    "duplicate_tag": 0.2,
    "bad_call_number": 0.15,
    "weak_tag": 0.12,
    "lying": 0.1,
    "low_confidence": 0.1,
}
"""What one line of each kind is worth if it is true, the book is as wanted as any, and it is lost to readers.

A book the catalogue has given up and that stands there is worth most: a record is mended and a reader's bill with it.
A missing book is worth less than a misplaced one, as a search finds some, not all.
"""

ON_LIST = {
    "wanted": 6.0,
    "hold": 6.0,
    "claimed_returned": 3.0,
    "reported_missing": 2.5,
    "search": 2.0,
    "exhibition": 1.5,
    "binding": 1.0,
    "pull": 0.8,
    "weeding": 0.4,
}
"""By what a staff list is for, how many other books one on it is worth; a reader who waits counts as `REQUEST` does.

A book to be weeded is worth less than one that nobody has listed: it takes room, and no reader misses it.
"""

REQUEST = 5.0
"""A reader who waits makes a book worth so many others; up to three are counted."""

_RECENT_DAYS = 180.0
_AGE_DAYS = 14.0
_LOST_M, _OUT_OF_ORDER_M = 2.0, 0.4


def wanted(holding: Holding | None, now: datetime) -> float:
    """Return how wanted a copy is: 1 for one that nobody has asked for in years.

    Readers who wait count `REQUEST` each; use in the last half year up to 1 more; loans in all by their logarithm.
    """
    if holding is None:
        return 1.0
    extra = holding.extra
    last = _time(extra.get("last_activity", ""))
    days = math.inf if last is None else max(0.0, (now - last).total_seconds() / 86400.0)
    loans = max(0.0, _number(extra.get("loans", "")))
    return (
        1.0 + REQUEST * min(requests(holding), 3.0) + math.exp(-days / _RECENT_DAYS) + 0.2 * math.log1p(loans)
    )


def requests(holding: Holding | None) -> float:
    """Return how many readers wait for a copy."""
    return 0.0 if holding is None else max(0.0, _number(holding.extra.get("requests", "")))


def lost(case: Case, places: Places) -> float:
    """Return how lost to readers a misplaced book is, 0..1: two books out of order hardly, a bookcase away wholly."""
    f = case.finding
    if f.kind == "wrong_order":
        if f.belongs_m is None or f.offset_m is None:
            return 0.3
        return 0.05 + 0.95 * -math.expm1(-abs(f.offset_m - f.belongs_m) / _OUT_OF_ORDER_M)
    if f.kind != "wrong_shelf":
        return 1.0
    here, home = places.index.get(f.shelf_id), places.index.get(f.belongs_shelf_id)
    if here is None or home is None:
        return 1.0
    a, b = places.rows[here], places.rows[home]
    if a.face.id != b.face.id:
        return 1.0
    along = abs((a.from_m + a.to_m) - (b.from_m + b.to_m)) / 2
    return 0.4 + 0.6 * -math.expm1(-(along + 0.5 * abs(a.level - b.level)) / _LOST_M)


def worth(case: Case, holding: Holding | None, places: Places, now: datetime) -> float:
    """Return the expected good of dealing with a case now; nothing waits for ever, as waiting adds to it.

    A case that was shown and not dealt with starts waiting anew, so that it does not keep others off the list.
    """
    since = case.opened_at if case.mailed_at is None else max(case.opened_at, case.mailed_at)
    age = max(0.0, (now - since).total_seconds() / 86400.0)
    weight = WEIGHTS.get(case.finding.kind, 0.2)
    return (
        case.confidence * weight * lost(case, places) * _asked(case, holding, now) * (1.0 + age / _AGE_DAYS)
    )


def _asked(case: Case, holding: Holding | None, now: datetime) -> float:
    """Return how wanted a case's book is, by readers and by staff's lists; one reader is not counted twice."""
    by_readers, purpose = wanted(holding, now), case.finding.purpose
    if purpose not in ON_LIST:
        return by_readers
    if case.finding.kind == "listed":
        # What it is worth to fetch it is what the list is for; how often it was lent matters little then.
        return max(ON_LIST[purpose], REQUEST * min(requests(holding), 3.0))
    return max(by_readers, ON_LIST[purpose])


def _number(text: str) -> float:
    try:
        value = float(text) if text else 0.0
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)
