"""The MQTT payload: exactly its layout, bit for bit back, and nothing but PayloadError for all else."""

import struct
import time
import tracemalloc
import zlib
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recording import Activity, Events, PayloadError, Poses, Readings
from recording.wire import MAX_BYTES, MAX_ROWS, Batch, decode_batch, encode_batch
from tests.recording.making import poses, readings


def message(batch: Batch) -> dict[str, Any]:
    """A payload taken apart without the code under test."""
    return msgpack.unpackb(zlib.decompress(encode_batch(batch)))


def packed(obj: Any, **options: Any) -> bytes:
    return zlib.compress(msgpack.packb(obj, **options))


def batch(**changes: Any) -> Batch:
    return Batch(**{"run_id": "night-1", "kind": "readings", "seq": 7, "data": readings(5)} | changes)


def refused(payload: bytes, word: str = "") -> None:
    with pytest.raises(PayloadError) as caught:
        decode_batch(payload)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert word in str(caught.value)


def events() -> Events:
    return Events(
        t=[1, 2], source=["uhf", "基座"], kind=["reader_gone", ""], detail=["no answer", "line\nbreak"]
    )  # type: ignore[arg-type]


def activity() -> Activity:
    return Activity(
        t_start=[1, 5], t_end=[5, 9], antenna=[1, 2], power_dbm=[30.0, np.nan], session=[1, 2], rounds=[3, 0]
    )  # type: ignore[arg-type]


def test_the_layout_of_a_batch_of_readings_is_that_of_the_format() -> None:
    data = Readings(
        t=np.array([1_700_000_000_000_000_001, 2]),
        tag=np.array([1, 0], np.uint32),
        tags=("E280", "AB12CD"),
        antenna=np.array([3, 255], np.uint8),
        frequency_khz=np.array([865700, 866300], np.uint32),
        rssi_dbm=np.array([-51.5, -60.25], np.float32),
        phase_rad=np.array([1.5, np.nan], np.float32),
        seen_count=np.array([1, 70000], np.uint32),
    )
    payload = encode_batch(Batch("night-1", "readings", 7, data))
    assert payload[:2] == b"\x78\x01"  # RFC 1950: deflate, 32 KiB window, fastest level
    assert msgpack.unpackb(zlib.decompress(payload)) == {
        "v": 1,
        "run_id": "night-1",
        "kind": "readings",
        "seq": 7,
        "n": 2,
        "tags": [b"\xe2\x80", b"\xab\x12\xcd"],
        "columns": {
            "t": struct.pack("<2q", 1_700_000_000_000_000_001, 2),
            "tag": struct.pack("<2I", 1, 0),
            "antenna": b"\x03\xff",
            "frequency_khz": struct.pack("<2I", 865700, 866300),
            "rssi_dbm": struct.pack("<2f", -51.5, -60.25),
            "phase_rad": struct.pack("<f", 1.5) + b"\x00\x00\xc0\x7f",
            "seen_count": struct.pack("<2I", 1, 70000),
        },
    }


def test_the_layout_of_the_other_kinds() -> None:
    data = Poses(t=[5], x_m=[1.5], y_m=[2.5], yaw_rad=[3.5], sigma_xy_m=[0.5], floor_id=["1"])  # type: ignore[arg-type]
    assert message(batch(kind="poses", data=data))["columns"] == {
        "t": struct.pack("<q", 5),
        "x_m": struct.pack("<d", 1.5),
        "y_m": struct.pack("<d", 2.5),
        "yaw_rad": struct.pack("<d", 3.5),
        "sigma_xy_m": struct.pack("<f", 0.5),
        "floor_id": ["1"],
    }
    assert message(batch(kind="events", data=events()))["columns"]["source"] == ["uhf", "基座"]
    columns = message(batch(kind="activity", data=activity()))["columns"]
    assert columns["rounds"] == struct.pack("<2I", 3, 0)
    assert list(columns) == ["t_start", "t_end", "antenna", "power_dbm", "session", "rounds"]
    assert "tags" not in message(batch(kind="activity", data=activity()))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("readings", readings(1000)),
        ("readings", Readings.empty()),
        ("poses", poses(100)),
        ("poses", Poses.empty()),
        ("poses", Poses(t=[1], x_m=[1], y_m=[1], yaw_rad=[1], mast_z_m=[1], floor_id=[None])),  # type: ignore[arg-type]
        ("events", events()),
        ("events", Events.empty()),
        ("activity", activity()),
        ("activity", Activity.empty()),
    ],
)
def test_every_kind_comes_back_bit_for_bit(kind: str, data: Any) -> None:
    made = decode_batch(encode_batch(batch(kind=kind, data=data)))
    assert (made.run_id, made.kind, made.seq) == ("night-1", kind, 7)
    assert made.data.same_as(data)
    assert encode_batch(made) == encode_batch(batch(kind=kind, data=data))


