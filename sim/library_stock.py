"""The copies of a library that lives: on which shelf each stands and in which order, and what is wrong at first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from sim import trouble as tr
from sim.call_numbers import Scheme, draw_call_numbers
from sim.layout import LayoutSettings, build_plan
from sim.library import FOREIGN_PREFIX, GAP_M, OWN_PREFIX, draw_barcodes, draw_epcs, pack, with_ranges
from sim.library_habits import DAY, GONE, LENT, SHELF, STAFF, Habits
from sim.order import standing
from sim.record import START_NS
from sim.robot import RobotDescription
from sim.words import draw_titles

Ints = npt.NDArray[np.int64]


class LibraryStock:
    """Copies on their shelves; `sim.library_life.LibraryLife` tells the parameters and attributes."""

    def __init__(
        self,
        books: int,
        seed: int = 1,
        *,
        habits: Habits | None = None,
        radio: str = "ordinary",
        scheme: Scheme = "lcc",
        site: str = "sim",
        robot: RobotDescription | None = None,
    ) -> None:
        self.habits = habits or Habits()
        self.books, self.seed, self.scheme, self.day = books, seed, scheme, 0
        self.radio_preset, self.robot = radio, robot or RobotDescription()
        words, makers, troubles, codes = (
            np.random.default_rng(s) for s in np.random.SeedSequence([seed, 0x11FE]).spawn(4)
        )
        strangers = round(self.habits.strangers * books)
        every = books + strangers
        self.call_numbers = draw_call_numbers(words, books, scheme)
        self.titles = draw_titles(words, books)
        self.thickness = np.clip(0.0228 * np.exp(0.33 * makers.standard_normal(every)), 0.008, 0.05)
        # What is fixed in the book: where in it the tag sits; and the air it leaves to its left neighbour.
        self._inside = makers.uniform(0.12, 0.88, every)
        self._depth = 0.008 * np.clip(makers.standard_normal(every), -2.5, 2.5)
        self._height = 0.115 + 0.02 * makers.standard_normal(every)
        self._air = np.minimum(makers.exponential(GAP_M, every), 4 * GAP_M)
        layout = LayoutSettings()
        self.home = pack(makers, self.thickness[:books] + GAP_M, layout.shelf_m)
        self.plan = with_ranges(
            build_plan(site, int(self.home[-1]) + 1, layout), self.call_numbers, self.home
        )
        self.shelves = [shelf for floor in self.plan.floors for face in floor.faces for shelf in face.shelves]
        self.number = {shelf.id: n for n, shelf in enumerate(self.shelves)}
        self.barcodes = draw_barcodes(codes, books)
        self.copy = {barcode: c for c, barcode in enumerate(self.barcodes)}
        self.epcs = [*draw_epcs(codes, books, OWN_PREFIX), *draw_epcs(codes, strangers, FOREIGN_PREFIX)]
        self._spare = draw_epcs(codes, books, OWN_PREFIX[:2] + "99")
        self._own = np.arange(every)
        self._retagged = 0
        self.where = np.full(every, SHELF, np.int8)
        self.status = ["available"] * books
        self.activity: list[datetime | None] = [None] * books
        self.loans = makers.poisson(4.0, books)
        self.requests = makers.binomial(2, 0.02, books)
        self.moved: set[int] = set()
        self.dead = np.zeros(every, np.bool_)
        self._back = np.full(books, -1)
        self.rows: list[list[int]] = [[] for _ in self.shelves]
        for c, s in enumerate(self.home.tolist()):
            self.rows[s].append(c)
        self._first_trouble(troubles, strangers)

    @property
    def night_ns(self) -> int:
        """When the coming night's scan starts, ns UTC."""
        return START_NS + self.day * 86_400 * 10**9

    @property
    def evening(self) -> datetime:
        """When the coming night's scan starts; what is expected is frozen then."""
        return datetime.fromtimestamp(self.night_ns // 10**9, UTC)

    @property
    def morning(self) -> datetime:
        """Seven o'clock after the coming night: when the mail goes out."""
        return self.evening + timedelta(hours=9)

    def _first_trouble(self, rng: np.random.Generator, strangers: int) -> None:
        h, books = self.habits, self.books
        order = rng.permutation(books).tolist()

        def some(share: float) -> list[int]:
            taken = order[: round(share * books)]
            del order[: len(taken)]
            return taken

        for c in some(h.lent):
            self._take(c)
            self.where[c], self.status[c] = LENT, "loaned"
            gone_for = int(rng.geometric(1.0 / h.loan_days))
            self.activity[c] = self.evening - gone_for * DAY
            self._back[c] = 1 + int(rng.geometric(1.0 / h.loan_days))
        for c in some(h.gone):
            self._take(c)
            self.where[c] = GONE
        for c in some(h.not_checked_in):
            self.status[c] = "loaned"
            self.activity[c] = self.evening - 30 * DAY
        self.dead[some(h.dead)] = True
        barred = {c for c in range(books) if self.where[c] != SHELF or self.status[c] != "available"}
        for c, _, _ in tr.move_near(rng, self.rows, round(h.misplaced_near * books)):
            self.moved.add(c)
        room = np.array([self._room(s) for s in range(len(self.rows))])
        wanted = round(h.misplaced_far * books)
        tr.move_far(rng, self.rows, wanted, barred | self.moved, room, self.thickness)
        for n in range(strangers):
            c = books + n
            at = [s for s in range(len(self.rows)) if self._room(s) > self.thickness[c] + GAP_M]
            if not at:
                self.where[c] = STAFF
                continue
            s = at[int(rng.integers(len(at)))]
            self.rows[s].insert(int(rng.integers(len(self.rows[s]) + 1)), c)

    def _room(self, s: int) -> float:
        shelf = self.shelves[s]
        return shelf.to_m - shelf.from_m - float(np.sum(self.thickness[self.rows[s]] + GAP_M))

    def _due(self, day: int) -> list[int]:
        return [c for c in np.flatnonzero(self._back == day).tolist() if self.where[c] == LENT]

    def _returned(self, c: int, at: datetime) -> None:
        self.status[c], self.activity[c], self._back[c] = "available", at, -1

    def _take(self, c: int) -> None:
        for row in self.rows:
            if c in row:
                row.remove(c)
                break
        self.moved.discard(c)

    def _own_books(self, s: int) -> list[int]:
        return [c for c in self.rows[s] if c < self.books and self.home[c] == s]

    def _stays(self, own: list[int]) -> list[int]:
        stays = standing(own, [0.9 if c in self.moved else 1.0 for c in own])
        return [c for c, stay in zip(own, stays, strict=True) if stay]

    def _gap(self, c: int, s: int) -> int:
        """Return where in its shelf's row a copy belongs among the books that stand right there."""
        row = self.rows[s]
        lower = [other for other in self._stays(self._own_books(s)) if other < c]
        if lower:
            return row.index(lower[-1]) + 1
        higher = [other for other in self._stays(self._own_books(s)) if other > c]
        return row.index(higher[0]) if higher else 0

    def _shelve(self, c: int) -> None:
        s = int(self.home[c])
        self.rows[s].insert(self._gap(c, s), c)
        self.where[c] = SHELF
        # A book that others were moved away from may stand in order by now.
        self.moved.difference_update(self._stays(self._own_books(s)))
