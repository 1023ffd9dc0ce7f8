"""The uprights pin the run: a shelf's ends are where the plan says, and its metal is seen where the run puts it.

Where everything is off together along a face (the reader's clock against the base's, the antennas' phase centres
ahead of their mounts, the survey against the odometry), no tag can tell. But the scatterers of a shelf are found in
the same frame as its tags, and the strongest are the uprights at its ends, whose places the plan knows. How far beyond
its end an upright seems to stand is not known, but it is as far to the right at the right end as to the left at the
left one, so that the mean of both is the run's own error. A shelf tells it to some 2 cm, the shelves
of a run's first block (some 2,000 tags) to half a centimetre; faces of other blocks get its part along the robot's
way, and are asked for their own once all is placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from localization.faces import Frames
from localization.labels import LabelFits, take_out
from localization.observations import Mounts
from localization.positions import Positions
from localization.shelf_group import ShelfGroup
from localization.shelf_scan import Block
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A scatterer this near a shelf's end, and so strong, is its upright.
NEAR_M, LEAST_STRENGTH = 0.13, 0.08
#: Fewer shelves do not tell.
FEWEST_SHELVES = 4
#: A reader's clock can be off by more than uprights are near their ends. A shift of the whole run is looked for so far,
#: in such steps, as the one at which most shelves show strong scatterers up to ``BEYOND_M`` outside both ends, give or
#: take ``COMB_M``.
FARTHEST_M, STEP_M, BEYOND_M, COMB_M = 0.3, 0.01, 0.1, 0.03
#: One far off is believed where it explains so many times what any other does, ``NEAR_M`` away or more.
CLEAR = 2.0
#: After a shift as large as this the first block, seen anew, is asked again.
AGAIN_M = 0.03
#: Shelves' words are supposed to scatter by so much, which counts as so many of them; and all of them together are no
#: better than this, as uprights differ.
SHELF_SIGMA_M, SUPPOSED, FLOOR_M = 0.02, 4.0, 0.004
#: Words that scatter by more than so many times the median of all count as if they did not.
STRAY = 3.0
#: One shelf's word, of faces that are asked at the end.
WORD_SIGMA_M = 0.02
#: Before uprights are asked, a run may be off along its faces by at least this: what the first word leaves, too.
LEAST_SIGMA_M = 0.03
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

    @property
    def far(self) -> bool:
        """Whether the run was so far off that tags and uprights were looked for at wrong places."""
        return max(abs(self.ahead_m), float(np.abs(self.face_m).max(initial=0.0))) > AGAIN_M

    def shift_m(self, face: int, way: float) -> float:
        """Return how far places on a face are too far along it, as the robot went ``way`` along it."""
        return self.ahead_m * way + float(self.face_m[face])

    def then(self, later: Pinned) -> Pinned:
        """Return both together, the later one asked where this one was applied."""
        return replace(later, ahead_m=self.ahead_m + later.ahead_m, face_m=self.face_m + later.face_m)

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
        What each face may be off by, by the antennas and the clock (``LEAST_SIGMA_M`` or more); NaN: nothing was
        placed there.

    Returns
    -------
    Pinned or None
        None: too few shelves showed both their uprights, or it is not clear which scatterers these are.
    """
    believed = [group for group in groups if group.believed]
    coarse = _coarse(block, believed)
    if coarse is None:
        return None
    rows = [(group.face, *_word(block, group, coarse)) for group in believed]
    table = np.array([row for row in rows if np.isfinite(row[1])], np.float64).reshape(-1, 3)
    if len(table) < FEWEST_SHELVES:
        return None
    face, shift, way = table[:, 0].astype(np.int64), table[:, 1], table[:, 2]
    sigma = _scatter(shift - coarse * way)
    number = len(prior_sigma_m)
    # What antennas and clock may be off by is not what they are off by once uprights are seen elsewhere.
    ahead_sigma = max(float(np.median(prior_sigma_m[np.unique(face)])), abs(coarse), LEAST_SIGMA_M)
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


