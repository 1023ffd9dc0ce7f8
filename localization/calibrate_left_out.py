"""How far a calibration is off where it was not learnt: runs, faces and halves of the references left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.calibrate_model import NORMAL_90, Cells, Model, Site, Weighed, solve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Degrees of freedom of left-out errors, and the scale that gives their 90 % interval a normal deviation's width.
STUDENT_NU, STUDENT_SCALE = 4.0, NORMAL_90 / 2.132
LEAST_SEARCHED_M, LEAST_SHARED_M = 0.02, 0.001


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
        return math.sqrt(max(self.seen_sigma() ** 2 - self.unused_m2, LEAST_SHARED_M**2))

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


def left_out_runs(weighed: Weighed, site: Site) -> LeftOut:
    """Foretell every run from the others, on the faces that these saw."""
    return _left_out(weighed, weighed.references.run, site, None)


def left_out_faces(weighed: Weighed, site: Site, model: Model) -> LeftOut:
    """Foretell every face from the others."""
    return _left_out(weighed, weighed.references.face, site, model)


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


def left_out_halves(weighed: Weighed, site: Site, model: Model) -> LeftOut:
    """Foretell one half of each face's references from the other half and the other faces, and the other way round."""
    refs = weighed.references
    order = np.lexsort((refs.tag, weighed.cell))
    cell = weighed.cell[order]
    place = np.zeros(len(refs), np.int64)
    place[order] = np.arange(len(refs)) - np.searchsorted(cell, cell)
    return _left_out(weighed, (place + weighed.cell) % 2, site, model)


def _left_out(weighed: Weighed, group: Ints, site: Site, model: Model | None) -> LeftOut:
    """Foretell each group of references from all others; without a model only faces that the others saw."""
    miss: list[Floats] = [np.zeros(0)]
    variance: list[Floats] = [np.zeros(0)]
    repeat = weighed.repeat if model is None else 0.0
    for one in np.unique(group):
        out, others = weighed.cells(group == one), weighed.cells(group != one)
        rest = solve(others, site, model=model)
        if model is None:
            out = out.select(np.isin(out.face, others.face))
        expected, spread = rest.predict(site, out.face, out.heading, out.speed_mps)
        miss.append(out.error_m - expected)
        # How far others can foretell a face that they did not see is known; what faces differ by is looked for.
        unseen = ~np.isin(out.face, others.face)
        common = np.where(unseen, np.maximum(spread - rest.model.face_spread_m**2, 0.0), 0.0)
        variance.append((1.0 - repeat) * np.diag(out.noise) + common)
    kept = repeat * float(np.median(np.diag(weighed.cells().noise)))
    return LeftOut(np.concatenate(miss), np.concatenate(variance), kept, weighed.unused_m2)
