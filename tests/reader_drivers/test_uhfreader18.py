"""UHFReader18 and 288: frames of real readers, the driver against the emulators, and foreign clients against them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.framing import Framer
from reader_drivers.uhfreader18.codec import (
    ANSWERS,
    BANDS,
    HEARTBEAT,
    Command,
    Status,
    data_of,
    decode_band,
    decode_ends,
    decode_info,
    decode_tags,
    encode_answer,
    encode_band,
    encode_command,
    encode_tags,
    inventory_parameters,
    status_words,
)
from reader_drivers.uhfreader18.link import read_rssi
from sim.readers.small_world import SmallWorld
from sim.readers.uhfreader18 import UhfReader18Emulator, UhfReader288Emulator
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, serving

EPC = bytes.fromhex("000000000000000000000313")
NEXT = bytes.fromhex("000000000000000000000314")

# Answers of real readers: the tests of wabson/chafon-rfid.
ONE_18 = "13 00 01 03 01 0C 000000000000000000000313 3F 39"
TWO_18 = "20 00 01 03 02 0C 000000000000000000000313 0C 000000000000000000000314 9A C9"
ONE_288 = "15 00 01 03 01 01 0C 000000000000000000000313 6B B1 A5"
ANTENNA_3 = "15 00 01 03 04 01 0C 49440000000000000A000334 64 25 C0"
SHORT_288 = "0D 00 01 03 01 01 04 00323038 6D A3 D2"
TWO_288 = "23 00 01 03 01 02 0C 000000000000000000000313 6B 0C 000000000000000000000314 6C 70 F2"
NONE_288 = "07 00 01 01 01 00 1E 4B"
SPOILED = "15 00 01 03 01 01 0C 000000000000000000000313 6B B1 A6"
INFO_288 = "11 00 21 00 00 16 0C 03 4E 00 1E 0A 01 00 00 00 E6 51"


def read(stream: str, dialect: str) -> list[tuple[bytes, int, int]]:
    tags = decode_tags(Framer(ANSWERS).feed(bytes.fromhex(stream)), dialect)  # type: ignore[arg-type]
    assert tags.bad == 0
    return [
        (tags.tags[k], a, r)
        for k, a, r in zip(tags.tag, tags.antenna.tolist(), tags.rssi.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("dialect", "frame", "reads"),
    [
        ("18", ONE_18, [(EPC, 1, 0)]),
        ("18", TWO_18, [(EPC, 1, 0), (NEXT, 1, 0)]),
        ("288", ONE_288, [(EPC, 1, 0x6B)]),
        ("288", ANTENNA_3, [(bytes.fromhex("49440000000000000A000334"), 3, 0x64)]),
        ("288", SHORT_288, [(bytes.fromhex("00323038"), 1, 0x6D)]),
        ("288", TWO_288, [(EPC, 1, 0x6B), (NEXT, 1, 0x6C)]),
        ("288", NONE_288, []),
    ],
)
def test_answers_of_real_readers(dialect: str, frame: str, reads: list[tuple[bytes, int, int]]) -> None:
    assert read(frame, dialect) == reads


def test_a_spoiled_answer_is_no_answer_and_several_are_read_one_by_one() -> None:
    framer = Framer(ANSWERS)
    # 6B looks like the length of a longer frame, until the line is quiet.
    assert len(framer.feed(bytes.fromhex(SPOILED + TWO_288 + ONE_288 + NONE_288))) == 0
    frames = framer.flush()
    assert framer.wrong
    tags = decode_tags(frames, "288")
    assert tags.row.tolist() == [0, 0, 1]
    ends = decode_ends(frames)
    assert (ends.row.tolist(), ends.status.tolist()) == ([2], [Status.COMPLETE])
    assert encode_tags("288", Status.MORE, [(EPC, 0x6B), (NEXT, 0x6C)]) == bytes.fromhex(TWO_288)
    assert encode_tags("18", Status.MORE, [(EPC, 0), (NEXT, 0)]) == bytes.fromhex(TWO_18)


def test_what_a_real_reader_says_about_itself() -> None:
    (frame,) = Framer(ANSWERS).feed(bytes.fromhex(INFO_288))
    info = decode_info(data_of(frame))
    assert info is not None
    assert (info.version, info.type, info.power_dbm, info.scan, info.antennas) == ((0, 22), 0x0C, 30, 10, 1)
    assert (info.band, info.first, info.last) == (BANDS["EU"].number, 0, 14)
    assert (BANDS["EU"].khz(0), BANDS["EU"].khz(14)) == (865_100, 867_900)


# Computed with the manual's CRC; not captured on a line.
@pytest.mark.parametrize(
    ("command", "data", "frame"),
    [
        (Command.INFO, b"", "04 FF 21 19 95"),
        (Command.INVENTORY, b"", "04 FF 01 1B B4"),
        (
            Command.INVENTORY,
            bytes.fromhex("0F 00 01 00 00 00 00 80 14"),
            "0D FF 01 0F 00 01 00 00 00 00 80 14 C0 3A",
        ),
    ],
)
def test_commands(command: Command, data: bytes, frame: str) -> None:
    assert encode_command(command, data) == bytes.fromhex(frame)


def test_parameters_of_an_inventory() -> None:
    assert inventory_parameters(15, 0, "A", 1, 20).hex() == "0f0001000000008014"
    assert inventory_parameters(2, 1, "B", 4, 3, fast_id=True).hex() == "220101000000018303"


@given(st.integers(0, 15), st.integers(0, 63), st.integers(0, 63))
def test_bands_come_out_as_they_went_in(number: int, first: int, last: int) -> None:
    assert decode_band(*encode_band(number, first, last)) == (number, first, last)


records = st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 255)), max_size=6)


@given(st.sampled_from(["18", "288"]), st.lists(st.tuples(records, st.integers(1, 8)), max_size=8))
def test_records_come_out_as_they_went_in(
    dialect: str, told: list[tuple[list[tuple[bytes, int]], int]]
) -> None:
    stream = b"".join(encode_tags(dialect, Status.MORE, tags, port) for tags, port in told)  # type: ignore[arg-type]
    tags = decode_tags(Framer(ANSWERS).feed(stream), dialect)  # type: ignore[arg-type]
    rows = zip(tags.row.tolist(), tags.tag, tags.antenna.tolist(), tags.rssi.tolist(), strict=True)
    wide = dialect == "288"
    assert [(row, tags.tags[k], a, r) for row, k, a, r in rows] == [
        (row, epc, port if wide else 1, rssi if wide else 0)
        for row, (some, port) in enumerate(told)
        for epc, rssi in some
    ]
    assert tags.bad == 0


@given(
    st.sampled_from(["18", "288"]),
    st.binary(max_size=60),
    st.sampled_from([Command.INVENTORY, Command.REPORT]),
)
def test_whatever_a_frame_holds_it_is_read_whole_or_left_out(
    dialect: str, data: bytes, command: Command
) -> None:
    frame = encode_answer(command, 0, data)
    tags = decode_tags(Framer(ANSWERS).feed(frame), dialect)  # type: ignore[arg-type]
    if tags.bad:
        assert len(tags.row) == 0
    elif command == Command.INVENTORY and len(data) > (dialect == "288"):
        assert len(tags.row) == data[dialect == "288"]


def test_tid_reports_and_heartbeats() -> None:
    tid = bytes(range(12))
    fast = encode_answer(Command.INVENTORY, Status.MORE, bytes([4, 1, 0x80 | 24]) + EPC + tid + b"\x50")
    report = encode_answer(Command.REPORT, 0, bytes([5, 12]) + NEXT + b"\x51")
    beat = encode_answer(Command.REPORT, Status.HEARTBEAT, bytes(16))
    framer = Framer(ANSWERS)
    frames = framer.feed(HEARTBEAT + fast + HEARTBEAT * 2 + report + HEARTBEAT[:4])
    more = framer.feed(HEARTBEAT[4:] + beat)
    assert (len(frames), len(more), framer.idles, framer.garbage) == (2, 1, 4, 0)
    tags = decode_tags(frames, "288")
    assert ([tags.tags[k] for k in tags.tag], tags.antenna.tolist()) == ([EPC, NEXT], [3, 1])
    assert (tags.tids, tags.rssi.tolist()) == (((EPC, tid),), [0x50, 0x51])
    assert len(decode_tags(more, "288").row) == 0


def test_rssi_is_read_as_asked() -> None:
    raw = np.array([0x6B, 0xC9], np.uint8)
    assert read_rssi(raw, "r2000").tolist() == [-22.0, 72.0]
    assert read_rssi(raw, "int8").tolist() == [107.0, -55.0]
    assert np.isnan(read_rssi(raw, "none")).all()
    assert status_words(0xF8) == "the antenna is missing"


@pytest.mark.parametrize("kind", [UhfReader18Emulator, UhfReader288Emulator])
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, kind: type, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=300, slice_s=0.03)
    wide = kind is UhfReader288Emulator
    with (
        serving(loop, lambda: kind(world, listen)) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
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
        assert np.isnan(heard.readings.rssi_dbm).all() != wide
        if wide:
            assert -84 <= heard.readings.rssi_dbm.min() <= heard.readings.rssi_dbm.max() < -20
        for fault in ("reboot", "silent", "drop", "crash"):
            # A reader that booted while the line stands has kept its settings: it is asked anew, and that is told.
            kinds = "reader_exception" if fault == "crash" else "reader_back"
            gone = heard.kinds.count(kinds)
            if fault == "silent":
                loop.call(emulator.go_silent)
                heard.until(lambda h: h.kinds.count("reader_gone") > h.kinds.count("reader_back"))
                loop.call(lambda: emulator.go_silent(False))
            else:
                loop.run(emulator.reboot(0.2) if fault == "reboot" else getattr(emulator, fault)())
            heard.until(lambda h, gone=gone, kinds=kinds: h.kinds.count(kinds) > gone, 8)
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count + 20)
        assert (emulator.power, emulator.band) == (23, encode_band(1, 2, 2))
        count = len(heard.readings)
        loop.call(lambda: emulator.spoil(6))
        heard.until(lambda h: "bad_message" in h.kinds or len(h.readings) > count + 400)
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


def test_tids_are_handed_out_once_a_tag(loop: Loop) -> None:
    world = SmallWorld(3, reads_per_s=300, tags=8)
    with (
        serving(loop, lambda: UhfReader288Emulator(world)) as emulator,
        open_reader(f"{emulator.url}?{FAST}&fastid=1") as reader,
    ):
        emulator.tids = True
        reader.connect()
        reader.start(ReaderSettings(ports=(2,)))
        heard = Heard(reader).until(lambda h: sum(len(b.tags) for b in h.batches) == 8)
        heard.until(lambda h: len(h.readings) > 100)
        told = [data for batch in heard.batches for data in batch.tags]
        assert {data.epc for data in told} == {tag.hex().upper() for tag in world.tags}
        assert len(told) == 8
        assert all(data.tid[:4] == bytes.fromhex("E2801100") and len(data.tid) == 12 for data in told)
        assert set(heard.readings.tags) <= {tag.hex().upper() for tag in world.tags}


def test_antennas_and_faults_are_told(loop: Loop) -> None:
    world = SmallWorld(3, reads_per_s=300, slice_s=0.02)
    with (
        serving(loop, lambda: UhfReader288Emulator(world)) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        emulator.missing = {2}
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 2)))
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


# Foreign clients, each in a process of its own.

WABSON = """
import sys
from chafon_rfid.base import CommandRunner, ReaderCommand, ReaderInfoFrame
from chafon_rfid.command import CF_GET_READER_INFO, G2_TAG_INVENTORY
from chafon_rfid.transport import TcpTransport
from chafon_rfid.transport_serial import SerialTransport
from chafon_rfid.uhfreader18 import G2InventoryResponseFrame as Frame18
from chafon_rfid.uhfreader288m import G2InventoryCommand, G2InventoryResponseFrame as Frame288
where, kind = sys.argv[1:]
if where.startswith("/"):
    transport = SerialTransport(device=where)
