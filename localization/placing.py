"""From fitted hypotheses to one place per tag: face, level, offset, and how sure."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.bars import ASTRAY_SHARE, astray_alone
from localization.choice import HAND_M, Boards, choose
from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import ONE_HEIGHT_M, Hypotheses
from localization.levels import LinkLaw, learn_link, link_likelihood
from localization.listening import Listening, ReadRate, learn_rate
from localization.observations import Mounts, Observations
from localization.profile import Fits
from localization.sides import face_scores, families_of, strength_scores
from localization.strength import TAG_DB, learn_pattern, rssi_likelihood

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Rounds of placing tags and learning from them how RSSI and read rate depend on place.
LEARNING_ROUNDS = 3
#: The law of links is learnt from tags whose place is at least so sure.
TRUSTED_P = 0.8
#: RSSI counts for so much: a weak signal is not read at all, so that what is read says less than it seems.
RSSI_SHARE = 0.3
#: Phase counts for so much among the heights of one face.
PHASE_SHARE = 0.4
#: Log-likelihood of a residual under the Student-t (4 degrees of freedom, without its scale) against any phase being
#: as likely: log(3/8) + log(2 pi).
PHASE_BASE = 0.857
#: What stays in a single tag's offset whatever the fit says (orientation, the tag's own phase centre),
TAG_FLOOR_M = 0.004
#: what a field of reflections pulls it by, as a share of the residual's wavelengths (alike on simulated shelves of any
#: metal and on a measured robot: 1.0 to 1.6),
PULL_SHARE = 1.2
#: and what a fit that explains little, from little, may be off by.
POOR_FIT_M = 0.12
#: No place on a face is less sure than this.
SIGMA_MOST_M = 2.0
#: Fewer track cells than this do not fix offset, phase and depth; then only the footprint is believed.
FEW_CELLS = 4.0
#: Cells that a fit's own unknowns take up beside every group's own phase: offset and depth (heights are few).
TAKEN_CELLS = 2.0
#: A fit that took up all its cells leaves nothing, which says nothing: its residual is taken to be so large before it
#: is seen, as if so many cells had shown it.
SUPPOSED_RAD, SUPPOSED_CELLS = 0.4, 2.0
#: The best a footprint's centroid does (slide: 12 cm mean error at 20 cm pitch).
FOOTPRINT_SIGMA_M = 0.15


@dataclass(frozen=True, slots=True)
class RunLaw:
    """What the run itself taught of RSSI: the pattern's share, the antennas' bias, the tags' usual strength.

    ``bias_db`` is of every mount's number, shape (256,).
    """

    pattern_share: float
    bias_db: Floats
    strength_db: float
    rate: ReadRate | None = None
    link: LinkLaw | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Log-posterior of every hypothesis (up to a constant per tag), and how strong the tag would be, shape (y,)."""

    log_posterior: Floats
    strength_db: Floats
    owner: Ints


