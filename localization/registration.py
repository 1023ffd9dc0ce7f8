"""How the run's own frame lies to the plan: face distances and antenna phase centres, learnt from the tags heard.

A robot's odometry is laid over a surveyed plan by hand, and antennas are measured with a tape: on a measured robot
the faces stood 5 to 35 cm nearer or farther than plan and poses said, and the lowest antenna's phase centre hung
2 cm behind the highest one's. Every tag of a face feels the same error, so the tags together tell it although none
does alone: the curvature of their phases gives the distance, and where one antenna sees the tags against another
gives the phase centres. What all antennas share along the face cannot be seen without reference tags and stays.
"""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from localization.faces import Candidates, Frames, find_candidates, rows_of
from localization.hypotheses import DEPTH_SIGMA_M, ONE_HEIGHT_M, Hypotheses, make_hypotheses
from localization.loudness import received_amplitude
from localization.observations import Mounts, Observations
from localization.profile import STEP_M, image, refine_all, weigh
from localization.registration_solve import State, moved, solve
from localization.signal_model import CORRELATION_M
from recording import Readings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Readings that a run's registration is learnt from; where these are not all, so many of a tag are enough.
REGISTER_READINGS, SAMPLE_PER_TAG = 400_000, 200
#: A face is registered by so many tags at least and at most, each heard on so many stretches of track.
FEWEST_TAGS, MOST_TAGS, FEWEST_WITNESSES = 4, 40, 3.0
#: A run needs so many in all; of a tag, so many observations are enough.
FEWEST_IN_ALL, MOST_OBSERVATIONS = 12, 200
#: What is tried first for the distance of a face, and how likely such errors are: half of the faces lie as surveyed.
DEPTHS_M: Floats = np.arange(-9, 10, dtype=np.float64) * 0.05
SURVEYED_SIGMA_M, DEPTH_SHIFT_SIGMA_M = 0.04, 0.2
#: A face is taken to lie elsewhere only where its tags are each so much likelier there (log): a shift that is real is
#: felt by tags one by one, not by their sum alone.
GAIN_PER_TAG = 0.5
#: Log-chance that a tag says nothing of its face's distance (it stands elsewhere, or hears its own reflection best).
TAG_WRONG = -6.0
#: A coherent sum over w witnesses, r of it explained, has this times w log(1 - r^2) as its log-likelihood.
WITNESS_SHARE = 0.4
#: An estimate within so many deviations of zero is zero (Breiman, Technometrics 37, 1995: the nonnegative garrote).
#: Tags share what disturbs them, so that from run to run estimates vary by twice their deviations.
DOUBT = 3.0
ROUNDS, STEP_LEAST_M = 12, 0.001


@dataclass(frozen=True, slots=True)
class Registration:
    """What the run taught of its geometry.

    Attributes
    ----------
    across_m, ahead_m : float64 array, shape (256,)
        Shift of each antenna's phase centre to the left of its boresight and along it, horizontally.
    depth_m : float64 array, shape (faces,)
        How much farther from the track each face stands than plan and poses say; NaN where too few tags tell.
    tags : int
        Tags it was learnt from.
    antennas : int64 array
        The antennas that heard them with phase.
    spread_m2 : float
        Sum of squares of their shifts across, as estimated, less the estimates' own variances.
    hearing : float
        How many antennas hear a tag before its face (median).
    """

    across_m: Floats
    ahead_m: Floats
    depth_m: Floats
    tags: int
    antennas: Ints
    spread_m2: float = 0.0
    hearing: float = 1.0

    def centre_sigma(self, usual_m: float) -> float:
        """Return what the antennas that hear a tag may be off together along a face.

        ``usual_m`` is what an antenna is usually off by, worth one antenna; how far this robot's differ, less what
        that is known to, tells how well they are mounted. The mean of those that hear a tag varies less than each.
        """
        own = (usual_m**2 + self.spread_m2) / max(len(self.antennas), 1)
        return math.sqrt(own / max(self.hearing, 1.0))

    def with_across(self, across_m: Floats) -> Registration:
        """Return the same with antennas known, to a millimetre or two, to be so far to the left, m, shape (256,)."""
        antennas = self.antennas if len(self.antennas) else np.flatnonzero(across_m)
        spread = float((across_m[antennas] ** 2).sum())
        return dataclasses.replace(self, across_m=across_m, antennas=antennas, spread_m2=spread)

    def mounts(self, mounts: Mounts) -> Mounts:
        """Return the mounts with their phase centres where the run saw them."""
        return mounts.shifted(self.across_m, self.ahead_m)

    def frames(self, frames: Frames) -> Frames:
        """Return the faces where the run saw them; places on them are still told in the plan's own coordinates."""
        return frames.moved_back(self.depth_m)


