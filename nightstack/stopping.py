"""Work that must be ended properly, whoever ends it: Ctrl-C, a closed terminal, a service manager."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = ("SIGTERM", "SIGHUP")


class Stopping:
    """While it is entered, SIGTERM and SIGHUP raise KeyboardInterrupt, as SIGINT does; the first one only.

    A reader that is told to read goes on transmitting if nobody tells it to stop.

    Attributes
    ----------
    by : str
        What ended the work, in words; empty: nothing so far.
    """

    def __init__(self) -> None:
        self.by = ""
        self._over = False
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
        if self._over:
            return
        self._over, self.by = True, signal.Signals(number).name
        raise KeyboardInterrupt

    def ending(self) -> None:
        """From now on such signals wait for the end, which is near."""
        self._over = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
