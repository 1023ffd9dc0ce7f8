"""One reader of the robot: what it heard is handed on, and a reader that comes late is not waited for in vain."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from recording import Readings
from robot.clock import SystemClock
from robot.collector import Collector
from robot.reading import ReaderRunner
from robot.settings import AntennaTable, ReaderTable
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import running_loop, served


def runner(url: str, collector: Collector, report: Callable[[str, str, str], None]) -> ReaderRunner:
    antenna = AntennaTable(id=7, reader="one", port=1, position_m=(0, 0, 1), boresight_deg=(90, 0))
    table = ReaderTable(name="one", url=url, keepalive_s=0.5)
    return ReaderRunner(table, (antenna,), SystemClock(), collector, report, lambda: None)


def test_what_was_heard_is_handed_on_though_the_reader_does_not_answer_when_stopped() -> None:
    collector, told = Collector(1_000_000), list[tuple[str, str, str]]()
    world = SmallWorld(7, reads_per_s=2000, slice_s=0.02)
    world.keep = True
    with running_loop() as loop, served(loop, world) as emulator:
        one = runner(f"{emulator.url}?timeout=0.5", collector, lambda *event: told.append(event))
        one.start()
        deadline = time.monotonic() + 20
        while collector.readings_heard < 200 and time.monotonic() < deadline:
            time.sleep(0.01)
        loop.call(emulator.go_silent)
        one.ask_to_stop()
        one.join(20)
        assert not one.is_alive()
        heard = Readings.concat([part for _, part in collector.take() if isinstance(part, Readings)])
    sent = sum(int((part.port == 1).sum()) for part in world.produced)
    # The slice that was on its way when it hung was never sent.
    assert len(heard) >= sent - 2 * 2000 * 0.02
    assert not told


def test_a_reader_that_was_away_for_long_is_tried_at_least_every_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        one = runner(f"llrp://127.0.0.1:{taken.getsockname()[1]}", Collector(10), lambda *_: None)

        class Ending(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                waits.append(timeout or 0.0)
                if len(waits) == 20:
                    self.set()
                return self.is_set()

        monkeypatch.setattr(one, "_ending", Ending())
        one.run()
    assert len(waits) == 20
    assert waits == sorted(waits)
    assert 0.5 < waits[0] < waits[-1] < 4.0
