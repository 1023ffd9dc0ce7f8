"""The fit of two neighbours' difference in plain numpy, one pair at a time: what the compiled one is held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.difference_kernels import GRID_HALF, GRID_STEP_M, STEPS
from localization.kernels import STUDENT_NU

Floats = npt.NDArray[np.float64]
Columns = tuple[npt.NDArray[np.float64], ...]


def fit_difference(
    one: Columns, other: Columns, place: Floats, reach_m: float, depth_sigma_m: float, height_sigma_m: float
) -> Floats:
    """Return the five results of one pair, see ``difference_kernels.fit_differences``.

    Parameters
    ----------
    one, other : tuple of float64 array
        ``u, h, z, k, phase, weight, antenna, way, group, cell`` of either candidate.
    """
    a, b = np.nonzero(
        (one[6][:, None] == other[6]) & (np.abs(one[7][:, None] - other[7]) < reach_m)
        & (one[5][:, None] * other[5] > 0)
    )  # fmt: skip
    if len(a) == 0:
        return np.full(5, np.nan)
    near, far = [c[a] for c in one], [c[b] for c in other]
    gap1 = np.stack([near[0] - place[0], near[1] + place[1], near[2] - place[2]], axis=1)
    gap2 = np.stack([far[0] - place[3], far[1] + place[4], far[2] - place[5]], axis=1)
    d1, d2 = np.linalg.norm(gap1, axis=1) + 1e-9, np.linalg.norm(gap2, axis=1) + 1e-9
    turn = (far[4] - far[3] * d2) - (near[4] - near[3] * d1)
    jacobian = np.array([-0.5, 0.5, -0.5]) * (gap1 + gap2) * ((near[3] + far[3]) / (d1 + d2))[:, None]
    _, cell = np.unique(np.stack([near[8], near[9]]), axis=1, return_inverse=True)
    names, group = np.unique(near[8], return_inverse=True)
    weight = np.sqrt(near[5] * far[5]) * (1 - ((far[7] - near[7]) / reach_m) ** 2)
    weight = weight / np.maximum(np.bincount(cell, weight), 1.0)[cell]
    member = group[:, None] == np.arange(len(names))

    grid = GRID_STEP_M * np.arange(-GRID_HALF, GRID_HALF + 1)
    waves = weight[:, None] * np.exp(1j * (turn[:, None] - jacobian[:, :1] * grid))
    here = np.array([grid[np.abs(member.T @ waves).sum(axis=0).argmax()], 0.0, 0.0])
    prior = np.diag([0.0, 1 / depth_sigma_m**2, 1 / height_sigma_m**2])
    robust, scale = np.ones(len(turn)), 0.6
    step = 0
    while True:
        residual = turn - jacobian @ here
        constant = np.angle(member.T @ (weight * robust * np.exp(1j * residual)))
        residual = np.mod(residual - constant[group] + np.pi, 2 * np.pi) - np.pi
        robust = (STUDENT_NU + 1) / (STUDENT_NU + (residual / scale) ** 2)
        scale = float(np.clip(np.sqrt((weight * robust * residual**2).sum() / weight.sum()), 0.05, 1.5))
        robust = (STUDENT_NU + 1) / (STUDENT_NU + (residual / scale) ** 2)
        w = weight * robust
        centred = jacobian - ((member * w[:, None]).T @ jacobian / (member.T @ w)[:, None])[group]
        w = w / scale**2
        normal = (centred * w[:, None]).T @ centred + prior + np.diag([1e-6, 0.0, 0.0])
        if step == STEPS:
            break
        pull = (centred * w[:, None]).T @ residual - prior @ here
        here = here + np.clip(np.linalg.solve(normal, pull), -0.02, 0.02)
        step += 1
    inverse = np.linalg.inv(normal)
    meat = (np.bincount(cell, w * residual * (centred @ inverse[0])) ** 2).sum()
    return np.array([here[0], max(inverse[0, 0], meat), scale, cell.max() + 1, len(names)], np.float64)
