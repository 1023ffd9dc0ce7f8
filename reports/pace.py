"""How fast people walk along the shelves and deal with each kind of line: assumed, set by hand, or learnt.

`reports.pace_learning` learns it from what staff recorded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

HANDLING_S: Mapping[str, float] = {
    "wrong_shelf": 60.0,
    "wrong_order": 30.0,
    "wrong_location": 60.0,
    "range_moved": 30.0,
    "found": 60.0,
    "on_shelf_loaned": 60.0,
    "on_shelf_status": 60.0,
    "listed": 30.0,
    "missing": 90.0,
    "dead_tag": 90.0,
    "weak_tag": 90.0,
    "unknown_tag": 60.0,
    "blank_tag": 60.0,
    "duplicate_tag": 60.0,
    "security_off": 45.0,
    "lying": 15.0,
    "bad_call_number": 60.0,
    "low_confidence": 45.0,
}
"""Seconds at the shelf for one line of each kind, without the walking.

A wrong order is one find, one look, one push. A wrong shelf is found, carried and put (two finds). A missing book
is a search: its place, the books around it, the board above and below, behind the row. Books with a status and tags
go to the desk. They are starting values, not measurements; what staff record moves them (`reports.pace_learning`).
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the work goes.

    Attributes
    ----------
    handling_s : mapping of str to float
        Seconds at the shelf for one line of each kind.
    block_s : float
        Seconds for every further book of a block that is carried together.
    walk_mps : float
        Walking speed with a cart between shelves, stops for people included; 1.4 m/s is a pedestrian's without.
    floor_s : float
        From one floor to the next, by stairs or a lift with a cart.
    cart_books : int
        Books a cart holds; each further load costs `trip_s`.
    trip_s : float
    start : (floor id, x, y) or None
        Where the walk begins and ends, such as the desk; None: at its first and last stop.
    """

    handling_s: Mapping[str, float] = field(default_factory=lambda: dict(HANDLING_S))
    block_s: float = 6.0
    walk_mps: float = 0.8
    floor_s: float = 90.0
    cart_books: int = 60
    trip_s: float = 180.0
    start: tuple[str, float, float] | None = None

    def __post_init__(self) -> None:
        positive = {"walk_mps": self.walk_mps, "block_s": self.block_s, "cart_books": self.cart_books}
        for name, value in positive.items():
            if not value > 0.0:
                raise ValueError(f"pace: {name} is {value}, it must be above 0")

    def handling(self, kind: str) -> float:
        """Return the seconds at the shelf for one line of a kind."""
        return self.handling_s.get(kind, HANDLING_S.get(kind, 60.0))


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a site sets itself; what is set is neither learnt nor scaled. None: not set.

    Attributes
    ----------
    handling_s : mapping of str to float
        Seconds at the shelf for one line, by kind.
    block_s, walk_mps, floor_s, cart_books, trip_s
        As in `Pace`.
    learn : bool
        Whether the rest is learnt from what staff record.
    """

    handling_s: Mapping[str, float] = field(default_factory=dict[str, float])
    block_s: float | None = None
    walk_mps: float | None = None
    floor_s: float | None = None
    cart_books: int | None = None
    trip_s: float | None = None
    learn: bool = True

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.handling_s if kind not in HANDLING_S]
        if unknown:
            raise ValueError(
                f"pace: handling_s: {unknown[0]!r} is no kind of line; write some of {', '.join(HANDLING_S)}"
            )
        numbers = {
            **{f"handling_s: {kind}": value for kind, value in self.handling_s.items()},
            **{name: getattr(self, name) for name in _NUMBERS},
        }
        for name, value in numbers.items():
            if value is not None and not (0.0 < value < math.inf):
                raise ValueError(f"pace: {name} is {value}, it must be a number above 0")
        if self.cart_books is not None and self.cart_books < 1:
            raise ValueError(f"pace: cart_books is {self.cart_books}, it must be 1 or more")

    def over(self, pace: Pace) -> Pace:
        """Return a pace with what is set in its place."""
        given = {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}
        return replace(pace, handling_s={**pace.handling_s, **self.handling_s}, **given)


_NUMBERS = ("block_s", "walk_mps", "floor_s", "cart_books", "trip_s")
