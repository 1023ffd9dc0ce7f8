"""Where results go: checked before the work begins, so that an hour of it is not lost to a mistyped path."""

from __future__ import annotations

import os
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


def output_file(file: Path, option: str = "--out") -> Path:
    """Check that a file can be written or replaced; nothing is made yet.

    Parameters
    ----------
    file
        What the option named.
    option
        The option that names another.

    Returns
    -------
    Path
        The same file.

    Raises
    ------
    InputError
        It is a folder, a part of its path is a file, or its folder cannot be written to.
    """
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name a file with {option}")
    output_folder(file.parent, option)
    return file