else:
    host, port = where.split(":")
    transport = TcpTransport(reader_addr=host, reader_port=int(port), auto_connect=True)
runner = CommandRunner(transport)
info = ReaderInfoFrame(runner.run(ReaderCommand(CF_GET_READER_INFO)))
print("info", info.type.name, info.frequency_band.name, info.power, info.get_max_frequency())
for round in range(8):
    for antenna in (0x80, 0x82):
        asked = G2InventoryCommand(q_value=4, antenna=antenna) if kind == "288" else ReaderCommand(G2_TAG_INVENTORY)
        transport.write(asked.serialize())
        while True:
            frame = (Frame288 if kind == "288" else Frame18)(transport.read_frame())
            for tag in frame.get_tag():
                print("tag", tag.epc.hex(), tag.antenna_num, tag.rssi)
            if frame.result_status != 3:
                break
"""

STREAM = """
import socket, sys
from uhfreader18 import RfidClient
from uhfreader18.builder import build_command_frame
from uhfreader18.constants import Command, FreqBand
from uhfreader18.stream import StreamBuffer
host, port = sys.argv[1].split(":")
with RfidClient(host, int(port)) as client:
    info, address = client.discover_address()
    print("info", info.reader_model, info.version, info.band, info.max_index, info.power, info.scan_time, address)
    client.set_power(0, 21)
    client.set_region(0, FreqBand.US, 9, 2)
    client.set_scan_time(0, 7)
    client.get_work_mode()
    again = client.get_reader_info(0xFF)
    print("set", again.power, again.band, again.max_index, again.min_index, again.scan_time)
    try:
        client.set_region(0, FreqBand.KOREAN, 31, 0) and client.set_eas_accuracy(0, 3)
    except RuntimeError as error:
        print("refused", error)
