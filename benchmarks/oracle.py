"""What an estimator that knew everything but the place could reach on a simulated library.

The oracle gets the same readings as every method, and is told

* the true poses and times, each antenna's phase centre, every cable;
* the tag's face, depth and height: only its place along the face is unknown, and the tag's own phase;
* the law of the residuals, as the simulated library itself has it: how large they are at which received power, and
  how they correlate along the track at one antenna and between antennas.

It places a tag by generalised least squares on the wrapped phases,

    minimise  r(x, c)^T C^-1 r(x, c),    r_n = wrap(theta_n - f_n(x) - c),

from the true place downhill, so that it never takes a wrong peak, and never looks farther than ``REACH_M``. It is
told no two tags' joint law: an estimator that compares neighbours, or finds the metal that they share, may pass it.

``f`` is what the oracle expects of a place: ``k_n d_n(x)`` of the straight way, or the phase of a known field, metal
and neighbours included (:class:`benchmarks.known_field.KnownField`). The residuals' law is learnt anew for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

from benchmarks.peers.views import View, to_positions, views
from benchmarks.simulated import places_of, way_m
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Model = Callable[[View, float, float, float], Floats]
"""The phases expected of a view's tag along the face, behind the plan's tag plane and above the floor, but for one
constant."""

LENGTHS_M: Final = np.array([0.02, 0.04, 0.08, 0.16, 0.32, 0.64])
BINS_M: Final = np.concatenate([[0.0, 0.005], np.arange(0.015, 1.0, 0.01)])
POWER_DB: Final = np.array([-21.0, -18.0, -15.0, -12.0, -9.0, -6.0, -3.0, 0.0])
REACH_M: Final = 0.10
BESIDE_M: Final = 1.5  # along the face from where the tag was heard best: all of its own aisle's readings
STEPS: Final = 30
SLOPE_M: Final = 5e-4  # to either side, for the slope of the expected phases
PAIRS_PER_TAG: Final = 4000
LEAST: Final = 3
"""Readings without which a tag's place and phase leave nothing over."""


@dataclass(frozen=True, slots=True)
class ResidualLaw:
    """How large residuals are, and how alike.

    Attributes
    ----------
    sigma_rad : float64[len(POWER_DB)]
        Standard deviation by received power, relative to the tag's strongest reading.
    own, shared : float64[len(LENGTHS_M)]
        Share of the variance that is alike over each of ``LENGTHS_M`` at one antenna, and at all of them; the rest is
        each reading's own.
    """

    sigma_rad: Floats
    own: Floats
    shared: Floats

    def covariance(self, view: View, antenna: Ints) -> Floats:
        """Return the residuals' covariance, shape (n, n)."""
        apart = (view.along_m[:, None] - view.along_m) / LENGTHS_M[:, None, None]
        alike = np.exp(-0.5 * apart**2)
        share = np.tensordot(self.shared, alike, 1)
        share += (antenna[:, None] == antenna) * np.tensordot(self.own, alike, 1)
        share += np.eye(len(view)) * max(1.0 - self.own.sum() - self.shared.sum(), 0.01)
        sigma = self.sigma(view)
        return share * sigma[:, None] * sigma

    def sigma(self, view: View) -> Floats:
        """Return each reading's standard deviation, shape (n,)."""
        return np.interp(view.rssi_dbm - view.rssi_dbm.max(), POWER_DB, self.sigma_rad)


def straight(view: View, along_m: float, depth_m: float, height_m: float) -> Floats:
    """Return the phases of the straight way, shape (n,)."""
    return view.wavenumber * way_m(view, along_m, depth_m, height_m)


def locate(exact: Recording, plan: Plan, model: Model = straight) -> Positions:
    """Place every tag of a library's exact recording that was heard three times or more.

    Parameters
    ----------
    exact : Recording
        With truth.
    plan : Plan
    model : callable
        What phases are expected of a place.
    """
    if exact.truth is None:
        raise ValueError(f"{exact.info.run_id}: no truth, and the oracle starts from it")
    seen = views(exact, plan, minimum=LEAST, beside_m=BESIDE_M)
    places = places_of(seen, exact.truth)
    antennas = [_antennas(view) for view in seen]
    law = learn_law(seen, places, antennas, model)
    found = [
        place(view, where, law.covariance(view, antenna), model)
        for view, where, antenna in zip(seen, places, antennas, strict=True)
    ]
    positions = to_positions(
        seen, [x for x, _ in found], [height for _, _, height in places], [depth for _, depth, _ in places]
    )
    positions.sigma_along_m[:] = positions.sigma_local_m[:] = [sigma for _, sigma in found]
    return positions


