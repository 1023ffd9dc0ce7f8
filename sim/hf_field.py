"""The near field of a shelf antenna at 13.56 MHz, and how book tags take it up.

Sources: the field is Biot and Savart's, of straight wires; at 22 m wavelength it is the same at every moment. Tags
are resonant loops that share flux, the linear network of Finkenzeller, RFID Handbook (3rd ed.), section 4.1.
Assumed, as no source measures them in books: the tags' quality factor and greatest coupling, and their scatter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Where the flux through a tag is sampled, along its two sides, as shares of its half width.
_SAMPLES = np.array([(0.0, 0.0), (0.6, 0.6), (0.6, -0.6), (-0.6, 0.6), (-0.6, -0.6)])


def loop_wires(width_m: float, height_m: float, *, figure_eight: bool = False) -> Floats:
    """Return the wires of a shelf antenna in its own plane.

    Parameters
    ----------
    width_m, height_m : float
    figure_eight : bool
        True: two loops side by side with opposite currents, whose field runs along the shelf in the middle.

    Returns
    -------
    float64 array, shape (wires, 2, 2)
        Begin and end of each wire (along the width, along the height); the middle is the origin.
    """
    a, b = width_m / 2, height_m / 2

    def loop(left: float, right: float) -> list[list[tuple[float, float]]]:
        corners = [(left, -b), (right, -b), (right, b), (left, b)]
        return [[corners[i], corners[(i + 1) % 4]] for i in range(4)]

    if not figure_eight:
        return np.array(loop(-a, a))
    return np.array(loop(-a, 0.0) + [wire[::-1] for wire in loop(0.0, a)])


def field(wires: Floats, points: Floats) -> Floats:
    """Return the field of one ampere, A/m.

    ``H = I / (4 pi) (r1 x r2) (|r1| + |r2|) / (|r1| |r2| (|r1| |r2| + r1 . r2))`` for each straight wire from ``r1`` to
    ``r2`` as seen from the point (Biot and Savart).

    Parameters
    ----------
    wires : float64 array, shape (w, 2, 2)
        Of `loop_wires`.
    points : float64 array, shape (n, 3)
        Along the width, along the height, and before the antenna.

    Returns
    -------
    float64 array, shape (n, 3)
    """
    ends = np.concatenate([wires, np.zeros((*wires.shape[:2], 1))], axis=2)
    r1 = points[:, None, :] - ends[None, :, 0]
    r2 = points[:, None, :] - ends[None, :, 1]
    n1, n2 = np.linalg.norm(r1, axis=2), np.linalg.norm(r2, axis=2)
    bottom = n1 * n2 * (n1 * n2 + (r1 * r2).sum(axis=2))
    factor = (n1 + n2) / np.maximum(bottom, 1e-12)
    return np.asarray((np.cross(r1, r2) * factor[:, :, None]).sum(axis=1) / (4 * np.pi), np.float64)


def flux(wires: Floats, points: Floats, axis: Floats, side_m: float) -> Floats:
    """Return the mean field through square tags, along their axes, A/m for one ampere; signed, shape (n,).

    Parameters
    ----------
    points, axis : float64 array, shape (n, 3)
        Middle and unit normal of each tag, in the antenna's frame. The tag's sides run along the height and across.
    side_m : float
    """
    up = np.array([0.0, 1.0, 0.0])
    across = np.cross(axis, up)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    along = np.cross(across, axis)
    steps = 0.5 * side_m * _SAMPLES
    where = points[:, None] + steps[:, 0, None] * across[:, None] + steps[:, 1, None] * along[:, None]
    through = field(wires, where.reshape(-1, 3)).reshape(len(points), len(steps), 3)
    return np.asarray((through * axis[:, None]).sum(axis=2).mean(axis=1), np.float64)


def mutual(place_m: Floats, radius_m: float, strongest: float) -> Floats:
    """Return the coupling coefficients of parallel tags, shape (n, n), 0 on the diagonal.

    ``k = k0 (1 + (d / a)^2)^(-3/2)`` is that of two small coaxial loops ``d`` apart; tags shifted against each other
    by ``s`` share less flux, ``exp(-s^2 / (2 a^2))``, an assumption.

    Parameters
    ----------
    place_m : float64 array, shape (n, 3)
        Along the tags' common axis, and along both sides.
    radius_m, strongest : float
        ``a`` and ``k0``.
    """
    apart = place_m[:, None] - place_m[None]
    k = strongest * (1.0 + (apart[:, :, 0] / radius_m) ** 2) ** -1.5
    k *= np.exp(-(apart[:, :, 1] ** 2 + apart[:, :, 2] ** 2) / (2.0 * radius_m**2))
    np.fill_diagonal(k, 0.0)
    return np.asarray(k, np.float64)


def response(coupling: Floats, detuning: Floats, quality: float) -> npt.NDArray[np.complex128]:
    """Return the matrix from the fields at the tags to the currents in them, shape (n, n).

    ``(1 + 2 j Q delta_i) i_i + j Q sum_j k_ij i_j = h_i``: each tag a series resonance, at 1 when alone and tuned.

    Parameters
    ----------
    coupling : float64 array, shape (n, n)
    detuning : float64 array, shape (n,)
        Each tag's resonance off the carrier, relative.
    quality : float
        Loaded quality factor.
    """
    network = 1j * quality * coupling + np.diag(1.0 + 2j * quality * detuning)
    return np.asarray(np.linalg.inv(network), np.complex128)