def score(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    weight: Floats,
    law: RunLaw | None,
    frames: Frames,
    listening: Listening | None,
    jobs: int = 1,
) -> tuple[Scores, RunLaw]:
    """Join phase, RSSI, power and read counts, on ``jobs`` threads; learn the run's laws where none is given.

    ``weight`` is that of every row of the candidates, shape (m,).
    """
    begin = candidates.start[:-1]
    owner = np.repeat(np.arange(len(begin)), np.diff(hypotheses.start))
    total = np.add.reduceat(weight, begin)[owner]
    tags = candidates.tag[owner]
    phase = fits.log_likelihood + PHASE_BASE * total
    of_face = np.maximum.reduceat(phase, hypotheses.start[:-1])
    # Every group's own phase, the offset and the height were fitted to the same few cells: their residuals look
    # better than they are by so much.
    witnesses = total[hypotheses.start[:-1]] + 1.0
    spent = np.maximum.reduceat(candidates.group, begin) + 3.0
    of_face = of_face - 0.5 * witnesses * np.log(witnesses / np.maximum(witnesses - spent, 1.0))
    family = families_of(candidates)
    face = face_scores(observations, candidates, of_face, family, frames)
    base = phase - np.maximum.reduceat(phase, hypotheses.start[:-1])[owner] + hypotheses.log_prior
    law_now = law or RunLaw(0.0, np.zeros(256), math.nan)
    posterior, strength = base, base
    # Between heights of one face, phase counts for less than its likelihood says: its residuals are correlated.
    phase_top = np.maximum.reduceat(base, hypotheses.start[:-1])[owner] if len(base) else base
    counts = _counts(observations, candidates, listening)
    for step in range(LEARNING_ROUNDS if law is None else 1):
        strength, likelihood = rssi_likelihood(
            observations, candidates, hypotheses, fits, mounts, law_now.pattern_share, law_now.bias_db
        )
        likelihood = RSSI_SHARE * likelihood + fits.read_likelihood
        if listening is not None and law_now.link is not None:
            by_link = link_likelihood(
                observations, candidates, hypotheses, fits, mounts, listening, frames, law_now.link, jobs
            )
            by_link -= (1.0 - PHASE_SHARE) * (base - phase_top)
            likelihood = np.where(hypotheses.level > 0, by_link, likelihood)
        posterior = base + likelihood
        if math.isfinite(law_now.strength_db):
            posterior = posterior - 0.5 * ((strength - law_now.strength_db) / TAG_DB) ** 2
        # Faces were heard by different readings: what these say of heights on each does not choose between them.
        sums = _log_sums(posterior, hypotheses.start)
        share = np.exp(posterior - sums[owner])
        needed = np.add.reduceat(share * strength, hypotheses.start[:-1])
        side = face + strength_scores(needed, face, family)
        posterior = posterior + (side - sums)[owner]
        if law is None and step < LEARNING_ROUNDS - 1:
            best = first_best(tags, posterior)
            usual = float(np.median(strength[best]))
            trusted = best[np.abs(strength[best] - usual) < 1.2 * TAG_DB]
            sure = trusted[_chance(tags, posterior)[trusted] > TRUSTED_P]
            share, bias = learn_pattern(observations, candidates, hypotheses, fits, mounts, trusted)
            rate, link = None, None
            if listening is not None:
                rate = learn_rate(
                    listening, frames, candidates.face[owner[trusted]], fits.offset_m[trusted],
                    fits.height_m[trusted], counts[owner[trusted]],
                )  # fmt: skip
            if listening is not None and (hypotheses.level > 0).any():
                link = learn_link(
                    observations, candidates, hypotheses, fits, mounts, listening, frames, sure, jobs
                )
            law_now = RunLaw(share, bias, usual, rate, link)
    return Scores(posterior, strength, owner), law_now


def _log_sums(value: Floats, start: Ints) -> Floats:
    """Return ``log(sum(exp(value)))`` of each slice ``start[c]:start[c + 1]`` (none empty)."""
    top = np.maximum.reduceat(value, start[:-1])
    rest = np.exp(value - np.repeat(top, np.diff(start)))
    return np.asarray(top + np.log(np.add.reduceat(rest, start[:-1])), np.float64)


def _counts(observations: Observations, candidates: Candidates, listening: Listening | None) -> Floats:
    """Return the readings of each candidate by antenna, shape (c, antennas)."""
    if listening is None:
        return np.zeros((len(candidates.tag), 0))
    number = len(listening.antennas)
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    column = np.searchsorted(listening.antennas, observations.antenna[candidates.observation])
    heard = observations.heard[candidates.observation]
    total = np.bincount(owner * number + column, heard, len(candidates.tag) * number)
    return np.asarray(total.reshape(-1, number), np.float64)


def _chance(tags: Ints, log_p: Floats) -> Floats:
    """Return each hypothesis' share of its tag's posterior."""
    starts = np.flatnonzero(np.append(True, np.diff(tags) != 0))
    size = np.diff(np.append(starts, len(tags)))
    p = np.exp(log_p - np.repeat(np.maximum.reduceat(log_p, starts), size))
    return np.asarray(p / np.repeat(np.add.reduceat(p, starts), size), np.float64)


def first_best(tags: Ints, value: Floats) -> Ints:
    """Return, for each run of equal ``tags``, the index of its largest ``value``; both of shape (n,)."""
    order = np.lexsort((-value, tags))
    return order[np.append(True, np.diff(tags[order]) != 0)] if len(order) else order


