"""How long it takes to walk from one stop to another: along the aisles, round their ends, up the stairs.

A stop is a metre of one face. On one face, and across one aisle, people walk straight; to any other face they walk
to an end of the aisle, over to an end of the other, and in. Stops are numbered in walking order: faces as the plan
lists them, and along each face from the left.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from reports.findings import Finding
from reports.pace import Pace
from reports.places import Places

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STOP_M = 1.0
"""How long a stop is: what one reaches without a step."""

_STAND_M = 0.6  # in front of the face
_BEYOND_M = 0.5  # past the end of the face, to turn round it
_AISLE_M = 4.0  # two faces that look at each other within this share an aisle
NOWHERE = -1


class Walk:
    """The stops of a plan, and seconds between them."""

    def __init__(self, places: Places, pace: Pace) -> None:
        self.places, self.pace = places, pace
        faces = {p.face.id: p for p in places.rows}
        self._face = {face_id: i for i, face_id in enumerate(faces)}
        floors = {floor_id: i for i, floor_id in enumerate(dict.fromkeys(p.floor_id for p in places.rows))}
        rows = list(faces.values())
        lengths = np.array([p.face.length_m for p in rows])
        count = np.maximum(1, np.ceil(lengths / STOP_M - 1e-9)).astype(np.int64)
        self._first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        self.face = np.repeat(np.arange(len(rows)), count)
        along = (np.arange(len(self.face)) - self._first[self.face] + 0.5) * STOP_M
        self._along = np.minimum(along, lengths[self.face])
        self.floor = np.array([floors[p.floor_id] for p in rows], np.int64)[self.face]
        origin = np.array([p.face.origin_m for p in rows], np.float64).reshape(len(rows), 2)
        way = _unit([p.face.direction_deg for p in rows])
        self._normal = _unit([p.face.normal_deg for p in rows])
        line = origin + _STAND_M * self._normal
        self._xy = line[self.face] + self._along[:, None] * way[self.face]
        left, right = line - _BEYOND_M * way, line + (lengths[:, None] + _BEYOND_M) * way
        self._ends = np.stack([left, right], axis=1)[self.face]
        to_left = self._along + _BEYOND_M
        self._to_end = np.stack([to_left, lengths[self.face] - self._along + _BEYOND_M], axis=1)
        self._origin, self._face_floor = origin, np.array([floors[p.floor_id] for p in rows], np.int64)
        self.start = NOWHERE
        if pace.start is not None:
            self._add_start(floors.get(pace.start[0], 0), pace.start[1], pace.start[2])

    def __len__(self) -> int:
        return len(self.face)

    def _add_start(self, floor: int, x: float, y: float) -> None:
        self.start = len(self.face)
        self.face = np.append(self.face, -1)
        self.floor = np.append(self.floor, floor)
        self._along = np.append(self._along, 0.0)
        self._xy = np.vstack([self._xy, [[x, y]]])
        self._ends = np.concatenate([self._ends, np.array([[[x, y], [x, y]]])])
        self._to_end = np.vstack([self._to_end, [[0.0, 0.0]]])

    def stop(self, shelf_id: str, offset_m: float | None) -> int:
        """Return the stop of a place on a shelf (or a face without shelves); `NOWHERE` where there is none."""
        place = self.places.index.get(shelf_id)
        if place is None:
            return NOWHERE
        at = self.places.rows[place]
        offset = (at.from_m + at.to_m) / 2 if offset_m is None or not np.isfinite(offset_m) else offset_m
        face = self._face[at.face.id]
        first, beyond = int(self._first[face]), int(self._first[face + 1])
        return min(max(first + int(offset // STOP_M), first), beyond - 1)

    def pick(self, f: Finding) -> int:
        """Return where a finding is dealt with."""
        return self.stop(f.shelf_id, f.offset_m)

    @cached_property
    def _across(self) -> npt.NDArray[np.bool_]:
        """Which faces look at each other over one aisle, shape (faces, faces)."""
        facing = self._normal @ self._normal.T < -0.9
        apart = self._origin[None, :, :] - self._origin[:, None, :]
        ahead = np.einsum("abk,ak->ab", apart, self._normal)
        near = (ahead > 0.0) & (ahead < _AISLE_M)
        return facing & near & near.T & (self._face_floor[:, None] == self._face_floor[None, :])

    def seconds(self, a: Ints, b: Ints) -> Floats:
        """Return the time from stops `a` to stops `b`, same shape; 0 where either is `NOWHERE`."""
        a, b = np.broadcast_arrays(a, b)
        if not len(self.face):  # no usable plan: nobody knows the way
            return np.zeros(a.shape)
        far = np.full(a.shape, np.inf)
        for i in (0, 1):
            for j in (0, 1):
                over = self._ends[a, i] - self._ends[b, j]
                way = self._to_end[a, i] + np.hypot(over[..., 0], over[..., 1]) + self._to_end[b, j]
                far = np.minimum(far, way)
        fa, fb = self.face[a], self.face[b]
        straight = np.hypot(*np.moveaxis(self._xy[a] - self._xy[b], -1, 0))
        known = (fa >= 0) & (fb >= 0)
        direct = (fa == fb) | (known & self._across[fa, fb]) if len(self._across) else fa == fb
        metres = np.where(direct, straight, far)
        stairs = self.pace.floor_s * np.abs(self.floor[a] - self.floor[b])
        return np.where((a < 0) | (b < 0), 0.0, metres / self.pace.walk_mps + stairs)


def _unit(degrees: list[float]) -> Floats:
    angle = np.radians(np.array(degrees, np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(len(degrees), 2)
