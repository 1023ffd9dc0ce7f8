"""Which shelf a tag stands on, by what every antenna heard of it and what it did not.

One strength of a tag must explain how loud each antenna heard it and how often, the silence of an antenna included: a
tag that is faint where it was heard is not missed by an antenna farther off. The law of the link (distance, antenna
pattern, elevation), its scatter and the read rate by expected RSSI are learnt from the run's own tags.

The likelihood of a supposed place is that of a marked Poisson process: readings come at a rate that follows the
expected RSSI, with RSSI as marks (Daley & Vere-Jones, An Introduction to the Theory of Point Processes, section 7.3).
What multipath adds to one antenna's link (``between_db``) and the tag's strength are unknown and integrated out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import Hypotheses
from localization.level_kernels import exposures, link_likelihoods
from localization.listening import BINS, Listening, fit_rate
from localization.observations import Mounts, Observations
from localization.profile import Fits
from localization.sorting import spread

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What a link is made of: distance, antenna pattern, and elevation (an upright tag's own pattern, the shelf above it).
TERMS = 3
#: Laws tried, of which the run chooses the likeliest: both ways make a slope of 2, of which a chip takes some as it
#: reflects less the more power it has; multipath fills half the antenna pattern, or does not; and a tag is a dipole
#: along its upright book, whose field goes with the cosine of the elevation, or shows no such pattern.
NOMINALS = tuple(
    (-slope, slope * share, slope * dipole)
    for dipole in (1.0, 0.0)
    for share in (1.0, 0.5)
    for slope in (1.5, 2.0, 1.0)
)
#: How far the run may move the nominal law. Little: weak links are heard only when they fade up, which makes any law
#: learnt from what was heard too flat.
NOMINAL_SIGMA = (0.02, 0.02, 0.02)
#: Bounds of the learnt scatter, dB: of a tag's links to its antennas, along one link, and of tags' strengths.
BETWEEN_DB, WITHIN_DB, STRENGTH_DB = (1.0, 6.0), (1.5, 6.0), (1.5, 8.0)
#: Readings an antenna may give a second where none is expected (reflections), as a share of the best rate.
UNEXPECTED = 0.003
#: Tags the law is learnt from, at least and at most,
FEWEST_TAGS = 10
MOST_TAGS = 600
#: chosen among the nominal ones by, and judged by.
MOST_CHOOSING, MOST_JUDGES = 120, 50


@dataclass(frozen=True, slots=True)
class LinkLaw:
    """What the run taught of its links.

    Attributes
    ----------
    term : float64 array, shape (TERMS,)
        Factors on ``20 log d``, the one-way pattern (dB) and ``20 log`` of the elevation's cosine.
    bias_db : float64 array, shape (256,)
        What each antenna hears more than the others.
    strength_db, strength_sigma_db : float
        Tags' RSSI at 1 m on boresight.
    between_db, within_db : float
        Scatter of a link about the law, and of RSSI along one link.
    lowest_db : float
        Expected RSSI at which the first bin of ``per_second`` begins.
    per_second : float64 array, shape (BINS,)
        Readings per second by expected RSSI.
    """

    term: Floats
    bias_db: Floats
    strength_db: float
    strength_sigma_db: float
    between_db: float
    within_db: float
    lowest_db: float
    per_second: Floats


def learn_link(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    listening: Listening,
    frames: Frames,
    best: Ints,
    jobs: int = 1,
) -> LinkLaw | None:
    """Learn the law from tags at trusted places.

    Parameters
    ----------
    best : int64 array, shape (tags,)
        The hypotheses trusted so far, one a tag.
    jobs : int
        Threads.

    Returns
    -------
    LinkLaw or None
        None: too few tags.
    """
    if len(best) < FEWEST_TAGS:
        return None
    best = _some(best, MOST_TAGS)
    judges = np.searchsorted(hypotheses.start, _some(best, MOST_JUDGES), side="right") - 1
    rows = rows_of(candidates.start, judges)
    seen = float((1.0 / candidates.density[rows]).sum())
    few = _some(best, MOST_CHOOSING)

    def tried(nominal: tuple[float, float, float]) -> float:
        law = _learn(observations, candidates, hypotheses, fits, mounts, listening, frames, few, nominal)
        found = _likelihood(
            observations, candidates, hypotheses, fits, mounts, listening, frames, law, judges
        )
        by_place = np.array(
            [np.logaddexp.reduce(found[hypotheses.start[c] : hypotheses.start[c + 1]]) for c in judges]
        )
        # RSSI along each link, by a normal distribution of the scatter that was found.
        return float(by_place.sum()) - seen * math.log(law.within_db)

    chosen = NOMINALS[int(np.argmax(spread(jobs, tried, NOMINALS)))]
    return _learn(observations, candidates, hypotheses, fits, mounts, listening, frames, best, chosen)


def _some(values: Ints, most: int) -> Ints:
    """Return at most so many, evenly spread."""
    if len(values) <= most:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, most).astype(np.int64))]


def _learn(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    listening: Listening,
    frames: Frames,
    best: Ints,
    nominal: tuple[float, float, float],
) -> LinkLaw:
    """Learn the law about a nominal one."""
    owner = np.searchsorted(hypotheses.start, best, side="right") - 1
    size = np.diff(candidates.start)[owner]
    index = rows_of(candidates.start, owner)
    tag = np.repeat(np.arange(len(best)), size)
    hyp = np.repeat(best, size)
    obs = candidates.observation[index]
    antenna = observations.antenna[obs]
    gap = np.stack(
        [
            fits.offset_m[hyp] - candidates.u[index],
            -(candidates.h[index] + fits.depth_m[hyp]),
            hypotheses.height_m[hyp] - candidates.z[index],
        ],
        axis=1,
    )
    terms = link_terms(gap, candidates.look[index], mounts.beamwidth_deg[antenna])
    weight = 1.0 / candidates.density[index]
    rssi = observations.rssi_dbm[obs]
    term, bias, left = _fit_law(terms, rssi, weight, tag, antenna, len(best), nominal)
    # Scatter: of a link's mean about the tag's mean, and of RSSI along one link.
    link, at_link = np.unique(tag * 256 + antenna, return_inverse=True)
    number = np.bincount(at_link, weight)
    mean = np.bincount(at_link, weight * left) / number
    within = math.sqrt(
        float((weight * (left - mean[at_link]) ** 2).sum()) / max(float((number - 1).clip(0).sum()), 1.0)
    )
    within = min(max(within, WITHIN_DB[0]), WITHIN_DB[1])
    of_tag = link // 256
    links = np.bincount(of_tag, minlength=len(best))
    strength = np.bincount(of_tag, mean, len(best)) / np.maximum(links, 1)
    spread = (mean - strength[of_tag]) ** 2 * (links / np.maximum(links - 1, 1))[of_tag]
    several = (links > 1)[of_tag]
    between = float(np.median(spread[several])) / 0.455 if several.any() else BETWEEN_DB[1] ** 2
    between = math.sqrt(max(between - within**2 * float(np.mean(1.0 / number)), 0.0))
    between = min(max(between, BETWEEN_DB[0]), BETWEEN_DB[1])
    usual = float(np.median(strength))
    sigma = 1.4826 * float(np.median(np.abs(strength - usual)))
    sigma = min(max(sigma, STRENGTH_DB[0]), STRENGTH_DB[1])
    lowest = float(np.percentile(rssi, 2.0)) - 15.0
    # How often, by expected RSSI.
    column = np.searchsorted(listening.antennas, antenna)
    counts = np.bincount(
        tag * len(listening.antennas) + column, observations.heard[obs], len(best) * len(listening.antennas)
    )
    exposure = np.zeros((len(best), len(listening.antennas), BINS))
    face = candidates.face[owner]
    exposures(
        face, fits.offset_m[best], fits.depth_m[best], hypotheses.height_m[best], listening.where_m, listening.look,
        listening.column, listening.beamwidth_deg, listening.seconds, listening.lane_start, listening.lane_step,
        listening.lane_u_m, frames.origin_m, frames.direction, frames.normal, frames.tag_depth_m, term,
        bias[listening.antennas], strength - lowest,
        exposure,
    )  # fmt: skip
    rate = fit_rate(exposure.reshape(-1, BINS), np.asarray(counts, np.float64))
    return LinkLaw(term, bias, usual, sigma, between, within, lowest, rate)


def link_terms(gap_m: Floats, look: Floats, beamwidth_deg: Floats) -> Floats:
    """Return distance, pattern and elevation of links in dB, shape (n, TERMS).

    Parameters
    ----------
    gap_m : float64 array, shape (n, 3)
        From antenna to tag: along, out and up.
    look : float64 array, shape (n, 3)
        Boresight in the same axes.
    """
    flat = np.hypot(gap_m[:, 0], gap_m[:, 1])
    d = np.sqrt((gap_m**2).sum(axis=1)) + 1e-6
    cos = np.clip((gap_m * look).sum(axis=1) / d, -1.0, 1.0)
    angle = np.degrees(np.arccos(cos)) / beamwidth_deg
    return np.stack(
        [
            20.0 * np.log10(np.maximum(d, 0.1)),
            -np.minimum(12.0 * angle * angle, 20.0),
            20.0 * np.log10(np.maximum(flat / d, 0.1)),
        ],
        axis=1,
    )


def _fit_law(
    terms: Floats,
    rssi: Floats,
    weight: Floats,
    tag: Ints,
    antenna: Ints,
    tags: int,
    nominal_term: tuple[float, float, float],
) -> tuple[Floats, Floats, Floats]:
    """Fit factors and antenna biases with a free strength a tag; return them and what is left, strength included."""
    used, column = np.unique(antenna, return_inverse=True)
    design = np.concatenate([terms, (column[:, None] == np.arange(len(used))).astype(np.float64)], axis=1)
    nominal = np.concatenate([nominal_term, np.zeros(len(used))])
    # In units of a residual of 3 dB; biases and heights look alike, so biases take five observations' worth.
    scatter = 3.0
    prior = np.concatenate([(scatter / np.array(NOMINAL_SIGMA)) ** 2, np.full(len(used), 5.0)])
    total = np.bincount(tag, weight, tags)

    def centred(value: Floats) -> Floats:
        mean = np.bincount(tag, weight * value, tags) / total
        return value - mean[tag]

    inner = np.stack([centred(column) for column in design.T], axis=1)
    robust = np.ones(len(rssi))
    fitted: Floats = nominal
    for _ in range(4):
        w = weight * robust
        target = centred(rssi - design @ nominal)
        normal = (inner * w[:, None]).T @ inner + np.diag(prior)
        fitted = np.asarray(nominal + np.linalg.solve(normal, (inner * w[:, None]).T @ target), np.float64)
        rest = centred(rssi - design @ fitted)
        robust = 1.0 / (1.0 + (rest / 8.0) ** 2)
    bias = np.zeros(256)
    bias[used] = fitted[TERMS:] - fitted[TERMS:].mean()
    term = fitted[:TERMS].copy()
    return term, bias, np.asarray(rssi - terms @ term - bias[antenna], np.float64)


def link_likelihood(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    listening: Listening,
    frames: Frames,
    law: LinkLaw,
    jobs: int = 1,
) -> Floats:
    """Return the log-likelihood of every hypothesis, shape (y,), comparable within a candidate; on so many threads."""

    def of(part: Ints) -> Floats:
        return _likelihood(observations, candidates, hypotheses, fits, mounts, listening, frames, law, part)

    # Others' hypotheses are 0 in each part.
    return np.sum(spread(jobs, of, np.array_split(np.arange(len(candidates.tag)), jobs)), axis=0)


def _likelihood(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    listening: Listening,
    frames: Frames,
    law: LinkLaw,
    chosen: Ints,
) -> Floats:
    """Return the log-likelihood of the chosen candidates' hypotheses, 0 of the others, shape (y,)."""
    out = np.zeros(int(hypotheses.start[-1]))
    obs = candidates.observation
    antenna = observations.antenna[obs]
    log_rate = np.log(np.maximum(law.per_second, UNEXPECTED * max(float(law.per_second.max()), 1e-6)))
    link_likelihoods(
        chosen, candidates.start, candidates.face, candidates.u, candidates.h, candidates.z, candidates.look,
        np.searchsorted(listening.antennas, antenna), observations.rssi_dbm[obs], mounts.beamwidth_deg[antenna],
        1.0 / candidates.density, observations.heard[obs], hypotheses.start, fits.offset_m, fits.depth_m,
        hypotheses.height_m, listening.where_m, listening.look, listening.column, listening.beamwidth_deg,
        listening.seconds, listening.lane_start, listening.lane_step, listening.lane_u_m, frames.origin_m,
        frames.direction, frames.normal, frames.tag_depth_m, law.term,
        law.bias_db[listening.antennas], law.strength_db, law.strength_sigma_db, law.between_db,
        law.within_db, law.lowest_db, log_rate, out,
    )  # fmt: skip
    return out
