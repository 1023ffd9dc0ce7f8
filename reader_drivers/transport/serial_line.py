"""A connection to a reader over a serial line."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from pathlib import Path

import serial

from reader_drivers._reader import ReaderError
from reader_drivers.targets import SerialTarget
from reader_drivers.transport.base import MOST_BYTES, LinkLostError, Wake, Watched, reason

try:
    # pyserial lets it through; it is no OSError.
    from termios import error as termios_error
except ImportError:  # Windows
    termios_error = OSError

_REFUSED = (OSError, termios_error)  # what pyserial raises itself is an OSError

_POLL_S = 0.01


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
        except OSError as error:
            raise LinkLostError(f"{self.where}: line lost while sending ({_why(error)})") from error

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived; see `Transport.receive`."""
        if self._watched is None:
            return self._poll(timeout_s)
        if not self._watched.wait(timeout_s):
            return b""
        try:
            # pyserial's own read asks for one byte at a time where none are counted; the line is ready.
            data = os.read(self._line.fileno(), MOST_BYTES)
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
        except OSError as error:
            raise LinkLostError(f"{self.where}: line lost ({_why(error)})") from error
        return data

    def close(self) -> None:
        """Close the line."""
        if self._watched is not None:
            self._watched.close()
        # A line that is gone cannot be flushed, and need not be.
        with contextlib.suppress(OSError):
            self._line.close()


def _parity(target: SerialTarget) -> str:
    # A pseudo terminal carries bytes and no bits; asked for parity, Linux refuses the second time.
    return "N" if os.path.realpath(target.path).startswith("/dev/pts/") else target.parity


def _why(error: BaseException) -> str:
    found = re.match(r"\((\d+), ", str(error))  # termios' error, and pyserial around it
    if isinstance(error, termios_error) and found is not None:
        return os.strerror(int(found[1]))
    return reason(error)


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
