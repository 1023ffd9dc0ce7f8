"""Which faces an observation looks at: the antenna stands before it, points at it, and no nearer one is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.signal_model import RANGE_M

if TYPE_CHECKING:
    from localization.faces import Frames

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: cos 65 degrees: an antenna looks at a face if its boresight is nearer than that to the face's own normal.
LOOKS_AT = 0.42
#: Faces this much farther than the nearest one are still looked at (a row of cases is not one plane).
SAME_ROW_M = 0.35
#: How far beyond a face's ends an antenna still hears its tags.
OVERHANG_M = 2.0
#: Cells of the grid that tells which faces are within reach: their size, and at most so many of them along a side.
REACH_CELL_M, REACH_CELLS_MOST = 2.0, 1000


def within_reach(frames: Frames, nearest: float) -> tuple[Floats, float, int, Ints, Ints]:
    """Lay a grid over the floor, and list for each cell, row by row, the faces that something in it may look at.

    Returns the grid's low corner (2,), its cells' size, how many lie in a row, where each cell's faces begin
    (cells + 1,), and the faces.
    """
    ends = np.stack([np.full(len(frames.length_m), -OVERHANG_M), frames.length_m + OVERHANG_M])
    away = np.stack([nearest - frames.tag_depth_m, RANGE_M - frames.tag_depth_m])
    corner = frames.origin_m + ends[:, None, :, None] * frames.direction + away[:, :, None] * frames.normal
    # Rounding must not leave out what stands just within reach.
    low, high = corner.min(axis=(0, 1)) - 1e-6, corner.max(axis=(0, 1)) + 1e-6
    if not len(low) or not np.isfinite(low + high).all():
        return np.full(2, -np.inf), np.inf, 1, np.array([0, len(low)]), np.arange(len(low))
    base = low.min(axis=0)
    span = float((high.max(axis=0) - base).max())
    size = max(REACH_CELL_M, span / REACH_CELLS_MOST)
    first, last = (np.floor((edge - base) / size).astype(np.int64) for edge in (low, high))
    wide, deep = (last.max(axis=0) + 1).tolist()
    cells, faces = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for face, ((x, y), (to_x, to_y)) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        here = (np.arange(y, to_y + 1)[:, None] * wide + np.arange(x, to_x + 1)).ravel()
        cells.append(here)
        faces.append(np.full(len(here), face))
    cell = np.concatenate(cells)
    order = np.argsort(cell, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=wide * deep))]).astype(np.int64)
    return base, size, wide, start, np.concatenate(faces)[order]


@nb.njit(cache=True, nogil=True)
def looked_at(
    position: Floats, look: Floats, origin: Floats, direction: Floats, normal: Floats, length: Floats,
    tag_depth: Floats, nearest: float, farthest: float, base: Floats, size: float, wide: int, near_start: Ints,
    near: Ints,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Pairs of observation and face: the antenna stands in front, looks at it, and no nearer face is in the way.

    Only faces of the observation's own cell (``within_reach``) are asked.
    """
    n, faces = len(position), len(length)
    count = 0
    pair_obs = np.empty(max(4 * n, 16), np.int64)
    pair_face = np.empty(max(4 * n, 16), np.int64)
    out = np.empty(faces)
    deep = (len(near_start) - 1) // wide
    for i in range(n):
        closest = 1e9
        cell = 0
        if size < np.inf:
            column, row = (position[i, 0] - base[0]) / size, (position[i, 1] - base[1]) / size
            if not (column >= 0.0 and column < wide and row >= 0.0 and row < deep):
                continue
            cell = int(row) * wide + int(column)
        for f in near[near_start[cell] : near_start[cell + 1]]:
            out[f] = -1e9
            facing = -(look[i, 0] * normal[f, 0] + look[i, 1] * normal[f, 1])
            if facing < LOOKS_AT:
                continue
            gx, gy = position[i, 0] - origin[f, 0], position[i, 1] - origin[f, 1]
            h = gx * normal[f, 0] + gy * normal[f, 1] + tag_depth[f]
            if h < nearest or h > farthest:
                continue
            u = gx * direction[f, 0] + gy * direction[f, 1]
            if u < -OVERHANG_M or u > length[f] + OVERHANG_M:
                continue
            out[f] = h
            if u > -0.3 and u < length[f] + 0.3:
                closest = min(closest, h)
        for f in near[near_start[cell] : near_start[cell + 1]]:
            if out[f] > -1e8 and out[f] <= closest + SAME_ROW_M:
                if count == len(pair_obs):
                    pair_obs = np.concatenate((pair_obs, np.empty(len(pair_obs), np.int64)))
                    pair_face = np.concatenate((pair_face, np.empty(len(pair_face), np.int64)))
                pair_obs[count] = i
                pair_face[count] = f
                count += 1
    return pair_obs[:count], pair_face[:count]
