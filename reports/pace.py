"""How fast people walk along the shelves and deal with each kind of line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
go to the desk. They are starting values; measure a morning and set your own.
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
