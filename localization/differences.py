"""Neighbours placed anew by the difference of their phases.

Tags a few centimetres apart share most of what disturbs them: reflections, the reader's clock, the pose's error. At
one antenna and nearly one spot, ``phase_2 - phase_1 = k (d_2 - d_1) + const``, and what they share cancels. So their
distance from one another is better known than where either stands; a least squares along the shelf joins the two.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

from localization.difference_kernels import fit_differences
from localization.faces import Candidates
from localization.observations import Observations
from localization.placing import FEW_CELLS, Places
from localization.signal_model import CORRELATION_M

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Neighbours are compared up to this far apart, each with so many to its right, on faces without shelves also up to
#: this difference of height.
NEAR_M, AHEAD, NEAR_HEIGHT_M = 0.05, 3, 0.15
#: How far two neighbours' depths and heights may differ from what they were placed at: on a shelf, and without one.
DEPTH_SIGMA_M, HEIGHT_SIGMA_M, FREE_HEIGHT_SIGMA_M = 0.03, 0.04, 0.08
#: A difference is believed where at least half of both tags' phase residuals cancels in it.
MOST_LEFT = 0.5
#: What stays in a difference whatever the fit says: the two tags' own phase centres, and what couples them.
DIFFERENCE_FLOOR_M = 0.005
#: Fewer differences do not tell how much of the error bars neighbours share.
FEWEST_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class Differences:
    """How far neighbours stand apart; columns of shape (d,).

    Attributes
    ----------
    first, second : int64 array
        Rows of the places; ``second`` is placed to the right of ``first``.
    apart_m : float64 array
        Offset of ``second`` less that of ``first``.
    variance : float64 array
    """

    first: Ints
    second: Ints
    apart_m: Floats
    variance: Floats

    def __len__(self) -> int:
        return len(self.first)


def place_by_differences(
    observations: Observations, candidates: Candidates, places: Places, weight: Floats
) -> Places:
    """Move neighbours of one shelf to where both their own fits and their differences put them.

    Parameters
    ----------
    weight : float64 array, shape (m,)
        Of the candidates' observations, see ``profile.weigh``.

    Returns
    -------
    Places
        Other offsets, and error bars less what the differences take from the part that neighbours do not share;
        everything else as it was.
    """
    found = find_differences(observations, candidates, places, weight)
    if len(found) == 0:
        return places
    offset, left = join(places, found)
    share = own_share(places, found)
    sigma = places.sigma_m * np.sqrt(1.0 - share * (1.0 - left))
    return dataclasses.replace(places, offset_m=offset, sigma_m=sigma)


def own_share(places: Places, found: Differences) -> float:
    """Return the share of the places' variances that differences can lessen: what neighbours do not share.

    It is what the own fits' steps from neighbour to neighbour differ from the differences by, against what the
    error bars would let them; 0 where too few differences tell.
    """
    if len(found) < FEWEST_DIFFERENCES:
        return 0.0
    step = places.offset_m[found.second] - places.offset_m[found.first] - found.apart_m
    stated = places.sigma_m[found.first] ** 2 + places.sigma_m[found.second] ** 2
    return float(np.clip(np.mean(step**2 / stated), 0.0, 1.0))


def find_differences(
    observations: Observations, candidates: Candidates, places: Places, weight: Floats
) -> Differences:
    """Fit the differences of all near neighbours, and keep those in which the shared disturbance cancels.

    ``weight`` is that of every row of the candidates, shape (m,).
    """
    first, second = near_neighbours(places)
    obs = candidates.observation
    phase = observations.phase_rad[obs]
    own = np.stack([places.offset_m, places.depth_m, places.height_m], axis=1)
    # Books of one shelf stand alike, while the depth and height of a single fit take up its disturbance.
    both = np.concatenate([own[first], own[second]], axis=1)
    shelved = places.shelf[first] >= 0
    alike = 0.5 * (own[first] + own[second])
    both[shelved, 1:3] = alike[shelved, 1:]
    both[shelved, 4:6] = alike[shelved, 1:]
    result = np.full((len(first), 5), np.nan)
    fit_differences(
        candidates.start, candidates.u, candidates.h, candidates.z, observations.wavenumber[obs],
        np.nan_to_num(phase), np.where(np.isfinite(phase), weight * candidates.density, 0.0),
        observations.antenna[obs], observations.way_m[obs], candidates.group, candidates.cell,
        places.candidate[first], places.candidate[second], both, CORRELATION_M, DEPTH_SIGMA_M,
        np.where(shelved, HEIGHT_SIGMA_M, FREE_HEIGHT_SIGMA_M), result,
    )  # fmt: skip
    more, variance, scale, cells, groups = result.T
    free = cells - groups
    expected = places.scale_rad[first] ** 2 + places.scale_rad[second] ** 2
    keep = (free >= FEW_CELLS) & (scale**2 < MOST_LEFT * expected)
    first, second, free = first[keep], second[keep], free[keep]
    placed = places.offset_m[second] - places.offset_m[first]
    # A variance from few cells is itself uncertain: the t distribution's variance factor for that many.
    spread = variance[keep] * free / (free - 2.0) + DIFFERENCE_FLOOR_M**2
    return Differences(first, second, placed + more[keep], spread)


def near_neighbours(places: Places) -> tuple[Ints, Ints]:
    """Pair each tag placed by phases with the next ones to its right on its shelf; two arrays of rows, (pairs,)."""
    order = _along_shelves(places)
    first, second = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for ahead in range(1, AHEAD + 1):
        a, b = order[:-ahead], order[ahead:]
        keep = (places.face[a] == places.face[b]) & (places.shelf[a] == places.shelf[b])
        keep &= places.offset_m[b] - places.offset_m[a] <= NEAR_M
        keep &= (places.shelf[a] >= 0) | (np.abs(places.height_m[b] - places.height_m[a]) <= NEAR_HEIGHT_M)
        first.append(a[keep])
        second.append(b[keep])
    return np.concatenate(first), np.concatenate(second)


def join(places: Places, found: Differences) -> tuple[Floats, Floats]:
    """Return the offsets that fit both the places and the differences best.

    Minimises ``sum (x_i - own_i)^2 / s_i^2 + sum (x_j - x_i - apart_ij)^2 / v_ij``: a banded system a shelf, as
    tags are compared with the next few along it only.

    Returns
    -------
    offset_m : float64 array, shape (p,)
    left : float64 array, shape (p,)
        Share of each tag's variance that remains, were all of it its own.
    """
    order = _along_shelves(places)
    at = np.zeros(len(places.offset_m), np.int64)
    at[order] = np.arange(len(order))
    trust = 1.0 / places.sigma_m[order] ** 2
    a, b, w = at[found.first], at[found.second], 1.0 / found.variance
    n = len(order)
    bands = np.zeros((AHEAD + 1, n))  # the lower form: bands[i - j, j] is the element (i, j)
    bands[0] = trust + np.bincount(a, w, n) + np.bincount(b, w, n)
    bands[b - a, a] = -w
    # Solved for the move away from each tag's own place.
    pull = w * (found.apart_m - (places.offset_m[found.second] - places.offset_m[found.first]))
    right = np.bincount(b, pull, n) - np.bincount(a, pull, n)
    offset, left = places.offset_m.copy(), np.ones(len(places.offset_m))
    linked = np.zeros(n + 1, np.int64)  # a chain ends before every tag that no difference reaches across
    np.add.at(linked, a + 1, 1)
    np.add.at(linked, b + 1, -1)
    ends = np.flatnonzero(np.cumsum(linked)[1:] == 0) + 1
    for begin, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        if end - begin > 1:
            solved = solveh_banded(
                bands[:, begin:end], np.column_stack([right[begin:end], np.eye(end - begin)]), lower=True
            )
            rows = order[begin:end]
            offset[rows] += solved[:, 0]
            left[rows] = np.diag(solved[:, 1:]) * trust[begin:end]
    return offset, left


def _along_shelves(places: Places) -> Ints:
    """Return the rows of tags that their phases place, shelf by shelf from left to right."""
    order = np.lexsort((places.offset_m, places.shelf, places.face))
    return np.asarray(order[places.cells[order] >= FEW_CELLS], np.int64)
