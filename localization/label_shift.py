"""What labels fitted as reference tags say of a run: an error along the face, and what all of them may err by alike.

Between labels the error is a Gaussian process along the face: a constant, as wide as the run itself says it may be off,
and what poses wander by (kriging; Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Poses wander over about this way; by how much is looked for among these, against what the run shares in all.
WANDER_REACH_M = 1.0
WANDER_SHARES: Floats = np.array([0.02, 0.1, 0.3, 0.6])
#: Labels stand beside the uprights, whose metal pulls them by more or less than their bars say: looked for among these.
NOISE_FACTORS: Floats = np.array([0.7, 1.0, 1.4, 2.0, 2.8])
#: Labels hang alike, beside like metal, and are pulled alike: a deviation of so much of what they scatter by, which no
#: number of labels averages out.
ALIKE = 0.6
#: Labels scatter by no less than this share of their bars, and no more than so many times.
SCATTER_SHARES = (0.5, 3.0)
#: A residual beyond so many deviations counts no more than at them (Huber).
HUBER = 1.345
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class LabelFits:
    """Labels fitted at their own height and depth; ``n`` of them.

    Attributes
    ----------
    epc : object array of str, shape (n,)
    face : int64 array, shape (n,)
        Index into the plan's faces.
    offset_m : float64 array, shape (n,)
        Where the plan says they hang.
    error_m, sigma_m : float64 array, shape (n,)
        How far the fit lies from there, and its own bar.
    """

    epc: npt.NDArray[np.object_]
    face: Ints
    offset_m: Floats
    error_m: Floats
    sigma_m: Floats

    def __len__(self) -> int:
        return len(self.epc)

    def select(self, rows: npt.NDArray[np.bool_] | Ints) -> LabelFits:
        """Return some of them, by a mask or indices of shape (k,)."""
        return LabelFits(
            self.epc[rows], self.face[rows], self.offset_m[rows], self.error_m[rows], self.sigma_m[rows]
        )


@dataclass(frozen=True, slots=True)
class Shift:
    """What a run is off by along one face, as labels tell it.

    Attributes
    ----------
    labels_m, weight_m : float64 array, shape (n,)
        Offsets of the labels, and what each adds to the estimate by its covariance with a place.
    solved : float64 array, shape (n, n)
        Inverse covariance of the labels' errors.
    constant_m2, wander_m2 : float64
        Variances of the shift: alike along the face, and wandering.
    """

    labels_m: Floats
    weight_m: Floats
    solved: Floats
    constant_m2: float
    wander_m2: float

    def at(self, offset_m: Floats) -> tuple[Floats, Floats]:
        """Return the shift at places, and the deviation that is left, two of shape (m,)."""
        gain = _covariance(offset_m, self.labels_m, self.constant_m2, self.wander_m2)
        left = self.constant_m2 + self.wander_m2 - np.einsum("ij,jk,ik->i", gain, self.solved, gain)
        return gain @ self.weight_m, np.sqrt(np.maximum(left, 0.0))


def learn_shift(fits: LabelFits, shared_m: float, alike_m: float = 0.0) -> Shift:
    """Learn the shift along one face from its labels.

    Parameters
    ----------
    fits : LabelFits
        Of one face; one or more.
    shared_m : float
        What the run says that places of the face may be off by together.
    alike_m : float
        What the labels themselves may all be off by together.
    """
    variance = shared_m**2
    best, found = -math.inf, (0.5, 1.0)
    # How much wanders, and how much worse labels are than their bars, by marginal likelihood; few labels keep to one.
    for share in WANDER_SHARES.tolist():
        for factor in NOISE_FACTORS.tolist():
            value = (
                _evidence(fits, variance, share, factor, alike_m)
                - 0.5 * math.log(factor) ** 2 / math.log(2.0) ** 2
            )
            if value > best:
                best, found = value, (share, factor)
    share, factor = found
    noise = (factor * fits.sigma_m) ** 2
    weight = np.ones(len(fits))
    covariance = _covariance(fits.offset_m, fits.offset_m, (1.0 - share) * variance, share * variance)
    # Seen in the labels, but no part of what places are off by.
    seen = covariance + alike_m**2
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(seen + np.diag(noise / weight))
        told = inverse @ fits.error_m
        left = fits.error_m - seen @ told
        weight = np.minimum(1.0, HUBER * np.sqrt(noise) / np.maximum(np.abs(left), 1e-9))
    inverse = np.asarray(np.linalg.inv(seen + np.diag(noise / weight)), np.float64)
    return Shift(fits.offset_m, inverse @ fits.error_m, inverse, (1.0 - share) * variance, share * variance)


def _covariance(a_m: Floats, b_m: Floats, constant_m2: float, wander_m2: float) -> Floats:
    return constant_m2 + wander_m2 * np.exp(-0.5 * ((a_m[:, None] - b_m[None, :]) / WANDER_REACH_M) ** 2)


def _evidence(fits: LabelFits, variance: float, share: float, factor: float, alike_m: float) -> float:
    constant = (1.0 - share) * variance + alike_m**2
    covariance = _covariance(fits.offset_m, fits.offset_m, constant, share * variance)
    covariance += np.diag((factor * fits.sigma_m) ** 2)
    factored = np.linalg.cholesky(covariance)
    return float(
        -0.5 * np.sum(np.linalg.solve(factored, fits.error_m) ** 2) - np.log(np.diag(factored)).sum()
    )


def alike_sigma(fits: LabelFits) -> float:
    """Return what all labels may be off by together, by how much those of one face scatter against their bars."""
    if not len(fits):
        return 0.0
    away = [
        (own.error_m - np.median(own.error_m)) / own.sigma_m * np.sqrt(len(own) / (len(own) - 1.0))
        for own in (fits.select(fits.face == face) for face in np.unique(fits.face))
        if len(own) > 1
    ]
    # Single labels show no scatter: theirs is taken to be what their bars say.
    scatter = 1.4826 * float(np.median(np.abs(np.concatenate(away)))) if away else 1.0
    return ALIKE * float(np.clip(scatter, *SCATTER_SHARES)) * float(np.median(fits.sigma_m))
