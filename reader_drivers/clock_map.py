"""From a reader's clock to the host's: by the least delay between a read and its arrival.

A reader's clock may be wrong by half an hour, run 200 ppm fast or slow, and jump. What is known of each read is its
stamp `r` by the reader's clock and its arrival `h` by the host's. `h - r` is the clocks' difference plus a delay that
is never negative, so the lower envelope of `h - r` over `r` is the clocks' difference, up to the shortest delay (Moon,
Skelly, Towsley: Estimation and removal of clock skew from network delay measurements, INFOCOM 1999; the envelope's
line by convex hull: Zhang, Liu, Xia, INFOCOM 2002).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

STEP_NS = 20_000_000
"""A jump above this is taken for a step of a clock; below it for disorder or a changed delay."""

MAX_DRIFT = 500e-6
"""No quartz drifts more; a steeper envelope is a change of delays."""

_BUCKET_NS = 250_000_000
_BUCKETS = 480
_FIT_EVERY = 8
_SETTLE_NS = 1_000_000_000
_SETTLE_CHUNKS = 4
_DRIFT_SPAN_NS = 4_000_000_000
_EARLY_NS = 5_000_000
_SETTLED_CHUNKS = 20
_LATE_NS = 5_000_000
_LATE_BUCKETS = 20
_DRAINS = 0.1
"""Delays that fall by more than this share of the time in which they were read are those of a queue."""
_QUIET_NS = 1_000_000_000
_SUSPECT_NS = 1_000_000
_SUSPECT_BUCKETS = 5


@dataclass(frozen=True, slots=True)
class ClockEvent:
    """`clock_stepped` or `clock_drift`, and what was seen, in words."""

    kind: str
    detail: str


class ClockMap:
    """The lower envelope of host time minus reader time, followed as reads arrive."""

    def __init__(self) -> None:
        self._drift = 0.0
        self._said_drift = 0.0
        self._gap_ns = 5_000_000.0
        self._delay_ns = 0.0
        self._last_r: int | None = None
        self._last_t = self._last_arrival = 0
        self._begin(None)

    def _begin(self, guess: int | None) -> None:
        """Forget the envelope; `guess` is the offset that continuity with the reads before suggests."""
        self._points: deque[tuple[int, int]] = deque(maxlen=_BUCKETS)
        self._first_r: int | None = None
        self._origin = 0
        self._offset: float | None = None
        self._guess = guess
        self._bucket: tuple[int, int, int] | None = None
        self._late = 0
        self._suspect = 0
        self._chunks = 0

    @property
    def drift_ppm(self) -> float:
        """How much slower the reader's clock runs than the host's, parts per million."""
        return self._drift * 1e6

    def map(self, reader_ns: Int64, arrival_ns: int) -> tuple[Int64, list[ClockEvent]]:
        """Map reads that arrived together.

        Parameters
        ----------
        reader_ns : int64[n]
            The reader's stamps in the order sent, ns.
        arrival_ns
            When they arrived by the host's clock, ns UTC.

        Returns
        -------
        t : int64[n]
            Host times, ns UTC, none behind `arrival_ns`.
        events
            What the clocks did.
        """
        out = np.empty(len(reader_ns), np.int64)
        events: list[ClockEvent] = []
        at = 0
        while at < len(reader_ns):
            stop, stepped = self._until_step(reader_ns, at, arrival_ns)
            if stepped is not None:
                if self._mature or abs(stepped) > 1_000_000_000:
                    direction = "ahead" if stepped > 0 else "back"
                    events.append(
                        ClockEvent(
                            "clock_stepped", f"reader's clock went {direction} by {abs(stepped) / 1e9:.3f} s"
                        )
                    )
                # Where nothing was heard for a while, the read before says nothing of when this one was.
                follows = self._last_r is not None and arrival_ns - self._last_arrival < _QUIET_NS
                self._begin(self._last_t + round(self._gap_ns) - int(reader_ns[at]) if follows else None)
                self._last_r = None
                continue
            part = reader_ns[at:stop]
            self._observe(part, arrival_ns, events)
            out[at:stop] = np.minimum(part + np.rint(self._line(part)).astype(np.int64), arrival_ns)
            self._remember(part, out[at:stop], arrival_ns)
            at = stop
        return out, events

    @property
    def _mature(self) -> bool:
        return (
            self._first_r is not None
            and self._last_r is not None
            and self._last_r - self._first_r > _SETTLE_NS
        )

    @property
    def _settled(self) -> bool:
        """True: so many delays were seen that none is less than the least by much."""
        return self._chunks >= _SETTLED_CHUNKS and self._mature

    def _line(self, r: Int64 | int) -> NDArray[np.float64]:
        offset = self._offset if self._offset is not None else 0.0
        line = offset + self._drift * (np.asarray(r) - self._origin)
        # Just after a step few delays are known; the reads before it say more.
        return line if self._guess is None else np.minimum(line, float(self._guess))

    def _until_step(self, r: Int64, at: int, arrival: int) -> tuple[int, int | None]:
        """Return where the clock next steps, or the step's size when it is at `at` itself."""
        part = r[at:]
        jump = np.diff(part, prepend=part[0] if self._last_r is None else self._last_r)
        steps = jump < -STEP_NS
        if self._offset is not None:
            plain = self._offset + self._drift * (part - self._origin)
            early = (arrival - part) - plain < -STEP_NS
            # A read from the reader's future: ahead of everything that was ever seen.
            steps |= early & (jump > STEP_NS)
            # A smaller step shows in the reads behind it, whose delays are shorter: it was where the stamps leap.
            ahead = np.flatnonzero((arrival - part) - plain < -_EARLY_NS)
            if self._settled and len(ahead):
                leap = int(np.argmax(jump[: int(ahead[0]) + 1]))
                steps[leap] |= jump[leap] > STEP_NS
        hits = np.flatnonzero(steps)
        if not len(hits):
            return len(r), None
        if hits[0] > 0:
            return at + int(hits[0]), None
        # What the clock went on by since the read before, less what it usually goes on by.
        quiet = arrival - self._last_arrival
        return at, int(jump[0]) - (round(self._gap_ns) if quiet < _QUIET_NS else quiet)

    def _observe(self, part: Int64, arrival: int, events: list[ClockEvent]) -> None:
        newest = int(part.max())
        delay = arrival - newest
        self._chunks += 1
        if self._last_r is not None and np.diff(part, prepend=self._last_r).min() < -_SUSPECT_NS:
            self._suspect = 2 * _SUSPECT_BUCKETS
        if self._chunks > _SETTLE_CHUNKS:
            self._guess = None
        elif self._chunks == 1 and self._guess is not None:
            # Two guesses of one thing: the usual gap after the last read, and the usual delay before the arrival.
            floor = self._guess - round(self._gap_ns)
            self._guess = max(floor, (self._guess + delay - round(self._delay_ns)) // 2)
        expected = None if self._offset is None else self._offset + self._drift * (newest - self._origin)
        if self._settled and expected is not None and delay < expected - _EARLY_NS:
            # A step ahead too small to show in the stamps: what was learnt before it would look like drift.
            self._points.clear()
            self._bucket, self._late = None, 0
            self._first_r = self._origin = newest
            self._offset = float(delay)
        if self._first_r is None:
            self._first_r = self._origin = int(part.min())
        if self._offset is None or delay < self._offset + self._drift * (newest - self._origin):
            self._offset = delay - self._drift * (newest - self._origin)
        slot = newest // _BUCKET_NS
        if self._bucket is None or slot == self._bucket[0]:
            best = self._bucket
            if best is None or delay < best[2]:
                self._bucket = (slot, newest, delay)
            return
        self._points.append((self._bucket[1], self._bucket[2]))
        self._watch_lateness(events)
        self._bucket = (slot, newest, delay)
        if len(self._points) < 40 or slot % _FIT_EVERY == 0:
            self._fit(events)

    def _watch_lateness(self, events: list[ClockEvent]) -> None:
        """Believe in a small step back, which looks like a delay that stays, once it has stayed long enough."""
        r, delay = self._points[-1]
        late = (
            self._offset is not None and delay - (self._offset + self._drift * (r - self._origin)) > _LATE_NS
        )
        self._late = self._late + 1 if late else 0
        # Stamps that went back, if ever so little, and delays that are longer since: that is no slow network.
        needed = _SUSPECT_BUCKETS if self._suspect else _LATE_BUCKETS
        self._suspect = max(0, self._suspect - (not late))
        if self._late < needed:
            return
        # The first of them may be late for reasons of its own: it began before the step.
        recent = list(self._points)[1 - needed :]
        if recent[0][1] - recent[-1][1] > _DRAINS * (recent[-1][0] - recent[0][0]):
            # Reads that waited, and come all together: the later they were read, the less they are late.
            return
        rise = min(d - float(self._line(x)) for x, d in recent)
        self._begin(None)
        self._points.extend(recent)
        self._first_r = self._origin = recent[0][0]
        self._offset = min(d - self._drift * (x - self._origin) for x, d in recent)
        if rise > STEP_NS:
            events.append(ClockEvent("clock_stepped", f"reads come {rise / 1e9:.3f} s later than they did"))

    def _fit(self, events: list[ClockEvent]) -> None:
        """Refit the line: the edge of the lower convex hull below the middle of the window."""
        if len(self._points) < 8:
            return
        r = np.array([x for x, _ in self._points], np.int64)
        delay = np.array([d for _, d in self._points], np.int64)
        origin = int(r[0])
        x, y = (r - origin).astype(np.float64), (delay - delay[0]).astype(np.float64)
        if x[-1] >= _DRIFT_SPAN_NS:
            self._drift = float(np.clip(hull_slope(x, y), -MAX_DRIFT, MAX_DRIFT))
        self._origin = origin
        self._offset = float(delay[0]) + float(np.min(y - self._drift * x))
        if x[-1] >= 60e9 and abs(self._drift - self._said_drift) > 50e-6:
            self._said_drift = self._drift
            way = "slow" if self._drift > 0 else "fast"
            events.append(
                ClockEvent("clock_drift", f"reader's clock runs {abs(self._drift) * 1e6:.0f} ppm {way}")
            )

    def _remember(self, part: Int64, t: Int64, arrival: int) -> None:
        if len(part) > 1:
            gap = float(np.median(np.diff(part)))
            self._gap_ns += 0.2 * (min(max(gap, 0.0), 50e6) - self._gap_ns)
        self._last_arrival = arrival
        # A read out of order must not make the next one look like a step back.
        newest = int(np.argmax(part))
        self._delay_ns += 0.1 * (min(arrival - int(t[newest]), 100_000_000) - self._delay_ns)
        if self._last_r is None or int(part[newest]) > self._last_r:
            self._last_r, self._last_t = int(part[newest]), int(t[newest])


def hull_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the slope of the lower hull's edge that spans the mean of `x`, which least total delay chooses."""
    hull: list[tuple[float, float]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2], hull[-1]
            if (bx - ax) * (point[1] - ay) > (by - ay) * (point[0] - ax):
                break
            hull.pop()
        hull.append(point)
    middle = float(x.mean())
    for (ax, ay), (bx, by) in pairwise(hull):
        if ax <= middle <= bx and bx > ax:
            return (by - ay) / (bx - ax)
    return 0.0
