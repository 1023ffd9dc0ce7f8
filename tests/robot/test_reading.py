"""One reader of the robot: what it heard is handed on, and a reader that comes late is not waited for in vain."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import robot.reading
from reader_drivers import Capabilities, Reader, ReaderBatch, ReaderError, ReaderSettings
from recording import NO_TIME, Readings
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


class Brimming(Reader):
    """A reader that hands its readings over only when it is stopped, and stops as `stop` has it."""

    def __init__(self, url: str, stop: Callable[[], None]) -> None:
        super().__init__(url)
        self._stop = stop
        self._stopped = False
        self._left = [30, 20]

    def connect(self) -> Capabilities:
        return Capabilities("", "", "", "gen2", 1, False, "unknown", 0.0, (), (), "")

    def start(self, settings: ReaderSettings | None = None) -> None:
        pass

    def read(self, timeout_s: float) -> ReaderBatch:
        if not (self._stopped and self._left):
            time.sleep(min(timeout_s, 0.01))
            return ReaderBatch()
        n = self._left.pop(0)
        return ReaderBatch(
            Readings(
                t=time.time_ns() + np.arange(n), tag=np.zeros(n, np.uint32), tags=("AA",),
                antenna=np.ones(n, np.uint8), frequency_khz=np.zeros(n, np.uint32),
                rssi_dbm=np.zeros(n, np.float32), phase_rad=np.full(n, np.nan, np.float32),
                reader_t=np.full(n, NO_TIME, np.int64),
            )
        )  # fmt: skip

    def stop(self) -> None:
        self._stopped = True
        self._stop()

    def close(self) -> None:
        pass


def obey() -> None:
    pass


def refuse() -> None:
    raise ReaderError("it does not stop")


@pytest.mark.parametrize(("stop", "complains"), [(obey, []), (refuse, ["it does not stop"])])
def test_what_is_handed_over_after_the_stop_is_kept_though_it_fails(
    monkeypatch: pytest.MonkeyPatch, stop: Callable[[], None], complains: list[str]
) -> None:
    collector, told = Collector(1_000_000), list[tuple[str, str, str]]()
    monkeypatch.setattr(robot.reading, "open_reader", lambda url, **_: Brimming(url, stop))
    one = runner("brimming://here", collector, lambda *event: told.append(event))
    one.start()
    assert one.started.wait(10)
    one.ask_to_stop()
    one.join(20)
    assert not one.is_alive()
    assert collector.readings_heard == 50
    assert [detail for _, _, detail in told] == complains


def test_a_reader_that_does_not_answer_when_stopped_costs_no_more_than_was_on_its_way() -> None:
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
