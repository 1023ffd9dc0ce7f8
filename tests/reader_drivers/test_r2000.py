"""R2000 boards: frames, what tells reads from ends and errors, and the driver against the emulator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers import ReaderError, ReaderSettings, SettingsError, open_reader
from reader_drivers.framing import Framer
from reader_drivers.r2000.codec import (
    BROADCAST,
    FRAMES,
    REGIONS,
    TABLE_KHZ,
    Command,
    Plan,
    Status,
    data_of,
    decode_inventory,
    decode_plan,
    encode,
    encode_end,
    encode_fast_end,
    encode_plan,
    encode_tag,
    error_words,
)
from sim.readers.r2000 import R2000Emulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, befall, fast, reading, serving

# Computed with the manual's check; not captured on a line.
COMPUTED = [
    (Command.RESET, "", "A0 03 FF 70 EE"),
    (Command.VERSION, "", "A0 03 FF 72 EC"),
    (Command.SET_ANTENNA, "00", "A0 04 FF 74 00 E9"),
    (Command.SET_POWER, "1E 1E 1E 1E", "A0 07 FF 76 1E 1E 1E 1E 6C"),
    (Command.REALTIME, "FF", "A0 04 FF 89 FF D5"),
    (Command.SESSION, "01 00 01", "A0 06 FF 8B 01 00 01 CE"),
    (Command.FAST_SWITCH, "00 01 01 01 02 01 03 01 00 01", "A0 0D FF 8A 00 01 01 01 02 01 03 01 00 01 BF"),
]
EPC = bytes.fromhex("E2801160600002052807A1B3")
TAG = bytes.fromhex("A013 01 89 1D 3000 E2801160600002052807A1B3 4B 6E")
END = bytes.fromhex("A00A 01 89 01 0032 00000005 94")
ERROR = bytes.fromhex("A004 01 89 22 B0")

epcs = st.integers(0, 31).flatmap(lambda n: st.binary(min_size=2 * n, max_size=2 * n))
inventories = st.sampled_from([Command.REALTIME, Command.SESSION, Command.FAST_SWITCH])


@pytest.mark.parametrize(("command", "data", "frame"), COMPUTED)
def test_commands(command: Command, data: str, frame: str) -> None:
    made = bytes.fromhex(frame)
    assert encode(command, bytes.fromhex(data)) == made
    assert [(f[2], f[3], data_of(f)) for f in Framer(FRAMES).feed(made)] == [
        (BROADCAST, command, bytes.fromhex(data))
    ]


def test_commands_have_the_manuals_numbers() -> None:
    assert {int(command) for command in Command} == {
        0x62, 0x63, 0x66, 0x68, 0x69, 0x6A, 0x70, 0x72, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x7B, 0x7E, 0x89,
        0x8A, 0x8B, 0x97,
    }  # fmt: skip


def test_a_read_an_end_and_an_error() -> None:
    tags, ends = decode_inventory(Framer(FRAMES).feed(TAG + END + ERROR))
    assert (tags.tags, tags.antenna.tolist(), tags.rssi_dbm.tolist()) == ((EPC,), [2], [-54.0])
    assert [TABLE_KHZ[i] for i in tags.index] == [902_000]
    assert (tags.phase.tolist(), tags.bad) == ([-1], 0)
    assert ends.row.tolist() == [1, 2]
    assert ends.error.tolist() == [Status.SUCCESS, Status.ANTENNA_MISSING]
    assert encode_tag(Command.REALTIME, 7, 1, EPC, -54, pc=0x3000) == TAG
    assert encode_end(1, 50, 5, Command.REALTIME) == END
    assert encode(Command.REALTIME, bytes([Status.ANTENNA_MISSING]), 1) == ERROR
    # Computed: an acknowledgement, and the end of a round of several antennas: 5 reads in 100 ms.
    assert encode(Command.SET_ANTENNA, bytes([Status.SUCCESS]), 1) == bytes.fromhex("A0 04 01 74 10 D7")
    fast = bytes.fromhex("A0 0A 01 8A 000005 00000064 62")
    assert encode_fast_end(5, 100) == fast
    tags, ends = decode_inventory(Framer(FRAMES).feed(fast))
    assert (len(tags.row), tags.bad, ends.error.tolist()) == (0, 0, [Status.SUCCESS])


def test_frequencies_are_those_of_the_table() -> None:
    assert (TABLE_KHZ[0], TABLE_KHZ[6], TABLE_KHZ[7], TABLE_KHZ[59]) == (865_000, 868_000, 902_000, 928_000)
    assert {name: (TABLE_KHZ[a], TABLE_KHZ[b]) for name, (_, a, b) in REGIONS.items()} == {
        "FCC": (902_000, 928_000),
        "ETSI": (865_000, 868_000),
        "CN": (920_000, 925_000),
    }
    own = Plan(4, 0, 3, (920_625, 920_875, 921_125, 921_375))
    for plan in (Plan(3, 43, 53, TABLE_KHZ), own, Plan(4, 0, 0, (915_000,))):
        assert decode_plan(encode_plan(plan)) == plan
    assert [
        decode_plan(bytes.fromhex(said)) for said in ("11", "01 07 3C", "02 06 00", "04 19 00 0E 0C 31")
    ] == [None] * 4


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("read"),
                inventories,
                st.integers(0, 59),
                st.integers(0, 3),
                epcs,
                st.integers(-129, -2),
            ),
            st.tuples(st.just("end"), inventories, st.integers(0, 255), st.integers(0, 3)),
            st.tuples(st.just("error"), inventories, st.integers(0, 255)),
            st.tuples(st.just("missing"), st.integers(0, 3)),
        ),
        max_size=30,
    )
)
def test_reads_ends_and_errors_are_told_apart_whatever_they_hold(told: list[tuple[Any, ...]]) -> None:
    stream, reads, ends = b"", [], []
    for kind, *what in told:
        if kind == "read":
            command, index, antenna, epc, rssi = what
            stream += encode_tag(command, index, antenna, epc, rssi)
            reads.append((index, antenna + 1, epc, float(rssi)))
        elif kind == "missing":
            stream += encode(Command.FAST_SWITCH, bytes([what[0], Status.ANTENNA_MISSING]), 1)
            ends.append((Status.ANTENNA_MISSING, what[0] + 1))
        elif kind == "error":
            stream += encode(what[0], bytes([what[1]]), 1)
            ends.append((what[1], 0))
        else:
            command, total, antenna = what
            fast = command == Command.FAST_SWITCH
            stream += encode_fast_end(total, 60) if fast else encode_end(antenna, 50, total, command)
            ends.append((Status.SUCCESS, 0))
    tags, over = decode_inventory(Framer(FRAMES).feed(stream))
    rows = zip(
        tags.index.tolist(), tags.antenna.tolist(), tags.tag.tolist(), tags.rssi_dbm.tolist(), strict=True
    )
    assert [(index, antenna, tags.tags[k], rssi) for index, antenna, k, rssi in rows] == reads
    assert list(zip(over.error.tolist(), over.antenna.tolist(), strict=True)) == ends
    assert tags.bad == 0


def test_what_is_no_read_is_left_out() -> None:
    spoiled = [
        encode_tag(Command.REALTIME, 7, 1, EPC, -54, pc=0x2800),
        encode_tag(Command.REALTIME, 7, 1, EPC, -54, phase=77),
        encode_tag(Command.REALTIME, 7, 5, EPC, -54),
        encode(Command.REALTIME, b"\x1d\x00\x00"),
        encode(Command.SESSION),
    ]
    tags, ends = decode_inventory(Framer(FRAMES).feed(b"".join(spoiled) + TAG))
    assert (tags.row.tolist(), len(ends.row), tags.bad) == ([5], 0, 5)


def test_phase_and_eight_ports_where_asked_for() -> None:
    stream = encode_tag(Command.SESSION, 3, 6, EPC, -70, phase=4095) + encode_tag(
        Command.SESSION, 3, 2, b"", -70
    )
    tags, _ = decode_inventory(Framer(FRAMES).feed(stream), phase=True, eight=True)
    assert (tags.antenna.tolist(), tags.phase.tolist()) == ([7, 3], [4095, -1])
    assert ([tags.tags[k] for k in tags.tag], tags.rssi_dbm.tolist()) == ([EPC, b""], [-70.0, -70.0])


def test_errors_are_named() -> None:
    told = {0x10: "done", 0x11: "failed", 0x22: "antenna is missing", 0x36: "no tag", 0x38: "buffer is empty"}
    told |= {0x40: "access failed", 0x41: "parameter", 0x52: "synthesizer does not lock", 0x54: "power"}
    assert all(word in error_words(code) for code, word in told.items())
    assert error_words(0xAB) == "error AB"


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=400, slice_s=0.03)
    world.keep = True
    with (
        serving(loop, lambda: R2000Emulator(world, listen)) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        can = reader.connect()
        assert (can.model, can.firmware, can.antennas, can.phase) == ("IND903-EMU", "8.2", 4, False)
        assert (can.region, can.frequencies_khz) == ("own", world.frequencies_khz)
        reader.start(ReaderSettings(ports=(1, 3), power_dbm=24.0, session=2))
        heard = Heard(reader).until(
            lambda h: len(h.readings) > 60 and len(set(h.readings.antenna.tolist())) == 2
        )
        assert set(heard.readings.antenna.tolist()) == {1, 3}
        assert {bytes.fromhex(tag) for tag in heard.readings.tags} <= set(world.tags)
        assert set(heard.readings.frequency_khz.tolist()) <= set(world.frequencies_khz)
        assert np.isnan(heard.readings.phase_rad).all()
        assert {e.detail.rsplit(": ", 1)[1] for e in heard.events if e.kind == "return_loss"} == {
            "17 dB at 922.375 MHz"
        }
        assert "temperature" in heard.kinds
        for fault in ("reboot", "silent", "drop", "crash"):
            gone = heard.kinds.count("reader_back")
            befall(loop, emulator, heard, fault)
            heard.until(lambda h, gone=gone: h.kinds.count("reader_back") > gone)
            assert set(emulator.power_dbm) == {24}, "what was set before holds after a loss of power, too"
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count + 20)
        loop.call(lambda: emulator.spoil(6))
        heard.until(lambda h: "bad_message" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        reader.stop()
        reader.read(0)
        assert len(reader.read(0.2).readings) == 0


@pytest.mark.parametrize("how", ["session", "realtime", "fast"])
def test_every_way_of_asking_hears_all_antennas(loop: Loop, how: str) -> None:
    world = SmallWorld(4, reads_per_s=600, slice_s=0.02)
    with reading(loop, lambda: R2000Emulator(world), fast(inventory=how)) as (_, reader):
        heard = Heard(reader).until(lambda h: set(h.readings.antenna.tolist()) == {1, 2, 3, 4})
        assert "reader_gone" not in heard.kinds


@pytest.mark.parametrize("how", ["session", "fast"])
def test_an_antenna_that_is_missing_is_told_once_and_does_not_stop_the_others(loop: Loop, how: str) -> None:
    world = SmallWorld(4, reads_per_s=600, slice_s=0.02)
    options, settings = fast(inventory=how, health=0), ReaderSettings(ports=(1, 2))
    with reading(loop, lambda: R2000Emulator(world), options, settings, missing={2}) as (emulator, reader):
        heard = Heard(reader).until(lambda h: len(h.readings) > 100)
        assert [e.detail.split(": ", 1)[1] for e in heard.events] == ["port 2: the antenna is missing"]
        emulator.missing = set()
        heard.until(lambda h: 2 in h.readings.antenna.tolist())
        assert heard.kinds == ["antenna_gone", "antenna_back"]
        emulator.missing = {1, 2}
        heard.until(lambda h: h.kinds.count("antenna_gone") == 3)
        emulator.missing = set()
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        assert "reader_gone" not in heard.kinds


def test_a_board_that_fails_is_asked_again(loop: Loop) -> None:
    with reading(loop, lambda: R2000Emulator(SmallWorld(4)), fast(health=0), broken=0x52) as (
        emulator,
        reader,
    ):
        heard = Heard(reader).until(lambda h: bool(h.kinds))
        emulator.broken = 0
        heard.until(lambda h: len(h.readings) > 20)
        assert [e.detail.split(": ", 1)[1] for e in heard.events] == ["the synthesizer does not lock"]


def test_what_a_recording_refuses_is_left_out_and_counted(loop: Loop) -> None:
    with reading(loop, lambda: R2000Emulator(SmallWorld(4)), fast(health=0)) as (emulator, reader):
        heard = Heard(reader).until(lambda h: len(h.readings) > 20)
        told = [(b"", -60), (EPC, -125), (EPC, -60)]
        for epc, rssi in told:
            loop.call(
                lambda epc=epc, rssi=rssi: emulator.send_raw(encode_tag(Command.SESSION, 7, 0, epc, rssi))
            )
        heard.until(lambda h: EPC.hex().upper() in h.readings.epc)
        heard.until(lambda h: "bad_reading" in h.kinds)
        left_out = [int(e.detail.split()[0]) for e in heard.events if e.kind == "bad_reading"]
        assert sum(left_out) == 2
        assert "" not in heard.readings.epc


def test_regions_channels_and_power_of_each_port(loop: Loop) -> None:
    world = SmallWorld(4, region="ETSI", reads_per_s=600)
    with serving(loop, lambda: R2000Emulator(world)) as emulator:
        with open_reader(f"{emulator.url}?region=ETSI&{FAST}") as reader:
            can = reader.connect()
            assert (can.region, can.frequencies_khz) == ("ETSI", TABLE_KHZ[:7])
            reader.start(ReaderSettings(channels=(2, 3), port_power_dbm={2: 17.0}, power_dbm=20.5))
            heard = Heard(reader).until(lambda h: len(h.readings) > 20)
            assert set(heard.readings.frequency_khz.tolist()) <= {865_500, 866_000}
            assert list(emulator.power_dbm) == [20, 17, 20, 20]
            assert emulator.plan == Plan(2, 1, 2, TABLE_KHZ)
        with pytest.raises(SettingsError, match="no region MARS"):
            open_reader(f"{emulator.url}?region=MARS")


def test_phase_grows_with_distance_and_eight_ports_are_heard(loop: Loop) -> None:
    class Variant(R2000Emulator):
        with_phase = eight = True

    world = SmallWorld(5, reads_per_s=500, slice_s=0.02, antennas=8)
    world.keep = True
    with serving(loop, lambda: Variant(world)) as emulator:
        with open_reader(f"{emulator.url}?{FAST}&eight_ports=1&phase=1") as reader:
            assert reader.connect().phase
            reader.start(ReaderSettings(ports=(1, 4, 5, 8)))
            heard = Heard(reader).until(lambda h: set(h.readings.antenna.tolist()) == {1, 4, 5, 8})
            reader.stop()
        told = heard.readings
        truth = [
            (heard_slice.tags[k].hex().upper(), port, phase)
            for heard_slice in world.produced
            for k, port, rssi, phase in zip(
                heard_slice.tag, heard_slice.port, heard_slice.rssi_dbm, heard_slice.phase_rad, strict=True
            )
            if round(float(rssi)) >= emulator.weakest_dbm
        ][: len(told)]
        assert list(zip(told.epc, told.antenna.tolist(), strict=True)) == [
            (epc, port) for epc, port, _ in truth
        ]
        off = told.phase_rad - np.array([phase for *_, phase in truth], np.float64)
        assert np.abs((off + math.pi) % (2 * math.pi) - math.pi).max() < 0.002
        assert ((told.phase_rad >= 0) & (told.phase_rad < np.float32(2 * math.pi))).all()


def test_a_board_without_phase_says_so(loop: Loop) -> None:
    with reading(loop, lambda: R2000Emulator(SmallWorld(5)), fast(phase=1, health=0)) as (_, reader):
        heard = Heard(reader).until(lambda h: "reader_exception" in h.kinds)
        assert heard.events[0].detail.endswith("a parameter is wrong")


def test_what_a_board_cannot_do_is_refused_in_one_line(loop: Loop) -> None:
    with serving(loop, lambda: R2000Emulator(SmallWorld(3))) as emulator:
        for options, settings, says in (
            ("", ReaderSettings(ports=(5,)), "no antenna port 5; it has ports 1 to 4"),
            ("", ReaderSettings(power_dbm=40.0), "power 40 dBm is not from 0 to 33"),
            ("", ReaderSettings(channels=(1,)), "a table of its own"),
            ("?inventory=fast", ReaderSettings(session=1), "inventory=session alone"),
            ("?region=CN", ReaderSettings(channels=(1, 3)), "follow each other"),
        ):
            with open_reader(emulator.url + options) as reader:
                reader.connect()
                with pytest.raises(ReaderError) as error:
                    reader.start(settings)
                assert says in str(error.value)
                assert "\n" not in str(error.value)
