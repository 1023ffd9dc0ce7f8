import numpy as np
import pyarrow.parquet as pq
import pytest

from cloud_ingest.raw_store import read_batches, read_segment, segment_name, write_segment
from recording import NO_TIME, Activity, Events, Poses, Readings, TagMemories
from recording.wire import Batch, decode_batch, encode_batch

ODD = np.array([0x7FC00000, 0x7FC00001, 0xFFC12345, 0x80000000, 0x7F800000, 0x00000001], np.uint32).view("f4")


def readings(seq, **more):
    return Batch(
        "run-1",
        "readings",
        seq,
        Readings(
            t=np.array([NO_TIME, -1, 0, 1, 2**62, 2**63 - 1], np.int64),
            tag=np.array([0, 1, 2, 3, 0, 1], "u4"),
            tags=("", "0A", "E2" * 40, "00FF" * 6),
            antenna=np.array([0, 1, 2, 3, 254, 255], "u1"),
            frequency_khz=np.array([0, 1, 2**32 - 1, 7, 8, 9], "u4"),
            rssi_dbm=ODD,
            phase_rad=ODD[::-1].copy(),
            **more,
        ),
    )


def test_what_comes_out_is_what_went_in_bit_for_bit(tmp_path):
    n = len(ODD)
    sent = [
        readings(0),
        readings(1, seen_count=np.arange(n, dtype="u4")),
        readings(2, doppler_hz=ODD, reader_t=np.full(n, NO_TIME)),
        readings(3),
    ]
    # As received: through the wire's own codec, not past it.
    received = [decode_batch(encode_batch(batch)) for batch in sent]
    path = tmp_path / segment_name(0, 3)
    write_segment(path, received)
    back = list(read_batches(path))
    assert [batch.seq for batch in back] == [0, 1, 2, 3]
    for was, now in zip(sent, back, strict=True):
        assert now.run_id == "run-1"
        assert was.data.same_as(now.data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (
            "poses",
            Poses(
                t=np.array([5, 4], np.int64),
                x_m=np.array([np.nan, -0.0]),
                y_m=np.array([np.inf, 1e-300]),
                yaw_rad=np.array([1.0, 2.0]),
                floor_id=np.array(["EG", None], object),
            ),
        ),
        (
            "events",
            Events(np.array([1], np.int64), *(np.array([s], object) for s in ("r", "ge\u0001rät", "书" * 9))),
        ),
        (
            "activity",
            Activity(
                t_start=np.array([1], np.int64),
                t_end=np.array([0], np.int64),
                antenna=np.array([9], "u1"),
                power_dbm=np.array([np.nan], "f4"),
                session=np.array([255], "u1"),
                rounds=np.array([1], "u4"),
            ),
        ),
        (
            "tags",
            TagMemories(
                t=np.array([3, 3], np.int64),
                epc=np.array(["E0040150AA", "E2"], object),
                antenna=np.array([1, 255], "u1"),
                afi=np.array([0xC2, -1], "i2"),
                eas=np.array([-1, 1], "i2"),
                dsfid=np.array([0x3E, -1], "i2"),
                memory=np.array([bytes(range(256)), b""], object),
                block_bytes=np.array([4, 0], "u1"),
            ),
        ),
    ],
)
def test_every_kind_comes_back(tmp_path, kind, data):
    path = tmp_path / "a.parquet"
    write_segment(path, [Batch("r", kind, 7, data)])
    (back,) = read_batches(path)
    assert (back.kind, back.seq) == (kind, 7)
    assert back.data.same_as(data)


def test_the_same_batches_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_segment(tmp_path / name, [readings(0), readings(1)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_segment_says_what_it_is_and_counts_without_us(tmp_path):
    write_segment(tmp_path / "a.parquet", [readings(3), readings(4)])
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.metadata.num_rows == 2 * len(ODD)
    assert file.metadata.metadata[b"format"] == b"nightstack-raw/1"
    assert read_segment(tmp_path / "a.parquet").column("seq").to_pylist() == [3] * len(ODD) + [4] * len(ODD)
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]
