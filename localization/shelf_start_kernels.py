"""The compiled kernel of ``shelf_start``, with its numpy reference in ``shelf_reference``."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: A group's unknown phase takes so much of what its tag's readings tell, of which at least a share is left.
SPENT, LEAST_FREE = 0.5, 0.3
#: Phases of a few readings may agree by chance: no coherence counts for more.
MOST_COHERENCE = 0.995


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def guess_strengths(
    start: Ints,
    group: Ints,
    weight: Floats32,
    fold: Floats,
    phase: Floats,
    direct_re: Floats32,
    direct_im: Floats32,
    share_re: Floats32,
    share_im: Floats32,
    log_prior: Floats32,
    rho: Complex,
    value: Floats,
) -> None:
    """Fill the log-likelihood of some guesses of the scatterers' strengths, wherever the tags may stand.

    Each group's phase is at its best and each tag's residual scale as well: with ``R`` the sum over groups of
    ``|sum w exp(i r)|`` and ``W`` the sum of weights, ``-free log(1 - (R / W)^2)`` (von Mises profile likelihood).
    Offsets are summed over, tags multiplied.

    Parameters
    ----------
    start : shape (tags + 1,)
    group, weight, fold, phase : shape (n,)
        ``group`` ascending within a tag.
    direct_re, direct_im : shape (n, offsets)
        The field that comes straight, at the offsets that the reading's tag is tried at.
    share_re, share_im : shape (scatterers, n, offsets)
        What comes by each scatterer at unit strength.
    log_prior : shape (tags, offsets)
    rho : shape (guesses, scatterers)
    value : shape (guesses,)
        Out.
    """
    offsets = direct_re.shape[1]
    re, im = np.empty(offsets, np.float32), np.empty(offsets, np.float32)
    sum_re, sum_im = np.empty(offsets, np.float32), np.empty(offsets, np.float32)
    together = np.empty(offsets, np.float32)
    one, two, tiny = np.float32(1.0), np.float32(2.0), np.float32(1e-20)
    most = np.float32(MOST_COHERENCE)
    for guess in range(len(rho)):
        value[guess] = 0.0
        for t in range(len(start) - 1):
            together[:] = np.float32(0.0)
            i, groups, total = start[t], 0, np.float32(tiny)
            while i < start[t + 1]:
                sum_re[:] = np.float32(0.0)
                sum_im[:] = np.float32(0.0)
                here = group[i]
                while i < start[t + 1] and group[i] == here:
                    for x in range(offsets):
                        re[x], im[x] = direct_re[i, x], direct_im[i, x]
                    for s in range(rho.shape[1]):
                        a, b = np.float32(rho[guess, s].real), np.float32(rho[guess, s].imag)
                        for x in range(offsets):
                            re[x] += a * share_re[s, i, x] - b * share_im[s, i, x]
                            im[x] += a * share_im[s, i, x] + b * share_re[s, i, x]
                    w, four = weight[i], fold[i] > 3.0
                    cos, sin = np.float32(math.cos(phase[i])), np.float32(math.sin(phase[i]))
                    total += w
                    for x in range(offsets):
                        u, v = re[x] * re[x] - im[x] * im[x], two * re[x] * im[x]
                        if four:
                            u, v = u * u - v * v, two * u * v
                        size = w / math.sqrt(u * u + v * v + tiny)
                        sum_re[x] += (u * cos - v * sin) * size
                        sum_im[x] += (u * sin + v * cos) * size
                    i += 1
                groups += 1
                for x in range(offsets):
                    together[x] += math.sqrt(sum_re[x] * sum_re[x] + sum_im[x] * sum_im[x])
            free = np.float32(max(total - SPENT * groups, LEAST_FREE * total))
            top = np.float32(-1e30)
            for x in range(offsets):
                coherence = min(together[x] / total, most)
                together[x] = log_prior[t, x] - free * math.log(one - coherence * coherence)
                top = max(top, together[x])
            mass = np.float32(0.0)
            for x in range(offsets):
                mass += math.exp(together[x] - top)
            value[guess] += top + math.log(mass)
