"""Progress of long work: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

_PLAIN_EVERY_S = 5.0
"""Seconds between plain lines: a log of a night stays readable."""


class ProgressCallback(Protocol):
    """What every long-running function of ours takes: the share done (0..1) and what is being done."""

    def __call__(self, share: float, what: str, /) -> None:
        """Say that ``share`` of the work is done and ``what`` is being done now."""
        ...


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Generator[ProgressCallback]:
    """Show the progress of one piece of work.

    Parameters
    ----------
    title
        What the work is, before the bar.
    quiet
        Show nothing (``--json`` output, tests).

    Yields
    ------
    ProgressCallback
        To be called with the share done and a few words.
    """
    if quiet:
        yield lambda _share, _what: None
    elif sys.stderr.isatty():
        yield from _bar(title)
    else:
        yield from _lines(title)


def _bar(title: str) -> Generator[ProgressCallback]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.fields[title]}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, title=title)

        def update(share: float, what: str, /) -> None:
            bar.update(task, completed=min(max(share, 0.0), 1.0), description=what)

        yield update
        bar.update(task, completed=1.0, description="done")


def _lines(title: str) -> Generator[ProgressCallback]:
    last_line = 0.0
    last_text = ""

    def update(share: float, what: str, /) -> None:
        nonlocal last_line, last_text
        now = time.monotonic()
        text = f"{title}: {share:.0%} {what}".rstrip()
        if text != last_text and now - last_line >= _PLAIN_EVERY_S:
            print(text, file=sys.stderr, flush=True)
            last_line, last_text = now, text

    yield update
    print(f"{title}: done", file=sys.stderr, flush=True)
