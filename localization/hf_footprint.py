"""The footprint of HF antennas: the chance that a tag answers a round, by lag along the shelf, learnt from the run.

``p = e + (P - e) / (1 + exp(-(f(lag) + g)))``: a logistic with plateau ``P``, chance answers ``e``, and one ``f`` for
each antenna and height between antenna and tag, alike to both sides and above and below as a loop's field is. Where
``f`` falls through 0 is the half width, and how fast is its slope. ``f`` is not taken to fall everywhere: tags in book
covers stand upright to a loop before the spines, and its middle is blind to them. ``g`` is the tag's own: thresholds
differ, and neighbours detune each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve
from scipy.special import expit

from localization.faces import Frames
from localization.hf_kernels import hf_expected
from localization.hf_rounds import MARGIN_M, STEP_M, Asked
from localization.hypotheses import face_levels, tag_height

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Beyond this lag a tag answers by chance only.
REACH_M = 0.60
#: Antenna and tag heights that differ by as much, give or take half a step, share a footprint; nothing reaches farther.
HEIGHT_STEP_M, HIGHEST_M = 0.06, 0.80
#: No footprint is so flat that a logit moves a place by more.
LARGEST_PULL_M = 0.1
#: An antenna is before the tags no farther above or below it.
BEFORE_M = 0.15
#: Chance of an answer where none is expected.
CHANCE = 5e-4
#: What tags may differ by from the usual, logits.
CLASSES = np.array([-10.0, -7.5, -5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0])
CLASS_SD = 2.5
#: Knots of f, and its first guess's fall.
KNOT_M, FALL_M = 0.02, 0.03
#: Penalty on f's bends, and pull to the first guess (logits^-2).
SMOOTH, PULL = 1.0, 0.02
#: Tags learnt from, and rounds of learning.
LEARN_TAGS, LEARN_HITS, EM_STEPS, NEWTON_STEPS = 400, 3, 15, 4
PLATEAUS = np.array([0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.91, 0.93, 0.95, 0.965, 0.98, 0.99, 0.995])

REACH = round(REACH_M / STEP_M)


@dataclass(frozen=True, slots=True)
class Levels:
    """Heights a tag may stand at, by face.

    Attributes
    ----------
    count : int64 array, shape (faces,)
    number : int64 array, shape (faces, most)
        The plan's level; 0 where the face has no shelves.
    z_m : float64 array, shape (faces, most)
        NaN beyond ``count``.
    """

    count: Ints
    number: Ints
    z_m: Floats

    @classmethod
    def of(cls, frames: Frames, asked: Asked) -> Levels:
        """Take the plan's levels; where there are none, the antennas' own heights."""
        own = np.unique(np.round(asked.channel_z_m, 2))
        rows: list[list[tuple[int, float]]] = []
        for face in range(len(frames.ids)):
            known = [(level, tag_height(board, clear)) for level, board, clear in face_levels(frames, face)]
            rows.append(known or [(0, float(z)) for z in own])
        most = max((len(row) for row in rows), default=0)
        number = np.zeros((len(rows), most), np.int64)
        z = np.full((len(rows), most), np.nan)
        for face, row in enumerate(rows):
            for k, (level, height) in enumerate(row):
                number[face, k], z[face, k] = level, height
        return cls(np.array([len(row) for row in rows], np.int64), number, z)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the run taught.

    Attributes
    ----------
    antenna : int64 array, shape (curves,)
        -1 in row 0: out of reach.
    height_m : float64 array, shape (curves,)
        Between antenna and tag.
    f : float64 array, shape (curves, REACH + 1)
    plateau : float
    log_class : float64 array, shape (len(CLASSES),)
    curve : int64 array, shape (faces, most levels, channels)
    taught_by : int
        Tags learnt from.
    evidence : float
        Log-evidence of those tags' answers.
    """

    antenna: Ints
    height_m: Floats
    f: Floats
    plateau: float
    log_class: Floats
    curve: Ints
    taught_by: int = 0
    evidence: float = float("nan")

    def chance(self) -> Floats:
        """Return the chance of an answer, shape (curves, classes, REACH + 1)."""
        p = CHANCE + (self.plateau - CHANCE) * expit(self.f[:, None, :] + CLASSES[:, None])
        p[0] = CHANCE
        p[:, :, REACH] = CHANCE
        return np.asarray(p, np.float64)

    def gain(self) -> Floats:
        """Return ``log p - log(1 - p)``, shape (curves, classes, REACH + 1)."""
        p = self.chance()
        return np.log(p) - np.log1p(-p)

    def silence(self, asked: Asked) -> Floats:
        """Return the log-chance that a tag at a place never answers, shape (most levels, classes, places)."""
        quiet = np.log1p(-self.chance())
        kernel = np.concatenate([quiet[:, :, :0:-1], quiet], axis=2)
        out = np.zeros((self.curve.shape[1], len(CLASSES), int(asked.start[-1])))
        for face in range(len(self.curve)):
            part = slice(int(asked.start[face]), int(asked.start[face + 1]))
            busy = np.flatnonzero(asked.rounds[:, part].any(axis=1))
            for channel in busy.tolist():
                rounds = asked.rounds[channel, part]
                for level in range(self.curve.shape[1]):
                    row = kernel[int(self.curve[face, level, channel])]
                    out[level, :, part] += fftconvolve(rounds[None], row, mode="full", axes=1)[
                        :, REACH:-REACH
                    ]
        return np.minimum(out, 0.0)

    def half_width_m(self) -> Floats:
        """Return at which lag tags answer half as often as at best, shape (curves,)."""
        share = np.einsum("cgl,g->cl", self.chance(), np.exp(self.log_class))
        best = share.argmax(axis=1)
        low = (share < 0.5 * share.max(axis=1, keepdims=True)) & (np.arange(REACH + 1) > best[:, None])
        return np.asarray(STEP_M * low.argmax(axis=1), np.float64)

    def pull_m(self) -> float:
        """Return by how much a tag's place errs for each logit by which its footprint differs from one edge to another.

        What a deviation ``r`` adds to the place's score, ``sum w f' r``, over its information, ``sum w f'^2``, with the
        weight ``w = (dp / df)^2 / (p (1 - p))`` of evenly spread rounds; ``r`` is alike within an edge (a stretch over
        which ``f`` rises or falls) and independent between edges.
        """
        pulls: list[float] = []
        share = np.exp(self.log_class)
        for row in np.flatnonzero(self.height_m < BEFORE_M)[1:].tolist():
            f = self.f[row, :REACH]
            s = expit(f + CLASSES[:, None])
            p = CHANCE + (self.plateau - CHANCE) * s
            weight = share @ (((self.plateau - CHANCE) * s * (1.0 - s)) ** 2 / (p * (1.0 - p)))
            slope = np.gradient(f) / STEP_M
            edge = np.concatenate([[0], np.cumsum(np.diff(np.sign(slope)) != 0)])
            score, information = np.bincount(edge, weight * slope), float((weight * slope**2).sum())
            pulls.append(math.sqrt(2.0 * float((score**2).sum())) / max(2.0 * information, 1e-9))
        return float(np.clip(np.median(pulls), 0.0, LARGEST_PULL_M)) if pulls else FALL_M

    def class_sd(self) -> float:
        """Return how much tags differ, logits."""
        w = np.exp(self.log_class)
        mean = float((w * CLASSES).sum())
        return float(np.sqrt((w * (CLASSES - mean) ** 2).sum()))


