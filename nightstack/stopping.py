"""Work that must be ended properly, whoever ends it: Ctrl-C, a closed terminal, a service manager."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = {"SIGINT": "the keyboard", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}


class Stopping:
    """Turns SIGINT, SIGTERM and SIGHUP into a wish to stop, while it is entered.

    A reader that is told to read goes on transmitting if nobody tells it to stop. At first such a signal raises
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
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            # What is ignored stays so: `nohup` means it.
            if number is None or signal.getsignal(number) is signal.SIG_IGN:
                continue
            try:
                self._before[number] = signal.signal(number, self._on)
            except ValueError:  # not the main thread
                return self
        return self

    def _on(self, number: int, _frame: FrameType | None) -> None:
        again, self.by = bool(self.by), self.by or _SIGNALS[signal.Signals(number).name]
        if number == signal.SIGINT if again else not self._gently:
            raise KeyboardInterrupt

    def gently(self) -> None:
        """From now on whoever works looks at `by`."""
        self._gently = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
