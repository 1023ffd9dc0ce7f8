"""What a place's bar must be for what its fit cannot see: how far tags are pulled, and the chance that one is astray.

A tag's own coupling with its neighbours and an electrical centre off its middle move its phases as one and show in no
residual. But what couples tags also makes them louder from one side than from the other (``swing``), as much as it
pulls them. And books have thickness: places found nearer to one another than a thin book stand so by their errors, and
how many do tells how large these are, whatever their cause. What residuals let suppose is the prior of both, and the
run's own tags correct it.

A fit that took a wrong peak, or scatterers that were fitted to tags at wrong places, are seldom seen tag by tag but
well over a run or a shelf: residuals are large throughout, and second peaks lie close behind. Chances by these are
logistic and isotonic regressions, learnt on simulated libraries of many kinds (``python -m benchmarks.learn_bars``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

from localization.normal import Z90
from localization.order import AHEAD, FEWEST_STEPS, MOST_PAIRS, THIN_SHARE, pair_correlation
from localization.swing import Swings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Chance that a tag placed by itself is astray: constant, log of its run's usual residual (cm, for the freedom that
#: fits took), log of its other peaks' share of the likelihood, and the product of both: a peak's lead says little where
#: phases are explained badly.
ALONE = (0.754, -0.386, 0.703, -0.953)
#: Residuals from which on a peak's lead says nothing.
SENSELESS_CM = 2.0
#: A score of the same for a tag placed with its shelf: constant, log of the shelf's usual lead over second peaks
#: (log-likelihood), log of its usual residual (cm), log of the tag's own lead; and what chance a score is (isotonic).
TOGETHER = (0.398, -0.295, 1.222, -0.925)
SCORES = (-6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0)
CHANCES = (0.001, 0.010, 0.035, 0.136, 0.359, 0.518, 0.642, 0.691)
#: How far one that is astray is off (standard deviation): on a shelf seen from half a metre, and for each metre that a
#: tag placed by itself is away, as beams and the phases' other peaks widen with distance. What a share of the
#: likelihood is at least.
ASTRAY_M, ASTRAY_SHARE, LEAST_SHARE = 0.24, 0.45, 1e-4
#: How far the loudness of tags placed with their shelf is supposed to swing, cm, as a power law of what their shelves
#: and their single fits have left of their phases, cm: constant (log), powers; and how far that may be wrong (log).
SWING, SWING_SPREAD = (0.497, 0.638, 0.596), 0.7
#: What pulls such a tag, cm: a factor on its swing, and a factor and a power of what its shelf has left; their squares
#: add up. And how far that may be wrong for a run (log): the libraries it was learnt on scatter about it by 0.15,
#: and one unlike all of them may be farther off, which its own steps then tell.
PULL, PULL_SPREAD = (1.092, 1.273, 1.254), 0.45
#: Factor on what pulls a tag: at 0.9 most of simulated libraries' 90 % intervals hold 85 to 95 %, but positions, in
#: which tags of other shelves and blocks count, and the fast paths hold a little less.
SHARED = 0.95
#: Tags differ in how much they are coupled: as many degrees of freedom has the Student-t of their swings, and so many
#: tags' worth is the run's usual swing beside a tag's own. As neighbours' swings are one coupling's, each counts half.
USUAL_TAGS, SWING_SHARE = 8.0, 0.5
SWING_FACTORS: Floats = np.exp(np.linspace(np.log(0.1), np.log(10.0), 61))
#: Factors on what pulls tags that are tried, and shares of pairs whose places say nothing of one another, with what is
#: supposed of these (log).
FACTORS: Floats = np.exp(np.linspace(np.log(0.2), np.log(5.0), 41))
LOST: Floats = np.array([0.002, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
USUAL_LOST, LOST_SPREAD = 0.01, 1.0
#: Pairs up to so many usual steps apart are looked at; as they share tags, each says a quarter of what it seems to. And
#: however many there are, they say no more than so many: books are not all as thin as the thinnest, so that pairs let
#: tags seem pulled less than they are, a third on libraries of 2,000 books, where they alone had the word.
NEAR_SHARE, PAIR_SHARE, PAIRS_WORTH = 2.5, 0.25, 500
#: Shelves more likely astray than not say nothing of how far tags are pulled.
LEAST_SURE = 0.5


@dataclass(frozen=True, slots=True)
class Together:
    """What is known of tags placed with their shelves; columns of shape (i,).

    Attributes
    ----------
    shelf : int64 array
        Which shelf each stands on, numbered from 0.
    offset_m : float64 array
    variance : float64 array
        By the fit's own curvature and residuals.
    left_rad : float64 array
        Residual scale for the freedom that the fit took.
    alone_m : float64 array
        The same, in metres, of the tag's fit by itself.
    cells : float64 array
        Track cells it was heard over.
    wavenumber : float64 array
    ahead : float64 array
        Lead of its best peak over the second, log-likelihood.
    swings : Swings
        Of their loudness along the shelf.
    """

    shelf: Ints
    offset_m: Floats
    variance: Floats
    left_rad: Floats
    alone_m: Floats
    cells: Floats
    wavenumber: Floats
    ahead: Floats
    swings: Swings

    def __len__(self) -> int:
        return len(self.offset_m)


def together_sigma(tags: Together, floor_m: float) -> tuple[Floats, Floats]:
    """Return the bar of each tag placed with its shelf, and its chance to be astray, two of shape (i,).

    ``floor_m`` stays in every offset whatever the fit says.
    """
    astray = astray_together(tags)
    few = tags.cells / np.maximum(tags.cells - 3.0, 0.5)
    own = tags.variance * few + floor_m**2
    pull, unsure = supposed_pull(tags)
    told = np.array([np.median(part) for part in _parts(astray, tags.shelf)])[tags.shelf] < LEAST_SURE
    factor = pull_factor(tags.shelf[told], tags.offset_m[told], own[told], pull[told], unsure)
    return interval_sigma(np.sqrt(own + (SHARED * factor * pull) ** 2), astray), astray


def supposed_pull(tags: Together) -> tuple[Floats, float]:
    """Return what pulls each tag by what its loudness and residuals let suppose, and how wrong that may be for a run.

    Returns
    -------
    pull_m : float64 array, shape (i,)
    unsure : float
        Deviation of the logarithm of a factor on all of them.
    """
    usual = usual_of_shelf(tags.left_rad / tags.wavenumber, tags.shelf)
    by_swing, by_left, power = PULL
    coupled, unsure = coupled_m(tags.swings, supposed_swing(usual, tags.alone_m))
    pull = np.hypot(by_swing * coupled, 0.01 * by_left * in_cm(usual) ** power)
    share = float(np.median((by_swing * coupled / pull) ** 2)) if len(tags) else 0.0
    return pull, float(np.hypot(PULL_SPREAD, share * unsure))


def supposed_swing(left_m: Floats, alone_m: Floats) -> float:
    """Return how far loudness is supposed to swing, m, by what is left of phases; two of shape (i,), by median."""
    if not len(left_m):
        return 0.01
    constant, by_shelf, by_run = SWING
    left, alone = in_cm(np.median(left_m)), in_cm(np.median(alone_m))
    return float(0.01 * np.exp(constant + by_shelf * np.log(left) + by_run * np.log(alone)))


def coupled_m(swings: Swings, supposed_m: float, spread: float | None = None) -> tuple[Floats, float]:
    """Return how far coupling pulls each tag: as far as loudness swings.

    The run's usual swing has a posterior over all tags, about the supposed one; a tag's own tells a little of how much
    more or less than others it is coupled.

    Parameters
    ----------
    swings : Swings
    supposed_m : float
    spread : float, optional
        Of the logarithm of the usual swing about the supposed one; ``SWING_SPREAD`` by default.

    Returns
    -------
    coupled_m : float64 array, shape (i,)
        Deviation of each tag's error by it.
    unsure : float
        What is left of ``spread``.
    """
    told = np.isfinite(swings.variance)
    square, noise = swings.swing_m[told] ** 2, swings.variance[told]
    logs = np.log(SWING_FACTORS)
    log_p = -0.5 * (logs / (SWING_SPREAD if spread is None else spread)) ** 2
    for i, tried in enumerate((SWING_FACTORS * supposed_m).tolist()):
        expected = tried**2 + noise
        away = (USUAL_TAGS + 1.0) * np.log1p(square / (USUAL_TAGS * expected))
        log_p[i] -= 0.5 * SWING_SHARE * float((np.log(expected) + away).sum())
    chance = np.exp(log_p - log_p.max())
    chance = chance / chance.sum()
    middle = float((chance * logs).sum())
    unsure = float(np.sqrt((chance * (logs - middle) ** 2).sum()))
    usual = (supposed_m * float(np.exp(middle))) ** 2
    own = np.ones(len(swings))
    own[told] = (USUAL_TAGS + square / (usual + noise)) / (USUAL_TAGS + 1.0)
    return np.asarray(np.sqrt(usual * own), np.float64), unsure


def astray_together(tags: Together) -> Floats:
    """Return the chance of each tag that it, or its whole shelf, is at a wrong peak, shape (i,)."""
    constant, by_shelf, by_left, by_own = TOGETHER
    lead = usual_of_shelf(tags.ahead, tags.shelf)
    left = usual_of_shelf(tags.left_rad / tags.wavenumber, tags.shelf)
    score = constant + by_shelf * np.log(np.maximum(lead, 0.1)) + by_left * np.log(in_cm(left))
    score += by_own * np.log(np.maximum(tags.ahead, 0.1))
    return np.asarray(np.interp(score, SCORES, CHANCES), np.float64)


def astray_alone(left_m: Floats, peak_share: Floats) -> Floats:
    """Return the chance of tags placed each by itself to be at a wrong peak, shape (p,).

    Parameters
    ----------
    left_m : float64 array, shape (p,)
        Residual for the freedom that the fit took; NaN: not placed by phases.
    peak_share : float64 array, shape (p,)
    """
    told = np.isfinite(left_m)
    if not told.any():
        return np.zeros(len(left_m))
    constant, *powers = ALONE
    return np.where(told, expit(constant + alone_features(left_m, peak_share) @ np.array(powers)), 0.0)


def alone_features(left_m: Floats, peak_share: Floats) -> Floats:
    """Return what ``ALONE`` weighs, shape (p, 3); parameters as those of :func:`astray_alone`, some told."""
    run = float(np.log(in_cm(np.array(np.nanmedian(left_m)))))
    others = np.log(np.maximum(1.0 - peak_share, LEAST_SHARE))
    # However badly phases are explained, a clearer peak is not a worse one.
    product = min(run, float(np.log(SENSELESS_CM))) * others
    return np.stack([np.full(len(left_m), run), others, product], axis=1)


def interval_sigma(core_m: Floats, astray: Floats, astray_m: float | Floats = ASTRAY_M) -> Floats:
    """Return the bar whose 90 % interval holds 90 % of a normal error ``core_m`` that is, with a chance, ``astray_m``.

    Parameters
    ----------
    core_m, astray : float64 array, shape (p,)
    astray_m : float or float64 array, shape (p,)
    """
    wide = np.maximum(core_m, astray_m)
    low, high = Z90 * core_m, Z90 * wide * np.ones_like(astray)
    for _ in range(30):
        middle = 0.5 * (low + high)
        beyond = (1.0 - astray) * 2.0 * ndtr(-middle / core_m) + astray * 2.0 * ndtr(-middle / wide)
        low, high = np.where(beyond > 0.1, middle, low), np.where(beyond > 0.1, high, middle)
    return np.asarray(high / Z90, np.float64)


def pull_factor(
    shelf: Ints, offset_m: Floats, own: Floats, pull_m: Floats, unsure: float = PULL_SPREAD
) -> float:
    """Return by how much tags are pulled more than supposed, root mean square over its posterior.

    Of pairs up to some distance apart, those at distance ``d`` are as many as
    ``Phi((d - thin) / s) + Phi((-d - thin) / s)`` has it (``order.learn_order``), ``s^2`` being the sum of both tags'
    variances.

    Parameters
    ----------
    shelf, offset_m, own, pull_m : array, shape (n,)
        Shelf of each tag, its place, the variance that its fit states, and the supposed pull.
    unsure : float
        How wrong the supposed pull may be (log).
    """
    log_p = -0.5 * (np.log(FACTORS) / unsure) ** 2
    order = np.lexsort((offset_m, shelf))
    place, x = shelf[order], offset_m[order]
    step = np.diff(x)[np.diff(place) == 0] if len(x) else np.zeros(0)
    if len(step) >= FEWEST_STEPS and np.median(step) > 0.0:
        pitch = float(np.median(step))
        thin, near = THIN_SHARE * pitch, NEAR_SHARE * pitch
        gaps = [np.zeros(0)]
        for ahead in range(1, AHEAD + 2):
            gap = x[ahead:] - x[:-ahead]
            gaps.append(gap[(place[ahead:] == place[:-ahead]) & (gap < near)])
        gap = np.concatenate(gaps)
        gap = gap[:: max(len(gap) // MOST_PAIRS, 1)]
        share = PAIR_SHARE * min(PAIRS_WORTH / max(len(gap), 1), 1.0)
        at = np.linspace(0.0, near, 64)
        spread = np.sqrt(2.0 * float(np.median(own)) + 2.0 * (FACTORS * float(np.median(pull_m))) ** 2)
        log_lost = -0.5 * ((np.log(LOST) - np.log(USUAL_LOST)) / LOST_SPREAD) ** 2
        for i, s in enumerate(spread.tolist()):
            here, mean = pair_correlation(gap, s, thin), float(pair_correlation(at, s, thin).mean())
            kept = (1.0 - LOST)[:, None]
            told = np.log(((1.0 - kept) + kept * here) / ((1.0 - kept) + kept * mean)).sum(axis=1)
            log_p[i] += np.logaddexp.reduce(share * told + log_lost)
    chance = np.exp(log_p - log_p.max())
    return float(np.sqrt((chance * FACTORS**2).sum() / chance.sum()))


def in_cm(value: Floats | np.floating) -> Floats:
    """Return lengths in centimetres, none so short that its logarithm rules."""
    return np.maximum(100.0 * value, 0.02)


def _parts(value: Floats, shelf: Ints) -> list[Floats]:
    return [value[shelf == number] for number in range(int(shelf.max()) + 1)] if len(shelf) else []


def usual_of_shelf(value: Floats, shelf: Ints) -> Floats:
    """Return the median of each tag's shelf, shape (i,)."""
    return (
        np.array([np.median(part) for part in _parts(value, shelf)], np.float64)[shelf]
        if len(shelf)
        else value
    )
