"""From the posterior of a tag's hypotheses to one place and the second best, for many tags in one call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from localization.faces import Frames

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Hypotheses of other heights that say another offset widen the bar; those a hand's breadth off are other peaks, whose
#: chance the quality tells.
HAND_M = 0.10
#: Boards nearer than this to one another's ends stand side by side.
JOINT_M = 0.1


@dataclass(frozen=True, slots=True)
class Boards:
    """The shelves of all faces; face ``f`` has ``start[f]:start[f + 1]``, in the plan's order.

    Attributes
    ----------
    start : int64 array, shape (faces + 1,)
    level : int64 array, shape (shelves,)
    from_m, to_m : float64 array, shape (shelves,)
    left, right : bool array, shape (shelves,)
        Whether another board of the level stands there: a face's ends are walls, not borders.
    """

    start: Ints
    level: Ints
    from_m: Floats
    to_m: Floats
    left: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, frames: Frames) -> Boards:
        """List the shelves of the frames' faces."""
        shelves = [() if face is None else tuple(face.shelves) for face in frames.faces]
        every = [shelf for known in shelves for shelf in known]
        level = np.array([shelf.level for shelf in every], np.int64)
        low = np.array([shelf.from_m for shelf in every], np.float64)
        high = np.array([shelf.to_m for shelf in every], np.float64)
        start = np.concatenate([[0], np.cumsum([len(known) for known in shelves])]).astype(np.int64)
        left, right = np.zeros(len(every), np.bool_), np.zeros(len(every), np.bool_)
        for face in range(len(shelves)):
            rows = np.arange(start[face], start[face + 1])
            for number in np.unique(level[rows]):
                same = rows[level[rows] == number]
                # A board ends before this one begins; of several that do, one is enough.
                left[same] = low[same] + JOINT_M >= _least_but_own(high[same])
                right[same] = high[same] - JOINT_M <= -_least_but_own(-low[same])
        return cls(start, level, low, high, left, right)

    def inside(self, face: Ints, shelf: Ints, offset_m: Floats, sigma_m: Floats) -> Floats:
        """Return the chance that tags found at offsets of shelves do not stand on the bay beside it, shape (n,)."""
        b = self.start[face] + shelf
        beyond = np.where(self.left[b], ndtr((self.from_m[b] - offset_m) / sigma_m), 0.0)
        beyond = beyond + np.where(self.right[b], ndtr((offset_m - self.to_m[b]) / sigma_m), 0.0)
        return np.asarray(np.maximum(1.0 - beyond, 0.0), np.float64)

    def at(self, face: Ints, level: Ints, offset_m: Floats) -> Ints:
        """Return the shelves of levels at offsets of faces (the nearest just beyond an end), shape (n,); -1: none."""
        found = np.full(len(face), -1, np.int64)
        for f in np.unique(face).tolist():
            for number in np.unique(level[face == f]).tolist():
                rows = np.arange(int(self.start[f]), int(self.start[f + 1]))
                rows = rows[self.level[rows] == number]
                if len(rows):
                    mine = np.flatnonzero((face == f) & (level == number))
                    x = offset_m[mine, None]
                    away = np.maximum(np.maximum(self.from_m[rows] - x, x - self.to_m[rows]), 0.0)
                    found[mine] = rows[away.argmin(axis=1)] - self.start[f]
        return found


def _least_but_own(value: Floats) -> Floats:
    """Return for each element the least of all others; infinity where there are none."""
    if len(value) < 2:
        return np.full(len(value), np.inf)
    order = np.argsort(value)
    least = np.full(len(value), value[order[0]])
    least[order[0]] = value[order[1]]
    return least


