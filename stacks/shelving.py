"""
Floors, faces and shelves, and the coordinates of places on them.

A face is one side of a row of bookcases. Its offset axis runs left to right as a person standing in the
aisle sees it; its normal points out of the face into the aisle; depth grows behind the face's line, away
from the aisle. Map frame: x east, y north, z up, metres; angles counter-clockwise from x, degrees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

SLACK_M = 1e-6
"""Rounding allowed where two lengths of a plan must agree."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    One board of one bay.

    Attributes
    ----------
    id : str
        Once in the plan.
    bay : str
        The bay within its face.
    level : int
        1 is the lowest.
    from_m, to_m : float
        Span of offsets on the face.
    board_z_m : float
        Height of the board's upper side above the floor.
    clear_m : float
        Clear height above the board.
    range_start : str, optional
        The first call number that belongs on it.
    sequence : int, optional
        Its place in shelving order.
    tag : str, optional
        EPC of its shelf label, upper-case hexadecimal.
    tag_offset_m : float, optional
        Where the label's tag hangs, as an offset along the face; with it the label is a reference.
    tag_z_m : float, optional
        The label's height above the floor; by default the board's front edge.
    extra : mapping
        Keys of the file that this version does not know, kept.
    """

    id: str
    bay: str
    level: int
    from_m: float
    to_m: float
    board_z_m: float
    clear_m: float
    range_start: str | None = None
    sequence: int | None = None
    tag: str | None = None
    tag_offset_m: float | None = None
    tag_z_m: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return the shelf's object in the file."""
        made: dict[str, Any] = {
            "id": self.id,
            "bay": self.bay,
            "level": self.level,
            "from_m": self.from_m,
            "to_m": self.to_m,
            "board_z_m": self.board_z_m,
            "clear_m": self.clear_m,
        }
        for key in ("range_start", "sequence", "tag", "tag_offset_m", "tag_z_m"):
            if getattr(self, key) is not None:
                made[key] = getattr(self, key)
        return made | dict(self.extra)


@dataclass(frozen=True)
class Face:
    """
    One side of a row of bookcases.

    Attributes
    ----------
    id : str
        Once in the plan.
    origin_m : (float, float)
        The left end as seen from the aisle, on the map.
    direction_deg : float
        The way the offset grows.
    normal_deg : float
        Out of the face into the aisle; `direction_deg` is this plus 90.
    length_m : float
        Length of the offset axis.
    tag_depth_m : float
        How far behind the face's line tags sit.
    shelves : tuple of Shelf
        May be empty: then the face is only a plane.
    extra : mapping
        Keys of the file that this version does not know, kept.
    """

    id: str
    origin_m: tuple[float, float]
    direction_deg: float
    normal_deg: float
    length_m: float
    tag_depth_m: float
    shelves: tuple[Shelf, ...]
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @cached_property
    def direction(self) -> tuple[float, float]:
        """Unit vector along the face, (x, y)."""
        return _unit(self.direction_deg)

    @cached_property
    def normal(self) -> tuple[float, float]:
        """Unit vector out of the face into the aisle, (x, y)."""
        return _unit(self.normal_deg)

    def to_map(self, offset_m: npt.ArrayLike, depth_m: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
        """
        Map coordinates of places on the face.

        Parameters
        ----------
        offset_m : array_like
            Offset along the face.
        depth_m : array_like, optional
            Depth behind the face's line; by default `tag_depth_m`. Negative lies in the aisle.

        Returns
        -------
        x, y : float64 arrays
            Metres on the map, of the arguments' common shape.
        """
        offset = np.asarray(offset_m, dtype=np.float64)
        depth = np.asarray(self.tag_depth_m if depth_m is None else depth_m, dtype=np.float64)
        (ux, uy), (nx, ny) = self.direction, self.normal
        return self.origin_m[0] + offset * ux - depth * nx, self.origin_m[1] + offset * uy - depth * ny

    def to_face(self, x_m: npt.ArrayLike, y_m: npt.ArrayLike) -> tuple[Floats, Floats]:
        """
        Offset and depth of places on the map; the inverse of `to_map`.

        Parameters
        ----------
        x_m, y_m : array_like
            Metres on the map.

        Returns
        -------
        offset_m, depth_m : float64 arrays
            Along the face, and behind its line.
        """
        dx = np.asarray(x_m, dtype=np.float64) - self.origin_m[0]
        dy = np.asarray(y_m, dtype=np.float64) - self.origin_m[1]
        (ux, uy), (nx, ny) = self.direction, self.normal
        return dx * ux + dy * uy, -(dx * nx + dy * ny)

    def shelf_at(self, offset_m: npt.ArrayLike, z_m: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """
        Return the shelf at a place of the face.

        A place belongs to a shelf from its board up to its clear height and from `from_m` up to, but not
        including, `to_m` (the face's right end belongs to its last shelves). A place between the clear
        height and the next board, inside the board's thickness, belongs to no shelf.

        Parameters
        ----------
        offset_m, z_m : array_like
            Offset along the face and height above the floor.

        Returns
        -------
        intp array
            Index into `shelves`, -1 where there is none.
        """
        offset, z = np.broadcast_arrays(np.asarray(offset_m, np.float64), np.asarray(z_m, np.float64))
        found = np.full(offset.shape, -1, dtype=np.intp)
        for i, shelf in enumerate(self.shelves):
            right = offset < shelf.to_m
            if shelf.to_m >= self.length_m - SLACK_M:
                right |= offset <= shelf.to_m
            inside = right & (offset >= shelf.from_m)
            inside &= (z >= shelf.board_z_m) & (z < shelf.board_z_m + shelf.clear_m)
            found[inside & (found < 0)] = i
        return found

    def walking_order(self) -> tuple[Shelf, ...]:
        """Return the shelves bay by bay from left to right, and in each bay from the top board down."""
        left: dict[str, float] = {}
        for shelf in self.shelves:
            left[shelf.bay] = min(shelf.from_m, left.get(shelf.bay, math.inf))
        return tuple(sorted(self.shelves, key=lambda s: (left[s.bay], s.bay, -s.level, s.from_m)))

    def to_json(self) -> dict[str, Any]:
        """Return the face's object in the file."""
        return {
            "id": self.id,
            "origin_m": list(self.origin_m),
            "direction_deg": self.direction_deg,
            "normal_deg": self.normal_deg,
            "length_m": self.length_m,
            "tag_depth_m": self.tag_depth_m,
            "shelves": [shelf.to_json() for shelf in self.shelves],
        } | dict(self.extra)


@dataclass(frozen=True, slots=True)
class Floor:
    """One floor: its id, its faces in walking order, and unknown keys, kept."""

    id: str
    faces: tuple[Face, ...]
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return the floor's object in the file."""
        return {"id": self.id, "faces": [face.to_json() for face in self.faces]} | dict(self.extra)


def _unit(angle_deg: float) -> tuple[float, float]:
    # Right angles are the rule, and there cos and sin of radians are off by 1e-16.
    quarter = angle_deg / 90.0
    if quarter == round(quarter):
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarter) % 4]
    return math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
