"""What shelves' uprights say of a run and what is expected of it, as one posterior.

A calibration's own error is how far the run may still be off: the uprights' words and that prior are one Gaussian
posterior (Gelman et al., *Bayesian Data Analysis*, 3rd edition, section 14.8), in which the surer one weighs more. A
prior that the words contradict counts as the tails of a Student-t, hence hardly at all: a clock that was set anew
since is no reason to believe the old one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from localization.faces import Frames
from localization.normal import Z90
from localization.observations import Mounts
from localization.registration import to_micrometre

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: After a shift as large as this the first block, seen anew, is asked again.
AGAIN_M = 0.03
#: Shelves' words are supposed to scatter by so much, which counts as so many of them (in half of simulated libraries it
#: is 0.7 to 1.9 cm).
SHELF_SIGMA_M, SUPPOSED = 0.01, 4.0
#: A bay's uprights are the same for all its levels, which hence err together by this; and all bays by that.
BAY_SIGMA_M, FLOOR_M = 0.003, 0.004
#: Words that are off by more are strays, however little the others scatter by.
STRAY_M = 0.06
#: Words that scatter by more than so many times the median of all count as if they did not.
STRAY = 3.0
#: How often words and what is expected are weighed anew by how far they are off.
ROUNDS = 8
#: Before uprights are asked, a run may be off along its faces by at least this: what the first word leaves, too.
LEAST_SIGMA_M = 0.03
#: How far a face may be off by itself.
FACE_SIGMA_M = 0.01
#: Degrees of freedom of what a calibration says is left; no calibration is surer than this.
PRIOR_NU, SUREST_M = 4.0, 0.001
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


def weigh_words(
    face: Ints, word_m: Floats, way: Floats, prior: Prior, coarse_m: float = 0.0, bay: Ints | None = None
) -> Pinned:
    """Put shelves' words and what is expected together; ``n`` shelves.

    Parameters
    ----------
    face : int64 array, shape (n,)
    word_m, way : float64 array, shape (n,)
        How far each shelf's uprights are seen along the face, and which way the robot went.
    prior : Prior
    coarse_m : float
        How far behind its poses the robot was, roughly.
    bay : int64 array, shape (n,), optional
        Between which uprights each shelf hangs, numbered from 0; by default nothing is known of that.
    """
    number = len(prior.face_m)
    bays = 0 if bay is None else int(bay.max()) + 1
    sigma = _scatter(word_m - _common(word_m, way) * way)
    # What antennas and clock may be off by is not what they are off by once uprights are seen elsewhere.
    ahead_sigma = max(prior.ahead_sigma_m, abs(coarse_m))
    # What uprights all err by, no number of them tells apart from what the run is off by, and what those of a bay err
    # by, no number of its levels.
    foretold_sigma = np.concatenate(
        [[ahead_sigma], prior.face_sigma_m, np.full(bays, BAY_SIGMA_M), [FLOOR_M]]
    )
    foretold = np.concatenate([[prior.ahead_m], prior.face_m, np.zeros(bays + 1)])
    deviation, expected = foretold_sigma.copy(), foretold.copy()
    if prior.told:
        # Of calibration and survey the surer: a calibration that knows nothing is as good as none. A face without
        # words stays where the calibration has it.
        survey = (np.bincount(face, minlength=number) > 0) & (prior.face_sigma_m > FACE_SIGMA_M)
        deviation[1 : number + 1] = np.where(survey, FACE_SIGMA_M, prior.face_sigma_m)
        expected[1 : number + 1] = np.where(survey, prior.surveyed_m, prior.face_m)
    design = np.zeros((len(face), number + bays + 2))
    design[:, 0], design[:, -1] = way, 1.0
    design[np.arange(len(face)), face + 1] = 1.0
    if bay is not None:
        design[np.arange(len(face)), bay + number + 1] = 1.0
    # Where the calibration contradicts, there are two places to end at: words speak of this very run, so theirs first.
    alone = np.append(_alone(face, word_m, way, number), np.zeros(bays + 1))
    mean: Floats = alone if prior.told else expected
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
        usual = np.zeros(number + bays + 2)
        usual[0], usual[f + 1] = float(np.mean(way[face == f])), 1.0
        seen[f] = np.sqrt(usual @ covariance @ usual)
        spread = float(np.sqrt(usual**2 @ foretold_sigma**2))
        against = max(against, abs(float(usual @ (mean - foretold))) / spread)
    return Pinned(
        round(float(mean[0]), 6),
        to_micrometre(mean[1 : number + 1]),
        to_micrometre(seen),
        len(face),
        against if prior.told else 0.0,
    )


def _tails(away: Floats) -> Floats:
    """Return how much less than a normal's a Student-t's prior weighs so many deviations off."""
    return np.minimum(1.0, (PRIOR_NU + 1.0) / (PRIOR_NU + away**2))


def _alone(face: Ints, word_m: Floats, way: Floats, number: int) -> Floats:
    """Return what words say by themselves: along the way what they have in common, and what each face has besides."""
    ahead = _common(word_m, way)
    left = word_m - ahead * way
    return np.array(
        [ahead, *(np.median(left[face == f]) if (face == f).any() else 0.0 for f in range(number))]
    )


def _common(word_m: Floats, way: Floats) -> float:
    """Return what words have in common along the robot's way, which is no scatter where it passed both ways."""
    return float(np.median(word_m * np.sign(way)))


def _scatter(word_m: Floats) -> float:
    """Return the deviation of shelves' words: of a handful, what they show and what is supposed together."""
    away = np.abs(word_m - np.median(word_m))
    away = np.minimum(away, max(STRAY * 1.4826 * float(np.median(away)), STRAY_M))
    return float(np.sqrt((SUPPOSED * SHELF_SIGMA_M**2 + (away**2).sum()) / (SUPPOSED + len(away) - 1.0)))
