"""Where and when antennas listened, and how often a tag somewhere is read.

The rate at which a tag is read depends on how well the antenna powers it (distance and direction). The run itself
teaches that rate, from the tags it heard; it then says what a tag at any place would have given to each antenna,
which tells shelves apart and shows what was not covered.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import Frames
from localization.faces_in_view import LOOKS_AT, OVERHANG_M, SAME_ROW_M
from localization.fast_math import arccos_single, log2_single
from localization.hearing import Hearing, edges_of, less_crowded, listened_s
from localization.kernels import AS_WRITTEN, LANES
from localization.observations import Mounts, driven_m
from localization.signal_model import RANGE_M
from recording import Recording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]

#: Bins of link quality: what reaches the tag one way, dB against 1 m on boresight.
BIN_DB, LOWEST_DB, BINS = 1.5, -36.0, 32
#: Shares of the nominal antenna pattern tried (multipath fills what the pattern leaves out).
PATTERN_SHARES = (0.0, 0.5, 1.0)
#: Tags learnt from.
MOST_TAGS = 400


@dataclass(frozen=True, slots=True)
class Listening:
    """The run in short steps of each antenna; ``s`` steps.

    Attributes
    ----------
    where_m, look : float64 array, shape (s, 3)
    column : int64 array, shape (s,)
        Index into ``antennas``.
    beamwidth_deg, seconds : float64 array, shape (s,)
        ``seconds`` as a tag in the run's usual crowd sees them: longer where fewer tags share the air.
    facing : bool array, shape (faces, s)
        Which steps look at which faces, by the rule that readings are sorted by.
    antennas : int64 array, shape (a,)
        Antenna ids.
    lane_start : int64 array, shape (faces + 1,)
        The steps that look at face ``f`` are ``lane_step[lane_start[f]:lane_start[f + 1]]``, by offset: a place needs
        only those within reach, however long the run.
    lane_step : int64 array
    lane_u_m : float64 array
        Their offsets along the face.
    """

    where_m: Floats
    look: Floats
    column: Ints
    beamwidth_deg: Floats
    seconds: Floats
    facing: npt.NDArray[np.bool_]
    antennas: Ints
    lane_start: Ints
    lane_step: Ints
    lane_u_m: Floats

    @classmethod
    def of(
        cls,
        recording: Recording,
        frames: Frames,
        mounts: Mounts,
        latency_ns: int,
        jobs: int = 1,
        hearing: Hearing | None = None,
    ) -> Listening:
        """Cut the run into steps; ``hearing`` where the readings are not in memory."""
        antennas = np.array([mount.id for mount in recording.info.antennas], np.int64)
        where, look, number, seconds = _steps(recording, mounts, latency_ns, jobs, hearing)
        column = np.searchsorted(np.sort(antennas), number)
        facing = _facing(where, look, frames)
        face, step = np.nonzero(facing)
        u = ((where[step, :2] - frames.origin_m[face]) * frames.direction[face]).sum(axis=1)
        order = np.lexsort((u, face))
        start = np.concatenate([[0], np.cumsum(facing.sum(axis=1))]).astype(np.int64)
        return cls(
            where, look, column, mounts.beamwidth_deg[number], seconds, facing, np.sort(antennas), start,
            step[order].astype(np.int64), u[order],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadRate:
    """Readings per second by link quality, shape (BINS,), and the share of the pattern it was learnt with."""

    per_second: Floats
    pattern_share: float


def expected_readings(
    listening: Listening, frames: Frames, rate: ReadRate, face: Ints, offset_m: Floats, height_m: Floats,
    jobs: int = 1,
) -> Floats:  # fmt: skip
    """Return what tags at the given places would have given to each antenna, shape (n, antennas)."""
    if jobs > 1 and len(face) > jobs:
        shares = np.array_split(np.arange(len(face)), jobs)

        def share(rows: Ints) -> Floats:
            return expected_readings(listening, frames, rate, face[rows], offset_m[rows], height_m[rows])

        with ThreadPoolExecutor(jobs) as pool:
            return np.concatenate(list(pool.map(share, shares)))
    out = np.zeros((len(face), len(listening.antennas), 1))
    _expose(
        face, offset_m, height_m, listening.where_m, listening.look, listening.column, listening.beamwidth_deg,
        listening.seconds, listening.lane_start, listening.lane_step, listening.lane_u_m, frames.origin_m,
        frames.direction, frames.normal, frames.tag_depth_m, rate.pattern_share, rate.per_second, out,
    )  # fmt: skip
    return out[:, :, 0]


def learn_rate(
    listening: Listening, frames: Frames, face: Ints, offset_m: Floats, height_m: Floats, readings: Floats
) -> ReadRate:
    """Learn the rate from tags at known places.

    Parameters
    ----------
    readings : float64 array, shape (n, antennas)
        What each tag gave to each antenna.
    """
    chosen = (
        np.unique(np.linspace(0, len(face) - 1, min(len(face), MOST_TAGS)).astype(np.int64))
        if len(face)
        else face
    )
    best = ReadRate(np.zeros(BINS), 0.0)
    best_fit = -math.inf
    count = readings[chosen].ravel()
    for share in PATTERN_SHARES:
        exposure = np.zeros((len(chosen), len(listening.antennas), BINS))
        _expose(
            face[chosen], offset_m[chosen], height_m[chosen], listening.where_m, listening.look, listening.column,
            listening.beamwidth_deg, listening.seconds, listening.lane_start, listening.lane_step,
            listening.lane_u_m, frames.origin_m, frames.direction, frames.normal, frames.tag_depth_m, share,
            np.zeros(0), exposure,
        )  # fmt: skip
        flat = exposure.reshape(-1, BINS)
        rate = fit_rate(flat, count)
        model = np.maximum(flat @ rate, 0.05)
        fit = float((count * np.log(model) - model).sum())
        if fit > best_fit:
            best, best_fit = ReadRate(rate, share), fit
    return best


def _steps(
    recording: Recording, mounts: Mounts, latency_ns: int, jobs: int, hearing: Hearing | None
) -> tuple[Floats, Floats, Ints, Floats]:
    """Cut the run into steps of each antenna: where it was, where it looked, and how long it listened."""
    poses = recording.poses
    antennas = np.array([mount.id for mount in recording.info.antennas], np.int64)
    if len(poses.t) < 2 or len(antennas) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0)
    edges = edges_of(poses)
    way = driven_m(poses)
    middle = (edges[:-1] + np.diff(edges) // 2).astype(np.int64)
    at = poses.at(middle)
    at_edge = np.interp(edges, poses.t, way)

    def heard_by(antenna: int) -> tuple[Floats, Floats, Ints, Floats] | None:
        listened_to = hearing
        if listened_to is None:
            listened_to = Hearing.of_run(poses, np.array([antenna]), latency_ns)
            listened_to.add(recording.readings)
        listened = np.diff(listened_s(recording, antenna, edges + latency_ns, listened_to.span(antenna)))
        kept = listened > 0
        if not kept.any():
            return None
        spot, facing = mounts.place(at, np.full(len(middle), antenna))
        alone = less_crowded(*listened_to.crowd(antenna), at_edge)
        return spot[kept], facing[kept], np.full(int(kept.sum()), antenna), (listened * alone)[kept]

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        found = [part for part in pool.map(heard_by, antennas.tolist()) if part is not None]
    if not found:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0)
    where, look, number, seconds = (np.concatenate(column) for column in zip(*found, strict=True))
    return where, look, number, seconds


def _facing(where: Floats, look: Floats, frames: Frames) -> npt.NDArray[np.bool_]:
    """Which steps look at which faces, shape (faces, steps): the same rule the readings are sorted by."""
    h = where[:, :2] @ frames.normal.T - (frames.origin_m * frames.normal).sum(axis=1) + frames.tag_depth_m
    u = where[:, :2] @ frames.direction.T - (frames.origin_m * frames.direction).sum(axis=1)
    seen = (-(look[:, :2] @ frames.normal.T) >= LOOKS_AT) & (h >= 0.05) & (h <= RANGE_M)
    seen &= (u >= -OVERHANG_M) & (u <= frames.length_m + OVERHANG_M)
    before = seen & (u > -0.3) & (u < frames.length_m + 0.3)
    closest = np.where(before, h, np.inf).min(axis=1, initial=np.inf)
    return np.ascontiguousarray((seen & (h <= closest[:, None] + SAME_ROW_M)).T)


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def footprint_grid(
    start: Ints, u: Floats, h: Floats, z: Floats, look: Floats, beamwidth: Floats, count: Floats, x_first: Floats,
    x_step: float, x_count: Ints, hypothesis_start: Ints, depth: Floats, height: Floats, pattern_share: float,
    log_rate: Floats, log_total: Floats, out_start: Ints, out: Floats,
) -> None:  # fmt: skip
    """Log-likelihood of when and by which antenna a tag was read, for every hypothesis and offset.

    A Poisson process whose rate follows the link; the tag's own readiness is profiled out, which leaves
    ``sum over readings of log(rate at the reading / readings expected in all)``. ``log_total`` and ``out`` are laid
    out alike: candidate, hypothesis, offset.

    Parameters
    ----------
    start : int64 array, shape (c + 1,)
        Rows of each candidate.
    u, h, z, beamwidth, count : shape (m,)
        As candidates have them, m; degrees; readings.
    look : float64 array, shape (m, 3)
    x_first, x_count : shape (c,)
        First offset, m, and how many, ``x_step`` apart.
    hypothesis_start, depth, height : shape (c + 1,), (h,), (h,)
    log_rate : float64 array, shape (``BINS``,)
        Readings a second by the link's dB.
    out_start : int64 array, shape (c + 1,)
    log_total, out : float64 array, shape (out_start[-1],)
    """
    longest = 0
    for c in range(len(x_count)):
        longest = max(longest, x_count[c])
    # In whole vectors: each offset left over of one costs as much as several.
    value, bins = np.zeros(longest + LANES), np.zeros(longest + LANES, np.int32)
    share, dx = np.float32(pattern_share), np.float32(x_step)
    low, per_db = np.float32(LOWEST_DB), np.float32(1.0 / BIN_DB)
    last = np.float32(BINS - 1)
    for c in range(len(x_count)):
        n = x_count[c]
        wide = (n + LANES - 1) // LANES * LANES
        for y in range(hypothesis_start[c], hypothesis_start[c + 1]):
            row = out_start[c] + (y - hypothesis_start[c]) * n
            value[:wide] = 0.0
            total = 0.0
            for i in range(start[c], start[c + 1]):
                if count[i] == 0.0:
                    continue
                total += count[i]
                # From the reading's own place, so that single precision is enough.
                du0 = np.float32(x_first[c] - u[i])
                dh, dz = np.float32(-(h[i] + depth[y])), np.float32(height[y] - z[i])
                across = dh * dh + dz * dz
                along, aside = np.float32(look[i, 0]), np.float32(dh * look[i, 1] + dz * look[i, 2])
                per_beam = np.float32(180.0 / math.pi / beamwidth[i])
                number = count[i]
                for j in range(wide):
                    du = du0 + dx * np.float32(j)
                    square = max(du * du + across, np.float32(1e-12))
                    quality = np.float32(-3.0102999566) * log2_single(max(square, np.float32(0.01)))
                    if share > np.float32(0.0):
                        cos = (du * along + aside) / np.float32(math.sqrt(square))
                        cos = min(max(cos, np.float32(-1.0)), np.float32(1.0))
                        angle = arccos_single(cos) * per_beam
                        quality -= share * min(np.float32(12.0) * angle * angle, np.float32(20.0))
                    bins[j] = np.int32(min(max((quality - low) * per_db, np.float32(0.0)), last))
                for j in range(wide):
                    value[j] += number * log_rate[bins[j]]
            for j in range(n):
                out[row + j] = value[j] - total * log_total[row + j]


@nb.njit(cache=True, nogil=True)
def laid_out(
    face: Ints,
    where: Floats,
    look: Floats,
    beamwidth: Floats,
    lane_start: Ints,
    lane_step: Ints,
    origin: Floats,
) -> tuple[Singles, Singles, Singles, Singles, Singles, Singles, Singles]:
    """Return the steps that look at some faces: x, y, z, boresight and beamwidth, float32, shape (lanes,) each.

    Face by face, so that loops over what looks at a place vectorize. Places are in m from the face's origin (heights
    from the floor), boresights unit vectors, the last array beamwidths per radian. Lanes of other faces than those in
    ``face`` are not filled: a long run costs nothing where it is not asked for. Single precision only chooses bins of
    link quality.
    """
    entries = len(lane_step)
    x, y, z = np.empty(entries, np.float32), np.empty(entries, np.float32), np.empty(entries, np.float32)
    lx, ly, lz = np.empty(entries, np.float32), np.empty(entries, np.float32), np.empty(entries, np.float32)
    per_beam = np.empty(entries, np.float32)
    wanted = np.zeros(len(lane_start) - 1, np.bool_)
    for f in face:
        wanted[f] = True
    for f in np.flatnonzero(wanted):
        for at in range(lane_start[f], lane_start[f + 1]):
            s = lane_step[at]
            x[at], y[at], z[at] = where[s, 0] - origin[f, 0], where[s, 1] - origin[f, 1], where[s, 2]
            lx[at], ly[at], lz[at] = look[s, 0], look[s, 1], look[s, 2]
            per_beam[at] = 180.0 / math.pi / beamwidth[s]
    return x, y, z, lx, ly, lz, per_beam


@nb.njit(cache=True, nogil=True, fastmath=AS_WRITTEN, error_model="numpy")
def _expose(
    face: Ints, offset: Floats, height: Floats, where: Floats, look: Floats, column: Ints, beamwidth: Floats,
    seconds: Floats, lane_start: Ints, lane_step: Ints, lane_u: Floats, origin: Floats, direction: Floats,
    normal: Floats, depth: Floats, pattern_share: float, rate: Floats, out: Floats,
) -> None:  # fmt: skip
    """Add up the seconds each place was before each antenna, by link quality; with a rate, the readings instead.

    A NaN height means any: the antenna's own.
    """
    x, y, z, lx, ly, lz, per_beam = laid_out(face, where, look, beamwidth, lane_start, lane_step, origin)
    bins = np.empty(len(lane_step), np.int32)
    rates = np.zeros(BINS + 1)
    rates[: len(rate)] = rate
    share, reach = np.float32(pattern_share), np.float32(RANGE_M * RANGE_M)
    lowest, per_bin = np.float32(LOWEST_DB), np.float32(1.0 / BIN_DB)
    last_bin, beyond = np.float32(BINS - 1), np.int32(BINS)
    for i in range(len(face)):
        f = face[i]
        px = np.float32(offset[i] * direction[f, 0] - depth[f] * normal[f, 0])
        py = np.float32(offset[i] * direction[f, 1] - depth[f] * normal[f, 1])
        known = np.float32(0.0 if math.isnan(height[i]) else 1.0)
        pz = np.float32(0.0 if math.isnan(height[i]) else height[i])
        lane = lane_u[lane_start[f] : lane_start[f + 1]]
        a = lane_start[f] + np.searchsorted(lane, offset[i] - RANGE_M)
        b = lane_start[f] + np.searchsorted(lane, offset[i] + RANGE_M)
        xs, ys, zs, steps = x[a:b], y[a:b], z[a:b], lane_step[a:b]
        lxs, lys, lzs, per_beams = lx[a:b], ly[a:b], lz[a:b], per_beam[a:b]
        for j in range(b - a):
            dx, dy, dz = px - xs[j], py - ys[j], known * (pz - zs[j])
            flat = dx * dx + dy * dy
            square = flat + dz * dz + np.float32(1e-12)
            cos = (dx * lxs[j] + dy * lys[j] + dz * lzs[j]) / np.float32(math.sqrt(square))
            angle = arccos_single(min(max(cos, np.float32(-1.0)), np.float32(1.0))) * per_beams[j]
            quality = np.float32(-3.0102999566) * log2_single(max(square, np.float32(0.01)))
            quality -= share * min(np.float32(12.0) * angle * angle, np.float32(20.0))
            here = np.int32(min(max((quality - lowest) * per_bin, np.float32(0.0)), last_bin))
            bins[j] = here if flat <= reach else beyond
        for j in range(b - a):
            s = steps[j]
            if len(rate) > 0:
                out[i, column[s], 0] += seconds[s] * rates[bins[j]]
            elif bins[j] < beyond:
                out[i, column[s], bins[j]] += seconds[s]


def fit_rate(exposure: Floats, readings: Floats) -> Floats:
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
