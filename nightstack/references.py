"""Tags whose places are known, for ``calibrate``: a table of them, and several scans' truths as one."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from nightstack.errors import InputError
from nightstack.inputs import REFERENCES_HAVE
from recording import Truth

_NEEDED, _OPTIONAL = ("epc", "x_m", "y_m"), "z_m"
_FARTHEST_M = 1e5


def same_everywhere(surveyed: list[Truth]) -> Truth:
    """Join the truths of several scans, less the tags that were moved between them."""
    first: dict[str, tuple[int, int]] = {}
    moved: set[str] = set()
    for number, truth in enumerate(surveyed):
        for row, epc in enumerate(truth.epc.tolist()):
            if truth.present is not None and not truth.present[row]:
                moved.add(epc)
                continue
            run, place = first.setdefault(epc, (number, row))
            other = surveyed[run]
            if np.hypot(other.x_m[place] - truth.x_m[row], other.y_m[place] - truth.y_m[row]) > 1e-4:
                moved.add(epc)
    kept = [at for epc, at in first.items() if epc not in moved]

    def column(name: str) -> np.ndarray:
        return np.array([getattr(surveyed[run], name)[row] for run, row in kept])

    def names(name: str) -> np.ndarray:
        columns = [getattr(truth, name) for truth in surveyed]
        return np.array(
            [None if columns[run] is None else columns[run][row] for run, row in kept] or [], object
        )

    return Truth(
        epc=names("epc"), x_m=column("x_m").astype(np.float64), y_m=column("y_m").astype(np.float64),
        z_m=column("z_m").astype(np.float64), shelf_id=names("shelf_id"), face=names("face"),
    )  # fmt: skip


def read_references(file: Path) -> Truth:
    """Read the places of reference tags.

    Raises
    ------
    InputError
        The file is no CSV, or a row is wrong: which, and what it must look like.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
            columns = tuple(rows[0]) if rows else ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as CSV ({error}); {REFERENCES_HAVE}") from None
    if not rows:
        raise InputError(f"{file}: names no reference tag; {REFERENCES_HAVE}")
    if missing := [name for name in _NEEDED if name not in columns]:
        raise InputError(f"{file}: no column {missing[0]}; {REFERENCES_HAVE}")
    epcs: list[str] = []
    places: list[tuple[float, float, float]] = []
    for line, row in enumerate(rows, 2):
        epc = (row["epc"] or "").strip().upper()
        if not _is_hex(epc):
            raise InputError(f"{file}, row {line}: epc {epc!r} is not hexadecimal of whole bytes")
        if epc in epcs:
            raise InputError(f"{file}, row {line}: EPC {epc} is there twice; keep the right row")
        epcs.append(epc)
        height = (row.get(_OPTIONAL) or "").strip()
        places.append(
            (
                _metres(row["x_m"], file, line, "x_m"),
                _metres(row["y_m"], file, line, "y_m"),
                _metres(height, file, line, _OPTIONAL) if height else math.nan,
            )
        )
    x, y, z = np.array(places, np.float64).T.copy()
    return Truth(epc=np.array(epcs, object), x_m=x, y_m=y, z_m=z)


def _is_hex(epc: str) -> bool:
    try:
        return bool(bytes.fromhex(epc)) and " " not in epc
    except ValueError:
        return False


def _metres(text: str | None, file: Path, line: int, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) < _FARTHEST_M:
        raise InputError(f"{file}, row {line}: {name} is {text!r}, not a place in metres")
    return value
