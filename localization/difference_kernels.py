"""The compiled fit of two neighbours' difference; its numpy reference is in ``difference_reference``."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import sine_cosine
from localization.kernels import STUDENT_NU

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Differences tried first, about the one of the two separate fits; the narrowest main lobe is lambda / 4 wide.
GRID_STEP_M, GRID_HALF = 0.004, 10
STEPS = 9


@nb.njit(cache=True, nogil=True, error_model="numpy")
def fit_differences(
    start: Ints,
    u: Floats,
    h: Floats,
    z: Floats,
    k: Floats,
    phase: Floats,
    weight: Floats,
    antenna: Ints,
    way: Floats,
    group: Ints,
    cell: Ints,
    first: Ints,
    second: Ints,
    place: Floats,
    reach_m: float,
    depth_sigma_m: float,
    height_sigma_m: Floats,
    result: Floats,
) -> None:
    """Fit how far two candidates stand apart from the difference of their phases along one track.

    Observations of both by one antenna within ``reach_m`` of way are paired; what disturbs them alike cancels in
    ``phase_2 - phase_1``. The difference's derivatives by offset, depth and height are those of a tag half-way
    between the two; constants per antenna and pass are profiled out; residuals are Student-t, and the variance is
    a sandwich over track cells, as in ``kernels.refine``.

    Parameters
    ----------
    start : shape (candidates + 1,)
        Candidate ``c`` owns rows ``start[c]:start[c + 1]``, sorted by antenna, then way.
    u, h, z, k, phase, weight, antenna, way, group, cell : shape (rows,)
        ``weight`` 0 where there is no phase.
    first, second : shape (pairs,)
        Candidates.
    place : shape (pairs, 6)
        Offset, depth and height of both, as placed.
    height_sigma_m : shape (pairs,)
    result : shape (pairs, 5)
        Out: what the difference of offsets is more than placed, its variance, scale (rad), cells, groups.
    """
    most = 1
    for p in range(len(first)):
        low = start[second[p]]
        count = 0
        for a in range(start[first[p]], start[first[p] + 1]):
            while low < start[second[p] + 1] and (
                antenna[low] < antenna[a] or (antenna[low] == antenna[a] and way[low] <= way[a] - reach_m)
            ):
                low += 1
            b = low
            while b < start[second[p] + 1] and antenna[b] == antenna[a] and way[b] < way[a] + reach_m:
                count += 1
                b += 1
        most = max(most, count)
    turn, res, rob, wgt = np.zeros(most), np.zeros(most), np.zeros(most), np.zeros(most)
    are, aim, bre, bim = np.zeros(most), np.zeros(most), np.zeros(most), np.zeros(most)
    jac = np.zeros((most, 3))
    grp, cel = np.zeros(most, np.int64), np.zeros(most, np.int64)
    groups_most = 1
    for i in range(len(group)):
        groups_most = max(groups_most, group[i] + 1)
    gre, gim, gw = np.zeros(groups_most), np.zeros(groups_most), np.zeros(groups_most)
    gj = np.zeros((groups_most, 3))
    per_turn = 0.5 / math.pi
    for p in range(len(first)):
        n, low = 0, start[second[p]]
        x1, d1, h1, x2, d2, h2 = place[p, 0], place[p, 1], place[p, 2], place[p, 3], place[p, 4], place[p, 5]
        for a in range(start[first[p]], start[first[p] + 1]):
            while low < start[second[p] + 1] and (
                antenna[low] < antenna[a] or (antenna[low] == antenna[a] and way[low] <= way[a] - reach_m)
            ):
                low += 1
            b = low
            while b < start[second[p] + 1] and antenna[b] == antenna[a] and way[b] < way[a] + reach_m:
                away = (way[b] - way[a]) / reach_m
                w = math.sqrt(weight[a] * weight[b]) * (1.0 - away * away)
                if w > 0.0:
                    r1 = math.sqrt((u[a] - x1) ** 2 + (h[a] + d1) ** 2 + (z[a] - h1) ** 2) + 1e-9
                    r2 = math.sqrt((u[b] - x2) ** 2 + (h[b] + d2) ** 2 + (z[b] - h2) ** 2) + 1e-9
                    kd = (k[a] + k[b]) / (r1 + r2)
                    turn[n] = (phase[b] - k[b] * r2) - (phase[a] - k[a] * r1)
                    jac[n, 0] = -kd * 0.5 * (u[a] - x1 + u[b] - x2)
                    jac[n, 1] = kd * 0.5 * (h[a] + d1 + h[b] + d2)
                    jac[n, 2] = -kd * 0.5 * (z[a] - h1 + z[b] - h2)
                    wgt[n], grp[n], cel[n] = w, group[a], cell[a]
                    n += 1
                b += 1
        result[p, :] = np.nan
        if n == 0:
            continue
        # A cell of track is one witness at most.
        i, cells, groups, total = 0, 0, 0, 0.0
        while i < n:
            j, inside = i, 0.0
            while j < n and grp[j] == grp[i] and cel[j] == cel[i]:
                inside += wgt[j]
                j += 1
            for m in range(i, j):
                wgt[m] /= max(inside, 1.0)
            total += min(inside, 1.0)
            cells += 1
            if i == 0 or grp[i] != grp[i - 1]:
                groups += 1
            i = j
        best, x = -1.0, 0.0
        # Each step of the grid turns every pair by the same angle as the step before it.
        for i in range(n):
            sin, cos = sine_cosine((turn[i] + jac[i, 0] * (GRID_HALF * GRID_STEP_M)) * per_turn)
            are[i], aim[i] = wgt[i] * cos, wgt[i] * sin
            sin, cos = sine_cosine(-jac[i, 0] * GRID_STEP_M * per_turn)
            bre[i], bim[i] = cos, sin
        used = 0
        for i in range(n):
            used = max(used, grp[i] + 1)
        for g in range(-GRID_HALF, GRID_HALF + 1):
            gre[:used] = 0.0
            gim[:used] = 0.0
            for i in range(n):
                gre[grp[i]] += are[i]
                gim[grp[i]] += aim[i]
            for i in range(n):
                real = are[i] * bre[i] - aim[i] * bim[i]
                aim[i] = are[i] * bim[i] + aim[i] * bre[i]
                are[i] = real
            value = 0.0
            for q in range(used):
                value += math.sqrt(gre[q] * gre[q] + gim[q] * gim[q])
            if value > best:
                best, x = value, g * GRID_STEP_M
        dep = hei = 0.0
        prior_d, prior_h = 1.0 / depth_sigma_m**2, 1.0 / height_sigma_m[p] ** 2
        scale = 0.6
        rob[:n] = 1.0
        i00 = i01 = i02 = 0.0
        for step in range(STEPS + 1):
            gre[:used] = 0.0
            gim[:used] = 0.0
            gw[:used] = 0.0
            gj[:used] = 0.0
            for i in range(n):
                res[i] = turn[i] - jac[i, 0] * x - jac[i, 1] * dep - jac[i, 2] * hei
                aim[i], are[i] = sine_cosine(res[i] * per_turn)
            for i in range(n):
                gre[grp[i]] += wgt[i] * rob[i] * are[i]
                gim[grp[i]] += wgt[i] * rob[i] * aim[i]
            for q in range(used):
                gre[q] = math.atan2(gim[q], gre[q])
            second_moment = 0.0
            for i in range(n):
                r = res[i] - gre[grp[i]]
                r -= 2.0 * math.pi * math.floor(r / (2.0 * math.pi) + 0.5)
                res[i] = r
                rob[i] = (STUDENT_NU + 1.0) / (STUDENT_NU + r * r / (scale * scale))
                second_moment += wgt[i] * rob[i] * r * r
            scale = min(max(math.sqrt(second_moment / total), 0.05), 1.5)
            for i in range(n):
                rob[i] = (STUDENT_NU + 1.0) / (STUDENT_NU + res[i] * res[i] / (scale * scale))
                w = wgt[i] * rob[i]
                gw[grp[i]] += w
                for q in range(3):
                    gj[grp[i], q] += w * jac[i, q]
            for g in range(used):
                if gw[g] > 0.0:
                    for q in range(3):
                        gj[g, q] /= gw[g]
            m00, m11, m22 = 1e-6, prior_d, prior_h
            m01 = m02 = m12 = 0.0
            v0, v1, v2 = 0.0, -prior_d * dep, -prior_h * hei
            for i in range(n):
                g = grp[i]
                w = wgt[i] * rob[i] / (scale * scale)
                j0, j1, j2 = jac[i, 0] - gj[g, 0], jac[i, 1] - gj[g, 1], jac[i, 2] - gj[g, 2]
                m00 += w * j0 * j0
                m01 += w * j0 * j1
                m02 += w * j0 * j2
                m11 += w * j1 * j1
                m12 += w * j1 * j2
                m22 += w * j2 * j2
                v0 += w * j0 * res[i]
                v1 += w * j1 * res[i]
                v2 += w * j2 * res[i]
            # Cofactors of the symmetric 3 x 3.
            k00, k01, k02 = m11 * m22 - m12 * m12, m02 * m12 - m01 * m22, m01 * m12 - m02 * m11
            k11, k12, k22 = m00 * m22 - m02 * m02, m01 * m02 - m00 * m12, m00 * m11 - m01 * m01
            det = m00 * k00 + m01 * k01 + m02 * k02
            if step < STEPS:
                x += min(max((k00 * v0 + k01 * v1 + k02 * v2) / det, -0.02), 0.02)
                dep += min(max((k01 * v0 + k11 * v1 + k12 * v2) / det, -0.02), 0.02)
                hei += min(max((k02 * v0 + k12 * v1 + k22 * v2) / det, -0.02), 0.02)
            i00, i01, i02 = k00 / det, k01 / det, k02 / det
        meat, score = 0.0, 0.0
        for i in range(n):
            g = grp[i]
            w = wgt[i] * rob[i] / (scale * scale)
            j0, j1, j2 = jac[i, 0] - gj[g, 0], jac[i, 1] - gj[g, 1], jac[i, 2] - gj[g, 2]
            score += w * (i00 * j0 + i01 * j1 + i02 * j2) * res[i]
            if i + 1 == n or cel[i + 1] != cel[i] or grp[i + 1] != grp[i]:
                meat += score * score
                score = 0.0
        result[p, 0] = x
        result[p, 1] = max(i00, meat)
        result[p, 2] = scale
        result[p, 3] = cells
        result[p, 4] = groups
