"""Compiled kernels of the joint fit of a shelf, each with its numpy reference in ``shelf_reference``.

One way, with ``k`` the one-way wavenumber, an antenna at ``(u, h, z)`` in the face's frame (along, out, up) and a tag
at ``(x, -depth, height)``::

    m = G(tag) e^{-jk d} / d + sum_s rho_s e^{-jk |tag - q_s|} G(q_s) e^{-jk |a - q_s|} / |a - q_s|

``G`` is the antenna's field pattern ``cos**exponent`` and ``q_s`` are the shelf's common scatterers. The phase heard is
``-fold * arg m`` and a constant a group; ``fold`` is 2, or 4 where phases were doubled against half turns.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.kernels import STUDENT_NU

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: The antenna's field does not fall below this share of its largest: beyond the main lobe there are side lobes.
LEAST_FIELD = 0.05
#: The field's amplitude is computed at every so many offsets.
AMPLITUDE_STEP = 4
#: Steps of the robust mean of a group's phases.
MEAN_STEPS = 2


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def pattern(cosine: float, exponent: float) -> float:
    """Return an antenna's field off its boresight, as a share of that on it."""
    return max(math.exp(exponent * math.log(max(cosine, 1e-3))), LEAST_FIELD)


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _field(du: float, dh: float, dz: float, look: Floats, k: float, exponent: float) -> complex:
    d = math.sqrt(du * du + dh * dh + dz * dz) + 1e-9
    gain = pattern((du * look[0] + dh * look[1] + dz * look[2]) / d, exponent) / d
    return complex(gain * math.cos(k * d), -gain * math.sin(k * d))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def fields_at(
    u: Floats, h: Floats, z: Floats, look: Floats, k: Floats, exponent: Floats, place: Floats, out: Complex
) -> None:
    """Fill the field of every antenna place at every point.

    Parameters
    ----------
    u, h, z, k, exponent : shape (n,)
    look : shape (n, 3)
    place : shape (q, 3)
        Along the face, behind the tags' plane, above the floor.
    out : shape (n, q)
    """
    for i in range(len(u)):
        for q in range(len(place)):
            out[i, q] = _field(
                place[q, 0] - u[i], -(h[i] + place[q, 1]), place[q, 2] - z[i], look[i], k[i], exponent[i]
            )


