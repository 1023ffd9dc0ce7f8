"""Of the books heard beside their own shelf: which are slips of localization, and which were put there by readers.

A slip to the next board or bay keeps the book's offset along the face: between the books with the next call numbers, had
it been heard on its own shelf. A book that readers put there stands anywhere. How many of either kind there are among
books of like claims the run itself tells, by expectation maximization over the books whose offset can be asked (A. P.
Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39, 1977); no share of near ones among the misplaced is taken for
granted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_PRIOR_BOOKS = 20.0
_SLIPS = 0.002  # of books claimed sure, beside their own shelf: what simulated nights show
_ROUNDS = 30


def slipped_or_put(
    kind: Ints, claimed: Floats, off: Bools, everybody: Bools, ratio: Floats, asked: Bools, share: float
) -> Floats:
    """Return the chance that each book heard beside its shelf was put there, NaN for all others.

    Parameters
    ----------
    kind : int64 array, shape (n,)
        Class of claims of each book.
    claimed : float64 array, shape (n,)
        Localization's own claim of the shelf heard.
    off : bool array, shape (n,)
        Heard beside its own shelf.
    everybody : bool array, shape (n,)
        Books that count at all.
    ratio : float64 array, shape (n,)
        How much better the offset fits its own place on its home shelf than a place by chance.
    asked : bool array, shape (n,)
        Where that could be asked.
    share : float
        Share of near misplaced books to begin with.
    """
    chance = np.full(len(kind), np.nan)
    for k in np.unique(kind[off]):
        mine = kind == k
        n = float(np.count_nonzero(mine & everybody))
        rows = mine & off & everybody
        told = rows & asked
        # What localization does not claim for the shelf heard goes to those beside it.
        slips0 = max(_SLIPS, float(np.mean(1.0 - claimed[mine & everybody])) if n else _SLIPS)
        put, slip = share, slips0
        unasked = np.count_nonzero(rows) / max(np.count_nonzero(told), 1)
        r = ratio[told]
        for _ in range(_ROUNDS):
            each = put / (put + slip * r)
            found = float(each.sum()) * unasked, float((1.0 - each).sum()) * unasked
            put = (found[0] + _PRIOR_BOOKS * share) / (n + _PRIOR_BOOKS)
            slip = (found[1] + _PRIOR_BOOKS * slips0) / (n + _PRIOR_BOOKS)
        at = mine & off
        chance[at] = put / (put + slip * np.where(asked[at], ratio[at], 1.0))
    return chance


def fitting_share(offset_m: Floats, middle_m: Floats, wide_m: Floats) -> float:
    """Return the share of books at home that stand within three widths of where their neighbours have their place."""
    near = np.abs(offset_m - middle_m) < 3.0 * wide_m
    return float(np.clip((np.count_nonzero(near) + 7.5) / (len(near) + 10.0), 0.5, 0.98))
