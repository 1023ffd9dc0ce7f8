"""The joint fit's kernel in plain numpy: what ``scatterer_kernels`` computes, kept to hold it equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


def slopes(
    first_at: Complex, first: Complex, second_at: Complex, second: Complex, factor: Complex, weight: Floats,
    field: Complex,
) -> Floats:  # fmt: skip
    """Return the real design matrix of one Gauss-Newton step.

    The field of tag ``a`` at stop ``n`` changes with parameter ``p`` by
    ``first_at[a, p] first[p, n] + second_at[a, p] second[p, n]``; times the tag's factor, less its part along the
    field itself (which the factor takes up: variable projection, Golub & Pereyra, SIAM J. Numer. Anal. 10, 1973, in
    Kaufman's approximation), times the weight.

    Parameters
    ----------
    first_at, second_at : complex128 array, shape (a, p)
    first, second : complex128 array, shape (p, n)
    factor : complex128 array, shape (a,)
    weight : float64 array, shape (a, n)
        0 where nothing was heard.
    field : complex128 array, shape (a, n)

    Returns
    -------
    float64 array, shape (p, 2 a n)
        For each tag the real parts at all stops, then the imaginary ones.
    """
    change = first_at[:, :, None] * first + second_at[:, :, None] * second
    change = change * factor[:, None, None] * (weight > 0)[:, None, :]
    unit = np.where(weight > 0, field, 0.0)
    norm = np.maximum((np.abs(unit) ** 2).sum(axis=1), 1e-30)
    along = (change @ unit.conj()[:, :, None]) / norm[:, None, None]
    left = (change - along * unit[:, None, :]) * weight[:, None, :]
    parts = np.stack([left.real, left.imag], axis=2)
    return np.asarray(parts.transpose(1, 0, 2, 3).reshape(left.shape[1], -1), np.float64)
