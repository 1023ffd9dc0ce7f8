"""Compiled kernels of the single-tag likelihood, each with its numpy reference in ``kernels_reference``.

A candidate is one tag before one face: a slice of observations in the face's frame (``u`` along the face, ``h``
out of the tags' plane, ``z`` up). Hypotheses are places the tag may have besides its offset: a shift of its depth
and a height. All kernels work on many candidates in one call and leave the interpreter free meanwhile.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import sine_cosine

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

#: Degrees of freedom of the residual's Student-t: heavy tails (a third of a dense shelf's residuals exceed 1 rad).
STUDENT_NU = 4.0
STEPS = 12
#: Offsets are handled so many at once.
LANES = 8
#: A step shorter than this, with a scale that moved less, is the last but one: nothing would move by a hundredth of a
#: millimetre any more. The scale is in rad.
SETTLED_M, SCALE_SHARE = 2e-6, 5.0
#: A group's residual scale is drawn towards the tag's by so many witnesses.
SCALE_PRIOR = 5.0
#: Off the beam weights fall to nothing and below what a double's inverse can be; a group of no more has no say.
LEAST_WEIGHT = 1e-200
#: Sums may be taken in any order, so that they vectorize; infinity and what is no number keep their meaning.
ANY_ORDER = {"reassoc", "contract", "arcp", "nsz"}
#: The same, but sums are taken as they are written.
AS_WRITTEN = ANY_ORDER - {"reassoc"}


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def profile_grid(
    start: Ints,
    u: Floats32,
    h: Floats32,
    z: Floats32,
    turns_per_m: Floats32,
    turns: Floats32,
    weight: Floats32,
    group: Ints,
    x_first: Floats32,
    x_step: float,
    x_count: Ints,
    hypothesis_start: Ints,
    depth: Floats32,
    height: Floats32,
    out_start: Ints,
    out: Floats32,
) -> None:
    """Sum over groups of ``|sum w exp(i (phase - k d))|`` for every hypothesis and offset.

    The absolute value per group takes each group's unknown phase offset at its best (von Mises profile likelihood).
    Phases are in turns, so that range reduction is ``v - floor(v + 1/2)`` and the loop over offsets vectorizes:
    sine and cosine of the half angle by Taylor polynomials (|v/2| <= 1/4 turn, error under 4e-7), then doubled.

    Parameters
    ----------
    start : shape (candidates + 1,)
        Candidate ``c`` owns observations ``start[c]:start[c + 1]``, those of one group side by side.
    u, h, z, turns_per_m, turns, weight, group : shape (observations,)
        ``u`` from the candidate's own origin.
    x_first, x_count : shape (candidates,)
        Offsets tried: ``x_first + x_step * arange(x_count)``.
    hypothesis_start, depth, height
        Candidate ``c`` tries ``depth[i], height[i]`` for ``i`` in ``hypothesis_start[c]:hypothesis_start[c + 1]``.
    out : shape (out_start[-1],)
        Filled row by row: hypothesis, offset.
    """
    half = np.float32(0.5)
    pi = np.float32(math.pi)
    s3, s5, s7, s9 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040), np.float32(1 / 362880)
    c2, c4, c6, c8 = np.float32(-0.5), np.float32(1 / 24), np.float32(-1 / 720), np.float32(1 / 40320)
    one, two = np.float32(1.0), np.float32(2.0)
    dx = np.float32(x_step)
    longest = 0
    for c in range(len(x_count)):
        longest = max(longest, x_count[c])
    # In whole vectors: each offset left over of one costs as much as ten.
    re = np.zeros(longest + LANES, np.float32)
    im = np.zeros(longest + LANES, np.float32)
    for c in range(len(x_count)):
        n, first = x_count[c], x_first[c]
        wide = (n + LANES - 1) // LANES * LANES
        for hyp in range(hypothesis_start[c], hypothesis_start[c + 1]):
            row = out_start[c] + (hyp - hypothesis_start[c]) * n
            out[row : row + n] = np.float32(0.0)
            re[:wide] = np.float32(0.0)
            im[:wide] = np.float32(0.0)
            for i in range(start[c], start[c + 1]):
                across = (h[i] + depth[hyp]) ** 2 + (z[i] - height[hyp]) ** 2
                w, u0, kt, t0 = weight[i], u[i] - first, turns_per_m[i], turns[i]
                for j in range(wide):
                    along = u0 - dx * np.float32(j)
                    v = kt * math.sqrt(along * along + across) - t0
                    v = (v - math.floor(v + half)) * pi
                    q = v * v
                    s = v * (one + q * (s3 + q * (s5 + q * (s7 + q * s9))))
                    k = one + q * (c2 + q * (c4 + q * (c6 + q * c8)))
                    re[j] += w * (one - two * s * s)
                    im[j] += w * (two * s * k)
                if i + 1 == start[c + 1] or group[i + 1] != group[i]:
                    for j in range(n):
                        out[row + j] += math.sqrt(re[j] * re[j] + im[j] * im[j])
                    re[:wide] = np.float32(0.0)
                    im[:wide] = np.float32(0.0)


@nb.njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def refine(
    start: Ints,
    u: Floats,
    h: Floats,
    z: Floats,
    k: Floats,
    phase: Floats,
    weight: Floats,
    group: Ints,
    cell: Ints,
    x0: Floats,
    depth0: Floats,
    height0: Floats,
    depth_sigma: Floats,
    height_sigma: Floats,
    result: Floats,
    settled_m: float = SETTLED_M,
) -> None:
    """Robust least squares from given starts: offset, depth, height, one phase offset per group and the scale.

    Iteratively reweighted Gauss-Newton for a Student-t residual; phase offsets are profiled out at each step (the
    weighted circular mean). The variance is a sandwich over track cells, so that residuals alike within a cell
    count as one (Liang & Zeger, Biometrika 73, 1986).

    Parameters
    ----------
    weight : shape (observations,)
        Relative weight; a track cell's weights sum to about 1.
    group, cell : shape (observations,)
        Those of one group lie side by side; track cell, ascending inside a group.
    x0, depth0, height0, depth_sigma, height_sigma : shape (candidates,)
        Where to begin, and Gaussian priors about ``depth0`` and ``height0``.
    settled_m : float
        A step shorter than this (and a scale moved by less than ``SCALE_SHARE`` times it) is the last but one.
    result : shape (candidates, 8)
        Out: offset, depth, height, variance of the offset, scale (rad), robust cost per unit weight, sum of
        weights, number of cells with any weight.
    """
    longest, most_groups = 1, 1
    for c in range(len(x0)):
        longest, groups = max(longest, start[c + 1] - start[c]), 1
        for i in range(start[c] + 1, start[c + 1]):
            groups += 1 if group[i] != group[i - 1] else 0
        most_groups = max(most_groups, groups)
    res = np.zeros(longest)
    rob = np.zeros(longest)
    along, away, up = np.zeros(longest), np.zeros(longest), np.zeros(longest)
    sine, cosine = np.zeros(longest), np.zeros(longest)
    gap, per_m = np.zeros(longest), np.zeros(longest)
    first = np.zeros(most_groups + 1, np.int64)
    gtotal, gnum, gscale = np.zeros(most_groups), np.zeros(most_groups), np.zeros(most_groups)
    gj = np.zeros((most_groups, 3))
    per_turn, turn = 0.5 / math.pi, 2.0 * math.pi
    for c in range(len(x0)):
        a, b = start[c], start[c + 1]
        n = b - a
        # A group's observations lie side by side. Loops run over slices from 0: of an index that begins elsewhere
        # compilers cannot tell that it is not negative, and load one number at a time.
        u_m, h_m, z_m, rad_per_m, measured = u[a:b], h[a:b], z[a:b], k[a:b], phase[a:b]
        groups = 0
        for i in range(n):
            if i == 0 or group[a + i] != group[a + i - 1]:
                first[groups] = i
                groups += 1
        first[groups] = n
        x, dep, hei = x0[c], depth0[c], height0[c]
        scale = 0.6
        total = 0.0
        rob[:n] = 1.0
        for g in range(groups):
            own = 0.0
            for w in weight[a + first[g] : a + first[g + 1]]:
                own += w
            gtotal[g] = own
            gscale[g] = scale
            total += own
        prior_d = 1.0 / max(depth_sigma[c], 1e-4) ** 2
        prior_h = 1.0 / max(height_sigma[c], 1e-4) ** 2
        cost, settled, scale_before = 0.0, False, 0.0
        m00 = m01 = m02 = m11 = m12 = m22 = 0.0
        for step in range(STEPS + 1):
            last = step == STEPS or settled
            # One loop for each thing computed: of many arrays together compilers do not see that none is another.
            for i in range(n):
                du, dh, dz = u_m[i] - x, h_m[i] + dep, z_m[i] - hei
                gap[i] = math.sqrt(du * du + dh * dh + dz * dz) + 1e-9
            for i in range(n):
                per_m[i] = rad_per_m[i] / gap[i]
            for i in range(n):
                res[i] = measured[i] - rad_per_m[i] * gap[i]
            for i in range(n):
                along[i] = per_m[i] * (x - u_m[i])
            for i in range(n):
                away[i] = per_m[i] * (h_m[i] + dep)
            for i in range(n):
                up[i] = per_m[i] * (hei - z_m[i])
            for i in range(n):
                sine[i], cosine[i] = sine_cosine(res[i] * per_turn)
            # Scales from the weighted second moment of the t's weights, held above the thermal floor: of each group,
            # as one antenna may hear a tag directly and another by reflection, drawn towards that of all.
            num = 0.0
            for g in range(groups):
                low, high = first[g], first[g + 1]
                weights, robust, rest = weight[a + low : a + high], rob[low:high], res[low:high]
                cosines, sines = cosine[low:high], sine[low:high]
                real, imaginary = 0.0, 0.0
                for i in range(high - low):
                    w = weights[i] * robust[i]
                    real += w * cosines[i]
                    imaginary += w * sines[i]
                mean, per_square = math.atan2(imaginary, real), 1.0 / (gscale[g] * gscale[g])
                own = 0.0
                for i in range(high - low):
                    r = rest[i] - mean
                    r -= turn * np.floor(r * per_turn + 0.5)
                    rest[i] = r
                    square = r * r
                    own += weights[i] * square * (STUDENT_NU + 1.0) / (STUDENT_NU + square * per_square)
                gnum[g] = own
                num += own
            scale = min(max(math.sqrt(num / max(total, 1e-9)), 0.05), 1.5)
            cost = 0.0
            m00 = m01 = m02 = m11 = m12 = m22 = 0.0
            v0 = v1 = v2 = 0.0
            for g in range(groups):
                square = (gnum[g] + SCALE_PRIOR * scale * scale) / (gtotal[g] + SCALE_PRIOR)
                gscale[g] = min(max(math.sqrt(square), 0.05), 1.5)
                cost += gtotal[g] * math.log(gscale[g])
                square = gscale[g] * gscale[g]
                low, high = first[g], first[g + 1]
                weights, robust, rest = weight[a + low : a + high], rob[low:high], res[low:high]
                alongs, aways, ups = along[low:high], away[low:high], up[low:high]
                own = j0 = j1 = j2 = 0.0
                for i in range(high - low):
                    robust[i] = (STUDENT_NU + 1.0) / (STUDENT_NU * square + rest[i] * rest[i])
                    w = weights[i] * robust[i]
                    own += w
                    j0 += w * alongs[i]
                    j1 += w * aways[i]
                    j2 += w * ups[i]
                if own > LEAST_WEIGHT:
                    j0, j1, j2 = j0 / own, j1 / own, j2 / own
                gj[g, 0], gj[g, 1], gj[g, 2] = j0, j1, j2
                for i in range(high - low):
                    w = weights[i] * robust[i]
                    e0, e1, e2 = alongs[i] - j0, aways[i] - j1, ups[i] - j2
                    w0, w1, w2 = w * e0, w * e1, w * e2
                    m00 += w0 * e0
                    m01 += w0 * e1
                    m02 += w0 * e2
                    m11 += w1 * e1
                    m12 += w1 * e2
                    m22 += w2 * e2
                    v0 += w0 * rest[i]
                    v1 += w1 * rest[i]
                    v2 += w2 * rest[i]
            m00 += 1e-6
            m11 += prior_d
            m22 += prior_h
            v1 -= prior_d * (dep - depth0[c])
            v2 -= prior_h * (hei - height0[c])
            if last:
                for g in range(groups):
                    per_square = 1.0 / (gscale[g] * gscale[g] * STUDENT_NU)
                    for i in range(first[g], first[g + 1]):
                        tail = math.log(1.0 + res[i] * res[i] * per_square)
                        cost += weight[a + i] * 0.5 * (STUDENT_NU + 1.0) * tail
                cost += 0.5 * prior_d * (dep - depth0[c]) ** 2 + 0.5 * prior_h * (hei - height0[c]) ** 2
                break
            # Cofactors of the symmetric 3 x 3.
            k00 = m11 * m22 - m12 * m12
            k01 = m02 * m12 - m01 * m22
            k02 = m01 * m12 - m02 * m11
            k11 = m00 * m22 - m02 * m02
            k12 = m01 * m02 - m00 * m12
            k22 = m00 * m11 - m01 * m01
            det = m00 * k00 + m01 * k01 + m02 * k02
            s0 = (k00 * v0 + k01 * v1 + k02 * v2) / det
            s1 = (k01 * v0 + k11 * v1 + k12 * v2) / det
            s2 = (k02 * v0 + k12 * v1 + k22 * v2) / det
            x += min(max(s0, -0.03), 0.03)
            dep += min(max(s1, -0.03), 0.03)
            hei += min(max(s2, -0.05), 0.05)
            if (
                abs(s0) + abs(s1) + abs(s2) < settled_m
                and abs(scale - scale_before) < SCALE_SHARE * settled_m
            ):
                settled = True
            scale_before = scale
        k00 = m11 * m22 - m12 * m12
        k01 = m02 * m12 - m01 * m22
        k02 = m01 * m12 - m02 * m11
        det = m00 * k00 + m01 * k01 + m02 * k02
        i00, i01, i02 = k00 / det, k01 / det, k02 / det
        # Sandwich: each cell's score, as the offset feels it, squared.
        meat, score, cells, live = 0.0, 0.0, 0, False
        for g in range(groups):
            for i in range(first[g], first[g + 1]):
                w = weight[a + i] * rob[i]
                e0, e1, e2 = along[i] - gj[g, 0], away[i] - gj[g, 1], up[i] - gj[g, 2]
                score += w * (i00 * e0 + i01 * e1 + i02 * e2) * res[i]
                live = live or weight[a + i] > 0.0
                if i + 1 == first[g + 1] or cell[a + i + 1] != cell[a + i]:
                    meat += score * score
                    score = 0.0
                    cells += 1 if live else 0
                    live = False
        result[c, 0] = x
        result[c, 1] = dep
        result[c, 2] = hei
        result[c, 3] = max(i00, meat)
        result[c, 4] = scale
        result[c, 5] = cost / max(total, 1e-9)
        result[c, 6] = total
        result[c, 7] = cells
