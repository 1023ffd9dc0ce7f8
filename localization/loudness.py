"""How loud each candidate was heard, and where best: from received power alone, whatever the phases say."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import Candidates
from localization.fast_math import exp2_single
from localization.observations import Observations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Natural and binary logarithm of a power per dB.
PER_DB = 0.1 * math.log(10.0)
PER_DB_OCTAVES = 0.1 * math.log2(10.0)
#: Track cells that a candidate's loudness is taken from.
FEW = 3
#: A tag stands near the centroid of received power; the log-chance that it does not.
CENTRE_SIGMA_M, CENTRE_WRONG = 0.18, -8.0


def received_amplitude(observations: Observations, candidates: Candidates) -> Floats:
    """Return each candidate's received amplitude, summed over equal stretches of track, shape (c,)."""
    amplitude = np.exp(observations.rssi_dbm[candidates.observation] * (0.5 * PER_DB)) / candidates.density
    return np.add.reduceat(amplitude, candidates.start[:-1]) if len(candidates.tag) else np.zeros(0)


def loudest_db(observations: Observations, candidates: Candidates) -> Floats:
    """Return the mean RSSI of each candidate's ``FEW`` loudest track cells, dBm, shape (c,)."""
    out = np.zeros(len(candidates.tag))
    rssi = observations.rssi_dbm[candidates.observation]
    _loudest(candidates.start, candidates.group, candidates.cell, rssi, out)
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _loudest(start: Ints, group: Ints, cell: Ints, rssi: Floats, out: Floats) -> None:
    best = np.empty(FEW)
    for c in range(len(out)):
        best[:] = -np.inf
        top = -np.inf
        for i in range(start[c], start[c + 1]):
            top = max(top, rssi[i])
            if i + 1 == start[c + 1] or group[i + 1] != group[i] or cell[i + 1] != cell[i]:
                # Put where it belongs among the loudest so far.
                for place in range(FEW):
                    if top > best[place]:
                        best[place], top = top, best[place]
                top = -np.inf
        total, number = 0.0, 0
        for place in range(FEW):
            if best[place] > -np.inf:
                total += best[place]
                number += 1
        out[c] = total / number


def power_centre(observations: Observations, candidates: Candidates) -> Floats:
    """Return where along the face each candidate was heard best, shape (c,): the centroid of received power.

    Every stretch of track counts by its power, not by how often the tag was read there, and at the spot the antenna
    looks at.
    """
    out = np.zeros(len(candidates.tag))
    rssi = observations.rssi_dbm[candidates.observation]
    _centre(candidates.start, candidates.u, candidates.h, candidates.look, rssi, candidates.density, out)
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _centre(
    start: Ints, u: Floats, h: Floats, look: Floats, rssi: Floats, density: Floats, out: Floats
) -> None:
    for c in range(len(out)):
        top = -np.inf
        for i in range(start[c], start[c + 1]):
            top = max(top, rssi[i])
        total, moment = 0.0, 0.0
        for i in range(start[c], start[c + 1]):
            power = exp2_single((rssi[i] - top) * PER_DB_OCTAVES) / density[i]
            ahead = min(max(look[i, 0] / max(-look[i, 1], 0.3), -2.0), 2.0)
            total += power
            moment += power * (u[i] + max(h[i], 0.1) * ahead)
        out[c] = moment / total
