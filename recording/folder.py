"""Reading a recording folder, ``nightstack-recording/1``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recording import cleaning, tables
from recording.columns import ArrowTable
from recording.errors import RecordingError
from recording.json_checks import one_line, parse_json
from recording.poses import Poses
from recording.readings import Readings
from recording.records import Activity, Events, Recording, Truth
from recording.run_info import RunInfo
from recording.scan_files import antennas, judge, read_poses, read_readings, refuse, say, say_late, times
from recording.tables import ParquetTable
from recording.tag_memories import read_tag_memories
from recording.words import counted

_MAX_RUN_JSON = 16 << 20
_Rows = TypeVar("_Rows", Readings, Poses)


def read_recording(path: str | Path, *, truth: bool = True) -> Recording:
    """
    Read a recording folder and check it.

    Parameters
    ----------
    path : path
        The folder.
    truth : bool
        Whether to read ``truth.parquet`` where there is one.

    Returns
    -------
    Recording
        Readings and poses by time, without duplicates and spoiled rows; `notes` and `not_scanned` say what
        was left out; `readings.tags` holds what was heard and nothing else.

    Raises
    ------
    RecordingError
        If the folder's structure is wrong: one line naming the file, and the row where there is one. Rows
        are counted from 0.
    """
    return _checked(Path(path), truth, True)


def read_but_readings(path: str | Path) -> Recording:
    """
    Read a recording folder without ``readings.parquet`` and ``truth.parquet``, see ``read_recording``.

    Raises
    ------
    RecordingError
        If the folder's structure is wrong.
    """
    return _checked(Path(path), False, False)


def _checked(folder: Path, truth: bool, with_readings: bool) -> Recording:
    try:
        if not folder.is_dir():
            what = "is a file, not a recording folder" if folder.exists() else "is missing"
            raise RecordingError(
                f"{folder}: {what}; name the folder that holds a scan's run.json, readings.parquet and poses.parquet"
            )
    except OSError as e:
        raise RecordingError(f"{folder}: cannot be read ({one_line(e.strerror or str(e))})") from None
    try:
        return _read(folder, truth, with_readings)
    except RecordingError as e:
        raise RecordingError(f"{folder}/{e}") from None
    except OSError as e:
        raise RecordingError(f"{folder}: cannot be read ({one_line(e.strerror or str(e))})") from None


def _read(folder: Path, truth: bool, with_readings: bool) -> Recording:
    info = RunInfo.from_json(parse_json(_bytes(folder / "run.json"), "run.json", RecordingError))
    mounts = {mount.id for mount in info.antennas}
    notes: list[str] = []
    readings, bad_readings, broken = Readings.empty(), np.zeros(0, np.int64), tuple[int, ...]()
    if with_readings:
        readings, bad_readings, broken = read_readings(folder / "readings.parquet", mounts, notes)
    poses, bad_poses = read_poses(folder / "poses.parquet", notes)
    # Where the robot was is unknown in a minute of spoiled poses, so its readings go, too; a minute of
    # spoiled readings says nothing against its poses.
    not_scanned = cleaning.spans(np.union1d(bad_readings, bad_poses))
    readings = _leave_out(readings, not_scanned).compact()
    poses = _leave_out(poses, cleaning.spans(bad_poses))
    if not_scanned:
        count = sum((end - start) // cleaning.MINUTE_NS for start, end in not_scanned)
        notes.append(f"{counted(count, 'minute')} left out as not scanned: over 5 % of the rows were spoiled")

    def there(name: str) -> Path | None:
        file = folder / name
        try:
            if file.is_dir():
                raise RecordingError(f"{name}: is a folder where a file should be")
            return file if file.exists() or file.is_symlink() else None
        except OSError as e:
            raise RecordingError(f"{name}: cannot be read ({one_line(e.strerror or str(e))})") from None

    activity, events, surveyed = there("activity.parquet"), there("events.parquet"), there("truth.parquet")
    odometry, sightings = there("odometry.parquet"), there("sightings.parquet")
    tags = there("tags.parquet")
    return Recording(
        info=info,
        readings=readings,
        poses=poses,
        activity=_activity(activity, mounts, broken, notes) if activity else None,
        events=_events(events, notes) if events else None,
        truth=read_truth(surveyed) if surveyed and truth else None,
        path=folder,
        plan_path=there("plan.json"),
        holdings_path=there("holdings.csv"),
        odometry=_track(odometry, notes) if odometry else None,
        sightings=_track(sightings, notes) if sightings else None,
        tag_memories=read_tag_memories(tags, mounts, notes) if tags else None,
        notes=tuple(notes),
        not_scanned=not_scanned,
    )


def read_truth(path: str | Path) -> Truth:
    """
    Read ``truth.parquet``, or the one of a folder.

    Raises
    ------
    RecordingError
        If its structure is wrong, an EPC is no hexadecimal or stands twice, or the place of a tag that is
        there is not finite.
    """
    file = Path(path)
    table = ParquetTable(file / "truth.parquet" if file.is_dir() else file, tables.TRUTH)
    epc = table.strings("epc")
    good = np.fromiter((cleaning.is_hex(name) for name in epc), np.bool_, len(epc))
    refuse(table, ~good, "epc is no hexadecimal of whole bytes")
    seen: dict[str, int] = {}
    first = np.empty(len(epc), dtype=np.bool_)
    for i, name in enumerate(epc):
        epc[i] = name.upper()
        first[i] = seen.setdefault(epc[i], i) == i
    refuse(table, ~first, "epc stands in an earlier row, too")
    columns: dict[str, npt.NDArray[Any]] = {"epc": epc}
    present = np.ones(table.rows, dtype=np.bool_)
    if table.has("present"):
        present, null = table.numbers("present")
        present[null] = True
        columns["present"] = present
    for name in ("x_m", "y_m", "z_m"):
        columns[name] = table.floats(name)
        refuse(table, ~np.isfinite(columns[name]) & present, f"{name} is not finite")
    if table.has("offset_m"):
        columns["offset_m"] = table.floats("offset_m")
    for name in ("shelf_id", "face"):
        if table.has(name):
            columns[name] = table.strings(name)
    return Truth(**columns)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_RUN_JSON:
            raise RecordingError(f"{path.name}: is larger than {_MAX_RUN_JSON >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise RecordingError(f"{path.name}: is missing; a recording folder needs it") from None
    except OSError as e:
        raise RecordingError(f"{path.name}: cannot be read ({one_line(e.strerror or str(e))})") from None


def _leave_out(rows: _Rows, spans: tuple[tuple[int, int], ...]) -> _Rows:
    return rows.select(~cleaning.within(rows.t, spans)) if spans else rows


def _activity(path: Path, mounts: set[int], broken: tuple[int, ...], notes: list[str]) -> Activity:
    table = ParquetTable(path, tables.ACTIVITY)
    columns: dict[str, npt.NDArray[Any]] = {"antenna": antennas(table, mounts)}
    columns["t_start"], no_start = times(table, "t_start")
    columns["t_end"], no_end = times(table, "t_end")
    # HF has no sessions, and not every reader counts its rounds: null is 0 in both.
    columns["session"], columns["rounds"] = table.numbers("session")[0], table.numbers("rounds")[0]
    columns["power_dbm"] = table.floats("power_dbm")
    missing = no_start | no_end
    spoiled = {
        "time missing": missing,
        "end before start": ~missing & (columns["t_end"] < columns["t_start"]),
        "session outside 0..3": columns["session"] > 3,
    }
    others = [values for name, values in columns.items() if name != "t_start"]
    repeated = cleaning.duplicates(columns["t_start"], others + [table.ranks(n) for n in table.extra])
    drop = judge(table.name, repeated, spoiled, notes) | repeated
    # An antenna whose readings are left out has not listened: nobody may be missed by it.
    made = Activity(**columns).select(~(drop | np.isin(columns["antenna"], broken)))
    say_late(table.name, made.t_start, notes)
    return made.select(np.argsort(made.t_start, kind="stable"))


def _events(path: Path, notes: list[str]) -> Events:
    table = ParquetTable(path, tables.EVENTS)
    t, no_time = times(table, "t")
    names = ("source", "kind", "detail")
    texts = {name: table.strings(name) for name in names}
    for column in texts.values():
        column[[text is None for text in column]] = ""
    repeated = cleaning.duplicates(t, [table.ranks(name) for name in (*names, *table.extra)])
    drop = judge(table.name, repeated, {"time missing": no_time}, notes) | repeated
    made = Events(t=t, **texts).select(~drop)
    say_late(table.name, made.t, notes)
    return made.select(np.argsort(made.t, kind="stable"))


def _track(path: Path, notes: list[str]) -> ArrowTable:
    table = ParquetTable(path, tables.TRACK)
    _, no_time = times(table, "t")
    say(table.name, no_time, "spoiled", "left out (time missing)", notes)
    whole = table.whole()
    return whole.filter(pa.array(~no_time)) if np.any(no_time) else whole
