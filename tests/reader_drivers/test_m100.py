"""M100 modules: public frames, the driver against the emulator over TCP and a pty, and what lines do to frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.framing import Framer
from reader_drivers.m100.codec import (
    FRAMES,
    NOTICE,
    REGIONS,
    RESPONSE,
    Command,
    Failure,
    decode_notices,
    decode_read,
    encode,
    encode_notice,
    failure_words,
    parameters,
    read_parameters,
    select_parameters,
)
from sim.readers.m100 import M100Emulator
from sim.readers.small_world import SmallWorld
from sim.readers.source import ReportSlice
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, befall, reading, serving

# Frames of the module's protocol manual and of yrm100lib.
COMMANDS = [
    (Command.INFO, "00", "BB 00 03 00 01 00 04 7E"),
    (Command.POLL, "", "BB 00 22 00 00 22 7E"),
    (Command.POLL_MANY, "22 27 10", "BB 00 27 00 03 22 27 10 83 7E"),
    (Command.STOP, "", "BB 00 28 00 00 28 7E"),
    (Command.POWER, "07 D0", "BB 00 B6 00 02 07 D0 8F 7E"),
    (Command.GET_POWER, "", "BB 00 B7 00 00 B7 7E"),
    (Command.CHANNEL, "01", "BB 00 AB 00 01 01 AD 7E"),
    (Command.HOPPING, "FF", "BB 00 AD 00 01 FF AD 7E"),
    (Command.SET_QUERY, "10 20", "BB 00 0E 00 02 10 20 40 7E"),
    (Command.GET_QUERY, "", "BB 00 0D 00 00 0D 7E"),
    (Command.GET_REGION, "", "BB 00 08 00 00 08 7E"),
    (Command.REGION, "01", "BB 00 07 00 01 01 09 7E"),
    (Command.REGION, "03", "BB 00 07 00 01 03 0B 7E"),
    (Command.POWER, "0A 28", "BB 00 B6 00 02 0A 28 EA 7E"),
    (Command.SELECT_MODE, "01", "BB 00 12 00 01 01 14 7E"),
    (Command.BAUD, "00 C0", "BB 00 11 00 02 00 C0 D3 7E"),
]
# Computed with the same sum; not seen on a line.
COMPUTED = [(Command.POLL_MANY, "22 FF FF", "BB 00 27 00 03 22 FF FF 4A 7E")]
ANSWERS = [
    (Command.INFO, b"\0M100 26dBm V1.0", "BB0103001000" + b"M100 26dBm V1.0".hex() + "927E"),
    (Command.STOP, b"\0", "BB 01 28 00 01 00 2A 7E"),
    (Command.ERROR, b"\x15", "BB 01 FF 00 01 15 16 7E"),
]
EPC = bytes.fromhex("30751FEB705C5904E3D50D70")
TAG = bytes.fromhex("BB02220011C9340030751FEB705C5904E3D50D703A76EF7E")


@pytest.mark.parametrize(("command", "values", "frame"), COMMANDS + COMPUTED)
def test_commands_are_framed_as_the_manual_has_them(command: Command, values: str, frame: str) -> None:
    made = bytes.fromhex(frame)
    assert encode(command, bytes.fromhex(values)) == made
    assert [(f[1], f[2], parameters(f).hex()) for f in Framer(FRAMES).feed(made)] == [
        (0, command, values.replace(" ", "").lower())
    ]


@pytest.mark.parametrize(("command", "values", "frame"), ANSWERS)
def test_answers_are_framed_as_the_manual_has_them(command: Command, values: bytes, frame: str) -> None:
    made = bytes.fromhex(frame)
    assert encode(command, values, RESPONSE) == made
    assert [(f[1], f[2], parameters(f)) for f in Framer(FRAMES).feed(made)] == [(1, command, values)]


def test_a_frame_ends_where_its_length_says_and_not_at_what_looks_like_an_end() -> None:
    epc = bytes.fromhex("BB7E00227EBB0000227E7EBB")
    notice = encode_notice(-60, 0x3000, epc, 0x7E7E)
    frames = Framer(FRAMES).feed(notice + TAG)
    assert list(frames) == [notice, TAG]
    read = decode_notices(frames)
    assert [read.tags[k] for k in read.tag] == [epc, EPC]
    # One list of commands has this row, whose length lacks a byte: it is no frame.
    framer = Framer(FRAMES)
    assert list(framer.feed(bytes.fromhex("BB 00 0D 00 0D 7E") + TAG)) + list(framer.flush()) == [TAG]


def test_regions_are_numbered_and_divided_into_channels_as_the_manual_has_it() -> None:
    numbers = {name: number for name, (number, _) in REGIONS.items()}
    assert numbers == {"CN": 1, "US": 2, "EU": 3, "CN800": 4, "KR": 6}
    steps = {name: (khz[0], khz[1] - khz[0]) for name, (_, khz) in REGIONS.items()}
    assert steps == {
        "CN": (920_125, 250), "US": (902_250, 500), "EU": (865_100, 200), "CN800": (840_125, 250), "KR": (917_100, 200)
    }  # fmt: skip
    assert all(set(np.diff(khz).tolist()) == {steps[name][1]} for name, (_, khz) in REGIONS.items())


def test_a_tag_is_named_and_its_user_memory_read_as_the_manual_has_it() -> None:
    select = encode(Command.SELECT, select_parameters(EPC))
    assert select.hex() == "bb000c0013010000002060" + "00" + EPC.hex() + "ad7e"
    read = encode(Command.READ, read_parameters(3, 0, 2, 0xFFFF))
    assert read == bytes.fromhex("BB 00 39 00 09 0000FFFF 03 0000 0002 45 7E")
    answer = bytes.fromhex("BB01390013 0E 3400") + EPC + bytes.fromhex("12345678 B0 7E")
    assert list(Framer(FRAMES).feed(answer)) == [answer]
    assert decode_read(answer) == (EPC, bytes.fromhex("12345678"))
    assert decode_read(encode(Command.READ, b"\x20\x34\0", RESPONSE)) is None


def test_errors_are_named() -> None:
    told = {
        0x09: "reading",
        0x10: "writing",
        0x12: "killing",
        0x13: "locking",
        0x15: "no tag",
        0x16: "password",
    }
    told |= {0x17: "no such command", 0x20: "every channel"}
    assert set(told) == set(Failure)
    for code, word in told.items():
        assert word in failure_words(code)
    done = {0xA0: "reading", 0xB0: "writing", 0xC0: "locking", 0xD0: "killing"}
    why = {
        0x0: "unknown",
        0x3: "no such memory",
        0x4: "locked",
        0xB: "too little power",
        0xF: "does not say why",
    }
    for first, what in done.items():
        for last, reason in why.items():
            text = failure_words(first | last)
            assert text.startswith(f"{what} failed: ") and reason in text
    assert [failure_words(code) for code in (0xE7, 0xA1)] == ["error E7", "error A1"]


def test_the_manuals_tag_notice_is_read_and_written() -> None:
    frames = Framer(FRAMES).feed(TAG)
    read = decode_notices(frames)
    assert [tag.hex() for tag in read.tags] == ["30751feb705c5904e3d50d70"]
    assert (read.rssi_dbm.tolist(), read.bad) == ([-55.0], 0)
    assert encode_notice(-55, 0x3400 & 0xF800 | 0x0400, read.tags[0], 0x3A76) == TAG


@given(
    st.lists(
        st.tuples(
            st.integers(-128, -1),
            st.integers(0, 31).flatmap(lambda n: st.binary(min_size=2 * n, max_size=2 * n)),
        ),
        max_size=20,
    )
)
def test_notices_come_out_as_they_went_in(reads: list[tuple[int, bytes]]) -> None:
    stream = b"".join(encode_notice(rssi, len(epc) // 2 << 11, epc, 0) for rssi, epc in reads)
    read = decode_notices(Framer(FRAMES).feed(stream))
    assert [(int(r), read.tags[k]) for r, k in zip(read.rssi_dbm, read.tag, strict=True)] == reads


def test_a_notice_whose_lengths_contradict_each_other_is_left_out() -> None:
    body = bytes([0xC9]) + (31 << 11).to_bytes(2, "big") + bytes(12) + b"\0\0"
    read = decode_notices(Framer(FRAMES).feed(encode(Command.POLL, body, NOTICE) + TAG))
    assert (len(read.row), read.bad) == (1, 1)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=200)
    with (
        serving(loop, lambda: M100Emulator(world, listen)) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        can = reader.connect()
        assert (can.model, can.antennas, can.phase, can.region) == ("M100 26dBm V1.0", 1, False, "CN")
        reader.start(ReaderSettings(power_dbm=20.0, session=2, channels=(3,)))
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        assert world.inventory is not None
        assert (world.inventory.power_dbm, world.inventory.session, world.inventory.channels) == (
            (20.0,),
            2,
            (3,),
        )
        assert set(heard.readings.frequency_khz.tolist()) == {920_625}
        assert {bytes.fromhex(tag) for tag in heard.readings.tags} <= set(world.tags)
        for fault in ("reboot", "silent", "drop", "crash"):
            befall(loop, emulator, heard, fault)
            gone = heard.kinds.count("reader_back")
            heard.until(lambda h, gone=gone: h.kinds.count("reader_back") > gone)
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count + 20)
        assert world.inventory.channels == (3,), "what was set before holds after a loss of power, too"
        loop.call(lambda: emulator.spoil(3))
        heard.until(lambda h: "bad_message" in h.kinds)
        reader.stop()
        assert world.inventory is None


def test_a_module_that_hangs_is_not_flooded_and_keeps_its_region(loop: Loop) -> None:
    asked: list[bytes] = []

    class Hanging(M100Emulator):
        hangs = False

        def reset(self) -> None:
            super().reset()
            self.region = 3

        async def answer(self, frame: bytes) -> None:
            asked.append(frame)
            if not self.hangs:
                await super().answer(frame)

    world = SmallWorld(3)
    with (
        serving(loop, lambda: Hanging(world)) as emulator,
        open_reader(f"{emulator.url}?timeout=0.6&retry=0.05&keepalive=0.4") as reader,
    ):
        assert reader.connect().region == "EU"
        reader.start(ReaderSettings(power_dbm=15.0))
        heard = Heard(reader).until(lambda h: len(h.readings) > 20)
        loop.run(emulator.end_inventory())
        emulator.hangs, before = True, len(asked)
        heard.until(lambda h: "reader_gone" in h.kinds)
        assert len(asked) - before < 10
        emulator.hangs = False
        heard.until(lambda h: "reader_back" in h.kinds)
        assert (emulator.region, emulator.power_cdbm) == (3, 1500)
        assert Command.REGION not in {frame[2] for frame in asked}
        reader.stop()
    with serving(loop, lambda: Hanging(world)) as emulator:
        emulator.power_cdbm = 1200
        with open_reader(emulator.url) as reader:
            assert reader.connect().powers_dbm[-1] == 26.0, "what is set is not the most it can"


@pytest.mark.parametrize("options", ["region=EU", "channels=3"])
def test_a_module_that_booted_into_what_was_set_is_found_out_or_set_again(loop: Loop, options: str) -> None:
    """Power and query parameters as asked for are those it boots with."""
    world = SmallWorld(3, reads_per_s=200)
    with reading(loop, lambda: M100Emulator(world), f"{FAST}&session=0&{options}") as (emulator, reader):
        heard = Heard(reader).until(lambda h: len(h.readings) > 10)
        before = emulator.region, emulator.channel
        loop.run(emulator.crash())
        assert (emulator.region, emulator.channel) != before
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        assert (emulator.region, emulator.channel) == before


def test_frames_that_arrive_together_are_timed_by_the_lines_speed(loop: Loop) -> None:
    class Silent(M100Emulator):
        async def report(self, heard: ReportSlice) -> None:
            pass

    with reading(loop, lambda: Silent(SmallWorld(3), "pty"), "baud=57600&timeout=1") as (emulator, reader):
        # What came before bounds them: bytes do not come out of one another's time.
        assert len(reader.read(0.2).readings) == 0
        loop.call(lambda: emulator.send_raw(TAG * 8))
        t = Heard(reader).until(lambda h: len(h.readings) == 8).readings.t
        assert (t[1:] - t[:-1]).tolist() == pytest.approx([len(TAG) * 10 / 57600 * 1e9] * 7, abs=2)


def test_user_memory_is_read_once_a_tag_while_it_is_in_reach(loop: Loop) -> None:
    world = SmallWorld(3, tags=6)
    memory = {tag: bytes([n]) * 16 for n, tag in enumerate(world.tags[:4])} | {world.tags[4]: b""}
    reads: list[bytes] = []

    class Counting(M100Emulator):
        async def answer(self, frame: bytes) -> None:
            if frame[2] == Command.READ:
                reads.append(parameters(frame))
            await super().answer(frame)

    options = "memory=1&memory_words=32&keepalive=0.5"
    with reading(loop, lambda: Counting(world), options, memory=memory) as (_, reader):
        heard = Heard(reader).until(lambda h: sum(len(b.tags) for b in h.batches) >= 4)
        told = {data.epc: data.memory for batch in heard.batches for data in batch.tags}
        assert told == {tag.hex().upper(): memory[tag] for tag in world.tags[:4]}
        heard.until(lambda h: len(h.readings) > 400)
        assert sum(len(batch.tags) for batch in heard.batches) == 4
        # Each: 32 words are too many, 16 are too many, 8 fit. The fifth has none, the sixth fails three times.
        assert len(reads) == 4 * 3 + 6 + 3


def test_what_a_module_cannot_do_is_refused_in_one_line(loop: Loop) -> None:
    with serving(loop, lambda: M100Emulator(SmallWorld(3))) as emulator, open_reader(emulator.url) as reader:
        reader.connect()
        for settings, says in (
            (ReaderSettings(ports=(2,)), "no antenna port 2; it has port 1 only"),
            (ReaderSettings(power_dbm=3.0), "power 3 dBm is below its least (10 dBm)"),
            (ReaderSettings(port_power_dbm={1: -2.0}), "power -2 dBm is below its least (10 dBm)"),
            (ReaderSettings(power_dbm=math.nan), "power nan dBm"),
            (ReaderSettings(q=20), "q 20 does not exist"),
            (ReaderSettings(q=-1), "q -1 does not exist"),
            (ReaderSettings(target="AB"), "target AB and mode"),
            (ReaderSettings(rf_mode=1), "target AB and mode"),
            (ReaderSettings(channels=(1, 2)), "stays on one channel of 1 to 20"),
        ):
            with pytest.raises(ReaderError) as error:
                reader.start(settings)
            assert says in str(error.value)


def test_another_protocol_on_the_line_is_said(loop: Loop) -> None:
    class Strange(M100Emulator):
        async def answer(self, frame: bytes) -> None:
            self.send_raw(b"HELLO\r\n" * 3)

    with (
        serving(loop, lambda: Strange(SmallWorld(3))) as emulator,
        open_reader(f"{emulator.url}?timeout=0.3") as reader,
        pytest.raises(ReaderError, match=r"no answer to stop.*reader of this kind"),
    ):
        reader.connect()


def test_what_a_poll_tells_of_its_channels_answers_no_question(loop: Loop) -> None:
    class Late(M100Emulator):
        """The last words of a round come before each answer."""

        async def _done(self, command: int, values: bytes = b"\0") -> None:
            await self.send(encode(Command.ERROR, bytes([Failure.HOPPING]), RESPONSE))
            await super()._done(command, values)

    with reading(loop, lambda: Late(SmallWorld(3, reads_per_s=200))) as (_, reader):
        heard = Heard(reader).until(lambda h: len(h.readings) > 20)
        reader.start(ReaderSettings(power_dbm=20.0))
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        assert "reader_gone" not in heard.kinds
