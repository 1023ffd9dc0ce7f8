"""The driver and its motions on a base that moves as told: where it goes, when it stands, how fast it gets there."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recording import AntennaMount
from robot.base_link import Flags, PoseReport
from robot.driver import Driver, Progress
from robot.route import Route, build_route
from robot.settings import RobotSettings
from stacks.plan import Face, Floor, Plan

STEP_S = 0.05


def settings(**drive: float) -> RobotSettings:
    return RobotSettings.from_dict(
        {
            "site": "site",
            "robot": "robot",
            "broker": "mqtt://localhost",
            "plan": "plan.json",
            "base": "tcp://localhost:1",
            "reader": [{"name": "uhf", "url": "llrp://localhost"}],
            "antenna": [
                {"id": 1, "reader": "uhf", "port": 1, "position_m": [0, 0.2, 1], "boresight_deg": [90, 0]}
            ],
            "route": {"passes": 2, "home": [-1.0, -1.0, 90.0]},
            "drive": drive,
        },
        folder=Path(),
    )


def two_faces() -> Plan:
    faces = (
        Face("S", (0.0, 0.0), 0.0, -90.0, 3.0, 0.03, ()),
        Face("N", (3.0, 0.5), 180.0, 90.0, 3.0, 0.03, ()),
    )
    return Plan("site", "1", (Floor("1", faces),))


@dataclass
class Course:
    """A perfect base in a loop with one driver."""

    driver: Driver
    route: Route
    events: list[tuple[str, str]]
    x_m: float = -0.5
    y_m: float = -1.5
    yaw_rad: float = 2.0
    v_mps: float = 0.0
    w_radps: float = 0.0
    seq: int = 0
    t_us: int = 1_000_000
    flags: Flags = Flags.NONE
    sigma_m: float = 0.01
    track: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            report = PoseReport(
                self.seq, self.t_us, self.x_m, self.y_m, self.yaw_rad, self.v_mps, self.w_radps, self.sigma_m, 0.0,
                self.flags,
            )  # fmt: skip
            self.v_mps, self.w_radps = self.driver.answer(report, self.t_us * 1000)
            self.yaw_rad += self.w_radps * STEP_S
            self.x_m += self.v_mps * STEP_S * math.cos(self.yaw_rad)
            self.y_m += self.v_mps * STEP_S * math.sin(self.yaw_rad)
            self.seq += 1
            self.t_us += round(STEP_S * 1e6)
            self.track.append((self.x_m, self.y_m, self.yaw_rad, self.v_mps, self.w_radps))

    def until_done(self, most: int = 6000) -> None:
        while not self.driver.finished.is_set():
            self.step()
            assert self.seq < most, "the robot does not arrive"


def course(**drive: float) -> Course:
    with_drive = settings(**drive)
    route = build_route(
        two_faces(), with_drive.route, [AntennaMount(1, "uhf", 1, "gen2", (0, 0.2, 1), (90.0, 0.0))]
    )
    events: list[tuple[str, str]] = []
    driver = Driver(with_drive, route, lambda _source, kind, detail: events.append((kind, detail)))
    return Course(driver, route, events)


def test_nothing_moves_before_the_start():
    robot = course()
    robot.step(100)
    assert {(v, w) for *_, v, w in robot.track} == {(0.0, 0.0)}


def test_every_leg_is_driven_on_its_line_and_the_robot_comes_home():
    robot = course()
    robot.driver.start(Progress())
    robot.until_done()
    assert [kind for kind, _ in robot.events] == ["leg_started"] * 4
    assert robot.driver.share == 1.0
    assert math.dist((robot.x_m, robot.y_m), (-1.0, -1.0)) < 0.1
    assert math.cos(robot.yaw_rad - math.pi / 2) > 0.99
    for leg in robot.route.legs:
        ends = [min(math.dist((x, y), end) for x, y, *_ in robot.track) for end in (leg.start_m, leg.end_m)]
        assert max(ends) < 0.06
        dx, dy = leg.end_m[0] - leg.start_m[0], leg.end_m[1] - leg.start_m[1]
        on_leg = [
            abs((x - leg.start_m[0]) * dy - (y - leg.start_m[1]) * dx) / leg.length_m
            for x, y, yaw, v, _ in robot.track
            if abs(math.remainder(yaw - leg.yaw_rad, math.tau)) < 0.05 and (v < -0.2 if leg.reverse else v > 0.2)
            and abs(y - leg.start_m[1]) < 0.3
        ]  # fmt: skip
        assert len(on_leg) * STEP_S * 0.3 > 0.8 * leg.length_m
        assert max(on_leg) < 0.06


def test_speeds_and_accelerations_stay_within_the_limits():
    robot = course(accel_mps2=0.4, turn_radps=0.8, turn_accel_radps2=1.5, transfer_mps=0.5)
    robot.driver.limit(0.45, 0.6)
    robot.driver.start(Progress())
    robot.until_done()
    for (*_, v0, w0), (*_, v1, w1) in zip(robot.track, robot.track[1:], strict=False):
        assert abs(v1) <= 0.45 + 1e-9
        assert abs(w1) <= 0.6 + 1e-9
        assert abs(v1 - v0) <= 0.4 * STEP_S + 1e-9
        assert abs(w1 - w0) <= 1.5 * STEP_S + 1e-9


def test_a_disturbed_robot_finds_back_to_its_line():
    robot = course()
    robot.driver.start(Progress())
    while robot.driver.progress.done_m < 1.0:
        robot.step()
    robot.y_m += 0.2
    robot.yaw_rad += 0.3
    robot.step(round(4 / STEP_S))
    assert abs(robot.y_m - robot.route.legs[0].start_m[1]) < 0.03


def test_it_resumes_in_the_middle_of_a_leg():
    robot = course()
    robot.driver.start(Progress(1, 2.0))
    robot.until_done()
    assert robot.events[0] == ("leg_started", "face S pass 2 from 2.00 m")
    assert len(robot.events) == 3
    first = robot.route.legs[1]
    place = first.point(2.0)
    assert min(math.dist((x, y), place) for x, y, *_ in robot.track) < 0.06


@pytest.mark.parametrize(
    ("flags", "sigma_m"), [(Flags.EMERGENCY_STOP, 0.01), (Flags.POSE_LOST, 0.01), (Flags.NONE, 2.0)]
)
def test_it_stands_while_it_must_and_gives_up_in_the_end(flags: Flags, sigma_m: float):
    robot = course(base_lost_s=60.0, blocked_wait_s=10.0)
    robot.driver.start(Progress())
    while robot.driver.progress.done_m < 1.0:
        robot.step()
    robot.flags, robot.sigma_m = flags, sigma_m
    robot.step(40)
    at = robot.x_m
    robot.step(200)
    assert robot.x_m == at
    robot.flags, robot.sigma_m = Flags.NONE, 0.01
    robot.step(100)
    assert abs(robot.x_m - at) > 0.5
    assert [kind for kind, _ in robot.events][-2:] == ["blocked", "way_free"]
    robot.flags, robot.sigma_m = flags, sigma_m
    robot.step(round(62 / STEP_S))
    assert robot.driver.finished.is_set()
    assert "for 60 s" in robot.driver.failure


def test_an_uncertain_pose_slows_it_down():
    robot = course(slow_sigma_m=0.2, stop_sigma_m=1.0)
    robot.driver.start(Progress())
    while robot.driver.progress.done_m < 1.0:
        robot.step()
    robot.sigma_m = 0.6
    robot.step(40)
    assert abs(robot.v_mps) == pytest.approx(0.15, abs=0.01)
    assert robot.events[-1][0] == "slowed"


def test_holds_add_up():
    robot = course()
    robot.driver.start(Progress())
    robot.step(100)
    robot.driver.hold("a", "first")
    robot.driver.hold("b", "second")
    robot.step(60)
    assert robot.v_mps == robot.w_radps == 0.0
    robot.driver.release("a")
    robot.step(60)
    assert robot.driver.held == "second"
    assert robot.v_mps == robot.w_radps == 0.0
    robot.driver.release("b")
    robot.step(40)
    assert (robot.v_mps, robot.w_radps) != (0.0, 0.0)


def test_a_base_that_does_not_move_is_given_up():
    robot = course(blocked_wait_s=10.0)
    robot.driver.start(Progress())
    for _ in range(round(80 / STEP_S)):
        robot.driver.answer(
            PoseReport(robot.seq, robot.t_us, -0.5, -1.5, 2.0, 0, 0, 0.01, 0.0), robot.t_us * 1000
        )
        robot.seq, robot.t_us = robot.seq + 1, robot.t_us + round(STEP_S * 1e6)
    assert robot.driver.finished.is_set()
    skipped = [detail for kind, detail in robot.events if kind == "leg_skipped"]
    assert len(skipped) == 4
    assert robot.events[-1] == ("not_home", "the base does not move")


def test_after_a_gap_it_starts_from_the_speed_the_base_has():
    robot = course()
    robot.driver.start(Progress())
    while robot.driver.progress.done_m < 1.0:
        robot.step()
    robot.t_us += 3_000_000
    robot.v_mps = 0.0
    robot.step()
    assert abs(robot.v_mps) <= 0.4 * STEP_S + 1e-9


def test_what_nobody_heard_is_driven_again_over_the_end_of_a_leg_too():
    robot = course()
    robot.driver.start(Progress())
    while robot.driver.progress.done_m < 2.0:
        robot.step()
    deaf_since = robot.t_us * 1000
    while robot.driver.progress.leg == 0 or robot.driver.progress.done_m < 0.5:
        robot.step()
    robot.driver.hold("readers", "")
    robot.step(40)
    robot.driver.drive_again_since(deaf_since)
    robot.driver.release("readers")
    robot.step()
    assert robot.driver.progress.leg == 0
    assert 1.85 < robot.driver.progress.done_m <= 2.0
    robot.until_done()
    assert [detail for kind, detail in robot.events if "face S" in detail][2].startswith(
        "face S pass 1 from 1.9"
    )
    assert robot.driver.share == 1.0
