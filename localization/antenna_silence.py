"""How often an antenna hears nothing of a tag it should hear, as tags tell that others heard.

One rate is learnt for all antennas of a run, from tags that were heard. An antenna of less power, of another make or
far from a board's height hears fewer tags there than that rate promises, and what it never heard taught nothing. While
other antennas listen beside it that costs nothing; along a stretch where the reader of the others was gone it would
pass off boards as scanned. Tags that others heard are chosen without regard to that antenna: which share of them it
missed is its own silence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Readings by other antennas from which on a tag is there for certain, and which share of what they should give: a tag
#: on the other side of the bookcase gives few, and is not where it was placed.
HEARD_ELSEWHERE, HEARD_SHARE = 2.0, 0.25
#: Expected readings in bins of equal ratio, from one that hardly ever is a reading to plenty.
LEAST, MOST, BINS = 0.02, 500.0, 24
#: The usual law of tags is worth so many tags in each bin.
PRIOR_TAGS = 4.0


def silence_of_all(expected: Floats, tag_expected: Floats, tag_readings: Floats, size: float) -> Floats:
    """Return the chance that every antenna is silent about a tag at each place, by what each was seen to miss.

    Parameters
    ----------
    expected : float64 array, shape (n, antennas)
        Readings that a usual tag at each place would give to each antenna.
    tag_expected, tag_readings : float64 arrays, shape (tags, antennas)
        The same of tags heard, and what they gave.
    size : float
        Of the negative binomial that tells how tags differ.

    Returns
    -------
    float64 array, shape (n,)
    """
    edges = np.geomspace(LEAST, MOST, BINS + 1)
    middle = np.sqrt(edges[1:] * edges[:-1])
    usual = (1.0 + middle / size) ** -size
    silent = np.ones(len(expected))
    total = tag_readings.sum(axis=1)
    for antenna in range(expected.shape[1]):
        mean, own = tag_expected[:, antenna], tag_readings[:, antenna]
        others = total - own
        told = (others >= HEARD_ELSEWHERE) & (others >= HEARD_SHARE * (tag_expected.sum(axis=1) - mean))
        told &= mean >= LEAST
        bin_of = np.clip(np.searchsorted(edges, mean[told], side="right") - 1, 0, BINS - 1)
        tags = np.asarray(np.bincount(bin_of, minlength=BINS) + PRIOR_TAGS, np.float64)
        missed = np.bincount(bin_of, own[told] == 0.0, minlength=BINS) + PRIOR_TAGS * usual
        share = _falling(missed / tags, tags)
        at = np.log(np.maximum(expected[:, antenna], 1e-9))
        known = np.interp(at, np.log(middle), share)
        # Below the lowest bin there is next to nothing to be heard.
        low = expected[:, antenna] < middle[0]
        silent *= np.where(low, 1.0 - (1.0 - share[0]) * expected[:, antenna] / middle[0], known)
    return silent


def _falling(value: Floats, weight: Floats) -> Floats:
    """Return the nearest sequence that never grows (pool adjacent violators; R. E. Barlow et al. 1972)."""
    pools: list[list[float]] = []
    for v, w in zip(value.tolist(), weight.tolist(), strict=True):
        pools.append([v, w, 1.0])
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            v2, w2, n2 = pools.pop()
            v1, w1, n1 = pools.pop()
            pools.append([(v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    return np.concatenate([np.full(int(n), v) for v, _, n in pools])
