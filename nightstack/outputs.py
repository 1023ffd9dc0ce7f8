"""Where results go: checked before the work begins, so that an hour of it is not lost to a mistyped path."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from nightstack.errors import InputError


def output_folder(folder: Path, option: str = "--out") -> Path:
    """Check that a folder is there or can be made; nothing is made yet.

    Parameters
    ----------
    folder
        What the option named.
    option
        The option that names another.

    Returns
    -------
    Path
        The same folder.

    Raises
    ------
    InputError
        It, or a part of its path, is a file, or it cannot be written to.
    """
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise InputError(f"{there}: is no folder; name another with {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there}: cannot be written to; name another place with {option}")
    return folder


def output_file(file: Path, kind: str | None, option: str = "--out") -> Path:
    """Check that a file can be written, or replaced where it is of the same kind; nothing is made yet.

    Parameters
    ----------
    file
        What the option named.
    kind
        ``positions``, ``calibration``, ``exceptions``, ``page`` or ``surveyed``: what will be written. Anything else
        there is kept, lest a mistyped name cost a night's readings or a plan. None: whatever is there may go.
    option
        The option that names another.

    Returns
    -------
    Path
        The same file.

    Raises
    ------
    InputError
        It is a folder or a file of another kind, a part of its path is a file, or its folder cannot be written to.
    """
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name a file with {option}")
    output_folder(file.parent, option)
    if kind is not None and file.exists() and not _KINDS[kind](file):
        raise InputError(f"{file}: is there and is no {kind} file; name another with {option}")
    return file


def _is_positions(file: Path) -> bool:
    return _parquet_format(file).startswith("nightstack-positions/")


def _is_surveyed(file: Path) -> bool:
    return _parquet_format(file).startswith("nightstack-surveyed/")


def is_coverage(file: Path) -> bool:
    """Say whether a file is a coverage file, which is written beside positions."""
    return _parquet_format(file).startswith("nightstack-coverage/")


def _parquet_format(file: Path) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = (pq.read_schema(file).metadata or {}).get(b"format", b"")
    except (OSError, pa.ArrowException, ValueError):
        return ""
    return said.decode("utf-8", "replace")


def _is_calibration(file: Path) -> bool:
    try:
        said = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and str(said.get("format", "")).startswith("nightstack-calibration/")


def _is_exceptions(file: Path) -> bool:
    from reports.exceptions_csv import COLUMNS

    return _begins(file, ",".join(COLUMNS).encode())


def _is_page(file: Path) -> bool:
    return _begins(file, b"<!doctype html")


def _begins(file: Path, text: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(text)).lower() == text.lower()


_KINDS: dict[str, Callable[[Path], bool]] = {
    "positions": _is_positions, "calibration": _is_calibration, "exceptions": _is_exceptions, "page": _is_page,
    "surveyed": _is_surveyed,
}  # fmt: skip
