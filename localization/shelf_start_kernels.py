"""The compiled kernel of ``shelf_start``, with its numpy reference in ``shelf_reference``."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.fast_math import exp2_single, half_turns_single, log2_single

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
    four: npt.NDArray[np.bool_],
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
    group, weight, four : shape (n,)
        ``group`` ascending within a tag; ``four``: phases were doubled against half turns.
    direct_re, direct_im : shape (n, offsets)
        The field that comes straight, at the offsets that the reading's tag is tried at, turned by the phase heard over
        the fold (2, or 4 where ``four``): of the right field that power has one phase in a group.
    share_re, share_im : shape (scatterers, n, offsets)
        What comes by each scatterer at unit strength, turned likewise.
    log_prior : shape (tags, offsets)
    rho : shape (guesses, scatterers)
    value : shape (guesses,)
        Out.
    """
    offsets, sites, longest = direct_re.shape[1], rho.shape[1], 1
    for t in range(len(start) - 1):
        longest = max(longest, start[t + 1] - start[t])
    base_re, base_im = np.empty(longest * offsets, np.float32), np.empty(longest * offsets, np.float32)
    re, im = np.empty(longest * offsets, np.float32), np.empty(longest * offsets, np.float32)
    sum_re, sum_im = np.empty(offsets, np.float32), np.empty(offsets, np.float32)
    together = np.empty(offsets, np.float32)
    one, two, tiny = np.float32(1.0), np.float32(2.0), np.float32(1e-20)
    most, least, per_bit = np.float32(MOST_COHERENCE), np.float32(-126.0), np.float32(1.0 / math.log(2.0))
    same = np.ones(sites, np.bool_)
    for s in range(sites):
        for guess in range(len(rho)):
            same[s] = same[s] and rho[guess, s] == rho[0, s]
    value[:] = 0.0
    # Tag by tag: what was heard of one stays in the nearer caches for all guesses, and what these share is added once.
    for t in range(len(start) - 1):
        a, b = start[t], start[t + 1]
        _put(direct_re[a:b].reshape(-1), direct_im[a:b].reshape(-1), base_re, base_im)
        for s in range(sites):
            if same[s]:
                _add(rho[0, s], share_re[s, a:b].reshape(-1), share_im[s, a:b].reshape(-1), base_re, base_im)
        for guess in range(len(rho)):
            together[:] = np.float32(0.0)
            i, groups, total = a, 0, np.float32(tiny)
            while i < b:
                sum_re[:] = np.float32(0.0)
                sum_im[:] = np.float32(0.0)
                end = i + 1
                while end < b and group[end] == group[i]:
                    end += 1
                low, high = (i - a) * offsets, (end - a) * offsets
                _put(base_re[low:high], base_im[low:high], re, im)
                for s in range(sites):
                    if not same[s]:
                        _add(
                            rho[guess, s],
                            share_re[s, i:end].reshape(-1),
                            share_im[s, i:end].reshape(-1),
                            re,
                            im,
                        )
                for n in range(end - i):
                    w, line_re, line_im = weight[i + n], re[n * offsets :], im[n * offsets :]
                    total += w
                    if four[i + n]:
                        for x in range(offsets):
                            square = line_re[x] * line_re[x] + line_im[x] * line_im[x]
                            u = line_re[x] * line_re[x] - line_im[x] * line_im[x]
                            v = two * line_re[x] * line_im[x]
                            size = w / (square * square + tiny)
                            sum_re[x] += (u * u - v * v) * size
                            sum_im[x] += two * u * v * size
                    else:
                        for x in range(offsets):
                            square = line_re[x] * line_re[x] + line_im[x] * line_im[x]
                            size = w / (square + tiny)
                            sum_re[x] += (line_re[x] * line_re[x] - line_im[x] * line_im[x]) * size
                            sum_im[x] += two * line_re[x] * line_im[x] * size
                i = end
                groups += 1
                for x in range(offsets):
                    together[x] += np.float32(math.sqrt(sum_re[x] * sum_re[x] + sum_im[x] * sum_im[x]))
            free = np.float32(max(total - SPENT * groups, LEAST_FREE * total))
            top, bits = np.float32(-1e30), free * np.float32(math.log(2.0))
            for x in range(offsets):
                coherence = min(together[x] / total, most)
                together[x] = log_prior[t, x] - bits * log2_single(one - coherence * coherence)
            for x in range(offsets):
                top = max(top, together[x])
            mass = np.float32(0.0)
            for x in range(offsets):
                mass += exp2_single(max((together[x] - top) * per_bit, least))
            value[guess] += top + math.log(mass)


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _put(from_re: Floats32, from_im: Floats32, re: Floats32, im: Floats32) -> None:
    for x in range(len(from_re)):
        re[x] = from_re[x]
    for x in range(len(from_re)):
        im[x] = from_im[x]


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(rho: complex, share_re: Floats32, share_im: Floats32, re: Floats32, im: Floats32) -> None:
    p, q = np.float32(rho.real), np.float32(rho.imag)
    for x in range(len(share_re)):
        re[x] += p * share_re[x] - q * share_im[x]
    for x in range(len(share_re)):
        im[x] += p * share_im[x] + q * share_re[x]


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def by_way_of(
    offset: Floats, turns: Floats, along: Floats, across: Floats, field: Complex, re: Floats32, im: Floats32
) -> None:
    """Fill what comes of tags at offsets by way of scatterers at unit strength.

    Parameters
    ----------
    offset : shape (n, offsets)
        Where each reading's tag is tried.
    turns : shape (n,)
        One-way wavenumber, turns a metre.
    along, across : shape (scatterers,)
        Where along the shelf a scatterer stands, and how far from the line of the tags.
    field : shape (scatterers, n)
        Of the antenna places at the scatterers.
    re, im : shape (scatterers, n, offsets)
        Out.
    """
    for s in range(len(along)):
        for i in range(len(turns)):
            there, aside, turn = np.float32(along[s]), np.float32(across[s]), np.float32(turns[i])
            p, q = np.float32(field[s, i].real), np.float32(field[s, i].imag)
            line, line_re, line_im = offset[i], re[s, i], im[s, i]
            for x in range(len(line)):
                du = np.float32(line[x]) - there
                cos, sin = half_turns_single(turn * np.float32(math.sqrt(du * du + aside * aside)))
                line_re[x] = p * cos + q * sin
                line_im[x] = q * cos - p * sin
