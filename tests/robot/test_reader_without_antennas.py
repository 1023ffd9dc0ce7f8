"""A robot whose reader hears nothing because it does not listen says so: else every book it passed would be missing."""

import threading

import pytest

from recording import Events
from robot.clock import SystemClock
from robot.collector import Collector
from robot.reading import ReaderRunner
from robot.settings import AntennaTable, ReaderTable
from sim.readers.r2000 import R2000Emulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import running_loop
from tests.reader_drivers.serial_harness import serving


class Missing(set[int]):
    """Ports without antenna, each of which says when it was asked for; `tried` is released each time."""

    def __init__(self, ports: set[int]) -> None:
        super().__init__(ports)
        self.tried = {port: threading.Semaphore(0) for port in ports}

    def __contains__(self, port: object) -> bool:
        missing = super().__contains__(port)
        if missing and isinstance(port, int):
            self.tried[port].release()
        return missing


@pytest.mark.parametrize(("missing", "listened"), [({1, 2, 3, 4}, set()), ({2}, {1})])
def test_antennas_that_are_missing_are_in_no_activity(missing: set[int], listened: set[int]) -> None:
    with running_loop() as loop, serving(loop, lambda: R2000Emulator(SmallWorld(4))) as emulator:
        emulator.missing = asked = Missing(missing)
        collector = Collector(100_000)
        antennas = tuple(
            AntennaTable(id=n, reader="r", port=n, position_m=(0.0, 0.0, 1.0), boresight_deg=(90.0, 0.0))
            for n in (1, 2)
        )
        runner = ReaderRunner(
            ReaderTable(name="r", url=f"{emulator.url}?health=0"),
            antennas,
            SystemClock(),
            collector,
            lambda *_: None,
            lambda: None,
        )
        runner.start()
        assert runner.started.wait(10)
        # Antennas that are missing are tried again after a second: until then others have had many rounds.
        for port in missing & {1, 2}:
            for _ in range(2):
                assert asked.tried[port].acquire(timeout=10)
        runner.ask_to_stop()
        runner.join(10)
        assert not runner.is_alive()
        parts = collector.take()
        kinds = [kind for _, part in parts if isinstance(part, Events) for kind in part.kind.tolist()]
        assert kinds.count("antenna_gone") == len(missing & {1, 2})
        spans = [part for kind, part in parts if kind == "activity"]
        assert {int(n) for part in spans for n in part.antenna} == listened
