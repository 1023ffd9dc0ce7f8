"""On which shelf each book stands, from what localization heard and from where the catalogue expects it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import ndtr

from reports.books import Shelved
from reports.places import Places
from reports.policy import Policy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NEAR_M = 1.0  # within this of its shelf a book may have been placed on the wrong board or side
_OTHERS = 0.3  # of the mass localization gave to no named place: there are several more shelves around
_GAP_M = 0.04  # how far a book in order may stand from the middle of its four neighbours
_FITS = 0.75  # share of books at home that do stand there; the others are out of order or their offset went astray
_NEXT = 0.25  # of all misplaced books: those put beside their own shelf because it is near
_FAR_SLIPS = 0.1  # slips of localization to far shelves, per slip to a shelf beside the right one
_EDGE_M = 0.01  # the plan's own error at a shelf end
_CLAIMS = np.array([0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.01])
_WIDE_M = (0.03, 0.1)  # error bars along the face: of the wide ones other shares are claimed wrongly
_PRIOR_BOOKS = 20.0  # how many books localization's own claim is worth in each class of claims
_SLIPS = (
    0.002  # least share of books heard beside their shelf by error: what simulated nights show of the surest
)
_SELDOM = (2e-4, 2e-3)  # what localization calls impossible happens as often
_SURE = 0.98  # claims that are seldom slips
_ROUNDS = 30


def settle(
    shelved: Shelved, places: Places, policy: Policy, behind: Floats
) -> tuple[Shelved, Floats, Floats, Floats]:
    """Weigh the home shelf against the shelf heard; books that are most likely at home are put there.

    Parameters
    ----------
    shelved, places, policy
    behind : float64 array, shape (n,)
        Probability that each tag stands at home where nobody scanned (`reports.behind.heard_from_behind`).

    Returns
    -------
    shelved : Shelved
        With the books moved home that were heard beside it, sorted anew.
    wrong_shelf : float64 array, shape (n,)
        Probability that each tag stands on another shelf than its own; 0 where that cannot be asked.
    doubt : float64 array, shape (n,)
        The same for books moved home: the chance that this was wrong.
    behind : float64 array, shape (n,)
        As given, for the new rows; 0 for books moved home.
    """
    if not len(shelved) or not len(places):
        return shelved, np.zeros(len(shelved)), np.zeros(len(shelved)), behind
    away = _wrong_shelf(shelved, places, policy, behind)
    home = np.maximum(shelved.home, 0)
    at_alt = (shelved.alt == shelved.home) & np.isfinite(shelved.positions.alt_offset_m)
    offset = np.where(at_alt, shelved.positions.alt_offset_m, shelved.offset_m)
    slack = 2.0 * np.nan_to_num(shelved.positions.sigma_along_m, nan=0.1) + _EDGE_M
    fits = (offset >= places.from_m[home] - slack) & (offset <= places.to_m[home] + slack)
    same_face = places.face_index[home] == places.face_index[np.maximum(shelved.place, 0)]
    asked = (shelved.home >= 0) & (shelved.place >= 0) & (shelved.home != shelved.place)
    back = asked & fits & (same_face | at_alt) & (away < policy.doubt_from)
    settled, order = shelved.resettle(back, shelved.home, offset)
    return (
        settled,
        np.where(back, 0.0, away)[order],
        np.where(back, away, 0.0)[order],
        np.where(back, 0.0, behind)[order],
    )


def _wrong_shelf(s: Shelved, places: Places, policy: Policy, behind: Floats) -> Floats:
    """Return the probability that each tag stands on another shelf than its own.

    Localization's posterior knows nothing of the catalogue. Bayes' rule joins the two: nearly every book stands
    at home, so a posterior that leaves its home shelf a few per cent is no accusation. Mass localization gave
    to no named place counts for the home shelf only if that is near. A book by its shelf's end counts as at
    home with the chance that its error along the face crossed the end. Books that nobody drove past say nothing
    about how well the others were placed.
    """
    p = s.positions
    asked = (s.copy >= 0) & (s.home >= 0) & (s.place >= 0)
    claimed = np.clip(np.nan_to_num(p.p_shelf, nan=0.5), 0.0, 1.0)
    everybody = asked & (behind <= 0.0)
    sigma = np.hypot(np.nan_to_num(p.sigma_along_m, nan=0.1), _EDGE_M)
    kinds = _Classes.of(claimed, sigma)
    share = _share_of_sure(claimed, s.home != s.place, everybody, policy.misshelved_share)
    here = honest_claims(kinds, claimed, s.home == s.place, everybody, share)
    second = np.where(s.alt >= 0, np.clip(np.nan_to_num(p.p_alt, nan=0.0), 0.0, 1.0), 0.0)
    # What the claim loses goes to the other places as localization divided the rest among them.
    second *= np.divide(1.0 - here, 1.0 - claimed, out=np.ones(len(s)), where=claimed < 1.0)
    second = np.where(claimed >= 1.0, np.where(s.alt >= 0, 1.0 - here, 0.0), second)
    rest = np.clip(1.0 - here - second, 0.0, 1.0)
    home, place = np.maximum(s.home, 0), np.maximum(s.place, 0)
    asked = asked & (s.home != s.place)
    away_m = places.distance_m(np.where(asked, s.home, -1), p.x_m, p.y_m, p.z_m)
    near = ~(away_m > np.maximum(_NEAR_M, 3.0 * sigma))
    at_home = np.where(s.alt == s.home, second, np.where(near, _OTHERS * rest, 0.01 * rest))
    same_level = places.face_index[home] == places.face_index[place]
    same_level &= places.level[home] == places.level[place]
    gap = np.maximum(places.from_m[home] - s.offset_m, s.offset_m - places.to_m[home])
    crossed = here * ndtr(-np.maximum(np.nan_to_num(gap), 0.0) / sigma)
    at_home = np.where(same_level, np.maximum(at_home, crossed), at_home)
    beside_share = share * (_NEXT + (1.0 - _NEXT) * places.near_share(_NEAR_M))
    # Three ways to be off: home is the second best place, home is near, home is far.
    second_best = asked & (s.alt == s.home)
    beside = asked & near & ~second_best
    ratio, told = _beneath_its_place(s, places, sigma, asked)
    most = np.ones(len(s))
    slips = np.zeros(len(s))
    for off in (second_best, beside):
        put, slip = _put_or_slipped(kinds, claimed, off, everybody, ratio, told, share, beside_share)
        most = np.where(off, put / (put + slip), most)
        slips += slip
    least = np.where(near, np.clip(slips, *_SELDOM), _SELDOM[0])
    at_home = np.clip(at_home, least, 1.0)
    at_home = np.where(second_best | beside, at_home, np.maximum(at_home, _FAR_SLIPS * slips))
    confidence = (1.0 - at_home) * share / ((1.0 - at_home) * share + at_home * (1.0 - share))
    confidence = np.clip(np.minimum(confidence, most), 0.0, 0.999)
    odds = confidence / (1.0 - confidence) / ratio
    confidence = np.minimum(odds / (1.0 + odds), 1.0 - behind)
    confidence = np.where(asked, np.minimum(confidence, 0.995), 0.0)
    return _no_more_of_wide(kinds, confidence, asked, everybody, share)


def _beneath_its_place(s: Shelved, places: Places, sigma: Floats, asked: Bools) -> tuple[Floats, Bools]:
    """Return how much better the offset of each tag fits its own place on its home shelf than a place by chance.

    A book at home that was heard a board too high or low still has its right offset along the face: between the
    books of its home shelf with the next call numbers. A misplaced one is there only by chance. The ratio of the
    two likelihoods, and where it can be asked; 1 where home is on another face or too few books stand on it.
    """
    ratio, told = np.ones(len(s)), np.zeros(len(s), bool)
    standing = np.flatnonzero((s.home >= 0) & (s.home == s.place) & (s.rank >= 0))
    home, place = np.maximum(s.home, 0), np.maximum(s.place, 0)
    rows = np.flatnonzero(asked & (s.rank >= 0) & (places.face_index[home] == places.face_index[place]))
    if len(standing) < 4 or not len(rows):
        return ratio, told
    step = int(s.rank.max()) + 2
    standing = standing[np.lexsort((s.rank[standing], s.place[standing]))]
    key = s.place[standing] * step + s.rank[standing]
    at = np.searchsorted(key, s.home[rows] * step + s.rank[rows], side="right")
    around = np.clip(at[:, None] + np.array([-2, -1, 0, 1]), 0, len(standing) - 1)
    same = s.place[standing[around]] == s.home[rows][:, None]
    enough = same.sum(axis=1) >= 2
    rows, around, same = rows[enough], around[enough], same[enough]
    if not len(rows):
        return ratio, told
    x = np.nanmedian(np.where(same, s.offset_m[standing[around]], np.nan), axis=1)
    length = np.maximum(places.to_m[s.home[rows]] - places.from_m[s.home[rows]], 0.3)
    wide = np.hypot(sigma[rows], _GAP_M)
    z = (s.offset_m[rows] - x) / wide
    # A slip that was heard seldom has lost its offset, too.
    kept = _FITS * np.minimum(_WIDE_M[-1] / wide, 1.0)
    fits = kept * np.exp(-0.5 * z * z) / (wide * np.sqrt(2.0 * np.pi)) + (1.0 - kept) / length
    ratio[rows], told[rows] = fits * length, True
    return ratio, told


def _put_or_slipped(
    kinds: _Classes,
    claimed: Floats,
    off: Bools,
    everybody: Bools,
    ratio: Floats,
    told: Bools,
    share: float,
    near: float,
) -> tuple[Floats, Floats]:
    """Return, for each tag, which shares of the books so claimed were put beside their shelf, and slipped there.

    A slip of localization to the next shelf keeps the book's offset along the face, a book that readers put there
    stands anywhere: how many of either kind there are among books of like claims is found by expectation maximization
    over those whose offset can be asked (A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39, 1977). Where
    it cannot, more books off in this way than readers ever misplace so are slips.
    """
    n = np.bincount(kinds.of_tag[everybody], minlength=kinds.size)
    put = np.full(kinds.size, near)
    slip = _SLIPS * _PRIOR_BOOKS / (n + _PRIOR_BOOKS)
    blind_put, blind_slip = put.copy(), slip.copy()
    for k in np.unique(kinds.of_tag[off]).tolist():
        mine = (kinds.of_tag == k) & everybody
        slip0 = float(slip[k])
        rows, r = mine & off, ratio[mine & off & told]
        blind = np.count_nonzero(rows) - len(r)
        # What localization does not claim for the shelf heard goes to those beside it.
        usual = max(_SLIPS, float(np.mean(1.0 - claimed[mine]))) if n[k] else _SLIPS
        slip[k] = usual
        # As many may stand wrong, near or far, of every class.
        most = _at_most(share * float(n[k]))
        for _ in range(_ROUNDS if len(r) else 0):
            each = put[k] / (put[k] + slip[k] * r)
            found = min(float(each.sum()), most)
            put[k] = (found + _PRIOR_BOOKS * near) / (n[k] + _PRIOR_BOOKS)
            slip[k] = (len(r) - found + _PRIOR_BOOKS * usual) / (n[k] + _PRIOR_BOOKS)
        surely = max(blind - 1.5 * np.sqrt(blind), 0.0)
        blind_slip[k] = max((surely + _PRIOR_BOOKS * near) / (n[k] + _PRIOR_BOOKS) - near, slip0)
    of = kinds.of_tag
    return np.where(told, put[of], blind_put[of]), np.where(told, slip[of], blind_slip[of])


def _share_of_sure(claimed: Floats, off: Bools, everybody: Bools, share: float) -> float:
    """Return the share of books on another shelf, no greater than of those whose shelf localization is surest of.

    Readers misplace books without regard to how well they are heard: what is off more often among the others slipped.
    """
    sure = everybody & (claimed >= _SURE)
    wrong = float(np.count_nonzero(sure & off))
    told = (wrong + np.sqrt(wrong) + _PRIOR_BOOKS * share) / (np.count_nonzero(sure) + _PRIOR_BOOKS)
    return min(share, float(told))


def _no_more_of_wide(
    kinds: _Classes, confidence: Floats, off: Bools, everybody: Bools, share: float
) -> Floats:
    """Lower the odds of books with the widest error bars until no more of them stand wrong than of all books.

    Readers misplace books without regard to how well they are heard. Where of those with wide error bars more seem
    misplaced than chance explains, the excess are slips, near or far; which of them, the claims still say.
    """
    width = kinds.of_tag // kinds.claims
    out = confidence.copy()
    for w in range(2, kinds.size // kinds.claims):
        mine = off & (width == w)
        usual = share * np.count_nonzero(everybody & (width == w))
        most = _at_most(usual)
        c = confidence[mine & everybody]
        if float(c.sum()) <= most:
            continue
        low, high = np.log(1e-6), 0.0
        for _ in range(40):
            by = 0.5 * (low + high)
            low, high = (by, high) if float(_lowered(c, by).sum()) <= most else (low, by)
        out[mine] = _lowered(confidence[mine], low)
    return out


def _at_most(usual: float) -> float:
    """Return how many books chance makes of so many expected."""
    return usual + float(np.sqrt(usual + 0.25))


def _lowered(chance: Floats, by: float) -> Floats:
    """Return chances whose log-odds are moved by so much."""
    odds = chance / (1.0 - chance) * np.exp(by)
    return odds / (1.0 + odds)


@dataclass(frozen=True)
class _Classes:
    """Of which class each tag's claim is: how sure of its shelf, and how wide its error bar along the face."""

    of_tag: Ints
    size: int
    claims: int

    @classmethod
    def of(cls, claimed: Floats, sigma: Floats) -> _Classes:
        claims = len(_CLAIMS) - 1
        sure = np.clip(np.searchsorted(_CLAIMS, claimed, side="right") - 1, 0, claims - 1)
        wide = np.searchsorted(np.array(_WIDE_M), sigma, side="right")
        return cls((wide * claims + sure).astype(np.int64), claims * (len(_WIDE_M) + 1), claims)


