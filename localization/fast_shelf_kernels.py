"""Compiled kernels of the fast joint fit of a shelf, in single precision, inner loops over places side by side.

The model is that of ``shelf_kernels``, and what these fill is held equal to the same numpy references
(``shelf_reference``). What is different is what is kept: the field of every antenna place at every site and offset is
computed once a shelf (``fast_shelf_fields``), and the phase from a tag to a site once a tag, not once a reading;
readings are told apart by bins of wavenumber.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import log2_single
from localization.kernels import STUDENT_NU
from localization.shelf_kernels import MEAN_STEPS

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: A group of less weight, far beyond the antenna's main lobe, says nothing; one over it may not fit single precision.
LEAST_WEIGHT = 1e-12


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
    link_re: Singles, link_im: Singles, field_re: Singles, field_im: Singles, rho: Complex,
    out: Floats,
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
    field_re, field_im : shape (scatterers, n)
        Of the antenna places at the scatterers.
    rho : shape (scatterers, tags or 1)
        Their strengths, for each tag or for all.
    out : shape (tags, count)
    """
    count = out.shape[1]
    longest, i = 1, 0
    while i < len(group):
        end = i + 1
        while end < len(group) and group[end] == group[i]:
            end += 1
        longest = max(longest, end - i)
        i = end
    # Of one group at once: what its rounds go through again and again then stays in the nearest cache.
    re = np.empty((longest, count), np.float32)
    im = np.empty((longest, count), np.float32)
    mean_re, mean_im = np.empty(count, np.float32), np.empty(count, np.float32)
    next_re, next_im = np.empty(count, np.float32), np.empty(count, np.float32)
    total = np.empty(count, np.float32)
    zero, one, two = np.float32(0.0), np.float32(1.0), np.float32(2.0)
    tiny, nu = np.float32(1e-20), np.float32(STUDENT_NU)
    for t in range(len(start) - 1):
        b, mine = start[t + 1], min(t, rho.shape[1] - 1)
        inverse = np.float32(1.0 / (scale[t] * scale[t]))
        total[:] = zero
        i = start[t]
        while i < b:
            end = i
            mean_re[:] = tiny
            mean_im[:] = zero
            while end < b and group[end] == group[i]:
                row_re, row_im = re[end - i], im[end - i]
                from_re, from_im = direct_re[end, first[t] :], direct_im[end, first[t] :]
                for j in range(count):
                    row_re[j], row_im[j] = from_re[j], from_im[j]
                for s in range(len(rho)):
                    p, q = np.float32(rho[s, mine].real), np.float32(rho[s, mine].imag)
                    x = field_re[s, end] * p - field_im[s, end] * q
                    y = field_re[s, end] * q + field_im[s, end] * p
                    far_re, far_im = (
                        link_re[bins[end], s, first_link[t] :],
                        link_im[bins[end], s, first_link[t] :],
                    )
                    for j in range(count):
                        row_re[j] += x * far_re[j] - y * far_im[j]
                        row_im[j] += x * far_im[j] + y * far_re[j]
                cos, sin, w = heard_re[end], heard_im[end], weight[end]
                if four[end]:
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
                for n in range(end - i):
                    w = weight[i + n]
                    row_re, row_im = re[n], im[n]
                    for j in range(count):
                        chord = two * (one - row_re[j] * mean_re[j] - row_im[j] * mean_im[j])
                        share = w / (nu + chord * inverse)
                        next_re[j] += share * row_re[j]
                        next_im[j] += share * row_im[j]
                for j in range(count):
                    mean_re[j], mean_im[j] = next_re[j], next_im[j]
            each = inverse / nu
            for n in range(end - i):
                w = weight[i + n]
                row_re, row_im = re[n], im[n]
                for j in range(count):
                    chord = two * (one - row_re[j] * mean_re[j] - row_im[j] * mean_im[j])
                    total[j] += w * log2_single(one + max(chord, zero) * each)
            i = end
        for j in range(count):
            out[t, j] = -total[j] * (0.5 * (STUDENT_NU + 1.0) * math.log(2.0))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def summits(value: Floats, count: int, log_prior: Floats, first: Ints, at: Floats) -> None:
    """Add what else is known to log-likelihoods over offsets, and fill where each tag's is highest.

    Parameters
    ----------
    value : shape (tags, count or more)
        Raised in place.
    log_prior : shape (tags, offsets)
    first : shape (tags,)
        The offset of each tag's first column.
    at : shape (tags,)
        Out: in steps from the first offset of all, by a parabola through the highest and its neighbours; of equals the
        first.
    """
    for t in range(len(at)):
        line, known = value[t], log_prior[t, first[t] :]
        best = 0
        for j in range(count):
            line[j] += known[j]
            if line[j] > line[best]:
                best = j
        aside = 0.0
        if 0 < best < count - 1:
            left, top, right = line[best - 1], line[best], line[best + 1]
            aside = 0.5 * (right - left) / max(2.0 * top - left - right, 1e-9)
        at[t] = first[t] + best + min(max(aside, -0.5), 0.5)
