"""Work that must be ended properly, whoever ends it: Ctrl-C, a closed terminal, a service manager."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_SIGNALS: Final[dict[int, str]] = {
    signal.SIGINT: "the keyboard",
    signal.SIGTERM: "SIGTERM",
    signal.SIGHUP: "SIGHUP",
}


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Let a handler take SIGINT, SIGTERM and SIGHUP while the block runs.

    Those that are ignored stay so, as `nohup` or a shell's background job means it. Outside the main thread nothing is
    changed: Python handles signals there only.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


class Stopping:
    """A wish to stop, made of signals that `handling` lets come to it.

    A reader that is told to read goes on transmitting if nobody tells it to stop. At first a signal raises
    KeyboardInterrupt, as SIGINT always does. After `gently` the first one only sets `by`, since an exception that is
    raised anywhere spoils the locks that it comes in the midst of; a second Ctrl-C still raises.

    Attributes
    ----------
    by : str
        What asks for the end, in words; empty: nothing so far.
    """

    def __init__(self) -> None:
        self.by = ""
        self._gently = False

    def come(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal (called by Python)."""
        again, self.by = bool(self.by), self.by or _SIGNALS[number]
        if number == signal.SIGINT if again else not self._gently:
            raise KeyboardInterrupt

    def gently(self) -> None:
        """From now on whoever works looks at `by`."""
        self._gently = True
