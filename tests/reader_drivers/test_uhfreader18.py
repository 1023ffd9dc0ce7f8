"""UHFReader18 and 288: the driver against the emulators, and everything that can happen to them."""

from __future__ import annotations

import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.uhfreader18.codec import Command, Status, encode_answer, encode_band
from sim.readers.gen2_memory import usual_memory
from sim.readers.small_world import SmallWorld
from sim.readers.source import ReportSlice
from sim.readers.uhfreader18 import UhfReader18Emulator, UhfReader288Emulator
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, befall, fast, reading, serving


@pytest.mark.parametrize("kind", [UhfReader18Emulator, UhfReader288Emulator])
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, kind: type, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=300, slice_s=0.03)
    wide = kind is UhfReader288Emulator
    with (
        serving(loop, lambda: kind(world, listen)) as emulator,
        open_reader(f"{emulator.url}?{FAST}{'&rssi=r2000' if wide else ''}") as reader,
    ):
        can = reader.connect()
        assert (can.model, can.antennas) == (("UHFReader288M", 4) if wide else ("UHFReader18", 1))
        assert (can.region, can.firmware, can.phase) == ("CN", "3.1", False)
        ports = (1, 3) if wide else (1,)
        reader.start(ReaderSettings(ports=ports, power_dbm=23.0, channels=(3,)))
        heard = Heard(reader).until(
            lambda h: set(h.readings.antenna.tolist()) == set(ports) and len(h.readings) > 60
        )
        assert {bytes.fromhex(tag) for tag in heard.readings.tags} <= set(world.tags)
        assert set(heard.readings.frequency_khz.tolist()) == {920_625}
        assert (set(heard.readings.rssi_dbm.tolist()) == {-60.0}) != wide
        if wide:
            assert -84 <= heard.readings.rssi_dbm.min() <= heard.readings.rssi_dbm.max() < -20
        for fault in ("reboot", "silent", "drop", "crash"):
            # A reader that booted while the line stands has kept its settings: it is asked anew, and that is told.
            kinds = "reader_exception" if fault == "crash" else "reader_back"
            gone = heard.kinds.count(kinds)
            befall(loop, emulator, heard, fault)
            heard.until(lambda h, gone=gone, kinds=kinds: h.kinds.count(kinds) > gone, 8)
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count + 20)
        assert (emulator.power, emulator.band) == (23, encode_band(1, 2, 2))
        loop.call(lambda: emulator.spoil(6))
        heard.until(lambda h: "bad_message" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        reader.stop()
        reader.read(0)
        assert len(reader.read(0.2).readings) == 0


def test_a_reader_that_reports_by_itself_is_heard_beats_and_is_stopped(loop: Loop) -> None:
    world = SmallWorld(3, reads_per_s=300)
    with serving(loop, lambda: UhfReader288Emulator(world)) as emulator:
        with open_reader(f"{emulator.url}?{FAST}&push=1") as reader:
            reader.connect()
            reader.start()
            heard = Heard(reader).until(lambda h: set(h.readings.antenna.tolist()) == {1, 2, 3, 4})
            loop.run(emulator.crash())
            count = len(heard.readings)
            heard.until(lambda h: len(h.readings) > count + 20)
            for emulator.module in (False, True):
                world._rate = 0.0
                batch = [reader.read(0.5) for _ in range(5)]
                assert "reader_gone" not in [e.kind for b in batch for e in b.events], (
                    "heartbeats are signs of life"
                )
            world._rate = 300.0
            heard.until(lambda h: len(h.readings) > count + 40)
            assert emulator.reporting
        assert not emulator.reporting, "who leaves a reader does not leave it transmitting"
        # Left reporting by somebody else, it is deaf to questions.
        emulator.reporting = True
        loop.run(emulator._set_reporting())
        with open_reader(f"{emulator.url}?timeout=0.5") as reader:
            assert reader.connect().model == "UHFReader288M"


@pytest.mark.parametrize(("how", "step", "usable"), [("", 0.0, True), ("&rssi=int8", 1.0, False)])
def test_a_strength_is_read_only_as_asked_and_one_that_cannot_be_is_left_out(
    loop: Loop, how: str, step: float, usable: bool
) -> None:
    """The emulator counts from -129 dBm, so its bytes are all positive."""
    with (
        serving(loop, lambda: UhfReader288Emulator(SmallWorld(3, reads_per_s=300))) as emulator,
        open_reader(f"{emulator.url}?{FAST}{how}") as reader,
    ):
        assert reader.connect().rssi_step_db == step
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 40 or "bad_reading" in h.kinds)
        assert set(heard.readings.rssi_dbm.tolist()) == ({-60.0} if usable else set())


