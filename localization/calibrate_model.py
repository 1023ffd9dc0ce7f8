"""What references say of a robot and a site: a linear mixed model of the errors along the faces.

The error of a tag's offset is, to first order,

    e = -c s + tau v + u . (t + theta J p) + b_face + w_run,face + the tag's own

with ``c`` the antennas' mean phase centre ahead of where it is stated, ``s`` the robot's heading along the face (-1 to
1), ``tau`` the latency, ``v`` the robot's speed along the face, ``u`` the face's direction, ``t`` and ``theta`` how
the map is shifted and turned against the survey about its middle, ``b`` what a face keeps from run to run and ``w``
what it does not. All unknowns are random with zero mean, so that what few references say is shrunk by its own
uncertainty (best linear unbiased prediction: Robinson, Statistical Science 6, 1991); the spreads of ``b`` and ``w``
come from the data by marginal likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: What is supposed before anything is seen: a mount measured with a tape, a clock set by network, a map laid by hand.
CENTRE_SIGMA_M, LATENCY_SIGMA_S, MAP_SIGMA_M, TURN_SIGMA_RAD = 0.05, 0.3, 0.1, 0.03
#: Spreads of faces, and of one face from run to run: log-normal, this median, give or take a factor of e.
FACE_SPREAD_M, RUN_SPREAD_M = 0.02, 0.01
SPREADS_M = np.geomspace(0.002, 0.2, 24)
#: A latency is told where the data narrow what it usually is to this share, were phase centres anywhere within a metre.
TOLD, ANYWHERE_M = 0.5, 1.0
#: Fewest faces that a shifted and turned map is told from.
FEWEST_FACES = 4
#: A reference so many robust deviations from the others of its face stands elsewhere than it is said to; so many tags
#: of a face tell which of them that is.
GROSS, GROSS_LEAST_M, FEWEST_TO_JUDGE = 6.0, 0.1, 3
#: Huber's constant: 95 % efficient if errors were normal.
HUBER, HUBER_LOSS = 1.345, 1.05
SCALE_LEAST_M = 0.002
NORMAL_90 = 1.645
MAD = 1.4826


@dataclass(frozen=True, slots=True)
class References:
    """Reference tags that were placed, one row a tag and run; arrays of shape (n,).

    Attributes
    ----------
    run, face, tag : int64 array
        Numbers of the run, of the face in the plan and of the EPC.
    error_m : float64 array
        Estimated less true offset.
    sigma_m : float64 array
        What the estimator says of the tag's own error.
    heading : float64 array
        The robot's heading along the face's direction as it heard the tag, -1 to 1.
    speed_mps : float64 array
        Its speed that way.
    """

    run: Ints
    face: Ints
    tag: Ints
    error_m: Floats
    sigma_m: Floats
    heading: Floats
    speed_mps: Floats

    def __len__(self) -> int:
        return len(self.run)

    def select(self, rows: Bools | Ints) -> References:
        """Return some of the rows."""
        return References(
            self.run[rows], self.face[rows], self.tag[rows], self.error_m[rows], self.sigma_m[rows],
            self.heading[rows], self.speed_mps[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cells:
    """The references of one face in one run, put together; ``k`` cells.

    Attributes
    ----------
    run, face : int64 array, shape (k,)
    error_m : float64 array, shape (k,)
        Robust mean.
    heading, speed_mps : float64 array, shape (k,)
    noise : float64 array, shape (k, k)
        Covariance of ``error_m`` from the tags' own errors, which are alike from run to run.
    repeat : float
        Share of the tags' own variance that they keep from run to run.
    """

    run: Ints
    face: Ints
    error_m: Floats
    heading: Floats
    speed_mps: Floats
    noise: Floats
    repeat: float

    def select(self, rows: Bools | Ints) -> Cells:
        """Return some of the cells."""
        return Cells(
            self.run[rows], self.face[rows], self.error_m[rows], self.heading[rows], self.speed_mps[rows],
            self.noise[rows][:, rows], self.repeat,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """The faces: unit vectors of their directions and their middles from the site's middle, shape (f, 2) each."""

    direction: Floats
    middle_m: Floats

    @property
    def turned(self) -> Floats:
        """How far a turn by one radian moves each face along itself, shape (f,)."""
        return self.direction[:, 1] * self.middle_m[:, 0] - self.direction[:, 0] * self.middle_m[:, 1]


