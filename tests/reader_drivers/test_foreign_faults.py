"""A driver of another package that goes wrong while it is used: told as a reader that is gone, and never recorded."""

import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reader_drivers import DriverError, Reader, ReaderBatch, ReaderSettings, _foreign_reader, open_reader
from reader_drivers.testing import check_reader
from recording import Readings
from robot.clock import SystemClock
from robot.collector import Collector
from robot.reading import ReaderRunner
from robot.settings import AntennaTable, ReaderTable
from tests.support.plugin_reader import install

ROOT = Path(__file__).parents[2]
WHOSE = "driver count of package counting-reader 1.0: "
SOON = ReaderSettings(ports=(1, 2), keepalive_s=0.5)


class Plugin:
    """The plug-in, and the file that says what it does wrong."""

    def __init__(self, folder: Path) -> None:
        self.path = str(install(folder))
        self.file = folder / "fault"
        self.file.write_text("")
        self.url = f"count://one?rate=200&fault={self.file}"
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join([self.path, str(ROOT)])}

    def does(self, fault: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(fault)
        new.replace(self.file)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    plugin = Plugin(tmp_path)
    monkeypatch.syspath_prepend(plugin.path)
    importlib.invalidate_caches()
    yield plugin
    plugin.does("")
    sys.modules.pop("counting_reader", None)


def read_until(reader: Reader, kind: str, limit_s: float = 8.0) -> tuple[list[ReaderBatch], str]:
    """Read until an event of a kind; return the batches before it, and its detail."""
    batches: list[ReaderBatch] = []
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        batches.append(reader.read(0.1))
        for event in batches[-1].events:
            if event.kind == kind:
                return batches, event.detail
    raise AssertionError(f"no {kind} in {limit_s} s, but {[b.events for b in batches if b.events]}")


WRONG = {
    "seconds": "t of its readings is in seconds, not in nanoseconds",
    "milliseconds": "t of its readings is in milliseconds, not in nanoseconds",
    "monotonic": "t of its readings is of a monotonic clock, not UTC",
    "ahead": "t of its readings is 7.2e+03 s ahead of the host's",
    "degrees": "phase_rad of its readings is not in [0, 2 pi)",
    "watts": "rssi_dbm of its readings is not from -120 to 0",
    "activity": "its activity is in seconds, not in nanoseconds",
}


@pytest.mark.parametrize(("fault", "says"), WRONG.items())
def test_rows_that_cannot_be_are_not_handed_out_and_the_reader_is_gone_until_they_can(
    plugin: Plugin, fault: str, says: str
):
    with open_reader(plugin.url) as reader:
        reader.connect()
        plugin.does(fault)
        reader.start(SOON)
        batches, why = read_until(reader, "reader_gone")
        assert why.startswith(f"{plugin.url}: {WHOSE}{says}") and "\n" not in why
        # The activity's fault is no fault of the readings before it was noticed.
        assert fault == "activity" or not sum(len(batch.readings) for batch in batches)
        for _ in range(3):
            batch = reader.read(0.05)
            assert not batch.events and not len(batch.readings)
        plugin.does("")
        batches, why = read_until(reader, "reader_back")
        heard = batches[-1].readings
        assert len(heard) and abs(heard.t - time.time_ns()).max() < 1e9 and plugin.url in why


def test_a_slip_is_left_out_and_counted(plugin: Plugin):
    with open_reader(plugin.url) as reader:
        reader.connect()
        reader.start(SOON)
        plugin.does("first")
        told, heard = 0, 0
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            time.sleep(0.05)
            batch = reader.read(0.1)
            told += sum(event.kind == "bad_reading" for event in batch.events)
            heard += len(batch.readings)
            assert {event.kind for event in batch.events} <= {"bad_reading"}
            assert not len(batch.readings) or batch.readings.t.min() > time.time_ns() - 10**10
        assert told and heard > told


def test_events_of_another_time_are_told_with_that_of_their_arrival(plugin: Plugin):
    with open_reader(plugin.url) as reader:
        reader.connect()
        plugin.does("event")
        reader.start(SOON)
        batches, why = read_until(reader, "reader_exception")
        assert "t of its events or tags is" in why
        batches += [reader.read(0.1) for _ in range(3)]
        events = [event for batch in batches for event in batch.events]
        assert min(event.t for event in events) > time.time_ns() - 10**10
        assert [event.kind for event in events].count("reader_exception") == 1
        assert sum(len(batch.readings) for batch in batches)


def test_columns_of_different_lengths_are_a_fault_of_the_package(plugin: Plugin):
    with open_reader(plugin.url) as reader:
        reader.connect()
        plugin.does("short")
        reader.start(SOON)
        with pytest.raises(DriverError, match=f"{WHOSE}.*column rssi_dbm has . rows where t has"):
            read_until(reader, "nothing")


def test_a_read_that_does_not_return_is_a_reader_that_is_gone(plugin: Plugin):
    threads = threading.active_count()
    with open_reader(plugin.url) as reader:
        reader.connect()
        reader.start(SOON)
        read_until_heard(reader)
        plugin.does("hangs")
        began = time.monotonic()
        _, why = read_until(reader, "reader_gone")
        assert 1.0 < time.monotonic() - began < 3.0
        assert f"{WHOSE}its read has not returned for 1 s" in why
        began = time.monotonic()
        assert not reader.read(0.1).events and time.monotonic() - began < 0.5
        with pytest.raises(DriverError, match="its stop cannot be called: its read has not returned"):
            reader.stop()
        plugin.does("")
        read_until(reader, "reader_back")
        read_until_heard(reader)
        reader.stop()
    assert threading.active_count() == threads


def read_until_heard(reader: Reader) -> None:
    until = time.monotonic() + 5
    while not len(reader.read(0.1).readings):
        assert time.monotonic() < until


def test_one_that_hangs_can_be_closed(plugin: Plugin):
    reader = open_reader(plugin.url)
    reader.connect()
    reader.start(SOON)
    plugin.does("hangs")
    read_until(reader, "reader_gone")
    began = time.monotonic()
    reader.close()
    reader.close()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(("fault", "says"), [("hangs", "has not returned for"), ("seconds", "is in seconds")])
def test_what_stays_wrong_is_raised_so_that_the_reader_is_opened_anew(
    plugin: Plugin, fault: str, says: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_foreign_reader, "_GIVEN_UP_S", 0.5)
    with open_reader(plugin.url) as reader:
        reader.connect()
        reader.start(SOON)
        plugin.does(fault)
        read_until(reader, "reader_gone")
        with pytest.raises(DriverError, match=says):
            read_until(reader, "reader_back")


@pytest.mark.parametrize(
    ("fault", "says"), [("seconds", "t of its readings is in seconds"), ("hangs", "not returned")]
)
def test_probe_and_watch_do_not_take_it_for_healthy(plugin: Plugin, fault: str, says: str):
    plugin.does(fault)
    for command in (["probe", plugin.url, "--seconds", "1"], ["watch", plugin.url, "--seconds", "1"]):
        done = subprocess.run(
            [sys.executable, "-m", "nightstack", "readers", *command],
            capture_output=True, text=True, env=plugin.environment, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        assert says in done.stdout + done.stderr and "counting-reader 1.0" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr and "yes" not in done.stdout


def awaited(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("fault", ["seconds", "hangs"])
def test_a_robot_records_nothing_of_it_and_goes_on_when_it_is_right(plugin: Plugin, fault: str):
    collector = Collector(1_000_000)
    antenna = AntennaTable(id=7, reader="one", port=1, position_m=(0, 0, 1), boresight_deg=(90, 0))
    table = ReaderTable(name="one", url=plugin.url, keepalive_s=0.5)
    one = ReaderRunner(table, (antenna,), SystemClock(), collector, lambda *_: None, lambda: None)
    plugin.does(fault)
    one.start()
    try:
        assert awaited(lambda: one.started.is_set() and not one.reading)
        assert not collector.readings_heard
        plugin.does("")
        assert awaited(lambda: one.reading and collector.readings_heard > 20)
        plugin.does(fault)
        assert awaited(lambda: not one.reading)
    finally:
        one.ask_to_stop()
        one.join(15)
    assert not one.is_alive()
    taken = collector.take()
    t = Readings.concat([part for _, part in taken if isinstance(part, Readings)]).t
    assert np.abs(t - time.time_ns()).max() < 60e9
    kinds = [kind for name, part in taken if name == "events" for kind in part.kind.tolist()]
    told = [kind for kind in kinds if kind != "bad_reading"]
    assert told == ["reader_gone", "reader_back", "reader_gone"], kinds


CHECKED = {
    "seconds": "read: t is not between start and now by the clock that the factory was given: it is in seconds, not in",
    "monotonic": "read: t is not between start and now by the clock that the factory was given: it is of a monotonic",
    "ahead": "read: t is not between start and now by the clock that the factory was given: it is 7.2e+03 s ahead",
    "frozen": "read: t advances by 0 s while the clock that the factory was given advances by",
    "degrees": "read: phase_rad is not in [0, 2 pi); recordings refuse it",
    "negative": "read: phase_rad is not in [0, 2 pi); recordings refuse it",
    "watts": "read: rssi_dbm is not from -120 to 0; recordings refuse it",
    "port": "read: antenna is none of the ports asked for: port 9, and the capabilities have 4",
    "short": "column rssi_dbm has",
    "floats": "column t must be int64",
    "session": "start: session=2 is passed over (activity tells session 1): refuse with SettingsError what the reader",
    "hangs": "read: called with 0.25 s, it has not returned after 5 s: give each wait in it a limit",
}


@pytest.mark.parametrize(("fault", "says"), CHECKED.items())
def test_the_check_says_in_one_line_what_is_wrong(plugin: Plugin, fault: str, says: str):
    plugin.does(fault)
    said = check_reader(plugin.url, seconds=0.6)
    (line,) = [line for line in said if says in line]
    assert "\n" not in line