with socket.create_connection((host, int(port))) as line:
    stream, frames = StreamBuffer(), []
    for _ in range(6):
        line.sendall(build_command_frame(0xFF, Command.INVENTORY))
        while not frames or frames[-1].status == 3:
            got = stream.feed(line.recv(7))
            assert not got.errors, got.errors
            frames += got.frames
        for frame in frames:
            print("tags", frame.data[0] if frame.data else 0)
        frames.clear()
"""


def run_foreign(program: str, *arguments: str) -> list[list[str]]:
    command = [sys.executable, "-c", program, *arguments]
    # Not from this folder: a foreign package may have the name of one of ours.
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.skipif(find_spec("chafon_rfid") is None, reason="wabson.chafon-rfid is not installed")
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
@pytest.mark.parametrize("kind", [UhfReader18Emulator, UhfReader288Emulator])
def test_chafon_rfid_reads_the_emulator(loop: Loop, kind: type, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=400)
    with serving(loop, lambda: kind(world, listen)) as emulator:
        said = run_foreign(WABSON, emulator.address, kind.dialect)
        name = "UHFReader288M" if kind.dialect == "288" else "UHFReader18"
        assert said[0] == ["info", name, "China2", "26", "924.875"]
        tags = [line for line in said if line[0] == "tag"]
        assert len(tags) > 40
        assert {bytes.fromhex(epc) for _, epc, *_ in tags} <= set(world.tags)
        assert {antenna for *_, antenna, _ in tags} == ({"1", "3"} if kind.dialect == "288" else {"1"})
        if kind.dialect == "288":
            assert all(45 <= int(rssi) < 110 for *_, rssi in tags)


@pytest.mark.skipif(find_spec("uhfreader18") is None, reason="uhfreader18 is not installed")
def test_uhfreader18_reads_and_sets_the_emulator(loop: Loop) -> None:
    with serving(loop, lambda: UhfReader18Emulator(SmallWorld(3, reads_per_s=900, tags=60))) as emulator:
        said = run_foreign(STREAM, emulator.address)
        assert said[0] == [
            "info",
            "ReaderType.UHFREADER18",
            "3.1",
            "FreqBand.CHINESE_2",
            "19",
            "26",
            "10",
            "0",
        ]
        assert said[1] == ["set", "21", "FreqBand.US", "9", "2", "7"]
        assert said[2][0] == "refused"
        counts = [int(line[1]) for line in said[3:]]
        assert max(counts) > 15, "frames are as long as they may be"
        assert len(counts) > 6, "and followed by others"
