"""Mercury's bytes: published and computed frames, records of every mask, and what lines do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers.checksums import crc_epc
from reader_drivers.framing import Framer
from reader_drivers.mercury.codec import (
    REPLIES,
    REQUESTS,
    STOP,
    Embedded,
    Kind,
    Metadata,
    Op,
    Record,
    Records,
    Reply,
    Search,
    Status,
    Version,
    decode_records,
    encode_record,
    kinds_of,
    read_reply,
    read_search,
    reply,
    request,
    stamps_of,
    unwrap,
    wrap,
)
from sim.readers.mercury_identity import IDENTITIES

# Sent by public software: SparkFun's library and the modules' guides.
PUBLISHED = [
    (request(Op.VERSION), "FF 00 03 1D 0C"),
    (
        request(0x24, bytes.fromhex("03E80000000000030 0EE".replace(" ", ""))),
        "FF 0A 24 03 E8 00 00 00 00 00 03 00 EE 58 9D",
    ),
]
# Computed with the checksum that the published frames prove.
COMPUTED = [
    (request(Op.BOOT_FIRMWARE), "FF 00 04 1D 0B"),
    (request(Op.CURRENT_PROGRAM), "FF 00 0C 1D 03"),
    (request(Op.SET_BAUD, (115_200).to_bytes(4, "big")), "FF 04 06 00 01 C2 00 A4 60"),
    (request(Op.SET_BAUD, (921_600).to_bytes(4, "big")), "FF 04 06 00 0E 10 00 87 8F"),
    (request(Op.SET_REGION, b"\x08"), "FF 01 97 08 4B B5"),
    (request(Op.SET_REGION, b"\x01"), "FF 01 97 01 4B BC"),
    (request(Op.SET_REGION, b"\x06"), "FF 01 97 06 4B BB"),
    (request(Op.SET_POWER, (2700).to_bytes(2, "big")), "FF 02 92 0A 8C 4B D5"),
    (request(Op.SET_POWER, (3000).to_bytes(2, "big")), "FF 02 92 0B B8 4A E1"),
    (request(Op.GET_POWER, b"\x01"), "FF 01 62 01 BE BC"),
    (request(Op.SET_PROTOCOL, b"\x00\x05"), "FF 02 93 00 05 51 7D"),
    (request(Op.SET_ANTENNA, b"\x01\x01"), "FF 02 91 01 01 70 3B"),
    (request(Op.SET_ANTENNA, b"\x02\x01\x01"), "FF 03 91 02 01 01 42 C5"),
    (request(Op.SET_ANTENNA, b"\x02\x01\x01\x02\x02"), "FF 05 91 02 01 01 02 02 2D C0"),
    (request(Op.SET_ANTENNA, b"\x82\x01\x02"), "FF 03 91 82 01 02 D3 4E"),
    (request(Op.SET_CONFIG, b"\x01\x0c\x00"), "FF 03 9A 01 0C 00 A3 5D"),
    (request(Op.CLEAR_BUFFER), "FF 00 2A 1D 25"),
    (request(Op.TAG_BUFFER), "FF 00 29 1D 26"),
    (request(Op.TEMPERATURE), "FF 00 72 1D 7D"),
    (request(Op.SET_GEN2, b"\x05\x00\x01"), "FF 03 9B 05 00 01 DC E9"),
    (request(Op.READ_TAGS, bytes.fromhex("10001301F4007F")), "FF 07 22 10 00 13 01 F4 00 7F 3D C2"),
    (request(Op.TAG_BUFFER, bytes.fromhex("007F00")), "FF 03 29 00 7F 00 8B 22"),
    (Search(0x01FF).start(), "FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 03 E8 01 FF DD 2B"),
    (STOP, "FF 03 2F 00 00 02 5E 86"),
    (wrap(Op.SET_POWER, b"\x0a\x8c"), "FF 07 2F 00 00 04 02 92 0A 8C E2 E8"),
    (wrap(Op.SET_REGION, b"\x08"), "FF 06 2F 00 00 04 01 97 08 9A 7F"),
]  # fmt: skip
COMPUTED_ANSWERS = [
    (reply(Op.READ_TAGS, Status.NO_TAGS), "FF 00 22 04 00 84 E0"),
    (reply(Op.SET_POWER), "FF 00 92 00 00 27 3B"),
    (reply(Op.MULTI, 0, b"\x02"), "FF 01 2F 00 00 02 30 E6"),
]
NANO = bytes.fromhex("FF140300001212000030000002201904010107020100000010BA5B")
# From a module's guide.
SAMPLE = bytes.fromhex(
    "FF28220000 10 001B 01FF 01 01 C4 11 0E1640 00000127 0000 05 0000 0F 0080"
    "3000 000000000000000000001545 E94A 561D"
)
COMPUTED_RECORD = bytes.fromhex(
    "FF28220000 10 001B 01FF 01 01 CA 11 0D37FC 00000084 0025 05 0000 0F 0080"
    "3000 E2801160600002052807A1B3 331F 766B"
)


def read(stream: bytes) -> Records:
    frames = Framer(REPLIES).feed(stream)
    return decode_records(frames, np.flatnonzero(kinds_of(frames) == Kind.RECORD))


@pytest.mark.parametrize(("made", "known"), PUBLISHED)
def test_frames_are_as_published(made: bytes, known: str) -> None:
    assert made == bytes.fromhex(known)


@pytest.mark.parametrize(("made", "known"), COMPUTED)
def test_frames_are_as_computed(made: bytes, known: str) -> None:
    assert made == bytes.fromhex(known)
    assert list(Framer(REQUESTS).feed(made)) == [made]


@pytest.mark.parametrize(("made", "known"), COMPUTED_ANSWERS)
def test_answers_are_as_computed(made: bytes, known: str) -> None:
    assert made == bytes.fromhex(known)
    assert list(Framer(REPLIES).feed(made)) == [made]


def test_a_version_is_read_and_written() -> None:
    told = read_reply(NANO)
    version = Version.decode(told.data)
    assert version is not None
    assert (version.hardware[0], version.firmware.hex(), version.protocols) == (0x30, "01070201", 1 << 4)
    assert reply(Op.VERSION, 0, version.encode()) == NANO
    assert version == IDENTITIES["nano"].version
    assert Version.decode(told.data[:19]) is None


def test_the_guides_record_is_read_and_written() -> None:
    got = read(SAMPLE)
    assert (got.tags, got.tag.tolist(), got.bad) == ((bytes.fromhex("000000000000000000001545"),), [0], 0)
    columns = (
        got.count,
        got.rssi_dbm,
        got.antenna,
        got.frequency_khz,
        got.stamp_ms,
        got.phase_deg,
        got.data_length,
    )
    assert [column.tolist() for column in columns] == [[1], [-60], [0x11], [923_200], [295], [0], [0]]
    record = Record(b"\x30\x00", got.tags[0], 0xE94A, 1, -60, 0x11, 923_200, 295, 0, gpio=0x0F)
    assert encode_record(Search(0x01FF), record) == SAMPLE


def test_the_computed_record_is_read_and_written() -> None:
    got = read(COMPUTED_RECORD)
    assert got.tags == (bytes.fromhex("E2801160600002052807A1B3"),)
    columns = (got.rssi_dbm, got.frequency_khz, got.stamp_ms, got.phase_deg)
    assert [column.tolist() for column in columns] == [[-54], [866_300], [132], [37]]
    pc = b"\x30\x00"
    record = Record(pc, got.tags[0], crc_epc(pc + got.tags[0]), 1, -54, 0x11, 866_300, 132, 37, gpio=0x0F)
    assert encode_record(Search(0x01FF), record) == COMPUTED_RECORD


def test_what_a_stream_holds_is_told_apart() -> None:
    head = Search(0x7F).head() + b"\x00\x7f"
    stamped = b"\x88\x10\x00\x1b\x00\x10\x01" + (812).to_bytes(4, "big")
    stream = [
        (SAMPLE, Kind.RECORD),
        (reply(Op.READ_TAGS, Status.NO_TAGS), Kind.KEEPALIVE),
        (reply(Op.READ_TAGS), Kind.KEEPALIVE),
        (reply(Op.READ_TAGS, Status.NO_TAGS, stamped), Kind.KEEPALIVE),
        (reply(Op.READ_TAGS, 0, head + b"\x02" + bytes(4)), Kind.REPORT),
        (reply(Op.READ_TAGS, 0, head + b"\x00"), Kind.END),
        (reply(Op.READ_TAGS, 0, head + b"\x07"), Kind.STRANGE),
        (reply(Op.READ_TAGS, 0, b"\x10"), Kind.STRANGE),
        (reply(Op.READ_TAGS, Status.TOO_HOT), Kind.FAULT),
        (reply(Op.READ_TAGS, Status.RETURN_LOSS), Kind.FAULT),
        (reply(Op.MULTI, 0, b"\x02"), Kind.OTHER),
    ]
    frames = Framer(REPLIES).feed(b"".join(frame for frame, _ in stream))
    assert kinds_of(frames).tolist() == [kind for _, kind in stream]
    assert stamps_of(frames.select(np.array([1, 2, 3]))).tolist() == [-1, -1, 812]


def test_an_answer_in_a_stream_is_unwrapped() -> None:
    inner = bytes([4, 1, Op.TEMPERATURE, 0, 0, 41])
    assert unwrap(read_reply(reply(Op.MULTI, 0, inner))) == Reply(Op.TEMPERATURE, 0, b"\x29")
    assert unwrap(read_reply(reply(Op.MULTI, 0, b"\x02"))) is None
    assert unwrap(read_reply(SAMPLE)) is None
    for spoiled in (b"\x04", inner[:-1], inner + b"\0"):
        told = unwrap(read_reply(reply(Op.MULTI, 0, spoiled)))
        assert told is not None and told.status == Status.WRONG_LENGTH
    refused = unwrap(read_reply(reply(Op.MULTI, Status.BAD_OPCODE, b"\x04")))
    assert refused is not None and refused.status == Status.BAD_OPCODE


def test_the_known_start_is_read_as_what_it_asks_for() -> None:
    start = bytes.fromhex("FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 03 E8 01 FF DD 2B")
    search = read_search(start[3:-2])
    assert search == Search(0x01FF, on_ms=1000)
    assert search.all_flags == 0x001B


@given(
    st.integers(0, 0x1FFF),
    st.integers(0, 0xFFFF),
    st.none() | st.builds(Embedded, st.integers(0, 3), st.integers(0, 2**32 - 1), st.integers(0, 255)),
    st.sampled_from([0, 0x88]),
)
def test_a_search_is_read_as_it_was_written(
    mask: int, on_ms: int, embedded: Embedded | None, prefix: int
) -> None:
    search = Search(mask, on_ms, embedded, prefix=prefix)
    assert read_search(search.start()[3:-2]) == search


@given(st.binary(max_size=40))
def test_no_bytes_make_reading_a_search_or_a_version_fail(data: bytes) -> None:
    read_search(b"\0\0\1\x22" + data)
    Version.decode(data)
    unwrap(read_reply(reply(Op.MULTI, 0, data)))


epcs = st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words))
xpcs = st.sampled_from([b"", b"\x01\x02", b"\x81\x02\x03\x04"])


@st.composite
def records(draw: st.DrawFn) -> Record:
    epc, xpc = draw(epcs), draw(xpcs)
    pc = (len(epc) // 2 << 11 | (0x0200 if xpc else 0)).to_bytes(2, "big") + xpc
    return Record(
        pc,
        epc,
        draw(st.integers(0, 0xFFFF)),
        count=draw(st.integers(0, 255)),
        rssi_dbm=draw(st.integers(-128, 0)),
        antenna=draw(st.integers(0, 255)),
        frequency_khz=draw(st.integers(0, 2**24 - 1)),
        stamp_ms=draw(st.integers(0, 2**32 - 1)),
        phase_deg=draw(st.integers(0, 180)),
        data=draw(st.binary(max_size=64) | st.integers(0, 0xFFFF)),
    )


streams = st.lists(
    st.tuples(st.sampled_from([0x7F, 0xFF, 0x1FF, 0x0F7F, 0x04, 0]), st.sampled_from([0, 0x88]), records()),
    max_size=12,
)


@given(streams)
def test_records_come_out_as_they_went_in(sent: list[tuple[int, int, Record]]) -> None:
    frames = Framer(REPLIES).feed(
        b"".join(encode_record(Search(mask, prefix=prefix), record) for mask, prefix, record in sent)
    )
    got = decode_records(frames, np.flatnonzero(kinds_of(frames) == Kind.RECORD))
    assert (got.row.tolist(), got.bad) == (list(range(len(sent))), 0)
    for row, (mask, _, record) in enumerate(sent):
        assert got.tags[int(got.tag[row])] == record.epc
        for which, column, value in (
            (Metadata.COUNT, got.count, record.count),
            (Metadata.RSSI, got.rssi_dbm, record.rssi_dbm),
            (Metadata.ANTENNA, got.antenna, record.antenna),
            (Metadata.FREQUENCY, got.frequency_khz, record.frequency_khz),
            (Metadata.STAMP, got.stamp_ms, record.stamp_ms),
            (Metadata.PHASE, got.phase_deg, record.phase_deg),
        ):
            assert int(column[row]) == (value if mask & which else -1)
        at, length = int(got.data_at[row]), int(got.data_length[row])
        data = frames.data[at : at + length].tobytes()
        assert data == (record.data if mask & Metadata.DATA and isinstance(record.data, bytes) else b"")


@given(st.binary(max_size=250), st.sampled_from([0, 0x0400, 0x0504]))
def test_whatever_a_frame_of_a_stream_holds_nothing_fails(data: bytes, status: int) -> None:
    body = data[:240]
    stream = reply(Op.READ_TAGS, status, body) + SAMPLE + reply(Op.READ_TAGS, status, body)
    frames = Framer(REPLIES).feed(stream)
    kinds = kinds_of(frames)
    got = decode_records(frames, np.flatnonzero(kinds == Kind.RECORD))
    stamps_of(frames)
    assert len(got.row) + got.bad == int(np.sum(kinds == Kind.RECORD))
    # The good record between them is read all the same.
    assert 1 in got.row.tolist()


def test_records_that_contradict_themselves_or_are_of_other_air_protocols_are_left_out() -> None:
    search = Search(0x7F)
    good = Record(b"\x30\x00", bytes(range(12)), 0)
    body = encode_record(search, good)[5:-2]
    spoiled = [
        body[:-1],
        body + b"\0",
        body[:6] + body[6:18] + b"\x03" + body[19:],  # protocol ISO 18000-6B
        body[:3] + b"\x20\x7f" + body[5:],  # a field that nobody knows
    ]
    got = read(b"".join(reply(Op.READ_TAGS, 0, data) for data in (body, *spoiled, body)))
    assert (got.row.tolist(), got.bad) == ([0, 5], len(spoiled))
