"""What the readings of a tag in free space allow: the Cramer-Rao bound, the likeliest place, the whole posterior.

All are told poses, antennas, cables, antennas' phases, every reading's noise, and how depth and height spread on the
tag's shelf. The bound holds while the likeliest peak is the right one; the posterior along the face, by numerical
integration, knows of the other peaks as well: no estimator with the same knowledge has a smaller mean square error
than its mean (Van Trees, *Detection, Estimation, and Modulation Theory I*, 1968, section 2.4.1), and none is on the
right peak more often than its highest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import i0e

from benchmarks.peers.views import View
from benchmarks.simulated import way_m

Floats = npt.NDArray[np.float64]
Place = tuple[float, float, float]
"""Along the face, behind the plane of the tags, above the floor."""

WRONG_M, WRONG_BOUNDS = 0.03, 3.5
"""An error beyond both is another peak's: a normal one is beyond 3.5 bounds once in two thousand times."""
REACH_M, GRID_M = 0.5, 0.005
"""How far from where the tag was heard best is looked, and how fine."""
FINE_M: Final = 0.0005
"""Steps of the integral."""
ALONE: Final = 1e-6
"""Where other peaks have less of a chance, the one is as good as normal: its top and the bound serve."""
NEGLIGIBLE: Final = 30.0
"""Places by so much less likely than the best one carry nothing."""
NODES: Final = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))
"""Depth and height in deviations, and their weights: Gauss-Hermite quadrature of three points."""
POLISH: Final = 10
CENTRE_SIGMA_M: Final = 0.18
"""A tag is heard best before it: the spread of the centroid of received power, which all are told."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What a tag's readings tell whoever knows all but its place.

    Attributes
    ----------
    bound_m : float
        The Cramer-Rao bound.
    likeliest_m, mean_m : float
        Error along the face of the maximum likelihood, and of the posterior's mean.
    sigma_m : float
        The posterior's own standard deviation.
    wrong : float
        The posterior's chance that the likeliest place is another peak's.
    """

    bound_m: float
    likeliest_m: float
    mean_m: float
    sigma_m: float
    wrong: float


def reached(
    view: View, place: Place, height_m: float, sigma_rad: Floats, spread_m: tuple[float, float]
) -> Reached:
    """Return what a tag's readings tell.

    Parameters
    ----------
    view : View
        The tag's readings, cables and antennas' phases taken off.
    place : tuple of float
        Where it is.
    height_m : float
        Mean height of its shelf's tags.
    sigma_rad : float64 array, shape (n,)
        Noise of each reading.
    spread_m : pair of float
        How depth and height spread.
    """
    bound = bound_m(view, place, sigma_rad, spread_m)
    best = most_likely(view, height_m, sigma_rad, spread_m)
    x, p = posterior(view, height_m, sigma_rad, spread_m)
    away = np.abs(x - best)
    wrong = float(p[(away > WRONG_M) & (away > WRONG_BOUNDS * bound)].sum())
    if wrong < ALONE:
        return Reached(bound, best - place[0], best - place[0], bound, 0.0)
    mean = float(p @ x)
    return Reached(bound, best - place[0], mean - place[0], float(np.sqrt(p @ (x - mean) ** 2)), wrong)


def bound_m(view: View, place: Place, sigma_rad: Floats, spread_m: tuple[float, float]) -> float:
    """Return a tag's bound along the face, given how depth and height spread."""
    slopes = _slopes(view, place) / sigma_rad[:, None]
    information = slopes.T @ slopes + _prior(spread_m)
    return float(np.sqrt(np.linalg.inv(information)[0, 0]))


def most_likely(view: View, height_m: float, sigma_rad: Floats, spread_m: tuple[float, float]) -> float:
    """Return where along the face a tag most likely stands, by trying everywhere.

    Depth and height are summed over, the phase is taken at its best; the highest place is then polished
    by least squares.
    """
    weight = 1.0 / sigma_rad**2
    x, centre = _places(view)
    total = _log_likelihood(view, x, height_m, weight, spread_m)
    best = float(x[(total - 0.5 * ((x - centre) / CENTRE_SIGMA_M) ** 2).argmax()])
    here = np.array([best, 0.0, height_m, 0.0])
    for step in range(POLISH):
        place = float(here[0]), float(here[1]), float(here[2])
        left = view.phase_rad - view.wavenumber * way_m(view, *place)
        if step == 0:
            here[3] = np.angle((weight * np.exp(1j * left)).sum())
        left = np.angle(np.exp(1j * (left - here[3])))
        slopes = _slopes(view, place)
        away = here - np.array([0.0, 0.0, height_m, 0.0])
        pull = slopes.T @ (weight * left) - _prior(spread_m) @ away * np.array([0.0, 1.0, 1.0, 0.0])
        move = np.linalg.solve(slopes.T @ (weight[:, None] * slopes) + _prior(spread_m), pull)
        here += np.clip(move, [-0.02, -0.02, -0.02, -1.0], [0.02, 0.02, 0.02, 1.0])
    return float(here[0])


