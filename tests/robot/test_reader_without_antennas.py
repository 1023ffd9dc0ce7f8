"""A robot whose reader hears nothing because it does not listen says so: else every book it passed would be missing."""

import time

import pytest

from robot.clock import SystemClock
from robot.collector import Collector
from robot.reading import ReaderRunner
from robot.settings import AntennaTable, ReaderTable
from sim.readers.r2000 import R2000Emulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import running_loop
from tests.reader_drivers.serial_harness import serving


@pytest.mark.parametrize(("missing", "listened"), [({1, 2, 3, 4}, set()), ({2}, {1})])
def test_antennas_that_are_missing_are_in_no_activity(missing: set[int], listened: set[int]) -> None:
    with running_loop() as loop, serving(loop, lambda: R2000Emulator(SmallWorld(4))) as emulator:
        emulator.missing = missing
        collector = Collector(100_000)
        antennas = tuple(
            AntennaTable(id=n, reader="r", port=n, position_m=(0.0, 0.0, 1.0), boresight_deg=(90.0, 0.0))
            for n in (1, 2)
        )
        told: list[str] = []
        runner = ReaderRunner(
            ReaderTable(name="r", url=f"{emulator.url}?health=0"),
            antennas,
            SystemClock(),
            collector,
            lambda *event: told.append(event[1]),
            lambda: None,
        )
        runner.start()
        assert runner.started.wait(10)
        time.sleep(1.3)  # spans are handed on each second
        runner.ask_to_stop()
        runner.join(10)
        spans = [part for kind, part in collector.take() if kind == "activity"]
        assert {int(n) for part in spans for n in part.antenna} == listened
