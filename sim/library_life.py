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
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from sim import trouble as tr
from sim.call_numbers import Scheme, draw_call_numbers
from sim.layout import LayoutSettings, build_plan
from sim.library import FOREIGN_PREFIX, GAP_M, OWN_PREFIX, draw_barcodes, draw_epcs, pack, with_ranges
from sim.model import Library, Tags
from sim.oddities import TagOddities
from sim.order import movable, standing
from sim.presets import preset
from sim.record import START_NS
from sim.robot import RobotDescription
from sim.trouble import Planted
from sim.words import draw_titles
from stacks.holdings import Holding, Holdings
from stacks.ils.items import IlsItem

SHELF, LENT, TROLLEY, TABLE, GONE, STAFF = range(6)
"""Where a copy is; what `STAFF` have taken away has left the collection."""
DEAD_LOSS_DB: Final = 200.0
DAY: Final = timedelta(days=1)
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Habits:
    """What happens, as shares of all copies; of those without a source the size is assumed.

    Attributes
    ----------
    misplaced_near, misplaced_far, gone : float
        Before the first night: out of order on their own shelf, on another shelf, not there. Purdue: 11 % and 5 %.
    lent, not_checked_in, strangers, dead : float
        Before the first night: on loan, back on the shelf without having been checked in, tags on the shelf that the
        catalogue does not know. Dead tags stay so all along.
    trouble : float
        New trouble a day: misplaced or stolen.
    stolen : float
        Share of the new trouble that is theft.
    loans, in_house : float
        Lent, and used in the house, a day.
    loan_days : float
        Mean length of a loan.
    left : float
        Share of the books used in the house that lie on tables overnight; the rest is back by the evening.
    trolley : float
        Share of a day's returns that wait on the trolley overnight.
    unseen_return : float
        Share of the returns that are put back without having been checked in.
    early : float
        Share of a day's returns that are checked in from the book drop before the mail goes out.
    """

    misplaced_near: float = 0.055
    misplaced_far: float = 0.055
    gone: float = 0.05
    lent: float = 0.08
    not_checked_in: float = 0.004
    strangers: float = 0.002
    dead: float = 0.003
    trouble: float = 0.001
    stolen: float = 0.3
    loans: float = 0.005
    in_house: float = 0.004
    loan_days: float = 16.0
    left: float = 0.4
    trolley: float = 0.4
    unseen_return: float = 0.01
    early: float = 0.3


