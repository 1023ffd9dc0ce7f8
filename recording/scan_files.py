"""The two files every recording has, readings and poses: read, judged row by row, put in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recording import cleaning, tables
from recording.columns import Bool, Int64
from recording.errors import RecordingError
from recording.poses import Poses
from recording.readings import LEAST_RSSI_DBM, MOST_RSSI_DBM, NO_TIME, Readings
from recording.tables import ParquetTable
from recording.words import counted

TAU = 2 * np.pi


def read_readings(path: Path, mounts: set[int], notes: list[str]) -> tuple[Readings, Int64, tuple[int, ...]]:
    """
    Read ``readings.parquet``.

    Parameters
    ----------
    path : Path
        The file.
    mounts : set of int
        The antenna ids of ``run.json``.
    notes : list of str
        What was forgiven is added here.

    Returns
    -------
    readings : Readings
        By time, without duplicates and spoiled rows.
    bad_minutes : int64 array
        UTC minutes of which over 5 % of the rows are spoiled; their rows are still there.
    broken : tuple of int
        Antennas of which most rows are spoiled, where others work: they are left out whole and spoil no
        minute, so that a bad antenna does not cost the night.

    Raises
    ------
    RecordingError
        If a column is missing or of a wrong type, or an antenna is not in `mounts`.
    """
    return cleaned_readings(ParquetTable(path, tables.READINGS), mounts, notes)


def cleaned_readings(
    table: ParquetTable, mounts: set[int], notes: list[str]
) -> tuple[Readings, Int64, tuple[int, ...]]:
    """Return the readings of a checked table; see ``read_readings``."""
    table.ahead(("antenna", "t", "epc", "frequency_khz", "rssi_dbm", "phase_rad"))
    columns: dict[str, npt.NDArray[Any]] = {"antenna": antennas(table, mounts)}
    columns["t"], no_time = times(table, "t")
    columns["tag"], names, hexadecimal = _tags(table)
    columns["frequency_khz"], no_frequency = table.numbers("frequency_khz")
    columns["rssi_dbm"] = rssi = table.floats("rssi_dbm")
    columns["phase_rad"] = phase = table.floats("phase_rad")
    if table.has("seen_count"):
        columns["seen_count"], unknown = table.numbers("seen_count")
        columns["seen_count"][unknown] = 1
    if table.has("doppler_hz"):
        columns["doppler_hz"] = table.floats("doppler_hz")
    if table.has("reader_t"):
        columns["reader_t"] = times(table, "reader_t")[0]
    no_rssi, no_phase = np.isnan(rssi), np.isnan(phase)
    spoiled = {
        "time missing": no_time,
        "EPC no hexadecimal": columns["tag"] >= hexadecimal,
        "RSSI missing": no_rssi,
        "frequency missing": no_frequency,
        f"RSSI outside {LEAST_RSSI_DBM:g}..{MOST_RSSI_DBM:g} dBm": ~(
            no_rssi | ((rssi >= LEAST_RSSI_DBM) & (rssi <= MOST_RSSI_DBM))
        ),
        "phase outside [0, 2 pi)": ~(no_phase | ((phase >= 0) & (phase < TAU))),
    }
    others = [values for name, values in columns.items() if name != "t"]
    others += [no_frequency, *(table.ranks(name) for name in table.extra)]
    repeated = cleaning.duplicates(columns["t"], others)
    bad = judge(table.name, repeated, spoiled, notes)
    broken = cleaning.broken_antennas(columns["antenna"], bad, ~repeated)
    apart = np.isin(columns["antenna"], broken) if broken else np.zeros(table.rows, dtype=np.bool_)
    for antenna in broken:
        of_it = (columns["antenna"] == antenna) & ~repeated
        notes.append(
            f"{table.name}: antenna {antenna} left out whole: {int(np.count_nonzero(bad & of_it))} of its "
            f"{int(np.count_nonzero(of_it))} rows are spoiled"
        )
    bad_minutes = cleaning.spoiled_minutes(columns["t"], ~no_time, bad, ~(repeated | apart))
    keep = ~(repeated | bad | apart)
    if np.any(columns["t"][1:] < columns["t"][:-1]):
        say_late(table.name, columns["t"][~(no_time | repeated)], notes)
    if not np.all(keep):
        columns = {name: values[keep] for name, values in columns.items()}
    return Readings(tags=tuple(names), **columns).compact().sorted(), bad_minutes, broken


def read_poses(path: Path, notes: list[str]) -> tuple[Poses, Int64]:
    """
    Read ``poses.parquet``.

    Parameters
    ----------
    path : Path
        The file.
    notes : list of str
        What was forgiven is added here.

    Returns
    -------
    poses : Poses
        Strictly by time, all finite.
    bad_minutes : int64 array
        UTC minutes of which over 5 % of the rows are spoiled; their rows are still there.

    Raises
    ------
    RecordingError
        If a column is missing or of a wrong type.
    """
    table = ParquetTable(path, tables.POSES)
    columns: dict[str, npt.NDArray[Any]] = {}
    columns["t"], no_time = times(table, "t")
    for name in ("x_m", "y_m", "yaw_rad", "sigma_xy_m", "sigma_yaw_rad", "mast_z_m"):
        if table.has(name):
            columns[name] = table.floats(name)
    must = [values for name, values in columns.items() if name in ("x_m", "y_m", "yaw_rad", "mast_z_m")]
    not_finite = ~np.logical_and.reduce([np.isfinite(values) for values in must])
    others = [values for name, values in columns.items() if name != "t"]
    if table.has("floor_id"):
        columns["floor_id"] = table.strings("floor_id")
        others.append(table.ranks("floor_id"))
    t = columns["t"]
    repeated = cleaning.duplicates(t, others + [table.ranks(name) for name in table.extra])
    rows = np.flatnonzero(~(no_time | not_finite | repeated))
    # A shuffled table steps back at every second row, a clock that is set at a few: the first is put in
    # order; in the second, rows whose time does not advance are spoiled.
    if np.count_nonzero(t[rows][1:] < t[rows][:-1]) * 3 > max(len(rows), 9):
        say_late(table.name, t[rows], notes)
        rows = rows[np.argsort(t[rows], kind="stable")]
    stuck = np.zeros(table.rows, dtype=np.bool_)
    stuck[rows] = cleaning.not_advancing(t[rows])
    spoiled = {"time missing": no_time, "not finite": not_finite, "time does not advance": stuck}
    bad = judge(table.name, repeated, spoiled, notes)
    bad_minutes = cleaning.spoiled_minutes(t, ~(no_time | stuck), bad, ~repeated)
    rows = rows[~bad[rows]]
    return Poses(**{name: values[rows] for name, values in columns.items()}), bad_minutes


def judge(name: str, repeated: Bool, spoiled: Mapping[str, Bool], notes: list[str]) -> Bool:
    """
    Say in `notes` how many rows are repeated and spoiled, and why.

    Parameters
    ----------
    name : str
        The file's name.
    repeated : bool (n,)
        Rows equal to an earlier one; not counted among the spoiled.
    spoiled : mapping of str to bool (n,)
        The reasons, and the rows each one holds for.
    notes : list of str
        What was forgiven is added here.

    Returns
    -------
    bool (n,)
        Rows spoiled for any reason.
    """
    say(name, repeated, "duplicate", "dropped", notes)
    anyhow = np.logical_or.reduce(list(spoiled.values()))
    left = anyhow & ~repeated
    if np.any(left):
        bad, reasons = left.copy(), list[str]()
        for reason, rows in spoiled.items():
            count = int(np.count_nonzero(rows & left))
            reasons += [f"{count} {reason}"] if count else []
            left &= ~rows
        say(name, bad, "spoiled", f"left out ({', '.join(reasons)})", notes)
    return anyhow


def say(name: str, rows: Bool, what: str, done: str, notes: list[str]) -> None:
    """Add a sentence on how many rows something was done to, where there are any."""
    count = int(np.count_nonzero(rows))
    if count:
        notes.append(f"{name}: {counted(count, what + ' row')} {done}")


def say_late(name: str, t: Int64, notes: list[str]) -> None:
    """Add a sentence on how many rows stood behind a later one, where there are any."""
    if len(t) > 1:
        say(name, t[1:] < np.maximum.accumulate(t)[:-1], "out-of-order", "sorted", notes)


def refuse(table: ParquetTable, rows: Bool, what: str) -> None:
    """Raise RecordingError naming the first of these rows, counted from 0."""
    if np.any(rows):
        raise RecordingError(
            f"{table.name}: row {table.first_row + int(np.argmax(rows))} (the first is 0): {what}"
        )


def times(table: ParquetTable, name: str) -> tuple[Int64, Bool]:
    """Return a time column, `NO_TIME` where it is null, and where that is."""
    t, null = table.numbers(name)
    t[null] = NO_TIME
    return t, t == NO_TIME


def antennas(table: ParquetTable, mounts: set[int]) -> npt.NDArray[np.uint8]:
    """Return the column `antenna`; a row of an antenna that is not in `mounts` is refused."""
    antenna, null = table.numbers("antenna")
    refuse(table, null, "antenna is null")
    known = np.zeros(256, dtype=np.bool_)
    known[sorted(mounts)] = True
    unknown = ~known.take(antenna)
    if np.any(unknown):
        number = int(antenna[np.argmax(unknown)])
        refuse(
            table, unknown, f"antenna {number} is none of run.json's {', '.join(map(str, sorted(mounts)))}"
        )
    return antenna


def _tags(table: ParquetTable) -> tuple[npt.NDArray[np.uint32], list[str], int]:
    """Return the tag of each row, all tags, and how many of them, in front, are hexadecimal."""
    code, found = table.codes("epc")
    good: dict[str, int] = {}
    for name in found:
        if cleaning.is_hex(name):
            good.setdefault((name or "").upper(), len(good))
    # Spoiled texts get numbers of their own behind the good ones: rows spoiled differently are no duplicates.
    index: Mapping[str, int] = good
    new = np.empty(len(found) + 1, dtype=np.uint32)
    names: Sequence[str] = list(good)
    for i, name in enumerate(found):
        new[i] = index.get((name or "").upper(), len(names) + i)
    new[-1] = len(names) + len(found)
    return new.take(code), [*names, *[""] * (len(found) + 1)], len(good)
