"""One exception: what is wrong with one book or zone, where, what to do, and how sure we are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

KINDS: tuple[str, ...] = (
    "wrong_shelf",
    "wrong_order",
    "wrong_location",
    "range_moved",
    "found",
    "on_shelf_loaned",
    "on_shelf_status",
    "listed",
    "missing",
    "dead_tag",
    "weak_tag",
    "unknown_tag",
    "blank_tag",
    "duplicate_tag",
    "security_off",
    "lying",
    "bad_call_number",
    "low_confidence",
    "zone_not_scanned",
)
"""Every kind ``exceptions.csv`` may carry, in the order in which staff deal with them."""

MOVES = ("wrong_shelf", "wrong_order", "wrong_location")
"""Kinds that end with a book being carried to another place."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One exception staff may act on: a row of ``exceptions.csv``.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    finding_id : str
        The same from night to night for the same trouble with the same book or zone.
    epc, barcode, call_number, title : str
        What it is about; empty where unknown or where it is a zone.
    shelf_id : str
        The shelf where it stands; of a missing book, the shelf where it should stand. The face's id where
        the face has no shelves; empty where there is no place.
    offset_m : float or None
        Where on it, along the face from the face's origin; of a zone, its left end.
    belongs : str
        Where it should be: the shelf, and between which two call numbers.
    move_id : str
        Books that can be carried together share it; empty where nothing is to be carried.
    confidence : float
        Probability that the finding is true, 0..1.
    evidence : str
        Why, in one sentence.
    belongs_shelf_id : str
        The shelf of `belongs` alone; not a column of the file.
    belongs_m : float or None
        The middle of the gap it belongs into, along the face; not a column of the file.
    extent_m : float or None
        How long a zone is; not a column of the file.
    beside : str
        Of a copy on a staff list, between which two books it stands now; not a column of the file.
    lists : tuple of str
        Names of the staff lists its copy is on, the most pressing first; not a column of the file.
    purpose : str
        What the first of them is for (`stacks.staff_lists.PURPOSES`); empty: on none. Not a column of the file.
    listed_at : datetime or None
        When staff put the newest of them there (with a time zone), where that is known; not a column of the file.
    asked_for : str
        Of a ``listed`` copy, for which lists it is to be fetched, their purposes and staff's notes; not a column.
    """

    kind: str
    finding_id: str
    epc: str = ""
    barcode: str = ""
    call_number: str = ""
    title: str = ""
    shelf_id: str = ""
    offset_m: float | None = None
    belongs: str = ""
    move_id: str = ""
    confidence: float = 0.0
    evidence: str = ""
    belongs_shelf_id: str = ""
    belongs_m: float | None = None
    extent_m: float | None = None
    beside: str = ""
    lists: tuple[str, ...] = ()
    purpose: str = ""
    asked_for: str = ""
    listed_at: datetime | None = None


def finding_id(kind: str, *about: str) -> str:
    """Return the stable name of a trouble: its kind and what it is about, never a measured number."""
    text = "\x1f".join((kind, *about))
    return "f" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:15]
