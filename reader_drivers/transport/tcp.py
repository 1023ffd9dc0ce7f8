"""A connection to a reader over TCP."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

from reader_drivers._reader import ReaderError
from reader_drivers.targets import TcpTarget
from reader_drivers.transport.base import MOST_BYTES, LinkLostError, Wake, Watched, reason
from reader_drivers.transport.names import connect

_KNOCK_S = 0.3


class TcpTransport:
    """Bytes to and from `host:port`.

    Parameters
    ----------
    where
        The reader, as messages name it.
    target
        Where it listens.
    timeout_s
        Limit for connecting, looking up its name included, and for each send.
    wake
        Ends a `receive` early.
    connect_s
        Limit for connecting, where it is another one.

    Raises
    ------
    ReaderError
        Nothing answers there.
    """

    byte_s = 0.0

    def __init__(
        self, where: str, target: TcpTarget, timeout_s: float, wake: Wake, connect_s: float | None = None
    ) -> None:
        self.where = where
        limit = timeout_s if connect_s is None else connect_s
        try:
            self._socket = connect(target.host, target.port, limit)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ReaderError(
                f"{self.where}: cannot be reached ({reason}); check that the reader is on, its address and the cable"
            ) from error
        self._socket.settimeout(timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _probe(self._socket)
        self.ends: Ends = self._socket.getsockname(), self._socket.getpeername()
        """Our address and the reader's, as sockets name them."""
        self._watched = Watched(self._socket, wake)

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
            raise LinkLostError(f"{self.where}: connection lost while sending ({reason(error)})") from error

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived; see `Transport.receive`."""
        if not self._watched.wait(timeout_s):
            return b""
        try:
            data = self._socket.recv(MOST_BYTES)
        except OSError as error:
            raise LinkLostError(f"{self.where}: connection lost ({reason(error)})") from error
        if not data:
            raise LinkLostError(
                f"{self.where}: the reader closed the connection; it booted, or another program took it"
            )
        return data

    def close(self) -> None:
        """Close the connection."""
        self._watched.close()
        self._socket.close()

    def abort(self) -> None:
        """Close a connection that is lost: nothing of it is left that would hold its port; see `release`."""
        _forget_at_close(self._socket)
        self.close()


Ends = tuple[Any, Any]


def release(ends: Ends) -> None:
    """Let a reader give up a connection that is lost on our side alone.

    Where the cable was out for a while, the end of a connection did not reach the reader, and may not for a minute: it
    is sent again at ever longer intervals. A reader that has one client at a time refuses us meanwhile. To a SYN on the
    connection that it believes in its system answers with an acknowledgement that ours must refuse by a reset, and
    that ends it (RFC 9293, section 3.5.1: half-open connections).

    Parameters
    ----------
    ends
        Of the lost connection, which `TcpTransport.abort` closed.
    """
    ours, theirs = ends
    with socket.socket(socket.AF_INET6 if len(ours) > 2 else socket.AF_INET) as knock:
        knock.settimeout(_KNOCK_S)
        knock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _forget_at_close(knock)
        # It is not there, our address has changed, or it knows of no such connection: then there is nothing to end.
        with contextlib.suppress(OSError):
            knock.bind(ours)
            knock.connect(theirs)


def _forget_at_close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _probe(connection: socket.socket) -> None:
    """Let the system ask, each second that nothing is heard, whether the other end still knows of the connection.

    A reader that lost its power says no good-bye; once it is back it answers such a probe with a reset. How long a
    silence is borne is the drivers' affair.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 100)):
        # Not every system has all three; without them connections are watched by the drivers alone.
        if (option := getattr(socket, name, None)) is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
