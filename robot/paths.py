"""Ways round the shelving: the shortest path between two places that crosses no bookcase."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stacks.plan import Face

Floats = npt.NDArray[np.float64]
Point = tuple[float, float]

_AHEAD_M: Final = 0.45
_STRIP_HALF_M: Final = 1.0
_STRIP_THICK_M: Final = 0.4


class Shelving:
    """The bookcases of one floor as rectangles: each face's line, and the depth of its case behind it.

    Parameters
    ----------
    faces
        Every face of the floor.
    depth_m
        Depth of a case behind its face's line.
    """

    def __init__(self, faces: Sequence[Face], depth_m: float) -> None:
        self._origin = np.array([face.origin_m for face in faces], dtype=np.float64).reshape(-1, 2)
        self._along = np.array([face.direction for face in faces], dtype=np.float64).reshape(-1, 2)
        self._into = -np.array([face.normal for face in faces], dtype=np.float64).reshape(-1, 2)
        self._length = np.array([face.length_m for face in faces], dtype=np.float64)
        self._depth = np.full(len(faces), depth_m)

    def block(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        """Keep clear of what stood in the way of a robot at this place that wanted to drive along `yaw_rad`.

        Blocked is a strip across the whole aisle, 0.4 m thick, ahead of the robot: what stands there may stand
        anywhere across it, and squeezing past is not for a machine alone at night.
        """
        along = np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
        into = np.array([-along[1], along[0]])
        corner = np.array([x_m, y_m]) + _AHEAD_M * along - _STRIP_HALF_M * into
        self._origin = np.vstack([self._origin, corner])
        self._along = np.vstack([self._along, along])
        self._into = np.vstack([self._into, into])
        self._length = np.append(self._length, _STRIP_THICK_M)
        self._depth = np.append(self._depth, 2 * _STRIP_HALF_M)

    def blocked(self, start: Point, ends: Floats, clearance_m: float) -> npt.NDArray[np.bool_]:
        """Tell which straight ways from `start` to `ends` (n, 2) come nearer to a bookcase than `clearance_m`.

        Slab method for a segment against boxes (Kay and Kajiya 1986), in each bookcase's own frame.
        """
        u0, v0 = self._local(np.array([start]))
        u1, v1 = self._local(ends)
        first = np.zeros(u1.shape)
        last = np.ones(u1.shape)
        for a, b, high in ((u0, u1, self._length), (v0, v1, self._depth)):
            step = np.where(np.abs(b - a) < 1e-12, 1e-12, b - a)
            enter, leave = (-clearance_m - a) / step, (high + clearance_m - a) / step
            first = np.maximum(first, np.minimum(enter, leave))
            last = np.minimum(last, np.maximum(enter, leave))
        return np.any(first < last, axis=1)

    def way(self, start: Point, goal: Point, clearance_m: float) -> list[Point] | None:
        """Return the corners of the shortest way, `goal` last; None where shelving closes every way.

        The way is found on the visibility graph of the bookcases' corners (de Berg et al., Computational Geometry,
        chapter 15), with the clearance halved until both ends are free: an aisle may be narrower than one would like.
        """
        for clearance in (clearance_m, clearance_m / 2, clearance_m / 4, 0.01):
            way = self._shortest(start, goal, clearance)
            if way is not None:
                return way
        return None

    def _local(self, points: Floats) -> tuple[Floats, Floats]:
        offset = points[:, None, :] - self._origin[None, :, :]
        return np.sum(offset * self._along, axis=2), np.sum(offset * self._into, axis=2)

    def _corners(self, margin_m: float) -> Floats:
        corners = [
            self._origin + along[:, None] * self._along + into[:, None] * self._into
            for along in (np.full(len(self._length), -margin_m), self._length + margin_m)
            for into in (np.full(len(self._depth), -margin_m), self._depth + margin_m)
        ]
        return np.concatenate(corners)

    def _shortest(self, start: Point, goal: Point, clearance_m: float) -> list[Point] | None:
        if not self.blocked(start, np.array([goal]), clearance_m)[0]:
            return [goal]
        nodes = np.concatenate([np.array([start, goal]), self._corners(clearance_m + 0.02)])
        best = np.full(len(nodes), math.inf)
        best[0] = 0.0
        came: dict[int, int] = {}
        queue: list[tuple[float, int]] = [(math.dist(start, goal), 0)]
        closed: set[int] = set()
        while queue:
            _, here = heapq.heappop(queue)
            if here == 1:
                way = [1]
                while way[-1] in came:
                    way.append(came[way[-1]])
                return [(float(nodes[i, 0]), float(nodes[i, 1])) for i in reversed(way[:-1])]
            if here in closed:
                continue
            closed.add(here)
            reach = best[here] + np.hypot(*(nodes - nodes[here]).T)
            better = np.flatnonzero(reach < best - 1e-9)
            free = better[
                ~self.blocked((float(nodes[here, 0]), float(nodes[here, 1])), nodes[better], clearance_m)
            ]
            best[free] = reach[free]
            rest = np.hypot(*(nodes[free] - nodes[1]).T)
            for node, estimate in zip(free.tolist(), (reach[free] + rest).tolist(), strict=True):
                came[node] = here
                heapq.heappush(queue, (estimate, node))
        return None
