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

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames, rows_of
from localization.fast_math import arccos_single, log2_single
from localization.listening import BIN_DB, BINS, Listening, fit_rate
from localization.observations import Mounts, Observations
from localization.profile import Fits, Hypotheses
from localization.signal_model import RANGE_M

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
#: How much a reading counts, as they come in bursts.
BURST_SHARE = 0.65
#: Readings an antenna may give a second where none is expected (reflections), as a share of the best rate.
UNEXPECTED = 0.003
#: Tags the law is learnt from, at least and at most,
FEWEST_TAGS = 10
MOST_TAGS = 600
#: chosen among the nominal ones by, and judged by.
MOST_CHOOSING, MOST_JUDGES = 120, 50
#: Standard deviations of strength and of links' scatter that are looked at, either side.
SPREAD = 5.0


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
) -> LinkLaw | None:
    """Learn the law from tags at trusted places.

    Parameters
    ----------
    best : int64 array
        The hypotheses trusted so far, one a tag.

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
    chosen, most = NOMINALS[0], -math.inf
    for nominal in NOMINALS:
        law = _learn(observations, candidates, hypotheses, fits, mounts, listening, frames, few, nominal)
        found = _likelihood(
            observations, candidates, hypotheses, fits, mounts, listening, frames, law, judges
        )
        by_place = np.array(
            [np.logaddexp.reduce(found[hypotheses.start[c] : hypotheses.start[c + 1]]) for c in judges]
        )
        # RSSI along each link, by a normal distribution of the scatter that was found.
        value = float(by_place.sum()) - seen * math.log(law.within_db)
        if value > most:
            chosen, most = nominal, value
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
    _exposures(
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
) -> Floats:
    """Return the log-likelihood of every hypothesis, shape (y,), comparable within a candidate."""
    every = np.arange(len(candidates.tag))
    return _likelihood(observations, candidates, hypotheses, fits, mounts, listening, frames, law, every)


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
    _link_likelihood(
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


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _link(
    dx: float, dy: float, dz: float, lx: float, ly: float, lz: float, beamwidth: float, term: Floats
) -> float:
    flat = dx * dx + dy * dy
    d = math.sqrt(flat + dz * dz) + 1e-6
    cos = (dx * lx + dy * ly + dz * lz) / d
    angle = math.degrees(math.acos(min(max(cos, -1.0), 1.0))) / beamwidth
    return (
        term[0] * 20.0 * math.log10(max(d, 0.1))
        - term[1] * min(12.0 * angle * angle, 20.0)
        + term[2] * 20.0 * math.log10(max(math.sqrt(flat) / d, 0.1))
    )


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _expose_one(
    f: int, offset: float, shift: float, height: float, where: Floats, look: Floats, column: Ints, beamwidth: Floats,
    seconds: Floats, lane_start: Ints, lane_step: Ints, lane_u: Floats, origin: Floats, direction: Floats,
    normal: Floats, depth: Floats, term: Floats, bias: Floats, base: float, out: Floats,
) -> None:  # fmt: skip
    """Add up the seconds one place was before each antenna, by the link's dB above ``-base``."""
    px = origin[f, 0] + offset * direction[f, 0] - (depth[f] + shift) * normal[f, 0]
    py = origin[f, 1] + offset * direction[f, 1] - (depth[f] + shift) * normal[f, 1]
    lane = lane_u[lane_start[f] : lane_start[f + 1]]
    first = lane_start[f] + np.searchsorted(lane, offset - RANGE_M)
    last = lane_start[f] + np.searchsorted(lane, offset + RANGE_M)
    for at in range(first, last):
        s = lane_step[at]
        dx, dy = px - where[s, 0], py - where[s, 1]
        flat = dx * dx + dy * dy
        if flat > RANGE_M * RANGE_M:
            continue
        # As in _link, in single precision: this only chooses a bin.
        dz = height - where[s, 2]
        square = flat + dz * dz + 1e-12
        cos = (dx * look[s, 0] + dy * look[s, 1] + dz * look[s, 2]) / math.sqrt(square)
        angle = math.degrees(arccos_single(min(max(cos, -1.0), 1.0))) / beamwidth[s]
        value = (
            base
            + bias[column[s]]
            + term[0] * 3.0102999566 * log2_single(max(square, 0.01))
            - term[1] * min(12.0 * angle * angle, 20.0)
            + term[2] * 3.0102999566 * log2_single(max(flat / square, 0.01))
        )
        b = min(max(int(value / BIN_DB), 0), out.shape[1] - 1)
        out[column[s], b] += seconds[s]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _exposures(
    face: Ints, offset: Floats, shift: Floats, height: Floats, where: Floats, look: Floats, column: Ints,
    beamwidth: Floats, seconds: Floats, lane_start: Ints, lane_step: Ints, lane_u: Floats, origin: Floats,
    direction: Floats, normal: Floats, depth: Floats, term: Floats, bias: Floats, base: Floats, out: Floats,
) -> None:  # fmt: skip
    for i in range(len(face)):
        _expose_one(
            face[i], offset[i], shift[i], height[i], where, look, column, beamwidth, seconds, lane_start,
            lane_step, lane_u, origin, direction, normal, depth, term, bias, base[i], out[i],
        )  # fmt: skip


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _link_likelihood(
    chosen: Ints, start: Ints, face: Ints, u: Floats, h: Floats, z: Floats, tag_look: Floats, tag_column: Ints,
    rssi: Floats, tag_beamwidth: Floats, weight: Floats, heard: Floats, hypothesis_start: Ints, offset: Floats,
    shift: Floats, height: Floats, where: Floats, look: Floats, column: Ints, beamwidth: Floats, seconds: Floats,
    lane_start: Ints, lane_step: Ints, lane_u: Floats, origin: Floats, direction: Floats, normal: Floats,
    depth: Floats, term: Floats, bias: Floats, strength: float, strength_sigma: float, between: float,
    within: float, lowest: float, log_rate: Floats, out: Floats,
) -> None:  # fmt: skip
    antennas = len(bias)
    bins = len(log_rate)
    # Strengths are whole bins about the usual one, so that a strength is a shift of the bins.
    half = int(math.ceil(SPREAD * strength_sigma / BIN_DB))  # noqa: RUF046
    reach = int(math.ceil(SPREAD * between / BIN_DB))  # noqa: RUF046
    grid = 2 * half + 1
    rate = np.exp(log_rate)
    value = np.zeros((antennas, grid + 2 * reach))
    exposure = np.zeros((antennas, bins))
    count = np.zeros((antennas, bins))
    number = np.zeros(antennas)
    mean = np.zeros(antennas)
    low, high = np.zeros(antennas, np.int64), np.zeros(antennas, np.int64)
    linear = np.zeros((antennas, grid + 2 * reach))
    tops = np.zeros(antennas)
    kernel = np.zeros(2 * reach + 1)
    for e in range(-reach, reach + 1):
        kernel[e + reach] = -0.5 * (e * BIN_DB / between) ** 2
    top = kernel.max()
    norm = math.log(np.exp(kernel - top).sum()) + top
    factor = np.exp(kernel)
    base = strength - lowest
    for place in range(len(chosen)):
        c = chosen[place]
        for y in range(hypothesis_start[c], hypothesis_start[c + 1]):
            exposure[:] = 0.0
            count[:] = 0.0
            number[:] = 0.0
            mean[:] = 0.0
            _expose_one(
                int(face[c]), offset[y], shift[y], height[y], where, look, column, beamwidth, seconds,
                lane_start, lane_step, lane_u, origin, direction, normal, depth, term, bias, base, exposure,
            )  # fmt: skip
            for i in range(start[c], start[c + 1]):
                a = tag_column[i]
                link = bias[a] + _link(
                    offset[y] - u[i], -(h[i] + shift[y]), height[y] - z[i], tag_look[i, 0], tag_look[i, 1],
                    tag_look[i, 2], tag_beamwidth[i], term,
                )  # fmt: skip
                b = min(max(int((base + link) / BIN_DB), 0), bins - 1)
                count[a, b] += heard[i]
                left = rssi[i] - link - strength
                number[a] += weight[i]
                mean[a] += weight[i] * left
            for a in range(antennas):
                if number[a] > 0.0:
                    mean[a] /= number[a]
                low[a], high[a] = bins, -1
                for b in range(bins):
                    if exposure[a, b] != 0.0 or count[a, b] != 0.0:
                        low[a], high[a] = min(low[a], b), b
                for v in range(grid + 2 * reach):
                    move = v - half - reach
                    total = 0.0
                    for b in range(low[a], high[a] + 1):
                        to = min(max(b + move, 0), bins - 1)
                        total += count[a, b] * log_rate[to] - exposure[a, b] * rate[to]
                    total *= BURST_SHARE
                    gap = (mean[a] - move * BIN_DB) / within
                    value[a, v] = total - 0.5 * number[a] * gap * gap
                tops[a] = value[a].max()
                for v in range(grid + 2 * reach):
                    linear[a, v] = math.exp(value[a, v] - tops[a])
            best = -1e300
            total = 0.0
            for s in range(grid):
                off = (s - half) * BIN_DB / strength_sigma
                now = -0.5 * off * off
                for a in range(antennas):
                    mass = 0.0
                    for e in range(2 * reach + 1):
                        mass += linear[a, s + e] * factor[e]
                    if mass > 1e-200:
                        now += tops[a] + math.log(mass) - norm
                        continue
                    # So far from the antenna's best that the exponentials vanish.
                    most = -1e300
                    for e in range(2 * reach + 1):
                        most = max(most, value[a, s + e] + kernel[e])
                    for e in range(2 * reach + 1):
                        mass += math.exp(value[a, s + e] + kernel[e] - most)
                    now += most + math.log(mass) - norm
                if now > best:
                    total = total * math.exp(best - now) + 1.0
                    best = now
                else:
                    total += math.exp(now - best)
            out[y] = best + math.log(total)
