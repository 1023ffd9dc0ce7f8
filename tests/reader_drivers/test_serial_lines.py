"""What drivers of framed bytes share: readers that are started twice, or are silent when they are stopped."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.uhfreader18.link import UhfReader18Link
from sim.readers.emulators import emulator_of, small_world
from sim.readers.mercury import MercuryEmulator
from sim.readers.source import ReportSlice
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.mercury_harness import enough, fast, world
from tests.reader_drivers.serial_harness import FAST, reading


@pytest.mark.parametrize("protocol", ["mercury", "m100", "r2000", "uhfreader18"])
def test_starting_a_reader_that_reads_sets_it_anew(loop: Loop, protocol: str) -> None:
    make, region = emulator_of(protocol), "&region=CN" if protocol == "mercury" else ""
    source = small_world(protocol, 1, 50)
    with reading(loop, lambda: make(source, "127.0.0.1:0"), FAST + region) as (emulator, reader):
        heard = Heard(reader).until(enough(20))
        reader.start(ReaderSettings(power_dbm=20.0))
        heard.batches.append(reader.read(0))
        heard.until(enough(len(heard.readings) + 20))
        assert "reader_gone" not in heard.kinds
        asked = emulator.source.inventory
        assert asked is not None and set(asked.power_dbm) == {20.0}


def test_what_was_heard_of_a_reader_that_is_silent_when_stopped_is_handed_out(loop: Loop) -> None:
    class Counted(MercuryEmulator):
        sent = threading.Semaphore(0)

        async def report(self, heard: ReportSlice) -> None:
            await super().report(heard)
            self.sent.release()

    radio = world()
    with reading(loop, lambda: Counted(radio, model="m6e"), fast(timeout=0.6)) as (emulator, reader):
        heard = Heard(reader).until(enough(50))
        # What is sent from now on has not been fetched when the reader falls silent.
        emulator.sent = threading.Semaphore(0)
        assert all(emulator.sent.acquire(timeout=10) for _ in range(5))
        loop.call(emulator.go_silent)
        silent = time.time_ns()
        reader.stop()
        heard.until(lambda h: "reader_gone" in h.kinds)
        # Of the last slice it may have told nothing.
        told = np.concatenate([part.rssi_dbm for part in radio.produced[:-1]])
        assert len(heard.readings) >= np.count_nonzero(np.rint(told) >= emulator.weakest_dbm) > 50
        # It is not claimed to have listened while nothing was heard of it.
        assert max(int(part.t_end.max()) for part in heard.activity) < silent + 300_000_000
        # And it is not started again when it is back.
        loop.call(lambda: emulator.go_silent(False))
        heard.until(lambda h: "reader_back" in h.kinds)
        assert not emulator.running


@pytest.mark.parametrize("option", ["power=nan", "power=inf", "port_power=1:nan"])
def test_a_power_that_is_no_number_is_refused(option: str) -> None:
    with pytest.raises(ReaderError, match=r"option .*power cannot be"):
        open_reader(f"mercury://reader:4001?{option}")


def test_a_host_that_stood_still_reads_what_has_come_before_it_asks_anew(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls, pump = threading.Semaphore(0), UhfReader18Link.pump

    def sometimes_late(link: UhfReader18Link, timeout_s: float) -> None:
        if stalls.acquire(blocking=False):
            time.sleep(0.7)  # beyond a keepalive period of half a second
        pump(link, timeout_s)

    monkeypatch.setattr(UhfReader18Link, "pump", sometimes_late)
    source = small_world("uhfreader18", 1, 50)
    with reading(loop, lambda: emulator_of("uhfreader18")(source, "127.0.0.1:0")) as (_, reader):
        heard = Heard(reader).until(enough(20))
        for _ in range(3):
            stalls.release()
            heard.until(enough(len(heard.readings) + 50))
        assert not {"reader_exception", "reader_gone"} & set(heard.kinds)
