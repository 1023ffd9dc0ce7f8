"""Order on a shelf: ranks by offset, and how sure each is to stand right of its left neighbour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def rank_on_shelves(place: Ints, offset_m: Floats, sigma_local_m: Floats) -> tuple[Ints, Floats]:
    """Rank tags on their shelves.

    The error neighbours share moves both and cancels in their difference, so only the local errors count:
    ``P(right of the left neighbour) = Phi((x2 - x1) / sqrt(s1^2 + s2^2))``.

    Parameters
    ----------
    place : int64 array, shape (n,)
        One number a shelf (or face without shelves); negative: nowhere.
    offset_m, sigma_local_m : float64 array, shape (n,)

    Returns
    -------
    rank : int64 array, shape (n,)
        1 is the leftmost; 0 where ``place`` is negative.
    p_order : float64 array, shape (n,)
        NaN at rank 1 and 0.
    """
    rank = np.zeros(len(place), np.int64)
    p_order = np.full(len(place), np.nan)
    order = np.lexsort((offset_m, place))
    order = order[place[order] >= 0]
    if len(order) == 0:
        return rank, p_order
    begins = np.append(True, np.diff(place[order]) != 0)
    first = np.flatnonzero(begins)
    rank[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order)))) + 1
    gap = np.diff(offset_m[order])
    spread = np.hypot(sigma_local_m[order][1:], sigma_local_m[order][:-1])
    p_order[order[1:]] = np.where(begins[1:], np.nan, ndtr(gap / np.maximum(spread, 1e-6)))
    return rank, p_order