@given(
    n=st.integers(0, 20),
    tags=st.lists(st.binary(max_size=70), min_size=1, max_size=6, unique=True),
    source=st.data(),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_bits_come_back(n: int, tags: list[bytes], source: st.DataObject) -> None:
    def column(dtype: str) -> Any:
        raw = source.draw(hnp.arrays(np.uint8, n * np.dtype(dtype).itemsize))
        return np.frombuffer(raw.tobytes(), dtype)

    optional = source.draw(st.sets(st.sampled_from(Readings.OPTIONAL)))
    columns = {
        k: column(d)
        for k, d in Readings.DTYPES.items()
        if k != "tag" and (k in optional or k not in Readings.OPTIONAL)
    }
    tag = source.draw(hnp.arrays(np.uint32, n, elements=st.integers(0, len(tags) - 1)))
    data = Readings(tag=tag, tags=tuple(t.hex().upper() for t in tags), **columns)
    made = decode_batch(encode_batch(batch(data=data, seq=(1 << 63) - 1)))
    assert made.data.same_as(data)
    assert made.seq == (1 << 63) - 1


def test_a_tag_listed_twice_is_one_tag() -> None:
    obj = message(batch(data=readings(3)))
    obj["tags"] = [b"\x01\x02", b"\x01\x02", b"\x03"]
    made = decode_batch(packed(obj)).data
    assert isinstance(made, Readings)
    assert made.tags == ("0102", "03")
    assert made.epc.tolist() == ["0102", "0102", "03"]


def _without(key: str, inside: str | None = None) -> dict[str, Any]:
    obj = message(batch())
    place = obj if inside is None else obj[inside]
    del place[key]
    return obj


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"v": 2}, "version"),
    ({"v": True}, "version"),
    ({"v": 1.0}, "version"),
    ({"v": [1]}, "version"),
    ({"run_id": ""}, "run_id"),
    ({"run_id": "../../etc/passwd"}, "run_id"),
    ({"run_id": "a" * 129}, "run_id"),
    ({"run_id": b"night-1"}, "run_id"),
    ({"run_id": "night\n1"}, "run_id"),
    ({"run_id": None}, "run_id"),
    ({"kind": "books"}, "kind"),
    ({"kind": b"readings"}, "kind"),
    ({"kind": ["readings"]}, "kind"),
    ({"kind": "poses"}, "tags"),
    ({"seq": -1}, "seq"),
    ({"seq": 1 << 63}, "seq"),
    ({"seq": 1.5}, "seq"),
    ({"seq": True}, "seq"),
    ({"seq": "7"}, "seq"),
    ({"n": 4}, "40 bytes"),
    ({"n": -1}, "n -1"),
    ({"n": MAX_ROWS + 1}, "n "),
    ({"n": False}, "n False"),
    ({"columns": []}, "columns"),
    ({"columns": b""}, "columns"),
    ({"tags": b"\x01"}, "tags"),
    ({"tags": ["01"]}, "tags[0]"),
    ({"tags": [b"\x01"]}, "points to tag"),
    ({"tags": []}, "points to tag"),
    ({"extra": 1}, "extra"),
]


@pytest.mark.parametrize(("changes", "word"), WRONG, ids=[repr(c)[:50] for c, _ in WRONG])
def test_a_wrong_value_is_refused(changes: dict[str, Any], word: str) -> None:
    refused(packed(message(batch()) | changes), word)


