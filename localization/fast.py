"""The single-tag path: ten thousand tags a second, each by itself.

Readings go straight to cells of track (``cells``), every height is imaged coarsely about where the tag was heard best,
and only the likelier ones are refined. What it leaves out of the whole estimator: the footprint, the link's own law,
the joining of passes, neighbours' differences and common scatterers.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.cells import Rows, Track, gather_cells
from localization.faces import Candidates, Frames
from localization.hypotheses import Hypotheses, face_levels, make_hypotheses, tag_height
from localization.kernels import profile_grid
from localization.listening import Listening, ReadRate, expected_readings, learn_rate
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, power_centre
from localization.observations import Mounts, Observations
from localization.peaks import find_peaks
from localization.placing import (
    PHASE_SHARE,
    RSSI_SHARE,
    Places,
    RunLaw,
    Scores,
    place,
    place_by_rssi,
    score,
    strays,
)
from localization.profile import SLACK_M, USUAL_CELLS, USUAL_R2, Fits, refine_all, weigh
from localization.strength import rssi_likelihood

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Offsets looked at about the centroid of received power, and their step in radians of the longest phase.
WINDOW_M, STEP_RAD = 0.6, 0.9
#: Hypotheses of a tag that strength and counts make less likely than the best one by more than this are not imaged,
PRUNED_BEFORE = 8.0
#: and those that the image makes less likely by more than this are not refined.
PRUNED_AFTER = 5.0
#: Readings come in bursts: how much each counts, and how many at most, for the share of each antenna.
COUNT_SHARE, MOST_COUNTED = 0.5, 30.0
#: What an antenna gives where none is expected, as a share of the best one.
UNEXPECTED = 0.02
#: Cells of a face whose expected readings are looked up.
GRID_M = 0.1
#: Tags at least so well placed teach the read rate.
TRUSTED_QUALITY = 0.1
#: Refinement ends where a step is shorter than this.
SETTLED_M = 2e-4
#: Imaged phases count for so much among heights, as a coherent sum's likelihood.
WITNESS_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Shares:
    """What share of a tag's readings each antenna is expected to give, by face, level and offset.

    Attributes
    ----------
    start : int64 array, shape (faces + 1,)
        Rows of a face, level by level, ``cells[face]`` of each.
    cells : int64 array, shape (faces,)
    log_share : float64 array, shape (rows, antennas)
    """

    start: Ints
    cells: Ints
    levels: Ints
    log_share: Floats

    @classmethod
    def of(cls, listening: Listening, frames: Frames, rate: ReadRate, jobs: int = 1) -> Shares:
        """Look the whole plan up once."""
        face: list[Ints] = []
        offset: list[Floats] = []
        height: list[Floats] = []
        cells = np.zeros(len(frames.ids), np.int64)
        counts, numbers = [0], np.zeros(len(frames.ids), np.int64)
        for index in range(len(frames.ids)):
            known = face_levels(frames, index)
            cells[index] = math.ceil(frames.length_m[index] / GRID_M) + 1
            numbers[index] = len(known)
            for _, board, clear in known:
                face.append(np.full(cells[index], index))
                offset.append(GRID_M * np.arange(cells[index]))
                height.append(np.full(cells[index], tag_height(board, clear)))
            counts.append(counts[-1] + len(known) * int(cells[index]))
        if not face:
            return cls(
                np.zeros(len(counts), np.int64), cells, numbers, np.zeros((0, len(listening.antennas)))
            )
        expected = expected_readings(
            listening,
            frames,
            rate,
            np.concatenate(face),
            np.concatenate(offset),
            np.concatenate(height),
            jobs,
        )
        expected += UNEXPECTED * expected.max(axis=1, keepdims=True) + 1e-9
        share = np.log(expected / expected.sum(axis=1, keepdims=True))
        return cls(np.array(counts, np.int64), cells, numbers, share)

    def likelihood(self, face: Ints, order: Ints, offset_m: Floats, counts: Floats) -> Floats:
        """Return the multinomial log-likelihood of counts (n, antennas) for places; 0 where no shelf is known."""
        known = self.levels[face] > 0
        cell = np.clip(np.round(offset_m / GRID_M).astype(np.int64), 0, self.cells[face] - 1)
        row = np.where(known, self.start[face] + order * self.cells[face] + cell, 0)
        if len(self.log_share) == 0:
            return np.zeros(len(face))
        return np.where(known, (counts * self.log_share[row]).sum(axis=1), 0.0)


@dataclass(frozen=True, slots=True)
class Taught:
    """What the run taught the fast path."""

    law: RunLaw
    shares: Shares | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A block's tags and what they were placed from.

    ``weight`` is that of every row of the candidates, shape (m,); ``astray`` is of every place, shape (p,).
    """

    observations: Observations
    candidates: Candidates
    hypotheses: Hypotheses
    weight: Floats
    places: Places
    fits: Fits
    scores: Scores
    law: RunLaw
    astray: Floats
    """Chance of each place to be at a wrong peak."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all blocks share.

    ``doubled`` and ``delay_m`` (m of cable) are by mount's number, shape (256,); ``antennas`` are the UHF mounts'.
    """

    track: Track
    frames: Frames
    mounts: Mounts
    doubled: npt.NDArray[np.bool_]
    delay_m: Floats
    latency_ns: int
    reference_per_m: float
    antennas: Ints


