"""The uprights pin the run: a shelf's ends are where the plan says, and its metal is seen where the run puts it.

Where everything is off together along a face (the reader's clock against the base's, the antennas' phase centres
ahead of their mounts, the survey against the odometry), no tag can tell. But the scatterers of a shelf are found in
the same frame as its tags, and the strongest are the uprights at its ends, whose places the plan knows. How far beyond
its end an upright seems to stand is not known, but it is as far to the right at the right end as to the left at the
left one, so that the mean of both is the run's own error. A shelf tells it to some 2 cm, the shelves
of a run's first block (some 2,000 tags) to half a centimetre; faces of other blocks get its part along the robot's
way, and are asked for their own once all is placed.

What a calibration says is applied before, and its own error is how far the run may still be off: the uprights' words
and that prior are one Gaussian posterior (Gelman et al., *Bayesian Data Analysis*, 3rd edition, section 14.8), in which
the surer one weighs more. A prior that the words contradict counts as the tails of a Student-t, hence hardly at all:
a clock that was set anew since is no reason to believe the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from localization.bars import Z90
from localization.calibration import Calibration
from localization.faces import Frames
from localization.label_shift import LabelFits
from localization.labels import take_out
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
#: Shelves' words are supposed to scatter by so much, which counts as so many of them (in half of simulated libraries it
#: is 0.7 to 1.9 cm); and all of them together are no better than this, as uprights differ.
SHELF_SIGMA_M, SUPPOSED, FLOOR_M = 0.01, 4.0, 0.004
#: Words that are off by more are strays, however little the others scatter by.
STRAY_M = 0.06
#: Words that scatter by more than so many times the median of all count as if they did not.
STRAY = 3.0
#: How often words and what is expected are weighed anew by how far they are off.
ROUNDS = 8
#: One shelf's word, of faces that are asked at the end.
WORD_SIGMA_M = 0.02
#: Before uprights are asked, a run may be off along its faces by at least this: what the first word leaves, too.
LEAST_SIGMA_M = 0.03
#: How far a face may be off by itself.
FACE_SIGMA_M = 0.01
#: Degrees of freedom of what a calibration says is left; no calibration is surer than this.
PRIOR_NU, SUREST_M = 4.0, 0.001
#: This share of what poses state is another in every night.
WANDER_SHARE = 0.5
#: So many deviations off what a calibration foretold, something was changed since.
CONTRADICTED = 4.0


@dataclass(frozen=True, slots=True)
class Prior:
    """What a run may be off by along its faces before its uprights are asked; ``f`` faces.

    Attributes
    ----------
    ahead_sigma_m : float
        Along the robot's own way.
    face_sigma_m : float64 array, shape (f,)
        Each face, besides.
    ahead_m : float
    face_m : float64 array, shape (f,)
        What of both is expected: less what an earlier word took out.
    expected_m : float64 array, shape (f,)
        By how much a calibration says that places are too far along each face, which is put right in the end.
    surveyed_m : float64 array, shape (f,)
        What each face is off by if it stands where the plan says, give or take ``FACE_SIGMA_M``: believed instead of a
        calibration that is less sure of the face than that.
    told : bool
        Whether a calibration says so, and not what is usual.
    """

    ahead_sigma_m: float
    face_sigma_m: Floats
    ahead_m: float
    face_m: Floats
    expected_m: Floats
    surveyed_m: Floats
    told: bool

    @classmethod
    def usual(cls, assumed_m: Floats, expected_m: Floats) -> Prior:
        """Return what is usual, from what each face may be off by as its readings say (NaN: it has none)."""
        number = len(assumed_m)
        ahead = float(np.nanmedian(assumed_m)) if np.isfinite(assumed_m).any() else 0.0
        none = np.zeros(number)
        return cls(
            max(ahead, LEAST_SIGMA_M), np.full(number, FACE_SIGMA_M), 0.0, none, expected_m, none, False
        )

    @classmethod
    def calibrated(cls, sigma_m: Floats, expected_m: Floats) -> Prior:
        """Return what a calibration leaves, from how far off each face may be by it, shape (f,).

        Of what the surest face may be off by half belongs to the run, and half to each face: a calibration errs in how
        it shares out what references say, too. Whatever other faces may be off by beyond that is their own.
        """
        sigma = np.maximum(sigma_m, SUREST_M)
        ahead = float(sigma.min()) * np.sqrt(0.5)
        number = len(sigma)
        return cls(
            float(ahead), np.sqrt(sigma**2 - ahead**2), 0.0, np.zeros(number), expected_m, -expected_m, True
        )

    def after(self, found: Pinned) -> Prior:
        """Return what is expected once a first word was taken out."""
        if not self.told:
            return self
        return replace(
            self,
            ahead_m=-found.ahead_m,
            face_m=-found.face_m,
            surveyed_m=-self.expected_m - found.face_m,
        )


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
    against : float
        How many deviations off what a calibration foretold, the most of all faces; 0 without a calibration.
    """

    ahead_m: float
    face_m: Floats
    sigma_m: Floats
    shelves: int
    against: float = 0.0

    @property
    def far(self) -> bool:
        """Whether the run was so far off that tags and uprights were looked for at wrong places."""
        return max(abs(self.ahead_m), float(np.abs(self.face_m).max(initial=0.0))) > AGAIN_M

    def shift_m(self, face: int, way: float) -> float:
        """Return how far places on a face are too far along it, as the robot went ``way`` along it."""
        return self.ahead_m * way + float(self.face_m[face])

    def then(self, later: Pinned) -> Pinned:
        """Return both together, the later one asked where this one was applied."""
        return replace(
            later,
            ahead_m=self.ahead_m + later.ahead_m,
            face_m=self.face_m + later.face_m,
            against=max(self.against, later.against),
        )

    def applied(self, frames: Frames, mounts: Mounts) -> tuple[Frames, Mounts]:
        """Return faces and mounts where the uprights say they are."""
        position = mounts.position_m.copy()
        position[:, 0] -= self.ahead_m
        return frames.moved_along(self.face_m), replace(mounts, position_m=position)


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
    rows = [(group.face, *_word(block, group, coarse, prior.expected_m)) for group in believed]
    table = np.array([row for row in rows if np.isfinite(row[1])], np.float64).reshape(-1, 3)
    if len(table) < FEWEST_SHELVES:
        return None
    face = table[:, 0].astype(np.int64)
    return weigh_words(face, table[:, 1], table[:, 2], prior, coarse)


