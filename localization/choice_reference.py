"""The choice of one tag's place in plain numpy: what ``choice.choose`` is held equal to."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from localization.choice import HAND_M, JOINT_M
from localization.faces import Frames

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def choose(
    frames: Frames, log_p: Floats, face: Ints, level: Ints, offset: Floats, depth: Floats, height: Floats,
    spread: Floats,
) -> tuple[list[float], list[int]]:  # fmt: skip
    """Return the columns of ``found`` and ``index`` of one tag, see ``choice.choose``."""
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    shelf = np.array(
        [_shelf(frames, int(f), int(v), float(x)) for f, v, x in zip(face, level, offset, strict=True)]
    )
    key = face * 100_000 + shelf + 1
    mass = {int(one): float(p[key == one].sum()) for one in np.unique(key)}
    first = max(mass, key=lambda one: mass[one])
    inside = np.flatnonzero(key == first)
    best = int(inside[p[inside].argmax()])
    same = face == face[best]
    share = p[same] / p[same].sum()
    near = np.abs(offset[same] - offset[best]) < HAND_M
    between = float((share[near] * (offset[same][near] - offset[best]) ** 2).sum())
    sigma = math.sqrt(spread[best] ** 2 + between)
    weight = p[inside] / p[inside].sum()
    found = [
        float(offset[best]),
        float(depth[best]),
        float((weight * height[inside]).sum()),
        sigma,
        mass.pop(first) * _inside(frames, int(face[best]), int(shelf[best]), float(offset[best]), sigma),
        math.nan,
        math.nan,
    ]
    index = [best, int(shelf[best]), -1, -1]
    if mass:
        second = max(mass, key=lambda one: mass[one])
        others = np.flatnonzero(key == second)
        other = int(others[p[others].argmax()])
        index[2:] = [int(face[other]), int(shelf[other])]
        found[5:] = [float(offset[other]), mass[second]]
    return found, index


def _shelf(frames: Frames, face: int, level: int, offset_m: float) -> int:
    known = frames.faces[face]
    best, gap = -1, math.inf
    for index, shelf in enumerate(() if known is None else known.shelves):
        away = max(shelf.from_m - offset_m, offset_m - shelf.to_m, 0.0)
        if shelf.level == level and away < gap:
            best, gap = index, away
    return best


def _inside(frames: Frames, face: int, shelf: int, offset_m: float, sigma_m: float) -> float:
    known = frames.faces[face]
    if known is None or shelf < 0:
        return 1.0
    board = known.shelves[shelf]
    same = [s for s in known.shelves if s.level == board.level and s is not board]
    left = any(s.to_m <= board.from_m + JOINT_M for s in same)
    right = any(s.from_m >= board.to_m - JOINT_M for s in same)
    below = float(ndtr((board.from_m - offset_m) / sigma_m)) if left else 0.0
    above = float(ndtr((offset_m - board.to_m) / sigma_m)) if right else 0.0
    return max(1.0 - below - above, 0.0)
