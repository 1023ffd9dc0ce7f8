"""HF tags (ISO 15693): placed by where they answered and where they did not.

An HF reader tells no phase and hardly an RSSI. What it tells is which inventory rounds a tag answered. The footprint
of each antenna, learnt from the run itself, makes of that a posterior over the face; its mean is the place and its
width the error bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtr

from localization.calibration import Calibration
from localization.faces import Frames
from localization.hf_footprint import BEFORE_M, Answers, Footprint, Levels, edges, learn
from localization.hf_kernels import hf_posterior
from localization.hf_misfit import edge_scatter
from localization.hf_rounds import MARGIN_M, STEP_M, Asked, ask
from localization.observations import Mounts
from recording import Recording, RunInfo
from recording.words import counted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What widens or narrows a tag's footprint on both sides (its threshold, detuning neighbours) is seen and fitted; what
#: does so on one side only moves the tag unseen. It is taken to be as much as tags' classes and their single edges are
#: seen to scatter, times this, as a fit hides part of it (simulated libraries of seven kinds: 1.0 to 2.1).
ONE_SIDED = 1.3
#: Neighbours stand among the same books and rounds: so much of that (of its square) they share.
NEIGHBOURS_SHARE = 0.5
#: How far an antenna's middle is off its mount, and the reader's clock off the base's.
MOUNT_SIGMA_M, CLOCK_SIGMA_S = 0.005, 0.15
#: Poses so long after one another err each for itself.
NEXT_PASS_NS = 30_000_000_000
#: What stays of any tag's place: turned by four degrees in its book, 8 cm from the loop, its whole footprint moves so.
FLOOR_M = 0.006
#: A bar of this length is worth half.
HALF_QUALITY_M = 0.04


@dataclass(frozen=True, slots=True)
class HfPlaces:
    """One row a tag; columns of shape (p,).

    ``tag`` indexes the recording's tags, ``shelf`` and ``alt_shelf`` the face's shelves (-1: none).
    """

    tag: Ints
    face: Ints
    shelf: Ints
    offset_m: Floats
    height_m: Floats
    sigma_local_m: Floats
    common_m: Floats
    p: Floats
    alt_shelf: Ints
    alt_offset_m: Floats
    p_alt: Floats
    quality: Floats

    @classmethod
    def empty(cls) -> HfPlaces:
        """No tags."""
        none, number = np.zeros(0), np.zeros(0, np.int64)
        return cls(
            number, number, number, none, none, none, none, none, number, none, none, none
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class HfResult:
    """Places, the footprint they were found by (None: nothing heard) and what is worth saying."""

    places: HfPlaces
    footprint: Footprint | None
    levels: Levels | None
    asked: Asked | None
    notes: tuple[str, ...]


def is_hf(info: RunInfo) -> npt.NDArray[np.bool_]:
    """Tell which antenna ids are HF, shape (256,)."""
    hf = np.zeros(256, np.bool_)
    hf[[m.id for m in info.antennas if m.air == "iso15693"]] = True
    return hf


def place_hf(
    recording: Recording,
    rows: Ints,
    frames: Frames,
    mounts: Mounts,
    calibration: Calibration,
) -> HfResult:
    """Place the tags that HF antennas heard.

    Parameters
    ----------
    recording : Recording
    rows : int64 array, shape (n,)
        Its readings by HF antennas, those with a pose and a mount.
    frames : Frames
    mounts : Mounts
    calibration : Calibration
        Its latency is taken off.
    """
    if len(rows) == 0 or len(recording.poses) == 0 or len(frames.ids) == 0:
        return HfResult(HfPlaces.empty(), None, None, None, ())
    asked = ask(recording, rows, frames, mounts, round(calibration.latency_s * 1e9))
    if len(asked.tag) == 0:
        return HfResult(HfPlaces.empty(), None, None, asked, ("HF: nothing was heard before a face",))
    levels = Levels.of(frames, asked)
    answers, p_face, spans = _before_their_faces(asked)
    footprint = learn(asked, levels, frames, answers)
    first, last = edges(frames)

    log_z, mean, variance, strength = (
        np.full((len(answers.tag), levels.z_m.shape[1]), np.nan) for _ in range(4)
    )
    hf_posterior(
        answers.start, answers.bins, answers.channels, answers.face, levels.count, footprint.curve, asked.start,
        first, last, footprint.gain(), footprint.silence(asked), footprint.log_class, log_z, mean, variance,
        strength,
    )  # fmt: skip
    best = np.nanargmax(log_z, axis=1)
    own = np.arange(len(best))
    scatter = edge_scatter(
        asked, footprint, answers, best, mean[own, best], strength[own, best], footprint.class_sd()
    )
    unseen = ONE_SIDED * math.hypot(scatter, footprint.class_sd()) * footprint.pull_m()
    alone = (1.0 - NEIGHBOURS_SHARE) * unseen**2
    local = np.sqrt(variance * STEP_M**2 + STEP_M**2 / 12.0 + alone + FLOOR_M**2)
    common = np.sqrt(_common(asked, spans) ** 2 + NEIGHBOURS_SHARE * unseen**2)
    places = _choose(frames, levels, answers, p_face, log_z, STEP_M * mean - MARGIN_M, local, common)
    notes = [_said(footprint, unseen, asked, len(answers.tag))]
    return HfResult(places, footprint, levels, asked, tuple(notes))


def _before_their_faces(asked: Asked) -> tuple[Answers, Floats, Ints]:
    """Return each tag's answers before the face where it answered most, that face's share, and all slices of tags."""
    faces = int(asked.face.max()) + 1
    tags, row = np.unique(asked.tag, return_inverse=True)
    row = row.ravel()
    count = np.bincount(row * faces + asked.face, minlength=len(tags) * faces).reshape(-1, faces)
    best = count.argmax(axis=1)
    p_face = (count.max(axis=1) + 0.5) / (count.sum(axis=1) + 0.5 * np.maximum((count > 0).sum(axis=1), 1))
    mine = asked.face == best[row]
    start = np.concatenate([[0], np.cumsum(count.max(axis=1))]).astype(np.int64)
    answers = Answers(tags, best.astype(np.int64), start, asked.bin[mine], asked.channel[mine])
    return answers, p_face, np.asarray(row, np.int64)


def _common(asked: Asked, row: Ints) -> Floats:
    """Return what neighbours share of the error: poses, clock and mounts, shape (tags,)."""
    n = np.maximum(np.bincount(row), 1)
    again = np.append(False, (np.diff(row) == 0) & (np.diff(asked.t) > NEXT_PASS_NS))
    passes = 1.0 + np.bincount(row, again)
    sigma = np.sqrt(np.bincount(row, np.nan_to_num(asked.sigma_pose_m) ** 2) / n / passes)
    speed = np.bincount(row, asked.speed_mps) / n
    return np.sqrt(MOUNT_SIGMA_M**2 + (CLOCK_SIGMA_S * np.minimum(speed, 1.0)) ** 2 + sigma**2)


def _choose(
    frames: Frames,
    levels: Levels,
    answers: Answers,
    p_face: Floats,
    log_z: Floats,
    offset_m: Floats,
    local_m: Floats,
    common_m: Floats,
) -> HfPlaces:
    """Choose level and shelf, second best too."""
    rows = np.arange(len(answers.tag))
    value = np.where(np.isfinite(log_z), log_z, -np.inf)
    p = np.exp(value - logsumexp(value, axis=1, keepdims=True))
    order = np.argsort(-p, axis=1)
    best, other = order[:, 0], order[:, min(1, p.shape[1] - 1)]
    shelf, inside, beside, p_beside = _shelves(
        frames, levels, answers.face, best, offset_m[rows, best], local_m[rows, best]
    )
    alt_shelf, alt_inside, _, _ = _shelves(
        frames, levels, answers.face, other, offset_m[rows, other], local_m[rows, other]
    )
    p_best = p_face * p[rows, best]
    p_shelf, p_other = p_best * inside, p_face * p[rows, other] * alt_inside
    has = (other != best) & np.isfinite(offset_m[rows, other]) & (p_other > 1e-9)
    next_door = (beside >= 0) & (p_best * p_beside > np.where(has, p_other, 0.0))
    sigma = local_m[rows, best]
    height = np.where(np.isfinite(levels.z_m[answers.face]), levels.z_m[answers.face], 0.0)
    hits = np.diff(answers.start)
    return HfPlaces(
        tag=answers.tag,
        face=answers.face,
        shelf=shelf,
        offset_m=offset_m[rows, best],
        height_m=(np.nan_to_num(p) * height).sum(axis=1),
        sigma_local_m=sigma,
        common_m=common_m,
        p=np.clip(p_shelf, 0.0, 1.0),
        alt_shelf=np.where(next_door, beside, np.where(has, alt_shelf, -1)),
        alt_offset_m=np.where(next_door, offset_m[rows, best], np.where(has, offset_m[rows, other], np.nan)),
        p_alt=np.where(next_door, p_best * p_beside, np.where(has, p_other, np.nan)),
        quality=np.clip(
            p[rows, best] * hits / (hits + 5.0) / (1.0 + (sigma / HALF_QUALITY_M) ** 2), 0.0, 1.0
        ),
    )


def _shelves(
    frames: Frames, levels: Levels, face: Ints, level: Ints, offset_m: Floats, sigma_m: Floats
) -> tuple[Ints, Floats, Ints, Floats]:
    """Return the shelf at a place (-1: none) and its chance, and the likelier of the shelves beside it and its."""
    shelf, beside = np.full(len(face), -1, np.int64), np.full(len(face), -1, np.int64)
    inside, p_beside = np.ones(len(face)), np.zeros(len(face))
    number = levels.number[face, level]
    for f, n in {(int(f), int(n)) for f, n in zip(face, number, strict=True)}:
        known = frames.faces[f]
        if known is None:
            continue
        index = np.array([k for k, s in enumerate(known.shelves) if s.level == n], np.int64)
        if not len(index):
            continue
        index = index[np.argsort([known.shelves[k].from_m for k in index])]
        ends = np.array([(known.shelves[k].from_m, known.shelves[k].to_m) for k in index])
        # Uprights are no place for books: borders run through the middle of them, the outermost are walls.
        border = 0.5 * (ends[1:, 0] + ends[:-1, 1])
        rows = np.flatnonzero((face == f) & (number == n))
        cut = np.concatenate(
            [np.zeros((len(rows), 1)), ndtr((border - offset_m[rows, None]) / sigma_m[rows, None]),
             np.ones((len(rows), 1))], axis=1,
        )  # fmt: skip
        share = np.diff(cut, axis=1)
        place = np.searchsorted(border, offset_m[rows])
        own = np.arange(len(rows))
        shelf[rows], inside[rows] = index[place], share[own, place]
        if len(index) > 1:
            share[own, place] = -1.0
            second = share.argmax(axis=1)
            beside[rows], p_beside[rows] = index[second], share[own, second]
    return shelf, inside, beside, p_beside


def _said(footprint: Footprint, unseen_m: float, asked: Asked, tags: int) -> str:
    before = footprint.height_m < BEFORE_M
    half = float(np.median(footprint.half_width_m()[before][1:])) if before.sum() > 1 else 0.0
    rounds = "judged by the readings" if asked.estimated else "as the activity has them"
    return (
        f"HF: {counted(tags, 'tag')} by hits and misses, rounds {rounds}; footprint {100 * half:.0f} cm to either "
        f"side, plateau {footprint.plateau:.2f}, tags {footprint.class_sd():.1f} logits apart, which may move each by "
        f"{100 * unseen_m:.1f} cm (learnt from {counted(footprint.taught_by, 'tag')})"
    )
