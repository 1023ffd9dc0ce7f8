"""Every place of a plan a book can stand in, as columns: each shelf, and each face that has no shelves.

Places are numbered in walking order: floor by floor and face by face as the plan lists them, along each face
bay by bay from the left, and in a bay from the top board down, as people read a bookcase.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stacks.plan import Face, Plan, Shelf

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """One shelf, or one face without shelves."""

    id: str
    floor_id: str
    face: Face
    shelf: Shelf | None

    @property
    def bay(self) -> str:
        """The bay as the plan names it; empty for a face without shelves."""
        return "" if self.shelf is None else str(self.shelf.bay)

    @property
    def level(self) -> int:
        """1 is the lowest board; 0 for a face without shelves."""
        return 0 if self.shelf is None else int(self.shelf.level)

    @property
    def from_m(self) -> float:
        """Left end, along the face."""
        return 0.0 if self.shelf is None else self.shelf.from_m

    @property
    def to_m(self) -> float:
        """Right end, along the face."""
        return self.face.length_m if self.shelf is None else self.shelf.to_m


@dataclass(frozen=True)
class Places:
    """The places of a plan in walking order; columns have one row a place."""

    plan: Plan | None
    rows: tuple[Place, ...]

    @classmethod
    def of(cls, plan: Plan | None) -> Places:
        """Return the places of a plan, numbered (none without one)."""
        rows: list[Place] = []
        for floor in plan.floors if plan else ():
            for face in floor.faces:
                if not face.shelves:
                    rows.append(Place(face.id, floor.id, face, None))
                rows.extend(Place(shelf.id, floor.id, face, shelf) for shelf in face.walking_order())
        return cls(plan, tuple(rows))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each place by its id."""
        return {place.id: i for i, place in enumerate(self.rows)}

    @cached_property
    def face_index(self) -> Ints:
        """Number of each place's face, in walking order."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(p.face.id, len(numbers)) for p in self.rows], np.int64)

    @cached_property
    def level(self) -> Ints:
        """Level of each place."""
        return np.array([p.level for p in self.rows], np.int64)

    @cached_property
    def from_m(self) -> Floats:
        """Left end of each place, along its face."""
        return np.array([p.from_m for p in self.rows], np.float64)

    @cached_property
    def to_m(self) -> Floats:
        """Right end of each place, along its face."""
        return np.array([p.to_m for p in self.rows], np.float64)

    @cached_property
    def location(self) -> tuple[str, ...]:
        """Location code of each place, from the key ``location`` of its shelf in the plan; empty without one."""
        return tuple(str(p.shelf.extra.get("location", "")) if p.shelf else "" for p in self.rows)

    @cached_property
    def label_tags(self) -> frozenset[str]:
        """EPCs of the shelves' own label tags, upper case."""
        return frozenset(p.shelf.tag.upper() for p in self.rows if p.shelf is not None and p.shelf.tag)

    def number(self, ids: npt.NDArray[Any], faces: npt.NDArray[Any] | None = None) -> Ints:
        """Return the place number of each shelf id (else of its face), -1 for none, shape (n,)."""
        index = self.index
        out = np.fromiter((index.get(i, -1) for i in ids), np.int64, len(ids))
        if faces is None:
            return out
        return np.where(out >= 0, out, np.fromiter((index.get(i, -1) for i in faces), np.int64, len(ids)))

    def distance_m(self, place: Ints, x_m: Floats, y_m: Floats, z_m: Floats) -> Floats:
        """Return how far each point is from the box a shelf's books stand in; NaN where there is no place."""
        out = np.full(len(place), np.nan)
        ok = place >= 0
        if not ok.any():
            return out
        p, x, y, z = place[ok], x_m[ok], y_m[ok], z_m[ok]
        box = self._boxes[p]
        cos, sin = np.cos(box[:, 2]), np.sin(box[:, 2])
        along = (x - box[:, 0]) * cos + (y - box[:, 1]) * sin
        ux, uy = x - box[:, 0] - along * cos, y - box[:, 1] - along * sin
        depth = -(ux * np.cos(box[:, 3]) + uy * np.sin(box[:, 3]))
        d_along = np.maximum(0.0, np.maximum(box[:, 4] - along, along - box[:, 5]))
        d_up = np.maximum(0.0, np.maximum(box[:, 6] - z, z - box[:, 7]))
        out[ok] = np.sqrt(d_along**2 + (depth - box[:, 8]) ** 2 + d_up**2)
        return out

    def near_share(self, within_m: float) -> float:
        """Return which share of the other places a place has within reach, on average over some places."""
        if within_m not in self._near:
            self._near[within_m] = self._near_share(within_m)
        return self._near[within_m]

    @cached_property
    def _near(self) -> dict[float, float]:
        return {}

    def _near_share(self, within_m: float) -> float:
        n = len(self)
        if n < 2:
            return 1.0
        box = self._boxes
        # A face without shelves is a plane: any height is on it.
        whole = ~np.isfinite(box[:, 6])
        middle = 0.5 * (box[:, 4] + box[:, 5])
        x = box[:, 0] + middle * np.cos(box[:, 2]) - box[:, 8] * np.cos(box[:, 3])
        y = box[:, 1] + middle * np.sin(box[:, 2]) - box[:, 8] * np.sin(box[:, 3])
        z = 0.5 * (np.where(whole, 0.0, box[:, 6]) + np.where(whole, 0.0, box[:, 7]))
        some = np.unique(np.linspace(0, n - 1, 30).astype(np.int64))
        near = [np.count_nonzero(self.distance_m(np.full(n, p), x, y, z) <= within_m) - 1 for p in some]
        return float(np.clip(np.mean(near) / (n - 1), 0.0, 1.0))

    @cached_property
    def _boxes(self) -> Floats:
        def box(p: Place) -> tuple[float, ...]:
            low = p.shelf.board_z_m if p.shelf else -np.inf
            high = low + p.shelf.clear_m if p.shelf else np.inf
            angles = np.radians(p.face.direction_deg), np.radians(p.face.normal_deg)
            return (*p.face.origin_m, *angles, p.from_m, p.to_m, low, high, p.face.tag_depth_m)

        return np.array([box(p) for p in self.rows], np.float64).reshape(len(self), 9)