def place_block(ground: Ground, rows: Rows, taught: Taught | None) -> Placed | None:
    """Place a block's tags; None where none was heard before any face. Untaught, heights are told by RSSI alone."""
    observations, candidates = gather_cells(
        rows,
        ground.track,
        ground.frames,
        ground.doubled,
        ground.delay_m,
        ground.latency_ns,
        ground.reference_per_m,
    )
    if len(candidates.tag) == 0:
        return None
    frames = ground.frames
    weight = weigh(observations, candidates)
    every = make_hypotheses(candidates, frames)
    centre = power_centre(observations, candidates)
    counts = _counted(observations, candidates, ground.antennas)
    before = _before(ground, observations, candidates, every, centre, counts, taught)
    hypotheses, kept = _kept(every, before, PRUNED_BEFORE)
    before = before[kept]
    peaks, image_score = _imaged(ground, observations, candidates, hypotheses, weight, centre)
    hypotheses, kept = _kept(hypotheses, before + image_score, PRUNED_AFTER)
    peaks = peaks[kept]
    fits = _refined(observations, candidates, hypotheses, weight, peaks)
    if taught is not None and taught.shares is not None:
        owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
        order = _order_of(hypotheses, frames, candidates)
        by_count = taught.shares.likelihood(candidates.face[owner], order, fits.offset_m, counts[owner])
        # Among the heights of a face phase counts for less than its likelihood says, as in the whole estimator.
        phase = fits.log_likelihood + hypotheses.log_prior
        phase -= np.maximum.reduceat(phase, hypotheses.start[:-1])[owner]
        by_count -= np.where(hypotheses.level > 0, (1.0 - PHASE_SHARE) * phase, 0.0)
        fits = dataclasses.replace(fits, read_likelihood=by_count)
    scores, law = score(
        observations, candidates, hypotheses, fits, ground.mounts, weight, None if taught is None else taught.law,
        frames, None,
    )  # fmt: skip
    places = place(observations, candidates, hypotheses, fits, scores, frames)
    places = place_by_rssi(observations, candidates, places, frames)
    astray = strays(observations, candidates, places, fits)
    return Placed(observations, candidates, hypotheses, weight, places, fits, scores, law, astray)


def counted_by_antenna(observations: Observations, candidates: Candidates, antennas: Ints) -> Floats:
    """Return each candidate's readings by antenna, shape (c, antennas)."""
    number = len(antennas)
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    column = np.searchsorted(antennas, observations.antenna)
    total = np.bincount(owner * number + column, observations.heard, len(candidates.tag) * number)
    return np.asarray(total, np.float64).reshape(-1, number)


