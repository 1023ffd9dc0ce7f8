"""UHFReader18 and 288: frames of real readers, and whatever else a line may bring."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers.framing import Framer
from reader_drivers.serial_link import NO_RSSI_DBM
from reader_drivers.uhfreader18.codec import (
    ANSWERS,
    BANDS,
    BROADCAST,
    COMMANDS,
    HEARTBEAT,
    Command,
    Dialect,
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


def read(stream: str, dialect: Dialect) -> list[tuple[bytes, int, int]]:
    tags = decode_tags(Framer(ANSWERS).feed(bytes.fromhex(stream)), dialect)
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
def test_answers_of_real_readers(dialect: Dialect, frame: str, reads: list[tuple[bytes, int, int]]) -> None:
    assert read(frame, dialect) == reads


@pytest.mark.parametrize(
    ("dialect", "status", "tags", "frame"),
    [
        ("18", Status.MORE, [(EPC, 0)], ONE_18),
        ("18", Status.MORE, [(EPC, 0), (NEXT, 0)], TWO_18),
        ("288", Status.MORE, [(EPC, 0x6B)], ONE_288),
        ("288", Status.COMPLETE, [], NONE_288),
    ],
)
def test_answers_are_written_as_real_readers_do(
    dialect: Dialect, status: Status, tags: list[tuple[bytes, int]], frame: str
) -> None:
    assert encode_tags(dialect, status, tags) == bytes.fromhex(frame)


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
    made = bytes.fromhex(frame)
    assert encode_command(command, data) == made
    assert list(Framer(COMMANDS).feed(made)) == [made]
    assert (made[1], made[2], made[3:-2]) == (BROADCAST, command, data)


def test_statuses_are_the_manuals() -> None:
    told = {
        0x04: "memory",
        0xF8: "antenna is missing",
        0xFB: "no tag",
        0xFE: "no such command",
        0xFF: "parameter",
    }
    assert all(word in status_words(status) for status, word in told.items())
    ends = {0x00: True, 0x01: True, 0x02: True, 0x03: False, 0x04: True, 0x26: False, 0xF8: True, 0xFB: True}
    for status, end in ends.items():
        frames = Framer(ANSWERS).feed(encode_answer(Command.INVENTORY, status))
        assert decode_ends(frames).status.tolist() == ([status] if end else [])
    # Statistics: antenna, reads a second, reads in all. They are no read.
    frames = Framer(ANSWERS).feed(encode_answer(Command.INVENTORY, 0x26, bytes.fromhex("01 0032 00000005")))
    tags = decode_tags(frames, "288")
    assert (len(tags.row), tags.bad) == (0, 0)


def test_parameters_of_an_inventory() -> None:
    assert inventory_parameters(15, 0, "A", 1, 20).hex() == "0f0001000000008014"
    assert inventory_parameters(2, 1, "B", 4, 3, fast_id=True).hex() == "220101000000018303"


@given(st.integers(0, 15), st.integers(0, 63), st.integers(0, 63))
def test_bands_come_out_as_they_went_in(number: int, first: int, last: int) -> None:
    assert decode_band(*encode_band(number, first, last)) == (number, first, last)


dialects = st.sampled_from(get_args(Dialect))
records = st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 255)), max_size=6)


@given(dialects, st.lists(st.tuples(records, st.integers(1, 8)), max_size=8))
def test_records_come_out_as_they_went_in(
    dialect: Dialect, told: list[tuple[list[tuple[bytes, int]], int]]
) -> None:
    stream = b"".join(encode_tags(dialect, Status.MORE, tags, port) for tags, port in told)
    tags = decode_tags(Framer(ANSWERS).feed(stream), dialect)
    rows = zip(tags.row.tolist(), tags.tag, tags.antenna.tolist(), tags.rssi.tolist(), strict=True)
    wide = dialect == "288"
    assert [(row, tags.tags[k], a, r) for row, k, a, r in rows] == [
        (row, epc, port if wide else 1, rssi if wide else 0)
        for row, (some, port) in enumerate(told)
        for epc, rssi in some
    ]
    assert tags.bad == 0


def nearly(dialect: Dialect, tags: list[tuple[bytes, int]], port: int, more: bytes) -> bytes:
    """Return the data of a good frame, and something behind them."""
    return data_of(encode_tags(dialect, Status.MORE, tags, port)) + more


valid = st.builds(nearly, dialects, records, st.integers(1, 8), st.binary(max_size=2))


@given(
    dialects,
    st.one_of(st.binary(max_size=60), valid),
    st.sampled_from([Command.INVENTORY, Command.REPORT]),
)
def test_whatever_a_frame_holds_it_is_read_whole_or_left_out(
    dialect: Dialect, data: bytes, command: Command
) -> None:
    frame = encode_answer(command, 0, data)
    tags = decode_tags(Framer(ANSWERS).feed(frame), dialect)
    wide = dialect == "288"
    if tags.bad:
        assert len(tags.row) == 0
    elif command == Command.INVENTORY and len(data) > wide:
        assert len(tags.row) == data[wide]
        read = 1 + wide + sum(1 + len(tags.tags[k]) + wide for k in tags.tag)
        assert read == len(data) or tags.tids


def test_tid_reports_and_heartbeats() -> None:
    assert bytes.fromhex("56 00 00 00 00 00") == HEARTBEAT
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
    assert (tags.tids, tags.rssi.tolist()) == (((EPC, tid, 3),), [0x50, 0x51])
    # Reports sent unasked have their antennas, too; the first that heard the tag is told.
    both = b"".join(
        encode_answer(Command.REPORT, 0, bytes([mask, 0x80 | 24]) + EPC + tid + b"\x50") for mask in (8, 2)
    )
    assert decode_tags(Framer(ANSWERS).feed(both), "288").tids == ((EPC, tid, 4),)
    assert len(decode_tags(more, "288").row) == 0


def test_rssi_is_read_as_asked() -> None:
    raw = np.array([0x6B, 0xC9], np.uint8)
    assert read_rssi(raw, "r2000").tolist() == [-22.0, 72.0]
    assert read_rssi(raw, "int8").tolist() == [107.0, -55.0]
    assert read_rssi(raw, "none").tolist() == [NO_RSSI_DBM, NO_RSSI_DBM]
