"""How much likelier each tag's traits are if something is unusual about it than if it stands in its row.

Every test is a likelihood ratio against the run's own tags: nearly all of them stand in their rows, so where their
free fits lie, how far they scatter and how heavy the tails are is learnt from them by a robust fit of a Student-t
(K. L. Lange, R. J. A. Little, J. M. G. Taylor, J. Am. Stat. Assoc. 84, 1989), not assumed. What reflections do to a
library's phases thereby tempers what they may say of a single book.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import gammaln

from localization.oddity_traits import Traits

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Degrees of freedom of the tags' scatter: how heavy its tails are.
NU = 4.0
ROUNDS = 12
#: The run's scatter is learnt from so many tags at least.
LEARN_FROM = 5_000
#: Degrees of freedom a scatter may have, and how many half quartile ranges its 98th percentile lies off.
_TAILS = tuple(
    (n, float(stats.t.ppf(0.98, n) / stats.t.ppf(0.75, n))) for n in (1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
)
#: Spread of the levels' and faces' own means about nought: depth, height (m), turn, fall.
MEAN_SIGMA = np.array([0.03, 0.03, 0.3, 1.0])
#: Spread of standing books at least: bindings of different depth, tags at different height, a tag not quite upright.
LEAST_SIGMA = np.array([0.015, 0.02, 0.1, 0.1])
#: Fewer tags do not teach a run's scatter; then it is at least this.
FEW_TAGS, FEW_SIGMA = 30, np.array([0.06, 0.05, 0.4, 0.5])

#: Something before the row: on a trolley in the aisle.
BEFORE_M, BEFORE_HEIGHT_M = (-0.26, 0.07), 0.30
#: it is so much stronger, and heard from less of the way (logarithm of the share).
BEFORE_DB, BEFORE_LOG = (6.0, 4.0), (-0.7, 0.35)
#: Fewer stretches of the way than this do not tell how far apart a tag was heard, nor whether its phases stay alike.
FEW_STRETCHES = 6.0
#: Spread of the logarithm of how far apart tags were heard, at least.
LEAST_LOG = 0.2
#: A pile in the row has its tags anywhere from the board to a hand below the next; one on the row above it. Heights
#: less a standing book's tag, mean and spread, and how well a lying book's turn is one.
IN_ROW_M, ON_ROW_M, TURN_SIGMA = (0.01, 0.08), (0.15, 0.04), 0.25
#: How much more a lying book's RSSI falls off to the sides: less than 1, as a chip answers less the more power it has.
FALL = (0.4, 0.25)
#: Standard deviations beyond which a tag is an outlier, and says nothing of how alike neighbours are.
SCORE_MOST = 2.5


@dataclass(frozen=True, slots=True)
class Usual:
    """How the run's tags scatter.

    Attributes
    ----------
    gap : float64 array, shape (n, 4)
        Each tag's free fit (depth, height, turn, fall) less what is usual at its face and level; NaN without a fit.
    spread : float64 array, shape (n, 4, 4)
        Covariance of ``gap`` for a standing book, but for the t's tails.
    """

    gap: Floats
    spread: Floats


def learn_usual(traits: Traits) -> Usual:
    """Learn where the standing books' free fits lie and how they scatter."""
    told = np.flatnonzero(np.isfinite(traits.fit[:, 0]) & np.isfinite(traits.nominal_m))
    gap, spread = np.full((len(traits), 4), np.nan), np.full((len(traits), 4, 4), np.nan)
    if len(told) == 0:
        return Usual(gap, spread)
    every = traits.fit[told].copy()
    every[:, 1] -= traits.nominal_m[told]
    key = traits.face[told] * 1000 + np.maximum(np.round(traits.nominal_m[told] / 0.1), 0).astype(np.int64)
    _, group_of = np.unique(key, return_inverse=True)
    groups = int(group_of.max()) + 1
    # So many tags tell it as well as all of a large library's.
    some = slice(None, None, max(len(told) // LEARN_FROM, 1))
    away, own, group = every[some], traits.covariance[told][some], group_of[some]
    mean = np.zeros((groups, 4))
    between = np.array([0.05, 0.04, 0.3, 0.4]) ** 2
    for _ in range(ROUNDS):
        whole = own + np.diag(between)
        trust = np.linalg.inv(whole)
        rest = away - mean[group]
        square = np.einsum("ni,nij,nj->n", rest, trust, rest)
        weight = (NU + 4.0) / (NU + square)
        heavy = weight[:, None, None] * trust
        total = np.zeros((groups, 4, 4))
        pull = np.zeros((groups, 4))
        np.add.at(total, group, heavy)
        np.add.at(pull, group, np.einsum("nij,nj->ni", heavy, away))
        mean = np.linalg.solve(total + np.diag(1.0 / MEAN_SIGMA**2), pull[:, :, None])[:, :, 0]
        # The tags' own scatter, by expectation and maximisation: its mean square given each tag's fit.
        expected = between * np.einsum("nij,nj->ni", trust, away - mean[group])
        left = between - between**2 * np.diagonal(trust, axis1=1, axis2=2)
        between = np.maximum((weight[:, None] * expected**2 + left).mean(axis=0), LEAST_SIGMA**2)
    if len(told) < FEW_TAGS:
        between = np.maximum(between, FEW_SIGMA**2)
    gap[told] = every - mean[group_of]
    spread[told] = traits.covariance[told] + np.diag(between)
    return Usual(gap, spread)


def before_evidence(traits: Traits, usual: Usual) -> Floats:
    """Log-likelihood ratio of standing in the aisle before the row against in it, shape (n,).

    It is nearer to the antenna: stronger than others, and heard from less of the way.
    """
    phase = _ratio(
        usual, np.array([BEFORE_M[0], 0.0, 0.0, 0.0]), np.array([BEFORE_M[1], BEFORE_HEIGHT_M, 0.0, 0.5])
    )
    strength = learn_scatter(traits.strength_db, 1.0)
    where, way = heard_over(traits)
    return phase + strength.ratio(traits.strength_db, *BEFORE_DB) + way.ratio(where, *BEFORE_LOG)


def lying_evidence(usual: Usual, hand: float) -> Floats:
    """Log-likelihood ratios of lying, in the row and on it, against standing, shape (2, n).

    ``hand`` is the sense, 1 or -1, in which the antennas' field turns.
    """
    return np.stack(
        [
            _ratio(usual, np.array([0.0, mean, hand, FALL[0]]), np.array([0.0, sigma, TURN_SIGMA, FALL[1]]))
            for mean, sigma in (IN_ROW_M, ON_ROW_M)
        ]
    )


def lying_score(usual: Usual, hand: float) -> Floats:
    """Return how far each tag's turn and fall point to lying, in standard deviations, shape (n,); 0: not known."""
    toward = np.array([hand, FALL[0]])
    trust = 1.0 / np.diagonal(usual.spread, axis1=1, axis2=2)[:, 2:]
    score = (toward * usual.gap[:, 2:] * trust).sum(axis=1) / np.sqrt((toward**2 * trust).sum(axis=1))
    return np.clip(np.nan_to_num(score), -SCORE_MOST, SCORE_MOST)


def _ratio(usual: Usual, mean: Floats, sigma: Floats) -> Floats:
    """Log-ratio of the t densities of the fits about ``mean``, scattered by ``sigma`` more, and about nought."""
    out = np.zeros(len(usual.gap))
    told = np.isfinite(usual.gap[:, 0])
    if told.any():
        gap, spread = usual.gap[told], usual.spread[told]
        out[told] = _log_t(gap - mean, spread + np.diag(sigma**2)) - _log_t(gap, spread)
    return out


def _log_t(gap: Floats, spread: Floats) -> Floats:
    square = np.einsum("ni,ni->n", gap, np.linalg.solve(spread, gap[:, :, None])[:, :, 0])
    return -0.5 * np.linalg.slogdet(spread)[1] - 0.5 * (NU + 4.0) * np.log1p(square / NU)


@dataclass(frozen=True, slots=True)
class Scatter:
    """A Student-t of one number over the run's tags: centre, scale (of all, or shape (n,)), degrees of freedom."""

    centre: float
    scale: float | Floats
    nu: float

    def log(self, value: Floats, more: npt.ArrayLike = 0.0, sigma: npt.ArrayLike = 0.0) -> Floats:
        """Log-density about a centre moved by ``more``, scattered by ``sigma`` more, shape (n,)."""
        width = np.hypot(self.scale, np.asarray(sigma, np.float64))
        constant = float(gammaln(0.5 * (self.nu + 1.0)) - gammaln(0.5 * self.nu)) - 0.5 * math.log(
            self.nu * math.pi
        )
        square = ((value - self.centre - np.asarray(more, np.float64)) / width) ** 2
        return constant - np.log(width) - 0.5 * (self.nu + 1.0) * np.log1p(square / self.nu)

    def ratio(self, value: Floats, more: npt.ArrayLike, sigma: npt.ArrayLike) -> Floats:
        """Log-ratio of the densities moved and not, shape (n,); 0 where the number is not known.

        What lies beyond both is as unlikely either way: it counts as if it lay two ``sigma`` off.
        """
        reach = 2.0 * np.asarray(sigma, np.float64)
        low, high = self.centre + np.minimum(more, 0.0) - reach, self.centre + np.maximum(more, 0.0) + reach
        near = np.clip(value, low, high)
        return np.nan_to_num(self.log(near, more, sigma) - self.log(near))


def learn_scatter(value: Floats, least: float, *, above: bool = False) -> Scatter:
    """Learn a t from the run's tags: its centre and scale from the quartiles, its tails from the outer 2 %.

    There stands what is odd as well: it makes the tails heavier rather than lighter. ``least`` is the scale at least;
    with ``above`` only the tail above counts. ``value`` has the shape (n,), NaN: not known.
    """
    known = value[np.isfinite(value)]
    if len(known) < FEW_TAGS:
        return Scatter(float(np.median(known)) if len(known) else 0.0, 2.0 * least, NU)
    low, first, middle, third, high = np.percentile(known, [2.0, 25.0, 50.0, 75.0, 98.0]).tolist()
    reach = (high - middle if above else max(high - middle, middle - low)) / max(0.5 * (third - first), 1e-9)
    nu = float(np.interp(-reach, [-r for _, r in _TAILS], [n for n, _ in _TAILS]))
    quartile = float(np.interp(nu, [n for n, _ in _TAILS], [stats.t.ppf(0.75, n) for n, _ in _TAILS]))
    return Scatter(middle, max(0.5 * (third - first) / quartile, least), nu)


def heard_over(traits: Traits) -> tuple[Floats, Scatter]:
    """Return the logarithm of how far apart each tag was heard, and how it scatters over the run's tags.

    Shape (n,); NaN: heard too little to say.
    """
    where = np.log(np.maximum(traits.spread_m, 0.01))
    where = np.where(traits.stretches >= FEW_STRETCHES, where, np.nan)
    return where, learn_scatter(where, LEAST_LOG)
