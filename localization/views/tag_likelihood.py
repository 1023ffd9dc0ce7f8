"""The phases of one tag before its face, and how likely they make a place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.kernels import STUDENT_NU

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Offsets times observations worked on at once.
_CHUNK = 2_000_000
#: Depths and heights tried about the place named, and how likely such errors are.
OUT_M, UP_M = np.arange(-0.4, 0.401, 0.02), np.arange(-0.15, 0.151, 0.03)
OUT_SIGMA_M, UP_SIGMA_M = 0.15, 0.05
#: Scale of residuals to begin with.
USUAL_RAD = 0.6
_SCALE_ROUNDS = 20
#: and where it is held, as in ``kernels.refine``.
_LEAST_RAD, _MOST_RAD = 0.05, 1.5


@dataclass(frozen=True, slots=True)
class Heard:
    """The observations before the tag's own face, shape (m,): antenna in the face's frame, and what it heard."""

    u: Floats
    out: Floats
    up: Floats
    k: Floats
    phase: Floats
    weight: Floats
    group: Ints

    def residuals(self, offset_m: Floats, out_m: Floats, up_m: Floats) -> tuple[Floats, Floats]:
        """Return residuals (m, x) at each place, each group's constant at its best, and the coherence (x,).

        A place is an offset and how much farther from the antennas, and higher, the tag stands than named.
        """
        across2 = (self.out[:, None] + out_m) ** 2 + (self.up[:, None] - up_m) ** 2
        raw = self.phase[:, None] - self.k[:, None] * np.sqrt((self.u[:, None] - offset_m) ** 2 + across2)
        total = np.zeros((int(self.group.max()) + 1, raw.shape[1]), np.complex128)
        np.add.at(total, self.group, self.weight[:, None] * np.exp(1j * raw))
        return wrapped(raw - np.angle(total)[self.group]), np.abs(total).sum(axis=0) / self.weight.sum()

    def log_likelihood(
        self, offset_m: Floats, out_m: Floats, up_m: Floats, scale: float
    ) -> tuple[Floats, Floats]:
        """Return the Student-t log-likelihood (up to a constant) and the coherence at each place, two of shape (x,)."""
        log_p, coherence = np.zeros(len(offset_m)), np.zeros(len(offset_m))
        step = max(_CHUNK // max(len(self.u), 1), 1)
        for first in range(0, len(offset_m), step):
            part = slice(first, first + step)
            rest, coherence[part] = self.residuals(offset_m[part], out_m[part], up_m[part])
            loss = 0.5 * (STUDENT_NU + 1.0) * np.log1p((rest / scale) ** 2 / STUDENT_NU)
            log_p[part] = -(self.weight[:, None] * loss).sum(axis=0)
        return log_p, coherence

    def settled(self, offset_m: float) -> tuple[Heard, float]:
        """Return the same with depth and height at their likeliest for that offset, and how much farther off it is."""
        out, up = (axis.ravel() for axis in np.meshgrid(OUT_M, UP_M, indexing="ij"))
        log_p, _ = self.log_likelihood(np.full(len(out), offset_m), out, up, USUAL_RAD)
        best = int((log_p - 0.5 * (out / OUT_SIGMA_M) ** 2 - 0.5 * (up / UP_SIGMA_M) ** 2).argmax())
        return dataclasses.replace(self, out=self.out + out[best], up=self.up - up[best]), float(out[best])


def residual_scale(residual: Floats, weight: Floats) -> float:
    """Return the scale of Student-t residuals of those weights, shape (n,): fixed-point iterations of its equation."""
    scale = USUAL_RAD
    for _ in range(_SCALE_ROUNDS):
        robust = (STUDENT_NU + 1.0) / (STUDENT_NU + (residual / scale) ** 2)
        scale = float(np.sqrt((weight * robust * residual**2).sum() / weight.sum()))
        scale = min(max(scale, _LEAST_RAD), _MOST_RAD)
    return scale


def wrapped(phase: Floats) -> Floats:
    """Return phases in -pi..pi, same shape."""
    return phase - 2.0 * np.pi * np.floor(phase / (2.0 * np.pi) + 0.5)
