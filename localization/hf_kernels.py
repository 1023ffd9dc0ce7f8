"""The HF likelihood of tags over the faces' lattices, compiled; `localization.hf_reference` is the same in numpy."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Places and classes less likely than this do not teach the footprint.
_FAINT = 1e-3


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _window(bins: Ints, reach: int, first: int, last: int) -> tuple[int, int]:
    """Return the places on the face within reach of the median answer: a stray one moves it little."""
    middle = np.sort(bins)[len(bins) // 2]
    return min(max(middle - reach, first), last), max(min(middle + reach, last), first)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _log_joint(
    bins: Ints, channels: Ints, levels: int, curve: Ints, gain: Floats, silence: Floats, log_class: Floats,
    a: int, b: int,
) -> Floats:  # fmt: skip
    """Log-likelihood and log-prior of one tag, shape (levels, classes, places)."""
    classes, reach = gain.shape[1], gain.shape[2] - 1
    out = np.empty((levels, classes, b - a + 1))
    for level in range(levels):
        for g in range(classes):
            for x in range(a, b + 1):
                value = log_class[g] + silence[level, g, x]
                for i in range(len(bins)):
                    lag = abs(bins[i] - x)
                    value += gain[curve[level, channels[i]], g, lag if lag < reach else reach]
                out[level, g, x - a] = value
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def hf_posterior(
    start: Ints, bins: Ints, channels: Ints, face: Ints, levels: Ints, curve: Ints, lattice: Ints, first: Ints,
    last: Ints, gain: Floats, silence: Floats, log_class: Floats, log_z: Floats, mean: Floats, variance: Floats,
    strength: Floats,
) -> None:  # fmt: skip
    """Marginals of every tag's place, by level.

    Parameters
    ----------
    start : int64 array, shape (tags + 1,)
        Slices of ``bins`` and ``channels``, the answers.
    face : int64 array, shape (tags,)
    levels, first, last : int64 array, shape (faces,)
        Levels of each face, and its first and last place.
    curve : int64 array, shape (faces, most levels, channels)
    lattice : int64 array, shape (faces + 1,)
    gain : float64 array, shape (curves, classes, reach + 1)
        ``log p - log(1 - p)`` by lag.
    silence : float64 array, shape (most levels, classes, lattice[-1])
        ``sum n log(1 - p)`` of a tag that never answers.
    log_class : float64 array, shape (classes,)
    log_z, mean, variance, strength : float64 array, shape (tags, most levels)
        Written: log-evidence, mean and variance of the place (in bins), mean class.
    """
    for i in range(len(face)):
        f = face[i]
        b = bins[start[i] : start[i + 1]]
        reach = gain.shape[2] - 1
        low, high = _window(b, reach, int(first[f]), int(last[f]))
        joint = _log_joint(
            b, channels[start[i] : start[i + 1]], int(levels[f]), curve[f], gain,
            silence[:, :, lattice[f] : lattice[f + 1]], log_class, low, high,
        )  # fmt: skip
        for level in range(levels[f]):
            part = joint[level]
            top = part.max()
            total = s1 = s2 = sg = 0.0
            for g in range(part.shape[0]):
                for x in range(part.shape[1]):
                    w = math.exp(part[g, x] - top)
                    total += w
                    s1 += w * x
                    s2 += w * x * x
                    sg += w * g
            log_z[i, level] = top + math.log(total)
            mean[i, level] = low + s1 / total
            variance[i, level] = s2 / total - (s1 / total) ** 2
            strength[i, level] = sg / total


@nb.njit(cache=True, nogil=True, error_model="numpy")
def hf_expected(
    start: Ints, bins: Ints, channels: Ints, face: Ints, levels: Ints, curve: Ints, lattice: Ints, first: Ints,
    last: Ints, gain: Floats, silence: Floats, log_class: Floats, rounds: Floats, hits: Floats, asked: Floats,
    weight: Floats,
) -> float:  # fmt: skip
    """Add up expected answers and rounds by curve, class and lag (the E step); return the log-evidence.

    ``hits`` and ``asked`` have the shape of ``gain``, ``weight`` is of shape (classes,); all are added to.
    """
    evidence = 0.0
    reach = gain.shape[2] - 1
    for i in range(len(face)):
        f = face[i]
        b, c = bins[start[i] : start[i + 1]], channels[start[i] : start[i + 1]]
        low, high = _window(b, reach, int(first[f]), int(last[f]))
        joint = _log_joint(
            b,
            c,
            int(levels[f]),
            curve[f],
            gain,
            silence[:, :, lattice[f] : lattice[f + 1]],
            log_class,
            low,
            high,
        )
        top = joint.max()
        joint = np.exp(joint - top)
        total = joint.sum()
        evidence += top + math.log(total)
        joint /= total
        size = lattice[f + 1] - lattice[f]
        for level in range(levels[f]):
            for g in range(joint.shape[1]):
                for x in range(joint.shape[2]):
                    q = joint[level, g, x]
                    weight[g] += q
                    if q < _FAINT:
                        continue
                    here = low + x
                    for k in range(len(b)):
                        lag = abs(b[k] - here)
                        if lag < reach:
                            hits[curve[f, level, c[k]], g, lag] += q
                    for channel in range(rounds.shape[0]):
                        row = curve[f, level, channel]
                        for j in range(max(0, here - reach + 1), min(size, here + reach)):
                            n = rounds[channel, lattice[f] + j]
                            if n > 0.0:
                                asked[row, g, abs(j - here)] += q * n
    return evidence