@nb.njit(cache=True, nogil=True, error_model="numpy")
def choose(
    start: Ints, log_p: Floats, face: Ints, level: Ints, offset: Floats, depth: Floats, height: Floats, spread: Floats,
    board_start: Ints, board_level: Ints, board_from: Floats, board_to: Floats, left: npt.NDArray[np.bool_],
    right: npt.NDArray[np.bool_], hand_m: float, found: Floats, index: Ints,
) -> None:  # fmt: skip
    """Choose each tag's place: the shelf with most of the posterior, and the best hypothesis on it.

    Parameters
    ----------
    start : shape (tags + 1,)
        Tag ``i`` has hypotheses ``start[i]:start[i + 1]``.
    log_p, face, level, offset, depth, height, spread : shape (hypotheses,)
    board_start ... right
        See ``Boards``.
    found : shape (tags, 7)
        Out: offset, depth, height, sigma, posterior, second best's offset and posterior (NaN: none).
    index : shape (tags, 4)
        Out: hypothesis, shelf (within the face, -1: none), second best's face and shelf (-1: none).
    """
    longest = 1
    for i in range(len(start) - 1):
        longest = max(longest, start[i + 1] - start[i])
    p = np.zeros(longest)
    shelf = np.zeros(longest, np.int64)
    for i in range(len(start) - 1):
        a, n = start[i], start[i + 1] - start[i]
        top = -np.inf
        for y in range(n):
            top = max(top, log_p[a + y])
        total = 0.0
        for y in range(n):
            p[y] = math.exp(log_p[a + y] - top)
            total += p[y]
        for y in range(n):
            p[y] /= total
            # The shelf of that level at that offset, the nearest where it is just beyond an end.
            shelf[y] = -1
            gap = np.inf
            for b in range(board_start[face[a + y]], board_start[face[a + y] + 1]):
                if board_level[b] == level[a + y]:
                    away = max(board_from[b] - offset[a + y], offset[a + y] - board_to[b], 0.0)
                    if away < gap:
                        gap, shelf[y] = away, b - board_start[face[a + y]]
        # Of shelves equally likely the first one of the plan.
        first, first_mass, second, second_mass = -1, -1.0, -1, -1.0
        for y in range(n):
            mass, fresh = 0.0, True
            for z in range(n):
                if face[a + z] == face[a + y] and shelf[z] == shelf[y]:
                    fresh = fresh and z >= y
                    mass += p[z]
            if not fresh:
                continue
            if mass > first_mass or (mass == first_mass and _before(face, shelf, a, y, first)):
                second, second_mass = first, first_mass
                first, first_mass = y, mass
            elif mass > second_mass or (mass == second_mass and _before(face, shelf, a, y, second)):
                second, second_mass = y, mass
        best, other = -1, -1
        for y in range(n):
            if face[a + y] == face[a + first] and shelf[y] == shelf[first] and (best < 0 or p[y] > p[best]):
                best = y
            beside = second >= 0 and face[a + y] == face[a + second] and shelf[y] == shelf[second]
            if beside and (other < 0 or p[y] > p[other]):
                other = y
        of_face, between, high = 0.0, 0.0, 0.0
        for y in range(n):
            if face[a + y] != face[a + best]:
                continue
            of_face += p[y]
            away = offset[a + y] - offset[a + best]
            if abs(away) < hand_m:
                between += p[y] * away * away
            if shelf[y] == shelf[best]:
                high += p[y] * height[a + y]
        sigma = math.sqrt(spread[a + best] ** 2 + between / of_face)
        inside = 1.0
        if shelf[best] >= 0:
            b = board_start[face[a + best]] + shelf[best]
            if left[b]:
                inside -= 0.5 * math.erfc((offset[a + best] - board_from[b]) / (sigma * math.sqrt(2.0)))
            if right[b]:
                inside -= 0.5 * math.erfc((board_to[b] - offset[a + best]) / (sigma * math.sqrt(2.0)))
        index[i, 0], index[i, 1] = a + best, shelf[best]
        found[i, 0], found[i, 1] = offset[a + best], depth[a + best]
        found[i, 2], found[i, 3] = high / first_mass, sigma
        found[i, 4] = min(max(first_mass * max(inside, 0.0), 0.0), 1.0)
        found[i, 5], found[i, 6], index[i, 2], index[i, 3] = math.nan, math.nan, -1, -1
        if other >= 0:
            index[i, 2], index[i, 3] = face[a + other], shelf[other]
            found[i, 5], found[i, 6] = offset[a + other], second_mass


@nb.njit(cache=True, nogil=True)
def _before(face: Ints, shelf: Ints, a: int, y: int, other: int) -> bool:
    """Tell whether hypothesis ``y`` stands on an earlier face or shelf than another one."""
    if face[a + y] != face[a + other]:
        return face[a + y] < face[a + other]
    return shelf[y] < shelf[other]
