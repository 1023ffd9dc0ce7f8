"""Order on a shelf: ranks by offset, and how sure each is to stand right of its left neighbour.

Books have thickness: two tags of one shelf do not stand closer than a thin book. Found places do, as far as they err
by themselves, so that how often they do tells how large the errors between neighbours really are: less than the error
bars where neighbours share them, more where the bars are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: The thinnest book usual, in medians of the steps from tag to tag of the shelves.
THIN_SHARE = 0.35
#: Pairs up to this many medians apart tell the errors between neighbours; so many ahead on the shelf, and, of a large
#: library, so many pairs.
NEAR_SHARE, AHEAD, MOST_PAIRS = 1.5, 4, 20_000
#: Fewer steps tell nothing of books.
FEWEST_STEPS = 20
#: Factors on the error bars of differences that are tried, and what is supposed of them.
FACTORS: Floats = np.exp(np.linspace(np.log(0.25), np.log(6.0), 25))
USUAL_FACTOR, FACTOR_SPREAD = 0.7, 0.3
#: Chances that are tried that a pair's places say nothing of one another (another peak, another shelf), which no bar
#: tells. They are supposed to be about so large: always, and growing with the square of error over step from tag to
#: tag (supposed so since simulated libraries' chances then come true: ``python -m benchmarks order``).
LOST: Floats = np.array([0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
USUAL_LOST, LOST_BY_ERROR, LOST_SPREAD = 0.01, 0.1, 1.0
#: Errors at which the likelihood is normalised.
NODES = 12


@dataclass(frozen=True, slots=True)
class OrderLaw:
    """What a run's own shelves tell of the errors between neighbours.

    Attributes
    ----------
    thin_m : float
        No two tags of one shelf stand closer.
    chance : float64 array, shape (len(FACTORS), len(LOST))
        Posterior of each factor on the error bars of differences and each share of pairs that are lost.
    """

    thin_m: float
    chance: Floats

    def right_of(self, gap_m: Floats, sigma_m: Floats) -> Floats:
        """Return the chance that tags found ``gap_m`` to the right of others stand there, shape (n,).

        True distances are alike likely beyond the thinnest book, and none is nearer; the error is normal, or, for the
        share ``q`` of lost pairs, any: with ``a, b = Phi((gap - thin) / s), Phi((-gap - thin) / s)``

            P = ((1 - q) a + q / 2) / ((1 - q) (a + b) + q)

        Parameters
        ----------
        gap_m, sigma_m : float64 array, shape (n,)
            Found distance, not negative, and what the error bars make of its error.
        """
        p = np.zeros(len(gap_m))
        for factor, chances in zip(FACTORS.tolist(), self.chance, strict=True):
            spread = factor * np.maximum(sigma_m, 1e-6)
            right, left = ndtr((gap_m - self.thin_m) / spread), ndtr((-gap_m - self.thin_m) / spread)
            for lost, chance in zip(LOST.tolist(), chances.tolist(), strict=True):
                p += chance * ((1.0 - lost) * right + 0.5 * lost) / ((1.0 - lost) * (right + left) + lost)
        return p


def rank_on_shelves(
    place: Ints, offset_m: Floats, sigma_local_m: Floats, shelved: Bools | None = None
) -> tuple[Ints, Floats]:
    """Rank tags on their shelves.

    Parameters
    ----------
    place : int64 array, shape (n,)
        One number a shelf (or face without shelves); negative: nowhere.
    offset_m, sigma_local_m : float64 array, shape (n,)
    shelved : bool array, shape (n,), optional
        Whether the place is one board: on a rack without shelves tags may stand above one another. None: all are.

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
    x, sigma = offset_m[order], sigma_local_m[order]
    board = np.ones(len(order), np.bool_) if shelved is None else shelved[order]
    gap, spread = np.diff(x), np.hypot(sigma[1:], sigma[:-1])
    law = learn_order(place[order][board], x[board], sigma[board])
    both = law.right_of(gap, spread)
    if not board.all():
        both = np.where(board[1:], both, _anywhere().right_of(gap, spread))
    p_order[order[1:]] = np.where(begins[1:], np.nan, both)
    return rank, p_order


def learn_order(place: Ints, offset_m: Floats, sigma_m: Floats) -> OrderLaw:
    """Learn from the tags on shelves how much nearer than a thin book they are found.

    Of pairs up to some distance apart, those at distance ``d`` are as many as
    ``Phi((d - thin) / s) + Phi((-d - thin) / s)`` has it, the pair correlation of places no nearer than ``thin`` under
    normal errors, ``s`` being the bars' times a factor; lost pairs are as many at any distance.

    Parameters
    ----------
    place, offset_m, sigma_m : array, shape (n,)
        Sorted by place, then offset.
    """
    step = np.diff(offset_m)[np.diff(place) == 0]
    if len(step) < FEWEST_STEPS or np.median(step) <= 0.0:
        return _anywhere()
    pitch = float(np.median(step))
    thin, near = THIN_SHARE * pitch, NEAR_SHARE * pitch
    gaps, spreads = [np.zeros(0)], [np.zeros(0)]
    for ahead in range(1, AHEAD + 1):
        gap = offset_m[ahead:] - offset_m[:-ahead]
        keep = (place[ahead:] == place[:-ahead]) & (gap < near)
        gaps.append(gap[keep])
        spreads.append(np.hypot(sigma_m[ahead:], sigma_m[:-ahead])[keep])
    gap, spread = np.concatenate(gaps), np.concatenate(spreads)
    every = max(len(gap) // MOST_PAIRS, 1)
    gap, spread = gap[::every], np.maximum(spread[::every], 1e-6)
    nodes = np.unique(np.quantile(spread, np.linspace(0.0, 1.0, NODES)))
    at = np.linspace(0.0, near, 32)
    error = FACTORS * float(np.median(sigma_m)) / pitch
    usual = np.minimum(USUAL_LOST + LOST_BY_ERROR * error**2, 0.8)
    log_p = -0.5 * ((np.log(LOST) - np.log(usual)[:, None]) / LOST_SPREAD) ** 2
    log_p -= 0.5 * ((np.log(FACTORS)[:, None] - np.log(USUAL_FACTOR)) / FACTOR_SPREAD) ** 2
    for i, factor in enumerate(FACTORS.tolist()):
        mean = np.interp(spread, nodes, pair_correlation(at, factor * nodes[:, None], thin).mean(axis=1))
        here = pair_correlation(gap, factor * spread, thin)
        share = (1.0 - LOST)[:, None]
        log_p[i] += np.log(((1.0 - share) + share * here) / ((1.0 - share) + share * mean)).sum(axis=1)
    chance = np.exp(log_p - log_p.max())
    return OrderLaw(thin, chance / chance.sum())


def pair_correlation(gap_m: Floats, sigma_m: Floats | float, thin_m: float) -> Floats:
    """Return how many pairs are found so far apart whose tags stand no nearer than ``thin_m``: 1 is as by chance.

    ``gap_m`` has the shape (pairs,), and so has ``sigma_m`` unless it is one for all.
    """
    return np.asarray(ndtr((gap_m - thin_m) / sigma_m) + ndtr((-gap_m - thin_m) / sigma_m), np.float64)


def _anywhere() -> OrderLaw:
    """Return the law where nothing is known of how near tags may stand: the bars as they are."""
    chance = np.zeros((len(FACTORS), len(LOST)))
    chance[np.abs(np.log(FACTORS)).argmin(), 0] = 1.0
    return OrderLaw(0.0, chance)
