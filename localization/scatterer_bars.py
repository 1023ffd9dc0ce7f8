"""What the solutions of one dense scan say together: the offsets, and how far off these may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from localization.normal import Z90
from localization.scatterer_row import Floats

#: Solutions and peaks farther off than this widen a bar no more.
FARTHEST_M = 0.3


@dataclass(frozen=True, slots=True)
class Solution:
    """One peak of the joint posterior.

    Attributes
    ----------
    x_m, z_m : float64 array, shape (i,)
        Offsets, and heights above the plane's line (all 0: not freed).
    sigma_m : float64 array, shape (i,)
        Of the offsets, from the posterior's curvature.
    unexplained : float64 array, shape (i,)
        Share of each tag's energy that the model leaves.
    place_m : float64 array, shape (s, 2)
        Of the scatterers: along the row, and depth behind the tags' plane.
    strength : float64 array, shape (s,)
    cost : float
        Minus the log posterior, up to a constant.
    """

    x_m: Floats
    z_m: Floats
    sigma_m: Floats
    unexplained: Floats
    place_m: Floats
    strength: Floats
    cost: float


@dataclass(frozen=True, slots=True)
class Widths:
    """What turns peaks into bars, learnt on simulated slide rows (``python -m benchmarks.learn_slide_bars``).

    Learnt on 24 rows of each kind (seeds 9000 and 10000). Three were kept as they had been learnt before, as the score
    is flat there: `temper` (20.6), `misfit_m` (0.356) and `tag_m` (4.4 mm scored 0.03 % better, and held 0.5 % less).

    Attributes
    ----------
    temper : float
        Costs are of correlated data and a model that is not quite true: a solution counts by exp(-cost / so much).
    tag_m : float
        What stays in a tag's offset whatever the fit says: its own phase centre.
    stretch : float
        Strong metal at a row's ends, tags that answer one another and a wrong depth stretch a row more than anything
        else: so much of a tag's distance from the row's middle.
    slopes : float
        And so many times what solutions differ by in how far they stretch it, beside what they differ by anyhow.
    wider : float
        Factor on the bars that curvature gives, which count beside the spread of solutions.
    misfit_m : float
        A tag that the model explains badly may sit on a wrong peak: this times the square of the share it leaves.
    curve_m : float
        What stays in the offset of a tag of a row too short for the joint fit.
    curve_share : float
        Share of its log posterior that such a tag is believed.
    """

    temper: float = 20.0
    tag_m: float = 0.005
    stretch: float = 0.037
    slopes: float = 0.54
    wider: float = 0.66
    misfit_m: float = 0.36
    curve_m: float = 0.009
    curve_share: float = 0.53


WIDTHS: Final = Widths()


@dataclass(frozen=True, slots=True)
class Combined:
    """Offsets and bars of a scan's tags; arrays of shape (i,).

    Attributes
    ----------
    offset_m, sigma_m : float64 array
    common_m : float64 array
        What the row may be off by as a whole, beside ``sigma_m``.
    unexplained : float64 array
    best : Solution
        The likeliest.
    """

    offset_m: Floats
    sigma_m: Floats
    common_m: Floats
    unexplained: Floats
    best: Solution


def combine(found: Sequence[Solution], widths: Widths = WIDTHS) -> Combined:
    """Let all solutions of a scan count by their posterior."""
    cost = np.array([s.cost for s in found])
    best = found[int(cost.argmin())]
    weight = np.exp(-(cost - cost.min()) / widths.temper)
    weight /= weight.sum()
    x = np.array([s.x_m for s in found])
    offset = _weighted_median(x, weight)
    away = np.clip(x - offset, -FARTHEST_M, FARTHEST_M)
    centred = offset - offset.mean()
    slope = x @ centred / max(float(centred @ centred), 1e-9)
    slopes = float(np.sqrt(weight @ (slope - weight @ slope) ** 2))
    stretched = float(np.hypot(widths.stretch, widths.slopes * slopes)) * (offset - np.median(offset))
    spread = np.array([np.hypot(_spread(s, widths), stretched) for s in found])
    # A row that is moved along with its scatterers explains nearly as much: that part of what solutions differ by all
    # its tags share.
    own = _mixture_sigma(weight, away - np.median(away, axis=1, keepdims=True), spread)
    whole = np.maximum(_mixture_sigma(weight, away, spread), own)
    unexplained = weight @ np.array([s.unexplained for s in found])
    return Combined(offset, own, np.sqrt(whole**2 - own**2), unexplained, best)


def curve_sigma(x_m: Floats, log_posterior: Floats, offset_m: Floats, widths: Widths = WIDTHS) -> Floats:
    """Return the deviation about offsets of tags whose log posteriors are known on a grid, shape (i,).

    Parameters
    ----------
    x_m : float64 array, shape (x,)
    log_posterior : float64 array, shape (i, x)
    offset_m : float64 array, shape (i,)
    """
    posterior = np.exp(widths.curve_share * (log_posterior - log_posterior.max(axis=1, keepdims=True)))
    away = np.minimum(np.abs(x_m - offset_m[:, None]), FARTHEST_M)
    spread = (posterior * away**2).sum(axis=1) / posterior.sum(axis=1)
    stretched = widths.stretch * (offset_m - np.median(offset_m))
    return np.asarray(np.sqrt(spread + widths.curve_m**2 + stretched**2), np.float64)


def _spread(solution: Solution, widths: Widths) -> Floats:
    """Return the deviation of each tag's offset about a solution, shape (i,)."""
    misfit = np.minimum(widths.misfit_m * solution.unexplained**2, FARTHEST_M)
    return np.sqrt((widths.wider * solution.sigma_m) ** 2 + misfit**2 + widths.tag_m**2)


def _mixture_sigma(weight: Floats, away_m: Floats, spread_m: Floats) -> Floats:
    """Return the bar whose 90 % interval holds 90 % of a mixture of normal errors, shape (i,).

    A far solution of little weight does not widen it, as it would a standard deviation.

    Parameters
    ----------
    weight : float64 array, shape (s,)
    away_m, spread_m : float64 array, shape (s, i)
        Mean and deviation of each solution's error.
    """
    # A solution whose curvature says nothing is as unsure as any.
    spread_m = np.where(np.isfinite(spread_m), spread_m, FARTHEST_M)
    low, high = np.zeros(away_m.shape[1]), np.full(away_m.shape[1], 1.0)
    for _ in range(30):
        middle = 0.5 * (low + high)
        beyond = weight @ (ndtr((away_m - middle) / spread_m) + ndtr((-middle - away_m) / spread_m))
        low, high = np.where(beyond > 0.1, middle, low), np.where(beyond > 0.1, high, middle)
    return np.asarray(high / Z90, np.float64)


def _weighted_median(values: Floats, weight: Floats) -> Floats:
    """Return the median of each column, rows counting by weight; between the two middle ones linearly."""
    order = np.argsort(values, axis=0)
    ordered = np.take_along_axis(values, order, 0)
    share = np.cumsum(weight[order], axis=0) - 0.5 * weight[order]
    return np.array([np.interp(0.5, share[:, i], ordered[:, i]) for i in range(values.shape[1])])
