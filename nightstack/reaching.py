"""A word to whoever waits for a reader that is long in answering."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from reader_drivers import Reader

_PATIENCE_S: Final = 1.0
"""Who waits no longer than this is told nothing."""


@contextmanager
def reaching(reader: Reader, *, quiet: bool = False) -> Generator[None]:
    """Say on standard error which reader is being reached, where that takes longer than a moment.

    Parameters
    ----------
    reader
        It is reached within the block.
    quiet
        Say nothing: a program reads along.
    """
    limit = "" if reader.timeout_s is None else f" (up to {reader.timeout_s:g} s for each answer)"

    def say() -> None:
        with suppress(OSError, ValueError):  # whoever would read it may have left
            typer.echo(f"nightstack: reaching {reader.url}{limit}", err=True)

    timer = threading.Timer(_PATIENCE_S, say)
    timer.daemon = True
    if not quiet:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if not quiet:
            # What it has begun to say stands before whatever comes next.
            timer.join()
