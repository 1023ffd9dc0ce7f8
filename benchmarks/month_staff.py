"""Simulated staff: they walk a list, look what is really there, put it right and say what they found.

The seconds are assumed, not measured: `FIND_S` to find a line's book at its place, `LOOK_S` to read along the whole
shelf when it is not at once seen, `SEARCH_S` for a missing book (its shelf, the boards around it, behind the row),
`PUT_S` to put a book at its place, `DESK_S` to set a record right at the cart's computer; walking `WALK_MPS` with a
cart. They find every book that stands on the shelf they look at. Books taken off are put away in a second walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from reports.findings import Finding
from sim.library_life import SHELF, LibraryLife
from stacks.plan import Plan

FIND_S: Final = 15.0
LOOK_S: Final = 30.0
SEARCH_S: Final = 75.0
PUT_S: Final = 20.0
DESK_S: Final = 20.0
WALK_MPS: Final = 0.8
RETAG_S: Final = 60.0
RETAGGED: Final = 0.5
"""Share of the dead tags found on a shelf that are replaced at once; the others are only noted."""


@dataclass(slots=True)
class Morning:
    """What staff did with a list.

    Attributes
    ----------
    seconds : float
    worked : list of (finding, what they did, why, seconds)
        Those there was time for, in the order worked, and how far into the morning each was done; what they did is one
        of `reports.case.BY_STAFF`, or empty where they could say nothing.
    right : int
        Books put right: put where they belong, taken out of the records of what is there, checked in, retagged.
    wanted : int
        Of them those that readers wait for.
    """

    seconds: float = 0.0
    worked: list[tuple[Finding, str, str, float]] = field(
        default_factory=list[tuple[Finding, str, str, float]]
    )
    right: int = 0
    wanted: int = 0


class Ways:
    """Walking distances between shelves: along a face, across an aisle, or round the nearer end of the rows."""

    def __init__(self, plan: Plan) -> None:
        self._at: dict[str, tuple[str, float, float]] = {}
        self._ends: dict[str, tuple[float, float]] = {}
        for floor in plan.floors:
            xs = [
                x
                for face in floor.faces
                for x in np.ravel(face.to_map(np.array([0.0, face.length_m]), -0.7)[0])
            ]
            self._ends[floor.id] = (min(xs), max(xs))
            for face in floor.faces:
                for shelf in face.shelves:
                    x, y = face.to_map(np.array([0.5 * (shelf.from_m + shelf.to_m)]), -0.7)
                    self._at[shelf.id] = (floor.id, float(x[0]), float(y[0]))

    def metres(self, a: str, b: str) -> float:
        """Return how far it is from shelf to shelf; 30 m to another floor or a place the plan does not know."""
        if a not in self._at or b not in self._at:
            return 0.0 if not a or not b else 30.0
        (floor, x, y), (other, u, v) = self._at[a], self._at[b]
        if floor != other:
            return 30.0
        if abs(y - v) < 1.0:  # the same aisle
            return abs(x - u) + abs(y - v)
        low, high = self._ends[floor]
        return abs(y - v) + min(x - low + u - low, high - x + high - u)


def work(
    life: LibraryLife,
    ways: Ways,
    lines: Sequence[Finding],
    minutes: float,
    at: datetime,
    rng: np.random.Generator,
) -> Morning:
    """Work a list from its top until the minutes are over.

    Parameters
    ----------
    life : LibraryLife
        Changed as staff put it right.
    ways : Ways
    lines : sequence of Finding
        In the order worked.
    minutes : float
        Paid this morning; a line begun is finished.
    at : datetime
    rng : Generator
        Which dead tags are replaced at once.
    """
    done = Morning()
    place, cart = "", []
    for line in lines:
        if not line.barcode and not line.epc:
            continue  # a stretch that was not scanned: nothing to do at a shelf
        put_away = _walk_s(ways, place, cart) + PUT_S * len(cart)
        if done.seconds + put_away >= 60.0 * minutes:
            break
        done.seconds += ways.metres(place, line.shelf_id) / WALK_MPS
        place = line.shelf_id or place
        seconds, did, why, right = _deal(life, line, at, rng, cart)
        done.seconds += seconds
        done.worked.append((line, did, why, done.seconds))
        if right:
            done.right += 1
            c = life.copy.get(line.barcode)
            done.wanted += c is not None and int(life.requests[c]) > 0
    done.seconds += _walk_s(ways, place, cart) + PUT_S * len(cart)
    return done


def _walk_s(ways: Ways, place: str, cart: Sequence[tuple[int, str]]) -> float:
    """Return the seconds of walking the cart's books home, shelf after shelf."""
    metres = 0.0
    for _, shelf in sorted(cart):
        metres += ways.metres(place, shelf)
        place = shelf
    return metres / WALK_MPS


def _deal(
    life: LibraryLife, line: Finding, at: datetime, rng: np.random.Generator, cart: list[tuple[int, str]]
) -> tuple[float, str, str, bool]:
    """Deal with one line; return the seconds, what staff say, why, and whether a book or record was put right."""
    here = life.look(line.shelf_id)
    c = life.copy.get(line.barcode)
    if c is None:
        return _stranger(life, line, here)
    home = life.shelves[int(life.home[c])].id
    if line.kind in ("missing", "dead_tag"):
        return _silent(life, c, here, at, rng, missing=line.kind == "missing")
    if c not in here:
        return FIND_S + LOOK_S, "false_alarm", "not there", False
    if life.where[c] == SHELF and life.status[c] != "available":
        # Lent, missing or lost says the record: the book goes over the desk and home.
        did = "checked_in" if life.status[c] == "loaned" else "found"
        life.check_in(c, at)
        if life.put_right(c):
            cart.append((c, home))
        return FIND_S + DESK_S, did, "was there", True
    if line.kind in ("found", "on_shelf_loaned", "on_shelf_status"):
        return FIND_S + DESK_S, "found", "in order by now", False
    if life.put_right(c):
        if home != line.shelf_id:
            cart.append((c, home))
            return FIND_S, "reshelved", "", True
        return FIND_S + PUT_S, "reshelved", "", True
    return FIND_S + LOOK_S, "false_alarm", "stands right", False


def _silent(
    life: LibraryLife, c: int, here: Sequence[int], at: datetime, rng: np.random.Generator, *, missing: bool
) -> tuple[float, str, str, bool]:
    if c in here:
        if not life.dead[c]:
            return FIND_S + LOOK_S, "found", "on its shelf", False
        if rng.random() < RETAGGED or not missing:
            life.retag(c)
            return FIND_S + LOOK_S + RETAG_S, "retagged", "its tag was dead", True
        return FIND_S + LOOK_S, "found", "on its shelf, tag silent", False
    if not missing:
        return FIND_S + LOOK_S, "false_alarm", "not on its shelf", False
    if life.status[c] != "available":
        return DESK_S, "found", "lent by now", False
    gone = life.really_gone(c)
    life.mark_missing(c, at)
    return SEARCH_S + DESK_S, "marked_missing", "not on its shelf nor near it", gone


def _stranger(life: LibraryLife, line: Finding, here: Sequence[int]) -> tuple[float, str, str, bool]:
    for c in here:
        if c >= life.books and life.epcs[c] == line.epc:
            life.take_away(c)
            return FIND_S + LOOK_S, "found", "taken to cataloguing", True
    return FIND_S + LOOK_S, "false_alarm", "nothing strange there", False