@dataclass(frozen=True, slots=True)
class Places:
    """One place per candidate tag; columns of shape (p,), tags ascending.

    ``hypothesis`` is the chosen one; ``alt_*`` the second best shelf (or face); ``p`` their posteriors. ``shelf``
    indexes the face's shelves, -1 where it has none there.
    """

    tag: Ints
    candidate: Ints
    hypothesis: Ints
    face: Ints
    shelf: Ints
    offset_m: Floats
    depth_m: Floats
    height_m: Floats
    sigma_m: Floats
    p: Floats
    alt_face: Ints
    alt_shelf: Ints
    alt_offset_m: Floats
    p_alt: Floats
    strength_db: Floats
    scale_rad: Floats
    cells: Floats
    quality: Floats

    @classmethod
    def empty(cls) -> Places:
        """Return no places."""
        none, ints = np.zeros(0), np.zeros(0, np.int64)
        return cls(
            tag=ints, candidate=ints, hypothesis=ints, face=ints, shelf=ints, offset_m=none, depth_m=none,
            height_m=none, sigma_m=none, p=none, alt_face=ints, alt_shelf=ints, alt_offset_m=none, p_alt=none,
            strength_db=none, scale_rad=none, cells=none, quality=none,
        )  # fmt: skip


def place(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    scores: Scores,
    frames: Frames,
) -> Places:
    """Choose each tag's place from its hypotheses' posterior."""
    owner = scores.owner
    tags = candidates.tag[owner]
    k = np.maximum.reduceat(observations.wavenumber[candidates.observation], candidates.start[:-1])[owner]
    spread = local_sigma(fits, k)
    starts = np.flatnonzero(np.append(True, np.diff(tags) != 0)) if len(tags) else np.zeros(0, np.int64)
    n = len(starts)
    found, index = np.full((n, 7), np.nan), np.full((n, 4), -1, np.int64)
    boards = Boards.of(frames)
    choose(
        np.append(starts, len(tags)).astype(np.int64), scores.log_posterior, candidates.face[owner],
        hypotheses.level, fits.offset_m, fits.depth_m, fits.height_m, spread, boards.start, boards.level,
        boards.from_m, boards.to_m, boards.left, boards.right, HAND_M, found, index,
    )  # fmt: skip
    offset, depth, height, sigma, p, alt_offset, p_alt = (np.ascontiguousarray(column) for column in found.T)
    chosen, shelf, alt_face, alt_shelf = (np.ascontiguousarray(column) for column in index.T)
    open_rack = np.flatnonzero(hypotheses.level[chosen] == 0)
    for i in open_rack:
        c = owner[chosen[i]]
        heights = candidates.z[candidates.start[c] : candidates.start[c + 1]]
        if np.ptp(heights) < ONE_HEIGHT_M:
            # One antenna height cannot tell above from below: the middle of both is the antenna's own.
            height[i] = float(np.median(heights))
    return Places(
        tag=candidates.tag[owner[chosen]],
        candidate=owner[chosen],
        hypothesis=chosen,
        face=candidates.face[owner[chosen]],
        shelf=shelf,
        offset_m=offset,
        depth_m=depth,
        height_m=height,
        sigma_m=sigma,
        p=p,
        alt_face=alt_face,
        alt_shelf=alt_shelf,
        alt_offset_m=alt_offset,
        p_alt=p_alt,
        strength_db=scores.strength_db[chosen],
        scale_rad=fits.scale_rad[chosen],
        cells=fits.cells[chosen],
        quality=fit_quality(fits)[chosen],
    )


def fit_quality(fits: Fits) -> Floats:
    """Return 0..1, shape (h,): the share of the signal explained, the peak's own share, and enough track to tell."""
    explained = np.exp(-0.5 * fits.scale_rad**2)
    enough = fits.cells / (fits.cells + 5.0)
    return np.clip(explained * fits.peak_share * enough, 0.0, 1.0)


def distances(candidates: Candidates, places: Places) -> Floats:
    """Return how far each placed tag is from the antenna of every row of its candidate, shape (m,); else 0."""
    rows = rows_of(candidates.start, places.candidate)
    size = np.diff(candidates.start)[places.candidate]
    x, depth, z = (np.repeat(v, size) for v in (places.offset_m, places.depth_m, places.height_m))
    out = np.zeros(int(candidates.start[-1]))
    out[rows] = np.sqrt(
        (candidates.u[rows] - x) ** 2 + (candidates.h[rows] + depth) ** 2 + (candidates.z[rows] - z) ** 2
    )
    return out


