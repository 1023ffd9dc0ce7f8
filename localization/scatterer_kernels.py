"""The joint fit's inner loop: derivatives of all tags' fields, weighted and free of the tags' own factors."""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


@nb.njit(cache=True, nogil=True)
def slopes(
    first_at: Complex, first: Complex, second_at: Complex, second: Complex, factor: Complex, weight: Floats,
    field: Complex,
) -> Floats:  # fmt: skip
    """Return the real design matrix of one Gauss-Newton step; see ``scatterer_reference.slopes``."""
    tags, many = first_at.shape
    stops = first.shape[1]
    out = np.zeros((many, 2 * tags * stops))
    row = np.empty(stops, np.complex128)
    for a in range(tags):
        norm = 0.0
        for n in range(stops):
            if weight[a, n] > 0.0:
                norm += field[a, n].real ** 2 + field[a, n].imag ** 2
        norm = 1.0 / max(norm, 1e-30)
        begin = 2 * a * stops
        for p in range(many):
            one, two = first_at[a, p] * factor[a], second_at[a, p] * factor[a]
            if one == 0.0 and two == 0.0:
                continue
            along = 0.0 + 0.0j
            for n in range(stops):
                if weight[a, n] > 0.0:
                    row[n] = one * first[p, n] + two * second[p, n]
                    along += row[n] * field[a, n].conjugate()
            along *= norm
            for n in range(stops):
                if weight[a, n] > 0.0:
                    left = (row[n] - along * field[a, n]) * weight[a, n]
                    out[p, begin + n] = left.real
                    out[p, begin + stops + n] = left.imag
    return out
