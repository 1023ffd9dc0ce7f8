"""The link's likelihood in plain numpy, one supposed place at a time: what the compiled one is held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames
from localization.level_kernels import BURST_SHARE, SPREAD
from localization.levels import UNEXPECTED, LinkLaw, link_terms
from localization.listening import BIN_DB, Listening
from localization.observations import Mounts, Observations
from localization.signal_model import RANGE_M

Floats = npt.NDArray[np.float64]


def link_likelihood(
    observations: Observations, candidates: Candidates, mounts: Mounts, listening: Listening, frames: Frames,
    law: LinkLaw, candidate: int, offset_m: float, depth_m: float, height_m: float,
) -> float:  # fmt: skip
    """Return the log-likelihood of one candidate at one place, see ``levels.link_likelihood``."""
    face = int(candidates.face[candidate])
    rows = slice(candidates.start[candidate], candidates.start[candidate + 1])
    obs = candidates.observation[rows]
    antenna = observations.antenna[obs]
    gap = np.stack(
        [
            offset_m - candidates.u[rows],
            -(candidates.h[rows] + depth_m),
            height_m - candidates.z[rows],
        ],
        axis=1,
    )
    link = link_terms(gap, candidates.look[rows], mounts.beamwidth_deg[antenna]) @ law.term
    link += law.bias_db[antenna]
    x, y = frames.to_map(np.array([face]), np.array([offset_m]), np.array([depth_m]))
    way = np.array([x[0], y[0], height_m]) - listening.where_m
    near = listening.facing[face] & (np.hypot(way[:, 0], way[:, 1]) <= RANGE_M)
    step = link_terms(way, listening.look, listening.beamwidth_deg) @ law.term
    step += law.bias_db[listening.antennas[listening.column]]
    lowest_rate = UNEXPECTED * max(float(law.per_second.max()), 1e-6)
    rate = np.maximum(law.per_second, lowest_rate)
    bins = len(rate)

    def to_bin(value: Floats) -> npt.NDArray[np.int64]:
        level = (law.strength_db - law.lowest_db + value) / BIN_DB
        return np.clip(level.astype(np.int64), 0, bins - 1)

    weight = 1.0 / candidates.density[rows]
    left = observations.rssi_dbm[obs] - link - law.strength_db
    half = int(np.ceil(SPREAD * law.strength_sigma_db / BIN_DB))
    reach = int(np.ceil(SPREAD * law.between_db / BIN_DB))
    moves = np.arange(-half - reach, half + reach + 1)
    strengths = np.arange(-half, half + 1)
    drift = np.arange(-reach, reach + 1)
    kernel = -0.5 * (drift * BIN_DB / law.between_db) ** 2
    total = -0.5 * (strengths * BIN_DB / law.strength_sigma_db) ** 2
    for number in listening.antennas:
        mine = antenna == number
        listened = near & (listening.antennas[listening.column] == number)
        seconds = np.bincount(to_bin(step[listened]), listening.seconds[listened], bins)
        count = np.bincount(to_bin(link[mine]), observations.heard[obs][mine], bins)
        shifted = np.clip(np.arange(bins) + moves[:, None], 0, bins - 1)
        value = BURST_SHARE * ((count * np.log(rate[shifted])).sum(1) - (seconds * rate[shifted]).sum(1))
        if mine.any():
            mean = float((weight[mine] * left[mine]).sum() / weight[mine].sum())
            value -= 0.5 * float(weight[mine].sum()) * ((mean - moves * BIN_DB) / law.within_db) ** 2
        total += np.array(
            [np.logaddexp.reduce(value[s + half + drift + reach] + kernel) for s in strengths]
        ) - np.logaddexp.reduce(kernel)
    return float(np.logaddexp.reduce(total))
