"""The kernels of ``oddity_kernels`` in plain numpy: what the compiled ones are held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.kernels import STUDENT_NU
from localization.oddity_kernels import LONGEST, SCALE_LEAST, SCALE_MOST, SCALE_PRIOR, STEPS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def twist(along: Floats, out: Floats, up: Floats) -> Floats:
    """Phase (rad, one way) of a dipole along the shelf less that of an upright one, by direction cosines, (n,)."""
    both = along * up
    return np.arctan2(both, 1.0 + out - up**2) + np.arctan2(both, 1.0 + out - along**2)


def free_fit(
    u: Floats, h: Floats, z: Floats, k: Floats, phase: Floats, weight: Floats, group: Ints, turns: Floats,
    begin: Floats, centre: Floats, sigma: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return the results and the covariance of one tag, see ``oddity_kernels.free_fit``."""
    here = begin.copy()
    prior = 1.0 / sigma**2
    member = (group[:, None] == np.unique(group)).astype(np.float64)
    total, of_group = float(weight.sum()), weight @ member
    robust, scales = np.ones(len(u)), np.full(member.shape[1], 0.6)
    step = 0
    while True:
        way = np.stack([here[0] - u, h + here[1], here[2] - z], axis=1)
        d = np.linalg.norm(way, axis=1) + 1e-9
        along, out, up = (way / d[:, None]).T
        turned = 2.0 * turns * twist(along, out, up)
        jac = np.stack([k * along, k * out, k * up, turned], axis=1)
        res = phase - k * d - here[3] * turned
        mean = np.angle((weight * robust * np.exp(1j * res)) @ member)
        res = res - member @ mean
        res -= 2.0 * np.pi * np.floor(res / (2.0 * np.pi) + 0.5)
        square = res**2 / (member @ scales) ** 2
        num = (weight * (STUDENT_NU + 1.0) / (STUDENT_NU + square) * res**2) @ member
        scale = float(np.clip(np.sqrt(num.sum() / max(total, 1e-9)), SCALE_LEAST, SCALE_MOST))
        scales = np.sqrt((num + SCALE_PRIOR * scale**2) / (of_group + SCALE_PRIOR))
        scales = np.clip(scales, SCALE_LEAST, SCALE_MOST)
        width = (member @ scales) ** 2
        square = res**2 / width
        cost = of_group @ np.log(scales)
        cost += weight @ (0.5 * (STUDENT_NU + 1.0) * np.log1p(square / STUDENT_NU))
        robust = (STUDENT_NU + 1.0) / (STUDENT_NU + square) / width
        w = weight * robust
        heavy = np.maximum(w @ member, 1e-300)
        jac = jac - member @ ((member.T @ (w[:, None] * jac)) / heavy[:, None])
        information = jac.T @ (w[:, None] * jac) + 1e-6 * np.eye(4)
        if step == STEPS:
            cost += float(0.5 * prior @ (here - centre) ** 2)
            return np.array([*here, cost, scale, total]), np.linalg.inv(information)
        pull = jac.T @ (w * res) - prior * (here - centre)
        move = np.linalg.solve(information + np.diag(prior), pull)
        here = here + np.clip(move, -np.array(LONGEST), np.array(LONGEST))
        step += 1


def scan_piles(
    x: Floats, sigma: Floats, evidence: Floats, member: Floats, share: float, width_m: float, away_m: float,
    step_m: float, log_prior: float,
) -> tuple[Floats, float]:  # fmt: skip
    """Return the odds and the total of one shelf of two tags or more, see ``oddity_kernels.scan_piles``."""
    spots = x[0] + step_m * np.arange(int((x[-1] - x[0]) / step_m) + 1)
    gap = x - spots[:, None]
    near = np.abs(gap) <= 0.5 * width_m
    place = np.log(width_m / (sigma * np.sqrt(2.0 * np.pi))) - 0.5 * (gap / sigma) ** 2
    lies = np.exp(share * place + np.minimum(evidence, 50.0)[:, None, :])
    chance = member[:, None, None]
    ratio = np.where(near, 1.0 - chance + chance * lies, 1.0)
    piles = np.exp(np.minimum(log_prior + np.log(ratio).sum(axis=2), 300.0)) * (near.sum(axis=1) >= 2)
    of_spot = piles.sum(axis=0)
    reach = int(away_m / step_m)
    rivals = np.array(
        [1.0 + of_spot[max(c - reach, 0) : c + reach + 1].sum() for c in range(len(spots))], np.float64
    )
    held = np.where(near, 1.0 - (1.0 - chance) / ratio, 0.0)
    p = np.minimum((piles / rivals)[:, :, None] * held, np.inf).sum(axis=(0, 1))
    p = np.minimum(p, 1.0 - 1e-9)
    return p / (1.0 - p), float(np.log1p(of_spot.sum()))
