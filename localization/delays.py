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

#: Readings of two channels compared: the antenna moved less than this between them.
NEAR_M = 0.06
NEAR_S = 30.0
#: Electrical lengths looked through (one way, distance to the tag included), m.
LENGTHS_M = np.arange(0.0, 60.0, 0.1)
#: Of the lengths found, the part that is the tag's distance.
USUAL_DISTANCE_M = 0.8
#: Too few pairs, or lengths that agree no better than this, leave the channels as they are.
FEWEST_PAIRS = 20
LEAST_AGREEMENT = 4.0
_MOST_PAIRS = 100_000


def find_delays(
    readings: Readings, poses: Poses, doubled: npt.NDArray[np.bool_], rows: int = 2_000_000
) -> Floats:
    """Find each antenna's electrical length, shape (256,), 0 where it has one channel or nothing can be told.

    Pairs of readings of one tag and antenna on two channels, taken nearly at one spot, differ by
    ``(k2 - k1) (L + d)``; the length is where a periodogram over all pairs peaks.
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
    a, b = pairs
    here, there = poses.at(t[a]), poses.at(t[b])
    moved = np.hypot(there.x_m - here.x_m, there.y_m - here.y_m)
    a, b, moved = a[moved < NEAR_M], b[moved < NEAR_M], moved[moved < NEAR_M]
    for number in np.unique(antenna[a]):
        mine = antenna[a] == number
        if mine.sum() < FEWEST_PAIRS:
            continue
        factor = 2.0 if doubled[number] else 1.0
        chosen = np.flatnonzero(mine)[:: max(1, int(mine.sum()) // _MOST_PAIRS)]
        turn = factor * (phase[b[chosen]] - phase[a[chosen]])
        step = factor * (k[b[chosen]] - k[a[chosen]])
        weight = np.exp(-0.5 * (moved[chosen] / (0.4 * NEAR_M)) ** 2)
        # Few distinct steps of wavenumber: gather the pairs of each before the periodogram.
        steps, at = np.unique(np.round(step, 6), return_inverse=True)
        total = np.bincount(at, weight * np.cos(turn)) + 1j * np.bincount(at, weight * np.sin(turn))
        # Real part, not modulus: a pair's phase has no constant left in it.
        agreement = (total * np.exp(-1j * LENGTHS_M[:, None] * steps)).sum(axis=1).real
        best = int(agreement.argmax())
        if agreement[best] > LEAST_AGREEMENT * np.sqrt((weight**2).sum()):
            lengths[number] = max(LENGTHS_M[best] - USUAL_DISTANCE_M, 0.0)
    return lengths
