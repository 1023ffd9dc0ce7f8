"""A TCP connection with time limits, that another thread can wake."""

from __future__ import annotations

import contextlib
import selectors
import socket

from reader_drivers._reader import ReaderError


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


class TcpTransport:
    """Bytes to and from `host:port`.

    Parameters
    ----------
    host, port
        Where the reader listens.
    timeout_s
        Limit for connecting and for each send.
    wake
        Ends a `receive` early.

    Raises
    ------
    ReaderError
        Nothing answers there.
    """

    def __init__(self, host: str, port: int, timeout_s: float, wake: Wake) -> None:
        self.where = f"llrp://{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ReaderError(
                f"{self.where}: cannot be reached ({reason}); check that the reader is on, its address and the cable"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wake = wake
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(wake, selectors.EVENT_READ)

    def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises
        ------
        LinkLostError
            The connection broke, or the reader takes nothing any more.
        """
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkLostError(f"{self.where}: connection lost while sending ({error})") from error

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s`; empty when nothing came or when woken.

        Raises
        ------
        LinkLostError
            The reader closed the connection, or it broke.
        """
        ready = self._selector.select(max(0.0, timeout_s))
        hit = {key.fileobj for key, _ in ready}
        if self._wake in hit:
            self._wake.clear()
        if self._socket not in hit:
            return b""
        try:
            data = self._socket.recv(1 << 18)
        except OSError as error:
            raise LinkLostError(f"{self.where}: connection lost ({error})") from error
        if not data:
            raise LinkLostError(f"{self.where}: the reader closed the connection")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._selector.close()
        self._socket.close()
