"""Progress of long work: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Protocol

_PLAIN_EVERY_S = 10.0
"""Seconds between plain lines of one step: a log of a night stays readable."""
_WORK_CPU_S = 0.5
"""Processor seconds that count as work."""


class ProgressCallback(Protocol):
    """What every long-running function of ours takes: the share done (0..1) and what is being done."""

    def __call__(self, share: float, what: str, /) -> None:
        """Say that ``share`` of the work is done and ``what`` is being done now."""
        ...


@contextmanager
def progress(title: str, *, quiet: bool = False, computing: bool = False) -> Generator[ProgressCallback]:
    """Show the progress of one piece of work.

    Parameters
    ----------
    title
        What the work is, before the bar.
    quiet
        Show nothing (``--json`` output, tests).
    computing
        The work is this process's own: plain lines also tell the processor time that a long step uses, so that it
        can be told from a hang.

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
        yield from _lines(title, computing)


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


def _lines(title: str, computing: bool) -> Generator[ProgressCallback]:
    last_line = last_cpu = step_cpu = 0.0
    last_text = last_step = ""
    lock = Lock()

    def update(share: float, what: str, /) -> None:
        nonlocal last_line, last_text, last_step, last_cpu, step_cpu
        # A count or a time that goes on is the same step.
        text, step = f"{title}: {share:.0%} {what}".rstrip(), re.sub(r"\d[\d.,:]*", "", what)
        with lock:
            now = time.monotonic()
            if step == last_step and (text == last_text or now - last_line < _PLAIN_EVERY_S):
                return
            last_cpu = time.process_time()
            if step != last_step:
                step_cpu = last_cpu
            last_line, last_text, last_step = now, text, step
            if what != "done":  # said once more, at the end
                _print(text)

    def beat() -> None:
        nonlocal last_line, last_cpu
        while not over.wait(_PLAIN_EVERY_S / 10.0):
            with lock:
                now, cpu = time.monotonic(), time.process_time()
                if last_text and now - last_line >= _PLAIN_EVERY_S and cpu - last_cpu >= _WORK_CPU_S:
                    _print(f"{last_text} ({cpu - step_cpu:.0f} s of processor time)")
                    last_line, last_cpu = now, cpu

    over = Event()
    if computing:
        Thread(target=beat, name=f"{title} progress", daemon=True).start()
    try:
        yield update
    finally:
        over.set()
    with lock:
        _print(f"{title}: done")


def _print(line: str) -> None:
    # In one piece: other threads have warnings to tell, which else come before the end of the line.
    print(f"{line}\n", end="", file=sys.stderr, flush=True)
