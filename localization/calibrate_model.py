"""What references say of a robot and a site: a linear mixed model of the errors along the faces.

The error of a tag's offset is, to first order,

    e = -c s + tau v + u . (t + theta J p) + b_face + w_run,face + the tag's own

with ``c`` the antennas' mean phase centre ahead of where it is stated, ``s`` the robot's heading along the face (-1 to
1), ``tau`` the latency, ``v`` the robot's speed along the face, ``u`` the face's direction, ``t`` and ``theta`` how
the map is shifted and turned against the survey about its middle, ``b`` what a face keeps from run to run and ``w``
what it does not. All unknowns are random with zero mean, so that what few references say is shrunk by its own
uncertainty (best linear unbiased prediction: Robinson, Statistical Science 6, 1991); the spreads of ``b`` and ``w``
come from the data by marginal likelihood (:mod:`localization.calibrate_solve`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.normal import Z90

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: A reference so many robust deviations from the others of its face stands elsewhere than it is said to; so many tags
#: of a face tell which of them that is.
GROSS, GROSS_LEAST_M, FEWEST_TO_JUDGE = 6.0, 0.1, 3
#: Of references that are far off so large a share are no few that were surveyed wrongly.
OTHER_LIBRARY = 0.1
#: Huber's constant: 95 % efficient if errors were normal.
HUBER, HUBER_LOSS = 1.345, 1.05
SCALE_LEAST_M = 0.002
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
    offset_m : float64 array or None
        Its true offset; None: as the tags are numbered.
    """

    run: Ints
    face: Ints
    tag: Ints
    error_m: Floats
    sigma_m: Floats
    heading: Floats
    speed_mps: Floats
    offset_m: Floats | None = None

    def __len__(self) -> int:
        return len(self.run)

    def select(self, rows: Bools | Ints) -> References:
        """Return some of the rows; ``rows`` is a mask, shape (n,), or indices."""
        return References(
            self.run[rows], self.face[rows], self.tag[rows], self.error_m[rows], self.sigma_m[rows],
            self.heading[rows], self.speed_mps[rows], None if self.offset_m is None else self.offset_m[rows],
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
    noise : float64 array, shape (k, runs)
        Covariance of ``error_m`` with that of the same face in each run, from the tags' own errors, which are alike
        from run to run. Those of different faces have none: a tag stands on one.
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

    @property
    def own_m2(self) -> Floats:
        """Variance of each cell's mean from its tags' own errors, m^2, shape (k,)."""
        return self.noise[np.arange(len(self.run)), self.run]

    def select(self, rows: Bools | Ints) -> Cells:
        """Return some of the cells; ``rows`` is a mask, shape (k,), or indices."""
        return Cells(
            self.run[rows], self.face[rows], self.error_m[rows], self.heading[rows], self.speed_mps[rows],
            self.noise[rows], self.repeat,
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


def usable(references: References) -> Bools:
    """Tell the references that stand where they are said to, shape (n,).

    Each is held against the others of its face: a face may lie elsewhere than it is drawn, and all its tags with it.
    A face with fewer than three tags has no majority: what its two tags say alike is believed, else, and where there
    is but one, what all faces say.
    """
    error, face = references.error_m, references.face
    rows = rows_by(face)
    tags = {f: len(np.unique(references.tag[some])) for f, some in rows.items()}
    middle = np.full(len(error), np.median(error) if len(error) else 0.0)
    several = np.array([tags[f] >= FEWEST_TO_JUDGE for f in face.tolist()], np.bool_)
    for f, number in tags.items():
        if number >= FEWEST_TO_JUDGE:
            middle[rows[f]] = np.median(error[rows[f]])
    # How far tags are off their face's middle; where no face has a majority, off the middle of all.
    judges = several if several.any() else np.ones(len(error), np.bool_)
    own = MAD * float(np.median(np.abs((error - middle)[judges]))) if len(error) else 0.0
    most = GROSS * max(own, GROSS_LEAST_M / GROSS)
    good = np.abs(error - middle) <= most
    for f, number in tags.items():
        if number == 2 and np.ptp(error[rows[f]]) <= most:
            good[rows[f]] = True
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

    @property
    def runs(self) -> list[int]:
        """Numbers of the runs that have references."""
        return np.unique(self.references.run).tolist()

    def cells(self, of: Bools | None = None) -> Cells:
        """Return the cells, or what they would be had there been only the references of a mask, shape (n,)."""
        weight = self.weight if of is None else np.where(of, self.weight, 0.0)
        refs, cell = self.references, self.cell
        number = int(cell.max()) + 1
        total = np.bincount(cell, weight, number)
        some = np.flatnonzero(total > 0)
        first = np.unique(cell, return_index=True)[1][some]

        def mean(values: Floats) -> Floats:
            return np.bincount(cell, weight * values, number)[some] / total[some]

        share = np.where(weight > 0, weight * self.sigma_m / np.maximum(total[cell], 1e-300), 0.0)
        alike = self._alike(share, number)[some]
        own = (np.arange(len(some)), refs.run[first])
        noise = self.repeat * alike
        noise[own] = alike[own] + self.forgotten_m2[refs.run[first]]
        return Cells(
            refs.run[first], refs.face[first], mean(refs.error_m), mean(refs.heading), mean(refs.speed_mps),
            noise, self.repeat,
        )  # fmt: skip

    def _alike(self, share: Floats, cells: int) -> Floats:
        """Return how the means of a face's cells vary together if tags err alike in all runs, shape (cells, runs)."""
        refs = self.references
        order = np.lexsort((refs.run, refs.face, refs.tag))
        tag, face, run = refs.tag[order], refs.face[order], refs.run[order]
        cell, share = self.cell[order], share[order]
        alike = np.zeros((cells, len(self.forgotten_m2)))
        np.add.at(alike, (cell, run), HUBER_LOSS * share**2)
        # A tag's readings in several runs stand side by side now.
        for step in range(1, int(np.bincount(tag).max()) if len(tag) else 0):
            one = np.flatnonzero((tag[step:] == tag[:-step]) & (face[step:] == face[:-step]))
            both = HUBER_LOSS * share[one] * share[one + step]
            np.add.at(alike, (cell[one], run[one + step]), both)
            np.add.at(alike, (cell[one + step], run[one]), both)
        return alike


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
        [_weighted_median(references.error_m[some], sigma[some]) for some in rows_by(cell).values()]
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
        stated = min(float(np.quantile(np.abs(residual[several]), 0.9)) / Z90, 1.0)
    unused = (1.0 - stated**2) * float(np.median(sigma**2))
    return Weighed(references, cell, weight, scale * sigma, _repeat(references, clipped, several), unused,
        np.zeros(int(references.run.max()) + 1) if forgotten_m2 is None else forgotten_m2,
    )  # fmt: skip


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


def rows_by(number: Ints) -> dict[int, Ints]:
    """Return the rows that have each number, by number in rising order; ``number`` has the shape (n,)."""
    order = np.argsort(number, kind="stable")
    names, first = np.unique(number[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, first[1:]), strict=True)) if len(names) else {}


def _weighted_median(values: Floats, sigma: Floats) -> float:
    order = np.argsort(values)
    weight = np.cumsum(sigma[order] ** -2)
    return float(np.interp(0.5 * weight[-1], weight - 0.5 * sigma[order] ** -2, values[order]))


def left_out_notes(good: Bools, names: Sequence[str]) -> list[str]:
    """Return what is said of references, shape (n,), that are not ``good``, and of the tags that they are."""
    notes = [
        "left out, as they are far off where the others of their face say (surveyed or placed wrong): "
        + ", ".join(names[:5])
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    ]
    if np.mean(~good) > OTHER_LIBRARY:
        notes.append(
            f"{100 * float(np.mean(~good)):.0f} % of the references are far off: is one of the recordings, or the "
            "plan, another library's? The calibration may be worth nothing"
        )
    return notes
