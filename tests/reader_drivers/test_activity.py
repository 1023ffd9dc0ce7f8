"""An antenna that did not listen must not look as if it had: its silence would make its books missing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from reader_drivers import Reader, ReaderSettings
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
from tests.reader_drivers.serial_harness import FAST, fast, reading

NS = 1_000_000_000


def listened_s(heard: Heard) -> dict[int, float]:
    """Seconds of each port."""
    total = Counter[int]()
    for spans in heard.activity:
        for port, start, end in zip(spans.antenna, spans.t_start, spans.t_end, strict=True):
            total[int(port)] += int(end) - int(start)
    return {port: ns / NS for port, ns in total.items()}


def end(heard: Heard) -> Heard:
    """Stop, and take what is left."""
    heard.reader.stop()
    heard.batches.append(heard.reader.read(0.0))
    return heard


def run(reader: Reader, seconds: float) -> Heard:
    """Read for so long and stop."""
    until = time.monotonic() + seconds
    return end(Heard(reader).until(lambda _: time.monotonic() > until))


def assert_port_1_alone_listens(world: SmallWorld, reader: Reader, seconds: float) -> None:
    """Read until port 1 is said to have listened for so long, and hold that against what the world knows."""
    ticks: list[float] = []

    def enough(heard: Heard) -> bool:
        ticks.append(time.monotonic())
        return listened_s(heard).get(1, 0.0) > seconds

    told = listened_s(end(Heard(reader).until(enough)))
    assert told.keys() == {1}
    true_s = sum(part.t_end_ns - part.t_start_ns for part in world.produced) / NS
    passed = np.diff(ticks)
    stood_still_s = passed[
        passed > 0.2
    ].sum()  # the whole machine did; a driver that was not there claims nothing
    assert told[1] > 0.75 * (true_s - stood_still_s)
    assert told[1] < (world.true_time_ns() - world.produced[0].t_start_ns) / NS + 0.05


@pytest.mark.parametrize("options", ["inventory=session", "inventory=realtime", "inventory=fast"])
def test_a_port_of_an_r2000_without_antenna_does_not_listen(loop: Loop, options: str) -> None:
    world = SmallWorld(4, reads_per_s=600, slice_s=0.02)
    world.keep = True
    options, settings = f"{FAST}&health=0&{options}", ReaderSettings(ports=(1, 2))
    with reading(loop, lambda: R2000Emulator(world), options, settings, missing={2}) as (_, reader):
        assert_port_1_alone_listens(world, reader, 1.0)


@pytest.mark.parametrize(
    ("make", "options"), [(R2000Emulator, fast(health=0)), (UhfReader288Emulator, FAST)], ids=["r2000", "288"]
)
def test_a_port_whose_antenna_is_gone_for_a_while_does_not_listen_meanwhile(
    loop: Loop, make: Callable[[SmallWorld], R2000Emulator | UhfReader288Emulator], options: str
) -> None:
    world, settings = SmallWorld(4, reads_per_s=600, slice_s=0.02), ReaderSettings(ports=(1, 2))
    with reading(loop, lambda: make(world), options, settings) as (emulator, reader):
        heard = Heard(reader).until(lambda h: {1, 2} <= set(h.readings.antenna.tolist()))
        emulator.missing = {2}
        heard.until(lambda h: "antenna_gone" in h.kinds)
        before = listened_s(heard).get(1, 0.0)
        heard.until(lambda h: listened_s(h).get(1, 0.0) > before + 2.0)
        emulator.missing = set()
        heard.until(lambda h: "antenna_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: 2 in h.readings.antenna[count:])
        end(heard)
    told = [event for event in heard.events if event.kind.startswith("antenna")]
    assert [event.kind for event in told] == ["antenna_gone", "antenna_back"]
    gone, back = (event.t for event in told)
    covered, around = 0, 0
    for spans in heard.activity:
        mine = spans.select(spans.antenna == 2)
        covered += int((np.clip(mine.t_end, gone, back) - np.clip(mine.t_start, gone, back)).sum())
        around += int((mine.t_end - mine.t_start).sum())
    assert around > covered, "it listened before and after"
    assert covered < 0.25 * (back - gone)


def test_rounds_of_an_r2000_that_fail_do_not_listen_and_those_behind_them_do(loop: Loop) -> None:
    make, options = partial(R2000Emulator, SmallWorld(4)), fast(health=0)
    with reading(loop, make, options, broken=0x21) as (emulator, reader):
        heard = Heard(reader).until(lambda h: "reader_exception" in h.kinds)
        until = time.monotonic() + 1.2
        heard.until(lambda _: time.monotonic() > until)
        assert listened_s(heard) == {}
        assert heard.batches[-1].activity is not None, "it is known that none did"
        whole = time.time_ns()
        emulator.broken = 0
        told = end(Heard(reader).until(lambda h: listened_s(h).keys() == {1, 2, 3, 4}))
        assert min(int(spans.t_start.min()) for spans in told.activity if len(spans)) > whole


def test_a_port_of_a_288_without_antenna_does_not_listen(loop: Loop) -> None:
    world, settings = SmallWorld(4), ReaderSettings(ports=(1, 2))
    world.keep = True
    make = partial(UhfReader288Emulator, world)
    with reading(loop, make, settings=settings, missing={2}) as (_, reader):
        assert_port_1_alone_listens(world, reader, 1.0)


def test_an_m100_that_booted_did_not_listen_until_that_was_found_out(loop: Loop) -> None:
    with reading(loop, partial(M100Emulator, SmallWorld(4)), fast(keepalive=0.8)) as (emulator, reader):
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

    with reading(loop, partial(Busy, SmallWorld(4))) as (_, reader):
        heard = run(reader, 1.3)
        assert sum(listened_s(heard).values()) < 0.2
        assert [event.detail.rsplit(": ", 1)[1] for event in heard.events] == [
            "every channel it may use is taken"
        ]


def test_an_hf_antenna_that_is_warned_of_and_hears_nothing_does_not_listen(loop: Loop) -> None:
    with reading(loop, partial(FeigEmulator, HfSmallWorld(3))) as (emulator, reader):
        Heard(reader).until(lambda h: len(h.readings) > 3)
        loop.call(lambda: emulator.fail(Status.RF_WARNING, 10_000))
        heard = Heard(reader).until(lambda h: "reader_exception" in h.kinds)
        warned = time.time_ns()
        heard = run(reader, 0.8)
        assert all(int(spans.t_end.max()) < warned + 0.2 * NS for spans in heard.activity if len(spans))


def test_a_cf_reader_whose_inventories_fail_does_not_listen(loop: Loop) -> None:
    with reading(loop, partial(ChafonEmulator, SmallWorld(4)), fast(unproven=1), broken=2) as (_, reader):
        heard = run(reader, 1.3)
        assert "reader_exception" in heard.kinds
        assert max(listened_s(heard).values(), default=0.0) < 0.3, "what went by since the last try"


@pytest.mark.parametrize("crash", [True, False])
def test_a_cf_reader_listened_where_it_says_that_an_inventory_is_over(loop: Loop, crash: bool) -> None:
    """One that hears no tag says nothing; whether it was that or a boot its next word tells."""
    world = SmallWorld(4, reads_per_s=0 if not crash else 220)
    world.keep = True
    make, settings = partial(ChafonEmulator, world), ReaderSettings(ports=(1,))
    with reading(loop, make, "unproven=1", settings) as (emulator, reader):
        if crash:
            heard = Heard(reader).until(lambda h: len(h.readings) > 20)
            loop.run(emulator.crash())
            booted = time.time_ns()
            # What was on its way comes still.
            heard.until(lambda h: bool(np.any(h.readings.t > booted + 0.2 * NS)))
            again = int(heard.readings.t[heard.readings.t > booted + 0.2 * NS].min())
            assert again - booted > 1.5 * NS, "it was silent for a while"
            end(heard)
            claimed = sum(
                int(
                    np.clip(np.minimum(spans.t_end, again) - np.maximum(spans.t_start, booted), 0, None).sum()
                )
                for spans in heard.activity
            )
            assert claimed < 0.4 * NS
        else:
            assert_port_1_alone_listens(world, reader, 1.8)
