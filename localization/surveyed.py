"""Positions against a hand scan, which knows shelves and order and nothing in metres."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from localization.positions import Positions
from recording.surveyed import Surveyed


@dataclass(frozen=True, slots=True)
class SurveyedFigures:
    """What a hand scan says of positions.

    Attributes
    ----------
    tags : int
        Scanned copies with a tag.
    heard, shelf_right : int
        Of them heard; of those heard, placed on the shelf they stand on.
    pairs, pairs_right : int
        Neighbours by hand (copies not placed on that shelf passed over), and those in the same order.
    absent, absent_placed : int
        Copies that were not there, and of them those placed on that shelf.
    """

    tags: int
    heard: int
    shelf_right: int
    pairs: int
    pairs_right: int
    absent: int
    absent_placed: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {"surveyed": asdict(self)}

    def table(self) -> str:
        """Return the figures as text."""

        def row(name: str, right: int, of: int) -> str:
            share = f"  ({right / of:.3f})" if of else ""
            return f"  {name:34}  {right} / {of}{share}"

        return "\n".join([
            "against a hand scan",
            row("heard", self.heard, self.tags),
            row("on the right shelf, of those heard", self.shelf_right, self.heard),
            row("neighbours in order", self.pairs_right, self.pairs),
            row("not there, and placed there", self.absent_placed, self.absent),
        ])  # fmt: skip


def evaluate_surveyed(positions: Positions, surveyed: Surveyed) -> SurveyedFigures:
    """Hold positions against a hand scan."""
    at = {str(epc).upper(): n for n, epc in enumerate(positions.epc.tolist())}
    heard = right = absent = absent_placed = tags = 0
    rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for n in range(len(surveyed)):
        epc, shelf = str(surveyed.epc[n]).upper(), surveyed.shelf_id[n]
        if not epc:
            continue
        row = at.get(epc)
        placed = row is not None and positions.shelf_id[row] == shelf
        if not surveyed.present[n]:
            absent += 1
            absent_placed += placed
            continue
        tags += 1
        heard += row is not None
        right += placed
        if placed and row is not None:
            rows[shelf].append((int(surveyed.rank[n]), int(positions.rank[row])))
    pairs = [(a[1], b[1]) for row in rows.values() for a, b in pairwise(sorted(row))]
    in_order = sum(a < b for a, b in pairs)
    return SurveyedFigures(tags, heard, right, len(pairs), in_order, absent, absent_placed)
