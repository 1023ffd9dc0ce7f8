"""The cables' delay: how an antenna's phase offset grows from channel to channel.

A cable of electrical length L adds ``4 pi f L / c`` to every phase, hence an offset that differs from channel to
channel but on one line (the measured slide leaves under 0.02 rad beside it). With one length per antenna known, a
tag's readings of all channels share one unknown offset, instead of one each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.signal_model import wavenumber
from recording import Poses, Readings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Readings of two channels compared: the antenna moved no farther than this between them.
NEAR_M = 0.20
NEAR_S = 30.0
#: Electrical lengths looked through (one way), m.
LENGTHS_M = np.arange(0.0, 60.0, 0.1)
#: A tag stands so far from the way of the robot, beside where it is heard best: the readings this near to its loudest.
USUAL_DISTANCE_M, BESIDE_M = 0.8, 0.5
#: How far off the slope of the distance along the way is, by that: nearer to that place than this, and farther.
SLOPE_SIGMA, KNOWN_M, FAR_SLOPE_SIGMA = 0.25, 1.0, 0.7
#: Too few pairs, or lengths that agree no better than this, leave the channels as they are.
FEWEST_PAIRS = 20
LEAST_AGREEMENT = 4.0
_MOST_PAIRS = 100_000


def find_delays(
    readings: Readings, poses: Poses, doubled: npt.NDArray[np.bool_], rows: int = 2_000_000
) -> Floats:
    """Find each antenna's electrical length, shape (256,), 0 where it has one channel or nothing can be told.

    Pairs of readings of one tag and antenna on two channels differ by ``(k2 - k1) L + k2 d2 - k1 d1``; the length is
    where a periodogram over all pairs peaks. Ports are served and channels hopped in turn, so that an antenna's next
    channel may come a decimetre later: the distances are those of a tag beside where it is heard best, and the farther
    an antenna went between two readings, the less they count.
    """
    lengths = np.zeros(256)
    begin = max(0, (len(readings) - rows) // 2)
    part = slice(begin, begin + rows)
    tag, antenna = readings.tag[part].astype(np.int64), readings.antenna[part].astype(np.int64)
    k, t = wavenumber(readings.frequency_khz[part]), readings.t[part]
    phase = readings.phase_rad[part].astype(np.float64)
    order = np.lexsort((t, antenna, tag))
    order = order[np.isfinite(phase[order])]
    found: list[npt.NDArray[np.int64]] = []
    # The next few readings of a tag, not only the next one: hops come in bursts.
    for ahead in (1, 2, 3, 5, 8):
        a, b = order[:-ahead], order[ahead:]
        keep = (tag[a] == tag[b]) & (antenna[a] == antenna[b]) & (k[a] != k[b]) & (t[b] - t[a] < NEAR_S * 1e9)
        found.append(np.stack([a[keep], b[keep]]))
    pairs = np.concatenate(found, axis=1)
    if pairs.shape[1] == 0:
        return lengths
    if pairs.shape[1] > 4 * _MOST_PAIRS:
        pairs = pairs[:, :: pairs.shape[1] // (4 * _MOST_PAIRS)]
    way, gone = _distances(tag, readings.rssi_dbm[part].astype(np.float64), poses, t)
    a, b = pairs
    moved = np.hypot(*(gone[b] - gone[a]).T)
    a, b, moved = a[moved < NEAR_M], b[moved < NEAR_M], moved[moved < NEAR_M]
    slope = np.where(
        np.maximum(way[a], way[b]) < np.hypot(KNOWN_M, USUAL_DISTANCE_M), SLOPE_SIGMA, FAR_SLOPE_SIGMA
    )
    for number in np.unique(antenna[a]):
        mine = antenna[a] == number
        if mine.sum() < FEWEST_PAIRS:
            continue
        factor = 2.0 if doubled[number] else 1.0
        chosen = np.flatnonzero(mine)[:: max(1, int(mine.sum()) // _MOST_PAIRS)]
        first, second = a[chosen], b[chosen]
        expected = k[second] * way[second] - k[first] * way[first]
        turn = factor * (phase[second] - phase[first] - expected)
        step = factor * (k[second] - k[first])
        weight = np.exp(-0.5 * (factor * k[first] * slope[chosen] * moved[chosen]) ** 2)
        # Few distinct steps of wavenumber: gather the pairs of each before the periodogram.
        steps, at = np.unique(np.round(step, 6), return_inverse=True)
        total = np.bincount(at, weight * np.cos(turn)) + 1j * np.bincount(at, weight * np.sin(turn))
        # Real part, not modulus: a pair's phase has no constant left in it.
        agreement = (total * np.exp(-1j * LENGTHS_M[:, None] * steps)).sum(axis=1).real
        best = int(agreement.argmax())
        if agreement[best] > LEAST_AGREEMENT * np.sqrt((weight**2).sum()):
            lengths[number] = LENGTHS_M[best]
    return lengths


def _distances(tag: Ints, rssi_dbm: Floats, poses: Poses, t: Ints) -> tuple[Floats, Floats]:
    """Return how far each reading's tag was about, shape (n,), and where the robot was, shape (n, 2)."""
    at = poses.at(t)
    where = np.stack([at.x_m, at.y_m], axis=1)
    order = np.lexsort((-np.nan_to_num(rssi_dbm, nan=-200.0), tag))
    first = order[np.append(True, np.diff(tag[order]) != 0)] if len(order) else order
    of = np.unique(tag, return_inverse=True)[1]
    beside = np.hypot(*(where - where[first][of]).T) < BESIDE_M
    power = np.where(beside, 10.0 ** (np.nan_to_num(rssi_dbm, nan=-200.0) / 10.0), 0.0)
    total = np.maximum(np.bincount(of, power), 1e-300)
    centre = np.stack([np.bincount(of, power * where[:, axis]) / total for axis in (0, 1)], axis=1)
    return np.hypot(np.hypot(*(where - centre[of]).T), USUAL_DISTANCE_M), where
