"""From stamps that begin anew with every read cycle to host time.

A module stamps its reads in milliseconds since a cycle began, and cycles begin at keep-alives (or, in some firmware,
without a word). What is known is each frame's arrival `a` and its stamp `r`: `a - r` is the cycle's beginning plus a
delay that is never negative, so the least of them (the lower envelope) is the beginning, up to the shortest delay. A
cycle is short, and its first frames may all be late: so the beginnings of cycles are followed, too. They go on by the
module's own period, and the lower hull of the former cycles' beginnings foretells the next one (the same envelope as
`clock_map.ClockMap` follows, which serves clocks that do not begin anew).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers.clock_map import hull_slope

Int64 = NDArray[np.int64]

_BACK_NS: Final = 20_000_000
"""A stamp that falls back by more than this began a cycle; less is disorder."""

_MISSED_NS: Final = 500_000_000
"""A read that would have waited for longer than this is of a later cycle, whose beginning nothing told."""

_BUCKET_NS: Final = 250_000_000
_WINDOW: Final = 20
"""Buckets of which the least delay counts: 5 s, in which a clock that is 200 ppm wrong goes astray by 1 ms."""

_CYCLES: Final = 32
_SHORTEST_NS = 1e6  # no module begins anew more often; stamps that say so are garbage
_MOST_CYCLES = 100_000  # in one gap, a day and more
_FEWEST: Final = 4
_UNEVEN_NS: Final = 10_000_000
_SLACK: Final = 6.0
_STEP_NS: Final = 1_000_000
_SILENCE_NS: Final = 500_000_000
"""After so long without a frame the next ones may have waited all that time for the line."""
_QUEUED_NS: Final = 60_000_000
"""Frames that were read over so much longer a time than they took to arrive did wait."""
_DRAINED_NS: Final = 50_000_000


@dataclass(slots=True)
class _Cycle:
    """One cycle, as far as it is known.

    Attributes
    ----------
    floor
        It cannot have begun before the last read of the cycle before; None: there was none.
    foretold
        When it begins if it follows the others, host ns; None: not known.
    least
        Bucket of the stamp, and the least `a - r` of its frames.
    frames
        Frames seen.
    newest
        Largest stamp, ns.
    delay
        What frames came later than the earliest, in all, ns.
    """

    floor: int | None
    foretold: int | None
    least: deque[tuple[int, int]] = field(default_factory=lambda: deque[tuple[int, int]](maxlen=_WINDOW))
    frames: int = 0
    newest: int = 0
    delay: float = 0.0

    @property
    def latest(self) -> int:
        """Return the latest moment at which it can have begun."""
        return min(offset for _, offset in self.least)


class CycleClock:
    """Follows a module's cycles as its frames arrive."""

    def __init__(self) -> None:
        self._cycle: _Cycle | None = None
        self._begun: deque[tuple[int, int]] = deque(maxlen=_CYCLES)
        self._count = 0
        self._period_ns = 0.0
        self._delay_ns = 5e6
        self._last = 0
        self._arrived = 0
        self._silence_ns = self._since = self._read_ns = 0
        self._queued_ns = 0

    def restart(self) -> None:
        """Forget the cycles: the module was told to read anew."""
        self._cycle = None
        self._begun.clear()
        self._last = self._arrived = self._silence_ns = self._queued_ns = 0

    def map(self, stamp_ns: Int64, arrival_ns: Int64, keepalive: NDArray[np.bool_]) -> Int64:
        """Return when frames were meant, host ns UTC, none behind its arrival.

        Parameters
        ----------
        stamp_ns : int64[n]
            By the module, in the order sent; 0 at keep-alives.
        arrival_ns : int64[n]
            Host time at which each frame was through, ns UTC.
        keepalive : bool[n]
            Frames that end a cycle and begin the next one.
        """
        n = len(stamp_ns)
        out = np.empty(n, np.int64)
        if not n:
            return out
        before = np.concatenate(([self._last], stamp_ns[:-1]))
        begins = keepalive | (stamp_ns < before - _BACK_NS)
        edges = sorted({0, n, *np.flatnonzero(begins).tolist()})
        came = arrival_ns
        arrival_ns = self._sent(stamp_ns, arrival_ns, keepalive, edges)
        for first, end in pairwise(edges):
            if (
                begins[first]
                or self._cycle is None
                or (end == n and self._missed(stamp_ns[first:], arrival_ns[first:]))
            ):
                self._next()
            out[first:end] = self._place(stamp_ns[first:end], arrival_ns[first:end])
        self._last = int(stamp_ns[-1])
        if self._queued_ns and int(came[-1] - out[-1]) < _DRAINED_NS:
            self._queued_ns = 0
        return np.minimum(out, came)

    def _sent(self, stamp: Int64, arrival: Int64, keepalive: NDArray[np.bool_], edges: list[int]) -> Int64:
        """Return when each frame was sent at the latest: before the cycles behind it were read.

        A line that stood still hands over at once what it held back, seconds of reads that arrive together. What was
        read in a longer time than it took to arrive has waited, and for no longer than nothing came.
        """
        silence = int(arrival[0]) - self._arrived if self._arrived else 0
        self._arrived = int(arrival[-1])
        if silence > _SILENCE_NS:
            self._silence_ns, self._since, self._read_ns = silence, int(arrival[0]), 0
        if len(edges) == 2 and not self._silence_ns:
            return arrival
        sent = arrival.copy()
        next_ns = np.iinfo(np.int64).max
        for first, end in zip(edges[-2::-1], edges[:0:-1], strict=True):
            mine = slice(first, end)
            np.minimum(sent[mine], next_ns, out=sent[mine])
            reads = stamp[mine][~keepalive[mine]]
            if len(reads):
                next_ns = int((sent[mine] - stamp[mine]).min() + reads.min())
                self._read_ns += int(reads.max() - reads.min())
        if self._silence_ns and self._read_ns - (self._arrived - self._since) > _QUEUED_NS:
            self._queued_ns, self._silence_ns = self._silence_ns, 0
        return sent

    def _next(self) -> None:
        """Begin a cycle; one whose stamps go on all the same is found to have begun when the one before did."""
        ended = self._cycle
        if ended is None:
            self._cycle = _Cycle(None, None)
            return
        self._end(ended)
        self._cycle = _Cycle(self._estimate(ended) + ended.newest, self._foretell())

    def _missed(self, stamp: Int64, arrival: Int64) -> bool:
        """Whether all of these frames, the newest there are, would have been under way for too long."""
        cycle = self._cycle
        if cycle is None or self._queued_ns:
            return False
        return int((arrival - stamp).min()) - self._estimate(cycle) > _MISSED_NS

    def _end(self, cycle: _Cycle) -> None:
        steps = 1
        begun = self._estimate(cycle) if self._queued_ns else cycle.latest
        if self._begun and self._period_ns:
            # A keep-alive that was lost, or not sent, makes one cycle of two.
            steps = max(1, min(_MOST_CYCLES, round((begun - self._begun[-1][1]) / self._period_ns)))
        self._count += steps
        self._begun.append((self._count, begun))
        if cycle.frames > _FEWEST:
            self._delay_ns += 0.2 * (cycle.delay / cycle.frames - self._delay_ns)

    def _foretell(self) -> int | None:
        """Return when the next cycle begins if it follows the former ones; None where they were uneven."""
        if len(self._begun) < _FEWEST:
            return None
        count = np.array([k for k, _ in self._begun], np.int64)
        first = self._begun[0][1]
        x = (count - count[0]).astype(np.float64)
        y = np.array([start - first for _, start in self._begun], np.float64)
        # The hull wants what rises little: the mean period is taken off first.
        period = (y[-1] - y[0]) / x[-1]
        period += hull_slope(x, y - period * x)
        self._period_ns = period if period > _SHORTEST_NS else 0.0
        behind = y - period * x
        if np.median(behind - behind.min()) > _UNEVEN_NS:
            return None
        return first + round(period * (x[-1] + 1) + float(behind.min()))

    def _place(self, stamp: Int64, arrival: Int64) -> Int64:
        """Return when frames of one cycle were meant."""
        cycle = self._cycle
        assert cycle is not None
        offset = arrival - stamp
        bucket = stamp // _BUCKET_NS
        starts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
        for slot, least in zip(
            bucket[starts].tolist(), np.minimum.reduceat(offset, starts).tolist(), strict=True
        ):
            if cycle.least and cycle.least[-1][0] == slot:
                least = min(least, cycle.least.pop()[1])
            cycle.least.append((slot, least))
        cycle.frames += len(stamp)
        cycle.newest = max(cycle.newest, int(stamp.max()))
        begun = self._estimate(cycle)
        cycle.delay += float(np.sum(offset - begun))
        return stamp + begun

    def _estimate(self, cycle: _Cycle) -> int:
        """Return when a cycle began, host ns."""
        latest = cycle.latest
        if cycle.foretold is None:
            return latest
        # The more frames a cycle has, the less late the earliest of them can be, whatever was foretold.
        earliest = latest - _STEP_NS - round(_SLACK * self._delay_ns / cycle.frames) - self._queued_ns
        begun = max(cycle.foretold, earliest)
        if cycle.floor is not None:
            begun = max(begun, cycle.floor - _STEP_NS)
        return min(begun, latest)
