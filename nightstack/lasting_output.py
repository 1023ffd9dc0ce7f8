"""Output that may lose whoever reads it: a pipe that is closed, a terminal that is gone, a disk that is full."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO


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
        # What it still holds has to go somewhere, or the interpreter complains of it at its end.
        with contextlib.suppress(OSError, ValueError):
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, self._stream.fileno())
            os.close(silent)
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


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