def _counted(observations: Observations, candidates: Candidates, antennas: Ints) -> Floats:
    """Return each candidate's readings by antenna, at most so many in all, shape (c, antennas)."""
    counts = counted_by_antenna(observations, candidates, antennas)
    return counts * np.minimum(COUNT_SHARE, MOST_COUNTED / counts.sum(axis=1, keepdims=True))


def _order_of(hypotheses: Hypotheses, frames: Frames, candidates: Candidates) -> Ints:
    """Return which of its face's levels each hypothesis is, counted from the lowest; 0 where there are none."""
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
    highest = int(hypotheses.level.max(initial=0)) + 1
    table = np.zeros((len(frames.ids), highest), np.int64)
    for face in np.unique(candidates.face):
        for order, (level, _, _) in enumerate(face_levels(frames, int(face))):
            if 0 <= level < highest:
                table[face, level] = order
    return table[candidates.face[owner], np.clip(hypotheses.level, 0, None)]


def _before(
    ground: Ground, observations: Observations, candidates: Candidates, hypotheses: Hypotheses, centre: Floats,
    counts: Floats, taught: Taught | None,
) -> Floats:  # fmt: skip
    """Return what strength, counts and priors say of every hypothesis at the centroid of power, shape (y,)."""
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
    value = hypotheses.log_prior.copy()
    if taught is None:
        return value
    there = _fits_at(centre[owner], hypotheses)
    _, likelihood = rssi_likelihood(
        observations,
        candidates,
        hypotheses,
        there,
        ground.mounts,
        taught.law.pattern_share,
        taught.law.bias_db,
    )
    value += RSSI_SHARE * likelihood
    if taught.shares is not None:
        order = _order_of(hypotheses, ground.frames, candidates)
        value += taught.shares.likelihood(candidates.face[owner], order, centre[owner], counts[owner])
    return value


def _fits_at(offset_m: Floats, hypotheses: Hypotheses) -> Fits:
    """Return stand-ins for fits at given offsets."""
    none = np.zeros(len(offset_m))
    return Fits(
        start_m=offset_m, refined=np.zeros((len(offset_m), 8)), offset_m=offset_m, depth_m=hypotheses.depth_m,
        height_m=hypotheses.height_m, variance=none, scale_rad=none, log_likelihood=none, cells=none, peak_share=none,
        other_m=offset_m, read_likelihood=none,
    )  # fmt: skip


def _kept(hypotheses: Hypotheses, value: Floats, most: float) -> tuple[Hypotheses, Ints]:
    """Return the hypotheses of each candidate within ``most`` of its best, and which those are."""
    if len(value) == 0:
        return hypotheses, np.zeros(0, np.int64)
    begin = hypotheses.start[:-1]
    size = np.diff(hypotheses.start)
    keep = value >= np.repeat(np.maximum.reduceat(value, begin), size) - most
    number = np.add.reduceat(keep.astype(np.int64), begin)
    return (
        Hypotheses(
            start=np.concatenate([[0], np.cumsum(number)]).astype(np.int64),
            depth_m=hypotheses.depth_m[keep],
            height_m=hypotheses.height_m[keep],
            depth_sigma_m=hypotheses.depth_sigma_m[keep],
            height_sigma_m=hypotheses.height_sigma_m[keep],
            log_prior=hypotheses.log_prior[keep],
            level=hypotheses.level[keep],
        ),
        np.flatnonzero(keep),
    )


