"""The world over its sockets: a base client of our own, our LLRP driver as the reader's client."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from reader_drivers import Reader, ReaderSettings, open_reader
from recording import Readings
from robot.base_link import Framer, Info, PoseReport, Stop, Velocity, format_line
from sim.air import RobotPose
from sim.errors import SimError
from sim.library import Library
from sim.motion import Base, Drift
from sim.readers.source import Inventory
from sim.robot import RobotDescription
from sim.world import Addresses, World, serve, serve_world


class BaseClient:
    """Answers reports with one speed, as long as it is told to."""

    def __init__(self, address: str) -> None:
        self.host, _, self.port = address.rpartition(":")
        self.reports: list[PoseReport] = []
        self.info: Info | None = None

    async def __aenter__(self) -> BaseClient:
        self.reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        self.framer = Framer()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def next_report(self) -> PoseReport:
        while True:
            for message in self.framer.feed(await asyncio.wait_for(self.reader.read(4096), 20)):
                if isinstance(message, Info):
                    self.info = message
                elif isinstance(message, PoseReport):
                    self.reports.append(message)
                    return message

    def answer(self, v_mps: float = 0.0, w_radps: float = 0.0) -> None:
        self.writer.write(format_line(Velocity(self.reports[-1].seq, v_mps, w_radps)))

    async def drive(self, steps: int, v_mps: float, w_radps: float = 0.0) -> None:
        for _ in range(steps):
            await self.next_report()
            self.answer(v_mps, w_radps)


class TagReader:
    """Our driver in a thread, its clock the newest base report."""

    def __init__(self, address: str, clock: list[int]) -> None:
        self.reader: Reader = open_reader(f"llrp://{address}", clock=lambda: clock[0])
        self.parts: list[Readings] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._done.is_set():
            self.parts.append(self.reader.read(0.05).readings)

    def start(self) -> None:
        self.reader.connect()
        self.reader.start(ReaderSettings())
        self._thread.start()

    def stop(self) -> Readings:
        self._done.set()
        self._thread.join()
        self.parts.append(self.reader.read(0.0).readings)
        self.reader.close()
        return Readings.concat([part for part in self.parts if len(part)])


@asynccontextmanager
async def both(world: World) -> AsyncGenerator[tuple[Addresses, BaseClient]]:
    async with serve(world) as addresses, BaseClient(addresses.base) as base:
        yield addresses, base


def test_a_base_obeys_its_speeds_and_accelerations() -> None:
    robot = RobotDescription()
    base = Base(robot, RobotPose(0.0, 0.0, 0.0))
    base.command(5.0, 0.0)
    base.step(0.5)
    assert base.v_mps == pytest.approx(0.25)
    base.step(5.0)
    assert base.v_mps == robot.max_v_mps
    base.command(0.3, 0.3)
    base.step(4.0)
    base.step(20 * np.pi / 3)
    # A full circle of radius v / w comes back to where it began.
    x, y, yaw = base.pose.x_m, base.pose.y_m, base.pose.yaw_rad
    base.step(2 * np.pi / 0.3)
    assert (base.pose.x_m, base.pose.y_m) == pytest.approx((x, y), abs=1e-3)
    assert base.pose.yaw_rad == pytest.approx(yaw, abs=1e-6)
    base.command(0.6, 0.0)
    base.step(5.0)
    base.brake()
    before = base.pose.x_m, base.pose.y_m
    base.step(0.5)
    assert (base.v_mps, base.w_radps) == (0.0, 0.0)
    assert 0.05 < np.hypot(base.pose.x_m - before[0], base.pose.y_m - before[1]) < 0.3


def test_the_pose_error_wanders_slowly_about_its_sigma() -> None:
    robot = RobotDescription()
    drift = Drift(robot, np.random.default_rng(1))
    track = np.array([[e.x_m, e.y_m, e.yaw_rad] for e in (drift.step(0.5) for _ in range(40_000))])
    assert np.std(track[:, 0]) == pytest.approx(robot.sigma_xy_m, rel=0.15)
    assert np.std(track[:, 2]) == pytest.approx(robot.sigma_yaw_rad, rel=0.15)
    centred = track[:, 1] - track[:, 1].mean()
    assert np.mean(centred[2:] * centred[:-2]) / np.var(centred) == pytest.approx(
        np.exp(-1 / robot.drift_s), abs=0.02
    )


async def test_base_and_reader_in_virtual_time(library: Library) -> None:
    world = World(library, seed=3)
    clock = [0]
    true: list[np.ndarray] = []
    source = world.sources["uhf"]
    hand_over = source.hand_over

    def noted(reads: object, *span: int) -> None:
        true.append(reads.t_ns)
        hand_over(reads, *span)

    source.hand_over = noted
    async with both(world) as (addresses, base):
        await base.next_report()
        clock[0] = base.reports[-1].t_us * 1000
        base.answer()
        tags = TagReader(addresses.readers["uhf"], clock)
        starting = asyncio.create_task(asyncio.to_thread(tags.start))
        while not starting.done():
            clock[0] = (await base.next_report()).t_us * 1000
            base.answer()
        for _ in range(400):
            clock[0] = (await base.next_report()).t_us * 1000
            base.answer(0.1)
        # The last answer is held back until all is counted: the world stands.
        await base.next_report()
        steps = world.steps
        heard = await asyncio.to_thread(tags.stop)
        assert world.steps <= steps + 1
    times = np.concatenate(true)
    # While the driver was still starting and finding its clock is its own affair.
    settled = int(heard.t[0]) + 1_000_000_000
    late, times = heard.t[heard.t >= settled], times[times >= settled]
    assert len(late) > 3000
    assert len(late) == len(times)
    # The driver's clock mapping sees no delay at all in virtual time; LLRP carries microseconds.
    assert np.abs(late - times).max() <= 2000
    assert set(heard.tags) <= set(library.tags.epc)
    spacing = np.diff([report.t_us for report in base.reports])
    assert set(spacing.tolist()) == {50_000}
    last = base.reports[-1]
    assert last.v_mps == pytest.approx(0.1)
    assert np.hypot(last.x_m - world.base.pose.x_m, last.y_m - world.base.pose.y_m) < 0.06
    assert last.sigma_xy_m == pytest.approx(library.robot.sigma_xy_m)


async def test_time_stands_without_a_base_client_and_the_base_stops_when_it_vanishes(
    library: Library,
) -> None:
    world = World(library, seed=3)
    async with serve(world) as addresses:
        await asyncio.sleep(0.1)
        assert world.steps == 0
        async with BaseClient(addresses.base) as base:
            await base.drive(60, 0.5)
            moving = world.base.pose.x_m
            at = world.true_time_ns()
        while world.server.connected or world.base.v_mps:
            await asyncio.sleep(0.01)
        stopped = world.true_time_ns()
        assert (stopped - at) * 1e-9 <= 0.7
        assert abs(world.base.pose.x_m - moving) < 0.3
        await asyncio.sleep(0.1)
        assert world.true_time_ns() == stopped
        async with BaseClient(addresses.base) as again:
            await again.next_report()
            assert again.info is not None
            assert again.info.max_v_mps == pytest.approx(library.robot.max_v_mps)
            assert again.reports[-1].t_us * 1000 > stopped
            assert again.reports[-1].v_mps == 0.0


async def test_the_world_waits_for_the_answer_and_obeys_stop(library: Library) -> None:
    world = World(library, seed=3)
    async with both(world) as (_, base):
        await base.drive(40, 0.3)
        report = await base.next_report()
        steps = world.steps
        await asyncio.sleep(0.15)
        assert world.steps == steps, "no answer, no time"
        base.writer.write(b"V 1 0.3 0.3*0000\n")  # a wrong CRC is no answer
        await asyncio.sleep(0.05)
        assert world.steps == steps
        base.writer.write(format_line(Stop(report.seq)))
        await base.drive(20, 0.0)
        assert base.reports[-1].v_mps == 0.0


async def test_a_second_base_client_is_turned_away(library: Library) -> None:
    world = World(library, seed=3)
    async with both(world) as (addresses, base):
        await base.drive(3, 0.1)
        host, _, port = addresses.base.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await base.drive(3, 0.1)


async def test_a_reader_client_that_vanishes_holds_up_nothing(library: Library) -> None:
    world = World(library, seed=3)
    clock = [0]
    async with both(world) as (addresses, base):
        tags = TagReader(addresses.readers["uhf"], clock)
        starting = asyncio.create_task(asyncio.to_thread(tags.start))
        while not starting.done():
            clock[0] = (await base.next_report()).t_us * 1000
            base.answer()
        await base.drive(20, 0.1)
        assert world.sources["uhf"].listening is not None
        closing = asyncio.create_task(asyncio.to_thread(tags.stop))
        while not closing.done():
            await base.drive(1, 0.1)
        while world.sources["uhf"].listening is not None:
            await base.drive(1, 0.1)
        steps = world.steps
        await base.drive(50, 0.1)
        assert world.steps >= steps + 49


async def test_real_time_goes_by_the_wall_clock_and_the_watchdog_bites(library: Library) -> None:
    world = World(library, seed=3, real_time=True)
    async with both(world) as (_, base):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await base.drive(20, 0.3)
        assert 0.8 < loop.time() - begun < 2.5
        stopping = [await base.next_report() for _ in range(20)]  # not answered
        assert max(report.v_mps for report in stopping) > 0.1
        assert stopping[-1].v_mps == 0.0


def test_the_world_as_a_program(library: Library, tmp_path: Path) -> None:
    library.save(tmp_path)
    code = "import sys; from sim.world import serve_world; serve_world(sys.argv[1], seed=2)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as program:
        assert program.stdout is not None
        line = program.stdout.readline()
        word, *parts = line.split()
        addresses = dict(part.split("=", 1) for part in parts)
        assert word == "listening"

        async def look() -> PoseReport:
            async with BaseClient(addresses["base"]) as base:
                return await base.next_report()

        assert asyncio.run(look()).seq == 1
        assert addresses["reader"].startswith("127.0.0.1:")
        os.kill(program.pid, signal.SIGTERM)
        assert program.wait(10) == 0


def test_a_world_says_what_is_wrong(library: Library, tmp_path: Path) -> None:
    with pytest.raises(SimError, match="is missing"):
        serve_world(tmp_path)
    library.save(tmp_path)
    with pytest.raises(SimError, match="no HOST:PORT"):
        serve_world(tmp_path, reader_listen="here")
    with pytest.raises(SimError, match="step of 1 s"):
        World(library, step_s=1)


def test_a_reader_without_a_port_in_use_hears_nothing(library: Library) -> None:
    source = World(library, seed=3).sources["uhf"]
    here = RobotPose(1.0, -1.0, 3.14)
    start = 1_772_402_400_000_000_000
    assert len(source.hear(start, start + 50_000_000, here, here)) == 0, "no inventory runs"
    source.start(Inventory(ports=(), power_dbm=()))
    assert len(source.hear(start, start + 50_000_000, here, here)) == 0
    source.start(Inventory(ports=(2,), power_dbm=(30.0,), session=2))
    assert set(source.hear(start, start + 50_000_000, here, here).port.tolist()) == {2}