@nb.njit(cache=True, nogil=True, error_model="numpy")
def pursue(
    start: Ints,
    group: Ints,
    groups: int,
    k: Floats,
    fold: Floats,
    weight: Floats,
    residual: Floats,
    model: Complex,
    tag: Floats,
    place: Floats,
    field: Complex,
    ridge: float,
    gain: Floats,
) -> None:
    """Tell what a scatterer at each of some points would explain of the residuals, to first order.

    Twice the rise of the log-likelihood: the squared residuals explained by least squares in the scatterer's complex
    strength, each group's mean taken out.

    Parameters
    ----------
    start : shape (tags + 1,)
    group, k, fold, weight, residual : shape (n,)
        ``group`` numbered over the whole shelf.
    model : shape (n,)
        The field that is explained already.
    tag : shape (tags, 3)
        Along, behind the tags' plane, above the floor.
    place, field : shape (q, 3), (n, q)
    gain : shape (q,)
        Out.
    """
    total = np.zeros(groups)
    mean = np.zeros(groups)
    for i in range(len(group)):
        total[group[i]] += weight[i]
        mean[group[i]] += weight[i] * residual[i]
    sum_a = np.zeros(groups)
    sum_b = np.zeros(groups)
    for q in range(len(place)):
        sum_a[:] = 0.0
        sum_b[:] = 0.0
        aa, ab, bb, ra, rb = ridge, 0.0, ridge, 0.0, 0.0
        for t in range(len(start) - 1):
            dx, dy, dz = tag[t, 0] - place[q, 0], tag[t, 1] - place[q, 1], tag[t, 2] - place[q, 2]
            way = math.sqrt(dx * dx + dy * dy + dz * dz)
            for i in range(start[t], start[t + 1]):
                angle = k[i] * way
                share = fold[i] * field[i, q] * complex(math.cos(angle), -math.sin(angle)) / model[i]
                a, b, w = share.imag, share.real, weight[i]
                sum_a[group[i]] += w * a
                sum_b[group[i]] += w * b
                aa += w * a * a
                ab += w * a * b
                bb += w * b * b
                ra -= w * residual[i] * a
                rb -= w * residual[i] * b
        for g in range(groups):
            if total[g] > 0.0:
                aa -= sum_a[g] * sum_a[g] / total[g]
                ab -= sum_a[g] * sum_b[g] / total[g]
                bb -= sum_b[g] * sum_b[g] / total[g]
                ra += mean[g] * sum_a[g] / total[g]
                rb += mean[g] * sum_b[g] / total[g]
        gain[q] = (bb * ra * ra - 2.0 * ab * ra * rb + aa * rb * rb) / max(aa * bb - ab * ab, 1e-12)


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def scattered_profile(
    start: Ints,
    u: Floats,
    h: Floats,
    z: Floats,
    look: Floats,
    k: Floats,
    exponent: Floats,
    fold: Floats,
    phase: Floats,
    weight: Floats,
    group: Ints,
    channel: Ints,
    height: float,
    scale: Floats,
    x_first: Floats,
    x_step: float,
    link_re: Floats32,
    link_im: Floats32,
    link_first: float,
    strength: Complex,
    out: Floats,
) -> None:
    """Fill the robust log-likelihood of every tag over offsets, each group's phase at its best.

    A Student-t of the tag's scale, whose squared residual is the chord's, ``2 (1 - cos r)``; a group's phase is its
    weighted circular mean, then reweighted. The field's amplitude, which hardly changes from offset to offset, is
    computed at every fourth; sine and cosine are those of ``kernels.profile_grid``.

    Parameters
    ----------
    start : shape (tags + 1,)
    u, h, z, k, exponent, fold, phase, weight, group, channel : shape (n,)
        ``group`` ascending within a tag; ``channel`` indexes the links.
    height : float
    scale, x_first : shape (tags,)
        Offsets tried are ``x_first + x_step * arange(out.shape[1])``, a whole number of steps from ``link_first``.
    link_re, link_im : shape (channels, scatterers, offsets)
        Phase from an offset to a scatterer.
    strength : shape (n, scatterers)
        Of each scatterer, times the field there.
    out : shape (tags, offsets)
    """
    number = out.shape[1]
    longest = 1
    for t in range(len(start) - 1):
        longest = max(longest, start[t + 1] - start[t])
    re = np.empty((longest, number), np.float32)
    im = np.empty((longest, number), np.float32)
    mean_re = np.empty(number, np.float32)
    mean_im = np.empty(number, np.float32)
    next_re = np.empty(number, np.float32)
    next_im = np.empty(number, np.float32)
    half, one, two = np.float32(0.5), np.float32(1.0), np.float32(2.0)
    pi, tiny, nu = np.float32(math.pi), np.float32(1e-20), np.float32(STUDENT_NU)
    s3, s5, s7, s9 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040), np.float32(1 / 362880)
    c2, c4, c6, c8 = np.float32(-0.5), np.float32(1 / 24), np.float32(-1 / 720), np.float32(1 / 40320)
    dx = np.float32(x_step)
    for t in range(len(start) - 1):
        a, b = start[t], start[t + 1]
        base = round((x_first[t] - link_first) / x_step)
        inverse = np.float32(1.0 / (scale[t] * scale[t]))
        for i in range(a, b):
            row_re, row_im = re[i - a], im[i - a]
            out_of, up = h[i], height - z[i]
            across = np.float32(out_of * out_of + up * up)
            first = np.float32(x_first[t] - u[i])
            turns = np.float32(k[i] / (2.0 * math.pi))
            for j in range(0, number, AMPLITUDE_STEP):
                end = min(j + AMPLITUDE_STEP, number)
                along = x_first[t] - u[i] + x_step * (0.5 * (j + end - 1))
                d = math.sqrt(along * along + across)
                cosine = (along * look[i, 0] - out_of * look[i, 1] + up * look[i, 2]) / d
                amplitude = np.float32(pattern(cosine, exponent[i]) / d)
                for n in range(j, end):
                    row_re[n] = amplitude
            for j in range(number):
                away = first + dx * np.float32(j)
                v = -turns * math.sqrt(away * away + across)
                v = (v - math.floor(v + half)) * pi
                q = v * v
                sine = v * (one + q * (s3 + q * (s5 + q * (s7 + q * s9))))
                cosine32 = one + q * (c2 + q * (c4 + q * (c6 + q * c8)))
                amplitude32 = row_re[j]
                row_re[j] = amplitude32 * (one - two * sine * sine)
                row_im[j] = amplitude32 * (two * sine * cosine32)
            for s in range(strength.shape[1]):
                x, y = np.float32(strength[i, s].real), np.float32(strength[i, s].imag)
                far_re, far_im = link_re[channel[i], s], link_im[channel[i], s]
                for j in range(number):
                    row_re[j] += x * far_re[base + j] - y * far_im[base + j]
                    row_im[j] += x * far_im[base + j] + y * far_re[base + j]
            cos, sin = np.float32(math.cos(phase[i])), np.float32(math.sin(phase[i]))
            four = fold[i] > 3.0
            for j in range(number):
                x, y = row_re[j], row_im[j]
                x, y = x * x - y * y, two * x * y
                if four:
                    x, y = x * x - y * y, two * x * y
                size = one / math.sqrt(x * x + y * y + tiny)
                row_re[j], row_im[j] = (x * cos - y * sin) * size, (x * sin + y * cos) * size
        out[t, :] = 0.0
        i = a
        while i < b:
            end = i
            mean_re[:] = tiny
            mean_im[:] = np.float32(0.0)
            while end < b and group[end] == group[i]:
                w = np.float32(weight[end])
                row_re, row_im = re[end - a], im[end - a]
                for j in range(number):
                    mean_re[j] += w * row_re[j]
                    mean_im[j] += w * row_im[j]
                end += 1
            for step in range(MEAN_STEPS + 1):
                for j in range(number):
                    size = one / math.sqrt(mean_re[j] * mean_re[j] + mean_im[j] * mean_im[j] + tiny)
                    mean_re[j] *= size
                    mean_im[j] *= size
                    next_re[j] = tiny
                    next_im[j] = np.float32(0.0)
                if step == MEAN_STEPS:
                    break
                for n in range(i, end):
                    w = np.float32(weight[n])
                    row_re, row_im = re[n - a], im[n - a]
                    for j in range(number):
                        chord = two * (one - row_re[j] * mean_re[j] - row_im[j] * mean_im[j])
                        share = w / (nu + chord * inverse)
                        next_re[j] += share * row_re[j]
                        next_im[j] += share * row_im[j]
                for j in range(number):
                    mean_re[j], mean_im[j] = next_re[j], next_im[j]
            for n in range(i, end):
                w = weight[n] * 0.5 * (STUDENT_NU + 1.0)
                row_re, row_im = re[n - a], im[n - a]
                for j in range(number):
                    chord = two * (one - row_re[j] * mean_re[j] - row_im[j] * mean_im[j])
                    out[t, j] -= w * math.log(one + max(chord, np.float32(0.0)) * inverse / nu)
            i = end
