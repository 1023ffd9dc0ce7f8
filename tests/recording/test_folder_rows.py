"""What single rows are forgiven, and how it is counted and said."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording import Readings, Recording, cleaning, read_recording
from tests.recording.making import (
    MINUTE,
    SECOND,
    START,
    TIME,
    changed,
    pose_columns,
    poses,
    reading_columns,
    readings,
    write,
)

NAN = float("nan")


def read(tmp_path: Path, **files: Any) -> Recording:
    return read_recording(write(tmp_path / "rec", **files))


def taken(columns: dict[str, Any], rows: Any) -> dict[str, Any]:
    return {name: column.take(pa.array(rows)) for name, column in columns.items()}


def test_shuffled_readings_are_sorted_and_those_of_one_time_keep_their_order(tmp_path: Path) -> None:
    data = readings(600, every=0)
    t = START + np.repeat(np.arange(200, dtype=np.int64), 3) * SECOND
    data = Readings(**dict(data.columns()) | {"t": t, "tags": data.tags})
    blocks = np.random.default_rng(5).permutation(200)
    rows = (blocks[:, None] * 3 + np.arange(3)).ravel()
    made = read(tmp_path, readings=taken(reading_columns(data), rows))
    assert made.readings.same_as(data)
    late = int(np.count_nonzero(t[rows][1:] < np.maximum.accumulate(t[rows])[:-1]))
    assert made.notes == (f"readings.parquet: {late} out-of-order rows sorted",)


def test_rows_equal_in_every_column_are_dropped_and_others_are_not(tmp_path: Path) -> None:
    columns = reading_columns()
    rows = [*range(600), 7, 7, 10, 599]
    made = read(tmp_path, readings=taken(columns, rows))
    assert made.readings.same_as(readings())
    assert "readings.parquet: 4 duplicate rows dropped" in made.notes

    # Row 5 and its copy differ in one column only; row 10 has no phase, and no phase equals no phase.
    for name, value in (
        ("antenna", 1),
        ("frequency_khz", 1),
        ("rssi_dbm", -1.0),
        ("phase_rad", 0.5),
        ("epc", "AA"),
    ):
        twice = taken(columns, [*range(600), 5, 10])
        twice[name] = changed(twice[name], {600: value})
        made = read(tmp_path / name, readings=twice)
        assert len(made.readings) == 601
        assert "readings.parquet: 1 duplicate row dropped" in made.notes


def test_a_column_of_the_makers_own_tells_rows_apart(tmp_path: Path) -> None:
    columns = taken(reading_columns(), [*range(600), 5, 6])
    nulls = pa.nulls(602)
    nested = pa.array([[1], None, [2]] * 200 + [[9], [1]])
    made = read(
        tmp_path, readings=columns | {"crc": pa.array([1] * 600 + [2, 1]), "raw": nested, "nothing": nulls}
    )
    assert len(made.readings) == 601


SPOILS = [
    ("t", None, "1 time missing"),
    ("epc", None, "1 EPC no hexadecimal"),
    ("epc", "", "1 EPC no hexadecimal"),
    ("epc", "E28Z", "1 EPC no hexadecimal"),
    ("epc", "E28", "1 EPC no hexadecimal"),
    ("epc", "E2 80", "1 EPC no hexadecimal"),
    ("epc", "０１", "1 EPC no hexadecimal"),
    ("frequency_khz", None, "1 frequency missing"),
    ("rssi_dbm", None, "1 RSSI missing"),
    ("rssi_dbm", NAN, "1 RSSI missing"),
    ("rssi_dbm", 0.5, "1 RSSI outside -120..0 dBm"),
    ("rssi_dbm", -120.5, "1 RSSI outside -120..0 dBm"),
    ("rssi_dbm", float("-inf"), "1 RSSI outside -120..0 dBm"),
    ("phase_rad", -0.01, "1 phase outside [0, 2 pi)"),
    ("phase_rad", 6.2831855, "1 phase outside [0, 2 pi)"),
    ("phase_rad", float("inf"), "1 phase outside [0, 2 pi)"),
]


@pytest.mark.parametrize(("name", "value", "reason"), SPOILS, ids=[f"{n}={v!r}" for n, v, _ in SPOILS])
def test_a_spoiled_reading_is_left_out_counted_and_said(
    tmp_path: Path, name: str, value: Any, reason: str
) -> None:
    columns = reading_columns()
    made = read(tmp_path, readings=columns | {name: changed(columns[name], {123: value})})
    assert made.readings.same_as(readings().select(np.arange(600) != 123))
    assert made.notes == (f"readings.parquet: 1 spoiled row left out ({reason})",)
    assert made.not_scanned == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phase_rad", None),
        ("phase_rad", NAN),
        ("phase_rad", 0.0),
        ("rssi_dbm", 0.0),
        ("rssi_dbm", -120.0),
        ("epc", "ab12"),
    ],
)
def test_what_is_legal_stays(tmp_path: Path, name: str, value: Any) -> None:
    columns = reading_columns()
    made = read(tmp_path, readings=columns | {name: changed(columns[name], {123: value})})
    assert len(made.readings) == 600
    assert made.notes == ()
    if name == "epc":
        assert made.readings.epc[123] == "AB12"


def test_small_letters_name_the_same_tag_and_only_heard_tags_are_listed(tmp_path: Path) -> None:
    columns = reading_columns()
    low = changed(columns["epc"], {0: columns["epc"][0].as_py().lower(), 1: "bad!"})
    made = read(tmp_path, readings=columns | {"epc": low})
    assert sorted(made.readings.tags) == sorted(readings().tags)
    assert made.readings.epc[0] == readings().epc[0]

    alone = changed(columns["epc"], {3: "AA55"})
    made = read(
        tmp_path / "b", readings=columns | {"epc": alone, "rssi_dbm": changed(columns["rssi_dbm"], {3: 7.0})}
    )
    assert "AA55" not in made.readings.tags


def test_a_minute_with_over_five_percent_spoiled_rows_is_not_scanned(tmp_path: Path) -> None:
    # 120 readings a minute: six spoiled ones are 5 %, seven are more.
    columns = reading_columns()
    spoiled = (
        {120 + k: 9.0 for k in range(6)} | {240 + k: 9.0 for k in range(7)} | {360 + k: 9.0 for k in range(7)}
    )
    made = read(tmp_path, readings=columns | {"rssi_dbm": changed(columns["rssi_dbm"], spoiled)})
    assert made.not_scanned == ((START + 2 * MINUTE, START + 4 * MINUTE),)
    rows = np.arange(600)
    assert made.readings.same_as(
        readings().select((rows < 120) | ((rows >= 126) & (rows < 240)) | (rows >= 480))
    )
    assert made.poses.same_as(poses())
    assert made.notes == (
        "readings.parquet: 20 spoiled rows left out (20 RSSI outside -120..0 dBm)",
        "2 minutes left out as not scanned: over 5 % of the rows were spoiled",
    )


def test_a_bad_antenna_does_not_cost_the_night(tmp_path: Path) -> None:
    # Antenna 2 gives half of all rows, and its RSSI is nonsense but for ten of them.
    columns = reading_columns()
    odd = np.flatnonzero(readings().antenna == 2)
    columns["rssi_dbm"] = changed(columns["rssi_dbm"], {int(row): 99.0 for row in odd[10:]})
    activity = {
        "t_start": pa.array([START, START]).cast(TIME),
        "t_end": pa.array([START + MINUTE] * 2).cast(TIME),
        "antenna": pa.array([1, 2], pa.uint8()),
        "power_dbm": pa.array([30, 30], pa.float32()),
        "session": pa.array([1, 1], pa.uint8()),
        "rounds": pa.array([1, 1], pa.uint32()),
    }
    made = read(tmp_path, readings=columns, activity=activity)
    assert made.not_scanned == ()
    assert made.readings.same_as(readings().select(readings().antenna == 1))
    assert made.notes == (
        "readings.parquet: 290 spoiled rows left out (290 RSSI outside -120..0 dBm)",
        "readings.parquet: antenna 2 left out whole: 290 of its 300 rows are spoiled",
    )
    assert made.activity is not None
    assert made.activity.antenna.tolist() == [1]

    # Where no antenna works, it is the night that was not scanned.
    columns["rssi_dbm"] = changed(columns["rssi_dbm"], dict.fromkeys(range(600), 99.0))
    made = read(tmp_path / "none", readings=columns)
    assert made.not_scanned == ((START, START + 5 * MINUTE),)


def test_rows_without_a_time_count_in_the_minute_they_stand_in(tmp_path: Path) -> None:
    columns = reading_columns()
    made = read(tmp_path, readings=columns | {"t": changed(columns["t"], {130 + k: None for k in range(8)})})
    assert made.not_scanned == ((START + MINUTE, START + 2 * MINUTE),)


def test_spoiled_rows_sent_twice_count_once(tmp_path: Path) -> None:
    columns = reading_columns()
    columns["rssi_dbm"] = changed(columns["rssi_dbm"], {120: 9.0})
    made = read(tmp_path, readings=taken(columns, [*range(600), *[120] * 50]))
    assert made.not_scanned == ()
    assert made.notes[0] == "readings.parquet: 50 duplicate rows dropped"
    assert made.notes[1].startswith("readings.parquet: 1 spoiled row")


def test_a_night_of_nothing_but_spoiled_rows_is_read_as_not_scanned(tmp_path: Path) -> None:
    columns = reading_columns()
    columns["t"] = pa.nulls(600, pa.int64()).cast(TIME)
    columns["epc"] = pa.nulls(600, pa.string())
    made = read(tmp_path, readings=columns)
    assert len(made.readings) == 0
    assert made.readings.tags == ()


@pytest.mark.parametrize("index", [pa.uint8(), pa.uint16(), pa.int8(), pa.int64()], ids=str)
def test_nulls_of_a_dictionary_are_spoiled_wherever_they_stand(tmp_path: Path, index: Any) -> None:
    codes = pa.array([None, None, *readings().tag[2:]], index)
    epc = pa.DictionaryArray.from_arrays(codes, pa.array(readings().tags))
    made = read(tmp_path, readings=reading_columns() | {"epc": epc})
    assert made.readings.same_as(readings().select(slice(2, None)))
    assert made.notes == ("readings.parquet: 2 spoiled rows left out (2 EPC no hexadecimal)",)


def test_empty_files_are_read(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        readings=taken(reading_columns(), pa.array([], pa.int64())),
        poses=taken(pose_columns(), pa.array([], pa.int64())),
    )
    assert (len(made.readings), len(made.poses), made.notes) == (0, 0, ())


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("t", None, "time missing"),
        ("t", START + 99 * SECOND, "time does not advance"),
        ("t", START + 3 * SECOND, "time does not advance"),
        ("t", START + 10**15, "time does not advance"),
        ("x_m", None, "not finite"),
        ("y_m", NAN, "not finite"),
        ("yaw_rad", float("inf"), "not finite"),
        ("mast_z_m", NAN, "not finite"),
    ],
)
def test_a_spoiled_pose_is_left_out_counted_and_said(
    tmp_path: Path, name: str, value: Any, reason: str
) -> None:
    columns = pose_columns() | {"mast_z_m": pa.array(np.zeros(300, np.float32))}
    made = read(tmp_path, poses=columns | {name: changed(columns[name], {100: value})})
    assert made.poses.x_m.tolist() == np.delete(poses().x_m, 100).tolist()
    assert made.notes == (f"poses.parquet: 1 spoiled row left out (1 {reason})",)


def test_a_clock_set_back_costs_what_was_driven_twice_and_no_more(tmp_path: Path) -> None:
    # At the 200th second the clock goes back by 20 s: either 20 s of poses must go.
    t = START + np.concatenate([np.arange(200), np.arange(180, 280)]) * SECOND
    columns = pose_columns() | {"t": pa.array(t).cast(TIME)}
    made = read(tmp_path, poses=columns)
    assert np.all(np.diff(made.poses.t) > 0)
    assert "poses.parquet: 20 spoiled rows left out (20 time does not advance)" in made.notes
    assert made.not_scanned == ((START + 3 * MINUTE, START + 4 * MINUTE),)
    gone = (made.readings.t >= START + 3 * MINUTE) & (made.readings.t < START + 4 * MINUTE)
    assert not gone.any()
    assert len(made.readings) == 480
    assert not made.poses.covers(START + 290 * SECOND)


def test_shuffled_poses_are_put_in_order(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).permutation(300)
    made = read(tmp_path, poses=taken(pose_columns(), rows))
    assert made.poses.same_as(poses())
    assert len(made.notes) == 1
    assert "out-of-order rows sorted" in made.notes[0]


def test_poses_sent_twice_are_dropped(tmp_path: Path) -> None:
    made = read(tmp_path, poses=taken(pose_columns(), [*range(100), *range(50, 300)]))
    assert made.poses.same_as(poses())
    assert made.notes == ("poses.parquet: 50 duplicate rows dropped",)


def test_unknown_sigmas_and_floors_are_legal(tmp_path: Path) -> None:
    more = {
        "sigma_xy_m": pa.array([None, NAN, 0.1] * 100, pa.float32()),
        "floor_id": pa.array([None, "1", "2"] * 100),
    }
    made = read(tmp_path, poses=pose_columns() | more)
    assert made.notes == ()
    assert made.poses.sigma_xy_m is not None and np.isnan(made.poses.sigma_xy_m[:2]).all()


def test_optional_columns_of_readings_have_their_unknowns(tmp_path: Path) -> None:
    more = {
        "seen_count": pa.array([None, 3] * 300, pa.uint32()),
        "doppler_hz": pa.array([None, 1.5] * 300, pa.float32()),
        "reader_t": pa.array([None, 17] * 300, pa.int64()).cast(TIME),
    }
    data = read(tmp_path, readings=reading_columns() | more).readings
    assert data.seen_count is not None and data.seen_count[:2].tolist() == [1, 3]
    assert data.doppler_hz is not None and np.isnan(data.doppler_hz[0]) and data.doppler_hz[1] == 1.5
    assert data.reader_t is not None and data.reader_t[:2].tolist() == [np.iinfo(np.int64).min, 17]


def _longest(values: list[int]) -> int:
    best = [1] * len(values)
    for i, value in enumerate(values):
        best[i] = max([best[k] + 1 for k in range(i) if values[k] < value], default=1)
    return max(best, default=0)


@given(values=st.lists(st.integers(-20, 20), max_size=30))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_as_few_poses_as_can_be_go_for_times_to_advance(values: list[int]) -> None:
    t = np.array(values, dtype=np.int64)
    kept = t[~cleaning.not_advancing(t)]
    assert np.all(np.diff(kept) > 0)
    assert len(kept) == _longest(values)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from([0.0, 1.0, NAN])), max_size=25
    ),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_duplicates_are_what_a_set_would_find(rows: list[tuple[int, int, float]]) -> None:
    t = np.array([r[0] for r in rows], dtype=np.int64)
    tag = np.array([r[1] for r in rows], dtype=np.uint32)
    phase = np.array([r[2] for r in rows], dtype=np.float32)
    seen: set[str] = set()
    expected: list[bool] = []
    for row in rows:
        expected.append(repr(row) in seen)
        seen.add(repr(row))
    assert cleaning.duplicates(t, [tag, phase]).tolist() == expected


_EDGES = {
    "t": st.sampled_from([None, START, START + 30 * SECOND, -(1 << 63), (1 << 63) - 1, 0]),
    "epc": st.sampled_from([None, "", "AA", "aa", "AAB", "no", "\x00", "É"]),
    "frequency_khz": st.sampled_from([None, 0, 865700, (1 << 32) - 1]),
    "rssi_dbm": st.sampled_from([None, NAN, float("inf"), -120.0, 0.0, 1e-30, -3e38]),
    "phase_rad": st.sampled_from([None, NAN, -0.0, 6.2831850, 7.0, float("-inf")]),
    "x_m": st.sampled_from([None, NAN, 1e300, 0.0]),
    "yaw_rad": st.sampled_from([None, float("inf"), 1e9]),
}


@given(source=st.data())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_whatever_rows_hold_what_comes_out_is_clean(
    tmp_path_factory: pytest.TempPathFactory, source: st.DataObject
) -> None:
    def spoil(columns: dict[str, Any]) -> dict[str, Any]:
        for name in set(columns) & set(_EDGES):
            rows = st.dictionaries(st.integers(0, len(columns["t"]) - 1), _EDGES[name], max_size=4)
            columns[name] = changed(columns[name], source.draw(rows))
        return columns

    folder = tmp_path_factory.mktemp("rows") / "rec"
    heard = spoil(reading_columns(readings(60)))
    made = read_recording(write(folder, readings=heard, poses=spoil(pose_columns(poses(60)))))
    assert np.all(np.diff(made.poses.t) > 0)
    assert np.isfinite(made.poses.x_m).all()
    data = made.readings
    assert np.all(data.t[1:] >= data.t[:-1])
    assert all(cleaning.is_hex(tag) and tag == tag.upper() for tag in data.tags)
    assert set(data.tag.tolist()) == set(range(len(data.tags)))
    assert ((data.rssi_dbm >= -120) & (data.rssi_dbm <= 0)).all()
    assert (np.isnan(data.phase_rad) | ((data.phase_rad >= 0) & (data.phase_rad < 2 * np.pi))).all()
    for start, end in made.not_scanned:
        assert not ((data.t >= start) & (data.t < end)).any()
    counted = sum(
        int(note.split()[1]) for note in made.notes if note.startswith("readings") and "sorted" not in note
    )
    if not made.not_scanned and not any("antenna" in note for note in made.notes):
        assert len(data) == 60 - counted