def first_guess(asked: Asked, levels: Levels) -> Footprint:
    """Return a footprint as wide as tags were heard, narrower at other heights than the antenna's own."""
    pairs: dict[tuple[int, int], int] = {}
    curve = np.zeros((*levels.z_m.shape, len(asked.channel_z_m)), np.int64)
    for face, level in zip(*np.nonzero(np.isfinite(levels.z_m)), strict=True):
        for channel, z in enumerate(asked.channel_z_m.tolist()):
            apart = round(abs(float(levels.z_m[face, level]) - z) / HEIGHT_STEP_M)
            if apart * HEIGHT_STEP_M <= HIGHEST_M:
                key = (int(asked.channel_antenna[channel]), apart)
                curve[face, level, channel] = pairs.setdefault(key, len(pairs) + 1)
    height = np.array([0.0] + [HEIGHT_STEP_M * apart for _, apart in pairs])
    half = _half_span(asked)
    lag = STEP_M * np.arange(REACH + 1)
    f = (half - np.hypot(lag, height[:, None])) / FALL_M
    weight = np.exp(-0.5 * (CLASSES / CLASS_SD) ** 2)
    return Footprint(
        antenna=np.array([-1] + [antenna for antenna, _ in pairs], np.int64),
        height_m=height,
        f=np.clip(f, -12.0, 4.0),
        plateau=0.9,
        log_class=np.log(weight / weight.sum()),
        curve=curve,
    )