def place_by_rssi(
    observations: Observations, candidates: Candidates, places: Places, frames: Frames
) -> Places:
    """Put tags whose phases tell nothing (no phase, or too little track) where they were heard best, with wide bars.

    The centroid of received power; a single reading only says that the tag was somewhere in the beam.
    """
    few = places.cells < FEW_CELLS
    if not few.any():
        return places
    offset, sigma, quality = places.offset_m.copy(), places.sigma_m.copy(), places.quality.copy()
    for i in np.flatnonzero(few):
        rows = slice(candidates.start[places.candidate[i]], candidates.start[places.candidate[i] + 1])
        u, h = candidates.u[rows], candidates.h[rows]
        power = (
            10.0 ** (observations.rssi_dbm[candidates.observation[rows]] / 10.0) / candidates.density[rows]
        )
        look = candidates.look[rows]
        ahead = u + np.maximum(h, 0.1) * np.clip(look[:, 0] / np.maximum(-look[:, 1], 0.3), -2, 2)
        offset[i] = np.clip((power * ahead).sum() / power.sum(), 0.0, frames.length_m[places.face[i]])
        beam = 0.7 * float(np.median(np.maximum(h, 0.1)))
        stretches = len(np.unique(candidates.group[rows] * 1_000_000 + candidates.cell[rows]))
        sigma[i] = max(beam / math.sqrt(min(stretches, 10)), FOOTPRINT_SIGMA_M)
        quality[i] = min(quality[i], 0.1)
    return dataclasses.replace(places, offset_m=offset, sigma_m=sigma, quality=quality)


def local_sigma(fits: Fits, wavenumber: Floats) -> Floats:
    """One standard deviation of each fit's offset, shape (y,).

    The fit's own; few cells; what reflections pull a tag by without the fit noticing, in proportion to the residual;
    rival peaks; and, for poor fits, what has been seen to go wrong with such.
    """
    # A variance from few cells is itself uncertain: the t distribution's variance factor for that many.
    few = fits.cells / np.maximum(fits.cells - 3.0, 0.5)
    own = fits.variance * few + TAG_FLOOR_M**2 + (PULL_SHARE * fits.scale_rad / wavenumber) ** 2
    rival = (1.0 - fits.peak_share) * np.minimum(np.abs(fits.other_m - fits.offset_m), 0.3) ** 2
    poor = (POOR_FIT_M * (1.0 - fit_quality(fits)) ** 2) ** 2
    return np.minimum(np.sqrt(own + rival + poor), SIGMA_MOST_M)


def strays(observations: Observations, candidates: Candidates, places: Places, fits: Fits) -> Floats:
    """Return the chance of each place to be at a wrong peak, by its run's residuals and its own peaks, shape (p,)."""
    left = left_alone(places, wavenumbers(observations, candidates, places), taken_cells(candidates, places))
    return astray_alone(left, fits.peak_share[places.hypothesis])


def astray_m(candidates: Candidates, places: Places) -> Floats:
    """Return how far each place at a wrong peak would be off, standard deviation, shape (p,)."""
    if len(places.tag) == 0:
        return np.zeros(0)
    begin = candidates.start[:-1]
    away = np.add.reduceat(candidates.h, begin) / np.diff(candidates.start)
    return ASTRAY_SHARE * away[places.candidate]


def taken_cells(candidates: Candidates, places: Places) -> Floats:
    """Return how many cells the unknowns of each place's fit took up, shape (p,)."""
    if len(places.tag) == 0:
        return np.zeros(0)
    groups = np.maximum.reduceat(candidates.group, candidates.start[:-1])[places.candidate] + 1
    return groups + TAKEN_CELLS


def wavenumbers(observations: Observations, candidates: Candidates, places: Places) -> Floats:
    """Return the largest wavenumber of each place's readings, doubled phases doubled, rad/m, shape (p,)."""
    if len(places.tag) == 0:
        return np.zeros(0)
    every = np.maximum.reduceat(observations.wavenumber[candidates.observation], candidates.start[:-1])
    return every[places.candidate]


def left_alone(places: Places, wavenumber: Floats, taken: Floats) -> Floats:
    """Return each place's residual, m, for the freedom that its fit took, shape (p,); NaN: not placed by phases.

    Parameters
    ----------
    places : Places
    wavenumber, taken : float64 array, shape (p,)
        See :func:`wavenumbers` and :func:`taken_cells`.
    """
    left = freed(places.scale_rad, places.cells, taken) / np.maximum(wavenumber, 1e-9)
    return np.where(places.cells >= FEW_CELLS, left, np.nan)


def freed(scale_rad: Floats, cells: Floats, taken: Floats, supposed_rad: float = SUPPOSED_RAD) -> Floats:
    """Return the residual scales, rad, of fits whose unknowns took up some of their cells; all of shape (p,)."""
    seen = scale_rad**2 * cells + SUPPOSED_CELLS * supposed_rad**2
    return np.asarray(np.sqrt(seen / (np.maximum(cells - taken, 0.0) + SUPPOSED_CELLS)), np.float64)
