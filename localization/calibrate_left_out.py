"""How far a calibration is off where it was not learnt: runs, faces and halves of the references left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit as t_quantile

from localization.calibrate_model import Cells, Site, Weighed
from localization.calibrate_solve import Model, foretold_by_others, solve
from localization.normal import Z90

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Degrees of freedom of left-out errors, and the scale that gives their 90 % interval a normal deviation's width.
STUDENT_NU, STUDENT_SCALE = 4.0, Z90 / 2.132
LEAST_SEARCHED_M, LEAST_SHARED_M = 0.02, 0.001
#: That a solution is as sure as it says is believed as if so many faces had shown it; a face shows no more than so many
#: deviations.
BELIEVED, BIRGE_MOST = 3.0, 3.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How far cells were from what the others foretold; ``n`` of them.

    Attributes
    ----------
    miss_m : float64 array, shape (n,)
    variance_m2 : float64 array, shape (n,)
        Of the means over their tags, and of what is foretold of faces that the others did not see.
    kept_m2 : float
        Variance that cancelled, as the same tags foretold themselves, and that other tags will have.
    unused_m2 : float
        Variance that the tags' own bars have to spare.
    """

    miss_m: Floats
    variance_m2: Floats
    kept_m2: float = 0.0
    unused_m2: float = 0.0

    def __len__(self) -> int:
        return len(self.miss_m)

    def shared_sigma(self) -> float:
        """Return the deviation to add to the tags' own bars: what tags share, less what the bars have to spare."""
        return less_spare(self.seen_sigma(), self.unused_m2)

    def seen_sigma(self) -> float:
        """Return the deviation of what tags of one face in one run share.

        The root mean square over a flat prior of a Student-t likelihood whose 90 % interval is that of a normal
        deviation, rather than its peak: few cells make it wider.
        """
        if not len(self):
            return math.nan
        widest = max(4.0 * float(np.sqrt(np.mean(self.miss_m**2))), LEAST_SEARCHED_M)
        sigma = np.linspace(widest / 400, widest, 400)
        scale2 = (sigma[:, None] ** 2 + self.variance_m2[None, :]) * STUDENT_SCALE**2
        log = -0.5 * np.log(scale2) - 0.5 * (STUDENT_NU + 1) * np.log1p(
            self.miss_m**2 / (STUDENT_NU * scale2)
        )
        total = log.sum(axis=1)
        likely = np.exp(total - total.max())
        return math.sqrt(float((likely * sigma**2).sum() / likely.sum()) + self.kept_m2)


def less_spare(sigma_m: float, unused_m2: float) -> float:
    """Return what of a deviation that tags share, m, their own bars do not hold already."""
    return math.sqrt(max(sigma_m**2 - unused_m2, LEAST_SHARED_M**2))


def left_out_runs(weighed: Weighed, site: Site) -> LeftOut:
    """Foretell every run from the others, on the faces that these saw."""
    parts = [_foretold(weighed, weighed.references.run == one, site) for one in weighed.runs]
    miss, own = (np.concatenate([part[column] for part in parts]) for column in (1, 2))
    kept = weighed.repeat * float(np.median(weighed.cells().own_m2))
    return LeftOut(miss, (1.0 - weighed.repeat) * own, kept, weighed.unused_m2)


def left_out_faces(weighed: Weighed, site: Site, model: Model) -> LeftOut:
    """Foretell every face from the others."""
    cells = weighed.cells()
    expected, variance = foretold_by_others(cells, site, model)
    return LeftOut(cells.error_m - expected, cells.own_m2 + variance, unused_m2=weighed.unused_m2)


def unseen_sigma(cells: Cells, site: Site, model: Model, spread_m: float) -> Floats:
    """Return how far off each face may be that has no references, shape (f,).

    The map may be shifted and turned even where that was not seen, and centre and turn may have been mistaken for one
    another: what foretells the faces seen may not foretell others.
    """
    solution = solve(cells, site, model=replace(model, shifted=True))
    every = np.arange(len(site.direction))
    heading = np.full(len(every), float(np.median(cells.heading)))
    speed = np.full(len(every), float(np.median(cells.speed_mps)))
    variance = solution.predict(site, every, heading, speed)[1] - model.face_spread_m**2
    return np.sqrt(np.maximum(variance, 0.0) + spread_m**2)


def halves_factor(weighed: Weighed, site: Site, model: Model) -> float:
    """Return by what factor a solution's deviation is too small for how halves of faces' references differ; 1 or more.

    The left half of each face's references is foretold from the right one and the other faces, and the other way round:
    what wanders along a face makes its tags err alike, and a face's mean less sure than so many tags would have it. The
    root mean square of what they are off by over the deviation that is stated of it is Birge's ratio (R. T. Birge,
    Phys. Rev. 40, 1932); a face's two halves count as one, and that the statement is right as ``BELIEVED`` faces.
    """
    refs = weighed.references
    order = np.lexsort((refs.tag if refs.offset_m is None else refs.offset_m, weighed.cell))
    cell = weighed.cell[order]
    place = np.zeros(len(refs), np.int64)
    place[order] = np.arange(len(refs)) - np.searchsorted(cell, cell)
    # Of a face with one reference either half has none.
    half = (2 * place >= np.bincount(cell)[weighed.cell]).astype(np.int64) ^ (weighed.cell % 2)
    parts = [_foretold(weighed, half == one, site, model) for one in np.unique(half)]
    face, miss, own, spread = (np.concatenate([part[column] for part in parts]) for column in range(4))
    square = np.minimum(miss**2 / (own + spread), BIRGE_MOST**2)
    halves = np.bincount(face.astype(np.int64))
    total = float((np.bincount(face.astype(np.int64), square)[halves > 0] / halves[halves > 0]).sum())
    birge = math.sqrt(max((BELIEVED + total) / (BELIEVED + int((halves > 0).sum())), 1.0))
    # How far tags scatter is known from these very references: 90 % of a Student-t's, told by a normal deviation.
    degrees = len(refs) - len(weighed.cells().run)
    return birge * float(t_quantile(degrees, 0.95)) / Z90 if degrees else birge


def _foretold(
    weighed: Weighed, left_out: Bools, site: Site, model: Model | None = None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Foretell some references from all others; without a model only faces that the others saw.

    Returns the face of each of their cells, what it is off by, the variance of its tags' own errors and that of what is
    foretold, each of shape (cells,).
    """
    out, others = weighed.cells(left_out), weighed.cells(~left_out)
    rest = solve(others, site, model=model)
    if model is None:
        out = out.select(np.isin(out.face, others.face))
    expected, spread = rest.predict(site, out.face, out.heading, out.speed_mps)
    return out.face.astype(np.float64), out.error_m - expected, out.own_m2, spread
