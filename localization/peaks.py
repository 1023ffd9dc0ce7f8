"""The peaks of the imaged profile likelihood: where refinement begins, and how alone each peak stands.

The numpy reference of the kernel is in ``kernels_reference``.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Two places nearer than this are one peak.
APART_M = 0.05


@nb.njit(cache=True, nogil=True, error_model="numpy")
def find_peaks(
    image_start: Ints, x_count: Ints, x_low: Floats, x_step: float, image: npt.NDArray[np.float32],
    hypothesis_start: Ints, total: Floats, groups: Ints, centre: Floats, read_count: Ints, read_start: Ints,
    read_value: Floats, read_step: float, usual: Floats, footprint_share: float, footprint_wrong: float,
    centre_sigma: float, centre_wrong: float, out: Floats,
) -> None:  # fmt: skip
    """Join image, footprint and centroid of power, and find each hypothesis' best and second best peak.

    Parameters
    ----------
    image_start, x_count, x_low, image
        As ``profile.Image``; offsets are ``x_step`` apart.
    total, groups, centre : shape (candidates,)
        Sum of weights, number of groups, centroid of received power.
    read_count, read_start, read_value
        The footprint's log-likelihood on a grid from ``x_low``, ``read_step`` apart; empty: none.
    usual : shape (2,)
        Witnesses and squared resultant length that temper what few cells say.
    out : shape (hypotheses, 4)
        Out: offset of the best peak, its share of the mass, offset of the second best, footprint at the best.
    """
    longest = 1
    for c in range(len(x_count)):
        longest = max(longest, x_count[c])
    value, read = np.zeros(longest), np.zeros(longest)
    for c in range(len(x_count)):
        n = x_count[c]
        top = np.float32(0.0)
        for i in range(image_start[c], image_start[c + 1]):
            top = max(top, image[i])
        # Concentration of a von Mises from its mean resultant length (Banerjee et al., JMLR 6, 2005, eq. 4.4).
        # Few cells in many groups look coherent by chance: the unbiased square (each group takes one phase).
        r2 = (top / max(total[c], 1e-9)) ** 2
        known = max(total[c] * r2 - groups[c], 0.0) + usual[0] * usual[1]
        r = math.sqrt(min(max(known / max(total[c] - groups[c] + usual[0], 1.0), 0.04), 0.95))
        kappa = min(r * (2.0 - r * r) / (1.0 - r * r), 10.0)
        for y in range(hypothesis_start[c], hypothesis_start[c + 1]):
            row = image_start[c] + (y - hypothesis_start[c]) * n
            if len(read_value) > 0:
                m = read_count[c]
                begin = read_start[c] + (y - hypothesis_start[c]) * m
                best_read = -1e300
                for j in range(n):
                    at = j * (x_step / read_step)
                    below = int(at)
                    left = read_value[begin + below]
                    read[j] = left + (at - below) * (read_value[begin + below + 1] - left)
                    best_read = max(best_read, footprint_share * read[j])
                for j in range(n):
                    gap = footprint_share * read[j] - best_read
                    # Far above the floor the floor adds nothing, far below it the rest does not.
                    more = gap - footprint_wrong
                    if more > 36.0:
                        value[j] = gap
                    elif more < -36.0:
                        value[j] = footprint_wrong
                    else:
                        value[j] = footprint_wrong + math.log(1.0 + math.exp(more))
                    value[j] += best_read
            else:
                for j in range(n):
                    value[j], read[j] = 0.0, 0.0
            best, at_best = -1e300, 0
            for j in range(n):
                gap = (x_low[c] + x_step * j - centre[c]) / centre_sigma
                more = -0.5 * gap * gap - centre_wrong
                prior = centre_wrong if more < -36.0 else centre_wrong + math.log(1.0 + math.exp(more))
                value[j] += kappa * image[row + j] + prior
                if value[j] > best:
                    best, at_best = value[j], j
            mass, near, second, at_second = 0.0, 0.0, -1e300, 0
            for j in range(n):
                gap = value[j] - best
                part = math.exp(gap) if gap > -45.0 else 0.0
                mass += part
                if abs(j - at_best) * x_step < APART_M:
                    near += part
                elif value[j] > second:
                    second, at_second = value[j], j
            out[y, 0] = x_low[c] + x_step * at_best
            out[y, 1] = near / mass
            out[y, 2] = x_low[c] + x_step * at_second
            out[y, 3] = read[at_best]
