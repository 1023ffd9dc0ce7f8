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

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from localization.scatterer_bars import Solution, combine, curve_sigma
from localization.scatterer_model import Joint
from localization.scatterer_pursuit import Ground, Start, curves_of, pursue
from localization.scatterer_row import Floats, Row, Scan, make_row, one_channel

__all__ = ["Row", "Scan", "ScatterFit", "fit_scatterers", "make_row", "one_channel"]

#: Fewer tags do not determine all that they share: a scatterer has four unknowns, a tag some eight independent samples.
FEWEST_TAGS = 5
#: Of these, so many and more are given two scatterers, as a row has two ends; fewer none.
FEWEST_SHARING, ENDS = 3, 2
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


def fit_scatterers(scan: Scan, depths: tuple[int, ...] = DEPTHS) -> ScatterFit:
    """Fit scatterers, tags' coupling and offsets on one thread.

    The matrices are small: a linear-algebra library that spreads them over all cores only waits for them.

    Parameters
    ----------
    scan : Scan
    depths : tuple of int
        Scatterers of each pursuit; ``(0,)``: none, each tag as if alone. Three or four tags are given two at most, and
        fewer none.

    Returns
    -------
    ScatterFit
    """
    with threadpool_limits(limits=1):
        return _fit_scatterers(one_channel(scan), depths)


def _fit_scatterers(row: Row, depths: tuple[int, ...]) -> ScatterFit:
    if max(depths) == 0 or len(row.signal) < FEWEST_TAGS:
        return _few(row, min(max(depths), ENDS) if len(row.signal) >= FEWEST_SHARING else 0)
    rng = np.random.default_rng(SEED)
    found = _solutions(row, _starts(row, depths, rng), rng)
    told = combine(found)
    return ScatterFit(
        offset_m=told.offset_m,
        sigma_m=told.sigma_m,
        common_m=told.common_m,
        height_m=told.best.z_m,
        unexplained=told.unexplained,
        gain=_held_out_gain(row, depths),
        scatterers_m=told.best.place_m,
        strength=told.best.strength,
    )


def _starts(row: Row, depths: tuple[int, ...], rng: np.random.Generator) -> list[Start]:
    """Run all pursuits, the best first."""
    grounds = (Ground(row, 0.0), Ground(row, 1.0))
    starts = [
        pursue(grounds[n % 2], most, CHANCE if n >= len(grounds) else 0.0, rng)
        for n, most in enumerate(depths)
    ]
    return sorted(starts, key=lambda s: s.cost)


def _solutions(row: Row, starts: list[Start], rng: np.random.Generator) -> list[Solution]:
    """Solve the best starts jointly, and what lies about the best of those."""
    found: list[Solution] = []
    solved: list[Joint] = []
    few = len(row.signal) <= FEW_TAGS
    for start in starts[: SOLVED if few else SOLVED // 2]:
        joint = Joint(row, start, coupled=True)
        joint.settle()
        solved.append(joint)
        found.append(_solution(joint))
    solved.sort(key=lambda joint: joint.cost)
    # Tags that do not answer one another are a simpler world, and may be the true one.
    simple = Joint(row, starts[0], coupled=False)
    simple.settle()
    found.append(_solution(simple))
    state = solved[0].state()
    for shift in SHIFTS_M:
        solved[0].load(state)
        solved[0].shift(shift)
        solved[0].settle()
        found.append(_solution(solved[0]))
    solved[0].load(state)
    price = WORTH_HEIGHT * len(row.signal)
    high = False
    for joint in solved[:TRIED]:
        before = joint.cost
        joint.rise(rng)
        found.append(_solution(joint, price))
        if joint.cost + price > before:
            break
        high = True
    if high and len(row.signal) <= MOST_RAISED_TAGS:
        found += [
            _raised(row, start, upright, price, rng) for start in starts[:RAISED] for upright in (False, True)
        ]
    return found


def _solution(joint: Joint, more: float = 0.0) -> Solution:
    return Solution(
        joint.x_m.copy(), joint.z_m.copy(), joint.sigma_m.copy(), joint.unexplained.copy(),
        joint.place_m.copy(), np.abs(joint.strength), joint.cost + more,
    )  # fmt: skip


def _raised(row: Row, start: Start, upright: bool, price: float, rng: np.random.Generator) -> Solution:
    """Solve one start with heights of its own."""
    joint = Joint(row, start, coupled=True)
    joint.upright = upright
    joint.settle()
    joint.rise(rng)
    return _solution(joint, price)


def _few(row: Row, most: int) -> ScatterFit:
    """Each tag by itself given ``most`` scatterers, averaged over two antenna patterns: neither is quite true."""
    found = [curves_of(ground, most) for ground in (Ground(row, 0.0), Ground(row, 1.0))]
    score = np.mean([curves for curves, _ in found], axis=0)
    offset = _peak(row.x_m, score)
    best = min((start for _, start in found), key=lambda start: start.cost)
    return ScatterFit(
        offset_m=offset,
        sigma_m=curve_sigma(row.x_m, score, offset),
        common_m=np.zeros(len(offset)),
        height_m=np.zeros(len(offset)),
        unexplained=Joint(row, dataclasses.replace(best, x_m=offset), coupled=False).unexplained,
        gain=0.0,
        scatterers_m=best.place_m,
        strength=np.abs(best.strength),
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
