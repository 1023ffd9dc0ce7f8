"""How often localization slips: puts a book that stands at home on another shelf.

Every book at home that was placed elsewhere is such a slip, and the catalogue is a survey of where nearly every book
stands; so a run's own books tell how often that happens, class by class of how sure localization was. What is known
before any book is asked comes from simulated nights (`python -m benchmarks worlds`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

WIDE_M = (0.03, 0.1)
"""Error bars along the face: of the wide ones other shares are claimed wrongly."""
_CLAIMS = np.array([0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.01])
_PRIOR_BOOKS = 20.0  # how many books localization's own claim is worth in each class of claims
# How many of what seldom happens are taken to have been seen already: one alone tells no rate.
_PRIOR_SEEN = 0.5
_PRIOR_SURE = 0.4  # how many misplaced books among the surest are taken to have been seen already
_SURE = 0.98  # claims that are seldom slips
_ROUNDS = 30

SECOND, UNNAMED, FAR = range(3)
"""Ways to be off: home is the second best place; it is near but neither of the two best; it is far."""
# By the width of the bar: slips of books claimed for certain, and the part of the rest that are slips of this way.
_USUAL = (
    ((2e-5, 0.7), (1e-4, 0.7), (1e-3, 0.7)),
    ((1e-5, 0.06), (1e-4, 0.12), (1e-3, 0.2)),
    ((1e-5, 3e-4), (1e-5, 3e-4), (3e-5, 3e-3)),
)
_FEW = 10.0  # of so many readings that part is stated; of fewer the two best places are less often the right ones
_FEWEST = (0.3, 1.5)


def usual_slips(way: int, sigma: Floats, claimed: Floats, readings: Floats) -> Floats:
    """Return the chance that a book at home slips in that way, before the run's own books are asked, shape (n,).

    Parameters
    ----------
    way : int
        `SECOND`, `UNNAMED` or `FAR`.
    sigma : float64 array, shape (n,)
        Error bar along the face, metres.
    claimed : float64 array, shape (n,)
        What localization claims for the shelf heard.
    readings : float64 array, shape (n,)
    """
    least, part = np.array(_USUAL[way]).T
    width = np.searchsorted(np.array(WIDE_M), sigma, side="right")
    by_readings = np.clip(_FEW / np.maximum(readings, 1.0), *_FEWEST) if way != SECOND else 1.0
    slips: Floats = least[width] + np.minimum(part[width] * by_readings, 1.0) * (1.0 - claimed)
    return slips


@dataclass(frozen=True)
class Crowd:
    """One run's tags, and what they tell of books off their shelf, however they came there.

    Attributes
    ----------
    kinds : Classes
    everybody : bool array, shape (n,)
        The tags that tell.
    ratio : float64 array, shape (n,)
        How much better the offset fits a slip than chance.
    told : bool array, shape (n,)
        Of which tags that is known.
    share, near : float
        Of books on another shelf; of books on another shelf beside their own.
    """

    kinds: Classes
    everybody: Bools
    ratio: Floats
    told: Bools
    share: float
    near: float


def put_or_slipped(crowd: Crowd, off: Bools, usual: Floats) -> tuple[Floats, Floats]:
    """Return, for each tag, which shares of the books so claimed were put beside their shelf, and slipped there.

    A slip of localization to the next shelf keeps the book's offset along the face, a book that readers put there
    stands anywhere: how many of either kind there are among books of like claims is found by expectation maximization
    over those whose offset can be asked (A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39, 1977). Where
    it cannot, more books off in this way than readers ever misplace so are slips.

    Parameters
    ----------
    crowd
    off : bool array, shape (n,)
        The tags asked: placed off their home in one way.
    usual : float64 array, shape (n,)
        `usual_slips` of that way.
    """
    kinds, near, told = crowd.kinds, crowd.near, crowd.told
    n = np.bincount(kinds.of_tag[crowd.everybody], minlength=kinds.size)
    prior = kinds.mean(usual, off, 1.0)
    put, slip = np.full(kinds.size, near), prior.copy()
    blind_put, blind_slip = put.copy(), slip.copy()
    worth_put = max(_PRIOR_BOOKS, _PRIOR_SEEN / near)
    for k in np.unique(kinds.of_tag[off]).tolist():
        mine = (kinds.of_tag == k) & crowd.everybody
        rows, r = mine & off, crowd.ratio[mine & off & told]
        blind = np.count_nonzero(rows) - len(r)
        # As many may stand wrong, near or far, of every class.
        most = _at_most(crowd.share * float(n[k]))
        worth = max(_PRIOR_BOOKS, _PRIOR_SEEN / float(prior[k]))
        for _ in range(_ROUNDS if len(r) else 0):
            each = put[k] / (put[k] + slip[k] * r)
            found = min(float(each.sum()), most)
            put[k] = (found + worth_put * near) / (n[k] + worth_put)
            slip[k] = (len(r) - found + worth * prior[k]) / (n[k] + worth)
        surely = max(blind - 1.5 * np.sqrt(blind), 0.0)
        blind_slip[k] = max((surely + _PRIOR_BOOKS * near) / (n[k] + _PRIOR_BOOKS) - near, float(prior[k]))
    of = kinds.of_tag
    each_slip = np.where(told, slip[of], blind_slip[of]) * usual / prior[of]
    return np.where(told, put[of], blind_put[of]), each_slip


def far_slips(
    kinds: Classes, claimed: Floats, far: Bools, everybody: Bools, share: float, usual: Floats
) -> Floats:
    """Return the chance that localization puts a book of its class far from its shelf, shape (n,).

    What localization does not claim for the shelf heard it claims for those around, not for one far away: the claim
    says little here. Readers misplace books of all classes alike, so what is far off in one class beyond that
    are slips.
    """
    width = kinds.of_tag // kinds.claims
    slips = usual.copy()
    for w in range(kinds.size // kinds.claims):
        for unsure in (False, True):
            mine = (width == w) & ((claimed < _SURE) == unsure)
            n = float(np.count_nonzero(mine & everybody))
            if not n:
                continue
            put = share * n
            more = float(np.count_nonzero(mine & far & everybody)) - put - 2.0 * np.sqrt(put + 0.25)
            worth = _PRIOR_SEEN / float(usual[mine].mean())
            slips[mine] += max(more, 0.0) / (n + worth)
    return slips


def share_of_sure(claimed: Floats, off: Bools, everybody: Bools, share: float) -> float:
    """Return the share of books on another shelf, no greater than of those whose shelf localization is surest of.

    Readers misplace books without regard to how well they are heard: what is off more often among the others slipped.
    """
    sure = everybody & (claimed >= _SURE)
    wrong = float(np.count_nonzero(sure & off))
    # A part of one more than was seen: that none was tonight does not mean that none ever is.
    worth = max(_PRIOR_BOOKS, _PRIOR_SURE / share)
    told = (wrong + np.sqrt(wrong) + worth * share) / (np.count_nonzero(sure) + worth)
    return min(share, float(told))


def no_more_of_wide(kinds: Classes, confidence: Floats, off: Bools, everybody: Bools, share: float) -> Floats:
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
    return expit(logit(chance) + by)


@dataclass(frozen=True)
class Classes:
    """Of which class each tag's claim is: how sure of its shelf, and how wide its error bar along the face."""

    of_tag: Ints
    size: int
    claims: int

    @classmethod
    def of(cls, claimed: Floats, sigma: Floats) -> Classes:
        """Sort tags into classes."""
        claims = len(_CLAIMS) - 1
        sure = np.clip(np.searchsorted(_CLAIMS, claimed, side="right") - 1, 0, claims - 1)
        wide = np.searchsorted(np.array(WIDE_M), sigma, side="right")
        return cls((wide * claims + sure).astype(np.int64), claims * (len(WIDE_M) + 1), claims)

    def mean(self, values: Floats, rows: Bools, otherwise: float) -> Floats:
        """Return the mean of `values` over the tags `rows` of each class, shape (size,)."""
        count = np.bincount(self.of_tag[rows], minlength=self.size).astype(np.float64)
        total = np.bincount(self.of_tag[rows], weights=values[rows], minlength=self.size)
        return np.divide(total, count, out=np.full(self.size, otherwise), where=count > 0.0)


def honest_claims(kinds: Classes, claimed: Floats, at_home: Bools, asked: Bools, share: float) -> Floats:
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