def learn(asked: Asked, levels: Levels, frames: Frames, answers: Answers) -> Footprint:
    """Learn the footprint by expectation and maximisation over the places of the tags heard."""
    start = first_guess(asked, levels)
    enough = np.flatnonzero(np.diff(answers.start) >= LEARN_HITS)
    chosen = np.sort(np.random.default_rng(0).permutation(enough)[:LEARN_TAGS])
    some = answers.select(chosen)
    if len(chosen) == 0:
        return start
    basis = _basis()
    print_, theta = start, start.f[:, :: round(KNOT_M / STEP_M)].copy()
    anchor = theta.copy()
    first, last = edges(frames)
    for _ in range(EM_STEPS):
        gain = print_.gain()
        hits, rounds = np.zeros_like(gain), np.zeros_like(gain)
        weight = np.zeros(len(CLASSES))
        evidence = hf_expected(
            some.start, some.bins, some.channels, some.face, levels.count, print_.curve, asked.start, first, last,
            gain, print_.silence(asked), print_.log_class, asked.rounds, hits, rounds, weight,
        )  # fmt: skip
        hits[:, :, REACH] = 0.0
        rounds[:, :, REACH] = 0.0
        # Answers are placed to a step, rounds too: none may have more answers than rounds.
        rounds = np.maximum(rounds, hits)
        prior = np.exp(-0.5 * (CLASSES / CLASS_SD) ** 2)
        share = (weight + 2.0 * prior / prior.sum()) / (weight.sum() + 2.0)
        for row in range(1, len(theta)):
            theta[row] = _newton(theta[row], anchor[row], basis, hits[row], rounds[row], print_.plateau)
        f = np.clip(theta @ basis.T, -14.0, 12.0)
        plateau = _plateau(f[1:], hits[1:], rounds[1:])
        print_ = replace(
            print_, f=f, plateau=plateau, log_class=np.log(share), taught_by=len(chosen), evidence=evidence
        )
    return print_


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of tags, each before its face: slices ``start[i]:start[i + 1]`` of ``bins`` and ``channels``.

    ``tag`` and ``face`` have the shape (n,), ``start`` (n + 1,), ``bins`` (places on the lattice) and ``channels``
    (antennas and passes) one number an answer.
    """

    tag: Ints
    face: Ints
    start: Ints
    bins: Ints
    channels: Ints

    def select(self, rows: Ints) -> Answers:
        """Return some of the tags, indices of shape (k,)."""
        size = np.diff(self.start)[rows]
        begins = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        index = np.arange(int(size.sum())) - np.repeat(begins[:-1], size) + np.repeat(self.start[rows], size)
        return Answers(self.tag[rows], self.face[rows], begins, self.bins[index], self.channels[index])


def edges(frames: Frames) -> tuple[Ints, Ints]:
    """Return the lattice's first and last place on each face, two of shape (faces,)."""
    first = np.full(len(frames.ids), round(MARGIN_M / STEP_M), np.int64)
    return first, first + np.floor(frames.length_m / STEP_M).astype(np.int64)


def _half_span(asked: Asked) -> float:
    """Return half the usual way between a tag's first and last answer to the antenna it answers most."""
    if not len(asked.tag):
        return 0.2
    key = asked.tag * 65_536 + asked.channel
    keys, at, count = np.unique(key, return_inverse=True, return_counts=True)
    low = np.full(len(keys), np.iinfo(np.int64).max)
    high = np.full(len(keys), np.iinfo(np.int64).min)
    np.minimum.at(low, at.ravel(), asked.bin)
    np.maximum.at(high, at.ravel(), asked.bin)
    many = count >= max(3, float(np.quantile(count, 0.5)))
    if not many.any():
        return 0.2
    return float(np.clip(0.5 * STEP_M * np.median((high - low)[many]), 0.05, 0.5))


def _basis() -> Floats:
    """Return hat functions on the knots, shape (REACH + 1, knots)."""
    step = round(KNOT_M / STEP_M)
    knots = np.arange(0, REACH + 1, step)
    lag = np.arange(REACH + 1)
    return np.maximum(1.0 - np.abs(lag[:, None] - knots) / step, 0.0)


def _newton(
    theta: Floats, anchor: Floats, basis: Floats, hits: Floats, rounds: Floats, plateau: float
) -> Floats:
    """Fisher scoring of one curve's knots: penalised likelihood of ``hits`` in ``rounds``, shape (classes, lags)."""
    bends = np.diff(np.eye(len(theta)), 2, axis=0)
    penalty = SMOOTH * bends.T @ bends + PULL * np.eye(len(theta))
    for _ in range(NEWTON_STEPS):
        s = expit(np.clip(basis @ theta, -14.0, 12.0) + CLASSES[:, None])
        p = CHANCE + (plateau - CHANCE) * s
        slope = (plateau - CHANCE) * s * (1.0 - s)
        each = slope / (p * (1.0 - p))
        score = ((hits - rounds * p) * each).sum(axis=0)
        information = (rounds * slope * each).sum(axis=0)
        left = basis.T @ (information[:, None] * basis) + penalty
        right = basis.T @ score - penalty @ theta + PULL * anchor
        theta = theta + np.clip(np.linalg.solve(left, right), -2.0, 2.0)
    return theta


def _plateau(f: Floats, hits: Floats, rounds: Floats) -> float:
    """Return the plateau that makes the answers likeliest."""
    s = expit(f[:, None, :] + CLASSES[:, None])
    used = rounds > 0
    s, h, n = s[used], hits[used], rounds[used]
    value = [
        float((h * np.log(p) + (n - h) * np.log1p(-p)).sum())
        for p in (CHANCE + (plateau - CHANCE) * s for plateau in PLATEAUS)
    ]
    return float(PLATEAUS[int(np.argmax(value))])
