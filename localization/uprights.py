"""The uprights pin the run: a shelf's ends are where the plan says, and its metal is seen where the run puts it.

Where everything is off together along a face (the reader's clock against the base's, the antennas' phase centres
ahead of their mounts, the survey against the odometry), no tag can tell. But the scatterers of a shelf are found in
the same frame as its tags, and the strongest are the uprights at its ends, whose places the plan knows. How far beyond
its end an upright seems to stand is not known, but it is as far to the right at the right end as to the left at the
left one, so that the mean of both is the run's own error. A shelf tells it to some 2 cm, the shelves
of a run's first block (some 2,000 tags) to half a centimetre; faces of other blocks get its part along the robot's
way alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.faces import Frames
from localization.observations import Mounts
from localization.shelf_group import ShelfGroup
from localization.shelf_scan import Block

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A scatterer this near a shelf's end, and so strong, is its upright.
NEAR_M, LEAST_STRENGTH = 0.13, 0.08
#: Fewer shelves do not tell.
FEWEST_SHELVES = 4
#: A run that uprights put farther off than this is not moved.
FARTHEST_M = 0.08
#: A shelf's word scatters by at least this; and all of them together are no better than this, as uprights differ.
SHELF_SIGMA_M, FLOOR_M = 0.01, 0.004
#: How far a face may be off by itself.
FACE_SIGMA_M = 0.01


@dataclass(frozen=True, slots=True)
class Pinned:
    """What the uprights say.

    Attributes
    ----------
    ahead_m : float
        How far the robot was behind where its poses put it, along its own way.
    face_m : float64 array, shape (f,)
        How far each face's places are too far along it, besides.
    sigma_m : float64 array, shape (f,)
        One standard deviation of what is left of both together; NaN for a face without a word.
    shelves : int
        How many told.
    """

    ahead_m: float
    face_m: Floats
    sigma_m: Floats
    shelves: int

    def applied(self, frames: Frames, mounts: Mounts) -> tuple[Frames, Mounts]:
        """Return faces and mounts where the uprights say they are."""
        position = mounts.position_m.copy()
        position[:, 0] -= self.ahead_m
        return frames.moved_along(self.face_m), replace(mounts, position_m=position)


def pin(block: Block, groups: tuple[ShelfGroup, ...], prior_sigma_m: Floats) -> Pinned | None:
    """Learn from the believed shelves what the run is off by along its faces.

    Parameters
    ----------
    prior_sigma_m : float64 array, shape (f,)
        What each face may be off by, by the antennas and the clock; NaN: nothing was placed there.

    Returns
    -------
    Pinned or None
        None: too few shelves showed both their uprights, or these are too far off to be sure that they are uprights.
    """
    rows = [(group.face, *_word(block, group)) for group in groups if group.believed]
    table = np.array([row for row in rows if np.isfinite(row[1])], np.float64).reshape(-1, 3)
    if len(table) < FEWEST_SHELVES:
        return None
    face, shift, way = table[:, 0].astype(np.int64), table[:, 1], table[:, 2]
    spread = 1.4826 * float(np.median(np.abs(shift - np.median(shift))))
    sigma = max(spread, SHELF_SIGMA_M)
    number = len(prior_sigma_m)
    if abs(float(np.median(shift))) > FARTHEST_M:
        # Near the end of what is taken for an upright, it is not known whether these are uprights.
        return None
    ahead_sigma = max(float(np.median(prior_sigma_m[np.unique(face)])), 1e-3)
    design = np.zeros((len(face), number + 1))
    design[:, 0] = way
    design[np.arange(len(face)), face + 1] = 1.0
    prior = np.diag(1.0 / np.append(ahead_sigma, np.full(number, FACE_SIGMA_M)) ** 2)
    mean = np.zeros(number + 1)
    normal = prior
    for _ in range(5):
        left = shift - design @ mean
        weight = 1.0 / sigma**2 / np.maximum(1.0, np.abs(left) / (1.5 * sigma))
        normal = (design * weight[:, None]).T @ design + prior
        mean = np.linalg.solve(normal, (design * weight[:, None]).T @ shift)
    covariance = np.linalg.inv(normal)
    seen = np.full(number, np.nan)
    for f in np.unique(face):
        usual = np.zeros(number + 1)
        usual[0], usual[f + 1] = float(np.mean(way[face == f])), 1.0
        seen[f] = np.sqrt(usual @ covariance @ usual + FLOOR_M**2)
    return Pinned(float(mean[0]), np.asarray(mean[1:], np.float64), seen, len(face))


def _word(block: Block, group: ShelfGroup) -> tuple[float, float]:
    """Return how far a shelf's uprights are seen along the face (NaN: not both), and which way the robot went."""
    board = block.board(group.face, group.shelf)
    place, strength = group.fit.sites.place[:, 0], np.abs(group.fit.sites.rho)
    seen: list[float] = []
    for end in (board.from_m, board.to_m):
        near = np.flatnonzero((np.abs(place - end) < NEAR_M) & (strength > LEAST_STRENGTH))
        if len(near) == 0:
            return np.nan, 0.0
        seen.append(float(place[near[strength[near].argmax()]] - end))
    return 0.5 * (seen[0] + seen[1]), group.way
