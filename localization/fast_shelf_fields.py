"""Compiled kernels of the fast joint fit of a shelf: fields of antenna places at points, and turns between points.

Single precision; the model is that of ``shelf_kernels``, and a test holds what comes out equal to the same numpy
references. Whatever there is most of lies in the inner loop: points where each antenna place has many, else readings.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import exp2_single, half_turns_single, log2_single
from localization.shelf_kernels import LEAST_FIELD

Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def _gain(ahead: np.float32, d: np.float32, exponent: np.float32) -> np.float32:
    """Return the size of an antenna's field at a point ``d`` away, ``ahead`` of that along its boresight."""
    inverse = np.float32(1.0) / d
    cosine = max(ahead * inverse, np.float32(1e-3))
    return max(exp2_single(exponent * log2_single(cosine)), np.float32(LEAST_FIELD)) * inverse


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def fields_single(
    u: Singles, h: Singles, z: Singles, look: Singles, turns: Singles, exponent: Singles, along: Singles,
    behind: Singles, height: Singles, row: Ints, re: Singles, im: Singles,
) -> None:  # fmt: skip
    """Fill the field of every antenna place at many points, as ``shelf_kernels.fields_at``.

    Parameters
    ----------
    u, h, z, turns, exponent : shape (n,)
        ``turns`` is the one-way wavenumber in turns a metre.
    look : shape (3, n)
    along, behind, height : shape (sets, q)
        Sets of points.
    row : shape (n,)
        The set of each antenna place.
    re, im : shape (n, q)
        Out.
    """
    tiny = np.float32(1e-9)
    for i in range(len(u)):
        here, out_of, up = u[i], h[i], z[i]
        l0, l1, l2 = look[0, i], look[1, i], look[2, i]
        turn, power = turns[i], exponent[i]
        x, y, v = along[row[i]], behind[row[i]], height[row[i]]
        line_re, line_im = re[i], im[i]
        for q in range(len(x)):
            du, dh, dz = x[q] - here, -(out_of + y[q]), v[q] - up
            d = np.float32(math.sqrt(du * du + dh * dh + dz * dz)) + tiny
            gain = _gain(du * l0 + dh * l1 + dz * l2, d, power)
            cosine, sine = half_turns_single(turn * d)
            line_re[q] = gain * cosine
            line_im[q] = -gain * sine


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def fields_of_few(
    u: Singles, h: Singles, z: Singles, look: Singles, turns: Singles, exponent: Singles, along: Singles,
    behind: Singles, height: Singles, re: Singles, im: Singles,
) -> None:  # fmt: skip
    """Fill the field of every antenna place at a few points; those of shape (q,), out of shape (q, n)."""
    tiny = np.float32(1e-9)
    n = len(u)
    far, size = np.empty(n, np.float32), np.empty(n, np.float32)
    for q in range(len(along)):
        x, y, v = along[q], behind[q], height[q]
        line_re, line_im = re[q], im[q]
        for i in range(n):
            du, dh, dz = x - u[i], h[i] + y, v - z[i]
            far[i] = np.float32(math.sqrt(du * du + dh * dh + dz * dz)) + tiny
        for i in range(n):
            size[i] = (x - u[i]) * look[0, i] - (h[i] + y) * look[1, i] + (v - z[i]) * look[2, i]
        for i in range(n):
            size[i] = _gain(size[i], far[i], exponent[i])
        for i in range(n):
            cosine, sine = half_turns_single(turns[i] * far[i])
            line_re[i] = size[i] * cosine
            line_im[i] = -size[i] * sine


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def known_single(
    start: Ints, u: Singles, h: Singles, z: Singles, look: Singles, turns: Singles, exponent: Singles,
    bin_turns: Singles, bins: Ints, offset: Singles, along: Singles, behind: Singles, rise: Singles,
    field_re: Singles, field_im: Singles, direct_re: Singles, direct_im: Singles, share_re: Singles,
    share_im: Singles,
) -> None:  # fmt: skip
    """Fill every reading's direct field, and each scatterer's at unit strength by way of the reading's tag.

    Parameters
    ----------
    start : shape (tags + 1,)
    u, h, z, turns, exponent, bins : shape (n,)
        Heights over the tags'.
    look : shape (3, n)
    bin_turns : shape (waves,)
        One-way wavenumber of each bin, turns a metre.
    offset : shape (tags,)
    along, behind, rise : shape (s,)
        Of the scatterers; ``rise`` over the tags' height.
    field_re, field_im : shape (s, n)
        Of the antenna places at the scatterers.
    direct_re, direct_im : shape (n,)
        Out.
    share_re, share_im : shape (s, n)
        Out.
    """
    # Loops that each touch few arrays: with more the compiler does not prove them apart, and takes one at a time.
    tiny, waves, n = np.float32(1e-9), len(bin_turns), len(u)
    at, far, size = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    for t in range(len(start) - 1):
        at[start[t] : start[t + 1]] = offset[t]
    for i in range(n):
        du = at[i] - u[i]
        far[i] = np.float32(math.sqrt(du * du + h[i] * h[i] + z[i] * z[i])) + tiny
    for i in range(n):
        size[i] = (at[i] - u[i]) * look[0, i] - h[i] * look[1, i] - z[i] * look[2, i]
    for i in range(n):
        size[i] = _gain(size[i], far[i], exponent[i])
    for i in range(n):
        cosine, sine = half_turns_single(turns[i] * far[i])
        direct_re[i] = size[i] * cosine
        direct_im[i] = -size[i] * sine
    turn_re, turn_im = np.empty(waves, np.float32), np.empty(waves, np.float32)
    for t in range(len(start) - 1):
        x, a, n = offset[t], start[t], start[t + 1] - start[t]
        for s in range(len(along)):
            du, dh, dz = along[s] - x, behind[s], rise[s]
            d = np.float32(math.sqrt(du * du + dh * dh + dz * dz))
            for w in range(waves):
                cosine, sine = half_turns_single(bin_turns[w] * d)
                turn_re[w], turn_im[w] = cosine, -sine
            x_re, x_im, y_re, y_im = field_re[s, a:], field_im[s, a:], share_re[s, a:], share_im[s, a:]
            for i in range(n):
                far[i], size[i] = turn_re[bins[a + i]], turn_im[bins[a + i]]
            for i in range(n):
                y_re[i] = x_re[i] * far[i] - x_im[i] * size[i]
            for i in range(n):
                y_im[i] = x_re[i] * size[i] + x_im[i] * far[i]


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def links_single(
    turns: Singles, x: Singles, behind: Singles, along: Singles, rise: Singles, re: Singles, im: Singles
) -> None:
    """Fill the turn of phase from points in the tags' plane to other points.

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
    for n in range(len(turns)):
        turn = turns[n]
        for t in range(len(x)):
            line_re, line_im, here = re[n, t], im[n, t], x[t]
            for q in range(len(along)):
                du, dh, dz = along[q] - here, behind[q], rise[q]
                cosine, sine = half_turns_single(turn * np.float32(math.sqrt(du * du + dh * dh + dz * dz)))
                line_re[q] = cosine
                line_im[q] = -sine


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def links_to_few(
    turns: Singles, x: Singles, behind: Singles, along: Singles, rise: Singles, re: Singles, im: Singles
) -> None:
    """Fill the turn of phase from many points in the tags' plane to a few others, out of shape (bins, q, t)."""
    for n in range(len(turns)):
        turn = turns[n]
        for q in range(len(along)):
            line_re, line_im, there, dh, dz = re[n, q], im[n, q], along[q], behind[q], rise[q]
            for t in range(len(x)):
                du = there - x[t]
                cosine, sine = half_turns_single(turn * np.float32(math.sqrt(du * du + dh * dh + dz * dz)))
                line_re[t] = cosine
                line_im[t] = -sine
