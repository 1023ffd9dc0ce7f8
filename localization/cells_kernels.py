"""The compiled pass from readings to cells, see ``cells``."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import PASS_M
from localization.faces_in_view import LOOKS_AT, OVERHANG_M, SAME_ROW_M
from localization.fast_math import exp2_single, sine_cosine
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
    """Fill in the faces each antenna looks at from each pose, by the rule of ``faces.find_candidates``.

    Parameters
    ----------
    pose : float64 array, shape (poses, 4 or more)
        x, y (m), cosine and sine of the yaw.
    mount : float64 array, shape (antennas, 6)
        Position (m) and boresight (unit vector) in the robot's frame.
    origin, direction, normal : float64 array, shape (faces, 2)
    length, depth : float64 array, shape (faces,)
    facing : int16 array, shape (poses, antennas, ``MOST_FACES``)
        Out; -1 where there are no more.
    """
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

    Parameters
    ----------
    first : int64 array, shape (tags + 1,)
        Where each tag's readings begin.
    t, antenna, frequency, rssi, phase, seen : shape (n,)
        Readings: ns, mount, kHz, dBm, rad, the reader's own count.
    latency : int
        ns.
    pose_t, pose, facing, mount : shape (poses,), (poses, 4 or more), (poses, antennas, ``MOST_FACES``), (mounts, 6)
        As in ``looked_at_from``.
    column : int64 array, shape (256,)
        Column of ``facing`` of each mount's number.
    origin, direction, normal, depth : shape (faces, 2) and (faces,)
    doubled, delay : shape (256,)
        Whose phases are taken twice; cables' lengths, m; by mount's number.
    reference, per_khz : float
        Wavenumber that phases are brought to, rad/m; rad/m a kHz.
    cell_m, correlation : float
        Length of a cell; of track over which errors are alike.
    out : float64 array, shape (17, room)
        Out: ``COLUMNS`` of each cell, candidate by candidate.
    whole : int64 array, shape (6, room)
        Out: time (ns), antenna, group, track cell, frequency (kHz) of each cell, and whether its phases are doubled.
    owner : int64 array, shape (2, room)
        Out: tag and face of each candidate.
    start : int64 array, shape (room + 1,)
        Out: where each candidate's cells begin.
    """
    room = out.shape[1]
    poses = len(pose_t)
    longest = 1
    for i in range(len(first) - 1):
        longest = max(longest, first[i + 1] - first[i])
    # Of each of a tag's readings: the pose before it, a bit for each face looked at, its place, wavenumber and phase
    # less its cable's; and the readings' order by antenna.
    at, mask, by = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64)
    xs, ys, zs, ways = np.empty(longest), np.empty(longest), np.empty(longest), np.empty(longest)
    us, hs, powers = np.empty(longest), np.empty(longest), np.empty(longest)
    ks, turned, sines, cosines = np.empty(longest), np.empty(longest), np.empty(longest), np.empty(longest)
    faces, loud = np.empty(16, np.int64), np.empty(16)
    place = np.empty(256, np.int64)
    per_turn, per_db = 0.5 / math.pi, np.float32(PER_DB / math.log(2.0))
    per_ns = (poses - 1) / max(float(pose_t[poses - 1] - pose_t[0]), 1.0)
    cells, candidates = 0, 0
    start[0] = 0
    for tag in range(len(first) - 1):
        low, n = first[tag], first[tag + 1] - first[tag]
        # Slices, and one loop for each thing computed where it can be: compilers vectorize those.
        own_t, own_antenna, own_rssi = t[low : low + n], antenna[low : low + n], rssi[low : low + n]
        own_frequency, own_phase = frequency[low : low + n], phase[low : low + n]
        for i in range(n):
            powers[i] = exp2_single(own_rssi[i] * per_db)
        number = 0
        # Where the robot was, and which faces were looked at.
        p = 0
        place[:] = 0
        for i in range(n):
            now = min(max(own_t[i] - latency, pose_t[0]), pose_t[poses - 1])
            if i == 0 or now - pose_t[p] > 1_000_000_000:
                # The last pose is the end of the last stretch between two.
                p = max(min(int((now - pose_t[0]) * per_ns), poses - 2), 0)
            while p > 0 and pose_t[p] > now:
                p -= 1
            while p < poses - 2 and pose_t[p + 1] <= now:
                p += 1
            at[i] = p
            q, s = p, 0.0
            if poses > 1:
                q, s = p + 1, (now - pose_t[p]) / (pose_t[p + 1] - pose_t[p])
            a = own_antenna[i]
            place[a] += 1
            here, there, fixed = pose[p], pose[q], mount[a]
            cos = here[2] + s * (there[2] - here[2])
            sin = here[3] + s * (there[3] - here[3])
            xs[i] = here[0] + s * (there[0] - here[0]) + cos * fixed[0] - sin * fixed[1]
            ys[i] = here[1] + s * (there[1] - here[1]) + sin * fixed[0] + cos * fixed[1]
            zs[i] = fixed[2] + here[4] + s * (there[4] - here[4])
            ways[i] = here[5] + s * (there[5] - here[5])
            factor = 2.0 if doubled[a] else 1.0
            k = factor * per_khz * own_frequency[i]
            ks[i] = k
            turned[i] = factor * own_phase[i] - (k - factor * reference) * delay[a]
            mask[i] = 0
            for f in facing[p, max(column[a], 0)]:
                if f < 0 or column[a] < 0:
                    break
                known = -1
                for r in range(number):
                    if faces[r] == f:
                        known = r
                if known < 0 and number < 16:
                    known = number
                    faces[number], loud[number] = f, 0.0
                    number += 1
                if known >= 0:
                    loud[known] += powers[i]
                    mask[i] |= 1 << known
        # Readings antenna by antenna, each antenna's by time.
        before = 0
        for a in range(256):
            before, place[a] = before + place[a], before
        for i in range(n):
            a = own_antenna[i]
            by[place[a]] = i
            place[a] += 1
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
            ox, oy, ax, ay = origin[f, 0], origin[f, 1], direction[f, 0], direction[f, 1]
            nx, ny, back = normal[f, 0], normal[f, 1], depth[f]
            for i in range(n):
                us[i] = (xs[i] - ox) * ax + (ys[i] - oy) * ay
            for i in range(n):
                hs[i] = (xs[i] - ox) * nx + (ys[i] - oy) * ny + back
            weight, centre, height = 0.0, 0.0, 0.0
            for i in range(n):
                if (mask[i] >> known) & 1:
                    weight += powers[i]
                    centre += powers[i] * us[i]
                    height += powers[i] * zs[i]
            if weight <= 0.0:
                continue
            centre /= weight
            height /= weight
            for i in range(n):
                du, dz = us[i] - centre, zs[i] - height
                cosines[i] = turned[i] - ks[i] * math.sqrt(du * du + hs[i] * hs[i] + dz * dz)
            for i in range(n):
                sines[i], cosines[i] = sine_cosine(cosines[i] * per_turn)
            begin, group = cells, -1
            last_antenna, last_way, lead, opened = -1, 0.0, 0.0, 0
            count = phased = heard = u = h = z = way = wave = strength = real = imaginary = 0.0
            for nth in range(n + 1):
                i = by[min(nth, n - 1)]
                if nth < n and not (mask[i] >> known) & 1:
                    continue
                a = own_antenna[i]
                new_group = a != last_antenna or ways[i] - last_way > PASS_M
                if nth == n or new_group or abs(us[i] - lead) > cell_m:
                    if heard > 0.0:
                        # The cell that was open is closed: its sums become means.
                        b, p = own_antenna[opened], at[opened]
                        lx = pose[p, 2] * mount[b, 3] - pose[p, 3] * mount[b, 4]
                        ly = pose[p, 3] * mount[b, 3] + pose[p, 2] * mount[b, 4]
                        u, h, z, wave = u / count, h / count, z / count, wave / count
                        strength /= count
                        out[0, cells], out[1, cells], out[2, cells] = u, h, z
                        out[3, cells], out[4, cells] = lx * ax + ly * ay, lx * nx + ly * ny
                        out[5, cells] = mount[b, 5]
                        out[6, cells] = ox + u * ax + (h - back) * nx
                        out[7, cells] = oy + u * ay + (h - back) * ny
                        out[8, cells], out[9, cells], out[10, cells] = way / count, pose[p, 6], wave
                        du, dz = u - centre, z - height
                        factor = 2.0 if doubled[b] else 1.0
                        thermal = 0.056 * math.exp(-0.5 * PER_DB * (strength + 62.5))
                        noise = factor * factor * (0.010 * 0.010 + thermal * thermal) / max(phased, 1.0)
                        if phased > 0.0:
                            square = real * real + imaginary * imaginary
                            agreement = min(max(math.sqrt(square) / phased, 1e-3), 1.0)
                            d = math.sqrt(du * du + h * h + dz * dz)
                            out[11, cells] = math.atan2(imaginary, real) + wave * d
                            out[12, cells] = noise - 2.0 * math.log(agreement) / phased
                        else:
                            out[11, cells] = math.nan
                            out[12, cells] = noise
                        out[13, cells], out[14, cells], out[15, cells] = strength, count, heard
                        whole[0, cells], whole[1, cells] = own_t[opened] - latency, b
                        whole[2, cells], whole[4, cells] = group, own_frequency[opened]
                        whole[5, cells] = 1 if doubled[b] else 0
                        cells += 1
                    if nth == n:
                        break
                    group += 1 if new_group else 0
                    lead, opened = us[i], i
                    count = phased = heard = u = h = z = way = wave = strength = real = imaginary = 0.0
                last_antenna, last_way = a, ways[i]
                times = 1.0 if len(seen) == 0 else max(float(seen[low + i]), 1.0)
                count += times
                heard += 1.0
                u += times * us[i]
                h += times * hs[i]
                z += times * zs[i]
                way += times * ways[i]
                wave += times * ks[i]
                strength += times * own_rssi[i]
                if own_phase[i] == own_phase[i]:
                    real += times * cosines[i]
                    imaginary += times * sines[i]
                    phased += times
            owner[0, candidates], owner[1, candidates] = tag, f
            candidates += 1
            start[candidates] = cells
            _crowd(out, whole, begin, cells, correlation)
    return cells, candidates


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _crowd(out: Floats, whole: Ints, begin: int, end: int, correlation: float) -> None:
    """Count a candidate's track cells, and how many readings lie about each of its cells."""
    low = begin
    for c in range(begin + 1, end + 1):
        if c < end and whole[2, c] == whole[2, low]:
            continue
        # One group: cells of track from where it begins, and how many readings lie within half a correlation length.
        here, heard = out[0, low:c], out[15, low:c]
        track, density = whole[3, low:c], out[16, low:c]
        m = c - low
        # The robot mostly drives one way, which is known without sorting.
        rising, falling = True, True
        for i in range(m - 1):
            rising = rising and here[i] < here[i + 1]
            falling = falling and here[i] > here[i + 1]
        order = np.arange(m) if rising else np.arange(m)[::-1] if falling else np.argsort(here)
        left, right, crowd = 0, 0, 0.0
        for a in range(m):
            i = order[a]
            track[i] = math.floor((here[i] - here[0]) / correlation)
            while right < m and here[order[right]] <= here[i] + 0.5 * correlation:
                crowd += heard[order[right]]
                right += 1
            while here[order[left]] < here[i] - 0.5 * correlation:
                crowd -= heard[order[left]]
                left += 1
            # A cell's readings count together as many as it holds of those about it.
            density[i] = crowd / heard[i]
        low = c