@dataclass(frozen=True, slots=True)
class Model:
    """Which unknowns are looked for, and how the rest spreads."""

    latency: bool
    shifted: bool
    face_spread_m: float
    run_spread_m: float


@dataclass(frozen=True, slots=True)
class Solution:
    """The unknowns: centre, latency, the map's x, y and turn, then every face; with their covariance."""

    model: Model
    mean: Floats
    covariance: Floats

    def faces(self, site: Site) -> tuple[Floats, Floats]:
        """Return the error of each face beside centre and latency, and its deviation, two of shape (f,)."""
        rows = _rows(
            site, np.arange(len(site.direction)), np.zeros(len(site.direction)), np.zeros(len(site.direction))
        )
        return rows @ self.mean, np.sqrt(np.einsum("ij,jk,ik->i", rows, self.covariance, rows))

    def predict(self, site: Site, face: Ints, heading: Floats, speed: Floats) -> tuple[Floats, Floats]:
        """Return the error expected and its variance, less what a run adds, two of shape (n,)."""
        rows = _rows(site, face, heading, speed)
        return rows @ self.mean, np.einsum("ij,jk,ik->i", rows, self.covariance, rows)


def usable(references: References) -> Bools:
    """Tell the references that stand where they are said to, shape (n,).

    Each is held against the others of its face: a face may lie elsewhere than it is drawn, and all its tags with it.
    A face with fewer than three tags has no majority: what its two tags say alike is believed, else, and where there
    is but one, what all faces say.
    """
    error, face = references.error_m, references.face
    tags = {int(f): len(np.unique(references.tag[face == f])) for f in np.unique(face)}
    middle = np.full(len(error), np.median(error) if len(error) else 0.0)
    several = np.array([tags[int(f)] >= FEWEST_TO_JUDGE for f in face], np.bool_)
    for f, number in tags.items():
        if number >= FEWEST_TO_JUDGE:
            middle[face == f] = np.median(error[face == f])
    # How far tags are off their face's middle; where no face has a majority, off the middle of all.
    judges = several if several.any() else np.ones(len(error), np.bool_)
    own = MAD * float(np.median(np.abs((error - middle)[judges]))) if len(error) else 0.0
    most = GROSS * max(own, GROSS_LEAST_M / GROSS)
    good = np.abs(error - middle) <= most
    for f, number in tags.items():
        if number == 2 and np.ptp(error[face == f]) <= most:
            good[face == f] = True
    return good


@dataclass(frozen=True, slots=True)
class Weighed:
    """References with what each counts in its cell.

    Attributes
    ----------
    references : References
    cell : int64 array, shape (n,)
    weight, sigma_m : float64 array, shape (n,)
        The tag's weight and the deviation of its own error.
    repeat : float
        Share of the variance that a tag keeps from run to run.
    unused_m2 : float
        By how much the variance that the estimator states of a tag is usually wider than tags' own errors are.
    forgotten_m2 : float64 array, shape (runs,)
        Variance that an old run's word has gained since.
    """

    references: References
    cell: Ints
    weight: Floats
    sigma_m: Floats
    repeat: float
    unused_m2: float
    forgotten_m2: Floats

    def cells(self, of: Bools | None = None) -> Cells:
        """Return the cells, or what they would be had there been only some of the references."""
        weight = self.weight if of is None else np.where(of, self.weight, 0.0)
        refs, cell = self.references, self.cell
        number = int(cell.max()) + 1
        total = np.bincount(cell, weight, number)
        some = np.flatnonzero(total > 0)
        first = np.array([int(np.flatnonzero(cell == c)[0]) for c in some], np.int64)

        def mean(values: Floats) -> Floats:
            return np.bincount(cell, weight * values, number)[some] / total[some]

        share = np.where(weight > 0, weight * self.sigma_m / np.maximum(total[cell], 1e-300), 0.0)
        spread = np.zeros((number, int(refs.tag.max()) + 1))
        np.add.at(spread, (cell, refs.tag), share)
        alike = HUBER_LOSS * spread[some] @ spread[some].T
        noise = self.repeat * alike + (1.0 - self.repeat) * np.diag(np.diag(alike))
        noise += np.diag(self.forgotten_m2[refs.run[first]])
        return Cells(
            refs.run[first], refs.face[first], mean(refs.error_m), mean(refs.heading), mean(refs.speed_mps),
            noise, self.repeat,
        )  # fmt: skip


