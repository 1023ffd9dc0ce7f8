"""Logarithm, arc cosine, sine and cosine as short polynomials that compilers vectorize.

The C library's are a call for each number. These cost half a nanosecond in a loop over single precision, and err by
about half a millionth: far less than what any bin or residual here resolves. Inlined into the kernels that use them.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

Single = np.float32

_PI = np.float32(math.pi)
_ONE = np.float32(1.0)


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def log2_single(x: float | Single) -> Single:
    """Return the binary logarithm of a positive, normal number, error below 6e-7 of 1 + abs(log2 x).

    The exponent's bits, and of the fraction m in [sqrt(1/2), sqrt(2)) the series of 2 atanh((m - 1) / (m + 1)).
    """
    bits = np.float32(x).view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    m = np.int32(bits - (exponent << np.int32(23))).view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    series = np.float32(2.88539008) + q * (
        np.float32(0.961796694) + q * (np.float32(0.577078016) + q * np.float32(0.412198583))
    )
    return s * series + np.float32(exponent)


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def arccos_single(x: float | Single) -> Single:
    """Return the arc cosine of a number in [-1, 1], rad, error below 5e-7.

    Abramowitz & Stegun, Handbook of Mathematical Functions, 4.4.46.
    """
    a = abs(np.float32(x))
    p = np.float32(-0.0012624911) * a + np.float32(0.0066700901)
    p = p * a + np.float32(-0.0170881256)
    p = p * a + np.float32(0.0308918810)
    p = p * a + np.float32(-0.0501743046)
    p = p * a + np.float32(0.0889789874)
    p = p * a + np.float32(-0.2145988016)
    p = p * a + np.float32(1.5707963050)
    r = p * np.float32(math.sqrt(_ONE - a))
    return r if x >= 0 else _PI - r


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def sine_cosine(turns: float) -> tuple[float, float]:
    """Return sine and cosine of an angle given in turns, double precision, error below 3e-9.

    Of a half of the angle, brought to [-1/4, 1/4] turn, by Taylor's series, then doubled.
    """
    v = (turns - np.floor(turns + 0.5)) * math.pi
    q = v * v
    # Horner's scheme, a term a line: -1/3!, 1/5! ... and -1/2!, 1/4! ...
    s = q * (1 / 6227020800) - 1 / 39916800
    s = s * q + 1 / 362880
    s = s * q - 1 / 5040
    s = s * q + 1 / 120
    s = s * q - 1 / 6
    s = v * (1.0 + q * s)
    c = q * (-1 / 87178291200) + 1 / 479001600
    c = c * q - 1 / 3628800
    c = c * q + 1 / 40320
    c = c * q - 1 / 720
    c = c * q + 1 / 24
    c = c * q - 1 / 2
    c = 1.0 + q * c
    return 2.0 * s * c, 1.0 - 2.0 * s * s


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def exp2_single(x: float | Single) -> Single:
    """Return two to the power of a number in [-126, 126], relative error below 3e-7.

    The whole part goes to the exponent's bits; of the rest in [-1/2, 1/2) the series of exp(x ln 2).
    """
    whole = np.float32(math.floor(np.float32(x) + np.float32(0.5)))
    f = np.float32(x) - whole
    p = np.float32(1.5403530e-4) * f + np.float32(1.3333558e-3)
    p = p * f + np.float32(9.6181291e-3)
    p = p * f + np.float32(5.5504109e-2)
    p = p * f + np.float32(0.24022651)
    p = p * f + np.float32(0.69314718)
    p = p * f + _ONE
    bits = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
    return np.float32(p * bits.view(np.float32))


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def arctan2_single(y: float | Single, x: float | Single) -> Single:
    """Return the angle of a point, rad, error below 5e-7; 0 at the origin.

    Abramowitz & Stegun, Handbook of Mathematical Functions, 4.4.49, brought to the whole circle.
    """
    across, along = abs(np.float32(y)), abs(np.float32(x))
    a = min(across, along) / (max(across, along) + np.float32(1e-30))
    q = a * a
    p = np.float32(0.0028662257) * q + np.float32(-0.0161657367)
    p = p * q + np.float32(0.0429096138)
    p = p * q + np.float32(-0.0752896400)
    p = p * q + np.float32(0.1065626393)
    p = p * q + np.float32(-0.1420889944)
    p = p * q + np.float32(0.1999355085)
    p = p * q + np.float32(-0.3333314528)
    r = a * (_ONE + p * q)
    r = np.float32(1.5707963268) - r if across > along else r
    r = _PI - r if x < 0 else r
    return -r if y < 0 else r


@nb.njit(inline="always", error_model="numpy", fastmath=True)
def half_turns_single(turns: float | Single) -> tuple[Single, Single]:
    """Return cosine and sine of an angle given in turns, error below 5e-5 (of half of it by Taylor, doubled)."""
    a = np.float32(turns)
    a = (a - np.float32(math.floor(a + np.float32(0.5)))) * _PI
    w = a * a
    s = np.float32(-1 / 5040) + w * np.float32(1 / 362880)
    s = np.float32(-1 / 6) + w * (np.float32(1 / 120) + w * s)
    sine = a * (_ONE + w * s)
    c = np.float32(-1 / 720) + w * np.float32(1 / 40320)
    cosine = _ONE + w * (np.float32(-0.5) + w * (np.float32(1 / 24) + w * c))
    return _ONE - (sine + sine) * sine, (sine + sine) * cosine
