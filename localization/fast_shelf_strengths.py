"""Compiled kernels of the fast joint fit of a shelf: scatterers' strengths by robust Gauss-Newton.

Single precision; the model is that of ``shelf_kernels``, and a test holds what comes out equal to ``shelf_fit``.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import arctan2_single
from localization.kernels import SCALE_PRIOR, STUDENT_NU

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: Rounds in which residual scales and weights settle.
SCALE_ROUNDS = 4


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def residual_single(
    group_start: Ints, four: npt.NDArray[np.bool_], heard_re: Singles, heard_im: Singles, weight: Singles,
    model_re: Singles, model_im: Singles, out: Singles,
) -> None:  # fmt: skip
    """Fill what a model leaves of the phases, each group's circular mean taken out, shape (n,).

    Parameters
    ----------
    group_start : shape (groups + 1,)
        Readings of one group lie side by side.
    """
    n = len(weight)
    re, im = np.empty(n, np.float32), np.empty(n, np.float32)
    one, two, tiny = np.float32(1.0), np.float32(2.0), np.float32(1e-20)
    for i in range(n):
        x, y = model_re[i], model_im[i]
        size = one / (x * x + y * y + tiny)
        x, y = (x * x - y * y) * size, two * x * y * size
        p, q = x * x - y * y, two * x * y
        x, y = (p, q) if four[i] else (x, y)
        re[i] = x * heard_re[i] - y * heard_im[i]
        im[i] = x * heard_im[i] + y * heard_re[i]
    for g in range(len(group_start) - 1):
        a, b = group_start[g], group_start[g + 1]
        mean_re, mean_im = np.float32(0.0), np.float32(0.0)
        for i in range(a, b):
            mean_re += weight[i] * re[i]
            mean_im += weight[i] * im[i]
        for i in range(a, b):
            x, y = re[i], im[i]
            re[i] = x * mean_re + y * mean_im
            im[i] = y * mean_re - x * mean_im
    for i in range(n):
        out[i] = arctan2_single(im[i], re[i])


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def robust_single(
    start: Ints, weight: Singles, residual: Singles, scale: Floats, low: float, high: float, out: Singles
) -> None:
    """Learn each tag's residual scale (in place), and fill the weights of a Student-t, shape (n,)."""
    tags = len(start) - 1
    square, total = np.empty(tags), np.empty(tags)
    nu, more = np.float32(STUDENT_NU), np.float32(STUDENT_NU + 1.0)
    for _ in range(SCALE_ROUNDS):
        every, all_squares = 0.0, 0.0
        for t in range(tags):
            inverse = np.float32(1.0 / (scale[t] * scale[t]))
            own, sum_w = np.float32(0.0), np.float32(0.0)
            for i in range(start[t], start[t + 1]):
                r = residual[i] * residual[i]
                own += weight[i] * r / (nu + r * inverse)
                sum_w += weight[i]
            square[t], total[t] = (STUDENT_NU + 1.0) * own, sum_w
            every += total[t]
            all_squares += square[t]
        usual = all_squares / max(every, 1e-9)
        for t in range(tags):
            now = math.sqrt((square[t] + SCALE_PRIOR * usual) / (total[t] + SCALE_PRIOR))
            scale[t] = min(max(now, low), high)
    for t in range(tags):
        inverse = np.float32(1.0 / (scale[t] * scale[t]))
        for i in range(start[t], start[t + 1]):
            out[i] = weight[i] * more * inverse / (nu + residual[i] * residual[i] * inverse)


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def normal_equations(
    group_start: Ints, four: npt.NDArray[np.bool_], weight: Singles, residual: Singles, share_re: Singles,
    share_im: Singles, model_re: Singles, model_im: Singles, normal: Floats, pull: Floats,
) -> None:  # fmt: skip
    """Fill the normal equations of the scatterers' strengths (real parts, then imaginary ones).

    Parameters
    ----------
    group_start : shape (groups + 1,)
        Each group's weighted mean is taken out.
    share_re, share_im : shape (s, n)
    normal, pull : shape (2 s, 2 s), (2 s,)
        Out.
    """
    sites, n = share_re.shape
    slope = np.empty((2 * sites, n), np.float32)
    inverse_re, inverse_im = np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(n):
        x, y = model_re[i], model_im[i]
        size = (np.float32(4.0) if four[i] else np.float32(2.0)) / (x * x + y * y + np.float32(1e-20))
        inverse_re[i], inverse_im[i] = x * size, -y * size
    for s in range(sites):
        first, second, x, y = slope[s], slope[sites + s], share_re[s], share_im[s]
        for i in range(n):
            first[i] = x[i] * inverse_im[i] + y[i] * inverse_re[i]
            second[i] = x[i] * inverse_re[i] - y[i] * inverse_im[i]
    for g in range(len(group_start) - 1):
        a, b = group_start[g], group_start[g + 1]
        total = np.float32(0.0)
        for i in range(a, b):
            total += weight[i]
        for s in range(2 * sites):
            row, mean = slope[s], np.float32(0.0)
            for i in range(a, b):
                mean += weight[i] * row[i]
            mean /= max(total, np.float32(1e-12))
            for i in range(a, b):
                row[i] -= mean
    weighted = np.empty(n, np.float32)
    for s in range(2 * sites):
        row = slope[s]
        own = np.float32(0.0)
        for i in range(n):
            weighted[i] = weight[i] * row[i]
            own += weighted[i] * residual[i]
        pull[s] = -own
        for q in range(s + 1):
            other, own = slope[q], np.float32(0.0)
            for i in range(n):
                own += weighted[i] * other[i]
            normal[s, q] = own
            normal[q, s] = own


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def model_single(
    direct_re: Singles, direct_im: Singles, share_re: Singles, share_im: Singles, rho: Complex, re: Singles,
    im: Singles,
) -> None:  # fmt: skip
    """Fill the field of the direct way and of scatterers of strengths ``rho``, shape (n,)."""
    for i in range(len(re)):
        re[i], im[i] = direct_re[i], direct_im[i]
    for s in range(len(rho)):
        x, y = np.float32(rho[s].real), np.float32(rho[s].imag)
        line_re, line_im = share_re[s], share_im[s]
        for i in range(len(re)):
            re[i] += x * line_re[i] - y * line_im[i]
            im[i] += x * line_im[i] + y * line_re[i]


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def left_single(
    start: Ints, group_start: Ints, four: npt.NDArray[np.bool_], heard_re: Singles, heard_im: Singles,
    weight: Singles, direct_re: Singles, direct_im: Singles, share_re: Singles, share_im: Singles, rho: Complex,
    scale: Floats, low: float, high: float, re: Singles, im: Singles, residual: Singles, robust: Singles,
) -> None:  # fmt: skip
    """Fill the model, what it leaves of the phases, and the weights of a Student-t; learn the scales (in place).

    Parameters
    ----------
    start : int64 array, shape (tags + 1,)
        Where each tag's observations begin.
    group_start : int64 array, shape (groups + 1,)
        The same of the groups that have an unknown phase each.
    four : bool array, shape (n,)
        Whether phases are taken twice.
    heard_re, heard_im, weight, direct_re, direct_im : float32 array, shape (n,)
        Unit phasor heard, weight, and field that comes straight.
    share_re, share_im : float32 array, shape (sites, n)
        Field by way of each scatterer of unit strength.
    rho : complex128 array, shape (sites,)
        Strengths.
    scale : float64 array, shape (tags,)
        Residual scales, rad, kept between ``low`` and ``high``.
    re, im, residual, robust : float32 array, shape (n,)
        Out.
    """
    model_single(direct_re, direct_im, share_re, share_im, rho, re, im)
    residual_single(group_start, four, heard_re, heard_im, weight, re, im, residual)
    robust_single(start, weight, residual, scale, low, high, robust)


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def strengthen_single(
    start: Ints, group_start: Ints, four: npt.NDArray[np.bool_], heard_re: Singles, heard_im: Singles,
    weight: Singles, direct_re: Singles, direct_im: Singles, share_re: Singles, share_im: Singles, rho: Complex,
    scale: Floats, low: float, high: float, ridge: float, most: float, rounds: int,
) -> None:  # fmt: skip
    """Fit the scatterers' strengths (``rho``, in place) by rounds of robust Gauss-Newton; learn the scales beside.

    A step moves a strength by at most ``most``; ``ridge`` draws strengths to none.

    Parameters have the shapes of :func:`left_single`.
    """
    n, sites = len(weight), len(rho)
    re, im, residual, robust = (
        np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32),
    )  # fmt: skip
    normal, pull = np.zeros((2 * sites, 2 * sites)), np.zeros(2 * sites)
    for _ in range(rounds):
        left_single(
            start, group_start, four, heard_re, heard_im, weight, direct_re, direct_im, share_re, share_im, rho,
            scale, low, high, re, im, residual, robust,
        )  # fmt: skip
        normal_equations(group_start, four, robust, residual, share_re, share_im, re, im, normal, pull)
        for s in range(sites):
            normal[s, s] += ridge
            normal[sites + s, sites + s] += ridge
            pull[s] -= ridge * rho[s].real
            pull[sites + s] -= ridge * rho[s].imag
        step = np.linalg.solve(normal, pull)
        for s in range(sites):
            x, y = step[s], step[sites + s]
            size = math.sqrt(x * x + y * y)
            rho[s] += 0.8 * min(1.0, most / max(size, 1e-9)) * complex(x, y)
