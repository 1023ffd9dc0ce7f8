"""
The map of the shelving, ``nightstack-plan/1``: floors, faces, bays, shelves, and their coordinates.

A face is one side of a row of bookcases. Its offset axis runs left to right as a person standing in the
aisle sees it; its normal points out of the face into the aisle; depth grows behind the face's line, away
from the aisle. Map frame: x east, y north, z up, metres; angles counter-clockwise from x, degrees.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from stacks.errors import PlanError
from stacks.plan_checks import face_from_json, no_ids, once, version_from_json
from stacks.plan_json import Fields, load
from stacks.shelving import SLACK_M, Face, Floor, Shelf

FORMAT = "nightstack-plan/1"
_MAX_BYTES = 256 << 20

__all__ = ["FORMAT", "SLACK_M", "Face", "Floor", "Plan", "PlanError", "Shelf", "read_plan", "write_plan"]


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
        site, version = top.text("site"), top.optional("version", lambda key: version_from_json(top, key))
        ids = no_ids()
        floors: list[Floor] = []
        for entry in top.objects("floors"):
            floor_id = once(entry, "id", "floor", ids)
            faces = tuple(face_from_json(face, ids) for face in entry.objects("faces"))
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
        raise PlanError(f"{file}: is missing; name the plan.json of the library") from None
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