def place(
    view: View, true: tuple[float, float, float], covariance: Floats, model: Model = straight
) -> tuple[float, float]:
    """Return the place along the face and its standard deviation by Gauss-Newton from the true place."""
    x, depth, height = true
    factor = cho_factor(covariance)
    constant = np.angle(np.mean(np.exp(1j * (view.phase_rad - model(view, *true)))))
    normal = np.eye(2)
    for _ in range(STEPS):
        misfit = _wrapped(view.phase_rad - model(view, x, depth, height) - constant)
        ahead, behind = (model(view, x + step, depth, height) for step in (SLOPE_M, -SLOPE_M))
        slopes = np.stack([_wrapped(ahead - behind) / (2 * SLOPE_M), np.ones(len(view))], axis=1)
        weighted = cho_solve(factor, slopes)
        normal = slopes.T @ weighted
        step = np.linalg.solve(normal, weighted.T @ misfit)
        x = float(np.clip(x + np.clip(step[0], -0.02, 0.02), true[0] - REACH_M, true[0] + REACH_M))
        constant += step[1]
        if abs(step[0]) < 1e-6:
            break
    return x, float(np.sqrt(np.linalg.inv(normal)[0, 0]))


def learn_law(
    seen: list[View],
    places: list[tuple[float, float, float]],
    antennas: list[Ints],
    model: Model = straight,
    seed: int = 1,
) -> ResidualLaw:
    """Return the residuals' law over all tags of a library, from their true places."""
    rng = np.random.default_rng(seed)
    left = [_residual(view, model(view, *where)) for view, where in zip(seen, places, strict=True)]
    power = np.concatenate([view.rssi_dbm - view.rssi_dbm.max() for view in seen])
    nearest = np.argmin(np.abs(power[:, None] - POWER_DB), axis=1)
    squares, every = np.concatenate(left) ** 2, np.bincount(nearest, minlength=len(POWER_DB))
    variance = np.bincount(nearest, squares, len(POWER_DB)) + 30 * squares.mean()
    sigma = np.sqrt(variance / (every + 30))
    half = ResidualLaw(sigma, np.zeros(len(LENGTHS_M)), np.zeros(len(LENGTHS_M)))

    total, number = np.zeros((2, len(BINS_M))), np.zeros((2, len(BINS_M)))
    for view, r, antenna in zip(seen, left, antennas, strict=True):
        n = len(view)
        a, b = rng.integers(0, n, (2, min(PAIRS_PER_TAG, n * n)))
        a, b = a[a != b], b[a != b]
        z = r / half.sigma(view)
        bins = np.searchsorted(BINS_M, np.abs(view.along_m[a] - view.along_m[b]), side="right") - 1
        same = (antenna[a] == antenna[b]).astype(np.int64)
        np.add.at(total, (same, bins), z[a] * z[b])
        np.add.at(number, (same, bins), 1.0)
    middle = np.append((BINS_M[:-1] + BINS_M[1:]) / 2, BINS_M[-1])
    curve = np.exp(-0.5 * (middle[:, None] / LENGTHS_M) ** 2)
    shared = _fit(curve, total[0], number[0], np.zeros(len(middle)))
    own = _fit(curve, total[1], number[1], curve @ shared)
    scale = max(1.0, (shared.sum() + own.sum()) / 0.99)
    return ResidualLaw(sigma, own / scale, shared / scale)


def _fit(curve: Floats, total: Floats, number: Floats, known: Floats) -> Floats:
    """Return shares, none negative, so that the covariance is one: a sum of Gaussian bells fitted to products."""
    some = number > 0
    weight = np.sqrt(number[some])
    measured = total[some] / number[some] - known[some]
    return nnls(curve[some] * weight[:, None], measured * weight)[0]


def _residual(view: View, expected: Floats) -> Floats:
    """Return what is left of the phases when the expected ones and one constant are taken off, wrapped."""
    turn = np.exp(1j * (view.phase_rad - expected))
    return np.angle(turn * np.conj(turn.mean()))


def _wrapped(phase_rad: Floats) -> Floats:
    return np.angle(np.exp(1j * phase_rad))


def _antennas(view: View) -> Ints:
    return np.unique(np.round(view.height_m, 3), return_inverse=True)[1]
