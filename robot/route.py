"""The route: along which faces the robot drives, from where to where, and which way it looks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from recording import AntennaMount
from robot.errors import ConfigError
from robot.settings import RouteTable
from stacks.plan import Face, Floor, Plan

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Leg:
    """One pass along one face.

    Attributes
    ----------
    face_id : str
    pass_no : int
        From 1.
    start_m, end_m : (float, float)
        Where the robot's centre goes, map frame.
    yaw_rad : float
        Which way the robot looks all along.
    reverse : bool
        True: it drives backward.
    """

    face_id: str
    pass_no: int
    start_m: Point
    end_m: Point
    yaw_rad: float
    reverse: bool

    @property
    def length_m(self) -> float:
        """Metres from start to end."""
        return math.dist(self.start_m, self.end_m)

    def point(self, done_m: float) -> Point:
        """Return the place `done_m` metres from the start, held within the leg."""
        share = min(1.0, max(0.0, done_m / self.length_m))
        return (
            self.start_m[0] + share * (self.end_m[0] - self.start_m[0]),
            self.start_m[1] + share * (self.end_m[1] - self.start_m[1]),
        )


@dataclass(frozen=True, slots=True)
class Route:
    """All legs of a run in driving order, and what fingerprint they have."""

    floor_id: str
    legs: tuple[Leg, ...]
    faces: tuple[Face, ...]
    """Every face of the floor, driven or not: what transfers go round."""

    @property
    def length_m(self) -> float:
        """Metres driven while reading."""
        return sum(leg.length_m for leg in self.legs)

    @property
    def key(self) -> str:
        """Fingerprint: equal for equal legs, whatever else the settings say."""
        text = json.dumps(
            [[leg.face_id, leg.start_m, leg.end_m, leg.yaw_rad, leg.reverse] for leg in self.legs]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def share(self, leg: int, done_m: float) -> float:
        """Return the share of the route that is done, 0..1, with `done_m` of leg number `leg` driven."""
        before = sum(leg.length_m for leg in self.legs[:leg])
        return min(1.0, (before + done_m) / self.length_m)


def antenna_side(
    mounts: Sequence[AntennaMount], side: Literal["auto", "left", "right"]
) -> Literal["left", "right"]:
    """Return the side the antennas look to, from their boresights where the settings leave it open.

    Raises
    ------
    ConfigError
        The antennas look neither left nor right, and the settings do not say.
    """
    if side != "auto":
        return side
    lateral = [math.sin(math.radians(mount.boresight_deg[0])) for mount in mounts]
    if max(map(abs, lateral)) < 0.3:
        raise ConfigError(
            "route.side: the antennas look neither left nor right; say which side goes along the face"
        )
    # Antennas on both sides: the face goes where more of them look.
    return "left" if sum(lateral) >= 0 else "right"


def build_route(plan: Plan, route: RouteTable, mounts: Sequence[AntennaMount]) -> Route:
    """Lay the route along the plan's faces.

    A face is driven in its aisle at the standoff, past both of its ends, and so that it lies on the side of the
    antennas; every second pass goes back the same way in reverse, so that the antennas still look at it. Faces come in
    the order asked for, else each time the one whose start is nearest.

    Raises
    ------
    ConfigError
        An unknown face or floor, several floors without a choice, no face at all, or antennas that look nowhere.
    """
    floor = _floor(plan, route)
    side = antenna_side(mounts, route.side)
    known = {face.id: face for face in floor.faces}
    for face_id in route.faces:
        if face_id not in known:
            near = get_close_matches(face_id, known, 1)
            advice = f"did you mean {near[0]}?" if near else f"floor {floor.id} has {len(known)} faces"
            raise ConfigError(f"route.faces: no face {face_id!r} on floor {floor.id}; {advice}")
    if route.faces:
        blocks = [_passes(known[face_id], route, side) for face_id in route.faces]
    else:
        blocks = _nearest_next([_passes(face, route, side) for face in floor.faces])
    return Route(floor.id, tuple(leg for block in blocks for leg in block), floor.faces)


def _floor(plan: Plan, route: RouteTable) -> Floor:
    floors = {floor.id: floor for floor in plan.floors if floor.faces}
    if not floors:
        raise ConfigError("plan: it has no face to drive along; give it at least one")
    if route.floor is not None:
        if route.floor not in floors:
            raise ConfigError(
                f"route.floor: no faces on floor {route.floor!r}; the plan has {', '.join(floors)}"
            )
        return floors[route.floor]
    if route.faces:
        for floor in floors.values():
            if any(face.id == route.faces[0] for face in floor.faces):
                return floor
    elif len(floors) > 1:
        raise ConfigError(
            f"route.floor: is missing; the plan has floors {', '.join(floors)}: say which one to drive"
        )
    return next(iter(floors.values()))


def _passes(face: Face, route: RouteTable, side: Literal["left", "right"]) -> list[Leg]:
    (ux, uy), (nx, ny) = face.direction, face.normal

    def at(offset_m: float) -> Point:
        x = face.origin_m[0] + offset_m * ux + route.standoff_m * nx
        y = face.origin_m[1] + offset_m * uy + route.standoff_m * ny
        return round(x, 6), round(y, 6)

    ends = at(-route.overrun_m), at(face.length_m + route.overrun_m)
    yaw = math.atan2(uy, ux)
    # Looking the way the offset grows, the robot has the face on its left where the face's back lies to the left.
    left = uy * nx - ux * ny > 0
    if left != (side == "left"):
        ends = ends[::-1]
        yaw = math.atan2(-uy, -ux)
    legs: list[Leg] = []
    for number in range(route.passes):
        reverse = number % 2 == 1
        start, end = ends[::-1] if reverse else ends
        legs.append(Leg(face.id, number + 1, start, end, round(yaw, 9), reverse))
    return legs


def _nearest_next(blocks: list[list[Leg]]) -> list[list[Leg]]:
    ordered = [blocks[0]]
    rest = blocks[1:]
    while rest:
        here = ordered[-1][-1].end_m
        nearest = min(range(len(rest)), key=lambda i: math.dist(here, rest[i][0].start_m))
        ordered.append(rest.pop(nearest))
    return ordered
