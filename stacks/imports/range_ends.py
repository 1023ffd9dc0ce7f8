"""
Where one shelf's books end and the next one's begin, told by where the books themselves stand.

A book at the end of a shelf is the one most easily taken for its neighbour's: one board up, one bay on. But the
last book of a shelf and the first of the next stand a shelf's length apart, or several boards, and no such doubt
reaches that far. So the books next to a boundary in shelving order are each asked which of the two ends is nearer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NEAR_BOOKS = 8
"""Books on either side of a boundary that are asked."""
_FAR_M = 0.5
"""A book farther than this from both ends is misshelved and says nothing."""
_PLAIN_M = 0.3
"""By how much nearer one end must be to count in full."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a shelf's books: its face, offset along it, and height of the tags."""

    face_id: str
    offset_m: float
    z_m: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Books in the order of their keys, and where each stands; columns of one length."""

    keys: list[bytes]
    face_id: npt.NDArray[np.object_]
    offset_m: npt.NDArray[np.float64]
    z_m: npt.NDArray[np.float64]


def first_after(books: Standing, start: bytes, left: End, right: End) -> int | None:
    """
    Return which book is the first behind a boundary: its place in `books`; None where none of them tells.

    Parameters
    ----------
    books : Standing
        All that were heard and have a place.
    start : bytes
        The key the boundary is thought to be at.
    left : End
        Where the books of the shelf before end.
    right : End
        Where those of the shelf behind begin.
    """
    middle = bisect_left(books.keys, start)
    low, high = max(0, middle - NEAR_BOOKS), min(len(books.keys), middle + NEAR_BOOKS)
    window = slice(low, high)
    to_left, to_right = _distance(books, window, left), _distance(books, window, right)
    votes = np.clip((to_left - to_right) / _PLAIN_M, -1.0, 1.0)
    votes[np.minimum(to_left, to_right) > _FAR_M] = 0.0
    # Those before the cut should say left, those behind it right: the cut that the fewest contradict.
    against = np.concatenate([[0.0], np.cumsum(np.maximum(votes, 0.0))])
    against += np.concatenate([np.cumsum(np.maximum(-votes, 0.0)[::-1])[::-1], [0.0]])
    best = np.flatnonzero(against <= against.min() + 1e-9)
    cut = int(best[np.argmin(np.abs(best - (middle - low)))])
    behind = np.flatnonzero(votes[cut:] > 0)
    return low + cut + int(behind[0]) if behind.size else None


def end_of(face_id: str, offsets: Sequence[float], heights: Sequence[float], *, right: bool) -> End:
    """Return an end of a shelf's books: the outermost but for one in twenty, at the height of most."""
    return End(face_id, float(np.percentile(offsets, 95 if right else 5)), float(np.median(heights)))


def _distance(books: Standing, window: slice, end: End) -> npt.NDArray[np.float64]:
    made = np.hypot(books.offset_m[window] - end.offset_m, books.z_m[window] - end.z_m)
    made[books.face_id[window] != end.face_id] = np.inf
    return np.where(np.isfinite(made), made, 1e3)
