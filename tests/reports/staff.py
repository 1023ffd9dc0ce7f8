"""Staff who work lists at a speed of their own, and press what they did when they did it: or not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from reports.case import Case
from reports.ledger import Ledger, act, mailed, took
from reports.pace import HANDLING_S, Pace
from reports.pace_learning import study_pace
from reports.places import Places
from reports.walk import NOWHERE, Walk
from reports.worklist import make_worklist
from tests.reports.conftest import make_plan
from tests.reports.nights import found

PLAN = make_plan(bays=12, faces=("A", "B", "C", "D", "E", "F"))
PLACES = Places.of(PLAN)
SHELVES = [s.id for s in PLAN.walking_order]
FIRST = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
KINDS = ("wrong_shelf", "wrong_order", "missing", "on_shelf_loaned", "unknown_tag")
DID = {"wrong_shelf": "reshelved", "wrong_order": "reshelved", "missing": "marked_missing"}


class Staff:
    """A library, its ledger and the people who work its lists.

    Parameters
    ----------
    factor
        True seconds, of walking and handling, over the assumed ones.
    of
        The same for some kinds, on top.
    at_the_end, away
        Whether books are put away only at the end, and how much longer that takes than one would think.
    scatter
        Standard deviation of the logarithm of each line's seconds; their mean is the true one.
    """

    def __init__(
        self, factor=1.0, seed=1, scatter=0.4, of=None, at_the_end=False, away=1.0, cases=400, kinds=KINDS
    ):
        self.rng = np.random.default_rng(seed)
        self.factor, self.scatter, self.of = factor, scatter, of or {}
        self.at_the_end, self.away = at_the_end, away
        self.cases, self.kinds = cases, kinds
        self.ledger, self.day, self.books = Ledger(site="Test"), 0, 0

    @property
    def learnt(self):
        return study_pace(self.ledger, PLAN)

    def open_cases(self, n, kinds=KINDS):
        """Open cases anywhere in the library."""
        at = FIRST + timedelta(days=self.day, hours=-4)
        made = {}
        for _ in range(n):
            self.books += 1
            kind = str(self.rng.choice(kinds))
            shelf, home = (str(s) for s in self.rng.choice(SHELVES, 2, replace=False))
            more = {"belongs_shelf_id": home} if kind == "wrong_shelf" else {}
            since = at - timedelta(
                days=float(self.rng.integers(0, 90))
            )  # what waits is worth more: lists mix kinds
            case = Case(found(kind, self.books, shelf, None, 0.97, **more), "open", since, "run", at, "run",
                        confidence=0.97, nights=6, silent=6)  # fmt: skip
            made[case.id] = case
        self.ledger = replace(self.ledger, cases={**self.ledger.cases, **made})

    def list(self, minutes=90.0, pace=None):
        """Return this morning's list; there are always cases enough for it, or all there are."""
        if len(self.ledger.open) < 0.75 * self.cases:
            self.open_cases(self.cases, self.kinds)
        return make_worklist(self.ledger.open, PLAN, None, minutes=minutes, pace=pace or self.learnt.pace)

    def seconds(self, kind, share=1.0):
        scatter = self.rng.lognormal(-0.5 * self.scatter**2, self.scatter)
        return share * HANDLING_S[kind] * self.factor * self.of.get(kind, 1.0) * scatter

    def walk_s(self, stops):
        stops = np.array([s for s in stops if s != NOWHERE], np.int64)
        metres_s = Walk(PLACES, Pace()).seconds(stops[:-1], stops[1:]).sum()
        return float(metres_s) * self.factor * self.of.get("walk", 1.0)

    def work(self, listed):
        """Return the seconds that a list really takes, and when each line was done."""
        walk = Walk(PLACES, Pace())
        jobs = sorted((walk.pick(f), f.finding_id, f) for f in listed.findings)
        clock, place, cart, done = 0.0, NOWHERE, [], []
        for stop, name, f in jobs:
            for put in sorted(p for p in cart if place < p <= stop) if not self.at_the_end else []:
                clock += self.walk_s([place, put]) + self.seconds("wrong_shelf", 0.5)
                place = put
                cart.remove(put)
            clock += self.walk_s([place, stop])
            place = stop
            carried = f.kind == "wrong_shelf"
            clock += self.seconds(f.kind, 0.5 if carried else 1.0)
            if carried:
                cart.append(walk.stop(f.belongs_shelf_id, None))
            done.append((name, DID.get(f.kind, "found"), clock))
        for put in sorted(cart, reverse=True):
            clock += self.walk_s([place, put]) + self.away * self.seconds("wrong_shelf", 0.5)
            place = put
        carried = sum(f.kind in ("wrong_shelf", "on_shelf_loaned") for _, _, f in jobs)
        clock += carried * Pace().trip_s / Pace().cart_books * self.factor  # the cart, to and fro
        return clock + self.walk_s([place, jobs[0][0]] if jobs else []), done

    def morning(self, listed=None, bulk=0.2, breaks=1, tell=False, press=True, who="Desk"):
        """Work a morning's list, and record it; return the seconds it took.

        The last share `bulk` of the lines is entered at the desk afterwards, within seconds of each other; breaks are
        of twenty minutes and no work.
        """
        listed = listed or self.list()
        start = FIRST + timedelta(days=self.day, minutes=30)
        self.ledger = mailed(
            self.ledger, [f.finding_id for f in listed.findings], start - timedelta(minutes=30)
        )
        spent, done = self.work(listed)
        rests = self.rng.choice(np.arange(1, max(len(done), 2)), breaks, replace=False)
        desk = spent + 3600.0
        for i, (name, did, clock) in enumerate(done):
            clock += 1200.0 * sum(int(r) <= i for r in rests)
            if i >= (1.0 - bulk) * len(done):
                desk += float(self.rng.uniform(1.0, 4.0))
                clock = desk
            if press:
                self.ledger = act(self.ledger, name, did, who=who, at=start + timedelta(seconds=clock))
        if tell:
            self.ledger = took(self.ledger, spent / 60.0, who=who, at=start + timedelta(hours=4))
        if not press:  # the next scan sees it all put right
            shown = {f.finding_id for f in listed.findings}
            right = {i: replace(c, state="resolved", resolution="seen_right") if i in shown else c
                     for i, c in self.ledger.cases.items()}  # fmt: skip
            self.ledger = replace(self.ledger, cases=right)
        self.day += 1
        return spent

    def really_takes(self, listed, times=40):
        """Return the minutes that a list takes this staff, on the average."""
        return float(np.mean([self.work(listed)[0] for _ in range(times)])) / 60.0
