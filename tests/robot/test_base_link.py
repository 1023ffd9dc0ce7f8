"""The base link's bytes: layout, checksum, and that no bytes can harm the reader."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.base_link import (
    MAX_LINE,
    BaseLinkError,
    Flags,
    Framer,
    Info,
    Message,
    PoseReport,
    Stop,
    Velocity,
    crc16,
    format_line,
    parse_line,
)

micro = st.integers(-999_999_000_000, 999_999_000_000).map(lambda n: n / 1e6)
positive = st.integers(0, 999_999_000_000).map(lambda n: n / 1e6)
seqs = st.integers(0, 2**32 - 1)
names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=1, max_size=40
)
messages = st.one_of(
    st.builds(
        PoseReport,
        seqs,
        st.integers(0, 2**53 - 1),
        micro,
        micro,
        micro,
        micro,
        micro,
        positive,
        positive,
        st.integers(0, 0xFFFF).map(Flags),
    ),
    st.builds(Info, names, st.integers(0, 999), positive, positive),
    st.builds(Velocity, seqs, micro, micro),
    st.builds(Stop, seqs),
)


def close(a: Message, b: Message) -> bool:
    fields = [(getattr(a, name), getattr(b, name)) for name in type(a).__slots__]
    return type(a) is type(b) and all(
        math.isclose(x, y, rel_tol=0, abs_tol=1e-6) if isinstance(x, float) else x == y for x, y in fields
    )


def test_checksum_is_ccitt_false():
    assert crc16(b"123456789") == 0x29B1


def test_lines_are_laid_out_as_documented():
    line = format_line(
        PoseReport(7, 1_700_000_000_000_000, 1.5, -2, 0.25, 0.3, 0, 0.01, 0.002, Flags.OBSTACLE)
    )
    body, crc = line.rstrip(b"\n").split(b"*")
    assert body == (b"P 7 1700000000000000 1.500000 -2.000000 0.250000 0.300000 0.000000 0.010000 0.002000 1")
    assert crc == b"%04X" % crc16(body)
    assert format_line(Velocity(7, 0.3, -0.1)).startswith(b"V 7 0.300000 -0.100000*")
    assert format_line(Stop(8)).startswith(b"S 8*")
    assert format_line(Info("sim-base", 1, 0.5, 1.0)).startswith(b"I sim-base 1 0.500000 1.000000*")


@given(messages)
def test_what_is_written_is_read_back(message: Message):
    line = format_line(message)
    assert len(line) <= MAX_LINE + 1
    assert close(parse_line(line), message)
    assert close(parse_line(line.rstrip(b"\n") + b"\r\n"), message)


@given(messages, st.data())
def test_one_flipped_bit_is_always_refused(message: Message, data: st.DataObject):
    line = bytearray(format_line(message)[:-1])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = parse_line(bytes(line))
    except BaseLinkError:
        return
    # The CRC's hex digits may change case without changing their value; nothing else may pass.
    assert close(read, message)
    assert at >= len(line) - 4


@given(st.binary(max_size=600))
def test_no_bytes_make_the_parser_raise_anything_else(data: bytes):
    try:
        parse_line(data)
    except BaseLinkError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=80))
def test_a_right_checksum_over_any_body_is_still_checked(body: bytes):
    try:
        message = parse_line(body + b"*%04X" % crc16(body))
    except BaseLinkError:
        return
    assert close(parse_line(format_line(message)), message)


@pytest.mark.parametrize(
    "body",
    [
        b"V 1 nan 0",
        b"V 1 inf 0",
        b"V 1 1e3 0",
        b"V 1 +1 0",
        b"V 1 1_0 0",
        b"V -1 0 0",
        b"V 4294967296 0 0",
        b"V 1 0",
        b"V 1 0 0 0",
        b"V  1 0 0",
        b"V 1 9999999 0",
        b"S x",
        b"X 1",
        b"",
        b"P 1 2 0 0 0 0 0 -1 0 0",
        b"P 1 2 0 0 0 0 0 0 0 65536",
        b"I a*b 1 1 1",
        b"I a 1 -1 1",
    ],
)
def test_bad_fields_are_refused_though_the_checksum_holds(body: bytes):
    with pytest.raises(BaseLinkError):
        parse_line(body + b"*%04X" % crc16(body))


@pytest.mark.parametrize(
    "message",
    [
        Velocity(0, math.nan, 0),
        Velocity(0, math.inf, 0),
        Velocity(-1, 0, 0),
        Info("two words", 1, 1, 1),
        Info("naïve", 1, 1, 1),
        PoseReport(0, -1, 0, 0, 0, 0, 0, 0, 0),
        PoseReport(0, 1, 0, 0, 0, 0, 0, -0.1, 0),
    ],
)
def test_messages_that_cannot_be_carried_are_not_written(message: Message):
    with pytest.raises(BaseLinkError):
        format_line(message)


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]


@given(st.lists(messages, max_size=8), st.lists(st.integers(0, 60), max_size=40))
def test_the_framer_does_not_care_how_the_stream_is_cut(sent: list[Message], sizes: list[int]):
    framer = Framer()
    heard = [m for piece in cut(b"".join(map(format_line, sent)), sizes) for m in framer.feed(piece)]
    assert len(heard) == len(sent)
    assert all(close(a, b) for a, b in zip(heard, sent, strict=True))
    assert framer.rejected == 0


@given(st.lists(st.one_of(st.binary(max_size=500), messages.map(format_line)), max_size=10), messages)
def test_the_framer_recovers_after_any_noise(pieces: list[bytes], last: Message):
    framer = Framer()
    for piece in pieces:
        framer.feed(piece)
        assert len(framer._buffer) <= MAX_LINE + 1
    framer.feed(b"\n")
    assert close(framer.feed(format_line(last))[-1], last)


def test_an_endless_line_keeps_no_memory_and_is_one_reject():
    framer = Framer()
    for _ in range(1000):
        assert framer.feed(b"A" * 4096) == []
    assert len(framer._buffer) <= MAX_LINE + 1
    assert framer.rejected == 1
    assert framer.feed(b"tail\n" + format_line(Stop(3))) == [Stop(3)]
