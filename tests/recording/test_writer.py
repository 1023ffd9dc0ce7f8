"""Writing a recording: whole or not at all, with its makers' mark, and read again as it was."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recording import (
    NO_TIME,
    Activity,
    Events,
    Poses,
    Readings,
    Recording,
    RecordingError,
    RecordingWriter,
    Truth,
    read_recording,
    write_recording,
)
from tests.recording.making import START, TIME, info, poses, readings, recording


def full() -> Recording:
    n = len(readings())
    more = {"seen_count": np.arange(n) + 1, "doppler_hz": np.where(np.arange(n) % 3, 1.5, np.nan)}
    more["reader_t"] = np.where(np.arange(n) % 2, START, NO_TIME)
    spots = {
        "sigma_xy_m": np.full(300, 0.02),
        "floor_id": ["1", None] * 150,
        "mast_z_m": np.linspace(0, 1, 300),
    }
    return Recording(
        info=info(extra={"operator": "Ada"}),
        readings=Readings(**dict(readings().columns()) | more, tags=readings().tags),
        poses=Poses(**dict(poses().columns()) | spots),
        activity=Activity(
            t_start=[START, START + 5],
            t_end=[START + 5, START + 9],
            antenna=[1, 2],
            power_dbm=[30.0, np.nan],
            session=[0, 3],
            rounds=[4, 0],
        ),
        events=Events(t=[START], source=["base"], kind=["blocked"], detail=["aisle 3"]),
        truth=Truth(
            epc=["E280", "E281"],
            x_m=[1.0, np.nan],
            y_m=[1.0, np.nan],
            z_m=[1.0, np.nan],
            present=np.array([True, False]),
            shelf_id=["a1", None],
            offset_m=[0.5, np.nan],
        ),
        odometry=pa.table({"t": pa.array([START]).cast(TIME), "wheel": [1.5]}),
    )


def same(a: Recording, b: Recording) -> bool:
    parts = ("readings", "poses", "activity", "events", "truth")
    return a.info == b.info and all(
        (getattr(a, p) is None) == (getattr(b, p) is None)
        and (getattr(a, p) is None or getattr(a, p).same_as(getattr(b, p)))
        for p in parts
    )


def listed(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_everything_comes_back(tmp_path: Path) -> None:
    made = full()
    write_recording(tmp_path / "rec", made, plan={"format": "nightstack-plan/1"})
    again = read_recording(tmp_path / "rec")
    assert same(again, made)
    assert again.notes == ()
    assert again.odometry.to_pylist() == made.odometry.to_pylist()
    assert again.plan_path is not None and json.loads(again.plan_path.read_text()) == {
        "format": "nightstack-plan/1"
    }
    assert listed(tmp_path) == ["rec"]


def test_every_file_names_its_format_and_maker(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "rec", full())
    files = sorted(folder.glob("*.parquet"))
    assert [f.stem for f in files] == ["activity", "events", "odometry", "poses", "readings", "truth"]
    for file in files:
        meta = pq.read_schema(file).metadata
        assert meta[b"format"] == b"nightstack-recording/1"
        assert (meta[b"format_name"], meta[b"format_version"]) == (b"nightstack-recording", b"1")
        assert meta[b"maker"].startswith(b"nightstack")
        assert pq.read_metadata(file).row_group(0).column(0).compression == "ZSTD"


def test_no_phase_is_null_to_other_readers(tmp_path: Path) -> None:
    table = pq.read_table(write_recording(tmp_path / "rec", full()) / "readings.parquet")
    assert table["phase_rad"].null_count == int(np.isnan(readings().phase_rad).sum())
    assert table["reader_t"].null_count == 300
    assert table.schema.field("t").type == TIME


def test_plan_and_holdings_are_copied_from_where_they_are(tmp_path: Path) -> None:
    class Plan:
        def to_json(self) -> dict[str, Any]:
            return {"site": "总馆"}

    class Holdings:
        def to_csv(self) -> str:
            return "barcode\n书\n"

    first = write_recording(tmp_path / "first", recording(), plan=Plan(), holdings=Holdings())
    assert json.loads((first / "plan.json").read_text(encoding="utf-8")) == {"site": "总馆"}
    assert (first / "holdings.csv").read_text(encoding="utf-8") == "barcode\n书\n"
    second = write_recording(tmp_path / "second", read_recording(first))
    assert (second / "plan.json").read_bytes() == (first / "plan.json").read_bytes()
    assert (second / "holdings.csv").read_bytes() == (first / "holdings.csv").read_bytes()
    third = write_recording(tmp_path / "third", recording(), plan=first / "plan.json")
    assert read_recording(third).holdings_path is None
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / "fourth", recording(), plan=tmp_path / "nowhere.json")
    assert not (tmp_path / "fourth").exists()


def test_pieces_of_a_long_run_come_back_as_one(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "rec", info()) as writer:
        for k in range(0, 600, 50):
            part = readings().select(slice(k, k + 50))
            # Each part has a list of tags of its own, as batches from a robot do.
            heard = np.unique(part.tag)
            new = np.searchsorted(heard, part.tag).astype(np.uint32)
            columns = dict(part.columns()) | {"tag": new}
            writer.readings(Readings(tags=tuple(part.tags[i] for i in heard), **columns))
            writer.poses(poses().select(slice(k // 2, k // 2 + 25)))
        assert not (tmp_path / "rec").exists()
    made = read_recording(tmp_path / "rec")
    assert made.readings.same_as(readings())
    assert made.poses.same_as(poses())
    assert pq.read_metadata(tmp_path / "rec" / "readings.parquet").num_row_groups == 12


def test_a_run_that_heard_nothing_is_a_recording(tmp_path: Path) -> None:
    RecordingWriter(tmp_path / "rec", info()).close()
    made = read_recording(tmp_path / "rec")
    assert (len(made.readings), len(made.poses)) == (0, 0)


def test_a_piece_with_other_columns_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordingError, match="seen_count"),
        RecordingWriter(tmp_path / "rec", info()) as writer,
    ):
        writer.readings(readings())
        writer.readings(
            Readings(**dict(readings().columns()) | {"seen_count": np.ones(600)}, tags=readings().tags)
        )
    assert listed(tmp_path) == []


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    columns = dict(readings().columns()) | {"antenna": np.full(600, 7, np.uint8)}
    with pytest.raises(RecordingError, match="antenna 7"):
        write_recording(
            tmp_path / "rec", Recording(info(), Readings(tags=readings().tags, **columns), poses())
        )
    for changes, word in (
        ({"run_id": "a/b"}, "run_id"),
        ({"antennas": ()}, "antennas"),
        ({"extra": {"x": object()}}, "JSON"),
    ):
        with pytest.raises(RecordingError, match=word):
            RecordingWriter(tmp_path / "rec", info(**changes))
    assert listed(tmp_path) == []


def test_a_run_broken_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), RecordingWriter(tmp_path / "rec", info()) as writer:
        writer.readings(readings())
        raise KeyError("something else")
    assert listed(tmp_path) == []


def _write_and_die(path: Path) -> None:
    writer = RecordingWriter(path, info())
    writer.readings(readings())
    writer.poses(poses())
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_writer_killed_leaves_nothing_that_a_reader_would_take(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(tmp_path / "rec",))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    left = listed(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".rec.")
    with pytest.raises(RecordingError, match="missing"):
        read_recording(tmp_path / "rec")
    with pytest.raises(RecordingError, match=r"run\.json: is missing"):
        read_recording(tmp_path / left[0])


def test_an_older_recording_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "rec", full(), plan={"a": 1})
    (folder / "positions.parquet").write_bytes(b"mine")
    write_recording(folder, recording())
    assert listed(folder) == [
        "poses.parquet",
        "positions.parquet",
        "readings.parquet",
        "run.json",
    ]
    assert same(read_recording(folder), recording())
    assert listed(tmp_path) == ["rec"]


def test_a_folder_is_no_recording_while_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_recording(tmp_path / "rec", full())
    replace = Path.replace
    seen: list[str] = []

    def watched(self: Path, target: Path) -> Path:
        if target.parent == folder:
            with pytest.raises(RecordingError):
                read_recording(folder)
            seen.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_recording(folder, recording())
    assert seen == ["readings.parquet", "poses.parquet", "run.json"]
    assert same(read_recording(folder), recording())


def test_places_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordingError, match="is a file"):
        write_recording(tmp_path / "file", recording())
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / "file" / "rec", recording())
    with pytest.raises(RecordingError, match="column t"):
        write_recording(
            tmp_path / "rec", Recording(info(), readings(), poses(), sightings=pa.table({"x": [1]}))
        )
    with pytest.raises(ValueError, match="no table"):
        RecordingWriter(tmp_path / "rec", info()).table("readings", pa.table({}))