def weigh_references(references: References, forgotten_m2: Floats | None = None) -> Weighed:
    """Weigh references by their bars and, robustly, by how far they are from their cell's mean (Huber's M-estimate).

    ``forgotten_m2`` is the variance that each run's word has gained since, shape (runs,); None: none.
    """
    key = references.run * (int(references.face.max()) + 1) + references.face
    cell = np.unique(key, return_inverse=True)[1].astype(np.int64)
    sigma = np.maximum(references.sigma_m, SCALE_LEAST_M)
    size = np.bincount(cell)
    scale = 1.0
    middle = np.array(
        [_weighted_median(references.error_m[cell == c], sigma[cell == c]) for c in range(len(size))]
    )
    several = size[cell] > 1
    residual = np.zeros(len(cell))
    weight = sigma**-2
    for _ in range(8):
        # A cell's own mean takes up one of its degrees of freedom.
        residual = (references.error_m - middle[cell]) / sigma * np.sqrt(size / np.maximum(size - 1, 1))[cell]
        if several.any():
            scale = max(
                MAD * float(np.median(np.abs(residual[several]))), SCALE_LEAST_M / float(np.median(sigma))
            )
        weight = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residual), 1e-9)) / sigma**2
        middle = np.bincount(cell, weight * references.error_m) / np.bincount(cell, weight)
    clipped = np.clip(residual / scale, -HUBER, HUBER)
    stated = 1.0
    if several.any():
        stated = min(float(np.quantile(np.abs(residual[several]), 0.9)) / NORMAL_90, 1.0)
    unused = (1.0 - stated**2) * float(np.median(sigma**2))
    return Weighed(references, cell, weight, scale * sigma, _repeat(references, clipped, several), unused,
        np.zeros(int(references.run.max()) + 1) if forgotten_m2 is None else forgotten_m2,
    )  # fmt: skip


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
    if model is not None:
        return _posterior(cells, site, model)
    plain = _spreads(cells, site, Model(True, False, FACE_SPREAD_M, RUN_SPREAD_M))
    if len(np.unique(cells.face)) >= FEWEST_FACES:
        shifted = _spreads(cells, site, replace(plain, shifted=True))
        if _foretold(cells, site, shifted) > _foretold(cells, site, plain):
            plain = shifted
    apart = _posterior(cells, site, plain, ANYWHERE_M)
    if math.sqrt(apart.covariance[1, 1]) <= TOLD * LATENCY_SIGMA_S:
        return _posterior(cells, site, plain)
    return _posterior(cells, site, _spreads(cells, site, replace(plain, latency=False)))


def _rows(site: Site, face: Ints, heading: Floats, speed: Floats) -> Floats:
    """Return the equations' left side, shape (n, 5 + f)."""
    table = np.zeros((len(face), 5 + len(site.direction)))
    table[:, 0], table[:, 1] = -heading, speed
    table[:, 2:4] = site.direction[face]
    table[:, 4] = site.turned[face]
    table[np.arange(len(face)), 5 + face] = 1.0
    return table


