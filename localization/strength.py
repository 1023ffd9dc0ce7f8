"""What RSSI says: how strong a tag must be to have been heard as it was from a supposed place.

RSSI hardly tells where along a face a tag stands, but well which antenna is nearest in height, and on which side of
a rack the tag is: with the right place, one strength explains every antenna's readings, and it is no other than
tags have.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, rows_of
from localization.fast_math import arccos_single, log2_single
from localization.hypotheses import Hypotheses
from localization.observations import Mounts, Observations
from localization.profile import Fits
from localization.signal_model import FADING_DB

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Fades are alike over about twice the way phases are, so a phase's worth of track is half a witness.
WITNESS = 1.0
#: A residual beyond this is a null or another way of hearing the tag, whose size says nothing more.
CLIP_DB = 10.0
#: Spread of tags' own strength, dB: make, orientation, the book.
TAG_DB = 5.0


def rssi_likelihood(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    pattern_share: float,
    bias_db: Floats,
) -> tuple[Floats, Floats]:
    """Return each hypothesis' implied tag strength (dB at 1 m on boresight) and log-likelihood, shape (y,).

    Parameters
    ----------
    pattern_share : float
        How much of the antennas' nominal pattern the run shows (0: none, multipath fills it; 1: all).
    bias_db : float64 array, shape (256,)
        What each antenna hears more than the others.
    """
    obs = candidates.observation
    strength = np.zeros(int(hypotheses.start[-1]))
    likelihood = np.zeros(len(strength))
    rssi = observations.rssi_dbm[obs] - bias_db[observations.antenna[obs]]
    _rssi_likelihood(
        candidates.start, candidates.u, candidates.h, candidates.z, candidates.look, rssi,
        mounts.beamwidth_deg[observations.antenna[obs]], WITNESS / candidates.density, hypotheses.start,
        fits.offset_m, fits.depth_m, fits.height_m, pattern_share, strength, likelihood,
    )  # fmt: skip
    return strength, likelihood


def learn_pattern(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    fits: Fits,
    mounts: Mounts,
    best: Ints,
) -> tuple[float, Floats]:
    """Learn from the run how much of the nominal pattern is there, and what each antenna hears more.

    Parameters
    ----------
    best : int64 array
        The hypothesis of each tag whose place is trusted so far.

    Returns
    -------
    pattern_share : float
    bias_db : float64 array, shape (256,)
    """
    owner = np.searchsorted(hypotheses.start, best, side="right") - 1
    size = np.diff(candidates.start)[owner]
    index = rows_of(candidates.start, owner)
    tag = np.repeat(np.arange(len(best)), size)
    hyp = np.repeat(best, size)
    gap = np.stack(
        [
            fits.offset_m[hyp] - candidates.u[index],
            -(candidates.h[index] + fits.depth_m[hyp]),
            fits.height_m[hyp] - candidates.z[index],
        ],
        axis=1,
    )
    d = np.sqrt((gap**2).sum(axis=1)) + 1e-6
    obs = candidates.observation[index]
    antenna = observations.antenna[obs]
    angle = np.degrees(np.arccos(np.clip((gap * candidates.look[index]).sum(axis=1) / d, -1, 1)))
    shape = -2.0 * np.minimum(12.0 * (angle / mounts.beamwidth_deg[antenna]) ** 2, 20.0)
    flat = observations.rssi_dbm[obs] + 40.0 * np.log10(np.maximum(d, 0.1))
    weight = 1.0 / candidates.density[index]
    share, bias = 0.0, np.zeros(256)
    if len(index) == 0:
        return share, bias
    for _ in range(3):
        rest = flat - bias[antenna]
        a, b = _centred(rest, tag, weight), _centred(shape, tag, weight)
        share = float(np.clip((weight * a * b).sum() / max((weight * b * b).sum(), 1e-9), 0.0, 1.0))
        left = _centred(flat - share * shape, tag, weight)
        for number in np.unique(antenna):
            chosen = antenna == number
            # Shrunk towards none: five tags' worth of prior, as a bias and the tags' heights look alike.
            bias[number] = (
                np.median(left[chosen]) * chosen.sum() / (chosen.sum() + 5 * len(index) / len(best))
            )
        used = np.unique(antenna)
        bias[used] -= bias[used].mean()
    return share, bias


def _centred(value: Floats, tag: Ints, weight: Floats) -> Floats:
    mean = np.bincount(tag, value * weight) / np.bincount(tag, weight)
    return value - mean[tag]


@nb.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _rssi_likelihood(
    start: Ints, u: Floats, h: Floats, z: Floats, look: Floats, rssi: Floats, beamwidth: Floats, weight: Floats,
    hypothesis_start: Ints, offset: Floats, depth: Floats, height: Floats, pattern_share: float,
    strength: Floats, likelihood: Floats,
) -> None:  # fmt: skip
    longest = 1
    for c in range(len(start) - 1):
        longest = max(longest, start[c + 1] - start[c])
    # One array for each thing and in single precision, which loops vectorize; from the candidate's first observation.
    kind = np.float32
    us, hs, zs = np.zeros(longest, kind), np.zeros(longest, kind), np.zeros(longest, kind)
    along, out, up = np.zeros(longest, kind), np.zeros(longest, kind), np.zeros(longest, kind)
    per_beam, flat = np.zeros(longest, kind), np.zeros(longest, kind)
    weights, measured = np.zeros(longest, kind), np.zeros(longest, kind)
    one, least, clip = kind(1.0), kind(1e-12), kind(CLIP_DB)
    share = kind(2.0 * pattern_share)
    for c in range(len(start) - 1):
        a, n = start[c], start[c + 1] - start[c]
        number = 0.0
        for i in range(n):
            o = a + i
            us[i], hs[i], zs[i] = u[o] - u[a], h[o], z[o]
            along[i], out[i], up[i] = look[o, 0], look[o, 1], look[o, 2]
            per_beam[i] = 180.0 / math.pi / beamwidth[o]
            weights[i], measured[i] = weight[o], rssi[o]
            number += weight[o]
        per_weight = kind(1.0 / max(number, 1e-9))
        for y in range(hypothesis_start[c], hypothesis_start[c + 1]):
            x, deep, high = kind(offset[y] - u[a]), kind(depth[y]), kind(height[y])
            for i in range(n):
                du, dh, dz = x - us[i], -(hs[i] + deep), high - zs[i]
                square = du * du + dh * dh + dz * dz + least
                law = kind(-6.0205999133) * log2_single(max(square, kind(0.01)))
                cos = (du * along[i] + dh * out[i] + dz * up[i]) / kind(math.sqrt(square))
                angle = arccos_single(min(max(cos, -one), one)) * per_beam[i]
                law -= share * min(kind(12.0) * angle * angle, kind(20.0))
                flat[i] = measured[i] - law
            total = kind(0.0)
            for i in range(n):
                total += weights[i] * flat[i]
            mean = total * per_weight
            # One more look with the outliers clipped.
            total = kind(0.0)
            for i in range(n):
                total += weights[i] * min(max(flat[i] - mean, -clip), clip)
            mean += total * per_weight
            cost = kind(0.0)
            for i in range(n):
                gap = min(max(flat[i] - mean, -clip), clip)
                cost += weights[i] * gap * gap
            strength[y] = mean
            likelihood[y] = -0.5 * cost / (FADING_DB * FADING_DB)