def _scatter(word_m: Floats) -> float:
    """Return the deviation of shelves' words: of a handful, what they show and what is supposed together."""
    away = np.abs(word_m - np.median(word_m))
    away = np.minimum(away, STRAY * max(1.4826 * float(np.median(away)), SHELF_SIGMA_M))
    return float(np.sqrt((SUPPOSED * SHELF_SIGMA_M**2 + (away**2).sum()) / (SUPPOSED + len(away) - 1.0)))


def words_of(block: Block | None, groups: tuple[ShelfGroup, ...]) -> LabelFits:
    """Return a block's believed shelves as references: where the middle of the uprights is seen, and where it is.

    None are told where it is not clear which metal stands at the shelves' ends.
    """
    rows: list[tuple[int, float, float]] = []
    believed = [group for group in groups if group.believed]
    coarse = None if block is None else _coarse(block, believed)
    if block is not None and coarse is not None:
        for group in believed:
            shift, board = _word(block, group, coarse)[0], block.board(group.face, group.shelf)
            if np.isfinite(shift):
                rows.append((group.face, 0.5 * (board.from_m + board.to_m), shift))
    table = np.array(rows, np.float64).reshape(-1, 3)
    return LabelFits(
        epc=np.full(len(table), "", object), face=table[:, 0].astype(np.int64), offset_m=table[:, 1],
        error_m=table[:, 2], sigma_m=np.full(len(table), WORD_SIGMA_M),
    )  # fmt: skip


def pin_rest(positions: Positions, words: Sequence[LabelFits], plan: Plan, told: Pinned | None) -> int:
    """Take out of the places of faces that no first word was said of what their own uprights say; count those faces."""
    every = LabelFits(*(np.concatenate([getattr(w, f.name) for w in words]) for f in fields(LabelFits)))
    number = np.bincount(every.face, minlength=len(plan.faces))
    asked = number >= FEWEST_SHELVES
    if told is not None:
        asked &= ~np.isfinite(told.sigma_m)
    return len(take_out(positions, every.select(asked[every.face]), plan))


def _coarse(block: Block, groups: list[ShelfGroup]) -> float | None:
    """Return how far behind its poses the robot was, roughly; None: shelves show nothing clear at their ends."""
    tried = np.arange(-round(FARTHEST_M / STEP_M), round(FARTHEST_M / STEP_M) + 1) * STEP_M
    total = np.zeros(len(tried))
    for group in groups:
        board, sites = block.board(group.face, group.shelf), group.fit.sites
        beyond = (
            np.array([board.from_m, -board.to_m])[:, None] + np.array([[1.0], [-1.0]]) * tried * group.way
        )
        beyond = beyond[..., None] - np.array([1.0, -1.0])[:, None, None] * sites.place[:, 0]
        away = np.maximum(np.maximum(-beyond, beyond - BEYOND_M), 0.0) / COMB_M
        seen = np.abs(sites.rho) * np.exp(-0.5 * away**2)
        # The weaker of both ends: a shelf has metal at either.
        total += seen.max(axis=2, initial=0.0).min(axis=0)
    best = int(total.argmax())
    here = float(tried[best])
    if abs(here) <= NEAR_M / 2.0:
        return 0.0
    clear = total[best] > CLEAR * total[np.abs(tried - here) > NEAR_M].max(initial=0.0)
    return here if clear and total[best] > FEWEST_SHELVES * LEAST_STRENGTH else None


def _word(block: Block, group: ShelfGroup, coarse_m: float) -> tuple[float, float]:
    """Return how far a shelf's uprights are seen along the face (NaN: not both), and which way the robot went."""
    board = block.board(group.face, group.shelf)
    place, strength = group.fit.sites.place[:, 0], np.abs(group.fit.sites.rho)
    seen: list[float] = []
    for end in (board.from_m, board.to_m):
        near = np.flatnonzero(
            (np.abs(place - end - coarse_m * group.way) < NEAR_M) & (strength > LEAST_STRENGTH)
        )
        if len(near) == 0:
            return np.nan, 0.0
        seen.append(float(place[near[strength[near].argmax()]] - end))
    return 0.5 * (seen[0] + seen[1]), group.way
