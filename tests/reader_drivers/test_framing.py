"""Framing of serial protocols: whatever a line brings, nothing raises or stalls, and good frames are found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers.framing import (
    CRC_8408_LSB,
    CRC_8408_MSB,
    CRC_THINGMAGIC,
    NEG8,
    SUM8,
    FrameFormat,
    Framer,
)
from reader_drivers.framing.kernels import scan
from reader_drivers.framing.reference import scan as plain_scan

FORMATS = {
    "m100": FrameFormat(0xBB, 3, 2, 7, 7, 519, SUM8, 1, 0x7E),
    "r2000": FrameFormat(0xA0, 1, 1, 2, 5, 257, NEG8),
    "uhfreader18": FrameFormat(-1, 0, 1, 1, 5, 256, CRC_8408_LSB),
    "chafon": FrameFormat(0xCF, 4, 1, 7, 7, 262, CRC_8408_MSB),
    "mercury": FrameFormat(0xFF, 1, 1, 7, 7, 262, CRC_THINGMAGIC, 1),
    "feig": FrameFormat(0x02, 1, 2, 0, 7, 2048, CRC_8408_LSB),
}
any_format = st.sampled_from(sorted(FORMATS))


def frame_of(name: str, payload: bytes) -> bytes:
    """A good frame with this payload."""
    f = FORMATS[name]
    before = (bytes([f.head]) if f.head >= 0 else b"") + bytes(max(0, f.length_at - (f.head >= 0)))
    check = (1 if f.check in (SUM8, NEG8) else 2) + (f.tail >= 0)
    fill = bytes(max(0, f.least - len(before) - f.length_bytes - check - len(payload)))
    payload = (payload + fill)[: f.most - len(before) - f.length_bytes - check]
    total = len(before) + f.length_bytes + len(payload) + check
    return f.seal(before + (total - f.extra).to_bytes(f.length_bytes, "big") + payload)


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, bytes]:
    """Noise, good frames, frames cut short and frames with a flipped bit, one behind the other."""
    name = draw(any_format)
    parts: list[bytes] = []
    for _ in range(draw(st.integers(0, 8))):
        good = frame_of(name, draw(st.binary(max_size=40)))
        kind = draw(st.sampled_from(["noise", "good", "cut", "flip"]))
        if kind == "noise":
            parts.append(draw(st.binary(max_size=30)))
        elif kind == "good":
            parts.append(good)
        elif kind == "cut":
            parts.append(good[: draw(st.integers(0, len(good)))])
        else:
            at = draw(st.integers(0, 8 * len(good) - 1))
            parts.append(good[: at // 8] + bytes([good[at // 8] ^ 1 << at % 8]) + good[at // 8 + 1 :])
    return name, b"".join(parts)


@given(streams(), st.booleans())
def test_the_compiled_scan_equals_the_plain_one(stream: tuple[str, bytes], final: bool) -> None:
    name, data = stream
    offset, length, end, garbage, wrong = scan(np.frombuffer(data, np.uint8), FORMATS[name].layout, final)
    found = list(zip(offset.tolist(), length.tolist(), strict=True))
    assert (found, end, garbage, wrong) == plain_scan(data, FORMATS[name], final)


@given(streams(), st.lists(st.integers(0, 400), max_size=6))
def test_how_a_stream_is_cut_makes_no_difference(stream: tuple[str, bytes], cuts: list[int]) -> None:
    name, data = stream
    framer, found = Framer(FORMATS[name]), []
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    for a, b in itertools.pairwise(edges):
        found += list(framer.feed(data[a:b]))
    found += list(framer.flush())
    whole = Framer(FORMATS[name])
    assert found == [*whole.feed(data), *whole.flush()]
    assert framer.pending == 0
    assert framer.garbage + sum(map(len, found)) == len(data)


@given(any_format, st.binary(max_size=300), st.binary(max_size=40))
def test_a_good_frame_after_garbage_is_found(name: str, garbage: bytes, payload: bytes) -> None:
    good = frame_of(name, payload)
    framer = Framer(FORMATS[name])
    # What looks like a longer frame may hold it back until the line is quiet; nothing may swallow it.
    assert good in [*framer.feed(garbage + good), *framer.flush()] or _swallowed(name, garbage, good)


def _swallowed(name: str, garbage: bytes, good: bytes) -> bool:
    """Whether noise happens to make a frame with a right check that ends within the good one."""
    found, *_ = plain_scan(garbage + good, FORMATS[name], True)
    return any(at < len(garbage) < at + length for at, length in found)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_frame_of_every_length_is_found(name: str) -> None:
    f = FORMATS[name]
    for size in (0, 1, 7, 40, f.most):
        frame = frame_of(name, bytes(range(256)) * (size // 256 + 1) if size else b"")
        assert list(Framer(f).feed(frame)) == [frame]
