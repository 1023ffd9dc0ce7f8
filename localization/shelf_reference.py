"""The kernels of ``shelf_kernels`` in plain numpy: what the compiled ones are held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.kernels import STUDENT_NU
from localization.shelf_kernels import AMPLITUDE_STEP, LEAST_FIELD, MEAN_STEPS
from localization.shelf_start_kernels import LEAST_FREE, MOST_COHERENCE, SPENT

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]


def fields_at(
    u: Floats, h: Floats, z: Floats, look: Floats, k: Floats, exponent: Floats, place: Floats
) -> Complex:
    """Return the field of every antenna place at every point, shape (n, q)."""
    gap = np.stack([place[:, 0] - u[:, None], -(h[:, None] + place[:, 1]), place[:, 2] - z[:, None]], axis=2)
    d = np.sqrt((gap**2).sum(axis=2)) + 1e-9
    cosine = np.maximum((gap * look[:, None]).sum(axis=2) / d, 1e-3)
    gain = np.maximum(cosine ** exponent[:, None], LEAST_FIELD)
    return np.asarray(gain / d * np.exp(-1j * k[:, None] * d), np.complex128)


def pursue(
    tag: Floats, owner: Ints, group: Ints, k: Floats, fold: Floats, weight: Floats, residual: Floats, model: Complex,
    place: Floats, field: Complex, ridge: float,
) -> Floats:  # fmt: skip
    """Return what a scatterer at each point would explain, shape (q,)."""
    way = np.sqrt(((tag[owner][:, None] - place) ** 2).sum(axis=2))
    share = fold[:, None] * field * np.exp(-1j * k[:, None] * way) / model[:, None]
    member = (group[:, None] == np.unique(group)).astype(np.float64)
    total = weight @ member

    def centred(value: Floats) -> Floats:
        return value - member @ ((member.T @ (weight[:, None] * value)) / total[:, None])

    a, b, r = centred(share.imag), centred(share.real), centred(residual[:, None])
    aa, bb = (weight @ (a * a)) + ridge, (weight @ (b * b)) + ridge
    ab, ra, rb = weight @ (a * b), -(weight @ (a * r)), -(weight @ (b * r))
    return (bb * ra**2 - 2 * ab * ra * rb + aa * rb**2) / np.maximum(aa * bb - ab**2, 1e-12)


def scattered_profile(
    u: Floats, h: Floats, z: Floats, look: Floats, k: Floats, exponent: Floats, fold: Floats, phase: Floats,
    weight: Floats, group: Ints, height: float, scale: float, x: Floats, place: Floats, strength: Complex,
) -> Floats:  # fmt: skip
    """Return one tag's robust log-likelihood over offsets, shape (x,)."""
    spots = np.stack([x, np.zeros(len(x)), np.full(len(x), height)], axis=1)
    way = np.sqrt(((spots[:, None] - place) ** 2).sum(axis=2))
    # The amplitude is that at the middle of every four offsets.
    block = np.arange(len(x)) // AMPLITUDE_STEP
    middle = np.array([x[block == n].mean() for n in range(block[-1] + 1)])[block]
    usual = np.stack([middle, np.zeros(len(x)), np.full(len(x), height)], axis=1)
    turn = np.exp(1j * np.angle(fields_at(u, h, z, look, k, exponent, spots)))
    m = np.abs(fields_at(u, h, z, look, k, exponent, usual)) * turn
    m = m + (np.exp(-1j * k[:, None, None] * way) * strength[:, None]).sum(axis=2)
    turned = np.exp(1j * (phase[:, None] + fold[:, None] * np.angle(m)))
    out = np.zeros(len(x))
    for g in np.unique(group):
        mine, w = turned[group == g], weight[group == g][:, None]
        mean = np.exp(1j * np.angle((w * mine).sum(axis=0)))
        for _ in range(MEAN_STEPS):
            chord = 2.0 * (1.0 - (mine * mean.conj()).real)
            mean = np.exp(1j * np.angle((w / (STUDENT_NU + chord / scale**2) * mine).sum(axis=0)))
        chord = 2.0 * (1.0 - (mine * mean.conj()).real)
        out -= (w * 0.5 * (STUDENT_NU + 1.0) * np.log1p(chord / scale**2 / STUDENT_NU)).sum(axis=0)
    return out


def guess_strengths(
    start: Ints, group: Ints, weight: Floats, fold: Floats, phase: Floats, direct: Complex, share: Complex,
    log_prior: Floats, rho: Complex,
) -> float:  # fmt: skip
    """Return the log-likelihood of one guess of the scatterers' strengths, wherever the tags may stand.

    ``direct`` of shape (n, offsets), ``share`` (scatterers, n, offsets), ``rho`` (scatterers,).
    """
    field = direct + np.tensordot(rho, share, 1)
    turned = np.exp(1j * (phase[:, None] + fold[:, None] * np.angle(field)))
    total = 0.0
    for t in range(len(start) - 1):
        rows = np.arange(start[t], start[t + 1])
        mine = [rows[group[rows] == g] for g in np.unique(group[rows])]
        together = sum(np.abs((weight[some, None] * turned[some]).sum(axis=0)) for some in mine)
        heard = weight[rows].sum()
        coherence = np.minimum(together / heard, MOST_COHERENCE)
        free = max(heard - SPENT * len(mine), LEAST_FREE * heard)
        total += float(np.logaddexp.reduce(log_prior[t] - free * np.log(1.0 - coherence**2)))
    return total
