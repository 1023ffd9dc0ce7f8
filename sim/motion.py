"""How the robot's base moves, and how wrong it is about where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.air import RobotPose
from sim.robot import RobotDescription


class Base:
    """A differential-drive base with limited speeds and accelerations.

    Parameters
    ----------
    robot : RobotDescription
    pose : RobotPose
        Where it starts.

    Attributes
    ----------
    pose : RobotPose
        Where it truly is.
    v_mps, w_radps : float
        How fast it truly goes.
    """

    _SUBSTEP_S = 0.01

    def __init__(self, robot: RobotDescription, pose: RobotPose) -> None:
        self._robot = robot
        self.pose = pose
        self.v_mps = 0.0
        self.w_radps = 0.0
        self._wanted = (0.0, 0.0)
        self._a_mps2, self._alpha_radps2 = robot.max_a_mps2, robot.max_alpha_radps2

    def brake(self) -> None:
        """Stop by itself, as without commands: from full speed within half a second."""
        robot = self._robot
        self._wanted = (0.0, 0.0)
        self._a_mps2 = max(robot.max_a_mps2, 2.5 * robot.max_v_mps)
        self._alpha_radps2 = max(robot.max_alpha_radps2, 2.5 * robot.max_w_radps)

    def command(self, v_mps: float, w_radps: float) -> None:
        """Set the speeds wanted from now on; they are cut to what the base can do."""
        robot = self._robot
        self._a_mps2, self._alpha_radps2 = robot.max_a_mps2, robot.max_alpha_radps2
        self._wanted = (
            float(np.clip(v_mps, -robot.max_v_mps, robot.max_v_mps)),
            float(np.clip(w_radps, -robot.max_w_radps, robot.max_w_radps)),
        )

    def step(self, dt_s: float) -> RobotPose:
        """Move on by ``dt_s`` seconds; return the new true pose."""
        left = dt_s
        x, y, yaw = self.pose.x_m, self.pose.y_m, self.pose.yaw_rad
        while left > 1e-12:
            h = min(left, self._SUBSTEP_S)
            self.v_mps = _towards(self.v_mps, self._wanted[0], self._a_mps2 * h)
            self.w_radps = _towards(self.w_radps, self._wanted[1], self._alpha_radps2 * h)
            middle = yaw + 0.5 * h * self.w_radps
            x += h * self.v_mps * math.cos(middle)
            y += h * self.v_mps * math.sin(middle)
            yaw += h * self.w_radps
            left -= h
        self.pose = RobotPose(x, y, math.remainder(yaw, 2 * math.pi), self.pose.mast_z_m, self.pose.floor)
        return self.pose


def _towards(now: float, wanted: float, most: float) -> float:
    return wanted if abs(wanted - now) <= most else now + math.copysign(most, wanted - now)


@dataclass(frozen=True, slots=True)
class PoseError:
    """Error of a reported pose: reported less true, in the map frame."""

    x_m: float
    y_m: float
    yaw_rad: float


class Drift:
    """The slowly wandering error of the robot's localization: an Ornstein-Uhlenbeck process per coordinate.

    Its stationary standard deviations are the robot's ``sigma_xy_m`` and ``sigma_yaw_rad``, so that the sigmas reported
    with each pose are honest.

    Parameters
    ----------
    robot : RobotDescription
    rng : Generator
    """

    def __init__(self, robot: RobotDescription, rng: np.random.Generator) -> None:
        self._rng = rng
        self._sd = np.array([robot.sigma_xy_m, robot.sigma_xy_m, robot.sigma_yaw_rad])
        self._time_s = robot.drift_s
        self._now = self._sd * rng.standard_normal(3)

    def step(self, dt_s: float) -> PoseError:
        """Let the error wander for ``dt_s`` seconds; return it."""
        keep = math.exp(-dt_s / self._time_s)
        self._now = keep * self._now + math.sqrt(1 - keep * keep) * self._sd * self._rng.standard_normal(3)
        x, y, yaw = self._now.tolist()
        return PoseError(x, y, yaw)
