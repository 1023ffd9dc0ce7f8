"""Common scatterers: what a row's ends, uprights and tags re-radiate, fitted jointly with all tags' offsets.

In a densely read scan along a straight line the phase errors of neighbouring tags are not independent: every tag
hears the same few scatterers near the tags' plane and, closer than a wavelength, the other tags. One way, with
``k = 2 pi f / c``, antenna point ``a``, tag ``p_i``, scatterer ``q_s`` and ``G`` the antenna's pattern, what reaches
the tag is

    g_i(a) = G e^{-jk|a - p_i|} / |a - p_i| + sum_s rho_s e^{-jk|p_i - q_s|} G e^{-jk|a - q_s|} / |a - q_s|

and ``scatterer_fields`` adds what tags hear of one another. ``rho_s`` and ``q_s`` are the scan's. Once known, a
scatterer is no nuisance: its phase ranges the tag along the row.

The posterior has many peaks. ``scatterer_pursuit`` gives several starts; the best are solved jointly, moved along the
row by parts of a wavelength, solved with heights of their own where one line of height does not explain them, and all
that were found count by their posterior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from localization.bars import Z90
from localization.scatterer_model import Joint
from localization.scatterer_pursuit import Ground, Start, each_alone, pursue
from localization.scatterer_row import Floats, Row, Scan, make_row, one_channel

__all__ = ["Row", "Scan", "ScatterFit", "fit_scatterers", "make_row", "one_channel"]

#: Fewer tags do not determine what they share: a scatterer has four unknowns, a tag some eight independent samples.
FEWEST_TAGS = 5
#: Scatterers of each pursuit, in turn without and with the antenna's pattern.
DEPTHS = (6, 6, 8, 8, 5, 5)
#: Chance in the choice of scatterers, from the third pursuit on.
CHANCE = 0.15
#: How many of them are solved jointly, in rows of so many tags (half of them beyond: many tags settle one another), and
#: how far the best is moved along the row.
SOLVED, FEW_TAGS = 6, 12
SHIFTS_M = (-0.14, -0.07, 0.07, 0.14)
#: Heights are freed where that lowers the cost by so much a tag. Where it does for the best of so many solutions, so
#: many starts are solved with heights, and their scatterers once as points and once as posts; in rows of more tags,
#: which settle one another and whose work grows with their cube, no more than those tried.
WORTH_HEIGHT = 1.5
TRIED, RAISED = 2, 5
MOST_RAISED_TAGS = 30
#: Costs are of correlated data and a model that is not quite true: a solution counts by exp(-cost / so much).
TEMPER, TEMPER_WITH_HEIGHTS = 20.0, 10.0
#: What stays in a tag's offset whatever the fit says: its own phase centre.
TAG_SIGMA_M = 0.0095
#: Factor on the bars that curvature gives, which count beside the spread of solutions: on simulated slides of 10 to
#: 4 cm pitch, with 10, 20 and all readings a tag, intervals of 90 % then hold 87 to 98 %.
WIDER = 0.7
#: And once more where heights are free, which trade against offsets by more than curvature tells.
WIDER_WITH_HEIGHTS = 2.5
#: Solutions and peaks farther off than this widen a bar no more.
FARTHEST_M = 0.3
#: Share of its log posterior that a tag matched alone is believed: free space is not what it hears.
ALONE_SHARE = 0.7
#: A tag that the model explains badly may sit on a wrong peak: this times the square of the share it leaves.
MISFIT_M = 1.2
#: Every so many stops one is held out to judge whether scatterers explain anything; of each energy so much is noise.
HOLD_OUT = 4
HELD_FLOOR = 0.05
SEED = 7


@dataclass(frozen=True, slots=True)
class ScatterFit:
    """Offsets of a scan's tags.

    Attributes
    ----------
    offset_m, sigma_m : float64 array, shape (i,)
    common_m : float64 array, shape (i,)
        What the row may be off by as a whole, beside ``sigma_m``.
    height_m : float64 array, shape (i,)
        Above the plane's line, up and down alike; 0 where one line explains all tags.
    unexplained : float64 array, shape (i,)
        Share of the tag's energy that the model leaves.
    gain : float
        By how much scatterers lower the log of the unexplained share of the stops held out, mean over tags; 0 where
        none were sought.
    scatterers_m : float64 array, shape (s, 2)
        Along the row, and depth behind the tags' plane.
    strength : float64 array, shape (s,)
        Amplitude of what each throws back, against the way straight from the antenna.
    """

    offset_m: Floats
    sigma_m: Floats
    common_m: Floats
    height_m: Floats
    unexplained: Floats
    gain: float
    scatterers_m: Floats
    strength: Floats


@dataclass(frozen=True, slots=True)
class _Solution:
    x_m: Floats
    z_m: Floats
    sigma_m: Floats
    unexplained: Floats
    place_m: Floats
    strength: Floats
    cost: float

    @classmethod
    def of(cls, joint: Joint, more: float = 0.0) -> _Solution:
        return cls(
            joint.x_m.copy(), joint.z_m.copy(), joint.sigma_m.copy(), joint.unexplained.copy(),
            joint.place_m.copy(), np.abs(joint.strength), joint.cost + more,
        )  # fmt: skip


def fit_scatterers(scan: Scan, depths: tuple[int, ...] = DEPTHS) -> ScatterFit:
    """Fit scatterers, tags' coupling and offsets on one thread.

    The matrices are small: a linear-algebra library that spreads them over all cores only waits for them.

    Parameters
    ----------
    scan : Scan
    depths : tuple of int
        Scatterers of each pursuit; ``(0,)``: none, each tag as if alone, as fewer than five tags are taken anyhow.

    Returns
    -------
    ScatterFit
    """
    with threadpool_limits(limits=1):
        return _fit_scatterers(one_channel(scan), depths)


def _fit_scatterers(row: Row, depths: tuple[int, ...]) -> ScatterFit:
    if max(depths) == 0 or len(row.signal) < FEWEST_TAGS:
        return _alone(row)
    rng = np.random.default_rng(SEED)
    found = _solutions(row, _starts(row, depths, rng), rng)
    cost = np.array([s.cost for s in found])
    best = found[int(cost.argmin())]
    weight = np.exp(-(cost - cost.min()) / (TEMPER_WITH_HEIGHTS if best.z_m.any() else TEMPER))
    weight /= weight.sum()
    x = np.array([s.x_m for s in found])
    offset = _weighted_median(x, weight)
    unexplained = weight @ np.array([s.unexplained for s in found])
    away = np.clip(x - offset, -FARTHEST_M, FARTHEST_M)
    spread = np.array([_spread(s) for s in found])
    # A row that is moved along with its scatterers explains nearly as much: that part of what solutions differ by all
    # its tags share.
    own = _mixture_sigma(weight, away - np.median(away, axis=1, keepdims=True), spread)
    whole = np.maximum(_mixture_sigma(weight, away, spread), own)
    return ScatterFit(
        offset_m=offset,
        sigma_m=own,
        common_m=np.sqrt(whole**2 - own**2),
        height_m=best.z_m,
        unexplained=unexplained,
        gain=_held_out_gain(row, depths),
        scatterers_m=best.place_m,
        strength=best.strength,
    )


def _spread(solution: _Solution) -> Floats:
    """Return the deviation of each tag's offset about a solution, shape (i,)."""
    wider = WIDER * (WIDER_WITH_HEIGHTS if solution.z_m.any() else 1.0)
    misfit = np.minimum(MISFIT_M * solution.unexplained**2, FARTHEST_M)
    return np.sqrt((wider * solution.sigma_m) ** 2 + misfit**2 + TAG_SIGMA_M**2)


