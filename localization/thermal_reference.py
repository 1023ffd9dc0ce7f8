"""The thermal least squares in plain numpy, one tag at a time: what the compiled one is held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.thermal_kernels import STEP_MOST_M, STEPS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def fit_thermal(
    u: Floats, h: Floats, z: Floats, k: Floats, phase: Floats, weight: Floats, group: Ints,
    begin: tuple[float, float, float], middle: tuple[float, float], sigma: tuple[float, float], tau: float,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return result, residuals and the groups' parts of one tag, see ``thermal_kernels.fit_thermal``.

    The covariance of the readings is written out, ``diag(1 / weight) + tau^2`` within a group.
    """
    here, phi = np.array(begin), 0.0
    member = (group[:, None] == np.unique(group[weight > 0])).astype(np.float64)
    loose = 1.0 / max(tau, 1e-6) ** 2
    prior = np.diag([1e-6, 1.0 / max(sigma[0], 1e-4) ** 2, 1.0 / max(sigma[1], 1e-4) ** 2, 1e-6])
    target = np.array([0.0, middle[0], middle[1], 0.0])
    heavy = weight > 0
    total = member.T @ weight
    extra = np.zeros(member.shape[1])
    residual, normal = np.zeros(len(u)), np.eye(4)
    for step in range(STEPS + 1):
        gap = np.stack([u - here[0], h + here[1], z - here[2]], axis=1)
        d = np.sqrt((gap**2).sum(axis=1)) + 1e-9
        slopes = np.column_stack(
            [np.array([-1.0, 1.0, -1.0]) * k[:, None] * gap / d[:, None], np.ones(len(u))]
        )
        raw = phase - k * d
        if step == 0:
            phasor = member.T @ (weight * np.exp(1j * raw))
            phi = float(np.angle(phasor.sum()))
            own = np.mod(np.angle(phasor) - phi + np.pi, 2 * np.pi) - np.pi
            extra = own * total / (loose + total)
        residual = np.mod(raw - phi - member @ extra + np.pi, 2 * np.pi) - np.pi
        full = residual + member @ extra
        covariance = np.diag(1.0 / weight[heavy]) + member[heavy] @ member[heavy].T / loose
        precise = np.linalg.inv(covariance)
        normal = slopes[heavy].T @ precise @ slopes[heavy] + prior
        if step == STEPS:
            break
        pull = slopes[heavy].T @ precise @ full[heavy]
        away = np.append(here, 0.0) - target
        away[[0, 3]] = 0.0
        move = np.linalg.solve(normal, pull - prior @ away)
        extra = member.T @ (weight * (full - slopes @ move)) / (loose + total)
        here = here + np.clip(move[:3], -STEP_MOST_M, STEP_MOST_M)
        phi += move[3]
    inverse = np.linalg.inv(normal)
    own = total / (loose + total)
    spent = 1.0 + (own * (1.0 - loose * own / (loose * own).sum())).sum()
    spent += 1.0 + (1.0 - prior[1, 1] * inverse[1, 1]) + (1.0 - prior[2, 2] * inverse[2, 2])
    square = float((weight * residual**2).sum())
    cost = square + (loose * extra**2).sum() + np.log1p(total / loose).sum() + np.linalg.slogdet(normal)[1]
    cost += (np.diag(prior)[1:3] * (here[1:] - np.array(middle)) ** 2).sum()
    across = inverse[1, 1], inverse[1, 2], inverse[2, 2]
    result = np.array([*here, inverse[0, 0], square, heavy.sum() - spent, cost, *across])
    return result, residual, member @ extra
