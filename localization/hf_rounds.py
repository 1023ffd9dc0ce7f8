"""Where HF antennas asked and where tags answered: inventory rounds and hits on a lattice along each face.

A round that a tag did not answer says as much as one that it did, so rounds are counted: from the run's activity, or,
where that has no rounds, from the readings themselves, since a tag answers an inventory once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.faces import Frames
from localization.faces_in_view import LOOKS_AT
from localization.observations import Mounts
from recording import Recording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The lattice along a face, and how far it runs beyond both ends.
STEP_M, MARGIN_M = 0.005, 1.0
#: An HF antenna reads tags of a face in front of it that is no farther than this.
NEAR_M = 0.8
#: Antenna heights alike to this are one.
HEIGHT_M = 0.05
#: Readings of a tag nearer together than this share of a round are one answer, reported twice.
SAME_ROUND = 0.4
#: Between poses farther apart in time, where the antenna was is not known.
POSE_GAP_NS = 2_000_000_000
#: Without activity, a silence longer than so many rounds counts as rounds that nobody answered.
SILENT_ROUNDS = 3.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Rounds and answers of a run.

    Attributes
    ----------
    channel_antenna : int64 array, shape (channels,)
    channel_z_m : float64 array, shape (channels,)
        A channel is an antenna at one height (a mast may carry it to several).
    start : int64 array, shape (faces + 1,)
        The lattice of face ``f`` is ``start[f]:start[f + 1]``, from ``-MARGIN_M`` in steps of ``STEP_M``.
    rounds : float64 array, shape (channels, start[-1])
        Rounds run before each place.
    tag, channel, face, bin : int64 array, shape (hits,)
        Answers sorted by tag and time; ``bin`` counts from the face's own begin.
    t : int64 array, shape (hits,)
    sigma_pose_m, speed_mps : float64 array, shape (hits,)
        NaN where poses state no error.
    estimated : bool
        Rounds were counted from readings, for want of activity.
    """

    channel_antenna: Ints
    channel_z_m: Floats
    start: Ints
    rounds: Floats
    tag: Ints
    channel: Ints
    face: Ints
    bin: Ints
    t: Ints
    sigma_pose_m: Floats
    speed_mps: Floats
    estimated: bool


def ask(recording: Recording, rows: Ints, frames: Frames, mounts: Mounts, latency_ns: int) -> Asked:
    """Lay rounds and hits of the given readings (rows of HF antennas, shape (n,)) along the faces."""
    readings = recording.readings
    antennas = np.unique(readings.antenna[rows]).astype(np.int64)
    times, owner, estimated = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], False
    kept = [np.zeros(0, np.int64)]
    for antenna in [m.id for m in recording.info.antennas if m.air == "iso15693"]:
        mine = rows[readings.antenna[rows] == antenna]
        mine = mine[np.argsort(readings.t[mine], kind="stable")]
        t, tag = readings.t[mine], readings.tag[mine].astype(np.int64)
        starts = round_starts(t, tag)
        period = _period_ns(starts)
        asked, guessed = _round_times(recording, antenna, starts, period, heard=antenna in antennas)
        estimated |= guessed
        times.append(asked)
        owner.append(np.full(len(asked), antenna))
        kept.append(mine[_answers(t, tag, SAME_ROUND * period)])
    asked_at, asked_by = np.concatenate(times), np.concatenate(owner)
    hit = np.concatenate(kept)
    hit = hit[np.lexsort((readings.t[hit], readings.tag[hit]))]
    t = np.concatenate([asked_at, readings.t[hit]]) - latency_ns
    by = np.concatenate([asked_by, readings.antenna[hit].astype(np.int64)])
    at = recording.poses.at(t)
    where, look = mounts.place(at, by)
    face, along = before_face(where, look, frames)
    known = _posed(recording, t)
    key = np.stack([by, np.round(where[:, 2] / HEIGHT_M).astype(np.int64)])
    pairs, channel = np.unique(key, axis=1, return_inverse=True)
    channel = np.asarray(channel, np.int64).ravel()
    size = np.ceil((frames.length_m + 2.0 * MARGIN_M) / STEP_M).astype(np.int64) + 1
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    place = np.round((along + MARGIN_M) / STEP_M).astype(np.int64)
    inside = known & (face >= 0)
    inside[inside] &= (place[inside] >= 0) & (place[inside] < size[face[inside]])
    n = len(asked_at)
    rounds = np.zeros((pairs.shape[1], int(start[-1])))
    asking = np.flatnonzero(inside[:n])
    np.add.at(rounds, (channel[asking], start[face[asking]] + place[asking]), 1.0)
    heights = np.bincount(channel, where[:, 2], pairs.shape[1]) / np.maximum(
        np.bincount(channel, minlength=pairs.shape[1]), 1
    )
    good = n + np.flatnonzero(inside[n:])
    sigma = np.full(len(good), np.nan)
    if at.sigma_xy_m is not None:
        sigma = at.sigma_xy_m[good].astype(np.float64)
    return Asked(
        channel_antenna=pairs[0],
        channel_z_m=np.asarray(heights, np.float64),
        start=start,
        rounds=rounds,
        tag=readings.tag[hit[good - n]].astype(np.int64),
        channel=channel[good],
        face=face[good],
        bin=place[good],
        t=t[good],
        sigma_pose_m=sigma,
        speed_mps=_speed(recording, t[good]),
        estimated=estimated,
    )


