"""A library that lives: books lent, returned, used in the house, misplaced and stolen from day to day, and put right.

A day goes from one night's scan to the next: staff put books right before opening (`look`, `put_right` and others),
then `pass_day` lets readers in. What the library's own system knows of it lags as it does in life: a book that is used
in the house leaves no trace, a returned one is ``available`` while it waits on the trolley, and a few are put back
without having been checked in. `LibraryLife.library` is the library as it stands, for `sim.record.record`.

How much of what happens a day is assumed; only the misplaced and missing shares are counted ones (Purdue University,
Collection Management 34, 2009: 11 % misplaced and 5 % missing in stacks never inventoried).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

from sim.library import GAP_M
from sim.library_habits import DAY, DEAD_LOSS_DB, GONE, LENT, SHELF, STAFF, TABLE, TROLLEY, Habits
from sim.library_truth import TrueLibrary
from sim.order import movable

__all__ = [
    "DAY",
    "DEAD_LOSS_DB",
    "GONE",
    "LENT",
    "SHELF",
    "STAFF",
    "TABLE",
    "TROLLEY",
    "Habits",
    "LibraryLife",
]


class LibraryLife(TrueLibrary):
    """One library from day to day.

    Parameters
    ----------
    books : int
        Copies in the catalogue.
    seed : int
        Same seed, same library, and as far as staff's own moves leave it the same, the same days.
    habits : Habits, optional
    radio : str
        Name of a radio preset.
    scheme : {"lcc", "ddc"}

    Attributes
    ----------
    plan : Plan
    day : int
        Days passed; night ``day`` is the one that follows.
    rows : list of list of int
        Copies on each shelf from left to right; a stranger is ``books`` or more.
    where : int8[copies]
        One of `SHELF` ... `STAFF`.
    home : int64[copies]
        Index of each copy's shelf.
    status : list of str
        What the library's system says.
    """

    # -- staff -------------------------------------------------------------------------------------------------

    def look(self, shelf_id: str) -> list[int]:
        """Return the copies and strangers on a shelf from left to right, as staff see them."""
        return list(self.rows[self.number[shelf_id]]) if shelf_id in self.number else []

    def put_right(self, c: int) -> bool:
        """Put a copy where it belongs; False where it stands right already."""
        s = int(self.home[c])
        if c in self.rows[s] and c not in movable(self._own_books(s)):
            return False
        self._take(c)
        self._shelve(c)
        return True

    def check_in(self, c: int, at: datetime) -> None:
        """Say in the library's system that a copy is back (or was never lost)."""
        self.status[c] = "available"
        self.activity[c] = at
        self._back[c] = -1

    def mark_missing(self, c: int, at: datetime) -> None:
        """Say in the library's system that a copy is missing."""
        self.status[c] = "missing"
        self.activity[c] = at

    def retag(self, c: int) -> None:
        """Give a copy a new tag."""
        self.epcs[c] = self._spare[self._retagged]
        self._own[c] = len(self.epcs) + self._retagged
        self._retagged += 1
        self.dead[c] = False

    def take_away(self, c: int) -> None:
        """Take a copy or a stranger off the shelves for good."""
        self._take(c)
        self.where[c] = STAFF

    # -- readers -----------------------------------------------------------------------------------------------

    def check_in_early(self) -> None:
        """Check in what lay in the book drop, before the morning's mail."""
        due = self._due(self.day + 1)
        for c in due[: round(self.habits.early * len(due))]:
            self._returned(c, self.morning - timedelta(minutes=30))
            self.where[c] = TROLLEY

    def pass_day(self) -> None:
        """Let a day pass: shelve what waits, lend, take back, use in the house, misplace, lose."""
        h, opens = self.habits, self.morning + timedelta(hours=2)
        self.day += 1
        rng = [np.random.default_rng([self.seed, 0xDA1, self.day, n]) for n in range(5)]
        waiting = [c for c in range(self.books) if self.where[c] in (TROLLEY, TABLE)]
        for c in waiting:
            self._shelve(c)
        on_shelf = [c for c in rng[0].permutation(self.books).tolist() if self.where[c] == SHELF]
        lent = on_shelf[: int(rng[0].poisson(h.loans * self.books))]
        for c in lent:
            self._take(c)
            self.where[c] = LENT
            self.status[c] = "loaned"
            self.activity[c] = opens + timedelta(hours=float(rng[1].uniform(0, 11)))
            self.loans[c] += 1
            self._back[c] = self.day + 1 + int(rng[1].geometric(1.0 / h.loan_days))
        used = on_shelf[len(lent) : len(lent) + int(rng[0].poisson(h.in_house * self.books))]
        handled = list(waiting)
        for c in used:
            self._take(c)
            if rng[2].random() < h.left:
                self.where[c] = TABLE
            else:
                self._shelve(c)
                handled.append(c)
        for c in self._due(self.day):
            if rng[3].random() < h.unseen_return:
                self._back[c] = -1
                self._shelve(c)
                handled.append(c)
                continue
            self._returned(c, opens + timedelta(hours=float(rng[3].uniform(0, 11))))
            if rng[3].random() < h.trolley:
                self.where[c] = TROLLEY
            else:
                self._shelve(c)
                handled.append(c)
        self._new_trouble(rng[4], handled)

    def _new_trouble(self, rng: np.random.Generator, handled: Iterable[int]) -> None:
        """Misplace some of what was put back today, else of what stands; and let some be stolen."""
        candidates = [c for c in handled if self.where[c] == SHELF]
        rng.shuffle(candidates)
        for _ in range(int(rng.poisson(self.habits.trouble * self.books))):
            if rng.random() < self.habits.stolen:
                while self.where[c := int(rng.integers(self.books))] != SHELF:
                    pass
                self._take(c)
                self.where[c] = GONE
                continue
            if not candidates:
                candidates = [c for c in rng.permutation(self.books).tolist() if self.where[c] == SHELF][:20]
            self._misplace(candidates.pop(), rng)

    def _misplace(self, c: int, rng: np.random.Generator) -> None:
        s = int(self.home[c])
        self._take(c)
        row = self.rows[s]
        right = self._gap(c, s)
        if rng.random() < 0.5 and len(row) > 8:
            at = right
            while abs(at - right) < 3:
                at = int(rng.integers(len(row) + 1))
            row.insert(at, c)
            self.moved.add(c)
        else:
            # Half of those on a shelf near by, the rest anywhere.
            while True:
                near = rng.random() < 0.5
                to = s + int(rng.integers(-6, 7)) if near else int(rng.integers(len(self.rows)))
                if to != s and 0 <= to < len(self.rows) and self._room(to) > self.thickness[c] + GAP_M:
                    break
            self.rows[to].insert(int(rng.integers(len(self.rows[to]) + 1)), c)
        self.where[c] = SHELF
