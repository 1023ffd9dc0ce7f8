"""The footprint: when and by which antenna a tag was read, as a likelihood of where it stands.

That a tag was read here and not there tells its offset to a decimetre or better and its shelf, without any phase. It
picks the right one of the phase's many peaks; the phase then gives the centimetre.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames
from localization.listening import Listening, ReadRate, expected_readings, footprint_grid
from localization.observations import Mounts, Observations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Grid of offsets: the footprint is smooth over this.
STEP_M = 0.05
#: Readings an antenna may give a second where none is expected (reflections), as a share of the best rate.
UNEXPECTED = 0.003
#: How much a reading counts, as they come in bursts, and how many count at most, as the law is no better than that.
BURST_SHARE, MOST_COUNTED = 0.5, 30.0
#: Observations of a candidate looked at.
MOST_LOOKED_AT = 60


def footprint(
    observations: Observations,
    candidates: Candidates,
    frames: Frames,
    mounts: Mounts,
    listening: Listening,
    rate: ReadRate,
    hypothesis_start: Ints,
    depth_m: Floats,
    height_m: Floats,
    low_m: Floats,
    high_m: Floats,
) -> tuple[Ints, Ints, Floats]:
    """Return the footprint's log-likelihood on a coarse grid of offsets from ``low_m``, ``STEP_M`` apart.

    Returns
    -------
    x_count : int64 array, shape (c,)
    out_start : int64 array, shape (c + 1,)
    value : float64 array, shape (out_start[-1],)
        Candidate, hypothesis, offset.
    """
    count = len(candidates.tag)
    x_count = np.ceil((high_m - low_m) / STEP_M).astype(np.int64) + 2
    shape = np.diff(hypothesis_start) * x_count
    out_start = np.concatenate([[0], np.cumsum(shape)]).astype(np.int64)
    per_second = np.maximum(rate.per_second, UNEXPECTED * max(float(rate.per_second.max()), 1e-6))
    floored = ReadRate(per_second, rate.pattern_share)
    log_total = np.log(
        _totals(candidates, frames, listening, floored, hypothesis_start, height_m, low_m, x_count)
    )
    obs = candidates.observation
    heard = observations.heard[obs]
    total = np.add.reduceat(heard, candidates.start[:-1]) if count else np.zeros(0)
    share = np.minimum(BURST_SHARE, MOST_COUNTED / np.maximum(total, 1.0))
    value = np.zeros(out_start[-1])
    # Of many readings every n-th says the same; the others' counts go to it.
    size = np.diff(candidates.start)
    every = np.repeat(np.maximum(size // MOST_LOOKED_AT, 1), size)
    place = np.arange(len(obs)) - np.repeat(candidates.start[:-1], size)
    counted = np.where(place % every == 0, heard * every, 0.0)
    kept = np.add.reduceat(counted, candidates.start[:-1]) if count else total
    counted *= np.repeat(share * total / np.maximum(kept, 1e-9), size)
    footprint_grid(
        candidates.start, candidates.u, candidates.h, candidates.z, candidates.look,
        mounts.beamwidth_deg[observations.antenna[obs]], counted, low_m,
        STEP_M, x_count, hypothesis_start, depth_m, height_m, rate.pattern_share, np.log(per_second), log_total,
        out_start, value,
    )  # fmt: skip
    return x_count, out_start, value


def _totals(
    candidates: Candidates,
    frames: Frames,
    listening: Listening,
    rate: ReadRate,
    hypothesis_start: Ints,
    height_m: Floats,
    low_m: Floats,
    x_count: Ints,
) -> Floats:
    """Return the readings expected in all at each grid place, looked up on a table of (face, height, offset)."""
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypothesis_start))
    face = candidates.face[owner]
    level = np.round(height_m * 50).astype(np.int64)
    pairs, at = np.unique(np.stack([face, level]), axis=1, return_inverse=True)
    at = at.ravel()
    # The table runs from half a metre before each face to half a metre beyond.
    longest = int(np.ceil((frames.length_m.max() + 1.0) / STEP_M)) + 2
    offsets = np.asarray(-0.5 + STEP_M * np.arange(longest), np.float64)
    places = pairs.shape[1]
    table = expected_readings(
        listening, frames, rate, np.repeat(pairs[0], longest), np.tile(offsets, places),
        np.repeat(pairs[1] / 50.0, longest),
    ).sum(axis=1).reshape(places, longest)  # fmt: skip
    size = x_count[owner]
    row = np.repeat(at, size)
    step = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    index = np.round((np.repeat(low_m[owner], size) + 0.5) / STEP_M).astype(np.int64) + step
    return np.maximum(table[row, np.clip(index, 0, longest - 1)], 1e-6)