def before_face(where: Floats, look: Floats, frames: Frames) -> tuple[Ints, Floats]:
    """Return the face that each antenna place is before (-1: none), and the offset along it, m, two of shape (n,).

    ``where`` (m) and ``look`` (unit vectors) have the shape (n, 3).
    """
    away = where[:, :2] @ frames.normal.T - (frames.origin_m * frames.normal).sum(axis=1) + frames.tag_depth_m
    along = where[:, :2] @ frames.direction.T - (frames.origin_m * frames.direction).sum(axis=1)
    seen = (-(look[:, :2] @ frames.normal.T) >= LOOKS_AT) & (away >= -0.1) & (away <= NEAR_M)
    seen &= (along >= -MARGIN_M) & (along <= frames.length_m + MARGIN_M)
    # Faces of one row stand end to end: a place just beyond one's end is before the other.
    beyond = np.maximum(np.maximum(-along, along - frames.length_m), 0.0)
    cost = np.where(seen, away + beyond, np.inf)
    if cost.shape[1] == 0:
        return np.full(len(where), -1, np.int64), np.zeros(len(where))
    best = cost.argmin(axis=1)
    rows = np.arange(len(where))
    return np.where(np.isfinite(cost[rows, best]), best, -1).astype(np.int64), along[rows, best]


def round_starts(t: Ints, tag: Ints) -> Ints:
    """Return when rounds began, judged by their answers alone: a tag that answers again begins a new one.

    Parameters
    ----------
    t : int64 array, shape (n,)
        Times of one antenna's readings, ascending.
    tag : int64 array, shape (n,)
    """
    n = len(t)
    if n == 0:
        return np.zeros(0, np.int64)
    order = np.lexsort((np.arange(n), tag))
    before = np.full(n, -1, np.int64)
    again = np.flatnonzero(np.diff(tag[order]) == 0)
    before[order[again + 1]] = order[again]
    # The round that begins at reading s ends with the first reading whose tag answered since s.
    latest = np.maximum.accumulate(before)
    next_round = np.searchsorted(latest, np.arange(n)).tolist()
    begins: list[int] = []
    at = 0
    while at < n:
        begins.append(at)
        at = max(int(next_round[at]), at + 1)
    return t[np.array(begins, np.int64)]


def _period_ns(starts: Ints) -> float:
    """Return how long a round takes, judged by those that follow one another at once."""
    gaps = np.diff(starts).astype(np.float64)
    return float(np.median(gaps[gaps <= 3.0 * np.median(gaps)])) if len(gaps) else 0.0


def _answers(t: Ints, tag: Ints, apart_ns: float) -> npt.NDArray[np.bool_]:
    """Mark readings that are no repetition within a round."""
    order = np.lexsort((t, tag))
    fresh = np.ones(len(t), np.bool_)
    repeated = (np.diff(tag[order]) == 0) & (np.diff(t[order]) < apart_ns)
    fresh[order[1:][repeated]] = False
    return fresh


def _round_times(
    recording: Recording, antenna: int, starts: Ints, period_ns: float, *, heard: bool
) -> tuple[Ints, bool]:
    """Return the times of an antenna's rounds, and whether they had to be judged by the readings."""
    activity = recording.activity
    guessed = False
    if activity is not None and (activity.antenna == antenna).any():
        mine = activity.antenna == antenna
        begin, end = activity.t_start[mine], activity.t_end[mine]
        count = activity.rounds[mine].astype(np.int64)
        unknown = (count == 0) & (end > begin)
        if unknown.any() and period_ns > 0:
            guessed = True
            spans = np.round((end - begin) / period_ns).astype(np.int64)
            count = np.where(unknown, np.maximum(spans, 1), count)
        times = _spread(begin, end, count)
    elif heard and period_ns > 0:
        guessed = True
        gaps = np.diff(starts)
        silent = np.where(gaps > SILENT_ROUNDS * period_ns, np.round(gaps / period_ns), 1).astype(np.int64)
        times = np.append(_spread(starts[:-1], starts[1:], silent), starts[-1:])
    else:
        times, guessed = starts, heard
    for a, b in recording.not_scanned:
        times = times[(times < a) | (times >= b)]
    return times, guessed


def _spread(begin: Ints, end: Ints, count: Ints) -> Ints:
    """Return ``count`` times spread evenly over each span."""
    number = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    share = (number + 0.5) / np.repeat(np.maximum(count, 1), count)
    return np.repeat(begin, count) + np.round(share * np.repeat(end - begin, count)).astype(np.int64)


def _posed(recording: Recording, t: Ints) -> npt.NDArray[np.bool_]:
    """Tell at which times the poses say where the robot was."""
    poses = recording.poses
    if len(poses) < 2:
        return poses.covers(t)
    left = np.clip(np.searchsorted(poses.t, t, side="right") - 1, 0, len(poses) - 2)
    return poses.covers(t) & (np.diff(poses.t)[left] <= POSE_GAP_NS)


def _speed(recording: Recording, t: Ints) -> Floats:
    """Return the base's speed at the given times, over a second."""
    poses = recording.poses
    if len(poses) < 2 or len(t) == 0:
        return np.zeros(len(t))
    half = 500_000_000
    a, b = np.maximum(t - half, poses.t[0]), np.minimum(t + half, poses.t[-1])
    p, q = poses.at(a), poses.at(b)
    gone = np.hypot(q.x_m - p.x_m, q.y_m - p.y_m)
    return np.asarray(gone / np.maximum((b - a) * 1e-9, 1e-3), np.float64)
