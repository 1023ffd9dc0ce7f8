"""FEIG frames: vectors of the manuals and of a public driver, computed ones, and whatever bytes may come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers.checksums import crc_8408
from reader_drivers.feig.codec import (
    ADVANCED,
    ISO15693,
    STANDARD,
    AntennaSeen,
    Blocks,
    Control,
    Iso,
    Layout,
    Record,
    Sets,
    Status,
    SystemInfo,
    decode_blocks,
    decode_records,
    decode_sets,
    decode_system_info,
    eas_request,
    encode_blocks,
    encode_records,
    encode_sets,
    encode_system_info,
    inventory_request,
    iso_request,
    read_request,
    reverse_blocks,
    status_text,
    write_request,
)
from reader_drivers.feig.codec.reference import walk
from reader_drivers.framing import Framer
from sim.readers.feig_frames import BothFramers
from sim.readers.hf_tags import danish_block

A, B = bytes.fromhex("E004015306A22D70"), bytes.fromhex("E00401500A1B2C3D")
TWO = [(A, 0x3E), (B, 0)]

PROVEN = [
    (STANDARD, Control.ISO, inventory_request(), "07 FF B0 01 00 1C 56"),
    (ADVANCED, Control.ISO, inventory_request(), "02 00 09 FF B0 01 00 18 43"),
    (ADVANCED, Control.INIT_BUFFER, b"", "02 00 07 FF 33 DD 56"),
    (ADVANCED, Control.CLEAR_BUFFER, b"", "02 00 07 FF 32 54 47"),
    (ADVANCED, Control.BUFFER_INFO, b"", "02 00 07 FF 31 CF 75"),
    (ADVANCED, Control.READ_BUFFER, b"\x00\xff", "02 00 09 FF 22 00 FF 79 69"),
]
COMPUTED = [
    (STANDARD, Control.ISO, inventory_request(more=True), "07 FF B0 01 80 14 D2"),
    (ADVANCED, Control.RF_RESET, b"", "02 00 07 FF 69 02 AB"),
    (ADVANCED, Control.READER_INFO, b"\x00", "02 00 08 FF 66 00 88 12"),
    (ADVANCED, Control.CPU_RESET, b"", "02 00 07 FF 63 58 04"),
    (
        ADVANCED,
        Control.ISO,
        read_request(A, 0, 9),
        "02 00 13 FF B0 23 01 E0 04 01 53 06 A2 2D 70 00 09 F7 52",
    ),
]
COMPUTED_ANSWERS = [
    (STANDARD, Status.OK, encode_sets(TWO), "1B00B00002033EE004015306A22D700300E00401500A1B2C3DEC72"),
    (ADVANCED, Status.OK, encode_sets(TWO), "02001D00B00002033EE004015306A22D700300E00401500A1B2C3D1986"),
    (STANDARD, Status.NO_TRANSPONDER, b"", "06 00 B0 01 5C 63"),
    (ADVANCED, Status.NO_TRANSPONDER, b"", "02 00 08 00 B0 01 19 CE"),
    (ADVANCED, Status.MORE_DATA, encode_sets(TWO[:1]), "02001300B09401033EE004015306A22D707202"),
]
BLOCKS = bytes.fromhex(
    "02003700B000 0904 0011010131 0030303030 0030303133 0036000000 0000000036 0015444B37 0031383530 0030000000"
    "0000000000 51A1"
)


@pytest.mark.parametrize(("layout", "control", "data", "frame"), PROVEN)
def test_proven_requests(layout: Layout, control: int, data: bytes, frame: str) -> None:
    check_request(layout, control, data, frame)


@pytest.mark.parametrize(("layout", "control", "data", "frame"), COMPUTED)
def test_computed_requests(layout: Layout, control: int, data: bytes, frame: str) -> None:
    check_request(layout, control, data, frame)


def check_request(layout: Layout, control: int, data: bytes, frame: str) -> None:
    made = layout.request(control, data)
    assert made == bytes.fromhex(frame)
    assert [layout.read_request(f) for f in Framer(layout.frames).feed(made)] == [(0xFF, control, data)]


@pytest.mark.parametrize(("layout", "status", "data", "frame"), COMPUTED_ANSWERS)
def test_computed_answers(layout: Layout, status: int, data: bytes, frame: str) -> None:
    made = layout.answer(Control.ISO, status, data)
    assert made == bytes.fromhex(frame)
    answer = layout.read(made)
    assert answer is not None
    assert (answer.address, answer.control, answer.status, answer.data) == (0, Control.ISO, status, data)
    frames = Framer(layout.frames).feed(made)
    sets = decode_sets(frames, layout.data_at)
    tags = [(sets.tags[k], dsfid) for k, dsfid in zip(sets.tag, sets.dsfid.tolist(), strict=True)]
    assert (tags, sets.bad) == (TWO[: data[0]] if data else [], 0)
    assert set(sets.kind.tolist()) <= {ISO15693}


def test_computed_antenna_fields_and_blocks() -> None:
    assert inventory_request(antennas=0b0101) == bytes.fromhex("01 10 05")
    assert inventory_request(True, 0b1000) == bytes.fromhex("01 90 08")
    # Flags, type, DSFID, UID; then antennas: number, status, RSSI (positive), phase in 4096 steps, two reserved.
    block = "02 00 39 0400 0000"
    data = bytes.fromhex(f"01 00 03 3E {A.hex()} 01 {block}")
    assert encode_sets([(A, 0x3E)], [(AntennaSeen(2, 0x39, 0x400),)]) == data
    sets = decode([data], True)
    assert (sets.tags, sets.antenna.tolist(), sets.rssi_dbm.tolist()) == ((A,), [2], [-57.0])
    assert sets.phase_rad.tolist() == [pytest.approx(np.pi / 2)]


def test_computed_sets_of_other_kinds_of_tags() -> None:
    # A UHF tag: type, kind of identifier, length, PC and EPC; an I-Code 1 tag as one of ISO 15693.
    uhf = bytes.fromhex("3400 30751FEB705C5904E3D50D70")
    sets = decode([bytes([2, 0x84, 0, len(uhf)]) + uhf + bytes([0x00, 0x00]) + B], False)
    assert ([sets.tags[k] for k in sets.tag], sets.kind.tolist()) == ([uhf, B], [0x84, 0x00])


def test_computed_record_of_the_buffered_mode() -> None:
    # Identifier and antenna; one record of 14 bytes: type, kind, length, UID, antenna.
    data = bytes.fromhex(f"11 0001 000E 03 00 08 {A.hex()} 02")
    assert decode_records(data) == [Record(3, A, antenna=2)]
    assert encode_records([Record(3, A, antenna=2)]) == data
    # Timer, date, data blocks and the rest are not known here, and are not guessed.
    assert all(
        decode_records(bytes([0x11 | bit]) + data[1:]) is None for bit in (0x02, 0x08, 0x20, 0x40, 0x80)
    )


def test_numbers_are_the_manuals() -> None:
    assert {int(control) for control in Control} == {
        0x22, 0x31, 0x32, 0x33, 0x52, 0x63, 0x64, 0x65, 0x66, 0x69, 0x6A, 0x6E, 0x72, 0x80, 0x81, 0x85, 0x86, 0xA0,
        0xB0, 0xB1,
    }  # fmt: skip
    assert {command.name: int(command) for command in Iso} == {
        "INVENTORY": 0x01, "STAY_QUIET": 0x02, "LOCK_BLOCKS": 0x22, "READ_BLOCKS": 0x23, "WRITE_BLOCKS": 0x24,
        "SELECT": 0x25, "RESET_TO_READY": 0x26, "WRITE_AFI": 0x27, "LOCK_AFI": 0x28, "WRITE_DSFID": 0x29,
        "LOCK_DSFID": 0x2A, "SYSTEM_INFO": 0x2B, "BLOCK_SECURITY": 0x2C,
    }  # fmt: skip
    told = {
        0x00: "done", 0x02: "CRC", 0x03: "writ", 0x04: "address", 0x06: "read", 0x10: "EEPROM", 0x80: "not know",
        0x81: "length", 0x83: "disturbed", 0x84: "RF warning", 0x85: "buffer ran over", 0x92: "no valid data",
        0x93: "data buffer ran over", 0x94: "more data", 0x95: "tag answered with an error",
    }  # fmt: skip
    assert {
        status: status_text(status) for status, word in told.items() if word not in status_text(status)
    } == {}


def test_computed_blocks_of_an_iso_28560_3_tag() -> None:
    answer = ADVANCED.read(BLOCKS)
    assert answer is not None
    blocks = decode_blocks(answer.data)
    assert blocks is not None
    assert blocks.data == danish_block("1000000136", "DK-718500").ljust(36, b"\0")
    assert (blocks.size, blocks.count, blocks.security) == (4, 9, bytes(9))
    assert ADVANCED.answer(Control.ISO, Status.OK, encode_blocks(blocks.data)) == BLOCKS


def test_iso_15693_requests_have_the_readers_crc_inverted() -> None:
    # The first is proven, the others computed.
    for frame in ("26 01 00 F6 0A", "06 01 00 CD 09", "36 01 C2 00 70 58"):
        raw = bytes.fromhex(frame)
        assert (crc_8408(raw[:-2]) ^ 0xFFFF).to_bytes(2, "little") == raw[-2:]


def test_commands_for_tags() -> None:
    assert write_request(A, 5, b"ABCDEFGH") == bytes([0x24, 1]) + A + bytes([5, 2, 4]) + b"ABCDEFGH"
    assert iso_request(Iso.WRITE_AFI, A, b"\x07") == bytes([0x27, 1]) + A + b"\x07"
    assert iso_request(Iso.SYSTEM_INFO, None) == bytes([0x2B, 0])
    assert eas_request(A) == bytes([0x04, 0xA5, 1]) + A
    assert reverse_blocks(b"abcdefgh", 4) == b"dcbahgfe" and reverse_blocks(b"", 4) == b""


@pytest.mark.parametrize("size", ["031B", "1B03"])
def test_the_size_of_a_memory_is_told_in_either_order(size: str) -> None:
    info = decode_system_info(bytes([0x3E]) + A + bytes.fromhex(f"07{size}02"))
    assert info == SystemInfo(0x3E, A, 0x07, 28, 4, 2)


@given(
    st.builds(
        SystemInfo, st.integers(0, 255), st.binary(min_size=8, max_size=8), st.integers(0, 255), st.integers(1, 256),
        st.sampled_from([4]), st.integers(0, 255),
    )
)  # fmt: skip
def test_system_information_comes_out_as_it_went_in(info: SystemInfo) -> None:
    assert decode_system_info(encode_system_info(info)) == info


@given(st.integers(1, 32), st.integers(0, 40), st.binary(min_size=1, max_size=1))
def test_blocks_come_out_as_they_went_in(size: int, count: int, fill: bytes) -> None:
    security = bytes(k % 2 for k in range(count))
    data = fill * size * count
    assert decode_blocks(encode_blocks(data, size, security)) == Blocks(size, data, security)


def decode(answers: list[bytes], ant: bool, layout: Layout = ADVANCED) -> Sets:
    stream = b"".join(layout.answer(Control.ISO, Status.OK, data) for data in answers)
    frames = Framer(layout.frames).feed(stream)
    assert len(frames) == len(answers)
    return decode_sets(frames, layout.data_at, ant)


UIDS = st.binary(min_size=7, max_size=7).map(lambda rest: b"\xe0" + rest)
SEEN = st.lists(
    st.builds(AntennaSeen, st.integers(0, 8), st.integers(0, 120), st.integers(0, 4095)), max_size=4
).map(tuple)


@given(st.lists(st.lists(st.tuples(UIDS, st.integers(0, 255), SEEN), max_size=20), max_size=4), st.booleans())
def test_tags_come_out_as_they_went_in(
    inventories: list[list[tuple[bytes, int, tuple[AntennaSeen, ...]]]], ant: bool
) -> None:
    answers = [
        encode_sets([(uid, dsfid) for uid, dsfid, _ in tags], [seen for *_, seen in tags] if ant else None)
        for tags in inventories
    ]
    sets = decode(answers, ant)
    expected = [
        (row, uid, dsfid, seen.number, seen.rssi)
        for row, tags in enumerate(inventories)
        for uid, dsfid, all_seen in tags
        for seen in (all_seen if ant and all_seen else (AntennaSeen(0),))
    ]
    got = zip(sets.row, sets.tag, sets.dsfid, sets.antenna, np.nan_to_num(-sets.rssi_dbm), strict=True)
    assert [(int(r), sets.tags[t], int(d), int(a), int(s)) for r, t, d, a, s in got] == expected
    assert sets.bad == 0


def broken(data: bytes, at: int, value: int) -> bytes:
    return data[: at % len(data)] + bytes([value]) + data[at % len(data) + 1 :]


BROKEN = st.tuples(
    st.lists(st.tuples(UIDS, st.integers(0, 255)), max_size=5), SEEN, st.integers(0, 99), st.integers(0, 255)
).map(lambda made: broken(encode_sets(made[0], [made[1]] * len(made[0])), made[2], made[3]))


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            BROKEN,
            st.lists(st.binary(max_size=20), max_size=4).map(
                lambda names: bytes([len(names)]) + b"".join(b"\x84\x00" + bytes([len(n)]) + n for n in names)
            ),
        ),
        max_size=4,
    ),
    st.booleans(),
)  # fmt: skip
def test_compiled_and_plain_reading_agree_on_whatever_comes(answers: list[bytes], ant: bool) -> None:
    rows, bad = walk(answers, ant)
    sets = decode(answers, ant)
    got = [
        (int(r), sets.tags[t], int(k), int(d), int(a))
        for r, t, k, d, a in zip(sets.row, sets.tag, sets.kind, sets.dsfid, sets.antenna, strict=True)
    ]
    assert got == [row[:5] for row in rows]
    assert sets.bad == bad


def test_strength_and_phase_of_an_antennas_block() -> None:
    sets = decode([encode_sets([(A, 0)], [(AntennaSeen(2, 57, 1024), AntennaSeen(3, 0, 0))])], True)
    assert sets.antenna.tolist() == [2, 3]
    assert sets.rssi_dbm[0] == -57 and np.isnan(sets.rssi_dbm[1])
    assert sets.phase_rad[0] == pytest.approx(np.pi / 2)


@given(st.binary(max_size=80))
def test_nothing_a_reader_says_raises(data: bytes) -> None:
    decode_blocks(data)
    decode_system_info(data)
    decode_records(data)
    for layout in (STANDARD, ADVANCED):
        layout.read(data)


@given(st.lists(st.builds(Record, st.just(3), UIDS, st.integers(0, 3), st.integers(0, 8)), max_size=9))
def test_records_of_the_buffered_mode_come_out_as_they_went_in(records: list[Record]) -> None:
    data = encode_records(records)
    assert decode_records(data) == records
    assert decode_records(data + b"\0") is None


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=30)), min_size=1, max_size=6), st.integers(1, 20))
def test_a_reader_takes_both_kinds_of_frames_in_one_stream(
    requests: list[tuple[bool, bytes]], piece: int
) -> None:
    frames = [(ADVANCED if advanced else STANDARD).request(Control.ISO, data) for advanced, data in requests]
    for frame in frames:
        both = BothFramers()
        found: list[bytes] = []
        for at in range(0, len(frame), piece):
            found += both.feed(frame[at : at + piece])
        assert (found + both.flush())[:1] == [frame]
    both = BothFramers()
    assert [found for frame in frames for found in both.feed(frame)] == frames


def test_every_status_has_words() -> None:
    words = {status_text(status) for status in Status}
    assert len(words) == len(Status) and all("unknown" not in text for text in words)
    assert status_text(0x77) == "unknown status (status 77)"


def test_a_frame_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        STANDARD.answer(Control.ISO, Status.OK, bytes(250))
