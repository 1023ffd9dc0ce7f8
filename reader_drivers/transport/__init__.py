"""A connection to a reader, over TCP or a serial line, with time limits, that another thread can wake."""

from __future__ import annotations

from typing import Final

from reader_drivers.targets import Target, TcpTarget
from reader_drivers.transport.base import LinkLostError, Transport, Wake, Watched
from reader_drivers.transport.serial_line import SerialTransport
from reader_drivers.transport.tcp import Ends, TcpTransport, release
from reader_drivers.transport.tls import Tls, TlsTransport

__all__: Final = [
    "Ends",
    "LinkLostError",
    "SerialTransport",
    "TcpTransport",
    "Tls",
    "TlsTransport",
    "Transport",
    "Wake",
    "Watched",
    "open_transport",
    "release",
]


def open_transport(
    where: str, target: Target, timeout_s: float, wake: Wake
) -> TcpTransport | SerialTransport:
    """Open the connection to a reader; raises ReaderError."""
    if isinstance(target, TcpTarget):
        return TcpTransport(where, target, timeout_s, wake)
    return SerialTransport(where, target, timeout_s, wake)
