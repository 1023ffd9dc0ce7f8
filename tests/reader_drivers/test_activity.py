"""An antenna that did not listen must not look as if it had: its silence would make its books missing."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from reader_drivers import Reader, ReaderSettings, open_reader
from reader_drivers.feig.codec import Status
from reader_drivers.m100.codec import RESPONSE, Command, encode
from sim.readers.chafon import ChafonEmulator
from sim.readers.feig import FeigEmulator
from sim.readers.hf_small_world import HfSmallWorld
from sim.readers.m100 import M100Emulator
from sim.readers.r2000 import R2000Emulator
from sim.readers.small_world import SmallWorld
from sim.readers.source import ReportSlice
from sim.readers.uhfreader18 import UhfReader288Emulator
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, serving

NS = 1_000_000_000


def listened_s(heard: Heard) -> dict[int, float]:
    """Seconds of each port."""
    total = Counter[int]()
    for spans in heard.activity:
        for port, start, end in zip(spans.antenna, spans.t_start, spans.t_end, strict=True):
            total[int(port)] += int(end) - int(start)
    return {port: ns / NS for port, ns in total.items()}


def run(reader: Reader, seconds: float) -> Heard:
    """Read for so long and stop."""
    until = time.monotonic() + seconds
    heard = Heard(reader).until(lambda _: time.monotonic() > until)
    reader.stop()
    heard.batches.append(reader.read(0.0))
    return heard


@pytest.mark.parametrize("options", ["inventory=session", "inventory=realtime", "inventory=fast"])
def test_a_port_of_an_r2000_without_antenna_does_not_listen(loop: Loop, options: str) -> None:
    world = SmallWorld(4, reads_per_s=600, slice_s=0.02)
    with (
        serving(loop, lambda: R2000Emulator(world)) as emulator,
        open_reader(f"{emulator.url}?{FAST}&health=0&{options}") as reader,
    ):
        emulator.missing = {2}
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 2)))
        told = listened_s(run(reader, 1.3))
        assert told.keys() == {1}
        assert 1.0 < told[1] < 1.7


def test_rounds_of_an_r2000_that_fail_do_not_listen_and_those_behind_them_do(loop: Loop) -> None:
    with (
        serving(loop, lambda: R2000Emulator(SmallWorld(4))) as emulator,
        open_reader(f"{emulator.url}?{FAST}&health=0") as reader,
    ):
        emulator.broken = 0x21
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: "reader_exception" in h.kinds)
        until = time.monotonic() + 1.2
        heard.until(lambda _: time.monotonic() > until)
        assert listened_s(heard) == {}
        assert heard.batches[-1].activity is not None, "it is known that none did"
        emulator.broken = 0
        whole = time.time_ns()
        told = run(reader, 1.5)
        assert listened_s(told).keys() == {1, 2, 3, 4}
        assert min(int(spans.t_start.min()) for spans in told.activity if len(spans)) > whole


def test_a_port_of_a_288_without_antenna_does_not_listen(loop: Loop) -> None:
    with (
        serving(loop, lambda: UhfReader288Emulator(SmallWorld(4))) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        emulator.missing = {2}
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 2)))
        told = listened_s(run(reader, 1.3))
        assert told.keys() == {1}
        assert told[1] > 1.0


def test_an_m100_that_booted_did_not_listen_until_that_was_found_out(loop: Loop) -> None:
    with (
        serving(loop, lambda: M100Emulator(SmallWorld(4))) as emulator,
        open_reader(f"{emulator.url}?timeout=2&retry=0.05&retry_max=0.2&keepalive=0.8") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 20)
        loop.run(emulator.crash())
        booted = time.time_ns()
        heard.until(lambda h: "reader_gone" in h.kinds)
        gone = next(event.t for event in heard.events if event.kind == "reader_gone")
        assert gone - booted > 0.3 * NS, "it was silent for a while"
        assert max(int(spans.t_end.max()) for spans in heard.activity if len(spans)) < booted + 0.1 * NS


def test_an_m100_whose_channels_are_taken_does_not_listen(loop: Loop) -> None:
    class Busy(M100Emulator):
        async def report(self, heard: ReportSlice) -> None:
            await self.send(encode(Command.ERROR, b"\x20", RESPONSE))

    with (
        serving(loop, lambda: Busy(SmallWorld(4))) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = run(reader, 1.3)
        assert sum(listened_s(heard).values()) < 0.2
        assert [event.detail.rsplit(": ", 1)[1] for event in heard.events] == [
            "every channel it may use is taken"
        ]


def test_an_hf_antenna_that_is_warned_of_and_hears_nothing_does_not_listen(loop: Loop) -> None:
    with (
        serving(loop, lambda: FeigEmulator(HfSmallWorld(3))) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        reader.connect()
        reader.start()
        Heard(reader).until(lambda h: len(h.readings) > 3)
        loop.call(lambda: emulator.fail(Status.RF_WARNING, 10_000))
        heard = Heard(reader).until(lambda h: "reader_exception" in h.kinds)
        warned = time.time_ns()
        heard = run(reader, 0.8)
        assert all(int(spans.t_end.max()) < warned + 0.2 * NS for spans in heard.activity if len(spans))


def test_a_cf_reader_whose_inventories_fail_does_not_listen(loop: Loop) -> None:
    with (
        serving(loop, lambda: ChafonEmulator(SmallWorld(4))) as emulator,
        open_reader(f"{emulator.url}?{FAST}&unproven=1") as reader,
    ):
        emulator.broken = 2
        reader.connect()
        reader.start()
        heard = run(reader, 1.3)
        assert "reader_exception" in heard.kinds
        assert max(listened_s(heard).values(), default=0.0) < 0.3, "what went by since the last try"


@pytest.mark.parametrize("crash", [True, False])
def test_a_cf_reader_listened_where_it_says_that_an_inventory_is_over(loop: Loop, crash: bool) -> None:
    """One that hears no tag says nothing; whether it was that or a boot its next word tells."""
    world = SmallWorld(4, reads_per_s=0 if not crash else 220)
    with (
        serving(loop, lambda: ChafonEmulator(world)) as emulator,
        open_reader(f"{emulator.url}?unproven=1") as reader,
    ):
        reader.connect()
        reader.start(ReaderSettings(ports=(1,)))
        if crash:
            heard = Heard(reader).until(lambda h: len(h.readings) > 20)
            loop.run(emulator.crash())
            booted, count = time.time_ns(), len(heard.readings)
            heard.until(lambda h: len(h.readings) > count + 20)
            again = int(heard.readings.t[heard.readings.t > booted + 0.2 * NS].min())
            assert again - booted > 1.5 * NS, "it was silent for a while"
            reader.stop()
            heard.batches.append(reader.read(0.0))
            claimed = sum(
                int(
                    np.clip(np.minimum(spans.t_end, again) - np.maximum(spans.t_start, booted), 0, None).sum()
                )
                for spans in heard.activity
            )
            assert claimed < 0.4 * NS
        else:
            assert listened_s(run(reader, 2.4))[1] > 1.8
