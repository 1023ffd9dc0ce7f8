"""The compiled pass from readings to cells, see ``cells``."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import LOOKS_AT, OVERHANG_M, PASS_M, SAME_ROW_M
from localization.fast_math import sine_cosine
from localization.signal_model import RANGE_M

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

#: Faces looked at from one pose, and faces a tag is tried on.
MOST_FACES, MOST_TRIED = 4, 3
#: Nearest distance of an antenna from a face's tags.
NEAREST_M = 0.05
#: Natural logarithm of a power per dB.
PER_DB = 0.1 * math.log(10.0)
#: What ``gather`` writes of each cell.
COLUMNS = (
    "u", "h", "z", "look_along", "look_out", "look_up", "x", "y", "way", "sigma", "wavenumber", "phase", "variance",
    "rssi", "count", "heard", "density",
)  # fmt: skip


@nb.njit(cache=True, nogil=True, error_model="numpy")
def looked_at_from(
    pose: Floats, mount: Floats, origin: Floats, direction: Floats, normal: Floats, length: Floats, depth: Floats,
    facing: npt.NDArray[np.int16],
) -> None:  # fmt: skip
    """Fill in the faces each antenna looks at from each pose, by the rule of ``faces.find_candidates``."""
    faces = len(length)
    out = np.empty(faces)
    for p in range(len(pose)):
        cos, sin = pose[p, 2], pose[p, 3]
        for a in range(len(mount)):
            x = pose[p, 0] + cos * mount[a, 0] - sin * mount[a, 1]
            y = pose[p, 1] + sin * mount[a, 0] + cos * mount[a, 1]
            lx, ly = cos * mount[a, 3] - sin * mount[a, 4], sin * mount[a, 3] + cos * mount[a, 4]
            closest = 1e9
            for f in range(faces):
                out[f] = -1.0
                if -(lx * normal[f, 0] + ly * normal[f, 1]) < LOOKS_AT:
                    continue
                gx, gy = x - origin[f, 0], y - origin[f, 1]
                h = gx * normal[f, 0] + gy * normal[f, 1] + depth[f]
                if h < NEAREST_M or h > RANGE_M:
                    continue
                u = gx * direction[f, 0] + gy * direction[f, 1]
                if u < -OVERHANG_M or u > length[f] + OVERHANG_M:
                    continue
                out[f] = h
                if u > -0.3 and u < length[f] + 0.3:
                    closest = min(closest, h)
            number = 0
            for f in range(faces):
                if out[f] > 0.0 and out[f] <= closest + SAME_ROW_M and number < MOST_FACES:
                    facing[p, a, number] = f
                    number += 1


@nb.njit(cache=True, nogil=True, error_model="numpy")
def gather(
    first: Ints, t: Ints, antenna: npt.NDArray[np.uint8], frequency: npt.NDArray[np.uint32], rssi: Singles,
    phase: Singles, seen: Singles, latency: int, pose_t: Ints, pose: Floats, facing: npt.NDArray[np.int16],
    column: Ints, mount: Floats, origin: Floats, direction: Floats, normal: Floats, depth: Floats,
    doubled: npt.NDArray[np.bool_], delay: Floats, reference: float, per_khz: float, cell_m: float,
    correlation: float, out: Floats, whole: Ints, owner: Ints, start: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Write the cells of every tag before every face it may stand on; return how many, and how many candidates.

    ``(-1, 0)`` where ``out`` has too little room.
    """
    room = out.shape[1]
    poses = len(pose_t)
    longest = 1
    for i in range(len(first) - 1):
        longest = max(longest, first[i + 1] - first[i])
    at = np.empty(longest, np.int64)
    share = np.empty(longest)
    us, hs, zs = np.empty(longest), np.empty(longest), np.empty(longest)
    ways, powers = np.empty(longest), np.empty(longest)
    mine = np.empty(longest, np.bool_)
    faces = np.empty(16, np.int64)
    loud = np.empty(16)
    per_turn = 0.5 / math.pi
    per_ns = (poses - 1) / max(float(pose_t[poses - 1] - pose_t[0]), 1.0)
    cells, candidates = 0, 0
    start[0] = 0
    for tag in range(len(first) - 1):
        low, n = first[tag], first[tag + 1] - first[tag]
        number = 0
        # Where the robot was, and which faces were looked at.
        p = 0
        for i in range(n):
            now = min(max(t[low + i] - latency, pose_t[0]), pose_t[poses - 1])
            if i == 0 or now - pose_t[p] > 1_000_000_000:
                p = min(max(int((now - pose_t[0]) * per_ns), 0), poses - 1)
            while p > 0 and pose_t[p] > now:
                p -= 1
            while p < poses - 2 and pose_t[p + 1] <= now:
                p += 1
            at[i] = p
            if poses > 1:
                share[i] = (now - pose_t[p]) / (pose_t[p + 1] - pose_t[p])
            else:
                share[i] = 0.0
            a = column[antenna[low + i]]
            power = math.exp(PER_DB * rssi[low + i])
            powers[i] = power
            for m in range(MOST_FACES):
                f = facing[p, a, m]
                if f < 0:
                    break
                known = -1
                for q in range(number):
                    if faces[q] == f:
                        known = q
                if known < 0 and number < 16:
                    known = number
                    faces[number], loud[number] = f, 0.0
                    number += 1
                if known >= 0:
                    loud[known] += power
        # The loudest few, in the plan's order.
        for q in range(number):
            better = 0
            for r in range(number):
                if loud[r] > loud[q] or (loud[r] == loud[q] and r < q):
                    better += 1
            if better >= MOST_TRIED:
                faces[q] = -faces[q] - 1
        for _ in range(min(number, MOST_TRIED)):
            f, known = 1 << 40, 0
            for q in range(number):
                if faces[q] >= 0 and faces[q] < f:
                    f, known = faces[q], q
            faces[known] = -faces[known] - 1
            if cells + n > room:
                return -1, 0
            # First where along the face it was heard best.
            weight, centre, height = 0.0, 0.0, 0.0
            for i in range(n):
                p, s = at[i], share[i]
                q = min(p + 1, poses - 1)
                number_of = antenna[low + i]
                mine[i] = False
                for m in range(MOST_FACES):
                    if facing[p, column[number_of], m] == f:
                        mine[i] = True
                if not mine[i]:
                    continue
                cos = pose[p, 2] + s * (pose[q, 2] - pose[p, 2])
                sin = pose[p, 3] + s * (pose[q, 3] - pose[p, 3])
                x = (
                    pose[p, 0]
                    + s * (pose[q, 0] - pose[p, 0])
                    + cos * mount[number_of, 0]
                    - sin * mount[number_of, 1]
                )
                y = (
                    pose[p, 1]
                    + s * (pose[q, 1] - pose[p, 1])
                    + sin * mount[number_of, 0]
                    + cos * mount[number_of, 1]
                )
                gx, gy = x - origin[f, 0], y - origin[f, 1]
                us[i] = gx * direction[f, 0] + gy * direction[f, 1]
                hs[i] = gx * normal[f, 0] + gy * normal[f, 1] + depth[f]
                zs[i] = mount[number_of, 2] + pose[p, 4] + s * (pose[q, 4] - pose[p, 4])
                ways[i] = pose[p, 5] + s * (pose[q, 5] - pose[p, 5])
                power = powers[i]
                weight += power
                centre += power * us[i]
                height += power * zs[i]
            if weight <= 0.0:
                continue
            centre /= weight
            height /= weight
            begin, group = cells, -1
            for a in range(256):
                if column[a] < 0:
                    continue
                factor = 2.0 if doubled[a] else 1.0
                open_cell, last_way = -1, 0.0
                lead = 0.0
                for i in range(n):
                    if antenna[low + i] != a or not mine[i]:
                        continue
                    if open_cell < 0 or ways[i] - last_way > PASS_M:
                        group += 1
                        open_cell = -1
                    last_way = ways[i]
                    if open_cell < 0 or abs(us[i] - lead) > cell_m:
                        open_cell = cells
                        cells += 1
                        lead = us[i]
                        out[:, open_cell] = 0.0
                        p = at[i]
                        cos, sin = pose[p, 2], pose[p, 3]
                        lx = cos * mount[a, 3] - sin * mount[a, 4]
                        ly = sin * mount[a, 3] + cos * mount[a, 4]
                        out[3, open_cell] = lx * direction[f, 0] + ly * direction[f, 1]
                        out[4, open_cell] = lx * normal[f, 0] + ly * normal[f, 1]
                        out[5, open_cell] = mount[a, 5]
                        out[9, open_cell] = pose[p, 6]
                        whole[0, open_cell] = t[low + i] - latency
                        whole[1, open_cell] = a
                        whole[2, open_cell] = group
                        whole[4, open_cell] = frequency[low + i]
                        whole[5, open_cell] = 1 if doubled[a] else 0
                    c = open_cell
                    times = 1.0 if len(seen) == 0 else max(float(seen[low + i]), 1.0)
                    out[0, c] += times * us[i]
                    out[1, c] += times * hs[i]
                    out[2, c] += times * zs[i]
                    out[8, c] += times * ways[i]
                    out[13, c] += times * rssi[low + i]
                    out[14, c] += times
                    out[15, c] += 1.0
                    k = factor * per_khz * frequency[low + i]
                    out[10, c] += times * k
                    turn = phase[low + i]
                    if turn == turn:
                        du, dz = us[i] - centre, zs[i] - height
                        d = math.sqrt(du * du + hs[i] * hs[i] + dz * dz)
                        angle = factor * turn - (k - factor * reference) * delay[a] - k * d
                        sine, cosine = sine_cosine(angle * per_turn)
                        out[6, c] += times * cosine
                        out[7, c] += times * sine
                        out[16, c] += times
            if cells == begin:
                continue
            owner[0, candidates], owner[1, candidates] = tag, f
            candidates += 1
            start[candidates] = cells
            _finish(
                out,
                whole,
                begin,
                cells,
                centre,
                height,
                origin[f],
                direction[f],
                normal[f],
                depth[f],
                correlation,
            )
    return cells, candidates


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _finish(
    out: Floats, whole: Ints, begin: int, end: int, centre: float, height: float, origin: Floats, direction: Floats,
    normal: Floats, depth: float, correlation: float,
) -> None:  # fmt: skip
    """Turn the sums of one candidate's cells into means; count track cells and crowding."""
    for c in range(begin, end):
        times, phased = out[14, c], out[16, c]
        for q in (0, 1, 2, 8, 10, 13):
            out[q, c] /= times
        u, h, k = out[0, c], out[1, c], out[10, c]
        du, dz = u - centre, out[2, c] - height
        d = math.sqrt(du * du + h * h + dz * dz)
        re, im = out[6, c], out[7, c]
        factor = 2.0 if whole[5, c] else 1.0
        thermal = 0.056 * math.exp(-0.5 * PER_DB * (out[13, c] + 62.5))
        noise = factor * factor * (0.010 * 0.010 + thermal * thermal) / max(phased, 1.0)
        if phased > 0.0:
            agreement = min(max(math.sqrt(re * re + im * im) / phased, 1e-3), 1.0)
            out[11, c] = math.atan2(im, re) + k * d
            out[12, c] = noise - 2.0 * math.log(agreement) / phased
        else:
            out[11, c] = math.nan
            out[12, c] = noise
        back = h - depth
        out[6, c] = origin[0] + u * direction[0] + back * normal[0]
        out[7, c] = origin[1] + u * direction[1] + back * normal[1]
    low = begin
    for c in range(begin + 1, end + 1):
        if c < end and whole[2, c] == whole[2, low]:
            continue
        # One group: cells of track from where it begins, and how many readings lie within half a correlation length.
        lead = out[0, low]
        order = np.argsort(out[0, low:c])
        left, right, crowd = 0, 0, 0.0
        m = c - low
        for a in range(m):
            here = out[0, low + order[a]]
            whole[3, low + order[a]] = math.floor((here - lead) / correlation)
            while right < m and out[0, low + order[right]] <= here + 0.5 * correlation:
                crowd += out[15, low + order[right]]
                right += 1
            while out[0, low + order[left]] < here - 0.5 * correlation:
                crowd -= out[15, low + order[left]]
                left += 1
            # A cell's readings count together as many as it holds of those about it.
            out[16, low + order[a]] = crowd / out[15, low + order[a]]
        low = c
