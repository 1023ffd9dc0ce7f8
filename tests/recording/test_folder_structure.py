"""The structure of a recording folder is strict: what is refused, and with which words."""

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recording import RecordingError, RunInfo, read_recording, read_truth
from tests.recording.making import TIME, changed, info, pose_columns, reading_columns, readings, write


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(folder)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    return text


def test_a_folder_written_by_others_is_read(tmp_path: Path) -> None:
    made = read_recording(write(tmp_path / "rec"))
    assert made.info == info()
    assert made.readings.same_as(readings())
    assert made.notes == ()
    assert made.not_scanned == ()
    assert made.path == tmp_path / "rec"
    assert (made.plan_path, made.holdings_path, made.activity, made.events, made.truth) == (None,) * 5


@pytest.mark.parametrize("name", ["run", "readings", "poses"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path / "rec", **{name: None}), f"{name}.", "missing")


@pytest.mark.parametrize(
    "name", ["run.json", "readings.parquet", "poses.parquet", "events.parquet", "plan.json"]
)
def test_a_folder_in_a_files_place_is_refused(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "rec")
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    refused(folder, name)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "missing")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "not a recording folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "loop")


@contextmanager
def nobody() -> Generator[None]:
    """Root may read everything; be somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_file_that_may_not_be_read_is_refused() -> None:
    # Not below tmp_path, which pytest keeps to its own user.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = write(Path(place) / "rec")
        folder.chmod(0o755)
        (folder / "poses.parquet").chmod(0)
        with nobody():
            refused(folder, "poses.parquet", "ermission")


@pytest.mark.parametrize("column", list(reading_columns()))
def test_a_missing_column_is_refused(tmp_path: Path, column: str) -> None:
    columns = reading_columns()
    del columns[column]
    refused(write(tmp_path / "rec", readings=columns), "readings.parquet", column, "missing")


WRONG_TYPES: list[tuple[str, str, Any]] = [
    ("readings", "t", pa.int64()),
    ("readings", "t", pa.timestamp("us", "UTC")),
    ("readings", "t", pa.timestamp("ns")),
    ("readings", "t", pa.timestamp("ns", "Asia/Shanghai")),
    ("readings", "epc", pa.binary()),
    ("readings", "antenna", pa.int64()),
    ("readings", "antenna", pa.string()),
    ("readings", "frequency_khz", pa.float64()),
    ("readings", "rssi_dbm", pa.float64()),
    ("readings", "rssi_dbm", pa.string()),
    ("readings", "phase_rad", pa.float16()),
    ("readings", "seen_count", pa.int32()),
    ("poses", "x_m", pa.float32()),
    ("poses", "yaw_rad", pa.string()),
    ("poses", "floor_id", pa.int64()),
]


@pytest.mark.parametrize(
    ("name", "column", "kind"), WRONG_TYPES, ids=[f"{n}.{c}:{k}" for n, c, k in WRONG_TYPES]
)
def test_a_wrong_type_is_refused(tmp_path: Path, name: str, column: str, kind: Any) -> None:
    columns = reading_columns() if name == "readings" else pose_columns()
    if column not in columns:
        columns[column] = pa.array(np.zeros(len(columns["t"]), np.int64))
    source = columns[column]
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        source = pa.array(["1"] * len(source))
    elif pa.types.is_float16(kind):
        source = pa.array(np.zeros(len(source), np.float16))
    columns[column] = source.cast(kind, safe=False) if not pa.types.is_float16(kind) else source
    refused(write(tmp_path / "rec", **{name: columns}), f"{name}.parquet", column, "must be")


STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
STRINGS += [pa.dictionary(pa.int64(), pa.large_string()), pa.dictionary(pa.uint16(), pa.string())]


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_every_arrow_string_is_a_string(tmp_path: Path, kind: Any) -> None:
    columns = reading_columns()
    columns["epc"] = (
        columns["epc"].cast(kind)
        if not pa.types.is_dictionary(kind)
        else columns["epc"].cast(kind.value_type).dictionary_encode().cast(kind)
    )
    spots = pose_columns()
    spots["floor_id"] = pa.array(["1", None] * 150).cast(
        pa.large_string() if pa.types.is_dictionary(kind) else kind
    )
    made = read_recording(write(tmp_path / "rec", readings=columns, poses=spots))
    assert made.readings.same_as(readings())
    assert made.poses.floor_id is not None
    assert made.poses.floor_id.tolist() == ["1", None] * 150


def test_an_unknown_antenna_is_refused_with_its_row(tmp_path: Path) -> None:
    columns = reading_columns()
    folder = write(
        tmp_path / "rec", readings=columns | {"antenna": changed(columns["antenna"], {17: 9, 20: 8})}
    )
    refused(folder, "readings.parquet", "row 17", "antenna 9", "1, 2")
    folder = write(
        tmp_path / "other", readings=columns | {"antenna": changed(columns["antenna"], {17: None})}
    )
    refused(folder, "readings.parquet", "row 17", "antenna")


@pytest.mark.parametrize("name", ["readings.parquet", "poses.parquet"])
def test_damage_is_refused_wherever_it_strikes(tmp_path: Path, name: str) -> None:
    from recording import write_recording
    from tests.recording.making import recording

    whole = write_recording(tmp_path / "whole", recording())
    data = (whole / name).read_bytes()
    rng = np.random.default_rng(1)
    cuts = [0, 1, 4, 100, len(data) // 2, len(data) - 9, len(data) - 1]
    flips = rng.integers(0, len(data), 60).tolist()
    original = read_recording(whole)
    refusals = 0
    for k, place in enumerate(cuts + flips):
        folder = tmp_path / f"rec{k}"
        write_recording(folder, recording())
        damaged = (
            data[:place] if k < len(cuts) else data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        )
        (folder / name).write_bytes(damaged)
        try:
            made = read_recording(folder)
        except RecordingError as e:
            refusals += 1
            assert "\n" not in str(e)
            assert name in str(e)
        else:
            # Statistics and names of makers may be hit without any harm; the data may not.
            assert k >= len(cuts)
            assert made.readings.same_as(original.readings)
            assert made.poses.same_as(original.poses)
    assert refusals > len(cuts) + len(flips) // 2


WRONG_RUNS: list[tuple[str, Any, str]] = [
    ("format", "nightstack-recording/2", "format"),
    ("format", None, "format"),
    ("run_id", "", "run_id"),
    ("run_id", "../etc", "run_id"),
    ("run_id", "a" * 129, "run_id"),
    ("run_id", 5, "run_id"),
    ("site", "a/b", "site"),
    ("site", "a+b", "site"),
    ("site", "..", "site"),
    ("started_at", "yesterday", "started_at"),
    ("started_at", "2026-01-31T22:00:00", "started_at"),
    ("started_at", 17, "started_at"),
    ("robot", [], "robot"),
    ("robot.id", "#", "robot.id"),
    ("robot.antennas", [], "robot.antennas"),
    ("robot.antennas", {}, "robot.antennas"),
    ("robot.antennas.0", 5, "robot.antennas[0]"),
    ("robot.antennas.1.id", 1, "robot.antennas has the id 1 twice"),
    ("robot.antennas.1.id", 256, "robot.antennas[1].id"),
    ("robot.antennas.1.id", "1", "robot.antennas[1].id"),
    ("robot.antennas.1.id", True, "robot.antennas[1].id"),
    ("robot.antennas.0.air", "bluetooth", "robot.antennas[0].air"),
    ("robot.antennas.0.air", ["gen2"], "robot.antennas[0].air"),
    ("robot.antennas.0.port", -1, "robot.antennas[0].port"),
    ("robot.antennas.0.position_m", [0, 1], "robot.antennas[0].position_m"),
    ("robot.antennas.0.position_m", [0, 1, "2"], "robot.antennas[0].position_m[2]"),
    ("robot.antennas.0.position_m", [0, 1, 10**400], "robot.antennas[0].position_m[2]"),
    ("robot.antennas.0.boresight_deg", [0, 1, 2], "robot.antennas[0].boresight_deg"),
    ("robot.antennas.0.phase_ambiguity", "maybe", "robot.antennas[0].phase_ambiguity"),
    ("robot.antennas.0.power_dbm", "30", "robot.antennas[0].power_dbm"),
]


@pytest.mark.parametrize(
    ("path", "value", "where"), WRONG_RUNS, ids=[f"{p}={v!r}"[:50] for p, v, _ in WRONG_RUNS]
)
def test_a_wrong_run_json_is_refused_with_its_path(tmp_path: Path, path: str, value: Any, where: str) -> None:
    obj = info().to_json()
    place: Any = obj
    *keys, last = [int(k) if k.isdigit() else k for k in path.split(".")]
    for key in keys:
        place = place[key]
    place[last] = value
    text = refused(write(tmp_path / "rec", run=obj))
    assert text.startswith(f"{tmp_path / 'rec' / 'run.json'}: {where}")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"null", "object"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\x00", "UTF-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": Infinity}', "JSON"),
        (b"[" * 200_000, "JSON"),
        (b"PK\x03\x04", "JSON"),
    ],
)
def test_a_run_json_that_is_none_is_refused(tmp_path: Path, data: bytes, word: str) -> None:
    refused(write(tmp_path / "rec", run=data), "run.json", word)


def test_unknown_keys_of_run_json_are_kept(tmp_path: Path) -> None:
    obj = info().to_json() | {"operator": {"name": "Ada", "shift": [1, 2]}}
    obj["robot"]["serial"] = "A-7"
    obj["robot"]["antennas"][1]["cable_m"] = 2.5
    made = read_recording(write(tmp_path / "rec", run=obj)).info
    assert made.to_json() == obj
    assert made.antennas[1].extra == {"cable_m": 2.5}
    assert RunInfo.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_truth_is_read_and_checked(tmp_path: Path) -> None:
    columns = {
        "epc": pa.array(["e280", "E281", "E282"]),
        "x_m": [1.0, 2.0, None],
        "y_m": [1.0, 2.0, 3.0],
        "z_m": [1.0, 2.0, 3.0],
        "present": [True, None, False],
        "face": pa.array(["A", None, None]).dictionary_encode(),
        "offset_m": [0.5, None, None],
    }
    truth = read_recording(write(tmp_path / "rec", truth=columns)).truth
    assert truth is not None
    assert truth.epc.tolist() == ["E280", "E281", "E282"]
    assert truth.present is not None and truth.present.tolist() == [True, True, False]
    assert truth.face is not None and truth.face.tolist() == ["A", None, None]
    assert truth.shelf_id is None
    assert read_recording(tmp_path / "rec", truth=False).truth is None
    assert read_truth(tmp_path / "rec").same_as(truth)
    for name, value, words in (
        ("epc", pa.array(["E280", "E281", "e280"]), "row 2"),
        ("epc", pa.array(["E280", "no", "E2"]), "row 1"),
        ("epc", pa.array(["E280", None, "E2"]), "row 1"),
        ("y_m", pa.array([1.0, float("nan"), 1.0]), "row 1"),
        ("z_m", pa.array([1, 2, 3]), "z_m"),
    ):
        refused(write(tmp_path / "rec", truth=columns | {name: value}), "truth.parquet", words)


def test_activity_and_events_are_read_with_what_is_spoiled_left_out(tmp_path: Path) -> None:
    from tests.recording.making import SECOND, START

    def at(*seconds: int | None) -> Any:
        return pa.array([None if s is None else START + s * SECOND for s in seconds], pa.int64()).cast(TIME)

    activity = {
        "t_start": at(5, 0, 5, None, 9),
        "t_end": at(9, 5, 9, 5, 8),
        "antenna": pa.array([1, 2, 1, 1, 1], pa.uint8()),
        "power_dbm": pa.array([30.0, None, 30.0, 30, 30], pa.float32()),
        "session": pa.array([1, None, 1, 1, 1], pa.uint8()),
        "rounds": pa.array([7, None, 7, 7, 7], pa.uint32()),
    }
    events = {
        "t": at(3, 1, None),
        "source": pa.array(["uhf", "base", "base"]),
        "kind": pa.array(["reader_gone", "blocked", "x"]),
        "detail": pa.array(["no answer", None, "x"]),
    }
    made = read_recording(write(tmp_path / "rec", activity=activity, events=events))
    assert made.activity is not None and made.events is not None
    assert made.activity.t_start.tolist() == [START, START + 5 * SECOND]
    assert made.activity.antenna.tolist() == [2, 1]
    assert made.activity.session.tolist() == [0, 1]
    assert np.isnan(made.activity.power_dbm[0])
    assert made.events.kind.tolist() == ["blocked", "reader_gone"]
    assert made.events.detail.tolist() == ["", "no answer"]
    assert made.notes == (
        "activity.parquet: 1 duplicate row dropped",
        "activity.parquet: 2 spoiled rows left out (1 time missing, 1 end before start)",
        "activity.parquet: 1 out-of-order row sorted",
        "events.parquet: 1 spoiled row left out (1 time missing)",
        "events.parquet: 1 out-of-order row sorted",
    )
    activity["antenna"] = pa.array([1, 2, 3, 1, 1], pa.uint8())
    refused(write(tmp_path / "rec", activity=activity), "activity.parquet", "row 2", "antenna 3")
    del events["detail"]
    refused(write(tmp_path / "other", events=events), "events.parquet", "detail", "missing")


def test_what_the_poses_were_made_from_is_kept_as_it_is(tmp_path: Path) -> None:
    from recording import write_recording
    from tests.recording.making import START

    table = pa.table(
        {"t": pa.array([START, None], pa.int64()).cast(TIME), "wheel": [[1, 2], None], "marker": ["a", "b"]}
    )
    folder = write(tmp_path / "rec", sightings=table, odometry=table)
    made = read_recording(folder)
    assert made.sightings is not None
    assert made.sightings.to_pylist() == table.to_pylist()[:1]
    assert made.notes[0] == "odometry.parquet: 1 spoiled row left out (time missing)"
    write_recording(tmp_path / "again", made)
    assert read_recording(tmp_path / "again").sightings.equals(made.sightings)
    refused(write(tmp_path / "rec", odometry={"x_m": [1.0]}), "odometry.parquet", "column t", "missing")
