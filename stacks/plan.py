"""
The map of the shelving, ``nightstack-plan/1``: floors, faces, bays, shelves, and their coordinates.

A face is one side of a row of bookcases. Its offset axis runs left to right as a person standing in the
aisle sees it; its normal points out of the face into the aisle; depth grows behind the face's line, away
from the aisle. Map frame: x east, y north, z up, metres; angles counter-clockwise from x, degrees.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stacks.errors import PlanError
from stacks.plan_json import Fields, load

FORMAT = "nightstack-plan/1"
SLACK_M = 1e-6
"""Rounding allowed where two lengths of the file must agree."""
_SLACK_DEG = 0.01
_MAX_M = 100_000.0
_MAX_BYTES = 256 << 20

__all__ = ["FORMAT", "Face", "Floor", "Plan", "PlanError", "Shelf", "read_plan", "write_plan"]

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
        for key in ("range_start", "sequence", "tag"):
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


@dataclass(frozen=True)
class Plan:
    """
    The shelving of one site.

    Attributes
    ----------
    site : str
        The site.
    version : int or str
        Which edition of the plan this is; 1 where the file does not say.
    floors : tuple of Floor
        In walking order, as are their faces.
    extra : mapping
        Keys of the file that this version does not know, kept.
    """

    site: str
    version: int | str
    floors: tuple[Floor, ...]
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @cached_property
    def faces(self) -> tuple[Face, ...]:
        """All faces, in walking order."""
        return tuple(face for floor in self.floors for face in floor.faces)

    @cached_property
    def shelves(self) -> tuple[Shelf, ...]:
        """All shelves in the order of the file."""
        return tuple(shelf for face in self.faces for shelf in face.shelves)

    @cached_property
    def walking_order(self) -> tuple[Shelf, ...]:
        """All shelves: faces in the plan's order, bays from left to right, boards from the top down."""
        return tuple(shelf for face in self.faces for shelf in face.walking_order())

    def face(self, face_id: str) -> Face:
        """Return the face of an id; raises KeyError."""
        try:
            return self._faces[face_id]
        except KeyError:
            raise KeyError(f"no face {face_id!r} in the plan of {self.site}") from None

    def shelf(self, shelf_id: str) -> tuple[Face, Shelf]:
        """Return the shelf of an id and the face it is on; raises KeyError."""
        try:
            return self._shelves[shelf_id]
        except KeyError:
            raise KeyError(f"no shelf {shelf_id!r} in the plan of {self.site}") from None

    def floor_of(self, face_id: str) -> Floor:
        """Return the floor a face is on; raises KeyError."""
        self.face(face_id)
        return next(floor for floor in self.floors if any(face.id == face_id for face in floor.faces))

    @cached_property
    def _faces(self) -> dict[str, Face]:
        return {face.id: face for face in self.faces}

    @cached_property
    def _shelves(self) -> dict[str, tuple[Face, Shelf]]:
        return {shelf.id: (face, shelf) for face in self.faces for shelf in face.shelves}

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``plan.json``."""
        return {
            "format": FORMAT,
            "site": self.site,
            "version": self.version,
            "floors": [floor.to_json() for floor in self.floors],
        } | dict(self.extra)

    @classmethod
    def from_json(cls, obj: object, source: str = "plan.json") -> Plan:
        """
        Return a plan from the object of ``plan.json``, checked.

        Raises
        ------
        PlanError
            Naming `source`, the JSON path and what is wrong.
        """
        top = Fields(obj, source)
        found = top.text("format")
        if found != FORMAT:
            top.fail("format", f"is {found!r}; this version reads {FORMAT!r}")
        site, version = top.text("site"), top.optional("version", lambda key: _version(top, key))
        ids: dict[str, dict[str, str]] = {"floor": {}, "face": {}, "shelf": {}, "tag": {}, "sequence": {}}
        floors: list[Floor] = []
        for entry in top.objects("floors"):
            floor_id = _once(entry, "id", "floor", ids)
            faces = tuple(_face(face, ids) for face in entry.objects("faces"))
            floors.append(Floor(floor_id, faces, entry.rest()))
        if not any(floor.faces for floor in floors):
            top.fail("floors", "has no face; a plan needs at least one")
        return cls(site, 1 if version is None else version, tuple(floors), top.rest())


def read_plan(path: str | Path) -> Plan:
    """
    Read ``plan.json``, or the one of a folder.

    Raises
    ------
    PlanError
        If it is missing, no JSON or wrong: one line with the JSON path.
    """
    file = Path(path)
    try:
        file = file / "plan.json" if file.is_dir() else file
        if file.stat().st_size > _MAX_BYTES:
            raise PlanError(f"{file}: is larger than {_MAX_BYTES >> 20} MiB")
        data = file.read_bytes()
    except FileNotFoundError:
        raise PlanError(f"{file}: is missing") from None
    except OSError as e:
        raise PlanError(f"{file}: cannot be read ({e.strerror or e})") from None
    return Plan.from_json(load(data, str(file)), str(file))


def write_plan(path: str | Path, plan: Plan) -> None:
    """Write ``plan.json`` so that the old one or the new one is there, never half of it; raises PlanError."""
    file = Path(path)
    text = json.dumps(plan.to_json(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    temp = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with temp.open("wb") as handle:
            handle.write(text.encode())
            handle.flush()
            os.fsync(handle.fileno())
        temp.replace(file)
    except OSError as e:
        temp.unlink(missing_ok=True)
        raise PlanError(f"{file}: cannot be written ({e.strerror or e})") from e


def _unit(angle_deg: float) -> tuple[float, float]:
    # Right angles are the rule, and there cos and sin of radians are off by 1e-16.
    quarter = angle_deg / 90.0
    if quarter == round(quarter):
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarter) % 4]
    return math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))


def _version(entry: Fields, key: str) -> int | str:
    value = entry.value(key)
    return entry.integer(key, 0, 2**53) if isinstance(value, int) else entry.text(key)


def _once(entry: Fields, key: str, what: str, ids: dict[str, dict[str, str]]) -> str:
    name = entry.text(key)
    if name in ids[what]:
        entry.fail(key, f"{name!r} is the {what} of {ids[what][name]}, too; each must be its own")
    ids[what][name] = entry.path
    return name


def _metres(entry: Fields, key: str, low: float) -> float:
    value = entry.number(key)
    if not low <= value <= _MAX_M:
        entry.fail(key, f"is {value:g} m and must lie in {low:g} to {_MAX_M:g}")
    return value


def _length(entry: Fields, key: str) -> float:
    value = _metres(entry, key, 0.0)
    if value <= 0:
        entry.fail(key, "must be longer than 0 m")
    return value


def _face(entry: Fields, ids: dict[str, dict[str, str]]) -> Face:
    face_id = _once(entry, "id", "face", ids)
    x, y = entry.numbers("origin_m", 2)
    direction, normal = entry.number("direction_deg"), entry.number("normal_deg")
    if abs(math.remainder(direction - normal - 90.0, 360.0)) > _SLACK_DEG:
        if abs(math.remainder(direction - normal + 90.0, 360.0)) <= _SLACK_DEG:
            entry.fail(
                "direction_deg",
                "runs right to left as seen from the aisle; it must be normal_deg + 90, with origin_m at the left end",
            )
        entry.fail("direction_deg", f"is {direction:g} and must be normal_deg + 90 = {normal + 90:g}")
    length = _length(entry, "length_m")
    depth = _metres(entry, "tag_depth_m", -2.0)
    entries = entry.objects("shelves")
    shelves = tuple(_shelf(shelf, length, ids) for shelf in entries)
    _check_boards(shelves, entries)
    return Face(face_id, (x, y), direction, normal, length, depth, shelves, entry.rest())


def _shelf(entry: Fields, length_m: float, ids: dict[str, dict[str, str]]) -> Shelf:
    shelf_id = _once(entry, "id", "shelf", ids)
    start, end = entry.number("from_m"), entry.number("to_m")
    if start < -SLACK_M or end > length_m + SLACK_M:
        entry.fail("from_m" if start < 0 else "to_m", f"lies outside the face, which is {length_m:g} m long")
    if start >= end:
        entry.fail("to_m", f"is {end:g} and must be greater than from_m, {start:g}")
    tag = entry.optional("tag", entry.text)
    if tag is not None:
        try:
            tag = bytes.fromhex(tag).hex().upper()
        except ValueError:
            entry.fail("tag", f"{tag[:40]!r} is no EPC in hexadecimal")
        if tag in ids["tag"]:
            entry.fail("tag", f"is that of {ids['tag'][tag]}, too; each label must have its own")
        ids["tag"][tag] = entry.path
    sequence = entry.optional("sequence", lambda key: entry.integer(key, 0, 2**53))
    if sequence is not None:
        if str(sequence) in ids["sequence"]:
            entry.fail("sequence", f"{sequence} is that of {ids['sequence'][str(sequence)]}, too")
        ids["sequence"][str(sequence)] = entry.path
    return Shelf(
        id=shelf_id,
        bay=_bay(entry),
        level=entry.integer("level", 1, 100),
        from_m=start,
        to_m=end,
        board_z_m=_metres(entry, "board_z_m", 0.0),
        clear_m=_length(entry, "clear_m"),
        range_start=entry.optional("range_start", entry.text),
        sequence=sequence,
        tag=tag,
        extra=entry.rest(),
    )


def _bay(entry: Fields) -> str:
    value = entry.value("bay")
    return str(entry.integer("bay", -(2**53), 2**53)) if isinstance(value, int) else entry.text("bay")


def _check_boards(shelves: tuple[Shelf, ...], entries: Iterable[Fields]) -> None:
    """No two shelves in one place; in a bay, boards get higher with the level and leave room below."""
    made = list(zip(shelves, entries, strict=True))
    by_level: dict[int, list[tuple[Shelf, Fields]]] = {}
    by_bay: dict[str, list[tuple[Shelf, Fields]]] = {}
    for shelf, entry in made:
        by_level.setdefault(shelf.level, []).append((shelf, entry))
        by_bay.setdefault(shelf.bay, []).append((shelf, entry))
    for level, row in by_level.items():
        row.sort(key=lambda pair: pair[0].from_m)
        for (left, _), (right, entry) in itertools.pairwise(row):
            if right.from_m < left.to_m - SLACK_M:
                entry.fail(
                    "from_m", f"is {right.from_m:g}, inside shelf {left.id!r} of the same level {level}"
                )
    for bay, column in by_bay.items():
        column.sort(key=lambda pair: (pair[0].level, pair[0].from_m))
        for i, (lower, entry) in enumerate(column):
            for upper, above in column[i + 1 :]:
                if (
                    upper.level == lower.level
                    or min(upper.to_m, lower.to_m) <= max(upper.from_m, lower.from_m) + SLACK_M
                ):
                    continue
                if upper.board_z_m <= lower.board_z_m:
                    above.fail(
                        "board_z_m", f"is not above that of the lower shelf {lower.id!r} in bay {bay!r}"
                    )
                if lower.board_z_m + lower.clear_m > upper.board_z_m + SLACK_M:
                    entry.fail("clear_m", f"reaches through the next board, that of shelf {upper.id!r}")