def test_a_reader_that_reports_by_itself_is_back_within_five_seconds(loop: Loop) -> None:
    with reading(loop, lambda: UhfReader288Emulator(SmallWorld(3)), "push=1") as (emulator, reader):
        heard = Heard(reader).until(lambda h: len(h.readings) > 5)
        loop.run(emulator.drop())
        heard.until(lambda h: "reader_gone" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 5, 4.0)


def test_tids_are_handed_out_once_a_tag(loop: Loop) -> None:
    world = SmallWorld(3, reads_per_s=300, tags=8)
    settings = ReaderSettings(ports=(2,))
    with reading(loop, lambda: UhfReader288Emulator(world), fast(fastid=1), settings) as (_, reader):
        heard = Heard(reader).until(lambda h: sum(len(b.tags) for b in h.batches) == 8)
        heard.until(lambda h: len(h.readings) > 100)
        told = [data for batch in heard.batches for data in batch.tags]
        assert {data.epc for data in told} == {tag.hex().upper() for tag in world.tags}
        assert len(told) == 8
        assert all(data.tid == usual_memory(bytes.fromhex(data.epc)).tid for data in told)
        assert set(heard.readings.tags) <= {tag.hex().upper() for tag in world.tags}


def test_tids_reported_unasked_have_their_own_antenna_and_twins_have_theirs(loop: Loop) -> None:
    class Once(UhfReader288Emulator):
        async def report(self, heard: ReportSlice) -> None:
            for port, last in ((1, 1), (3, 1), (3, 2)):
                both = b"\x30" * 12 + bytes(11) + bytes([last])
                record = bytes([len(both) | 0x80]) + both + bytes([70])
                await self.send(encode_answer(Command.REPORT, Status.OK, bytes([1 << port - 1]) + record))

    with reading(loop, lambda: Once(SmallWorld(3)), fast(push=1, fastid=1)) as (_, reader):
        heard = Heard(reader).until(lambda h: len(h.readings) > 20)
        told = {(data.tid[-1], data.antenna) for batch in heard.batches for data in batch.tags}
        assert told == {(1, 1), (2, 3)}


def test_antennas_and_faults_are_told(loop: Loop) -> None:
    world = SmallWorld(3, reads_per_s=300, slice_s=0.02)
    settings = ReaderSettings(ports=(1, 2))
    with reading(loop, lambda: UhfReader288Emulator(world), settings=settings, missing={2}) as (
        emulator,
        reader,
    ):
        heard = Heard(reader).until(lambda h: "antenna_gone" in h.kinds and len(h.readings) > 20)
        emulator.missing = set()
        heard.until(lambda h: "antenna_back" in h.kinds)
        emulator.broken = 0xF9
        heard.until(lambda h: "reader_exception" in h.kinds)
        emulator.broken = 0
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        assert heard.kinds == ["antenna_gone", "antenna_back", "reader_exception"]
        assert heard.events[-1].detail.endswith("the command failed")


def test_a_type_that_is_unknown_is_told_by_its_answer_or_by_the_url(loop: Loop) -> None:
    class Unknown(UhfReader288Emulator):
        type = 0x77

    with serving(loop, lambda: Unknown(SmallWorld(3))) as emulator:
        for options, antennas in (("", 4), ("?dialect=18", 1), ("?dialect=288", 4)):
            with open_reader(emulator.url + options) as reader:
                can = reader.connect()
                assert (can.model, can.antennas) == ("type 77", antennas)


def test_what_a_reader_cannot_do_is_refused_in_one_line(loop: Loop) -> None:
    with serving(loop, lambda: UhfReader18Emulator(SmallWorld(3))) as emulator:
        for settings, says in (
            (ReaderSettings(ports=(2,)), "no antenna port 2"),
            (ReaderSettings(session=1), "choose session, target and q by themselves"),
            (ReaderSettings(power_dbm=31.0), "power 31 dBm is not from 0 to 30"),
            (ReaderSettings(channels=(1, 3)), "follow each other"),
        ):
            with open_reader(emulator.url) as reader:
                reader.connect()
                with pytest.raises(ReaderError) as error:
                    reader.start(settings)
                assert says in str(error.value)
        with (
            open_reader(f"{emulator.url}?push=1") as reader,
            pytest.raises(ReaderError, match="of the 288 family"),
        ):
            reader.connect()
