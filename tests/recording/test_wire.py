"""The MQTT payload: exactly its layout, bit for bit back, and nothing but PayloadError for all else."""

import struct
import zlib
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recording import Activity, Events, PayloadError, Poses, Readings
from recording.wire import MAX_ROWS, Batch, decode_batch, encode_batch
from tests.recording.making import poses, readings
from tests.recording.payloads import activity, batch, events, message, packed, refused


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
    data = Poses(t=[5], x_m=[1.5], y_m=[2.5], yaw_rad=[3.5], sigma_xy_m=[0.5], floor_id=["1"])
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
        ("poses", Poses(t=[1], x_m=[1], y_m=[1], yaw_rad=[1], mast_z_m=[1], floor_id=[None])),
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
        ({"kind": "events", "data": Events(t=[1], source=[None], kind=["a"], detail=["b"])}, "source"),
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
