"""The driver: from one pose report to the next speed, leg by leg along the route."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from robot.base_link import Flags, PoseReport
from robot.motion import Line, Motion, Point, Pose, Ramp, Turn, wrap
from robot.paths import Shelving
from robot.route import Leg, Route
from robot.settings import RobotSettings

log = logging.getLogger("nightstack.robot")

_ON_THE_SPOT_M: Final = 0.05
_BACK_UP_M: Final = 2.0
_GAP_S: Final = 0.3
_MOVED_M: Final = 0.05
_MOVED_RAD: Final = 0.1
_REMEMBER_M: Final = 0.1
_STUCK_S: Final = 10.0
_REST_MPS: Final = 0.005
_REST_RADPS: Final = 0.01
_SINK: Final = "driver"

Report = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the robot has come: `leg` legs are done, and `done_m` metres of the next.

    `leg` equals the number of legs when all are done.
    """

    leg: int = 0
    done_m: float = 0.0


class Driver:
    """Answers every pose report with a speed. Nothing moves before `start`, and nothing after `stop`.

    Parameters
    ----------
    settings, route
        What to drive and how.
    report
        Told of events: source, kind, one sentence.
    """

    def __init__(self, settings: RobotSettings, route: Route, report: Report) -> None:
        self.finished = threading.Event()
        """Set when the last leg is done, or nothing more can be driven."""
        self.progress = Progress()
        self.standing = False
        """Whether the robot is held and has come to rest, by the base's own report."""
        self.failure = ""
        """Why nothing more can be driven; empty when the route is simply done."""
        self._settings = settings
        self._drive = settings.drive
        self._route = route
        self._report = report
        self._shelving = Shelving(route.faces, settings.drive.case_depth_m)
        self._ramp = Ramp(settings.drive)
        self._motions: list[Motion] = []
        self._scanning = False
        self._planned = False
        self._begun_m = 0.0
        self._moving = False
        self._lock = threading.Lock()
        self._holds: dict[str, str] = {}
        self._last_t: float | None = None
        self._blocked_since: float | None = None
        self._blocked_by = ""
        self._escaping = False
        self._slow = False
        self._again_since: int | None = None
        self._history: deque[tuple[int, Progress]] = deque(maxlen=5000)
        self._moved_to = Pose(math.inf, math.inf, 0.0)
        self._moved_at: float | None = None

    @property
    def leg(self) -> Leg | None:
        """The leg being driven or driven to; None when all are done."""
        at = self.progress.leg
        return self._route.legs[at] if at < len(self._route.legs) else None

    @property
    def share(self) -> float:
        """Share of the route done, 0..1."""
        return self._route.share(self.progress.leg, self.progress.done_m)

    @property
    def held(self) -> str:
        """Why the robot stands although it should drive; empty when it drives."""
        return next(iter(self._holds.values()), "") or self._blocked_by

    def limit(self, max_v_mps: float, max_w_radps: float) -> None:
        """Keep the base's own limits."""
        self._ramp.limit(max_v_mps, max_w_radps)

    def start(self, progress: Progress) -> None:
        """Drive on from `progress`."""
        self.progress = progress
        self._begun_m = progress.done_m
        self._planned = False
        self._moving = True

    def stop(self) -> None:
        """Stop for good."""
        self._moving = False

    def hold(self, why: str, text: str) -> None:
        """Stand until `release` is called with the same `why`."""
        with self._lock:
            self._holds = self._holds | {why: text}

    def release(self, why: str) -> None:
        """Take a hold back."""
        with self._lock:
            self._holds = {key: text for key, text in self._holds.items() if key != why}

    def drive_again_since(self, t: int) -> None:
        """Go back to where the robot was at time `t` (ns UTC) and drive on from there: nobody heard what came after."""
        with self._lock:
            self._again_since = t if self._again_since is None else min(t, self._again_since)

    def answer(self, report: PoseReport, t_ns: int) -> tuple[float, float]:
        """Return forward and turning speed (m/s, rad/s) to command as answer to `report`, stamped `t_ns` (UTC)."""
        t = report.t_us / 1e6
        dt = t - self._last_t if self._last_t is not None else 0.0
        self._last_t = t
        if not 0.0 <= dt <= _GAP_S:
            # Reports were missing or the base's clock was set: the base may have stopped by itself meanwhile.
            self._ramp.reset(report.v_mps, report.w_radps)
            dt = 0.05
        self.standing = (
            bool(self._holds) and abs(report.v_mps) < _REST_MPS and abs(report.w_radps) < _REST_RADPS
        )
        if not self._moving or self._holds or self.finished.is_set():
            self._moved_at = None
            return self._ramp.step(0.0, 0.0, dt)
        if self._must_wait(report, t):
            self._moved_at = None
            return self._ramp.step(0.0, 0.0, dt * 3)
        self._remember(t_ns)
        pose = Pose(report.x_m, report.y_m, report.yaw_rad)
        if self._stuck(pose, t):
            self._give_up_leg("the base does not move", pose)
            return self._ramp.step(0.0, 0.0, dt)
        v, w = self._wanted(pose)
        return self._ramp.step(v * self._caution(report.sigma_xy_m), w, dt)

    def _remember(self, t_ns: int) -> None:
        """Keep where the robot was when, and go back there where that was asked for."""
        if self._again_since is not None:
            with self._lock:
                since, self._again_since = self._again_since, None
            while self._history and self._history[-1][0] > since:
                _, self.progress = self._history.pop()
            if self._history:
                self.progress = self._history[-1][1]
            self._begun_m, self._planned = self.progress.done_m, False
        last = self._history[-1][1] if self._history else None
        if last is None or last.leg != self.progress.leg or self.progress.done_m - last.done_m > _REMEMBER_M:
            self._history.append((t_ns, self.progress))

    def _must_wait(self, report: PoseReport, t: float) -> bool:
        why = ""
        if report.flags & Flags.EMERGENCY_STOP:
            why = "the emergency stop is pressed"
        elif report.flags & Flags.POSE_LOST:
            why = "the base does not know where it is"
        elif report.sigma_xy_m > self._drive.stop_sigma_m:
            why = f"the pose is uncertain by {report.sigma_xy_m:.2f} m"
        elif report.flags & Flags.OBSTACLE:
            why = "" if self._escaping else "an obstacle stands in the way"
        else:
            self._escaping = False
        if not why:
            if self._blocked_since is not None:
                self._report(_SINK, "way_free", f"after {t - self._blocked_since:.0f} s")
                self._blocked_since, self._blocked_by = None, ""
            return False
        if self._blocked_since is None:
            self._blocked_since = t
            self._report(_SINK, "blocked", f"{why}{self._where(report)}")
        self._blocked_by = why
        waited = t - self._blocked_since
        if report.flags & Flags.OBSTACLE and waited > self._drive.blocked_wait_s:
            self._give_up_leg(why, Pose(report.x_m, report.y_m, report.yaw_rad))
        elif waited > max(self._drive.base_lost_s, self._drive.blocked_wait_s):
            self.failure = f"{why} for {waited:.0f} s{self._where(report)}"
            self.finished.set()
        return True

    def _where(self, report: PoseReport) -> str:
        leg = self.leg
        at = f" at x {report.x_m:.2f} y {report.y_m:.2f}"
        return f"{at}, face {leg.face_id}" if leg else at

    def _stuck(self, pose: Pose, t: float) -> bool:
        """Tell whether the robot has been told to drive for long and has got nowhere."""
        far = math.dist((pose.x_m, pose.y_m), (self._moved_to.x_m, self._moved_to.y_m)) > _MOVED_M
        if far or abs(wrap(pose.yaw_rad - self._moved_to.yaw_rad)) > _MOVED_RAD or self._moved_at is None:
            self._moved_to, self._moved_at = pose, t
        return t - self._moved_at > max(self._drive.blocked_wait_s, _STUCK_S)

    def _give_up_leg(self, why: str, pose: Pose) -> None:
        leg = self.leg
        backward = bool(self._motions) and isinstance(self._motions[0], Line) and self._motions[0].reverse
        self._shelving.block(pose.x_m, pose.y_m, pose.yaw_rad + (math.pi if backward else 0.0))
        if leg is None:
            self._report(_SINK, "not_home", why)
            self.finished.set()
        else:
            self._report(
                _SINK,
                "leg_skipped",
                f"face {leg.face_id} pass {leg.pass_no} from {self.progress.done_m:.2f} m: {why}",
            )
        self._blocked_since, self._blocked_by = None, ""
        # The base refuses to drive against the obstacle; it may turn and drive away from it.
        self._escaping = True
        self._moved_at = None
        self._next_leg()

    def _caution(self, sigma_xy_m: float) -> float:
        slow, stop = self._drive.slow_sigma_m, self._drive.stop_sigma_m
        if sigma_xy_m <= slow:
            self._slow = False
            return 1.0
        if not self._slow:
            self._slow = True
            self._report(_SINK, "slowed", f"the pose is uncertain by {sigma_xy_m:.2f} m")
        return max(0.2, 1.0 - (sigma_xy_m - slow) / max(stop - slow, 1e-9))

    def _wanted(self, pose: Pose) -> tuple[float, float]:
        for _ in range(8):
            if not self._planned:
                self._plan(pose)
            if not self._motions:
                self._leg_done()
                if self.finished.is_set():
                    return 0.0, 0.0
                continue
            motion = self._motions[0]
            target = motion.target(pose, self._drive)
            if target is not None:
                if self._scanning and len(self._motions) == 1 and isinstance(motion, Line):
                    self._advance(self._begun_m + motion.along(pose))
                return target
            self._motions.pop(0)
            # One motion ends at rest before the next begins.
            return 0.0, 0.0
        return 0.0, 0.0

    def _advance(self, done_m: float) -> None:
        if done_m > self.progress.done_m:
            self.progress = Progress(self.progress.leg, done_m)

    def _plan(self, pose: Pose) -> None:
        self._planned = True
        leg = self.leg
        if leg is None:
            home = self._settings.route.home
            self._motions = [] if home is None else self._transfer(pose, home[:2], math.radians(home[2]))
            self._scanning = False
            return
        begin = leg.point(self._begun_m)
        self._motions = self._transfer(pose, begin, leg.yaw_rad)
        self._motions.append(Line(begin, leg.end_m, self._settings.route.speed_mps, leg.reverse))
        self._scanning = True
        self._report(
            _SINK, "leg_started", f"face {leg.face_id} pass {leg.pass_no} from {self._begun_m:.2f} m"
        )

    def _leg_done(self) -> None:
        if self.leg is None:
            self.finished.set()
        else:
            self._next_leg()

    def _next_leg(self) -> None:
        self.progress = Progress(min(self.progress.leg + 1, len(self._route.legs)), 0.0)
        self._begun_m = 0.0
        self._planned = False
        if self.leg is None and self._settings.route.home is None:
            self.finished.set()

    def _transfer(self, pose: Pose, goal: Point, yaw_rad: float) -> list[Motion]:
        """Return the motions from here to `goal`, looking along `yaw_rad` there, around the shelving."""
        here = (pose.x_m, pose.y_m)
        motions: list[Motion] = []
        heading = pose.yaw_rad
        if math.dist(here, goal) > _ON_THE_SPOT_M:
            way = self._shelving.way(here, goal, self._drive.clearance_m)
            if way is None:
                self._report(
                    _SINK,
                    "no_way",
                    f"shelving closes every way to {goal[0]:.2f}, {goal[1]:.2f}; driven straight",
                )
                way = [goal]
            for corner in way:
                towards = math.atan2(corner[1] - here[1], corner[0] - here[0])
                back = math.dist(here, corner) < _BACK_UP_M and abs(wrap(towards - heading)) > math.pi / 2
                heading = wrap(towards + math.pi) if back else towards
                motions += [Turn(heading), Line(here, corner, self._drive.transfer_mps, back)]
                here = corner
        return [*motions, Turn(yaw_rad)]