def weigh_words(face: Ints, word_m: Floats, way: Floats, prior: Prior, coarse_m: float = 0.0) -> Pinned:
    """Put shelves' words and what is expected together; ``n`` shelves.

    Parameters
    ----------
    face : int64 array, shape (n,)
    word_m, way : float64 array, shape (n,)
        How far each shelf's uprights are seen along the face, and which way the robot went.
    prior : Prior
    coarse_m : float
        How far behind its poses the robot was, roughly.
    """
    number = len(prior.face_m)
    sigma = _scatter(word_m - coarse_m * way)
    # What antennas and clock may be off by is not what they are off by once uprights are seen elsewhere.
    ahead_sigma = max(prior.ahead_sigma_m, abs(coarse_m))
    # What uprights all err by, no number of them tells apart from what the run is off by.
    foretold_sigma = np.concatenate([[ahead_sigma], prior.face_sigma_m, [FLOOR_M]])
    foretold = np.concatenate([[prior.ahead_m], prior.face_m, [0.0]])
    deviation, expected = foretold_sigma.copy(), foretold.copy()
    if prior.told:
        # Of calibration and survey the surer: a calibration that knows nothing is as good as none. A face without
        # words stays where the calibration has it.
        survey = (np.bincount(face, minlength=number) > 0) & (prior.face_sigma_m > FACE_SIGMA_M)
        deviation[1:-1] = np.where(survey, FACE_SIGMA_M, prior.face_sigma_m)
        expected[1:-1] = np.where(survey, prior.surveyed_m, prior.face_m)
    design = np.zeros((len(face), number + 2))
    design[:, 0], design[:, -1] = way, 1.0
    design[np.arange(len(face)), face + 1] = 1.0
    # Where the calibration contradicts, there are two places to end at: words speak of this very run, so theirs first.
    mean: Floats = np.append(_alone(face, word_m, way, number), 0.0) if prior.told else expected
    normal, weight = np.diag(deviation**-2), np.full(len(face), sigma**-2)
    for _ in range(ROUNDS):
        left = word_m - design @ mean
        weight = 1.0 / sigma**2 / np.maximum(1.0, np.abs(left) / (1.5 * sigma))
        prior_weight = deviation**-2
        if prior.told:
            prior_weight = prior_weight * _tails((mean - expected) / deviation)
        normal = (design * weight[:, None]).T @ design + np.diag(prior_weight)
        pull = (design * weight[:, None]).T @ word_m + prior_weight * expected
        mean = np.asarray(np.linalg.solve(normal, pull), np.float64)
    covariance = np.linalg.inv(normal)
    # How far words scatter is told by a handful of them: their part of what is left is a Student-t's.
    by_words = covariance @ (design * weight[:, None]).T @ design @ covariance
    unsure = (float(stdtrit(SUPPOSED + len(face) - 1.0, 0.95)) / Z90) ** 2
    covariance += (unsure - 1.0) * by_words
    seen, against = np.full(number, np.nan), 0.0
    for f in np.unique(face):
        usual = np.zeros(number + 2)
        usual[0], usual[f + 1] = float(np.mean(way[face == f])), 1.0
        seen[f] = np.sqrt(usual @ covariance @ usual)
        spread = float(np.sqrt(usual**2 @ foretold_sigma**2))
        against = max(against, abs(float(usual @ (mean - foretold))) / spread)
    # To the micrometre: last bits may differ by how arrays lie in memory, and places are to be the same every time.
    return Pinned(
        round(float(mean[0]), 6),
        _to_micrometre(mean[1:-1]),
        _to_micrometre(seen),
        len(face),
        against if prior.told else 0.0,
    )


def _to_micrometre(values_m: Floats) -> Floats:
    return np.asarray(np.round(values_m, 6), np.float64)


def _tails(away: Floats) -> Floats:
    """Return how much less than a normal's a Student-t's prior weighs so many deviations off."""
    return np.minimum(1.0, (PRIOR_NU + 1.0) / (PRIOR_NU + away**2))


def _alone(face: Ints, word_m: Floats, way: Floats, number: int) -> Floats:
    """Return what words say by themselves: along the way what they have in common, and what each face has besides."""
    ahead = float(np.median(word_m * np.sign(way)))
    left = word_m - ahead * way
    return np.array(
        [ahead, *(np.median(left[face == f]) if (face == f).any() else 0.0 for f in range(number))]
    )


def _scatter(word_m: Floats) -> float:
    """Return the deviation of shelves' words: of a handful, what they show and what is supposed together."""
    away = np.abs(word_m - np.median(word_m))
    away = np.minimum(away, max(STRAY * 1.4826 * float(np.median(away)), STRAY_M))
    return float(np.sqrt((SUPPOSED * SHELF_SIGMA_M**2 + (away**2).sum()) / (SUPPOSED + len(away) - 1.0)))


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
    take_out(positions, every.select(asked[every.face]), plan, FLOOR_M, off_m)
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