def _mixture_sigma(weight: Floats, away_m: Floats, spread_m: Floats) -> Floats:
    """Return the bar whose 90 % interval holds 90 % of a mixture of normal errors, shape (i,).

    A far solution of little weight does not widen it, as it would a standard deviation.

    Parameters
    ----------
    weight : float64 array, shape (s,)
    away_m, spread_m : float64 array, shape (s, i)
        Mean and deviation of each solution's error.
    """
    low, high = np.zeros(away_m.shape[1]), np.full(away_m.shape[1], 1.0)
    for _ in range(30):
        middle = 0.5 * (low + high)
        beyond = weight @ (ndtr((away_m - middle) / spread_m) + ndtr((-middle - away_m) / spread_m))
        low, high = np.where(beyond > 0.1, middle, low), np.where(beyond > 0.1, high, middle)
    return np.asarray(high / Z90, np.float64)


def _starts(row: Row, depths: tuple[int, ...], rng: np.random.Generator) -> list[Start]:
    """Run all pursuits, the best first."""
    grounds = (Ground(row, 0.0), Ground(row, 1.0))
    starts = [
        pursue(grounds[n % 2], most, CHANCE if n >= len(grounds) else 0.0, rng)
        for n, most in enumerate(depths)
    ]
    return sorted(starts, key=lambda s: s.cost)


