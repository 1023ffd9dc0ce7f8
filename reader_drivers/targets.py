"""Where a reader is, and the options of its URL.

A reader's URL names its protocol and its place: ``m100:///dev/ttyUSB0?baud=115200`` (a serial line),
``m100://COM3``, ``m100://tcp://192.168.1.20:8080`` or, shorter, ``m100://192.168.1.20:8080``. The query holds options:
those of `ReaderSettings` under short names, those of every driver, and the driver's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from reader_drivers._reader import ReaderError, ReaderSettings


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """A reader that listens at `host:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialTarget:
    """A reader on a serial line; `parity` is `N`, `E` or `O`."""

    path: str
    baud: int
    parity: str = "N"

    def __str__(self) -> str:
        return self.path


Target = TcpTarget | SerialTarget


@dataclass(frozen=True, slots=True)
class Line:
    """How a protocol's readers are usually wired; None where they have no such connection.

    Parameters
    ----------
    port
        TCP port; of serial readers that of their network model or of a serial device server.
    baud, parity
        Of the serial line.
    """

    port: int | None
    baud: int | None = None
    parity: str = "N"


@dataclass(frozen=True, slots=True)
class Common:
    """What every driver can be told in its URL.

    Parameters
    ----------
    timeout_s
        Limit for connecting and for each answer.
    retry_s, retry_max_s
        First and longest delay before a lost reader is tried again. The longest is short enough that a reader is
        reading again within five seconds of its return.
    """

    timeout_s: float = 5.0
    retry_s: float = 0.5
    retry_max_s: float = 3.0


Table = Mapping[str, tuple[str, Callable[[str], Any]]]


def ports(text: str) -> tuple[int, ...]:
    """Read numbers with commas between them."""
    return tuple(int(part) for part in text.split(","))


def flag(text: str) -> bool:
    """Read 0, 1, false or true."""
    return {"0": False, "1": True, "false": False, "true": True}[text]


def sign(text: str) -> int:
    """Read 1 or -1; the + of a URL's query is a blank."""
    return {"1": 1, "+1": 1, "-1": -1, " 1": 1}[text]


def positive(text: str) -> float:
    """Read a number of seconds above 0 and below a day."""
    value = float(text)
    if not 0 < value < 86400:
        raise ValueError(text)
    return value


def decibels(text: str) -> float:
    """Read a finite number of dBm."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def choice(*known: str) -> Callable[[str], str]:
    """Return what reads one of these words."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return read


def _port_powers(text: str) -> dict[int, float]:
    pairs = (part.split(":") for part in text.split(","))
    return {int(port): decibels(dbm) for port, dbm in pairs}


SETTINGS: Final[Table] = {
    "ports": ("ports", ports),
    "power": ("power_dbm", decibels),
    "port_power": ("port_power_dbm", _port_powers),
    "session": ("session", int),
    "search": ("search", choice("dual", "single", "focus")),
    "mode": ("rf_mode", int),
    "channels": ("channels", ports),
    "keepalive": ("keepalive_s", positive),
    "region": ("region", str.upper),
    "q": ("q", int),
    "target": ("target", choice("A", "B", "AB")),
}
"""Options of a URL that are fields of `ReaderSettings`."""

COMMON: Final[Table] = {
    "timeout": ("timeout_s", positive),
    "retry": ("retry_s", positive),
    "retry_max": ("retry_max_s", positive),
}
"""Options of a URL that are fields of `Common`."""

_LINE: Final[Table] = {"baud": ("baud", int), "parity": ("parity", choice("N", "E", "O"))}


@dataclass(frozen=True, slots=True)
class Address:
    """A reader's URL, read.

    Attributes
    ----------
    where
        The URL without its options, as messages name the reader.
    target, settings, common
    own
        The driver's own options by the names of their fields.
    """

    where: str
    target: Target
    settings: ReaderSettings
    common: Common
    own: Mapping[str, Any]


def read_url(url: str, line: Line, own: Table | None = None) -> Address:
    """Read a reader's URL.

    Parameters
    ----------
    url
    line
        How readers of this protocol are wired.
    own
        The driver's own options: name to field and reader of the value.

    Raises
    ------
    ReaderError
        No place, one that this protocol has not, or an option that is unknown or has no such value; one line.
    """
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    options = _options(url, query, {**SETTINGS, **COMMON, **_LINE, **(own or {})})
    taken = _split(options, _LINE)
    target = _target(url, scheme, place, line, taken)
    settings, common = _split(options, SETTINGS), _split(options, COMMON)
    tcp = isinstance(target, TcpTarget)
    if tcp and taken:
        raise ReaderError(
            f"{url}: option {next(iter(taken))} is of serial lines, and this is none; leave it out"
        )
    return Address(
        f"{scheme}://{target}",
        target,
        ReaderSettings(**settings),
        Common(**common),
        _split(options, own or {}),
    )


def _split(options: Mapping[str, Any], table: Table) -> dict[str, Any]:
    return {table[name][0]: value for name, value in options.items() if name in table}


def _options(url: str, query: str, table: Table) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in table:
            raise ReaderError(f"{url}: unknown option {name}; known are {', '.join(table)}")
        try:
            made[name] = table[name][1](text)
        except (ValueError, KeyError) as error:
            raise ReaderError(
                f"{url}: option {name} cannot be {text!r}; see docs/reader_drivers.md"
            ) from error
    return made


def _target(url: str, scheme: str, place: str, line: Line, options: Mapping[str, Any]) -> Target:
    place = unquote(place.removeprefix("tcp://").removeprefix("serial://"))
    serial = place.startswith("/") or re.fullmatch(r"(?i)com\d+", place) is not None
    if serial:
        if line.baud is None:
            raise ReaderError(
                f"{url}: readers of this protocol have no serial line; write {scheme}://HOST:PORT"
            )
        baud = options.get("baud", line.baud)
        if not 300 <= baud <= 12_000_000:
            raise ReaderError(f"{url}: option baud cannot be {baud}; usual are 9600 to 921600")
        return SerialTarget(place, baud, options.get("parity", line.parity))
    usage = f"write {scheme}://HOST:PORT" + (
        f" or {scheme}:///dev/ttyUSB0"
        if line.baud is not None
        else f", such as {scheme}://192.168.1.10:{line.port}"
    )
    try:
        parts = urlsplit(f"//{place}")
        port = line.port if parts.port is None else parts.port
        if port == 0:
            raise ValueError(url)
    except ValueError as error:
        raise ReaderError(f"{url}: host or port cannot be; a port is a number from 1 to 65535") from error
    if not parts.hostname:
        raise ReaderError(f"{url}: no host; {usage}")
    if port is None:
        raise ReaderError(f"{url}: no port; {usage}")
    return TcpTarget(parts.hostname, port)


def merge_settings(asked: ReaderSettings | None, base: ReaderSettings) -> ReaderSettings:
    """Fill what `asked` leaves open with `base`."""
    if asked is None:
        return base
    plain = ReaderSettings()
    open_fields = [name for name in ReaderSettings.__slots__ if getattr(asked, name) == getattr(plain, name)]
    return replace(asked, **{name: getattr(base, name) for name in open_fields})
