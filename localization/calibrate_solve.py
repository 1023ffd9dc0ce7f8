"""The mixed model of :mod:`localization.calibrate_model` solved, face by face.

Faces have nothing in common but five unknowns (centre, latency, the map's shift and turn), and a tag stands on one
face: what the cells of one face say is summed by itself, over its few runs, and put together with the others' in five
dimensions (Sherman, Morrison & Woodbury; C. R. Henderson's mixed model equations). Time and memory grow with the faces,
where the covariance of all cells would grow with their square and its inverse with their cube.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.calibrate_model import Cells, Site

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What is supposed before anything is seen: a mount measured with a tape, a clock set by network, a map laid by hand.
CENTRE_SIGMA_M, LATENCY_SIGMA_S, MAP_SIGMA_M, TURN_SIGMA_RAD = 0.05, 0.3, 0.1, 0.03
#: Spreads of faces, and of one face from run to run: log-normal, this median, give or take a factor of e.
FACE_SPREAD_M, RUN_SPREAD_M = 0.02, 0.01
SPREADS_M = np.geomspace(0.002, 0.2, 24)
#: A latency is told where the data narrow what it usually is to this share, were phase centres anywhere within a metre.
TOLD, ANYWHERE_M = 0.5, 1.0
#: Fewest faces that a shifted and turned map is told from.
FEWEST_FACES = 4
#: Unknowns that all faces share.
COMMON = 5


@dataclass(frozen=True, slots=True)
class Model:
    """Which unknowns are looked for, and how the rest spreads."""

    latency: bool
    shifted: bool
    face_spread_m: float
    run_spread_m: float


@dataclass(frozen=True, slots=True)
class Solution:
    """The unknowns: centre, latency, the map's x, y and turn, then every face.

    Attributes
    ----------
    model : Model
    mean : float64 array, shape (5 + f,)
        In m, s, m, m, rad, and m of every face of the site.
    covariance : float64 array, shape (5, 5)
        Of the first five.
    cross : float64 array, shape (f, 5)
        Covariance of every face with these.
    variance : float64 array, shape (f,)
        Of every face.
    """

    model: Model
    mean: Floats
    covariance: Floats
    cross: Floats
    variance: Floats

    def faces(self, site: Site) -> tuple[Floats, Floats]:
        """Return the error of each face beside centre and latency, and its deviation, m, two of shape (f,)."""
        faces = len(site.direction)
        error, variance = self.predict(site, np.arange(faces), np.zeros(faces), np.zeros(faces))
        return error, np.sqrt(variance)

    def predict(self, site: Site, face: Ints, heading: Floats, speed: Floats) -> tuple[Floats, Floats]:
        """Return the error expected and its variance, less what a run adds, m and m^2, two of shape (n,).

        ``face`` is a number of the site's, ``heading`` -1 to 1 along it, ``speed`` m/s, each of shape (n,).
        """
        rows = _rows(site, face, heading, speed)
        expected = rows @ self.mean[:COMMON] + self.mean[COMMON + face]
        variance = np.einsum("ni,ij,nj->n", rows, self.covariance, rows) + self.variance[face]
        return expected, variance + 2.0 * (rows * self.cross[face]).sum(axis=1)


def solve(cells: Cells, site: Site, *, model: Model | None = None) -> Solution:
    """Estimate the unknowns.

    Parameters
    ----------
    cells : Cells
    site : Site
    model : Model, optional
        Found from the cells if None: spreads by marginal likelihood, the map's shift and turn only if they foretell
        faces that were left out better, latency only if the cells tell it from the phase centre.
    """
    sums = FaceSums.of(cells, site)
    if model is not None:
        return _posterior(sums, model)
    plain = _spreads(sums, Model(True, False, FACE_SPREAD_M, RUN_SPREAD_M))
    if len(sums.face) >= FEWEST_FACES:
        shifted = _spreads(sums, replace(plain, shifted=True))
        if _foretold(sums, shifted) > _foretold(sums, plain):
            plain = shifted
    apart = _posterior(sums, plain, ANYWHERE_M)
    if math.sqrt(apart.covariance[1, 1]) <= TOLD * LATENCY_SIGMA_S:
        return _posterior(sums, plain)
    return _posterior(sums, _spreads(sums, replace(plain, latency=False)))


def foretold_by_others(cells: Cells, site: Site, model: Model) -> tuple[Floats, Floats]:
    """Foretell every cell by the cells of all other faces.

    Returns
    -------
    error_m, variance_m2 : float64 array, shape (k,)
        What is expected, and its variance beside what the face and the run have of their own.
    """
    sums = FaceSums.of(cells, site)
    covariance, mean = _without_each(sums.given(model)[0], model)
    at = np.searchsorted(sums.face, cells.face)
    rows = _rows(site, cells.face, cells.heading, cells.speed_mps)
    return (rows * mean[at]).sum(axis=1), np.einsum("ni,nij,nj->n", rows, covariance[at], rows)


@dataclass(frozen=True, slots=True)
class FaceSums:
    """What the equations need of each face, for any spreads.

    Attributes
    ----------
    face : int64 array, shape (s,)
        The faces seen, of ``faces`` in the site.
    faces : int
    parts : tuple of (int64 array, float64 array, float64 array), shapes (a,), (a, r), (a, r, 7)
        Of the faces that r runs saw: their rows in ``face``; the eigenvalues of their cells' noise; in its axes the
        five columns of the equations, the errors, and ones.
    """

    face: Ints
    faces: int
    parts: tuple[tuple[Ints, Floats, Floats], ...]

    @classmethod
    def of(cls, cells: Cells, site: Site) -> FaceSums:
        """Diagonalize the noise of every face's cells."""
        face, at, size = np.unique(cells.face, return_inverse=True, return_counts=True)
        order = np.lexsort((cells.run, at))
        first = np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int64)
        columns = np.column_stack(
            [
                _rows(site, cells.face, cells.heading, cells.speed_mps),
                cells.error_m,
                np.ones(len(cells.face)),
            ]
        )
        parts: list[tuple[Ints, Floats, Floats]] = []
        for runs in np.unique(size).tolist():
            some = np.flatnonzero(size == runs)
            index = order[first[some][:, None] + np.arange(runs)]
            value, axes = np.linalg.eigh(cells.noise[index[:, :, None], cells.run[index][:, None, :]])
            parts.append((some, value, np.swapaxes(axes, 1, 2) @ columns[index]))
        return cls(face.astype(np.int64), len(site.direction), tuple(parts))

    def weighed(self, run_spread_m: float) -> tuple[Floats, Floats]:
        """Return the columns' products, weighed by a run's spread and noise, shape (s, 7, 7), and log det, (s,)."""
        product, log_det = np.zeros((len(self.face), 7, 7)), np.zeros(len(self.face))
        for some, value, columns in self.parts:
            variance = value + run_spread_m**2
            product[some] = np.swapaxes(columns, 1, 2) @ (columns / variance[:, :, None])
            log_det[some] = np.log(variance).sum(axis=1)
        return product, log_det

    def given(self, model: Model) -> tuple[Floats, Floats]:
        """Return the same of the first six columns with each face's own error integrated out, (s, 6, 6) and (s,)."""
        return with_faces(*self.weighed(model.run_spread_m), model.face_spread_m)


