"""What the agent sets in its process, for as long as it runs: signals and the switching of threads."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

_SWITCH_S: Final = 0.0005


@contextmanager
def ending_signals(end: Callable[[str], None]) -> Generator[None]:
    """Call `end` with the signal's name on SIGTERM and SIGINT; does nothing outside the main thread.

    SIGHUP is ignored meanwhile: a terminal that is closed does not end a night.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: object) -> None:
        end(signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def quick_threads() -> Generator[None]:
    """Let the interpreter change threads more often, so that a base report is not kept waiting by a decoder."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