def _prior(site: Site, model: Model, centre_sigma_m: float = CENTRE_SIGMA_M) -> Floats:
    """Return the variances of the unknowns, shape (5 + f,)."""
    moved = float(model.shifted)
    sigma = np.array(
        [
            centre_sigma_m,
            LATENCY_SIGMA_S * model.latency,
            MAP_SIGMA_M * moved,
            MAP_SIGMA_M * moved,
            TURN_SIGMA_RAD * moved,
        ]
    )
    return np.concatenate([sigma**2, np.full(len(site.direction), model.face_spread_m**2)])


def _posterior(cells: Cells, site: Site, model: Model, centre_sigma_m: float = CENTRE_SIGMA_M) -> Solution:
    rows, prior = _rows(site, cells.face, cells.heading, cells.speed_mps), _prior(site, model, centre_sigma_m)
    gain = prior[:, None] * rows.T
    noise = cells.noise + model.run_spread_m**2 * np.eye(len(rows))
    weight = np.linalg.solve(rows @ gain + noise, np.column_stack([cells.error_m, gain.T]))
    return Solution(model, gain @ weight[:, 0], np.diag(prior) - gain @ weight[:, 1:])


def _spreads(cells: Cells, site: Site, model: Model) -> Model:
    """Return the model with the spreads of faces and runs that make the cells likeliest."""
    several = len(np.unique(cells.face)) < len(cells.face)
    rows = _rows(site, cells.face, cells.heading, cells.speed_mps)
    common = (rows[:, :5] * _prior(site, model)[:5]) @ rows[:, :5].T + cells.noise
    same = rows[:, 5:] @ rows[:, 5:].T
    best, found = -np.inf, model
    for face_spread in SPREADS_M:
        for run_spread in SPREADS_M if several else (0.0,):
            value = _log_normal(
                cells.error_m, common + face_spread**2 * same + run_spread**2 * np.eye(len(rows))
            )
            value -= 0.5 * math.log(face_spread / FACE_SPREAD_M) ** 2
            if run_spread:
                value -= 0.5 * math.log(run_spread / RUN_SPREAD_M) ** 2
            if value > best:
                best = value
                found = replace(model, face_spread_m=float(face_spread), run_spread_m=float(run_spread))
    return found


def _log_normal(values: Floats, covariance: Floats) -> float:
    factor = np.linalg.cholesky(covariance)
    return float(-0.5 * np.sum(np.linalg.solve(factor, values) ** 2) - np.log(np.diag(factor)).sum())


def _foretold(cells: Cells, site: Site, model: Model) -> float:
    """Return the log-likelihood of every face by what all others say of it."""
    value = 0.0
    for face in np.unique(cells.face):
        out = np.flatnonzero(cells.face == face)
        rest = _posterior(cells.select(cells.face != face), site, model)
        rows = _rows(site, cells.face[out], cells.heading[out], cells.speed_mps[out])
        noise = cells.noise[out][:, out] + model.run_spread_m**2 * np.eye(len(out))
        value += _log_normal(cells.error_m[out] - rows @ rest.mean, rows @ rest.covariance @ rows.T + noise)
    return value


def _repeat(references: References, clipped: Floats, several: Bools) -> float:
    """Return the share of their own variance that tags keep from run to run: by pairs of runs, 0 to 1."""
    order = np.lexsort((references.run, references.tag))
    order = order[several[order]]
    tag, value = references.tag[order], clipped[order]
    product, number = 0.0, 0
    for step in range(1, int(np.bincount(tag).max()) if len(tag) else 0):
        same = tag[step:] == tag[:-step]
        product += float((value[step:] * value[:-step])[same].sum())
        number += int(same.sum())
    power = float(np.mean(value**2)) if len(value) else 0.0
    return min(max(product / (number * power), 0.0), 1.0) if number and power > 0 else 0.0


def _weighted_median(values: Floats, sigma: Floats) -> float:
    order = np.argsort(values)
    weight = np.cumsum(sigma[order] ** -2)
    return float(np.interp(0.5 * weight[-1], weight - 0.5 * sigma[order] ** -2, values[order]))
