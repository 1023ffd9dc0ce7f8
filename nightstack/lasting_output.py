"""Output that may lose whoever reads it: a pipe that is closed, a terminal that is gone, a disk that is full."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from nightstack.errors import CommandError


class OutputGoneError(Exception):
    """Nobody reads standard output any more.

    Parameters
    ----------
    terminal
        It was a terminal that is closed, no pipe.
    """

    def __init__(self, *, terminal: bool) -> None:
        super().__init__("the terminal was closed" if terminal else "the pipe was closed")
        self.terminal = terminal


def silence(stream: TextIO) -> None:
    """Let what a stream is told, and what it still holds, go nowhere.

    What it holds has to go somewhere, or the interpreter complains of it at its end, and ends with another status.
    """
    with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as silent:
        os.dup2(silent.fileno(), stream.fileno())
    with contextlib.suppress(OSError, ValueError):
        stream.flush()


@contextmanager
def telling() -> Generator[None]:
    """Tell something on standard output, and nothing else; where it cannot take that, it is silent from then on.

    Raises
    ------
    OutputGoneError
        Nobody reads it any more.
    CommandError
        It takes nothing for another reason, such as a full disk.
    """
    try:
        yield
    except OSError as error:
        silence(sys.stdout)
        if error.errno in (errno.EPIPE, errno.EIO):
            raise OutputGoneError(terminal=error.errno == errno.EIO) from error
        why = (error.strerror or str(error)).lower()
        raise CommandError(f"standard output: {why}; let it go where there is room") from error


class _Lasting:
    """A stream that is silent from the first write on that fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        silence(self._stream)


@contextmanager
def lasting_output() -> Generator[None]:
    """Let work go on whose standard output or error is closed meanwhile; what it says then is lost."""
    before = sys.stdout, sys.stderr
    lasting: Any = [_Lasting(stream) for stream in before]
    sys.stdout, sys.stderr = lasting
    try:
        yield
    finally:
        for stream in lasting:
            stream.flush()
        sys.stdout, sys.stderr = before
