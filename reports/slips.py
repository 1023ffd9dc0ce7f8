"""Of the books heard beside their own shelf: which are slips of localization, and which were put there by readers.

A slip to the next board keeps the book's offset along the face: between the books with the next call numbers, had it
been heard on its own shelf. A book that readers put there stands anywhere. How many of either kind there are among
books of like claims the run itself tells, by expectation maximization over the books whose offset can be asked (A. P.
Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39, 1977); no share of near ones among the misplaced is taken for
granted.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from reports.books import Shelved
from reports.places import Places

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_PRIOR_BOOKS = 20.0
_SLIPS = 0.002  # of books claimed sure, beside their own shelf: what simulated nights show
_ROUNDS = 30
_GAP_M = 0.04  # how far a book in order may stand from the middle of its four neighbours


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


def beneath_its_place(s: Shelved, places: Places, sigma: Floats, asked: Bools) -> tuple[Floats, Bools]:
    """Return how much better the offset of each tag fits its own place on its home shelf than a place by chance.

    A book at home that was heard a board too high or low still has its right offset along the face: between the
    books of its home shelf with the next call numbers. A misplaced one is there only by chance. How many of the books
    at home do stand there the run's own books tell; the others are out of order or their offset went astray.

    Parameters
    ----------
    s : Shelved
    places : Places
    sigma : float64 array, shape (n,)
        Error along the face.
    asked : bool array, shape (n,)
        Tags heard on another shelf than their own.

    Returns
    -------
    ratio : float64 array, shape (n,)
        Of the two likelihoods; 1 where it cannot be asked.
    told : bool array, shape (n,)
        Where it can: home is on the same face, and enough books stand on it.
    """
    ratio, told = np.ones(len(s)), np.zeros(len(s), bool)
    standing = np.flatnonzero((s.home >= 0) & (s.home == s.place) & (s.rank >= 0))
    home, place = np.maximum(s.home, 0), np.maximum(s.place, 0)
    rows = np.flatnonzero(asked & (s.rank >= 0) & (places.face_index[home] == places.face_index[place]))
    if len(standing) < 5 or not len(rows):
        return ratio, told
    step = int(s.rank.max()) + 2
    standing = standing[np.lexsort((s.rank[standing], s.place[standing]))]
    key = s.place[standing] * step + s.rank[standing]
    own, middle = _middle(standing, s, standing, key, step, np.array([-2, -1, 1, 2]), "left")
    fits = fitting_share(s.offset_m[own], middle, np.hypot(sigma[own], _GAP_M))
    rows, middle = _middle(rows, s, standing, key, step, np.array([-2, -1, 0, 1]), "right")
    if not len(rows):
        return ratio, told
    length = np.maximum(places.to_m[s.home[rows]] - places.from_m[s.home[rows]], 0.3)
    wide = np.hypot(sigma[rows], _GAP_M)
    z = (s.offset_m[rows] - middle) / wide
    there = fits * np.exp(-0.5 * z * z) / (wide * np.sqrt(2.0 * np.pi)) + (1.0 - fits) / length
    ratio[rows], told[rows] = there * length, True
    return ratio, told


def _middle(
    rows: Ints, s: Shelved, standing: Ints, key: Ints, step: int, beside: Ints, side: Literal["left", "right"]
) -> tuple[Ints, Floats]:
    """Return the rows with two neighbours or more on their home shelf, and the median offset of up to four."""
    at = np.searchsorted(key, s.home[rows] * step + s.rank[rows], side=side)
    around = at[:, None] + beside
    there = (around >= 0) & (around < len(standing))
    around = np.clip(around, 0, len(standing) - 1)
    same = there & (s.place[standing[around]] == s.home[rows][:, None])
    enough = same.sum(axis=1) >= 2
    rows, around, same = rows[enough], around[enough], same[enough]
    offsets = np.where(same, s.offset_m[standing[around]], np.nan)
    return rows, np.nanmedian(offsets, axis=1) if len(rows) else np.zeros(0)


def fitting_share(offset_m: Floats, middle_m: Floats, wide_m: Floats) -> float:
    """Return the share of books at home that stand within three widths of where their neighbours have their place."""
    near = np.abs(offset_m - middle_m) < 3.0 * wide_m
    return float(np.clip((np.count_nonzero(near) + 7.5) / (len(near) + 10.0), 0.5, 0.98))