def _imaged(
    ground: Ground, observations: Observations, candidates: Candidates, hypotheses: Hypotheses, weight: Floats,
    centre: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Image every hypothesis coarsely; return its peaks (see ``peaks.find_peaks``) and how likely it looks."""
    frames, k = ground.frames, observations.wavenumber
    step = STEP_RAD / float(k.max())
    length = frames.length_m[candidates.face]
    low = np.clip(centre - WINDOW_M, -SLACK_M, np.maximum(length + SLACK_M - step, -SLACK_M))
    high = np.clip(centre + WINDOW_M, low + step, np.maximum(length + SLACK_M, low + step))
    count = np.maximum(((high - low) / step).astype(np.int64) + 1, 2)
    size = np.diff(candidates.start)
    start = np.concatenate([[0], np.cumsum(np.diff(hypotheses.start) * count)])
    value = np.empty(start[-1], np.float32)
    turns = np.nan_to_num(observations.phase_rad) / (2 * math.pi)
    # Of a phase only its place on the circle is kept: single precision is short of whole turns.
    turns -= np.floor(turns)
    profile_grid(
        candidates.start, (candidates.u - np.repeat(low, size)).astype(np.float32), candidates.h.astype(np.float32),
        candidates.z.astype(np.float32), (k / (2 * math.pi)).astype(np.float32), turns.astype(np.float32),
        weight.astype(np.float32), candidates.group, np.zeros(len(count), np.float32), step, count, hypotheses.start,
        hypotheses.depth_m.astype(np.float32), hypotheses.height_m.astype(np.float32), start, value,
    )  # fmt: skip
    total = np.add.reduceat(weight, candidates.start[:-1])
    groups = candidates.group[candidates.start[1:] - 1] + 1
    none, nothing = np.zeros(0, np.int64), np.zeros(0)
    peaks = np.zeros((int(hypotheses.start[-1]), 4))
    find_peaks(
        start, count, low, step, value, hypotheses.start, total, groups, centre, none, none, nothing, 1.0,
        np.array([USUAL_CELLS, USUAL_R2]), 0.5, 0.0, CENTRE_SIGMA_M, CENTRE_WRONG, peaks,
    )  # fmt: skip
    owner = np.repeat(np.arange(len(count)), np.diff(hypotheses.start))
    at = np.round((peaks[:, 0] - low[owner]) / step).astype(np.int64)
    row = start[:-1][owner] + (np.arange(len(owner)) - hypotheses.start[:-1][owner]) * count[owner]
    coherence = np.minimum(value[row + at] / np.maximum(total[owner], 1e-9), 0.999)
    free = np.maximum(total[owner] - groups[owner], 1.0)
    return peaks, -WITNESS_SHARE * free * np.log(1.0 - coherence**2)


def _refined(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, weight: Floats, peaks: Floats
) -> Fits:
    """Refine every hypothesis that is left."""
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
    result = refine_all(
        candidates, owner, peaks[:, 0], hypotheses, np.arange(len(owner)), observations.wavenumber,
        np.nan_to_num(observations.phase_rad), weight, SETTLED_M,
    )  # fmt: skip
    return dataclasses.replace(Fits.of(peaks[:, 0], result), peak_share=peaks[:, 1], other_m=peaks[:, 2])


def teach(
    ground: Ground, listening: Listening | None, rows: Rows, jobs: int = 1
) -> tuple[Taught | None, ReadRate | None]:
    """Learn the run's laws from some of its tags: RSSI's, then how often each place is read by each antenna."""
    placed = place_block(ground, rows, None)
    if placed is None:
        return None, None
    law = placed.law
    if listening is None:
        return Taught(law, None), None
    places, candidates = placed.places, placed.candidates
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    column = np.searchsorted(listening.antennas, placed.observations.antenna)
    number = len(listening.antennas)
    counts = np.bincount(owner * number + column, placed.observations.heard, len(candidates.tag) * number)
    good = np.flatnonzero((places.quality > TRUSTED_QUALITY) & np.isfinite(places.offset_m))
    if len(good) == 0:
        return Taught(law, None), None
    rate = learn_rate(
        listening, ground.frames, places.face[good], places.offset_m[good], places.height_m[good],
        np.asarray(counts, np.float64).reshape(-1, number)[places.candidate[good]],
    )  # fmt: skip
    return Taught(law, Shares.of(listening, ground.frames, rate, jobs)), rate
