"""Compiled kernels of the fast joint fit of a shelf, in single precision, inner loops over places side by side.

The model is that of ``shelf_kernels``, and what these fill is held equal to the same numpy references
(``shelf_reference``). What is different is what is kept: the field of every antenna place at every site and offset is
computed once a shelf, and the phase from a tag to a site once a tag, not once a reading; readings are told apart by
bins of wavenumber.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import exp2_single, log2_single
from localization.kernels import STUDENT_NU
from localization.shelf_kernels import LEAST_FIELD, MEAN_STEPS

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

#: A group of less weight, far beyond the antenna's main lobe, says nothing; one over it may not fit single precision.
LEAST_WEIGHT = 1e-12


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def fields_single(
    u: Singles, h: Singles, z: Singles, look: Singles, turns: Singles, exponent: Singles, along: Singles,
    behind: Singles, height: Singles, row: Ints, re: Singles, im: Singles,
) -> None:  # fmt: skip
    """Fill the field of every antenna place at some points, as ``shelf_kernels.fields_at``.

    Parameters
    ----------
    u, h, z, turns, exponent : shape (n,)
        ``turns`` is the one-way wavenumber in turns a metre.
    look : shape (n, 3)
    along, behind, height : shape (sets, q)
        Sets of points.
    row : shape (n,)
        The set of each antenna place.
    re, im : shape (n, q)
        Out.
    """
    half, one, two = np.float32(0.5), np.float32(1.0), np.float32(2.0)
    pi, least, tiny = np.float32(math.pi), np.float32(LEAST_FIELD), np.float32(1e-9)
    s3, s5, s7, s9 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040), np.float32(1 / 362880)
    c2, c4, c6, c8 = np.float32(-0.5), np.float32(1 / 24), np.float32(-1 / 720), np.float32(1 / 40320)
    for i in range(len(u)):
        here, out_of, up = u[i], h[i], z[i]
        l0, l1, l2 = look[i, 0], look[i, 1], look[i, 2]
        turn, power = turns[i], exponent[i]
        x, y, v = along[row[i]], behind[row[i]], height[row[i]]
        line_re, line_im = re[i], im[i]
        for q in range(len(x)):
            du, dh, dz = x[q] - here, -(out_of + y[q]), v[q] - up
            d = np.float32(math.sqrt(du * du + dh * dh + dz * dz)) + tiny
            inverse = one / d
            cosine = max((du * l0 + dh * l1 + dz * l2) * inverse, np.float32(1e-3))
            gain = max(exp2_single(power * log2_single(cosine)), least) * inverse
            a = turn * d
            a = -(a - np.float32(math.floor(a + half))) * pi
            w = a * a
            sine = a * (one + w * (s3 + w * (s5 + w * (s7 + w * s9))))
            cosine = one + w * (c2 + w * (c4 + w * (c6 + w * c8)))
            line_re[q] = gain * (one - two * sine * sine)
            line_im[q] = gain * (two * sine * cosine)


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def links_single(
    turns: Singles, x: Singles, behind: Singles, along: Singles, rise: Singles, re: Singles, im: Singles
) -> None:
    """Fill the turn of phase from points to points.

    Parameters
    ----------
    turns : shape (bins,)
        One-way wavenumber of each bin, turns a metre.
    x : shape (t,)
        From: along the face, in the tags' plane.
    along, behind, rise : shape (q,)
        To; ``rise`` over the tags' height.
    re, im : shape (bins, t, q)
        Out.
    """
    half, one, two, pi = np.float32(0.5), np.float32(1.0), np.float32(2.0), np.float32(math.pi)
    s3, s5, s7, s9 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040), np.float32(1 / 362880)
    c2, c4, c6, c8 = np.float32(-0.5), np.float32(1 / 24), np.float32(-1 / 720), np.float32(1 / 40320)
    for n in range(len(turns)):
        turn = turns[n]
        for t in range(len(x)):
            line_re, line_im, here = re[n, t], im[n, t], x[t]
            for q in range(len(along)):
                du, dh, dz = along[q] - here, behind[q], rise[q]
                a = turn * np.float32(math.sqrt(du * du + dh * dh + dz * dz))
                a = -(a - np.float32(math.floor(a + half))) * pi
                w = a * a
                sine = a * (one + w * (s3 + w * (s5 + w * (s7 + w * s9))))
                cosine = one + w * (c2 + w * (c4 + w * (c6 + w * c8)))
                line_re[q] = one - two * sine * sine
                line_im[q] = two * sine * cosine


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def pursue_single(
    owner: Ints, group_start: Ints, bins: Ints, four: npt.NDArray[np.bool_], weight: Singles, residual: Singles,
    model_re: Singles, model_im: Singles, field_re: Singles, field_im: Singles, link_re: Singles, link_im: Singles,
    ridge: float, gain: Floats,
) -> None:  # fmt: skip
    """Tell what a scatterer at each of some points would explain, as ``shelf_kernels.pursue``.

    Parameters
    ----------
    owner, bins : shape (n,)
        The tag and the bin of each reading.
    group_start : shape (groups + 1,)
        Readings of one group lie side by side.
    four, weight, residual, model_re, model_im : shape (n,)
    field_re, field_im : shape (n, q)
        Of the antenna places at the points.
    link_re, link_im : shape (bins, tags, q)
        From tags to points.
    gain : shape (q,)
        Out.
    """
    points = len(gain)
    sums = np.zeros((7, points), np.float32)
    aa, ab, bb, ra, rb, sum_a, sum_b = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6]
    for g in range(len(group_start) - 1):
        total, mean = 0.0, 0.0
        for r in range(group_start[g], group_start[g + 1]):
            total += weight[r]
            mean += weight[r] * residual[r]
        mean /= max(total, 1e-12)
        sum_a[:] = np.float32(0.0)
        sum_b[:] = np.float32(0.0)
        for r in range(group_start[g], group_start[g + 1]):
            size = (4.0 if four[r] else 2.0) / (model_re[r] * model_re[r] + model_im[r] * model_im[r] + 1e-20)
            x, y, w = np.float32(model_re[r] * size), np.float32(-model_im[r] * size), weight[r]
            pull = np.float32(-weight[r] * (residual[r] - mean))
            f_re, f_im = field_re[r], field_im[r]
            l_re, l_im = link_re[bins[r], owner[r]], link_im[bins[r], owner[r]]
            for q in range(points):
                p_re, p_im = f_re[q] * x - f_im[q] * y, f_re[q] * y + f_im[q] * x
                b = p_re * l_re[q] - p_im * l_im[q]
                a = p_re * l_im[q] + p_im * l_re[q]
                wa, wb = w * a, w * b
                sum_a[q] += wa
                sum_b[q] += wb
                aa[q] += wa * a
                ab[q] += wa * b
                bb[q] += wb * b
                ra[q] += pull * a
                rb[q] += pull * b
        if total > LEAST_WEIGHT:
            inverse = np.float32(1.0 / total)
            for q in range(points):
                aa[q] -= sum_a[q] * sum_a[q] * inverse
                ab[q] -= sum_a[q] * sum_b[q] * inverse
                bb[q] -= sum_b[q] * sum_b[q] * inverse
    for q in range(points):
        a, b = aa[q] + ridge, bb[q] + ridge
        gain[q] = (b * ra[q] * ra[q] - 2.0 * ab[q] * ra[q] * rb[q] + a * rb[q] * rb[q]) / max(
            a * b - ab[q] * ab[q], 1e-12
        )


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def profile_single(
    start: Ints, group: Ints, bins: Ints, four: npt.NDArray[np.bool_], heard_re: Singles, heard_im: Singles,
    weight: Singles, scale: Floats, first: Ints, direct_re: Singles, direct_im: Singles, first_link: Ints,
    link_re: Singles, link_im: Singles, strength_re: Singles, strength_im: Singles, out: Floats,
) -> None:  # fmt: skip
    """Fill the robust log-likelihood of every tag over offsets, as ``shelf_kernels.scattered_profile``.

    Parameters
    ----------
    start : shape (tags + 1,)
    group, bins, four, weight : shape (n,)
        ``four``: phases were doubled against half turns.
    heard_re, heard_im : shape (n,)
        The phase heard, as a phasor.
    scale : shape (tags,)
    first, first_link : shape (tags,)
        The first column of each tag in ``direct`` and in the links.
    direct_re, direct_im : shape (n, offsets)
    link_re, link_im : shape (bins, scatterers, offsets)
    strength_re, strength_im : shape (n, scatterers)
        Of each scatterer, times the field there.
    out : shape (tags, count)
    """
    count = out.shape[1]
    longest = 1
    for t in range(len(start) - 1):
        longest = max(longest, start[t + 1] - start[t])
    re = np.empty((longest, count), np.float32)
    im = np.empty((longest, count), np.float32)
    mean_re, mean_im = np.empty(count, np.float32), np.empty(count, np.float32)
    next_re, next_im = np.empty(count, np.float32), np.empty(count, np.float32)
    total = np.empty(count, np.float32)
    zero, one, two = np.float32(0.0), np.float32(1.0), np.float32(2.0)
    tiny, nu = np.float32(1e-20), np.float32(STUDENT_NU)
    for t in range(len(start) - 1):
        a, b = start[t], start[t + 1]
        inverse = np.float32(1.0 / (scale[t] * scale[t]))
        for i in range(a, b):
            row_re, row_im = re[i - a], im[i - a]
            from_re, from_im = direct_re[i, first[t] :], direct_im[i, first[t] :]
            for j in range(count):
                row_re[j], row_im[j] = from_re[j], from_im[j]
            for s in range(strength_re.shape[1]):
                x, y = strength_re[i, s], strength_im[i, s]
                far_re, far_im = link_re[bins[i], s, first_link[t] :], link_im[bins[i], s, first_link[t] :]
                for j in range(count):
                    row_re[j] += x * far_re[j] - y * far_im[j]
                    row_im[j] += x * far_im[j] + y * far_re[j]
            cos, sin, twice = heard_re[i], heard_im[i], four[i]
            if twice:
                for j in range(count):
                    x, y = row_re[j], row_im[j]
                    size = one / (x * x + y * y + tiny)
                    x, y = (x * x - y * y) * size, two * x * y * size
                    x, y = x * x - y * y, two * x * y
                    row_re[j], row_im[j] = x * cos - y * sin, x * sin + y * cos
            else:
                for j in range(count):
                    x, y = row_re[j], row_im[j]
                    size = one / (x * x + y * y + tiny)
                    x, y = (x * x - y * y) * size, two * x * y * size
                    row_re[j], row_im[j] = x * cos - y * sin, x * sin + y * cos
        total[:] = zero
        i = a
        while i < b:
            end = i
            mean_re[:] = tiny
            mean_im[:] = zero
            while end < b and group[end] == group[i]:
                w = weight[end]
                row_re, row_im = re[end - a], im[end - a]
                for j in range(count):
                    mean_re[j] += w * row_re[j]
                    mean_im[j] += w * row_im[j]
                end += 1
            for step in range(MEAN_STEPS + 1):
                for j in range(count):
                    size = one / np.float32(
                        math.sqrt(mean_re[j] * mean_re[j] + mean_im[j] * mean_im[j] + tiny)
                    )
                    mean_re[j] *= size
                    mean_im[j] *= size
                    next_re[j] = tiny
                    next_im[j] = zero
                if step == MEAN_STEPS:
                    break
                for n in range(i, end):
                    w = weight[n]
                    row_re, row_im = re[n - a], im[n - a]
                    for j in range(count):
                        chord = two * (one - row_re[j] * mean_re[j] - row_im[j] * mean_im[j])
                        share = w / (nu + chord * inverse)
                        next_re[j] += share * row_re[j]
                        next_im[j] += share * row_im[j]
                for j in range(count):
                    mean_re[j], mean_im[j] = next_re[j], next_im[j]
            each = inverse / nu
            for n in range(i, end):
                w = weight[n]
                row_re, row_im = re[n - a], im[n - a]
                for j in range(count):
                    chord = two * (one - row_re[j] * mean_re[j] - row_im[j] * mean_im[j])
                    total[j] += w * log2_single(one + max(chord, zero) * each)
            i = end
        for j in range(count):
            out[t, j] = -total[j] * (0.5 * (STUDENT_NU + 1.0) * math.log(2.0))
