"""The uprights pin the run: a shelf's ends are where the plan says, and its metal is seen where the run puts it.

Where everything is off together along a face (the reader's clock against the base's, the antennas' phase centres
ahead of their mounts, the survey against the odometry), no tag can tell. But the scatterers of a shelf are found in
the same frame as its tags, and the strongest are the uprights at its ends, whose places the plan knows. How far beyond
its end an upright seems to stand is not known, but it is as far to the right at the right end as to the left at the
left one, so that the mean of both is the run's own error. A shelf tells it to some 2 cm, the shelves
of a run's first block (some 2,000 tags) to half a centimetre; faces of other blocks get its part along the robot's
way, and are asked for their own once all is placed.

What a calibration says is applied before, and is then the prior of what they say (``upright_posterior``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.label_shift import LabelFits
from localization.labels import take_out
from localization.positions import Positions
from localization.shelf_group import ShelfGroup
from localization.shelf_scan import Block
from localization.upright_posterior import Pinned, Prior, weigh_words
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]

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
#: One shelf's word, of faces that are asked at the end, and what all words of such a face err by.
WORD_SIGMA_M, REST_FLOOR_M = 0.02, 0.004
#: This share of what poses state is another in every night.
WANDER_SHARE = 0.5


def expected_shift(calibration: Calibration, ids: Sequence[str | None]) -> Floats:
    """Return how far a calibration says that places are too far along each face, shape (f,)."""
    return np.array([-calibration.face_shift_m.get(name or "", 0.0) for name in ids], np.float64)


def calibrated_prior(
    calibration: Calibration, ids: Sequence[str | None], run_id: str, sigma_pose_m: Floats
) -> Prior | None:
    """Return what a calibration leaves a run off by along its faces; None: it does not say how far.

    Parameters
    ----------
    calibration : Calibration
    ids : sequence of str or None
        Of the faces.
    run_id : str
    sigma_pose_m : float64 array
        What poses state of their own error (NaN: nothing), which no other night has told.
    """
    off = np.array([calibration.off_m(name, run_id) for name in ids], np.float64)
    if not len(off) or not np.isfinite(off).all():
        return None
    pose = float(np.nanmedian(sigma_pose_m)) if np.isfinite(sigma_pose_m).any() else 0.0
    wander = 0.0 if run_id in calibration.run_ids else WANDER_SHARE * pose
    return Prior.calibrated(np.hypot(off, wander), expected_shift(calibration, ids))


def pin(block: Block, groups: tuple[ShelfGroup, ...], prior: Prior) -> Pinned | None:
    """Learn from the believed shelves what the run is off by along its faces.

    Returns
    -------
    Pinned or None
        None: too few shelves showed both their uprights, or it is not clear which scatterers these are.
    """
    believed = [group for group in groups if group.believed]
    coarse = _coarse(block, believed, prior.expected_m)
    if coarse is None:
        return None
    rows = [
        (
            group.face,
            *_word(block, group, coarse, prior.expected_m),
            block.board(group.face, group.shelf).from_m,
        )
        for group in believed
    ]
    table = np.array([row for row in rows if np.isfinite(row[1])], np.float64).reshape(-1, 4)
    if len(table) < FEWEST_SHELVES:
        return None
    face = table[:, 0].astype(np.int64)
    bay = np.unique(np.round(table[:, [0, 3]], 2), axis=0, return_inverse=True)[1].ravel()
    return weigh_words(face, table[:, 1], table[:, 2], prior, coarse, bay)


def words_of(block: Block | None, groups: tuple[ShelfGroup, ...], expected_m: Floats) -> LabelFits:
    """Return a block's believed shelves as references: where the middle of the uprights is seen, and where it is.

    None are told where it is not clear which metal stands at the shelves' ends. ``expected_m`` is how far a calibration
    says that each face's places are too far along it.
    """
    rows: list[tuple[int, float, float]] = []
    believed = [group for group in groups if group.believed]
    coarse = None if block is None else _coarse(block, believed, expected_m)
    if block is not None and coarse is not None:
        for group in believed:
            shift, board = _word(block, group, coarse, expected_m)[0], block.board(group.face, group.shelf)
            if np.isfinite(shift):
                rows.append((group.face, 0.5 * (board.from_m + board.to_m), shift))
    table = np.array(rows, np.float64).reshape(-1, 3)
    return LabelFits(
        epc=np.full(len(table), "", object), face=table[:, 0].astype(np.int64), offset_m=table[:, 1],
        error_m=table[:, 2], sigma_m=np.full(len(table), WORD_SIGMA_M),
    )  # fmt: skip


def pin_rest(
    positions: Positions, words: Sequence[LabelFits], plan: Plan, told: Pinned | None, off_m: Floats
) -> npt.NDArray[np.bool_]:
    """Take out of the places of faces that no first word was said of what their own uprights say.

    Returns
    -------
    bool array, shape (f,)
        Which faces these are.

    Notes
    -----
    ``off_m`` is how far off each face may be by a calibration, NaN where there is none.
    """
    every = LabelFits(*(np.concatenate([getattr(w, f.name) for w in words]) for f in fields(LabelFits)))
    number = np.bincount(every.face, minlength=len(plan.faces))
    asked = number >= FEWEST_SHELVES
    if told is not None:
        asked &= ~np.isfinite(told.sigma_m)
    take_out(positions, every.select(asked[every.face]), plan, REST_FLOOR_M, off_m)
    return asked


def _coarse(block: Block, groups: list[ShelfGroup], expected_m: Floats) -> float | None:
    """Return how far behind its poses the robot was, roughly; None: shelves show nothing clear at their ends."""
    tried = np.arange(-round(FARTHEST_M / STEP_M), round(FARTHEST_M / STEP_M) + 1) * STEP_M
    total = np.zeros(len(tried))
    for group in groups:
        board, sites = block.board(group.face, group.shelf), group.fit.sites
        moved = expected_m[group.face] + tried * group.way
        beyond = np.array([board.from_m, -board.to_m])[:, None] + np.array([[1.0], [-1.0]]) * moved
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


def _word(block: Block, group: ShelfGroup, coarse_m: float, expected_m: Floats) -> tuple[float, float]:
    """Return how far a shelf's uprights are seen along the face beyond what is expected, and the robot's way there.

    NaN: not both of them were seen.
    """
    board, expected = block.board(group.face, group.shelf), float(expected_m[group.face])
    place, strength = group.fit.sites.place[:, 0], np.abs(group.fit.sites.rho)
    seen: list[float] = []
    for end in (board.from_m, board.to_m):
        near = np.flatnonzero(
            (np.abs(place - end - expected - coarse_m * group.way) < NEAR_M) & (strength > LEAST_STRENGTH)
        )
        if len(near) == 0:
            return np.nan, 0.0
        seen.append(float(place[near[strength[near].argmax()]] - end - expected))
    return 0.5 * (seen[0] + seen[1]), group.way
