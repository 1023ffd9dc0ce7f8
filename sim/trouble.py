"""What readers do to a library between two stocktakes: books moved, missing, lent, foreign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.errors import SimError

ON_SHELF: Final = 0
LOANED: Final = 1
MISSING: Final = 2
ON_SHELF_LOANED: Final = 3


@dataclass(frozen=True, slots=True)
class TroubleRates:
    """Shares of the library's copies, each 0..0.5.

    A yearly inventory finds 0.5 to 6 % missing and 3 to 12 % misshelved (Purdue, Collection Management 34, 2009).

    Attributes
    ----------
    near : float
        On their own shelf, three or more places from where they belong.
    far : float
        On another shelf, at least two shelves on.
    missing : float
        Catalogued as available and not there.
    on_loan : float
        Lent and rightly not there; no trouble.
    on_shelf_loaned : float
        There although the catalogue says lent.
    unknown : float
        Tags on the shelf that the catalogue does not know.
    """

    near: float = 0.02
    far: float = 0.015
    missing: float = 0.01
    on_loan: float = 0.08
    on_shelf_loaned: float = 0.006
    unknown: float = 0.004

    def __post_init__(self) -> None:
        for name in ("near", "far", "missing", "on_loan", "on_shelf_loaned", "unknown"):
            value = getattr(self, name)
            if not 0.0 <= value <= 0.5:
                raise SimError(f"trouble rate {name} is {value}; it must be from 0 to 0.5")
        if self.near + self.far + self.missing + self.on_loan + self.on_shelf_loaned > 0.9:
            raise SimError("the trouble rates add up to more than 0.9; lower some of them")


@dataclass(frozen=True, slots=True)
class Planted:
    """One piece of planted trouble.

    Attributes
    ----------
    kind : str
        As in exceptions.csv: missing, wrong_shelf, wrong_order, on_shelf_loaned, unknown_tag;
        or one of `sim.oddities.KINDS`.
    epc, barcode : str
        The tag; the copy, empty where the catalogue knows none.
    shelf : str
        Where it stands; where it should stand when it is missing.
    belongs : str
        Its home shelf; empty for an unknown tag.
    detail : str
        What was done, in words.
    """

    kind: str
    epc: str
    barcode: str
    shelf: str
    belongs: str
    detail: str


def draw_presence(rng: np.random.Generator, copies: int, rates: TroubleRates) -> np.ndarray:
    """Draw which copies are there: `ON_SHELF`, `LOANED`, `MISSING` or `ON_SHELF_LOANED` for each."""
    state = np.full(copies, ON_SHELF, np.int8)
    order = rng.permutation(copies)
    start = 0
    for kind, rate in (
        (LOANED, rates.on_loan),
        (MISSING, rates.missing),
        (ON_SHELF_LOANED, rates.on_shelf_loaned),
    ):
        n = round(rate * copies)
        state[order[start : start + n]] = kind
        start += n
    return state


def move_near(rng: np.random.Generator, shelves: list[list[int]], wanted: int) -> list[tuple[int, int, int]]:
    """Move books along their own shelf, in place; never two across each other's way.

    Parameters
    ----------
    rng : Generator
    shelves : list of list of int
        Copies of each shelf from left to right; changed.
    wanted : int
        How many to move; fewer are moved where there is no room.

    Returns
    -------
    list of (copy, shelf, places)
        Places moved to the right (negative: to the left); three or more.
    """
    moved: list[tuple[int, int, int]] = []
    taken: dict[int, list[tuple[int, int]]] = {}
    roomy = [s for s, row in enumerate(shelves) if len(row) >= 6]
    for _ in range(40 * wanted if roomy else 0):
        if len(moved) == wanted:
            break
        s = roomy[int(rng.integers(len(roomy)))]
        row = shelves[s]
        at, to = (int(v) for v in rng.integers(0, len(row), 2))
        low, high = min(at, to) - 1, max(at, to) + 1
        if abs(at - to) < 3 or any(low <= b and a <= high for a, b in taken.get(s, [])):
            continue
        copy = row.pop(at)
        row.insert(to, copy)
        taken.setdefault(s, []).append((low, high))
        moved.append((copy, s, to - at))
    return moved


def move_far(
    rng: np.random.Generator,
    shelves: list[list[int]],
    wanted: int,
    barred: set[int],
    room: np.ndarray,
    thickness: np.ndarray,
) -> list[tuple[int, int, int]]:
    """Move books to other shelves, in place.

    Parameters
    ----------
    rng : Generator
    shelves : list of list of int
        Copies of each shelf from left to right; changed.
    wanted : int
    barred : set of int
        Copies that carry trouble already.
    room : float64[s]
        Free length of each shelf, m; changed.
    thickness : float64[copies]
        Thickness of each copy, m.

    Returns
    -------
    list of (copy, from shelf, to shelf)
    """
    moved: list[tuple[int, int, int]] = []
    used = [s for s, row in enumerate(shelves) if len(row) >= 6]
    placed = set(barred)
    for _ in range(60 * wanted if len(used) > 2 else 0):
        if len(moved) == wanted:
            break
        a, b = used[int(rng.integers(len(used)))], used[int(rng.integers(len(used)))]
        if abs(a - b) < 2 or len(shelves[a]) < 4:
            continue
        at = int(rng.integers(len(shelves[a])))
        copy = shelves[a][at]
        if copy in placed or thickness[copy] + 0.002 > room[b]:
            continue
        shelves[a].pop(at)
        shelves[b].insert(int(rng.integers(2, len(shelves[b]) - 1)), copy)
        room[b] -= thickness[copy] + 0.002
        room[a] += thickness[copy]
        placed.add(copy)
        moved.append((copy, a, b))
    return moved