class LibraryLife:
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

    # -- the library as it stands ------------------------------------------------------------------------------

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

    def holdings(self) -> Holdings:
        """Return the catalogue as the library's system has it now."""
        return Holdings.of(self._holding(c) for c in range(self.books))

    def item(self, barcode: str) -> IlsItem | None:
        """Return what the library's system says of one copy now."""
        c = self.copy.get(barcode)
        if c is None:
            return None
        h = self._holding(c)
        return IlsItem(
            barcode=h.barcode, call_number=h.call_number, scheme=h.scheme, title=h.title,
            home_location=h.home_location, status=h.status, raw_status=h.status, epc=h.epc,
            last_activity=self.activity[c], requests=int(self.requests[c]), loans=int(self.loans[c]),
        )  # fmt: skip

    def library(self) -> Library:
        """Return the library as it stands, dead tags being deaf ones, with what is wrong with it."""
        faces = [face for floor in self.plan.floors for face in floor.faces]
        order: list[int] = []
        columns: list[npt.NDArray[np.float64]] = []
        s = -1
        for f, face in enumerate(faces):
            for shelf in face.shelves:
                s += 1
                row = np.array(self.rows[s], np.int64)
                if not row.size:
                    continue
                air = self._air[row]
                thick = self.thickness[row]
                if thick.sum() + air.sum() > shelf.to_m - shelf.from_m:
                    air = air * 0.0
                left = shelf.from_m + np.cumsum(thick + air) - thick
                offset = left + thick * self._inside[row]
                x, y = face.to_map(offset, face.tag_depth_m + self._depth[row])
                z = shelf.board_z_m + np.clip(self._height[row], 0.05, shelf.clear_m - 0.05)
                order.extend(self.rows[s])
                columns.append(np.column_stack([x, y, z, offset, np.full(len(row), f), np.full(len(row), s)]))
        table = np.concatenate(columns)
        rows = np.array(order, np.int64)
        tags = Tags(
            epc=tuple(self.epcs[c] for c in order),
            place_m=np.ascontiguousarray(table[:, :3]),
            offset_m=table[:, 3].copy(),
            face=table[:, 4].astype(np.int32),
            shelf=table[:, 5].astype(np.int32),
            label=np.zeros(len(order), np.bool_),
        )
        return Library(
            plan=self.plan, holdings=self.holdings().rows, tags=tags, planted=self.planted(), robot=self.robot,
            radio=preset(self.radio_preset), radio_preset=self.radio_preset, seed=self.seed,
            odd=replace(TagOddities.none(len(order)), loss_db=np.where(self.dead[rows], DEAD_LOSS_DB, 0.0)),
            own=self._own[rows], register=2 * self.books + len(self.epcs),
        )  # fmt: skip

    # -- the truth ---------------------------------------------------------------------------------------------

    def shelf_of(self) -> Ints:
        """Return the index of the shelf each copy and stranger stands on, -1: on none; int64[all]."""
        out = np.full(len(self.epcs), -1, np.int64)
        for s, row in enumerate(self.rows):
            out[row] = s
        return out

    def wrong_shelf(self) -> set[int]:
        """Return the copies that stand on another shelf than theirs."""
        shelf = self.shelf_of()[: self.books]
        return set(np.flatnonzero((shelf >= 0) & (shelf != self.home)).tolist())

    def wrong_order(self) -> set[int]:
        """Return the copies on their own shelf whose moving puts it in order: the fewest, and rather those moved."""
        out: set[int] = set()
        for s in range(len(self.rows)):
            own = self._own_books(s)
            out.update(set(own).difference(self._stays(own)))
        return out

    def may_be_moved(self) -> set[int]:
        """Return the copies on their own shelf that some fewest moves would move: of two exchanged books, both."""
        return {c for s in range(len(self.rows)) for c in movable(self._own_books(s))}

    def really_gone(self, c: int) -> bool:
        """Say whether a copy has left the library without being lent."""
        return bool(self.where[c] == GONE)

    def planted(self) -> tuple[Planted, ...]:
        """Return what is wrong, as a made library has it."""
        shelf = self.shelf_of()
        out: list[Planted] = []

        def plant(kind: str, c: int, at: int, detail: str) -> None:
            known = c < self.books
            belongs = self.shelves[int(self.home[c])].id if known else ""
            barcode = self.barcodes[c] if known else ""
            out.append(Planted(kind, self.epcs[c], barcode, self.shelves[at].id, belongs, detail))

        wrong_order = self.wrong_order()
        for c in range(len(self.epcs)):
            at = int(shelf[c])
            if c >= self.books:
                if at >= 0:
                    plant("unknown_tag", c, at, "not in the catalogue")
                continue
            if self.where[c] == GONE and self.status[c] == "available":
                plant("missing", c, int(self.home[c]), "taken away")
            if at < 0:
                continue
            if self.status[c] == "loaned":
                plant("on_shelf_loaned", c, at, "on its shelf, not checked in")
            elif self.status[c] == "missing":
                plant("found", c, at, "marked missing, and there")
            elif at != self.home[c]:
                plant("wrong_shelf", c, at, "misplaced")
            elif c in wrong_order:
                plant("wrong_order", c, at, "misplaced on its shelf")
            if self.dead[c]:
                plant("dead_tag", c, at, "its tag does not answer")
        return tuple(out)

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

    # -- within ------------------------------------------------------------------------------------------------

    def _holding(self, c: int) -> Holding:
        seen = self.activity[c]
        extra = {"requests": str(int(self.requests[c])), "loans": str(int(self.loans[c]))}
        if seen is not None:
            extra["last_activity"] = f"{seen:%Y-%m-%dT%H:%M:%SZ}"
        return Holding(
            self.barcodes[c], self.epcs[c], self.call_numbers[c], self.scheme, self.titles[c],
            self.shelves[int(self.home[c])].id, self.status[c], extra,
        )  # fmt: skip

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
