"""The kernels of ``levels``: links, what a place was exposed to, and the marked Poisson process over them."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import arccos_single, log2_single
from localization.kernels import AS_WRITTEN
from localization.listening import BIN_DB, laid_out
from localization.signal_model import RANGE_M

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]
#: What ``listening.laid_out`` gives.
Steps = tuple[Singles, Singles, Singles, Singles, Singles, Singles, Singles]

#: How much a reading counts, as they come in bursts.
BURST_SHARE = 0.65
#: Standard deviations of strength and of links' scatter that are looked at, either side.
SPREAD = 5.0
#: The link of what is out of reach.
FAR_DB = -1e9


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


@nb.njit(cache=True, nogil=True, fastmath=AS_WRITTEN, error_model="numpy")
def _expose_one(
    f: int, offset: float, shift: float, height: float, steps: Steps, column: Ints, seconds: Floats, lane_start: Ints,
    lane_step: Ints, lane_u: Floats, direction: Floats, normal: Floats, depth: Floats, term: Floats, bias: Floats,
    base: float, link: Singles, out: Floats,
) -> None:  # fmt: skip
    """Add up the seconds one place was before each antenna, by the link's dB above ``-base``."""
    back = depth[f] + shift
    px = np.float32(offset * direction[f, 0] - back * normal[f, 0])
    py = np.float32(offset * direction[f, 1] - back * normal[f, 1])
    pz, reach, far = np.float32(height), np.float32(RANGE_M * RANGE_M), np.float32(FAR_DB)
    lane = lane_u[lane_start[f] : lane_start[f + 1]]
    a = lane_start[f] + np.searchsorted(lane, offset - RANGE_M)
    b = lane_start[f] + np.searchsorted(lane, offset + RANGE_M)
    x, y, z, lx, ly, lz, per_beam = steps
    xs, ys, zs, number = x[a:b], y[a:b], z[a:b], lane_step[a:b]
    lxs, lys, lzs, per_beams = lx[a:b], ly[a:b], lz[a:b], per_beam[a:b]
    by_distance, by_pattern = np.float32(3.0102999566 * term[0]), np.float32(term[1])
    by_slant, lowest = np.float32(3.0102999566 * term[2]), np.float32(base)
    # As in _link, in single precision: this only chooses a bin.
    for j in range(b - a):
        dx, dy, dz = px - xs[j], py - ys[j], pz - zs[j]
        flat = dx * dx + dy * dy
        square = flat + dz * dz + np.float32(1e-12)
        cos = (dx * lxs[j] + dy * lys[j] + dz * lzs[j]) / np.float32(math.sqrt(square))
        angle = arccos_single(min(max(cos, np.float32(-1.0)), np.float32(1.0))) * per_beams[j]
        value = lowest + by_distance * log2_single(max(square, np.float32(0.01)))
        value -= by_pattern * min(np.float32(12.0) * angle * angle, np.float32(20.0))
        value += by_slant * log2_single(max(flat / square, np.float32(0.01)))
        link[j] = value if flat <= reach else far
    most = out.shape[1] - 1
    for j in range(b - a):
        if link[j] != far:
            c = column[number[j]]
            out[c, min(max(int((link[j] + bias[c]) / BIN_DB), 0), most)] += seconds[number[j]]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def exposures(
    face: Ints, offset: Floats, shift: Floats, height: Floats, where: Floats, look: Floats, column: Ints,
    beamwidth: Floats, seconds: Floats, lane_start: Ints, lane_step: Ints, lane_u: Floats, origin: Floats,
    direction: Floats, normal: Floats, depth: Floats, term: Floats, bias: Floats, base: Floats, out: Floats,
) -> None:  # fmt: skip
    """Add up the seconds each of many places was before each antenna, by the link's dB above ``-base``.

    Parameters
    ----------
    face, offset, shift, height : shape (places,)
        Face of each, its offset, how far behind the tags' plane, its height: m.
    where, look : float64 array, shape (steps, 3)
        Antenna's place, m, and boresight, unit vector, of each step of the run.
    column, seconds, beamwidth : shape (steps,)
        Antenna's column in ``out``; how long it listened there, s; degrees.
    lane_start, lane_step, lane_u : shape (faces + 1,), (k,), (k,)
        Which steps look at each face, by offset.
    origin, direction, normal, depth : shape (faces, 2) and (faces,)
    term, bias : float64 array, shape (3,), (antennas,)
        Of the link's law (``levels.LinkLaw``); dB.
    base : float64 array, shape (places,)
        dB of the lowest bin, its sign turned.
    out : float64 array, shape (places, antennas, bins)
        Out, added to: seconds.
    """
    steps = laid_out(face, where, look, beamwidth, lane_start, lane_step, origin)
    link = np.empty(len(lane_step), np.float32)
    for i in range(len(face)):
        _expose_one(
            face[i], offset[i], shift[i], height[i], steps, column, seconds, lane_start, lane_step, lane_u,
            direction, normal, depth, term, bias, base[i], link, out[i],
        )  # fmt: skip


@nb.njit(cache=True, nogil=True, error_model="numpy")
def link_likelihoods(
    chosen: Ints, start: Ints, face: Ints, u: Floats, h: Floats, z: Floats, tag_look: Floats, tag_column: Ints,
    rssi: Floats, tag_beamwidth: Floats, weight: Floats, heard: Floats, hypothesis_start: Ints, offset: Floats,
    shift: Floats, height: Floats, where: Floats, look: Floats, column: Ints, beamwidth: Floats, seconds: Floats,
    lane_start: Ints, lane_step: Ints, lane_u: Floats, origin: Floats, direction: Floats, normal: Floats,
    depth: Floats, term: Floats, bias: Floats, strength: float, strength_sigma: float, between: float,
    within: float, lowest: float, log_rate: Floats, out: Floats,
) -> None:  # fmt: skip
    """Fill ``out`` with the log-likelihood of the chosen candidates' hypotheses, see ``levels.link_likelihood``."""
    antennas = len(bias)
    bins = len(log_rate)
    # Strengths are whole bins about the usual one, so that a strength is a shift of the bins.
    half = math.ceil(SPREAD * strength_sigma / BIN_DB)
    reach = math.ceil(SPREAD * between / BIN_DB)
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
    steps = laid_out(face, where, look, beamwidth, lane_start, lane_step, origin)
    step_link = np.empty(len(lane_step), np.float32)
    for place in range(len(chosen)):
        c = chosen[place]
        for y in range(hypothesis_start[c], hypothesis_start[c + 1]):
            exposure[:] = 0.0
            count[:] = 0.0
            number[:] = 0.0
            mean[:] = 0.0
            _expose_one(
                int(face[c]), offset[y], shift[y], height[y], steps, column, seconds, lane_start, lane_step,
                lane_u, direction, normal, depth, term, bias, base, step_link, exposure,
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