WRONG_COLUMNS: list[tuple[str, str, Any, str]] = [
    ("readings", "t", b"", "0 bytes"),
    ("readings", "t", b"\x00" * 39, "39 bytes"),
    ("readings", "rssi_dbm", b"\x00" * 40, "40 bytes"),
    ("readings", "rssi_dbm", [1.0] * 5, "must be bytes"),
    ("readings", "rssi_dbm", "x" * 20, "must be bytes"),
    ("readings", "antenna", None, "must be bytes"),
    ("readings", "tag", struct.pack("<5I", 0, 0, 0, 0, 1 << 31), "points to tag 2147483648"),
    ("readings", "epc", b"", "unknown"),
    ("poses", "floor_id", ["1"] * 4, "4 texts"),
    ("poses", "floor_id", [1] * 5, "no text"),
    ("poses", "floor_id", b"12345", "list of texts"),
    ("events", "detail", ["a", None], "no text"),
    ("events", "detail", ["a", b"b"], "no text"),
    ("events", "t", ["a", "b"], "must be bytes"),
]


@pytest.mark.parametrize(("kind", "name", "value", "word"), WRONG_COLUMNS)
def test_a_wrong_column_is_refused(kind: str, name: str, value: Any, word: str) -> None:
    data = {"readings": readings(5), "poses": poses(5), "events": events()}[kind]
    obj = message(batch(kind=kind, data=data))
    obj["columns"][name] = value
    refused(packed(obj), word)


@pytest.mark.parametrize("key", ["v", "run_id", "kind", "seq", "n", "columns", "tags"])
def test_a_missing_key_is_refused(key: str) -> None:
    refused(packed(_without(key)))


@pytest.mark.parametrize("name", ["t", "tag", "antenna", "frequency_khz", "rssi_dbm", "phase_rad"])
def test_a_missing_column_is_refused(name: str) -> None:
    refused(packed(_without(name, "columns")), name)


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


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"run_id": "a b"}, "run_id"),
        ({"seq": -1}, "seq"),
        ({"seq": True}, "seq"),
        ({"kind": "poses"}, "does not go with"),
        ({"kind": "books"}, "books"),
        ({"data": Readings(**dict(readings(2).columns()), tags=("E28", "E2"))}, "'E28'"),
        ({"data": Readings(**dict(readings(2).columns()), tags=("E2", "e280"))}, "'e280'"),
        ({"data": Readings(**dict(readings(2).columns()), tags=("E2", "E2 80"))}, "'E2 80'"),
        ({"kind": "events", "data": Events(t=[1], source=[None], kind=["a"], detail=["b"])}, "source"),  # type: ignore[arg-type]
    ],
)
def test_what_could_not_be_read_is_not_sent(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(PayloadError, match=word):
        encode_batch(batch(**changes))


@pytest.mark.parametrize("text", ["half a \udcff surrogate", "x" * 65537, "\u00e9" * 32769])
def test_a_text_that_could_not_be_read_is_not_sent(text: str) -> None:
    column = np.array([text], object)
    data = Events(np.array([1]), column, column, column)
    with pytest.raises(PayloadError, match="column source"):
        encode_batch(batch(kind="events", data=data))


@pytest.mark.parametrize("text", ["", "x" * 65536, "\u00e9" * 32768])
def test_the_longest_text_comes_back(text: str) -> None:
    column = np.array([text], object)
    data = Events(np.array([1]), column, column, column)
    assert decode_batch(encode_batch(batch(kind="events", data=data))).data.same_as(data)


def test_a_batch_of_too_many_rows_is_not_sent() -> None:
    n = MAX_ROWS + 1
    zeros = np.zeros(n)
    with pytest.raises(PayloadError, match="split it"):
        encode_batch(batch(kind="poses", data=Poses(t=np.arange(n), x_m=zeros, y_m=zeros, yaw_rad=zeros)))


def test_a_thousand_readings_are_small() -> None:
    assert len(encode_batch(batch(data=readings(1000)))) < 23_000