def with_faces(product: Floats, log_det: Floats, face_spread_m: float) -> tuple[Floats, Floats]:
    """Integrate out one error a face of that spread: shapes (s, 7, 7) and (s,) become (s, 6, 6) and (s,)."""
    grown = 1.0 + face_spread_m**2 * product[:, 6, 6]
    share = face_spread_m**2 / grown
    less = share[:, None, None] * product[:, :6, 6, None] * product[:, 6, None, :6]
    return product[:, :6, :6] - less, log_det + np.log(grown)


def _rows(site: Site, face: Ints, heading: Floats, speed: Floats) -> Floats:
    """Return what the unknowns that faces share count for, shape (n, 5)."""
    return np.column_stack([-heading, speed, site.direction[face], site.turned[face]])


def _prior(model: Model, centre_sigma_m: float = CENTRE_SIGMA_M) -> Floats:
    """Return the deviations of the unknowns that faces share, shape (5,); 0: not looked for."""
    moved = float(model.shifted)
    return np.array(
        [
            centre_sigma_m,
            LATENCY_SIGMA_S * model.latency,
            MAP_SIGMA_M * moved,
            MAP_SIGMA_M * moved,
            TURN_SIGMA_RAD * moved,
        ]
    )


def _shrunk(total: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
    """Return covariance (..., 5, 5) and mean (..., 5) given the sums (..., 6, 6), and the determinant's log (...)."""
    inner = np.eye(COMMON) + sigma[:, None] * total[..., :COMMON, :COMMON] * sigma
    covariance = sigma[:, None] * np.linalg.inv(inner) * sigma
    mean = (covariance @ total[..., :COMMON, COMMON, None])[..., 0]
    return covariance, mean, np.linalg.slogdet(inner)[1]


def _posterior(sums: FaceSums, model: Model, centre_sigma_m: float = CENTRE_SIGMA_M) -> Solution:
    product, log_det = sums.weighed(model.run_spread_m)
    total = with_faces(product, log_det, model.face_spread_m)[0].sum(axis=0)
    covariance, mean, _ = _shrunk(total, _prior(model, centre_sigma_m))
    # Of a face that nobody saw nothing is known but how faces spread.
    square = model.face_spread_m**2
    faces, variance = np.zeros(sums.faces), np.full(sums.faces, square)
    cross = np.zeros((sums.faces, COMMON))
    own = square / (1.0 + square * product[:, 6, 6])
    lean = own[:, None] * product[:, 6, :COMMON]
    faces[sums.face] = own * product[:, 6, COMMON] - lean @ mean
    cross[sums.face] = -lean @ covariance
    variance[sums.face] = own + np.einsum("si,ij,sj->s", lean, covariance, lean)
    return Solution(model, np.concatenate([mean, faces]), covariance, cross, variance)


def _spreads(sums: FaceSums, model: Model) -> Model:
    """Return the model with the spreads of faces and runs that make the cells likeliest."""
    several = any(value.shape[1] > 1 for _, value, _ in sums.parts)
    sigma = _prior(model)
    run_spreads = SPREADS_M if several else np.zeros(1)
    square = SPREADS_M[:, None] ** 2
    value = np.empty((len(SPREADS_M), len(run_spreads)))
    for column, run_spread in enumerate(run_spreads.tolist()):
        product, log_det = sums.weighed(run_spread)
        whole, said = product[:, :6, :6].sum(axis=0), product[:, :6, 6]
        # As `with_faces`, summed over the faces, for all spreads of theirs.
        grown = 1.0 + square * product[:, 6, 6]
        total = whole - (said.T * (square / grown)[:, None, :]) @ said
        value[:, column] = _log_likelihood(total, log_det.sum() + np.log(grown).sum(axis=1), sigma)
    value -= 0.5 * np.log(SPREADS_M / FACE_SPREAD_M)[:, None] ** 2
    if several:
        value -= 0.5 * np.log(run_spreads / RUN_SPREAD_M) ** 2
    face, run = np.unravel_index(int(value.argmax()), value.shape)
    return replace(model, face_spread_m=float(SPREADS_M[face]), run_spread_m=float(run_spreads[run]))


def _log_likelihood(total: Floats, log_det: Floats, sigma: Floats) -> Floats:
    """Return the marginal log-likelihoods of all cells by their sums, shapes (n, 6, 6) and (n,), but for a constant."""
    _, mean, more = _shrunk(total, sigma)
    square = total[:, COMMON, COMMON] - (total[:, COMMON, :COMMON] * mean).sum(axis=1)
    return -0.5 * (square + log_det + more)


def _without_each(product: Floats, model: Model) -> tuple[Floats, Floats]:
    """Return covariance (s, 5, 5) and mean (s, 5) of what faces share, by all but each of them."""
    # From both ends rather than the total less each: no digits are lost where one face says nearly all.
    before, after = np.zeros_like(product), np.zeros_like(product)
    np.cumsum(product[:-1], axis=0, out=before[1:])
    np.cumsum(product[:0:-1], axis=0, out=after[-2::-1])
    covariance, mean, _ = _shrunk(before + after, _prior(model))
    return covariance, mean


def _foretold(sums: FaceSums, model: Model) -> float:
    """Return the log-likelihood of every face by what all others say of it."""
    product, log_det = sums.given(model)
    covariance, mean = _without_each(product, model)
    inner, pull = product[:, :COMMON, :COMMON], product[:, :COMMON, COMMON]
    rest = pull - (inner @ mean[:, :, None])[:, :, 0]
    square = product[:, COMMON, COMMON] - (mean * (pull + rest)).sum(axis=1)
    grown = np.eye(COMMON) + inner @ covariance
    square -= np.einsum("si,sij,sj->s", rest, covariance, np.linalg.solve(grown, rest[:, :, None])[:, :, 0])
    return -0.5 * float((square + log_det + np.linalg.slogdet(grown)[1]).sum())
