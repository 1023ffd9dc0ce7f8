"""Where a tag would have been heard: what reports need before they call a book missing or a zone not scanned.

The rate at which a tag is read depends on how well the antenna hears it (distance and direction); that rate is
learnt from the tags heard, then added up over where and when each antenna listened for every cell of every face.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import LOOKS_AT, OVERHANG_M, SAME_ROW_M, Frames
from localization.observations import Mounts
from localization.positions import Coverage
from localization.profile import face_levels, tag_height
from localization.signal_model import RANGE_M
from recording import Recording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELL_M = 0.1
#: The robot's way is looked at in steps of this length or time, whichever comes first.
STEP_M, STEP_S = 0.05, 2.0
#: Bins of link quality (distance law and pattern, dB).
BIN_DB, LOWEST_DB, BINS = 2.0, -60.0, 40
#: Tags differ in how often they are read: a negative binomial's size, at most and at least.
SIZE_RANGE = (0.5, 5.0)
#: Tags learnt from.
MOST_TAGS = 1000
#: No tag is certain to be heard: broken, shielded by metal, lying on its chip.
MOST_CERTAIN = 0.995


def make_coverage(
    recording: Recording,
    frames: Frames,
    mounts: Mounts,
    tag_face: Ints,
    tag_offset_m: Floats,
    tag_height_m: Floats,
    tag_readings: Floats,
    latency_ns: int = 0,
) -> Coverage:
    """Make the coverage of every face of the plan.

    Parameters
    ----------
    tag_face, tag_offset_m, tag_height_m, tag_readings : arrays, shape (tags,)
        Tags well placed, and the readings each gave to antennas that look at its face.
    """
    face_of, level_of, shelf_of, from_m, to_m, height = _cells(frames)
    if len(face_of) == 0:
        return Coverage.empty()
    where, look, antenna, seconds = _steps(recording, mounts, latency_ns)
    facing = _facing(where, look, frames)
    pattern = mounts.beamwidth_deg
    chosen = np.linspace(0, len(tag_face) - 1, min(len(tag_face), MOST_TAGS)).astype(np.int64)
    exposure = np.zeros((len(chosen), BINS))
    _expose(
        tag_face[chosen], tag_offset_m[chosen], tag_height_m[chosen], where, look, antenna, seconds, facing,
        frames.origin_m, frames.direction, frames.normal, frames.tag_depth_m, pattern, exposure,
    )  # fmt: skip
    rate = _learn_rate(exposure, tag_readings[chosen])
    expected = exposure @ rate
    size = _dispersion(expected, tag_readings[chosen])
    middle = 0.5 * (from_m + to_m)
    readings = np.zeros(len(face_of))
    for begin in range(0, len(face_of), 20_000):
        part = slice(begin, begin + 20_000)
        exposure = np.zeros((len(face_of[part]), BINS))
        _expose(
            face_of[part], middle[part], height[part], where, look, antenna, seconds, facing, frames.origin_m,
            frames.direction, frames.normal, frames.tag_depth_m, pattern, exposure,
        )  # fmt: skip
        readings[part] = exposure @ rate
    p_heard = MOST_CERTAIN * (1.0 - (1.0 + readings / size) ** -size)
    ids = np.array([frames.ids[f] for f in face_of], object)
    return Coverage(ids, level_of, shelf_of, from_m, to_m, readings, p_heard)


def _cells(frames: Frames) -> tuple[Ints, Ints, npt.NDArray[np.object_], Floats, Floats, Floats]:
    """List the cells of every face: face, level, shelf id, from, to, height of a tag."""
    face: list[int] = []
    level: list[int] = []
    shelf: list[str | None] = []
    start: list[float] = []
    stop: list[float] = []
    height: list[float] = []
    for index, known in enumerate(frames.faces):
        if known is None:
            continue
        edges = np.arange(0.0, known.length_m - 1e-6, CELL_M)
        levels = face_levels(frames, index) or [(0, math.nan, math.nan)]
        for number, board, clear in levels:
            shelves = [s for s in known.shelves if s.level == number]
            for edge in edges:
                end = min(edge + CELL_M, known.length_m)
                holding = [s for s in shelves if s.from_m <= 0.5 * (edge + end) <= s.to_m]
                if shelves and not holding:
                    continue
                face.append(index)
                level.append(number)
                shelf.append(holding[0].id if holding else None)
                start.append(float(edge))
                stop.append(float(end))
                z = tag_height(holding[0].board_z_m, holding[0].clear_m) if holding else math.nan
                height.append(z if holding else tag_height(board, clear) if shelves else math.nan)
    return (
        np.array(face, np.int64), np.array(level, np.int64), np.array(shelf, object),
        np.array(start), np.array(stop), np.array(height),
    )  # fmt: skip


def _steps(recording: Recording, mounts: Mounts, latency_ns: int) -> tuple[Floats, Floats, Ints, Floats]:
    """Cut the run into steps of each antenna: where it was, where it looked, and how long it listened."""
    poses = recording.poses
    antennas = np.array([mount.id for mount in recording.info.antennas], np.int64)
    if len(poses.t) < 2 or len(antennas) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(poses.x_m), np.diff(poses.y_m)))])
    bins = np.floor(way / STEP_M) + np.floor((poses.t - poses.t[0]) / (STEP_S * 1e9)) * 1e6
    starts = np.flatnonzero(np.append(True, np.diff(bins) != 0))
    edges = np.append(poses.t[starts], poses.t[-1])
    # A long gap between poses is cut, too: the robot may have stood there and listened.
    edges = np.unique(np.concatenate([edges, np.arange(edges[0], edges[-1], int(STEP_S * 1e9))]))
    middle = (edges[:-1] + np.diff(edges) // 2).astype(np.int64)
    at = poses.at(middle)
    where, look, number, seconds = [], [], [], []
    for antenna in antennas:
        listened = np.diff(_listened(recording, int(antenna), edges + latency_ns))
        kept = listened > 0
        if not kept.any():
            continue
        spot, facing = mounts.place(at, np.full(len(middle), antenna))
        where.append(spot[kept])
        look.append(facing[kept])
        number.append(np.full(int(kept.sum()), antenna))
        seconds.append(listened[kept])
    if not where:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0)
    return np.concatenate(where), np.concatenate(look), np.concatenate(number), np.concatenate(seconds)


def _listened(recording: Recording, antenna: int, t: Ints) -> Floats:
    """Return how many seconds the antenna had listened by each time ``t`` (ascending)."""
    if recording.activity is not None:
        mine = recording.activity.antenna == antenna
        start, end = recording.activity.t_start[mine], recording.activity.t_end[mine]
    else:
        heard = recording.readings.t[recording.readings.antenna == antenna]
        start, end = (heard.min(keepdims=True), heard.max(keepdims=True)) if len(heard) else (heard, heard)
    lost = recording.not_scanned
    return _covered(start, end, t) - sum(
        (_covered(np.maximum(start, a), np.minimum(end, b), t) for a, b in lost), np.zeros(len(t))
    )


def _covered(start: Ints, end: Ints, t: Ints) -> Floats:
    """Seconds of the (possibly overlapping) intervals before each ``t``."""
    keep = end > start
    start, end = start[keep], end[keep]
    if len(start) == 0:
        return np.zeros(len(t))
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order])
    begins = np.flatnonzero(np.append(True, start[1:] > end[:-1]))
    low, high = start[begins], end[np.append(begins[1:] - 1, len(end) - 1)]
    knots = np.stack([low, high], axis=1).ravel().astype(np.float64) - float(low[0])
    total = np.stack([np.append(0, np.cumsum(high - low))[:-1], np.cumsum(high - low)], axis=1).ravel()
    return np.interp(t.astype(np.float64) - float(low[0]), knots, total.astype(np.float64)) * 1e-9


def _facing(where: Floats, look: Floats, frames: Frames) -> npt.NDArray[np.bool_]:
    """Which steps look at which faces, shape (faces, steps): the same rule the readings are sorted by."""
    h = where[:, :2] @ frames.normal.T - (frames.origin_m * frames.normal).sum(axis=1) + frames.tag_depth_m
    u = where[:, :2] @ frames.direction.T - (frames.origin_m * frames.direction).sum(axis=1)
    seen = (-(look[:, :2] @ frames.normal.T) >= LOOKS_AT) & (h >= 0.05) & (h <= RANGE_M)
    seen &= (u >= -OVERHANG_M) & (u <= frames.length_m + OVERHANG_M)
    before = seen & (u > -0.3) & (u < frames.length_m + 0.3)
    closest = np.where(before, h, np.inf).min(axis=1, initial=np.inf)
    return np.ascontiguousarray((seen & (h <= closest[:, None] + SAME_ROW_M)).T)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _expose(
    face: Ints, offset: Floats, height: Floats, where: Floats, look: Floats, antenna: Ints, seconds: Floats,
    facing: npt.NDArray[np.bool_], origin: Floats, direction: Floats, normal: Floats, depth: Floats,
    beamwidth: Floats, exposure: Floats,
) -> None:  # fmt: skip
    """Add up the seconds each place was before an antenna, by link quality; NaN height: any (the antenna's own)."""
    for i in range(len(face)):
        f = face[i]
        px = origin[f, 0] + offset[i] * direction[f, 0] - depth[f] * normal[f, 0]
        py = origin[f, 1] + offset[i] * direction[f, 1] - depth[f] * normal[f, 1]
        for s in range(len(seconds)):
            if not facing[f, s]:
                continue
            dx, dy = px - where[s, 0], py - where[s, 1]
            flat = dx * dx + dy * dy
            if flat > RANGE_M * RANGE_M:
                continue
            dz = 0.0 if math.isnan(height[i]) else height[i] - where[s, 2]
            d = math.sqrt(flat + dz * dz) + 1e-6
            cos = (dx * look[s, 0] + dy * look[s, 1] + dz * look[s, 2]) / d
            angle = math.degrees(math.acos(min(max(cos, -1.0), 1.0))) / beamwidth[antenna[s]]
            quality = -40.0 * math.log10(max(d, 0.1)) - min(12.0 * angle * angle, 20.0)
            b = int((quality - LOWEST_DB) / BIN_DB)
            exposure[i, min(max(b, 0), BINS - 1)] += seconds[s]


def _learn_rate(exposure: Floats, readings: Floats) -> Floats:
    """Return readings per second in each bin of link quality, shape (BINS,), growing with quality.

    Richardson-Lucy iterations (the maximum-likelihood Poisson fit of ``readings = exposure @ rate``), then pooled
    so that a better link is never read less.
    """
    rate = np.zeros(BINS)
    total = exposure.sum(axis=0)
    used = total > 0
    if not used.any() or readings.sum() <= 0:
        return rate
    centre = LOWEST_DB + BIN_DB * (np.arange(BINS) + 0.5)
    rate[used] = 10.0 ** (0.05 * (centre[used] - centre[used].max()))
    rate *= readings.sum() / max((exposure @ rate).sum(), 1e-9)
    for _ in range(50):
        model = np.maximum(exposure @ rate, 1e-9)
        rate[used] *= (exposure[:, used].T @ (readings / model)) / total[used]
        # Neighbouring bins are hardly told apart by so few tags: smooth as we go.
        smooth = np.convolve(np.pad(rate, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        rate[used] = smooth[used]
    known = np.flatnonzero(used)
    rate[known] = _isotonic(rate[known], total[known])
    # Beyond what was met, a bin takes the nearest one's rate above, and nothing below.
    rate[known[-1] + 1 :] = rate[known[-1]]
    return rate


def _isotonic(value: Floats, weight: Floats) -> Floats:
    """Pool adjacent violators: the nearest non-decreasing sequence (Barlow et al. 1972)."""
    blocks: list[list[float]] = []
    for v, w in zip(value, weight, strict=True):
        blocks.append([float(v), float(w), 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            v2, w2, n2 = blocks.pop()
            v1, w1, n1 = blocks.pop()
            blocks.append([(v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    return np.concatenate([np.full(int(n), v) for v, _, n in blocks])


def _dispersion(expected: Floats, readings: Floats) -> float:
    """Return the negative binomial's size from the tags heard: ``var(n / mu) = 1 / mu + 1 / size``."""
    good = expected > 1.0
    if good.sum() < 20:
        return 1.0
    ratio = readings[good] / expected[good]
    excess = float(np.mean((ratio - ratio.mean()) ** 2 - 1.0 / expected[good]))
    return float(np.clip(1.0 / max(excess, 1e-6), *SIZE_RANGE))
