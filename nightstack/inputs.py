"""What a command is given to read: looked for before anything heavy is imported, so that a mistyped path costs no wait.

Only names are checked here, with the standard library alone; what is in the files is for those who read them.
"""

from __future__ import annotations

from pathlib import Path

from nightstack.errors import InputError, one_line

REFERENCES_HAVE = "it must have the columns epc, x_m, y_m and may have z_m"
"""What a table of reference tags looks like."""
_NEEDED = ("run.json", "readings.parquet", "poses.parquet")
_LIBRARY = ("plan.json", "radio.json")


def recording_folder(folder: Path) -> Path:
    """Check that a folder is there and has the files that every recording has.

    Raises
    ------
    InputError
    """
    _scan_folder(folder)
    for name in _NEEDED:
        if not _is_there(folder / name):
            raise InputError(f"{folder / name}: is missing; {_instead(folder)}")
    return folder


def _instead(folder: Path) -> str:
    """Say what to name instead of a folder that is no recording."""
    if _is_there(folder / "recording" / "run.json"):
        return f"name the recording in it, {folder / 'recording'}"
    if _is_there(folder / "radio.json"):
        return f"this is a simulated library; scan it with: nightstack sim record {folder} --out FOLDER"
    return "a recording folder needs it"


def recording_or_combined(folder: Path) -> Path:
    """Check the same of a recording folder or of one that ``combine`` wrote, which has positions instead of readings.

    Raises
    ------
    InputError
    """
    _scan_folder(folder)
    if not _is_there(folder / "readings.parquet") and _is_there(folder / "positions.parquet"):
        if not _is_there(folder / "run.json"):
            raise InputError(f"{folder / 'run.json'}: is missing; {_instead(folder)}")
        return folder
    return recording_folder(folder)


def library_folder(folder: Path) -> Path:
    """Check that a folder is one that ``sim library`` made.

    Raises
    ------
    InputError
    """
    make = "make the library with: nightstack sim library"
    if not _is_folder(folder):
        what = "is a file" if _is_there(folder) else "is missing"
        raise InputError(f"{folder}: {what}; {make}")
    for name in _LIBRARY:
        if not _is_there(folder / name):
            raise InputError(f"{folder / name}: is missing; {make}")
    return folder


def input_file(file: Path, otherwise: str) -> Path:
    """Check that a file is there.

    Parameters
    ----------
    file
        What was named.
    otherwise
        What to do if it is not.

    Returns
    -------
    Path
        The same file.

    Raises
    ------
    InputError
        It is not there, or is a folder.
    """
    if _is_folder(file):
        raise InputError(f"{file}: is a folder where a file should be; {otherwise}")
    if not _is_there(file):
        raise InputError(f"{file}: no such file; {otherwise}")
    return file


def plan_file(plan: Path | None) -> Path | None:
    """Return the plan that was named, a file or the one of a folder; None: none was.

    Raises
    ------
    InputError
        It is not there.
    """
    if plan is None:
        return None
    file = plan / "plan.json" if _is_folder(plan) else plan
    if not _is_there(file):
        raise InputError(f"{file}: is missing; name the plan.json of the library with --plan")
    return file


def calibration_file(calibration: Path | None, option: str = "--calibration") -> Path | None:
    """Check that a calibration is there, where one is named.

    Raises
    ------
    InputError
    """
    if calibration is not None:
        input_file(calibration, f"name a calibration with {option}: `nightstack calibrate` makes one")
    return calibration


def holdings_file(holdings: Path | None) -> Path | None:
    """Check that a catalogue is there, where one is named.

    Raises
    ------
    InputError
    """
    return holdings if holdings is None else input_file(holdings, "name the catalogue with --holdings FILE")


def _scan_folder(folder: Path) -> None:
    if not _is_folder(folder):
        what = "is a file, not a recording folder" if _is_there(folder) else "is missing"
        raise InputError(
            f"{folder}: {what}; name the folder that holds a scan's {', '.join(_NEEDED[:-1])} and {_NEEDED[-1]}"
        )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise InputError(f"{path}: cannot be read ({one_line(OSError(error.strerror))})") from None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({one_line(OSError(error.strerror))})") from None
