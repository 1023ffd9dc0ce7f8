"""When antennas listened, and how many tags shared the air: what is counted of a run's readings as they come."""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.observations import driven_m
from recording import Poses, Readings, Recording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The robot's way is looked at in steps of this length or time, whichever comes first.
STEP_M, STEP_S = 0.05, 2.0
#: Tags share the air: where few are heard, each is read more often. Their number is counted over this much way, and
#: believed to change what one tag gets by no more than this factor.
CROWD_M, MOST_CROWDING = 0.5, 10.0


def edges_of(poses: Poses) -> Ints:
    """Return the times between the steps of a run (two poses at least), ns, shape (steps + 1,)."""
    way = driven_m(poses)
    bins = np.floor(way / STEP_M) + np.floor((poses.t - poses.t[0]) / (STEP_S * 1e9)) * 1e6
    starts = np.flatnonzero(np.append(True, np.diff(bins) != 0))
    edges = np.append(poses.t[starts], poses.t[-1])
    # A long gap between poses is cut, too: the robot may have stood there and listened.
    return np.unique(np.concatenate([edges, np.arange(edges[0], edges[-1], int(STEP_S * 1e9))]))


class Hearing:
    """How many readings of how many tags each antenna gave on each stretch of way, gathered piece by piece.

    Pieces come by time, over one list of tags that may grow.
    """

    def __init__(self, edges_t: Ints, stretch: Ints, antennas: Ints) -> None:
        self._edges, self._stretch = edges_t, stretch
        number = int(stretch[-1]) + 1 if len(stretch) else 0
        self._column = {int(antenna): column for column, antenna in enumerate(antennas)}
        self._heard = np.zeros((len(antennas), number))
        self._tags = np.zeros((len(antennas), number))
        self._last = np.full((len(antennas), 0), -1, np.int64)
        self._span = np.tile(np.array([np.iinfo(np.int64).max, np.iinfo(np.int64).min]), (len(antennas), 1))

    @classmethod
    def of_run(cls, poses: Poses, antennas: Ints, latency_ns: int) -> Hearing:
        """Begin a run's account of these antennas, shape (a,)."""
        none = np.zeros(0, np.int64)
        if len(poses) < 2:
            return cls(none, none, antennas)
        edges = edges_of(poses)
        stretch = np.floor(np.interp(edges, poses.t, driven_m(poses)) / CROWD_M).astype(np.int64)
        return cls(edges + latency_ns, stretch, antennas)

    def add(self, readings: Readings) -> None:
        """Count the next readings."""
        if len(readings.tags) > self._last.shape[1]:
            more = np.full((len(self._column), len(readings.tags)), -1, np.int64)
            more[:, : self._last.shape[1]] = self._last
            self._last = more
        for antenna, column in self._column.items():
            _crowd(
                readings.t, readings.tag, readings.antenna, antenna, self._edges, self._stretch, self._last[column],
                self._heard[column], self._tags[column], self._span[column],
            )  # fmt: skip

    def crowd(self, antenna: int) -> tuple[Floats, Floats]:
        """Return the readings and the tags of each stretch, two of shape (stretches,)."""
        return self._heard[self._column[antenna]], self._tags[self._column[antenna]]

    def span(self, antenna: int) -> tuple[Ints, Ints]:
        """Return the first and the last reading's time, ns, both of shape (1,), or (0,) where there is none."""
        first, last = self._span[self._column[antenna]]
        none = np.zeros(0, np.int64)
        return (none, none) if first > last else (np.array([first]), np.array([last]))


def less_crowded(heard: Floats, tags: Floats, way_m: Floats) -> Floats:
    """Return for each step between the ways ``way_m`` how much oftener a tag is read than in the antenna's usual crowd.

    ``heard`` readings of ``tags`` tags were had on each stretch. The crowd is the number of tags within reach, those
    not read included: where the tags read gave ``m`` readings each, a share of ``exp(-r)`` with
    ``r / (1 - exp(-r)) = m`` gave none (Poisson).

    ``heard`` and ``tags`` have the shape (stretches,), ``way_m`` (steps + 1,), what is returned (steps,).
    """
    number = len(heard)
    if not heard.any():
        return np.ones(len(way_m) - 1)
    mean = heard / np.maximum(tags, 1.0)
    each = np.maximum(mean, 1.05)
    for _ in range(20):
        each = mean * -np.expm1(-np.maximum(each, 0.1))
    crowd = np.maximum(heard / np.maximum(each, 0.1), 1.0)
    order = np.argsort(crowd)
    usual = crowd[order][np.searchsorted(np.cumsum(heard[order]), 0.5 * heard.sum())]
    middle = 0.5 * (way_m[:-1] + way_m[1:])
    here = np.exp(np.interp(middle, (np.arange(number) + 0.5) * CROWD_M, np.log(crowd)))
    return np.clip(usual / here, 1.0 / MOST_CROWDING, MOST_CROWDING)


@nb.njit(cache=True, nogil=True)
def _crowd(
    t: Ints, tag: npt.NDArray[np.uint32], antenna: npt.NDArray[np.uint8], chosen: int, edge: Ints, stretch: Ints,
    last: Ints, heard: Floats, tags: Floats, span: Ints,
) -> None:  # fmt: skip
    """Count one antenna's readings, and the tags they are of, on each stretch of way; ``t`` ascends.

    ``last`` is the stretch each tag was heard on last, -1 at first. The way never falls, so that a stretch once left
    does not come again.
    """
    place = 0
    for i in range(len(t)):
        if antenna[i] != chosen:
            continue
        span[0], span[1] = min(span[0], t[i]), max(span[1], t[i])
        if len(edge) == 0 or t[i] < edge[0] or t[i] >= edge[len(edge) - 1]:
            continue
        while edge[place + 1] <= t[i]:
            place += 1
        here = stretch[place]
        heard[here] += 1.0
        if last[tag[i]] != here:
            last[tag[i]] = here
            tags[here] += 1.0


def listened_s(recording: Recording, antenna: int, t: Ints, span: tuple[Ints, Ints]) -> Floats:
    """Return how many seconds the antenna had listened by each time ``t`` (ns, ascending), both of shape (n,)."""
    if recording.activity is not None:
        mine = recording.activity.antenna == antenna
        start, end = recording.activity.t_start[mine], recording.activity.t_end[mine]
    else:
        start, end = span
    lost = recording.not_scanned
    return _covered(start, end, t) - sum(
        (_covered(np.maximum(start, a), np.minimum(end, b), t) for a, b in lost), np.zeros(len(t))
    )


def _covered(start: Ints, end: Ints, t: Ints) -> Floats:
    """Seconds of the (possibly overlapping) intervals before each ``t``."""
    keep = end > start
    start, end = start[keep], end[keep]
    if len(start) == 0:
        return np.zeros(len(t))
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order])
    begins = np.flatnonzero(np.append(True, start[1:] > end[:-1]))
    low, high = start[begins], end[np.append(begins[1:] - 1, len(end) - 1)]
    knots = np.stack([low, high], axis=1).ravel().astype(np.float64) - float(low[0])
    total = np.stack([np.append(0, np.cumsum(high - low))[:-1], np.cumsum(high - low)], axis=1).ravel()
    return np.interp(t.astype(np.float64) - float(low[0]), knots, total.astype(np.float64)) * 1e-9