def sample(readings: Readings) -> Ints:
    """Choose the readings to register by: whole tags at random; rows sorted by tag and time.

    Where all do not fit, no tag gives more than its share (200 at least), evenly over its time: a tag beside the
    dock must not take the place of a hundred.

    Returns rows of the readings, shape (n,).
    """
    order = np.argsort(readings.tag, kind="stable")
    counts = np.bincount(readings.tag, minlength=len(readings.tags))
    tags, every = sample_of(counts)
    nth = np.zeros(len(counts), np.int64)
    nth[tags] = every
    tag = readings.tag[order].astype(np.int64)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[(nth[tag] > 0) & (place % np.maximum(nth[tag], 1) == 0)]


def sample_of(counts: Ints, most: int = REGISTER_READINGS) -> tuple[Ints, Ints]:
    """Choose tags by their numbers of readings, see ``sample``: tags, ascending, and every how many of each to take."""
    heard = np.flatnonzero(counts)
    if counts.sum() <= most:
        return heard, np.ones(len(heard), np.int64)
    each = max(SAMPLE_PER_TAG, most // max(len(counts), 1))
    every = np.maximum(-(-counts // each), 1)
    taken = -(-counts // every)
    by_chance = np.random.default_rng(0).permutation(len(counts))
    chosen = np.zeros(len(counts), np.bool_)
    chosen[by_chance[np.cumsum(taken[by_chance]) <= most]] = True
    tags = np.flatnonzero(chosen & (counts > 0))
    return tags, every[tags]


def nothing_registered(faces: int) -> Registration:
    """Return a registration of a run that taught nothing."""
    return Registration(np.zeros(256), np.zeros(256), np.full(faces, np.nan), 0, np.zeros(0, np.int64))


def with_known(found: Registration | None, known_m: Floats) -> Registration:
    """Return what the run taught with the depths that the calibration gave it to begin with, m, shape (faces,)."""
    if found is None:
        return dataclasses.replace(nothing_registered(len(known_m)), depth_m=known_m)
    both = np.isfinite(found.depth_m) | np.isfinite(known_m)
    total = np.where(both, np.nan_to_num(found.depth_m) + np.nan_to_num(known_m), np.nan)
    return dataclasses.replace(found, depth_m=total)


def register(
    observations: Observations,
    frames: Frames,
    *,
    most_tags: int = MOST_TAGS,
    about_m: float = math.inf,
    jobs: int = 1,
) -> Registration | None:
    """Learn the registration from the tags of a run, or None where they cannot tell.

    ``most_tags`` of a face take part; each is looked for within ``about_m`` of where it was heard best. ``jobs`` are
    threads.

    First each face's distance on a grid, by the profile likelihood of its tags over all heights and offsets; then
    distances and phase centres together by Gauss-Newton, each tag's own place eliminated (Schur complement).
    """
    if not frames.ids or frames.ids[0] is None:
        return None
    candidates = find_candidates(observations, frames, CORRELATION_M)
    if len(candidates.tag) == 0:
        return None
    weight = weigh(observations, candidates)
    chosen = _teachers(observations, candidates, frames, weight, most_tags)
    if len(chosen) < FEWEST_IN_ALL:
        return None
    part, part_weight = _thinned(candidates.select(chosen), weight[rows_of(candidates.start, chosen)])
    antennas = np.unique(observations.antenna[part.observation[part_weight > 0.0]])
    depth = _distances(observations, part, frames, part_weight, about_m, jobs)
    # A face that lies where it should is left there, give or take what surveys err by.
    freedom = np.where(depth == 0.0, SURVEYED_SIGMA_M, DEPTH_SHIFT_SIGMA_M)
    state = State(np.zeros(256), np.zeros(256), depth, np.asarray(freedom, np.float64))
    # Over boards heights are supposed, not fitted, and a wrong supposition looks like antennas too near or too far.
    open_rack = np.array([face is not None and not face.shelves for face in frames.faces])[part.face]
    sigma = np.zeros(0)
    for _ in range(ROUNDS):
        seen = moved(observations, part, state)
        fits = _fit_all(observations, seen, frames, part_weight, about_m, jobs)
        step, sigma = solve(observations, seen, fits, part_weight, antennas, open_rack, state)
        if step < STEP_LEAST_M:
            break
    faces = np.unique(part.face)
    number = len(antennas)
    across, ahead, depth = np.zeros(256), np.zeros(256), np.full(len(frames.ids), np.nan)
    across[antennas] = believed_shift(state.across_m[antennas], sigma[:number])
    ahead[antennas] = believed_shift(state.ahead_m[antennas], sigma[number : 2 * number])
    # What is believed of single antennas must not move them all.
    across[antennas] -= across[antennas].mean()
    ahead[antennas] -= ahead[antennas].mean()
    depth[faces] = believed_shift(state.depth_m[faces], sigma[2 * number :])
    across, ahead, depth = to_micrometre(across), to_micrometre(ahead), to_micrometre(depth)
    spread = float((state.across_m[antennas] ** 2 - sigma[:number] ** 2).sum())
    heard = np.unique(
        np.repeat(np.arange(len(part.tag)), np.diff(part.start)) * 256
        + observations.antenna[part.observation]
    )
    hearing = float(np.median(np.bincount(heard // 256)))
    return Registration(across, ahead, depth, len(chosen), antennas, round(max(spread, 0.0), 9), hearing)


def to_micrometre(values_m: Floats) -> Floats:
    """Return lengths, any shape, to the micrometre.

    Last bits of what linear algebra makes of an array hang on how that lies in memory, and a run's places are to be the
    same every time.
    """
    return np.asarray(np.round(values_m, 6), np.float64)


def _thinned(candidates: Candidates, weight: Floats) -> tuple[Candidates, Floats]:
    """Take every nth observation of a candidate that has many, and let it stand for its neighbours."""
    size = np.diff(candidates.start)
    every = np.maximum(size // MOST_OBSERVATIONS, 1)
    place = np.arange(int(candidates.start[-1])) - np.repeat(candidates.start[:-1], size)
    keep = place % np.repeat(every, size) == 0
    return candidates.of_rows(keep), (weight * np.repeat(every, size))[keep]


def believed_shift(value: Floats, sigma: Floats, doubt: float = DOUBT) -> Floats:
    """Return what to believe of estimates, any shape: nothing below so many deviations, nearly all far above."""
    return value * np.maximum(1.0 - (doubt * sigma / np.where(value == 0.0, 1.0, value)) ** 2, 0.0)


def _teachers(
    observations: Observations, candidates: Candidates, frames: Frames, weight: Floats, most_tags: int
) -> Ints:
    """Choose the candidates to learn from: each tag where it is loudest, the best heard of each face."""
    witnesses = np.add.reduceat(weight, candidates.start[:-1])
    loud = received_amplitude(observations, candidates)
    order = np.lexsort((-loud, candidates.tag))
    first = order[np.append(True, np.diff(candidates.tag[order]) != 0)]
    first = first[witnesses[first] - _spent(candidates)[first] >= FEWEST_WITNESSES]
    chosen: list[Ints] = []
    for face in range(len(frames.ids)):
        here = first[candidates.face[first] == face]
        known = frames.faces[face]
        if known is not None and not known.shelves:
            # Where a tag's own height is open, only antennas at two heights tell it from the depth.
            top = np.maximum.reduceat(candidates.z, candidates.start[:-1])[here]
            here = here[top - np.minimum.reduceat(candidates.z, candidates.start[:-1])[here] >= ONE_HEIGHT_M]
        rows = rows_of(candidates.start, here)
        # One antenna height does not tell a face's distance from its tags' heights.
        if len(here) >= FEWEST_TAGS and np.ptp(candidates.z[rows]) >= ONE_HEIGHT_M:
            chosen.append(here[np.argsort(-witnesses[here], kind="stable")][:most_tags])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def _spent(candidates: Candidates) -> Floats:
    """Return what each candidate's own fit takes up: a phase per group, offset, height and depth, shape (c,)."""
    return np.maximum.reduceat(candidates.group, candidates.start[:-1]) + 4.0


def _heights(candidates: Candidates, frames: Frames) -> Hypotheses:
    """Return the heights each candidate may have, at the face's own depth."""
    every = make_hypotheses(candidates, frames)
    keep = every.depth_m == 0.0
    counts = np.add.reduceat(keep.astype(np.int64), every.start[:-1])
    return Hypotheses(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        depth_m=every.depth_m[keep],
        height_m=every.height_m[keep],
        depth_sigma_m=np.full(int(keep.sum()), DEPTH_SIGMA_M),
        height_sigma_m=every.height_sigma_m[keep],
        log_prior=every.log_prior[keep],
        level=every.level[keep],
    )


def _distances(
    observations: Observations, candidates: Candidates, frames: Frames, weight: Floats, about_m: float,
    jobs: int,
) -> Floats:  # fmt: skip
    """Return the likeliest depth shift of each face on a grid, shape (faces,)."""
    depth = np.zeros(len(frames.ids))
    many = len(DEPTHS_M)

    def look(face: int) -> None:
        here = np.flatnonzero(candidates.face == face)
        part, part_weight = candidates.select(here), weight[rows_of(candidates.start, here)]
        heights = _heights(part, frames)
        grid = Hypotheses(
            start=heights.start * many,
            depth_m=np.tile(DEPTHS_M, len(heights.height_m)),
            height_m=np.repeat(heights.height_m, many),
            depth_sigma_m=np.repeat(heights.depth_sigma_m, many),
            height_sigma_m=np.repeat(heights.height_sigma_m, many),
            log_prior=np.repeat(heights.log_prior, many),
            level=np.repeat(heights.level, many),
        )
        seen = image(observations, part, grid, frames, part_weight, about_m)
        total = np.add.reduceat(part_weight, part.start[:-1])
        free = total - _spent(part)
        score = np.logaddexp(
            -0.5 * (DEPTHS_M / SURVEYED_SIGMA_M) ** 2 - np.log(SURVEYED_SIGMA_M),
            -0.5 * (DEPTHS_M / DEPTH_SHIFT_SIGMA_M) ** 2 - np.log(DEPTH_SHIFT_SIGMA_M),
        )
        fits = np.zeros((len(here), many))
        for c in range(len(here)):
            value = seen.value[seen.start[c] : seen.start[c + 1]].reshape(-1, many, seen.x_count[c])
            coherence = np.minimum(value.max(axis=2).astype(np.float64) / total[c], 0.999)
            prior = heights.log_prior[heights.start[c] : heights.start[c + 1], None]
            fit = np.asarray(
                logsumexp(prior - WITNESS_SHARE * free[c] * np.log(1.0 - coherence**2), axis=0), np.float64
            )
            fits[c] = np.logaddexp(fit - fit.max(), TAG_WRONG)
        score += fits.sum(axis=0)
        if score.max() - score[DEPTHS_M == 0.0][0] > GAIN_PER_TAG * len(here):
            depth[face] = DEPTHS_M[score.argmax()]

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        list(pool.map(look, np.unique(candidates.face).tolist()))
    return depth


def _fit_all(
    observations: Observations, candidates: Candidates, frames: Frames, weight: Floats, about_m: float,
    jobs: int,
) -> Floats:  # fmt: skip
    """Fit every tag by itself, a share of them in each thread, see ``_fit_tags``."""
    shares = np.array_split(np.arange(len(candidates.tag)), max(1, min(jobs, len(candidates.tag))))

    def fit(chosen: Ints) -> Floats:
        part = candidates.select(chosen)
        return _fit_tags(observations, part, frames, weight[rows_of(candidates.start, chosen)], about_m)

    with ThreadPoolExecutor(len(shares)) as pool:
        return np.concatenate(list(pool.map(fit, shares)))


def _fit_tags(
    observations: Observations, candidates: Candidates, frames: Frames, weight: Floats, about_m: float
) -> Floats:
    """Fit every tag by itself; the best of its heights, columns as in ``kernels.refine``, shape (c, 8)."""
    heights = _heights(candidates, frames)
    seen = image(observations, candidates, heights, frames, weight, about_m)
    count = len(candidates.tag)
    owner = np.repeat(np.arange(count), np.diff(heights.start))
    start = np.zeros(len(owner))
    for c in range(count):
        value = seen.value[seen.start[c] : seen.start[c + 1]].reshape(-1, seen.x_count[c])
        start[heights.start[c] : heights.start[c + 1]] = seen.low_m[c] + STEP_M * value.argmax(axis=1)
    obs = candidates.observation
    fitted = refine_all(
        candidates, owner, start, heights, np.arange(len(owner)), observations.wavenumber[obs],
        np.nan_to_num(observations.phase_rad[obs]), weight,
    )  # fmt: skip
    cost = fitted[:, 5] * fitted[:, 6] - heights.log_prior
    order = np.lexsort((cost, owner))
    return fitted[order[np.append(True, np.diff(owner[order]) != 0)]]
