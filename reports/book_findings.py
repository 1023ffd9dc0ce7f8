"""What all findings about a book are made of: the copy, where it stands and belongs, how surely it is there."""

from __future__ import annotations

from dataclasses import replace

from reports.books import Catalogue, Shelved
from reports.findings import Finding
from reports.gaps import Gap
from reports.places import Places

NOT_HERE = 0.2
"""From this chance on that a tag stands on an unscanned shelf nearby, that is said."""


def book_finding(c: Catalogue, copy: int, kind: str, **more: object) -> Finding:
    """Return a finding about a copy of the catalogue; `more` are its other fields."""
    h = c.rows[copy]
    basic = Finding(
        kind=kind, finding_id="", epc=h.epc, barcode=h.barcode, call_number=h.call_number, title=h.title
    )
    return replace(basic, **more)


def standing(s: Shelved, row: int, places: Places) -> dict[str, object]:
    """Return the fields that say where a tag stands; none without a place."""
    place = int(s.place[row])
    if place < 0:
        return {}
    return {"shelf_id": places.rows[place].id, "offset_m": float(s.offset_m[row])}


def belonging(gap: Gap) -> dict[str, object]:
    """Return the fields that say where a book belongs."""
    return {"belongs": gap.words, "belongs_shelf_id": gap.shelf_id, "belongs_m": gap.middle_m}


def presence(s: Shelved, row: int) -> float:
    """Return how sure it is that the tag really is on the shelves here: few readings may be a stray echo."""
    readings = int(s.positions.readings[row])
    return 0.99 - 0.3 * 0.5**readings
