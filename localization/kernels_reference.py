"""The kernels in plain numpy, one candidate at a time: what the compiled ones are held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.kernels import SCALE_PRIOR, STEPS, STUDENT_NU
from localization.listening import BIN_DB, BINS, LOWEST_DB
from localization.peaks import APART_M

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def profile_grid(
    u: Floats, h: Floats, z: Floats, k: Floats, phase: Floats, weight: Floats, group: Ints, x: Floats,
    depth: Floats, height: Floats,
) -> Floats:  # fmt: skip
    """Return the profile likelihood of one candidate, shape (hypotheses, offsets), see ``kernels.profile_grid``."""
    out = np.zeros((len(depth), len(x)))
    for i, (shift, level) in enumerate(zip(depth, height, strict=True)):
        d = np.sqrt((u[:, None] - x) ** 2 + ((h + shift) ** 2 + (z - level) ** 2)[:, None])
        term = weight[:, None] * np.exp(1j * (k[:, None] * d - phase[:, None]))
        for g in np.unique(group):
            out[i] += np.abs(term[group == g].sum(axis=0))
    return out


def footprint_grid(
    u: Floats, h: Floats, z: Floats, look: Floats, beamwidth_deg: Floats, count: Floats, x: Floats, depth: Floats,
    height: Floats, pattern_share: float, log_rate: Floats, log_total: Floats,
) -> Floats:  # fmt: skip
    """Return the footprint of one candidate, shape (hypotheses, offsets), see ``listening.footprint_grid``."""
    out = np.zeros((len(depth), len(x)))
    for y, (shift, level) in enumerate(zip(depth, height, strict=True)):
        across = np.broadcast_to(-(h + shift)[:, None], (len(u), len(x)))
        up = np.broadcast_to((level - z)[:, None], across.shape)
        gap = np.stack([x - u[:, None], across, up], axis=2)
        d = np.sqrt((gap**2).sum(axis=2))
        cosine = np.clip((gap * look[:, None]).sum(axis=2) / d, -1.0, 1.0)
        angle = np.degrees(np.arccos(cosine)) / beamwidth_deg[:, None]
        # Link quality, dB: by distance, and by the antenna's pattern (3 dB at half the beamwidth).
        quality = -20.0 * np.log10(np.maximum(d, 0.1)) - pattern_share * np.minimum(12.0 * angle**2, 20.0)
        bins = np.clip((quality - LOWEST_DB) / BIN_DB, 0, BINS - 1).astype(np.int64)
        out[y] = count @ log_rate[bins] - count.sum() * log_total[y]
    return out


def refine(
    u: Floats, h: Floats, z: Floats, k: Floats, phase: Floats, weight: Floats, group: Ints, cell: Ints,
    start: tuple[float, float, float], depth_sigma: float, height_sigma: float,
) -> Floats:  # fmt: skip
    """Return the eight results of one candidate, see ``kernels.refine``."""
    here = np.array(start)
    prior = np.diag([0.0, 1.0 / max(depth_sigma, 1e-4) ** 2, 1.0 / max(height_sigma, 1e-4) ** 2])
    total = float(weight.sum())
    member = (group[:, None] == np.unique(group)).astype(np.float64)
    of_group = weight @ member
    robust, scales = np.ones(len(u)), np.full(member.shape[1], 0.6)
    step = 0
    while True:
        gap = np.stack([u - here[0], h + here[1], z - here[2]], axis=1)
        d = np.sqrt((gap**2).sum(axis=1)) + 1e-9
        jacobian = np.array([-1.0, 1.0, -1.0]) * k[:, None] * gap / d[:, None]
        residual = phase - k * d
        offset = np.angle((member * (weight * robust * np.exp(1j * residual))[:, None]).sum(axis=0))
        residual = np.mod(residual - member @ offset + np.pi, 2 * np.pi) - np.pi
        robust = (STUDENT_NU + 1) / (STUDENT_NU + (residual / (member @ scales)) ** 2)
        moment = (weight * robust * residual**2) @ member
        scale = float(np.clip(np.sqrt(moment.sum() / max(total, 1e-9)), 0.05, 1.5))
        shrunk = (moment + SCALE_PRIOR * scale**2) / (of_group + SCALE_PRIOR)
        scales = np.clip(np.sqrt(shrunk), 0.05, 1.5)
        square = (residual / (member @ scales)) ** 2
        robust = (STUDENT_NU + 1) / (STUDENT_NU + square) / (member @ scales) ** 2
        w = weight * robust
        mean = (member * w[:, None]).T @ jacobian / (member * w[:, None]).sum(axis=0)[:, None]
        centred = jacobian - member @ mean
        normal = (centred * w[:, None]).T @ centred + prior + np.diag([1e-6, 0.0, 0.0])
        away = here - np.array(start)
        if step == STEPS:
            cost = (weight * 0.5 * (STUDENT_NU + 1) * np.log1p(square / STUDENT_NU)).sum()
            cost += 0.5 * away @ prior @ away + of_group @ np.log(scales)
            break
        pull = (centred * w[:, None]).T @ residual - prior @ away
        here = here + np.clip(np.linalg.solve(normal, pull), [-0.03, -0.03, -0.05], [0.03, 0.03, 0.05])
        step += 1
    inverse = np.linalg.inv(normal)
    score = w * residual * (centred @ inverse[0])
    begins = np.flatnonzero(np.append(True, (np.diff(cell) != 0) | (np.diff(group) != 0)))
    meat = (np.add.reduceat(score, begins) ** 2).sum()
    live = np.maximum.reduceat(weight, begins) > 0
    return np.array(
        [*here, max(inverse[0, 0], meat), scale, cost / max(total, 1e-9), total, live.sum()], np.float64
    )


def find_peaks(
    image: Floats, x: Floats, total: float, groups: int, centre: float, read: Floats | None, usual: Floats,
    footprint_share: float, footprint_wrong: float, centre_sigma: float, centre_wrong: float,
) -> Floats:  # fmt: skip
    """Return the four results of one candidate's hypotheses, shape (hypotheses, 4), see ``peaks.find_peaks``.

    ``image`` and ``read`` (on the same offsets ``x``) have the shape (hypotheses, offsets).
    """
    r2 = (image.max() / max(total, 1e-9)) ** 2
    known = max(total * r2 - groups, 0.0) + usual[0] * usual[1]
    r = np.sqrt(np.clip(known / max(total - groups + usual[0], 1.0), 0.04, 0.95))
    value = min(r * (2 - r * r) / (1 - r * r), 10.0) * image
    where_read = np.zeros(image.shape)
    if read is not None:
        where_read = read
        believed = footprint_share * read
        best_read = believed.max(axis=1, keepdims=True)
        value = value + np.logaddexp(believed - best_read, footprint_wrong) + best_read
    value = value + np.logaddexp(-0.5 * ((x - centre) / centre_sigma) ** 2, centre_wrong)
    top = value.argmax(axis=1)
    rows = np.arange(len(top))
    mass = np.exp(value - value.max(axis=1, keepdims=True))
    near = np.abs(np.arange(len(x)) - top[:, None]) * (x[1] - x[0]) < APART_M
    second = np.where(near, -np.inf, value).argmax(axis=1)
    share = (mass * near).sum(axis=1) / mass.sum(axis=1)
    return np.stack([x[top], share, x[second], where_read[rows, top]], axis=1)


def loudest(
    owner: Ints, t: Ints, antenna: Ints, rssi_dbm: Floats, tags: int
) -> tuple[Ints, Ints, Floats]:  # fmt: skip
    """Return when, by which antenna and how loud each tag was heard loudest, see ``sorting.loudest``."""
    order = np.lexsort((t, -rssi_dbm, owner))
    tag, at = np.unique(owner[order], return_index=True)
    when, by, level = np.full(tags, -1), np.full(tags, -1), np.full(tags, -np.inf)
    when[tag], by[tag], level[tag] = t[order[at]], antenna[order[at]], rssi_dbm[order[at]]
    return when, by, level


def loudest_db(rssi_dbm: Floats, group: Ints, cell: Ints, few: int) -> float:
    """Return the mean of one candidate's loudest track cells, see ``loudness.loudest_db``."""
    names = np.unique(np.stack([group, cell], axis=1), axis=0)
    tops = [rssi_dbm[(group == g) & (cell == c)].max() for g, c in names]
    return float(np.mean(np.sort(tops)[-few:]))


