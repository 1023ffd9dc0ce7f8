"""Bytes from anyone: bombs, noise, and good payloads spoiled, give a batch or one error, soon and in little memory."""

import time
import tracemalloc
import zlib
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording import PayloadError
from recording.wire import MAX_BYTES, Batch, decode_batch, encode_batch
from tests.recording.making import poses, readings
from tests.recording.payloads import activity, batch, events, message, packed, refused


def test_bytes_before_behind_and_missing_are_refused() -> None:
    good = encode_batch(batch())
    raw = zlib.decompress(good)
    refused(b"", "cut short")
    refused(good[:-1], "cut short")
    refused(good + b"\x00", "behind its end")
    refused(good + good, "behind its end")
    refused(b"\x00" + good, "zlib")
    refused(zlib.compress(raw + b"\xc0"), "extra")
    refused(zlib.compress(raw[:-1]))
    refused(raw, "zlib")
    refused(packed(message(batch())["columns"]), "version")
    for obj in (None, 1, "a", [], [{}], b"x", {1: 2}, {b"v": 1}):
        refused(packed(obj))


def test_a_key_named_twice_is_refused() -> None:
    once = msgpack.packb("v") + msgpack.packb(1)
    refused(zlib.compress(b"\x82" + once + once), "twice")


BOMBS = {
    "zeros": b"\x00" * (MAX_BYTES + 1),
    "empty lists": b"\xdd\x01\xff\xff\xff" + b"\x90" * 0x1FFFFFF,
    "empty maps": b"\xdd\x00\x0f\xff\xff" + b"\x80" * 0xFFFFF,
    "lists in lists": b"\x91" * 1_000_000,
    "maps in maps": b"\x81\xa1a" * 1_000_000,
    "list said to be long": b"\xdd\xff\xff\xff\xff",
    "map said to be long": b"\xdf\xff\xff\xff\xff",
    "bytes said to be long": b"\xc6\xff\xff\xff\xff",
    "text said to be long": b"\xdb\xff\xff\xff\xff",
    "extension": b"\xc9\xff\xff\xff\xff\x01",
    "time stamp": b"\xd6\xff\x00\x00\x00\x00",
    "no text": b"\x81\xa1\xff\x01",
    "reserved": b"\xc1",
    "big map": b"\xde\xff\xff" + b"\xa1a\x01" * 65535,
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_bombs_are_refused_soon_and_in_little_memory(name: str) -> None:
    payload = zlib.compress(BOMBS[name], 9)
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        refused(payload)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begun < 10
    assert peak < 8 * MAX_BYTES


def test_a_zip_bomb_stops_at_the_bound() -> None:
    refused(zlib.compress(b"\x00" * (64 << 20), 9), "grows beyond")
    refused(b"\x78\x01" + b"\x00" * MAX_BYTES, "bytes")


@given(payload=st.binary(max_size=300))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_random_bytes_are_refused(payload: bytes) -> None:
    refused(payload)
    refused(zlib.compress(payload))


_GOOD = {
    kind: encode_batch(Batch("night-1", kind, 3, data))
    for kind, data in (
        ("readings", readings(20)),
        ("poses", poses(20)),
        ("events", events()),
        ("activity", activity()),
    )
}


@given(kind=st.sampled_from(sorted(_GOOD)), source=st.data())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_flipped_and_cut_payloads_give_a_batch_or_payload_error(kind: str, source: st.DataObject) -> None:
    raw = bytearray(zlib.decompress(_GOOD[kind]))
    for _ in range(source.draw(st.integers(1, 4))):
        raw[source.draw(st.integers(0, len(raw) - 1))] = source.draw(st.integers(0, 255))
    end = source.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    for payload in (
        zlib.compress(bytes(raw[:end])),
        _GOOD[kind][: source.draw(st.integers(0, len(_GOOD[kind]) - 1))],
    ):
        try:
            made = decode_batch(payload)
        except PayloadError as e:
            assert "\n" not in str(e)
        else:
            assert decode_batch(encode_batch(made)).data.same_as(made.data)


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    key=st.sampled_from(["v", "run_id", "kind", "seq", "n", "columns", "tags", "t", "tag", "detail"]),
    value=_ANY,
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_value_in_any_place_gives_a_batch_or_payload_error(key: str, value: Any) -> None:
    obj = message(batch(kind="events", data=events()) if key == "detail" else batch())
    (obj if key in obj else obj["columns"])[key] = value
    try:
        decode_batch(packed(obj))
    except PayloadError as e:
        assert "\n" not in str(e)
