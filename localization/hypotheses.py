"""The depths and heights at which every tag is tried on each face that it may stand on.

Along the face the whole stretch it was heard from is searched (``profile``); across it the plan knows where tags are,
and how well: over a face's boards, on an open rack at any height that the antennas reach, and on a face laid beside
the robot's own track at any depth, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from localization.faces import UNKNOWN_DEPTH_M, Candidates, Frames

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Spread of a tag's depth about the plan's.
DEPTH_SIGMA_M = 0.025
#: on open racks, whose tags stand less in line,
OPEN_DEPTH_SIGMA_M = 0.04
#: and on those heard by several antenna heights, whose phases tell it; the depths tried there.
FREE_DEPTH_SIGMA_M, FREE_DEPTHS_M = 0.06, (-0.12, 0.0, 0.12)
#: Antennas whose heights differ by less than this do not tell heights apart.
ONE_HEIGHT_M = 0.15
#: Without shelves in the plan: how far beyond the lowest and highest antenna tags still are.
BEYOND_ANTENNAS_M = 0.15
#: A book's tag sits in its lower half.
TAG_HEIGHT_M, TAG_HEIGHT_SIGMA_M = 0.12, 0.05


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """Depth shifts and heights each candidate is tried at; ``y`` in all.

    Attributes
    ----------
    start : int64 array, shape (candidates + 1,)
    depth_m, height_m : float64 array, shape (y,)
    height_sigma_m, depth_sigma_m : float64 array, shape (y,)
    log_prior : float64 array, shape (y,)
    level : int64 array, shape (y,)
        Level of the face; 0 where it has no shelves.
    """

    start: Ints
    depth_m: Floats
    height_m: Floats
    depth_sigma_m: Floats
    height_sigma_m: Floats
    log_prior: Floats
    level: Ints


def face_levels(frames: Frames, face: int) -> list[tuple[int, float, float]]:
    """Return (level, board height, clear height) of a face's levels, lowest first."""
    known = frames.faces[face]
    if known is None:
        return []
    levels: dict[int, list[tuple[float, float]]] = {}
    for shelf in known.shelves:
        levels.setdefault(shelf.level, []).append((shelf.board_z_m, shelf.clear_m))
    return [
        (level, median(board for board, _ in found), median(clear for _, clear in found))
        for level, found in sorted(levels.items())
    ]


def tag_height(board_z_m: float, clear_m: float) -> float:
    """Return where over a board tags are expected."""
    return board_z_m + min(TAG_HEIGHT_M, 0.4 * clear_m)


def make_hypotheses(candidates: Candidates, frames: Frames) -> Hypotheses:
    """Choose the heights (and depths) to try for each candidate."""
    if len(candidates.tag) == 0:
        none = np.zeros(0)
        return Hypotheses(np.zeros(1, np.int64), none, none, none, none, none, np.zeros(0, np.int64))
    begin = candidates.start[:-1]
    low = np.round(np.minimum.reduceat(candidates.z, begin), 1)
    high = np.round(np.maximum.reduceat(candidates.z, begin), 1)
    for c in np.flatnonzero(high - low < ONE_HEIGHT_M):
        low[c] = high[c] = np.median(candidates.z[candidates.start[c] : candidates.start[c + 1]])
    kinds, kind = np.unique(np.stack([candidates.face, low, high]), axis=1, return_inverse=True)
    made = [_hypotheses_of(frames, int(face), float(a), float(b)) for face, a, b in kinds.T]
    size = np.array([len(row[0]) for row in made])
    first = np.cumsum(size) - size
    counts = size[kind]
    at = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts - first[kind], counts)
    columns = [np.concatenate([row[i] for row in made])[at] for i in range(6)]
    return Hypotheses(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        depth_m=columns[0],
        height_m=columns[1],
        depth_sigma_m=columns[2],
        height_sigma_m=columns[3],
        log_prior=columns[4],
        level=columns[5].astype(np.int64),
    )


def _hypotheses_of(frames: Frames, face: int, low: float, high: float) -> tuple[Floats, ...]:
    levels = face_levels(frames, face)
    if levels:
        heights = np.array([tag_height(board, clear) for _, board, clear in levels])
        n = len(levels)
        number = np.array([level for level, _, _ in levels], np.float64)
        return (
            np.zeros(n), heights, np.full(n, DEPTH_SIGMA_M), np.full(n, TAG_HEIGHT_SIGMA_M), np.zeros(n), number,
        )  # fmt: skip
    if high > low:
        # Antennas are mounted over the heights where tags are.
        heights = np.arange(max(low - 0.4, 0.05), high + 0.45, 0.15)
        beyond = np.maximum(np.maximum(low - heights, heights - high), 0.0)
        prior, spread = -0.5 * (beyond / BEYOND_ANTENNAS_M) ** 2, 0.08
    else:
        # One height of antennas says nothing of above or below: tags are near the height the antenna was put at.
        heights = low + np.array([0.0, 0.1, 0.2, 0.3])
        prior, spread = -0.5 * ((heights - low) / BEYOND_ANTENNAS_M) ** 2, 0.05
    depths, depth_prior, depth_sigma = np.zeros(1), np.zeros(1), OPEN_DEPTH_SIGMA_M
    if frames.ids[face] is None:
        depths, depth_sigma = np.arange(UNKNOWN_DEPTH_M[0], UNKNOWN_DEPTH_M[1], 0.08), 0.08
        depth_prior = np.zeros(len(depths))
    elif high > low and not frames.registered(face):
        depths, depth_sigma = np.array(FREE_DEPTHS_M), 0.05
        depth_prior = -0.5 * (depths / FREE_DEPTH_SIGMA_M) ** 2
    n = len(heights) * len(depths)
    return (
        np.tile(depths, len(heights)),
        np.repeat(heights, len(depths)),
        np.full(n, depth_sigma),
        np.full(n, spread),
        np.repeat(prior, len(depths)) + np.tile(depth_prior, len(heights)),
        np.zeros(n),
    )
