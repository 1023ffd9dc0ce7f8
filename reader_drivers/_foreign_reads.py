"""Calls of a foreign driver's `read`, in a thread of their own: one that hangs holds nobody up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

_Asked = SimpleQueue[tuple[float, "Future[Any]"] | None]

MOST_HUNG = 50
"""Calls of one driver that may hang at once: each holds a thread, and what the driver had open."""

_hung: list[tuple[str, threading.Thread]] = []


class Reads:
    """Calls `read`, one at a time; used by one thread, except that `settled` and `end` may come from any.

    Parameters
    ----------
    read
        The driver's.
    name
        Of the thread.
    """

    def __init__(self, read: Callable[[float], Any], name: str) -> None:
        self._read = read
        self._name = name
        self._asked: _Asked = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._call: Future[Any] | None = None
        self._since = 0.0
        self._ended = False

    @property
    def lasts_s(self) -> float:
        """Seconds since the call under way was made."""
        return time.monotonic() - self._since

    def ready(self, timeout_s: float, grace_s: float) -> bool:
        """Make a call where none is under way, and wait for it; whether it is back.

        A call is waited for `grace_s` longer than it may take, one that was not back in that time `timeout_s` more.
        """
        limit_s = max(timeout_s, 0.0)
        if self._call is None:
            limit_s += grace_s
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_serve, args=(self._read, self._asked), name=self._name, daemon=True
                )
                self._thread.start()
            self._call, self._since = Future(), time.monotonic()
            self._asked.put((timeout_s, self._call))
        return self.settled(limit_s)

    def take(self) -> Any:
        """Return what the call that is `ready` returned; what it raised is raised here."""
        call, self._call = self._call, None
        assert call is not None
        return call.result(0.0)

    def settled(self, limit_s: float) -> bool:
        """Wait until no call is under way, for so long at most."""
        if self._call is not None:
            try:
                self._call.exception(limit_s)
            except TimeoutError:
                return False
        return True

    def end(self, whose: str) -> None:
        """Let the thread end; one that hangs is noted as a thread of this driver's."""
        if self._ended or self._thread is None:
            return
        self._ended = True
        self._asked.put(None)
        if self.settled(0.0):
            self._thread.join()
        else:
            _hung.append((whose, self._thread))


def hung(whose: str) -> int:
    """Return how many calls of a driver hang that was let go."""
    _hung[:] = [(who, thread) for who, thread in _hung if thread.is_alive()]
    return sum(who == whose for who, _ in _hung)


def _serve(read: Callable[[float], Any], asked: _Asked) -> None:
    while (call := asked.get()) is not None:
        timeout_s, answer = call
        try:
            answer.set_result(read(timeout_s))
        except BaseException as error:  # it is raised again where it was asked for
            answer.set_exception(error)
        del call, answer
