"""Files that appear whole or not at all, and errors of the system that name them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a file to write to that takes the place of ``path`` once all is written; where it fails, none is left.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        The file to write.

    Raises
    ------
    OSError
        What the system said, with ``path`` as the file's name: Parquet's writer names none.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or what was renamed in a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