def _solutions(row: Row, starts: list[Start], rng: np.random.Generator) -> list[_Solution]:
    """Solve the best starts jointly, and what lies about the best of those."""
    found: list[_Solution] = []
    solved: list[Joint] = []
    few = len(row.signal) <= FEW_TAGS
    for start in starts[: SOLVED if few else SOLVED // 2]:
        joint = Joint(row, start, coupled=True)
        joint.settle()
        solved.append(joint)
        found.append(_Solution.of(joint))
    solved.sort(key=lambda joint: joint.cost)
    # Tags that do not answer one another are a simpler world, and may be the true one.
    simple = Joint(row, starts[0], coupled=False)
    simple.settle()
    found.append(_Solution.of(simple))
    state = solved[0].state()
    for shift in SHIFTS_M:
        solved[0].load(state)
        solved[0].shift(shift)
        solved[0].settle()
        found.append(_Solution.of(solved[0]))
    solved[0].load(state)
    price = WORTH_HEIGHT * len(row.signal)
    high = False
    for joint in solved[:TRIED]:
        before = joint.cost
        joint.rise(rng)
        found.append(_Solution.of(joint, price))
        if joint.cost + price > before:
            break
        high = True
    if high and len(row.signal) <= MOST_RAISED_TAGS:
        found += [
            _raised(row, start, upright, price, rng) for start in starts[:RAISED] for upright in (False, True)
        ]
    return found


def _raised(row: Row, start: Start, upright: bool, price: float, rng: np.random.Generator) -> _Solution:
    """Solve one start with heights of its own."""
    joint = Joint(row, start, coupled=True)
    joint.upright = upright
    joint.settle()
    joint.rise(rng)
    return _Solution.of(joint, price)


def _alone(row: Row) -> ScatterFit:
    """Each tag by itself in free space, the log posterior averaged over two patterns, as neither is quite true."""
    grounds = (Ground(row, 0.0), Ground(row, 1.0))
    score = np.mean([each_alone(ground) for ground in grounds], axis=0)
    offset = _peak(row.x_m, score)
    posterior = np.exp(ALONE_SHARE * (score - score.max(axis=1, keepdims=True)))
    away = np.minimum(np.abs(row.x_m - offset[:, None]), FARTHEST_M)
    spread = (posterior * away**2).sum(axis=1) / posterior.sum(axis=1)
    start = Start(offset, np.zeros((0, 2)), np.zeros(0, np.complex128), 0.0)
    return ScatterFit(
        offset_m=offset,
        sigma_m=np.sqrt(spread + TAG_SIGMA_M**2),
        common_m=np.zeros(len(offset)),
        height_m=np.zeros(len(offset)),
        unexplained=Joint(row, start, coupled=False).unexplained,
        gain=0.0,
        scatterers_m=np.zeros((0, 2)),
        strength=np.zeros(0),
    )


def _peak(x: Floats, curve: Floats) -> Floats:
    """Return where each row of ``curve`` is largest, by the parabola through the three best points."""
    j = np.clip(curve.argmax(axis=1), 1, len(x) - 2)
    row = np.arange(len(j))
    a, b, c = curve[row, j - 1], curve[row, j], curve[row, j + 1]
    shift = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-12)
    return x[j] + (x[1] - x[0]) * np.clip(shift, -1.0, 1.0)


def _held_out_gain(row: Row, depths: tuple[int, ...]) -> float:
    """Fit without every fourth stop, and see what the scatterers explain of those."""
    held = np.zeros(len(row.u_m), bool)
    held[np.argsort(row.u_m)[HOLD_OUT // 2 :: HOLD_OUT]] = True
    rest = row.without(held)
    rng = np.random.default_rng(SEED)
    grounds = (Ground(rest, 0.0), Ground(rest, 1.0))
    # Without scatterers, the better of the two antennas: a wrong pattern must not pass for scatterers found.
    plain = [
        _mean_log(_left(rest, row, pursue(ground, 0, 0.0, rng), ground.exponent, held)) for ground in grounds
    ]
    joints: list[Joint] = []
    for ground in grounds:
        joint = Joint(rest, pursue(ground, max(depths[:2]), 0.0, rng), coupled=True)
        joint.settle()
        joints.append(joint)
    best = min(joints, key=lambda joint: joint.cost)
    return min(plain) - _mean_log(best.left_of(row, held))


def _left(rest: Row, row: Row, start: Start, exponent: float, held: npt.NDArray[np.bool_]) -> Floats:
    """Return the share of the held-out energy that free space leaves, each tag's factor being that of the rest."""
    d = np.hypot(row.u_m - start.x_m[:, None], row.h_m)
    field = np.asarray(((row.h_m / d) ** exponent / d) ** 2 * np.exp(-2j * row.k * d), np.complex128)
    heard = rest.heard
    factor = (field.conj() * row.signal * heard).sum(axis=1)
    factor = factor / np.maximum((np.abs(field * heard) ** 2).sum(axis=1), 1e-30)
    out = row.heard * held
    left = (np.abs(row.signal - factor[:, None] * field) ** 2 * out).sum(axis=1)
    energy = (np.abs(row.signal) ** 2 * out).sum(axis=1)
    return np.where(energy > 0, left / np.maximum(energy, 1e-30), np.nan)


def _mean_log(share: Floats) -> float:
    heard = np.isfinite(share)
    # A held-out stop that the fit misses by more than its energy says no more than one missed by all of it.
    return float(np.log(np.minimum(share[heard], 1.0) + HELD_FLOOR).mean()) if heard.any() else 0.0


def _weighted_median(values: Floats, weight: Floats) -> Floats:
    """Return the median of each column, rows counting by weight; between the two middle ones linearly."""
    order = np.argsort(values, axis=0)
    ordered = np.take_along_axis(values, order, 0)
    share = np.cumsum(weight[order], axis=0) - 0.5 * weight[order]
    return np.array([np.interp(0.5, share[:, i], ordered[:, i]) for i in range(values.shape[1])])
