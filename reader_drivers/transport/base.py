"""What connections share: the bytes' interface, waiting that another thread can end, and why a line failed."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from typing import Protocol

from reader_drivers._reader import ReaderError

MOST_BYTES = 1 << 18
"""Taken from a line at once."""


class LinkLostError(ReaderError):
    """The connection to the reader is over."""


class Wake:
    """Lets one thread end another's wait for bytes."""

    def __init__(self) -> None:
        self._far, self._near = socket.socketpair()
        self._far.setblocking(False)
        self._near.setblocking(False)

    def fileno(self) -> int:
        """Return what to select on."""
        return self._near.fileno()

    def set(self) -> None:
        """End the wait that is under way, or the next one."""
        # A full pipe wakes as well as one byte does; a closed one has nobody left to wake.
        with contextlib.suppress(OSError):
            self._far.send(b"\0")

    def clear(self) -> None:
        """Forget that `set` was called."""
        with contextlib.suppress(BlockingIOError):
            while self._near.recv(4096):
                pass

    def wait(self, timeout_s: float) -> None:
        """Wait for `set`, at most `timeout_s`."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._near, selectors.EVENT_READ)
            if selector.select(max(0.0, timeout_s)):
                self.clear()

    def close(self) -> None:
        """Free the pipe."""
        self._far.close()
        self._near.close()


class Transport(Protocol):
    """Bytes to and from a reader; one thread uses it.

    Attributes
    ----------
    where
        The reader, as messages name it.
    byte_s
        Seconds that a byte takes on the line; 0 where the line is much faster than the reader.
    """

    @property
    def where(self) -> str:
        """Return the reader as messages name it."""
        ...

    @property
    def byte_s(self) -> float:
        """Return how long a byte takes on the line, s."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of `data`; raises LinkLostError."""
        ...

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s`; empty when nothing came or when woken.

        Raises
        ------
        LinkLostError
            The connection is over.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class HasFileno(Protocol):
    """What can be selected on."""

    def fileno(self) -> int:
        """Return its file descriptor."""
        ...


class Watched:
    """Waits for bytes on something with a file descriptor, or to be woken."""

    def __init__(self, source: HasFileno, wake: Wake) -> None:
        self._source, self._wake = source, wake
        self._selector = selectors.DefaultSelector()
        self._selector.register(source, selectors.EVENT_READ)
        self._selector.register(wake, selectors.EVENT_READ)

    def wait(self, timeout_s: float) -> bool:
        """Return whether bytes (or the end) are there."""
        ready = self._selector.select(max(0.0, timeout_s))
        hit = {key.fileobj for key, _ in ready}
        if self._wake in hit:
            self._wake.clear()
        return self._source in hit

    def close(self) -> None:
        """Free the selector."""
        self._selector.close()


def reason(error: BaseException) -> str:
    """Return why a line or a connection failed, in the system's words."""
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        # pyserial's own texts have the path once more, and the number.
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
