"""Motions: drive a line, turn on the spot. Each turns the pose of now into the speeds of now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from robot.settings import DriveTable

Point = tuple[float, float]

_LOOKAHEAD_M: Final = 0.5
_TURN_GAIN: Final = 2.0
_LINE_DONE_M: Final = 0.01
_TURN_DONE_RAD: Final = 0.02
_CREEP_MPS: Final = 0.03
_CREEP_RADPS: Final = 0.05
_TURN_FIRST_RAD: Final = 0.6


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the robot's centre is: metres, radians, map frame."""

    x_m: float
    y_m: float
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class Line:
    """Drive from `start_m` to `end_m`, forward or in reverse."""

    start_m: Point
    end_m: Point
    speed_mps: float
    reverse: bool = False

    def along(self, pose: Pose) -> float:
        """Metres from the start to the foot of the pose on the line."""
        length = math.dist(self.start_m, self.end_m)
        if length == 0.0:
            return 0.0
        ux, uy = (self.end_m[0] - self.start_m[0]) / length, (self.end_m[1] - self.start_m[1]) / length
        return (pose.x_m - self.start_m[0]) * ux + (pose.y_m - self.start_m[1]) * uy

    def target(self, pose: Pose, drive: DriveTable) -> tuple[float, float] | None:
        """Return forward and turning speed wanted, or None when the end is reached.

        The heading aims at a point of the line ahead of the robot's foot on it (pure pursuit, Coulter 1992, with the
        arc replaced by a proportional turn); in reverse the robot's back is aimed.
        """
        length = math.dist(self.start_m, self.end_m)
        along = self.along(pose)
        left_m = length - along
        if left_m <= _LINE_DONE_M:
            return None
        heading = math.atan2(self.end_m[1] - self.start_m[1], self.end_m[0] - self.start_m[0])
        across = (pose.y_m - self.start_m[1]) * math.cos(heading) - (pose.x_m - self.start_m[0]) * math.sin(
            heading
        )
        wanted = heading - math.atan2(across, min(_LOOKAHEAD_M, max(left_m, 0.1)))
        if self.reverse:
            wanted += math.pi
        error = wrap(wanted - pose.yaw_rad)
        w = _TURN_GAIN * error
        if abs(error) > _TURN_FIRST_RAD:
            return 0.0, w
        v = max(_CREEP_MPS, min(self.speed_mps, math.sqrt(1.6 * drive.accel_mps2 * left_m))) * math.cos(error)
        return (-v if self.reverse else v), w


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn on the spot until the robot looks along `yaw_rad`."""

    yaw_rad: float

    def target(self, pose: Pose, drive: DriveTable) -> tuple[float, float] | None:
        """Return forward (none) and turning speed wanted, or None when the robot looks the right way."""
        error = wrap(self.yaw_rad - pose.yaw_rad)
        if abs(error) <= _TURN_DONE_RAD:
            return None
        size = max(
            _CREEP_RADPS, min(_TURN_GAIN * abs(error), math.sqrt(drive.turn_accel_radps2 * abs(error)))
        )
        return 0.0, math.copysign(size, error)


Motion = Line | Turn


class Ramp:
    """Keeps commanded speeds within the base's limits and accelerations."""

    def __init__(self, drive: DriveTable) -> None:
        self._drive = drive
        self._max_v = math.inf
        self._max_w = drive.turn_radps
        self._v = 0.0
        self._w = 0.0

    def limit(self, max_v_mps: float, max_w_radps: float) -> None:
        """Keep what the base says of itself; 0 means it does not say."""
        self._max_v = max_v_mps or math.inf
        self._max_w = min(self._drive.turn_radps, max_w_radps or math.inf)

    def reset(self, v_mps: float = 0.0, w_radps: float = 0.0) -> None:
        """Go on from the speeds the base really has, as after a gap in its reports."""
        self._v, self._w = v_mps, w_radps

    def step(self, v_mps: float, w_radps: float, dt_s: float) -> tuple[float, float]:
        """Return the speeds to command now on the way to the wanted ones, `dt_s` after the last."""
        v = min(self._max_v, max(-self._max_v, v_mps))
        w = min(self._max_w, max(-self._max_w, w_radps))
        self._v = _towards(self._v, v, self._drive.accel_mps2 * dt_s)
        self._w = _towards(self._w, w, self._drive.turn_accel_radps2 * dt_s)
        return self._v, self._w


def wrap(angle_rad: float) -> float:
    """Return the same direction within -pi..pi."""
    return math.remainder(angle_rad, math.tau)


def _towards(now: float, wanted: float, most: float) -> float:
    return min(now + most, max(now - most, wanted))