def power_centre(u: Floats, h: Floats, look: Floats, rssi_dbm: Floats, density: Floats) -> float:
    """Return where one candidate was heard best, see ``loudness.power_centre``."""
    power = 10.0 ** ((rssi_dbm - rssi_dbm.max()) / 10.0) / density
    spot = u + np.maximum(h, 0.1) * np.clip(look[:, 0] / np.maximum(-look[:, 1], 0.3), -2.0, 2.0)
    return float((power * spot).sum() / power.sum())


def exposure(
    place: Floats, where: Floats, look: Floats, column: Ints, beamwidth_deg: Floats, seconds: Floats,
    antennas: int, pattern_share: float, reach_m: float,
) -> Floats:  # fmt: skip
    """Return the seconds one place was before each antenna by link quality, see ``listening.expected_readings``.

    ``place`` is in the plan's coordinates, its height NaN for that of each antenna; ``where`` and ``look`` are the
    steps that look at its face.
    """
    gap = np.where(np.isnan(place), 0.0, place - where)
    d = np.sqrt((gap**2).sum(axis=1))
    angle = np.degrees(np.arccos(np.clip((gap * look).sum(axis=1) / d, -1.0, 1.0))) / beamwidth_deg
    quality = -20.0 * np.log10(np.maximum(d, 0.1)) - pattern_share * np.minimum(12.0 * angle**2, 20.0)
    bins = np.clip((quality - LOWEST_DB) / BIN_DB, 0, BINS - 1).astype(np.int64)
    near = np.hypot(gap[:, 0], gap[:, 1]) <= reach_m
    out = np.zeros((antennas, BINS))
    np.add.at(out, (column[near], bins[near]), seconds[near])
    return out


def rssi_likelihood(
    place: Floats, where: Floats, look: Floats, rssi_dbm: Floats, beamwidth_deg: Floats, weight: Floats,
    pattern_share: float, clip_db: float, fading_db: float,
) -> tuple[float, float]:  # fmt: skip
    """Return a tag's strength at one place and its log-likelihood, see ``strength.rssi_likelihood``.

    Coordinates are the face's: along, out, up.
    """
    gap = place - where
    d = np.sqrt((gap**2).sum(axis=1))
    angle = np.degrees(np.arccos(np.clip((gap * look).sum(axis=1) / d, -1.0, 1.0))) / beamwidth_deg
    law = -40.0 * np.log10(np.maximum(d, 0.1)) - 2.0 * pattern_share * np.minimum(12.0 * angle**2, 20.0)
    flat = rssi_dbm - law
    mean = np.average(flat, weights=weight)
    mean += np.average(np.clip(flat - mean, -clip_db, clip_db), weights=weight)
    gap_db = np.clip(flat - mean, -clip_db, clip_db) / fading_db
    return float(mean), float(-0.5 * (weight * gap_db**2).sum())
