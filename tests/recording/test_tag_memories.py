"""``tags.parquet``: what was read of tags beside their numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recording import (
    NOT_READ,
    RecordingError,
    RecordingStream,
    RecordingWriter,
    TagMemories,
    read_recording,
    write_recording,
)
from recording.errors import PayloadError
from recording.wire import Batch, decode_batch, encode_batch
from tests.recording.making import SECOND, START, TIME, info, poses, readings, recording, write

UIDS = ("E004015306A22D70", "E00401500A1B2C3D")


def memories() -> TagMemories:
    return TagMemories(
        t=START + SECOND * np.arange(4),
        epc=np.array([UIDS[0], UIDS[1], UIDS[0], UIDS[1]], object),
        antenna=np.array([1, 2, 1, 2], np.uint8),
        afi=np.array([0x07, 0xC2, NOT_READ, 0], np.int16),
        eas=np.array([1, 0, NOT_READ, NOT_READ], np.int16),
        dsfid=np.array([0x3E, NOT_READ, 0x06, 255], np.int16),
        memory=np.array([b"\x11\x01\x01", b"", bytes(112), b"\xff"], object),
        block_bytes=np.array([4, 0, 8, 4], np.uint8),
    )


def columns(**changes: Any) -> dict[str, Any]:
    made = memories()
    stored = {
        "t": pa.array(made.t).cast(TIME),
        "epc": pa.array(made.epc.tolist(), pa.string()),
        "antenna": pa.array(made.antenna),
        "afi": pa.array([7, 0xC2, None, 0], pa.uint8()),
        "eas": pa.array([True, False, None, None]),
        "dsfid": pa.array([0x3E, None, 6, 255], pa.uint8()),
        "memory": pa.array([b"\x11\x01\x01", None, bytes(112), b"\xff"], pa.binary()),
        "block_bytes": pa.array(made.block_bytes),
    }
    return stored | changes


def folder(path: Path, **changes: Any) -> Path:
    made = write(path / "rec")
    stored = {name: values for name, values in columns(**changes).items() if values is not None}
    pq.write_table(pa.table(stored), made / "tags.parquet")
    return made


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "rec", replace(recording(), tag_memories=memories()))
    made = read_recording(path)
    assert made.tag_memories is not None
    assert made.tag_memories.same_as(memories())
    assert made.notes == ()
    again = write_recording(tmp_path / "again", made)
    for back in (read_recording(again), RecordingStream(path).recording):
        assert back.tag_memories is not None
        assert back.tag_memories.same_as(memories())


def test_a_file_written_by_others_is_read(tmp_path: Path) -> None:
    made = read_recording(folder(tmp_path)).tag_memories
    assert made is not None
    assert made.same_as(memories())
    assert len(made.select([0])) == 1
    assert len(TagMemories.empty()) == 0


def test_a_recording_needs_none(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "rec", recording())
    assert read_recording(path).tag_memories is None
    assert not (path / "tags.parquet").exists()


def test_pieces_come_back_as_one_and_an_older_file_goes(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "rec", info()) as writer:
        writer.readings(readings())
        writer.poses(poses())
        for start in (0, 2):
            writer.tag_memories(memories().select(slice(start, start + 2)))
    joined = read_recording(tmp_path / "rec").tag_memories
    assert joined is not None
    assert joined.same_as(memories())
    write_recording(tmp_path / "rec", recording())
    assert read_recording(tmp_path / "rec").tag_memories is None


def test_an_antenna_that_the_run_lacks_is_refused_on_both_ways(tmp_path: Path) -> None:
    strange = replace(memories(), antenna=np.array([1, 2, 9, 2], np.uint8))
    with pytest.raises(RecordingError, match="a tag was read by antenna 9"):
        write_recording(tmp_path / "made", replace(recording(), tag_memories=strange))
    with pytest.raises(RecordingError, match=r"tags\.parquet: row 2 .* antenna 9"):
        read_recording(folder(tmp_path, antenna=pa.array([1, 2, 9, 2], pa.uint8())))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("memory", None, "column memory"),
        ("afi", pa.array([7, 194, None, 0], pa.int32()), "column afi is int32"),
        ("eas", pa.array([1, 0, None, None], pa.uint8()), "column eas"),
        ("memory", pa.array(["x"] * 4), "column memory"),
        ("t", pa.array([1, 2, 3, 4]), "column t"),
    ],
)
def test_a_wrong_structure_is_refused(tmp_path: Path, name: str, values: Any, words: str) -> None:
    with pytest.raises(RecordingError, match=rf"tags\.parquet: {words}"):
        read_recording(folder(tmp_path, **{name: values}))


def test_spoiled_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    made = read_recording(
        folder(
            tmp_path,
            t=pa.array([START, None, START + 2, START + 1]).cast(TIME),
            epc=pa.array([UIDS[0].lower(), UIDS[1], "no hex", UIDS[1]]),
        )
    )
    assert made.tag_memories is not None
    assert made.tag_memories.epc.tolist() == [UIDS[0], UIDS[1]]
    assert made.notes == ("tags.parquet: 2 spoiled rows left out (1 time missing, 1 EPC no hexadecimal)",)


def test_duplicates_are_dropped_and_late_rows_sorted(tmp_path: Path) -> None:
    rows = pa.array([2, 0, 0, 1])
    table = pa.table(columns()).take(rows)
    path = write(tmp_path / "rec")
    pq.write_table(table, path / "tags.parquet")
    made = read_recording(path)
    assert made.tag_memories is not None
    assert made.tag_memories.same_as(memories().select([0, 1, 2]))
    assert [note.split(": ", 1)[1] for note in made.notes] == [
        "1 duplicate row dropped",
        "2 out-of-order rows sorted",
    ]


@pytest.mark.parametrize(("name", "value"), [("afi", 300), ("dsfid", -2), ("eas", 7)])
def test_a_payload_with_a_number_that_is_no_byte_is_refused_and_not_another_one(
    name: str, value: int
) -> None:
    made = memories()
    there = Batch("run", "tags", 0, made)
    back = decode_batch(encode_batch(there)).data
    assert isinstance(back, TagMemories)
    assert back.same_as(made)
    wrong = getattr(made, name).copy()
    wrong[1] = value
    payload = encode_batch(Batch("run", "tags", 0, replace(made, **{name: wrong})))
    with pytest.raises(PayloadError, match=rf"tags\.{name} holds .*{value}"):
        decode_batch(payload)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "tags.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(RecordingError, match=r"tags\.parquet: cannot be read as Parquet"):
        read_recording(path)