def honest_claims(kinds: _Classes, claimed: Floats, at_home: Bools, asked: Bools, share: float) -> Floats:
    """Return how often shelf claims hold, by how often books so claimed turn out to be at home.

    The catalogue is a survey of nearly every book's place: where localization is sure to 98 per cent and only 80 per
    cent of those books are at home, most of the others are localization's errors and no misshelved books. The
    share at home in each class of claims, allowing for books that really are elsewhere and kept
    from falling with the claim by isotonic regression, takes the claim's place where it is lower. Books with wide error
    bars are asked by themselves.
    """
    kind, size = kinds.of_tag, kinds.size
    count = np.bincount(kind[asked], minlength=size).astype(np.float64)
    held = np.bincount(kind[asked], weights=at_home[asked].astype(np.float64), minlength=size)
    told = np.bincount(kind[asked], weights=claimed[asked], minlength=size)
    middle = np.tile(0.5 * (_CLAIMS[:-1] + np.minimum(_CLAIMS[1:], 1.0)), size // kinds.claims)
    mean_claim = np.divide(told, count, out=middle, where=count > 0.0)
    rate = (held / (1.0 - share) + _PRIOR_BOOKS * mean_claim) / (count + _PRIOR_BOOKS)
    rising = np.concatenate(
        [
            isotonic_regression(np.minimum(r, 1.0), weights=w + _PRIOR_BOOKS).x
            for r, w in zip(rate.reshape(-1, kinds.claims), count.reshape(-1, kinds.claims), strict=True)
        ]
    )
    factor = np.minimum(1.0, np.divide(rising, mean_claim, out=np.ones(size), where=mean_claim > 0.0))
    return claimed * factor[kind]