def posterior(
    view: View, height_m: float, sigma_rad: Floats, spread_m: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return places along the face and their probabilities, two of shape (x,); zero where none are named.

    Depth, height and the tag's phase are integrated out. A reading's phase is taken to err by the von Mises law
    whose mean resultant is that of normal errors as wide, which is their law on the circle to the second order
    (Mardia & Jupp, *Directional Statistics*, 2000, section 3.5.4).
    """
    weight = _concentration(sigma_rad)
    coarse, centre = _places(view)

    def value(x: Floats) -> Floats:
        near = -0.5 * ((x - centre) / CENTRE_SIGMA_M) ** 2
        return _log_likelihood(view, x, height_m, weight, spread_m, integrated=True) + near

    rough = value(coarse)
    kept = coarse[rough > rough.max() - NEGLIGIBLE]
    many = round(GRID_M / FINE_M)
    fine = (kept[:, None] + FINE_M * (np.arange(many) - 0.5 * (many - 1))).ravel()
    log_p = value(fine)
    p = np.exp(log_p - log_p.max())
    return fine, np.asarray(p / p.sum(), np.float64)


def noise_rad(view: View, noise: float) -> Floats:
    """Return the receiver's noise by the simulator's law (measured on the public slide scans)."""
    return noise * np.sqrt(1e-4 + (0.056 * 10 ** (-(view.rssi_dbm + 62.5) / 20)) ** 2)


def _places(view: View) -> tuple[Floats, float]:
    """Return the places looked at, and the centroid of received power."""
    power = 10.0 ** (view.rssi_dbm / 10.0)
    centre = float((power * view.along_m).sum() / power.sum())
    return np.arange(centre - REACH_M, centre + REACH_M, GRID_M), centre


def _log_likelihood(
    view: View,
    x: Floats,
    height_m: float,
    weight: Floats,
    spread_m: tuple[float, float],
    *,
    integrated: bool = False,
) -> Floats:
    """Return the log-likelihood of places, depth and height integrated; the phase at its best, or integrated too."""
    total = np.full(len(x), -np.inf)
    along = (view.along_m[:, None] - x) ** 2
    for a, share_a in NODES:
        for b, share_b in NODES:
            across = (a * spread_m[0] + view.away_m) ** 2 + (height_m + b * spread_m[1] - view.height_m) ** 2
            phase = view.phase_rad[:, None] - view.wavenumber[:, None] * np.sqrt(along + across[:, None])
            length = np.abs((weight[:, None] * np.exp(1j * phase)).sum(axis=0))
            value = length - weight.sum()
            if integrated:
                value = value + np.log(i0e(length))
            total = np.logaddexp(total, value + np.log(share_a * share_b))
    return total


def _concentration(sigma_rad: Floats) -> Floats:
    """Return the von Mises concentration whose mean resultant is ``exp(-sigma^2 / 2)``.

    Fisher, *Statistical Analysis of Circular Data*, 1993, section 4.5.5.
    """
    r = np.exp(-0.5 * sigma_rad**2)
    low = 2 * r + r**3 + 5 * r**5 / 6
    middle = -0.4 + 1.39 * r + 0.43 / (1 - r)
    high = 1 / (r**3 - 4 * r**2 + 3 * r)
    return np.asarray(np.where(r < 0.53, low, np.where(r < 0.85, middle, high)), np.float64)


def _slopes(view: View, place: Place) -> Floats:
    """Return how the phases change with place, depth, height and the tag's phase, shape (n, 4)."""
    gap = np.stack([place[0] - view.along_m, place[1] + view.away_m, place[2] - view.height_m], axis=1)
    return np.column_stack(
        [view.wavenumber[:, None] * gap / way_m(view, *place)[:, None], np.ones(len(view))]
    )


def _prior(spread_m: tuple[float, float]) -> Floats:
    return np.diag([1e-6, spread_m[0] ** -2, spread_m[1] ** -2, 1e-9])
