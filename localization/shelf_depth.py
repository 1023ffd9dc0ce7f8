"""How far faces stand from the run's way, by what shelves' metal leaves of it.

Registration learns a face's distance from tags one by one. Strong metal bends their phases as another distance does,
and may put a face 5 to 15 cm off. All tags of a shelf together with the metal at its ends tell one from the other: a
wrong distance makes their common likelihood fall by hundreds.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from localization.shelf_group import ShelfGroup
from localization.shelf_start import find_start
from localization.sorting import spread

Floats = npt.NDArray[np.float64]

#: Distances tried go uphill by this much, no farther than this from where the face was.
STEP_M, FARTHEST_M = 0.04, 0.2
#: So many shelves of a face tell, those with most tags; fewer tags in all do not.
MOST_SHELVES, FEWEST_TAGS = 4, 12
#: A face is moved that is likelier elsewhere by so much, and by so many standard errors of the shelves' mean.
LEAST_GAIN, LEAST_ERRORS = 6.0, 1.0
#: A smaller move changes nothing.
WORTH_M = 0.01


def settle_depths(groups: tuple[ShelfGroup, ...], faces: int, jobs: int = 1) -> Floats:
    """Return how much farther from the way each face should be, shape (faces,); 0: where it is.

    Parameters
    ----------
    groups : tuple of ShelfGroup
        Shelves that were fitted, believed or not.
    faces : int
    jobs : int
        Threads.
    """

    def move(face: int) -> float:
        mine = sorted((g for g in groups if g.face == face), key=lambda g: -len(g.members))[:MOST_SHELVES]
        return _move(mine) if sum(len(group.members) for group in mine) >= FEWEST_TAGS else 0.0

    seen = sorted({group.face for group in groups})
    moves = np.zeros(faces)
    moves[seen] = spread(jobs, move, seen)
    return moves


def _move(groups: list[ShelfGroup]) -> float:
    known: dict[int, Floats] = {}

    def value(step: int) -> Floats:
        """Return each shelf's log-likelihood so many steps farther off, shape (shelves,)."""
        if step not in known:
            known[step] = np.array([_value(group, step * STEP_M) for group in groups])
        return known[step]

    def total(step: int) -> float:
        return float(value(step).sum())

    best = max((-1, 0, 1), key=total)
    while best and abs(best * STEP_M) < FARTHEST_M:
        onward = best + (1 if best > 0 else -1)
        if total(onward) <= total(best):
            break
        best = onward
    left, middle, right = total(best - 1), total(best), total(best + 1)
    curve = left - 2.0 * middle + right
    peak = best + (0.5 * (left - right) / curve if curve < 0.0 else 0.0)
    gain = value(best) - value(0) if best else value(0) * 0.0
    rise = float(gain.sum()) + (0.125 * (left - right) ** 2 / -curve if curve < 0.0 else 0.0)
    error = float(gain.std()) * np.sqrt(len(gain))
    if abs(peak * STEP_M) < WORTH_M or rise < LEAST_GAIN + LEAST_ERRORS * error:
        return 0.0
    return round(peak * STEP_M, 6)


def _value(group: ShelfGroup, farther_m: float) -> float:
    scan = group.fit.scan
    moved = dataclasses.replace(scan, h=scan.h + farther_m)
    return find_start(moved, group.fit.log_prior, group.fit.x, shifts_m=(0.0,)).value
