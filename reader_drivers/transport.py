"""A connection to a reader, over TCP or a serial line, with time limits, that another thread can wake."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import socket
import stat
import struct
import time
from pathlib import Path
from typing import Any, Protocol

import serial

from reader_drivers._reader import ReaderError
from reader_drivers.names import connect
from reader_drivers.targets import SerialTarget, Target, TcpTarget

try:
    # pyserial lets it through; it is no OSError.
    from termios import error as termios_error
except ImportError:  # Windows
    termios_error = serial.SerialException

_REFUSED = (serial.SerialException, OSError, termios_error)

_MOST = 1 << 18
_POLL_S = 0.01
_KNOCK_S = 0.3


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
            raise LinkLostError(f"{self.where}: connection lost while sending ({_why(error)})") from error

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived; see `Transport.receive`."""
        if not self._watched.wait(timeout_s):
            return b""
        try:
            data = self._socket.recv(_MOST)
        except OSError as error:
            raise LinkLostError(f"{self.where}: connection lost ({_why(error)})") from error
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


class SerialTransport:
    """Bytes to and from a serial line (a UART, a USB adapter, one end of a pty).

    Parameters
    ----------
    where, timeout_s, wake
        As of `TcpTransport`.
    target
        The line and its speed.

    Raises
    ------
    ReaderError
        There is no such line, or another program holds it.
    """

    def __init__(self, where: str, target: SerialTarget, timeout_s: float, wake: Wake) -> None:
        self.where = where
        try:
            self._line = serial.Serial(
                target.path,
                target.baud,
                parity=_parity(target),
                timeout=0,
                write_timeout=timeout_s,
                exclusive=os.name == "posix" or None,
            )
        except (*_REFUSED, ValueError) as error:
            if os.name == "posix" and _is_no_line(target.path):
                raise ReaderError(f"{where}: is no serial line; {_what_to_do(ValueError())}") from error
            raise ReaderError(f"{where}: cannot be opened ({_why(error)}); {_what_to_do(error)}") from error
        self._watched = Watched(self._line, wake) if os.name == "posix" else None
        self._wake = wake

    @property
    def byte_s(self) -> float:
        """Return how long a byte takes: start bit, 8 data bits, perhaps parity, stop bit."""
        return (10 + (self._line.parity != "N")) / self._line.baudrate

    @property
    def baud(self) -> int:
        """Return the line's speed."""
        return int(self._line.baudrate)

    def set_baud(self, baud: int) -> None:
        """Change the line's speed once what was sent is out; what came in is thrown away."""
        try:
            self._line.flush()
            self._line.baudrate = baud
            self._line.reset_input_buffer()
        except (*_REFUSED, ValueError) as error:
            raise LinkLostError(f"{self.where}: cannot go at {baud} baud ({_why(error)})") from error

    def send(self, data: bytes) -> None:
        """Send all of `data`; see `TcpTransport.send`."""
        try:
            self._line.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkLostError(f"{self.where}: line lost while sending ({_why(error)})") from error

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived; see `Transport.receive`."""
        if self._watched is None:
            return self._poll(timeout_s)
        if not self._watched.wait(timeout_s):
            return b""
        try:
            # pyserial's own read asks for one byte at a time where none are counted; the line is ready.
            data = os.read(self._line.fileno(), _MOST)
        except OSError as error:
            raise LinkLostError(f"{self.where}: line lost ({_why(error)})") from error
        if not data:
            raise LinkLostError(f"{self.where}: the line is gone; is the adapter plugged in?")
        return data

    def _poll(self, timeout_s: float) -> bytes:
        """Wait where lines cannot be selected on (Windows)."""
        until = time.monotonic() + timeout_s
        try:
            while not (data := bytes(self._line.read(self._line.in_waiting or 1))):
                if (left := until - time.monotonic()) <= 0:
                    return b""
                self._wake.wait(min(left, _POLL_S))
        except (serial.SerialException, OSError) as error:
            raise LinkLostError(f"{self.where}: line lost ({_why(error)})") from error
        return data

    def close(self) -> None:
        """Close the line."""
        if self._watched is not None:
            self._watched.close()
        # A line that is gone cannot be flushed, and need not be.
        with contextlib.suppress(serial.SerialException, OSError):
            self._line.close()


def open_transport(
    where: str, target: Target, timeout_s: float, wake: Wake
) -> TcpTransport | SerialTransport:
    """Open the connection to a reader; raises ReaderError."""
    if isinstance(target, TcpTarget):
        return TcpTransport(where, target, timeout_s, wake)
    return SerialTransport(where, target, timeout_s, wake)


def _parity(target: SerialTarget) -> str:
    # A pseudo terminal carries bytes and no bits; asked for parity, Linux refuses the second time.
    return "N" if os.path.realpath(target.path).startswith("/dev/pts/") else target.parity


def _why(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        # pyserial's own texts have the path once more, and the number.
        return os.strerror(number)
    found = re.match(r"\((\d+), ", str(error))  # termios' error, and pyserial around it
    if isinstance(error, termios_error) and found is not None:
        return os.strerror(int(found[1]))
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_no_line(path: str) -> bool:
    """Whether something is there that is no serial line."""
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISCHR(mode):
            return True
        device = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not os.isatty(device)
    finally:
        os.close(device)


def _what_to_do(error: BaseException) -> str:
    text = str(error).lower()
    if "permission" in text:
        return "let this user use serial lines (on Debian: adduser USER dialout), and log in anew"
    if "lock" in text or "busy" in text:
        return "another program holds it; stop that program"
    return "check the cable and the name of the line (`python -m serial.tools.list_ports` lists them)"
