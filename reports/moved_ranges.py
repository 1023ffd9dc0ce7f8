"""Runs of books that stand in order across a shelf's end: the range has moved, and no book is misshelved.

When shelves fill, books are pushed over a shelf's end, and staff shift whole boards. Then dozens of books stand on
another shelf than the record or the shelf's label says, all in order: one line says so, with where the label should
start. A few books over the end stay as they were: where shelves' ranges decide, they run over it and stand right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reports import evidence_text as say_why
from reports.books import Catalogue, Shelved
from reports.findings import Finding
from reports.places import Places
from reports.policy import Policy
from reports.shelf_order import heaviest_order

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST = 4
"""Books from which on a run is said; no simulated night has made a run even of three by error."""
_WHOLE = 0.8  # share of a home's books that stand on one other shelf when the whole shelf was shifted
_ORDERED = 0.7  # share of a group that must stand in order
_LEAST_M = 0.03  # a book that changed places with its neighbour is no matter of the range
_DENSE = 0.8  # share of a run's stretch that must be its own books


@dataclass(frozen=True)
class Run:
    """A run of books on a shelf that is not theirs by the record, in order.

    Attributes
    ----------
    place, home : int
        Where they stand, and where they should by record or label.
    rows : int64 array, shape (n,)
        Their rows of `Shelved`, in physical order.
    copies : int64 array, shape (n,)
        Their rows of the catalogue.
    shelf : int
        The shelf whose range should start elsewhere.
    start : int
        Row of the catalogue of the book it should start with; -1: none is known.
    confidence : float
    """

    place: int
    home: int
    rows: Ints
    copies: Ints
    shelf: int
    start: int
    confidence: float


def find_runs(
    s: Shelved, c: Catalogue, places: Places, policy: Policy, behind: Floats, *, least: int = LEAST
) -> list[Run]:
    """Find the runs of at least `least` books."""
    runs: list[Run] = []
    if not len(places) or not len(c):
        return runs
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0) & (s.rank >= 0))
    rows = rows[c.staying[s.copy[rows]] & (behind[rows] < policy.doubt_from)]
    away = rows[(s.home[rows] >= 0) & (s.home[rows] != s.place[rows])]
    pairs, count = np.unique(s.place[away] * len(places) + s.home[away], return_counts=True)
    chosen = pairs[count >= least]
    if not len(chosen):
        return runs
    step = _steps(c, len(places))
    stood = np.bincount(s.home[rows][s.home[rows] >= 0], minlength=len(places))
    starts = np.searchsorted(s.place[rows], np.arange(len(places) + 1))
    key = s.place[away] * len(places) + s.home[away]
    for pair in chosen.tolist():
        place, home = divmod(pair, len(places))
        run = _in_order(s, away[key == pair], least)
        if run is None:
            continue
        on_shelf = rows[starts[place] : starts[place + 1]]
        if step[place] < 0 and abs(place - home) == 1:
            # No book is at home there: its turn is that of the walk.
            step[place] = step[home] + place - home
        whole = len(run) >= max(_WHOLE * stood[home], least + 2)
        over = abs(int(step[place]) - int(step[home])) == 1 and _beyond(s, rows, run, step, place, home)
        if not (_dense(run, on_shelf, 0 if whole else int(step[place] - step[home])) and (whole or over)):
            continue
        claim = float(np.median(np.nan_to_num(s.positions.p_shelf[run], nan=0.5)))
        if claim < policy.accuse_from:
            continue
        shelf, start = _new_start(s, rows, run, step, place, home)
        runs.append(Run(place, home, run, s.copy[run], shelf, start, min(claim, 0.99)))
    return runs


def at_home(s: Shelved, runs: list[Run]) -> Shelved:
    """Take the books of runs as standing where they belong."""
    if not runs:
        return s
    home = s.home.copy()
    for run in runs:
        home[run.rows] = run.place
    return replace(s, home=home)


def range_findings(runs: list[Run], s: Shelved, c: Catalogue, places: Places) -> Iterator[Finding]:
    """Make one line of each run; `s` is the table in which the runs were found."""
    for run in runs:
        first, last = c.rows[int(run.copies[0])], c.rows[int(run.copies[-1])]
        here, home, shelf = (places.rows[i].id for i in (run.place, run.home, run.shelf))
        start = c.rows[run.start].call_number if run.start >= 0 else ""
        x = s.offset_m[run.rows]
        evidence = say_why.range_moved(first.call_number, last.call_number, len(run.rows), here, home)
        yield Finding(
            "range_moved", "", call_number=first.call_number, title=first.title, shelf_id=here,
            offset_m=float(x.min()), belongs=say_why.range_to(shelf, start) if start else "",
            confidence=run.confidence, evidence=evidence, belongs_shelf_id=shelf,
            extent_m=float(x.max() - x.min()),
        )  # fmt: skip


def _steps(c: Catalogue, count: int) -> Ints:
    """Return each place's turn in shelving order, by the middle call number of the copies at home there; -9: none."""
    step = np.full(count, -9, np.int64)
    rows = np.flatnonzero((c.home >= 0) & (c.rank >= 0))
    order = rows[np.lexsort((c.rank[rows], c.home[rows]))]
    homes, first, size = np.unique(c.home[order], return_index=True, return_counts=True)
    middle = c.rank[order[first + size // 2]]
    step[homes[np.argsort(middle, kind="stable")]] = np.arange(len(homes))
    return step


def _in_order(s: Shelved, rows: Ints, least: int) -> Ints | None:
    """Return those of a group of books that stand in call-number order as far as can be told, if that is most of them.

    Sorted by call number they would take the same places; a book is in order if it is within its error of the one it
    would take, and within a quarter of the run.
    """
    x, rank = s.offset_m[rows], s.rank[rows]
    sorted_x = np.empty(len(rows))
    sorted_x[np.lexsort((x, rank))] = np.sort(x)
    sigma = np.nan_to_num(s.positions.sigma_local_m[rows], nan=_LEAST_M)
    slack = np.clip(3.0 * sigma, _LEAST_M, max(0.25 * float(x.max() - x.min()), _LEAST_M))
    whole = np.array([0, len(rows)], np.int64)
    # One book far out of order shifts all the places: those in a longest rising sequence count as well.
    kept = rows[(np.abs(x - sorted_x) <= slack) | heaviest_order(rank, np.ones(len(rows)), whole)]
    return kept if len(kept) >= max(least, _ORDERED * len(rows)) else None


def _dense(run: Ints, on_shelf: Ints, side: int) -> bool:
    """Say whether a run is most of its stretch: from the left end (side 1), to the right end (-1), or within (0)."""
    at = np.searchsorted(on_shelf, run)
    first = 0 if side > 0 else int(at[0])
    last = len(on_shelf) if side < 0 else int(at[-1]) + 1
    return len(run) >= _DENSE * (last - first)


def _beyond(s: Shelved, rows: Ints, run: Ints, step: Ints, place: int, home: int) -> bool:
    """Say whether the run is the end of its home's books next to the shelf where it stands."""
    there = rows[(s.home[rows] == home) & (s.place[rows] == home)]
    if not len(there):
        return True
    rank = s.rank[there]
    if step[place] > step[home]:
        wrong = np.count_nonzero(rank > s.rank[run].min())
    else:
        wrong = np.count_nonzero(rank < s.rank[run].max())
    return bool(wrong <= max(1.0, 0.1 * len(run)))


def _new_start(s: Shelved, rows: Ints, run: Ints, step: Ints, place: int, home: int) -> tuple[int, int]:
    """Return the shelf whose range should start elsewhere, and the copy it should start with."""
    if step[place] > step[home]:
        return place, int(s.copy[run[0]])
    left = rows[(s.home[rows] == home) & (s.place[rows] == home) & (s.rank[rows] >= s.rank[run].max())]
    return home, int(s.copy[left[np.argmin(s.rank[left])]]) if len(left) else -1
