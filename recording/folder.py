"""Reading a recording folder, ``nightstack-recording/1``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recording import cleaning, tables
from recording.columns import Bool, Int64
from recording.errors import RecordingError
from recording.json_checks import one_line, parse_json
from recording.poses import Poses
from recording.readings import NO_TIME, Readings
from recording.records import Activity, Events, Recording, Truth
from recording.run_info import RunInfo
from recording.tables import ParquetTable

TAU = 2 * np.pi
_MAX_RUN_JSON = 16 << 20


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
        was left out.

    Raises
    ------
    RecordingError
        If the folder's structure is wrong: one line naming the file, and the row where there is one. Rows
        are counted from 0.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file, not a recording folder" if folder.exists() else "is missing"
        raise RecordingError(f"{folder}: {what}")
    info = RunInfo.from_json(parse_json(_bytes(folder / "run.json"), "run.json", RecordingError))
    mounts = {mount.id for mount in info.antennas}
    notes: list[str] = []
    readings, bad_readings = _readings(folder / "readings.parquet", mounts, notes)
    poses, bad_poses = _poses(folder / "poses.parquet", notes)
    not_scanned = cleaning.spans(np.union1d(bad_readings, bad_poses))
    readings = _leave_out(readings, not_scanned)
    poses = _leave_out(poses, cleaning.spans(bad_poses))
    if not_scanned:
        count = sum((end - start) // cleaning.MINUTE_NS for start, end in not_scanned)
        notes.append(f"{count} minutes left out as not scanned: over 5 % of their rows were spoiled")

    def optional(name: str) -> Path | None:
        file = folder / name
        return file if file.exists() or file.is_symlink() else None

    def file_of(name: str) -> Path | None:
        file = optional(name)
        if file is not None and not file.is_file():
            raise RecordingError(f"{name}: is a folder where a file should be")
        return file

    activity, events, track = optional("activity.parquet"), optional("events.parquet"), "odometry.parquet"
    odometry, sightings, surveyed = optional(track), optional("sightings.parquet"), optional("truth.parquet")
    return Recording(
        info=info,
        readings=readings,
        poses=poses,
        activity=_activity(activity, mounts) if activity else None,
        events=_events(events) if events else None,
        truth=read_truth(surveyed) if surveyed and truth else None,
        path=folder,
        plan_path=file_of("plan.json"),
        holdings_path=file_of("holdings.csv"),
        notes=tuple(notes),
        not_scanned=not_scanned,
        odometry=_track(odometry) if odometry else None,
        sightings=_track(sightings) if sightings else None,
    )


def read_truth(path: str | Path) -> Truth:
    """
    Read ``truth.parquet`` (or the one in a folder).

    Raises
    ------
    RecordingError
        If its structure is wrong, an EPC is no hexadecimal or stands twice, or a place is not finite.
    """
    file = Path(path)
    table = ParquetTable(file / "truth.parquet" if file.is_dir() else file, tables.TRUTH)
    index, names = table.codes("epc")
    good = np.array([*(cleaning.is_hex(name) for name in names), False], dtype=np.bool_)
    _refuse(table, ~good[index], "epc is no hexadecimal of whole bytes")
    upper = [name.upper() if name else "" for name in names]
    epc = np.array([*upper, ""], dtype=object)[index]
    first = np.full(len(epc), True)
    seen: set[str] = set()
    for i, name in enumerate(epc.tolist()):
        first[i] = name not in seen
        seen.add(name)
    _refuse(table, ~first, "epc stands in an earlier row, too")
    columns: dict[str, npt.NDArray[Any]] = {"epc": epc}
    present = np.ones(table.rows, dtype=np.bool_)
    if table.has("present"):
        present, null = table.numbers("present")
        present[null] = True
        columns["present"] = present
    for name in ("x_m", "y_m", "z_m"):
        columns[name] = table.floats(name)
        _refuse(table, ~np.isfinite(columns[name]) & present, f"{name} is not finite")
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
        raise RecordingError(
            f"{path.name}: is missing in {path.parent}; a recording folder needs it"
        ) from None
    except OSError as e:
        raise RecordingError(f"{path.name}: cannot be read ({one_line(e.strerror or str(e))})") from None


def _refuse(table: ParquetTable, rows: Bool, what: str) -> None:
    if np.any(rows):
        raise RecordingError(f"{table.name}: row {int(np.argmax(rows))} (the first is 0): {what}")


def _readings(path: Path, mounts: set[int], notes: list[str]) -> tuple[Readings, Int64]:
    table = ParquetTable(path, tables.READINGS)
    antenna, null = table.numbers("antenna")
    _refuse(table, null, "antenna is null")
    known = np.zeros(256, dtype=np.bool_)
    known[list(mounts)] = True
    unknown = ~known[antenna]
    if np.any(unknown):
        _refuse(
            table,
            unknown,
            f"antenna {int(antenna[np.argmax(unknown)])} is not among run.json's {sorted(mounts)}",
        )
    t, no_time = table.numbers("t")
    code, names = table.codes("epc")
    tag, tags, no_hex = _tags(code, names)
    frequency_khz, no_frequency = table.numbers("frequency_khz")
    rssi_dbm, phase_rad = table.floats("rssi_dbm"), table.floats("phase_rad")
    optional: dict[str, npt.NDArray[Any]] = {}
    if table.has("seen_count"):
        seen, none = table.numbers("seen_count")
        seen[none] = 1
        optional["seen_count"] = seen
    if table.has("doppler_hz"):
        optional["doppler_hz"] = table.floats("doppler_hz")
    if table.has("reader_t"):
        reader_t, none = table.numbers("reader_t")
        reader_t[none] = NO_TIME
        optional["reader_t"] = reader_t

    has_rssi = np.isfinite(rssi_dbm)
    spoiled = {
        "time missing": no_time,
        "EPC no hexadecimal": no_hex,
        "RSSI or frequency missing": np.isnan(rssi_dbm) | no_frequency,
        "RSSI outside -120..0 dBm": ~np.isnan(rssi_dbm) & ~(has_rssi & (rssi_dbm >= -120) & (rssi_dbm <= 0)),
        "phase outside [0, 2 pi)": ~np.isnan(phase_rad) & ~((phase_rad >= 0) & (phase_rad < TAU)),
    }
    rest = (tag, no_time, antenna, frequency_khz, no_frequency, rssi_dbm, phase_rad, *optional.values())
    others = [cleaning.bits(column) for column in rest] + [table.ranks(name) for name in table.extra]
    keep, bad_minutes = _judge(table.name, t, ~no_time, spoiled, others, notes)
    made = Readings(
        t=t,
        tag=tag,
        tags=tags,
        antenna=antenna,
        frequency_khz=frequency_khz,
        rssi_dbm=rssi_dbm,
        phase_rad=phase_rad,
        **optional,
    )
    if not np.all(keep):
        made = made.select(keep)
    return made.sorted(), bad_minutes


def _tags(
    code: npt.NDArray[np.int64], names: list[str | None]
) -> tuple[npt.NDArray[np.uint32], tuple[str, ...], Bool]:
    """Tag index of each row (that of a spoiled EPC stays apart from all others), the tags, and no hex."""
    good = np.array([*(cleaning.is_hex(name) for name in names), False], dtype=np.bool_)
    index: dict[str, int] = {}
    new = np.empty(len(names) + 1, dtype=np.uint32)
    for i, name in enumerate([*names, None]):
        # A spoiled name is kept until its row is dropped: rows spoiled in different ways are no duplicates.
        key = name.upper() if name is not None and good[i] else f"{name!r}"
        new[i] = index.setdefault(key, len(index))
    if not np.all(good[:-1]) or not len(names) or np.any(code < 0):
        return new[code], tuple(index), ~good[code]
    del index["None"]
    return new[code], tuple(index), np.zeros(len(code), dtype=np.bool_)


def _poses(path: Path, notes: list[str]) -> tuple[Poses, Int64]:
    table = ParquetTable(path, tables.POSES)
    t, no_time = table.numbers("t")
    columns = {name: table.floats(name) for name in ("x_m", "y_m", "yaw_rad")}
    place = [*columns.values()]
    for name in ("sigma_xy_m", "sigma_yaw_rad", "mast_z_m"):
        if table.has(name):
            columns[name] = table.floats(name)
    if "mast_z_m" in columns:
        place.append(columns["mast_z_m"])
    floor: list[npt.NDArray[Any]] = []
    if table.has("floor_id"):
        columns["floor_id"] = table.strings("floor_id")
        floor.append(table.codes("floor_id")[0])
    not_finite = ~np.logical_and.reduce([np.isfinite(column) for column in place])
    others = [cleaning.bits(c) for name, c in columns.items() if name != "floor_id"] + floor + [no_time]
    others += [table.ranks(name) for name in table.extra]
    repeated = cleaning.duplicates(t, others)
    counted = np.flatnonzero(~(no_time | not_finite | repeated))
    # A shuffled table steps back at every second row, a stepping clock at a few: the first is put in order,
    # in the second the rows whose time does not advance are spoiled.
    shuffled = len(counted) > 3 and np.count_nonzero(np.diff(t[counted]) < 0) * 3 > len(counted)
    stuck = np.zeros(table.rows, dtype=np.bool_)
    if shuffled:
        counted = counted[np.argsort(t[counted], kind="stable")]
    stuck[counted] = cleaning.not_advancing(t[counted])
    spoiled = {"time missing": no_time, "not finite": not_finite, "time does not advance": stuck}
    known = ~no_time if shuffled else np.zeros(table.rows, dtype=np.bool_)
    keep, bad_minutes = _judge(table.name, t, known, spoiled, others, notes, repeated, minute_known=~no_time)
    made = Poses(t=t, **columns)
    order = np.flatnonzero(keep)
    return made.select(order[np.argsort(t[order], kind="stable")]), bad_minutes


def _judge(
    name: str,
    t: Int64,
    ordered: Bool,
    spoiled: dict[str, Bool],
    others: list[npt.NDArray[Any]],
    notes: list[str],
    repeated: Bool | None = None,
    minute_known: Bool | None = None,
) -> tuple[Bool, Int64]:
    """Rows to keep and minutes not scanned; says in `notes` what was forgiven."""
    repeated = cleaning.duplicates(t, others) if repeated is None else repeated
    known = ordered if minute_known is None else minute_known
    late = cleaning.late_rows(t, ordered & ~repeated)
    any_spoiled = np.logical_or.reduce(list(spoiled.values()))
    if late:
        notes.append(f"{name}: {late} rows out of order sorted")
    if np.any(repeated):
        notes.append(f"{name}: {int(np.count_nonzero(repeated))} duplicate rows dropped")
    bad = any_spoiled & ~repeated
    if np.any(bad):
        reasons: list[str] = []
        rest = bad.copy()
        for what, rows in spoiled.items():
            if np.any(rows & rest):
                reasons.append(f"{int(np.count_nonzero(rows & rest))} {what}")
            rest &= ~rows
        notes.append(f"{name}: {int(np.count_nonzero(bad))} spoiled rows left out ({', '.join(reasons)})")
    minute = cleaning.minutes(t, known)
    return ~(repeated | any_spoiled), cleaning.spoiled_minutes(minute, any_spoiled, ~repeated)


_Rows = TypeVar("_Rows", Readings, Poses)


def _leave_out(rows: _Rows, spans: tuple[tuple[int, int], ...]) -> _Rows:
    return rows.select(~cleaning.within(rows.t, spans)) if spans else rows


def _required(table: ParquetTable, name: str) -> npt.NDArray[Any]:
    values, null = table.numbers(name)
    _refuse(table, null, f"{name} is null")
    return values


def _activity(path: Path, mounts: set[int]) -> Activity:
    table = ParquetTable(path, tables.ACTIVITY)
    columns = {name: _required(table, name) for name in ("t_start", "t_end", "antenna", "session", "rounds")}
    _refuse(table, ~np.isin(columns["antenna"], list(mounts)), "antenna is not among run.json's")
    _refuse(table, columns["t_end"] < columns["t_start"], "t_end lies before t_start")
    _refuse(table, columns["session"] > 3, "session must be 0 to 3")
    made = Activity(power_dbm=table.floats("power_dbm"), **columns)
    return made.select(np.argsort(made.t_start, kind="stable"))


def _events(path: Path) -> Events:
    table = ParquetTable(path, tables.EVENTS)
    columns: dict[str, npt.NDArray[Any]] = {"t": _required(table, "t")}
    for name in ("source", "kind", "detail"):
        texts = table.strings(name)
        texts[np.equal(texts, None)] = ""
        columns[name] = texts
    made = Events(**columns)
    return made.select(np.argsort(made.t, kind="stable"))


def _track(path: Path) -> pa.Table:
    table = ParquetTable(path, tables.TRACK)
    _required(table, "t")
    return table.whole()
