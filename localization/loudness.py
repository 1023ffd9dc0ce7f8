"""How loud each candidate was heard, and where best: from received power alone, whatever the phases say."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates
from localization.observations import Observations

Floats = npt.NDArray[np.float64]

#: Natural logarithm of a power per dB.
PER_DB = 0.1 * math.log(10.0)
#: A tag stands near the centroid of received power; the log-chance that it does not.
CENTRE_SIGMA_M, CENTRE_WRONG = 0.18, -8.0


def received_amplitude(observations: Observations, candidates: Candidates) -> Floats:
    """Return each candidate's received amplitude, summed over equal stretches of track, shape (c,)."""
    amplitude = np.exp(observations.rssi_dbm[candidates.observation] * (0.5 * PER_DB)) / candidates.density
    return np.add.reduceat(amplitude, candidates.start[:-1]) if len(candidates.tag) else np.zeros(0)


def loudest_db(observations: Observations, candidates: Candidates, few: int = 3) -> Floats:
    """Return the mean RSSI of each candidate's few loudest track cells, dBm, shape (c,)."""
    count = len(candidates.tag)
    owner = np.repeat(np.arange(count), np.diff(candidates.start))
    rssi = observations.rssi_dbm[candidates.observation]
    begins = np.flatnonzero(
        np.append(
            True, (np.diff(owner) != 0) | (np.diff(candidates.group) != 0) | (np.diff(candidates.cell) != 0)
        )
    )
    if count == 0:
        return np.zeros(0)
    top, of = np.maximum.reduceat(rssi, begins), owner[begins]
    order = np.lexsort((-top, of))
    first = np.searchsorted(of, np.arange(count))
    kept = order[np.arange(len(order)) - first[of[order]] < few]
    return np.bincount(of[kept], top[kept], count) / np.bincount(of[kept], minlength=count)


def power_centre(observations: Observations, candidates: Candidates) -> Floats:
    """Return where along the face each candidate was heard best, shape (c,): the centroid of received power.

    Every stretch of track counts by its power, not by how often the tag was read there, and at the spot the antenna
    looks at.
    """
    rssi = observations.rssi_dbm[candidates.observation]
    begin = candidates.start[:-1]
    if len(begin) == 0:
        return np.zeros(0)
    top = np.repeat(np.maximum.reduceat(rssi, begin), np.diff(candidates.start))
    power = np.exp((rssi - top) * PER_DB) / candidates.density
    ahead = np.clip(candidates.look[:, 0] / np.maximum(-candidates.look[:, 1], 0.3), -2.0, 2.0)
    spot = candidates.u + np.maximum(candidates.h, 0.1) * ahead
    return np.add.reduceat(power * spot, begin) / np.add.reduceat(power, begin)
