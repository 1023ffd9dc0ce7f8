"""Choosing jobs for one walk: the most worth within a time.

The walk goes once along the plan's order and comes back: books are taken up on the way out, put down on the way out
where their place comes later, else on the way back. Choosing what to visit is an orienteering problem (B. Golden,
L. Levy, R. Vohra, Naval Research Logistics 34, 1987); with the order fixed, a stop costs what it adds to the way.
Greedy: again and again the stop whose best jobs bring the most worth for each second they add. The same is tried
within each floor and around the richest faces, as a far corner pays only if much is done there; then stops
are dropped and the time is filled anew while that helps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.walk import Walk

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_KEPT = 1200  # jobs looked at, the best for their handling time
_ROUNDS = 60  # greedy steps at most; longer mornings take several jobs a step
_WINDOWS, _NEAR = 4, 3
_TRIES, _TRIES_OF_MANY = 6, 2  # rounds of improvement
_SHORT, _TRIED, _TRIED_OF_MANY = 200, 48, 3


@dataclass(frozen=True)
class Jobs:
    """What can be done; columns of one length.

    Attributes
    ----------
    pick, put : int64 arrays
        Stops where a job begins and where its books are put down; -1 for none.
    worth, seconds : float64 arrays
        What it brings, and how long it takes without walking.
    """

    pick: Ints
    put: Ints
    worth: Floats
    seconds: Floats

    def __len__(self) -> int:
        return len(self.pick)

    def __getitem__(self, rows: Ints) -> Jobs:
        return Jobs(self.pick[rows], self.put[rows], self.worth[rows], self.seconds[rows])


def way_s(jobs: Jobs, chosen: Ints, walk: Walk) -> float:
    """Return the seconds of walking of some jobs."""
    out, back = _legs(jobs, chosen)
    return _length(np.unique(out), np.unique(back), walk)


def total_s(jobs: Jobs, chosen: Ints, walk: Walk) -> float:
    """Return the seconds that some jobs take, walking and handling."""
    return way_s(jobs, chosen, walk) + float(jobs.seconds[chosen].sum())


def choose(jobs: Jobs, walk: Walk, budget_s: float) -> Ints:
    """Return the rows of the jobs to do within a time, ascending."""
    fits = np.flatnonzero((jobs.seconds <= budget_s) & (jobs.worth > 0.0))
    if total_s(jobs, fits, walk) <= budget_s:
        return fits
    density = jobs.worth[fits] / np.maximum(jobs.seconds[fits], 1e-6)
    rows = np.sort(fits[np.argsort(-density, kind="stable")[:_KEPT]])
    some = jobs[rows]
    search = _Search(some, walk, budget_s)
    best = search.fill(np.zeros(0, np.int64), np.ones(len(some), bool))
    for window in _windows(some, walk):
        first = search.fill(np.zeros(0, np.int64), window)
        best = search.better(best, search.fill(first, np.ones(len(some), bool)))
    return rows[search.improved(best)]


def _legs(jobs: Jobs, chosen: Ints) -> tuple[Ints, Ints]:
    pick, put = jobs.pick[chosen], jobs.put[chosen]
    back = put < pick
    out = np.concatenate([pick, put[~back]])
    return out[out >= 0], put[back & (put >= 0)]


def _length(out: Ints, back: Ints, walk: Walk) -> float:
    ends = np.array([walk.start], np.int64) if walk.start >= 0 else np.zeros(0, np.int64)
    stops = np.concatenate([ends, out, back[::-1], ends])
    return float(walk.seconds(stops[:-1], stops[1:]).sum()) if len(stops) > 1 and len(out) else 0.0


def _windows(jobs: Jobs, walk: Walk) -> Iterable[Bools]:
    """Parts of the library to begin with: each floor, and the surroundings of the faces with most to do."""
    at = jobs.pick
    somewhere = at >= 0
    if not somewhere.any():
        return
    floor = np.where(somewhere, walk.floor[at], -1)
    if len(np.unique(floor[somewhere])) > 1:
        for one in np.unique(floor[somewhere]).tolist():
            yield floor == one
    face = np.where(somewhere, walk.face[at], -1)
    sums = np.bincount(face[somewhere], weights=jobs.worth[somewhere])
    if len(sums) > 2 * _NEAR:
        for one in np.argsort(-sums, kind="stable")[:_WINDOWS].tolist():
            yield somewhere & (np.abs(face - one) <= _NEAR)


class _Search:
    def __init__(self, jobs: Jobs, walk: Walk, budget_s: float) -> None:
        self.jobs, self.walk, self.budget = jobs, walk, budget_s
        density = jobs.worth / np.maximum(jobs.seconds, 1e-6)
        # By stop, and at each stop the best for their time first.
        self.order = np.lexsort((-density, jobs.pick))
        self.stops = np.arange(len(walk), dtype=np.int64)
        typical = float(np.median(jobs.seconds)) if len(jobs) else 1.0
        self._rows: dict[int, int] = {}
        self._table = np.zeros((64, len(walk) + 1))
        self.batch = max(1, int(budget_s / max(typical, 1.0) / _ROUNDS))

    def worth(self, chosen: Ints) -> float:
        return float(self.jobs.worth[chosen].sum())

    def better(self, a: Ints, b: Ints) -> Ints:
        return b if self.worth(b) > self.worth(a) + 1e-9 else a

    def fill(self, chosen: Ints, allowed: Bools) -> Ints:
        """Add jobs, the best for what they add first, until none fits."""
        jobs, walk = self.jobs, self.walk
        free = allowed.copy()
        free[chosen] = False
        out, back = (np.unique(leg) for leg in _legs(jobs, chosen))
        handled = float(jobs.seconds[chosen].sum())
        walked = _length(out, back, walk)
        taken = chosen.tolist()
        while free.any():
            rows, ratio, left = self._candidates(free, out, back, self.budget - handled - walked)
            if not len(rows):
                break
            best = rows[np.argsort(-ratio, kind="stable")[: self.batch]] if left is None else left
            for row in best.tolist():
                one = np.array([row])
                more_out, more_back = _legs(jobs, one)
                new_out, new_back = np.union1d(out, more_out), np.union1d(back, more_back)
                same = len(new_out) == len(out) and len(new_back) == len(back)
                way = walked if same else _length(new_out, new_back, walk)
                free[row] = False
                if handled + float(jobs.seconds[row]) + way <= self.budget + 1e-9:
                    out, back, walked = new_out, new_back, way
                    handled += float(jobs.seconds[row])
                    taken.append(row)
        return np.array(sorted(taken), np.int64)

    def _candidates(
        self, free: Bools, out: Ints, back: Ints, left_s: float
    ) -> tuple[Ints, Floats, Ints | None]:
        """Return free jobs that may fit with their worth for the time they add, and the best stop's best jobs."""
        jobs = self.jobs
        rows = self.order[free[self.order]]
        add_out, add_back = self._added(out, back)
        pick, put = jobs.pick[rows], jobs.put[rows]
        at_put = np.where(put < pick, add_back[put], add_out[put])
        carried = np.where(put >= 0, at_put, 0.0)
        if not len(out):
            carried = self.walk.seconds(pick, put)
        walked = np.where(pick >= 0, add_out[pick], 0.0)
        fits = jobs.seconds[rows] <= left_s + 1e-9
        rows, pick, carried, walked = rows[fits], pick[fits], carried[fits], walked[fits]
        if not len(rows):
            return rows, carried, None
        took, worth = jobs.seconds[rows] + carried, jobs.worth[rows]
        single = worth / np.maximum(took + walked, 1e-6)
        starts = np.flatnonzero(np.concatenate([[True], pick[1:] != pick[:-1]]))
        group = np.cumsum(np.concatenate([[0], (pick[1:] != pick[:-1]).astype(np.int64)]))
        run_t, run_w = np.cumsum(took), np.cumsum(worth)
        before_t, before_w = (run_t - took)[starts][group], (run_w - worth)[starts][group]
        time, gain = run_t - before_t + walked, run_w - before_w
        prefix = np.where(time <= left_s + 1e-9, gain / np.maximum(time, 1e-6), -1.0)
        k = int(np.argmax(prefix))
        if self.batch > 1 and walked[k] <= 0.0:
            return rows, single, None
        if prefix[k] <= 0.0:
            return rows, single, rows[np.argsort(-single, kind="stable")[: max(self.batch, 8)]]
        return rows, single, rows[starts[group[k]] : k + 1]

    def _added(self, out: Ints, back: Ints) -> tuple[Floats, Floats]:
        """Return what each stop would add to the way out and to the way back."""
        walk, stops = self.walk, self.stops
        start = walk.start
        zero = np.zeros(len(stops) + 1)  # the last row is for "no stop"
        first_back = int(back[-1]) if len(back) else start
        last_out = int(out[-1]) if len(out) else start
        add_out, add_back = zero.copy(), zero.copy()
        add_out[:-1] = self._insert(np.concatenate([[start], out, [first_back]]).astype(np.int64), stops, out)
        down = np.concatenate([[start], back, [last_out]]).astype(np.int64)
        add_back[:-1] = self._insert(down, stops, back)
        return add_out, add_back

    def _insert(self, line: Ints, stops: Ints, within: Ints) -> Floats:
        at = np.searchsorted(within, stops)
        there = (at < len(within)) & (line[np.minimum(at + 1, len(line) - 1)] == stops)
        rows = np.array([self._row(int(stop)) for stop in line])
        between = self._table[rows[:-1], line[1:]]  # -1, no stop, is the last column
        added = self._table[rows[at], stops] + self._table[rows[at + 1], stops] - between[at]
        return np.where(there, 0.0, np.maximum(added, 0.0))

    def _row(self, stop: int) -> int:
        """Return the row of the table that holds the seconds from a stop to every stop."""
        row = self._rows.get(stop)
        if row is None:
            row = self._rows[stop] = len(self._rows)
            if row >= len(self._table):
                self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            if stop >= 0:
                self._table[row, :-1] = self.walk.seconds(np.array([stop], np.int64), self.stops)
        return row

    def improved(self, chosen: Ints) -> Ints:
        """Drop a stop or a job, or begin with one that was left out; fill the time anew, and keep what is better."""
        jobs = self.jobs
        everything = np.ones(len(jobs), bool)
        for _ in range(_TRIES if len(jobs) <= _SHORT else _TRIES_OF_MANY):
            best = chosen
            for gone in self._weakest(chosen):
                allowed = everything.copy()
                allowed[gone] = False
                best = self.better(
                    best, self.fill(self.fill(np.setdiff1d(chosen, gone), allowed), everything)
                )
            only = np.zeros(len(jobs), bool)
            only[chosen] = True
            for row in self._left_out(chosen):
                first = self.fill(self.fill(np.zeros(0, np.int64), _one(row, len(jobs))), only)
                best = self.better(best, self.fill(first, everything))
            if best is chosen:
                break
            chosen = best
        return chosen

    def _left_out(self, chosen: Ints) -> list[int]:
        """Return jobs not chosen, those that bring most first: all of a short list, the best few of a long one."""
        rest = np.setdiff1d(np.arange(len(self.jobs)), chosen)
        most = _TRIED if len(self.jobs) <= _SHORT else _TRIED_OF_MANY
        return rest[np.argsort(-self.jobs.worth[rest], kind="stable")[:most]].tolist()

    def _weakest(self, chosen: Ints) -> list[Ints]:
        """Return groups of chosen jobs that bring least for the time they take."""
        jobs = self.jobs
        whole = total_s(jobs, chosen, self.walk)
        groups = [chosen[jobs.pick[chosen] == stop] for stop in np.unique(jobs.pick[chosen])]
        if len(chosen) <= 24:
            groups += [np.array([row]) for row in chosen.tolist()]
        rated = [
            (self.worth(g) / max(whole - total_s(jobs, np.setdiff1d(chosen, g), self.walk), 1e-6), i)
            for i, g in enumerate(groups)
        ]
        most = _TRIED if len(jobs) <= _SHORT else _TRIED_OF_MANY
        return [groups[i] for _, i in sorted(rated)[:most]]


def _one(row: int, n: int) -> Bools:
    only = np.zeros(n, bool)
    only[row] = True
    return only
