"""Where a reader is, and the options of its URL.

A reader's URL names its protocol and its place: ``m100:///dev/ttyUSB0?baud=115200`` (a serial line),
``m100://COM3``, ``m100://tcp://192.168.1.20:8080`` or, shorter, ``m100://192.168.1.20:8080``. The query holds options:
those of `ReaderSettings` under short names, those of every driver, and the driver's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from reader_drivers._reader import ReaderSettings, SettingsError


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


class OptionError(ValueError):
    """The value of an option cannot be; the text says what it can be."""


def ports(text: str) -> tuple[int, ...]:
    """Read numbers with commas between them."""
    if re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text) is None:
        raise OptionError("numbers with commas between them, such as 1,2")
    return tuple(int(part) for part in text.split(","))


def flag(text: str) -> bool:
    """Read 0, 1, false or true."""
    told = {"0": False, "1": True, "false": False, "true": True}.get(text.lower())
    if told is None:
        raise OptionError("1 or 0")
    return told


def sign(text: str) -> int:
    """Read 1 or -1; the + of a URL's query is a blank."""
    told = {"1": 1, "+1": 1, "-1": -1, " 1": 1}.get(text)
    if told is None:
        raise OptionError("1 or -1")
    return told


def number(
    least: float, most: float, kind: Callable[[str], Any] = int, unit: str = ""
) -> Callable[[str], Any]:
    """Return what reads a number of a kind (int, float) from `least` to `most`."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            # Not 1.2e+07.
            low, high = (f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (least, most))
            raise OptionError(f"a {'whole ' if kind is int else ''}number from {low} to {high}{unit}")
        return value

    return read


def positive(text: str) -> float:
    """Read a number of seconds above 0 and below a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86400:
        raise OptionError("a number of seconds above 0 and below a day")
    return value


def choice(*known: str) -> Callable[[str], str]:
    """Return what reads one of these words."""

    def read(text: str) -> str:
        if text not in known:
            raise OptionError(" or ".join(part for part in (", ".join(known[:-1]), known[-1]) if part))
        return text

    return read


_dbm = number(-100, 100, float, " dBm")


def _port_powers(text: str) -> dict[int, float]:
    pairs = re.findall(r"(\d+):([^,]+)", text)
    if ",".join(f"{port}:{dbm}" for port, dbm in pairs) != text or not pairs:
        raise OptionError("ports and powers in dBm, such as 1:27,4:17.5")
    return {int(port): _dbm(dbm) for port, dbm in pairs}


SETTINGS: Final[Table] = {
    "ports": ("ports", ports),
    "power": ("power_dbm", _dbm),
    "port_power": ("port_power_dbm", _port_powers),
    "session": ("session", number(0, 3)),
    "search": ("search", choice("dual", "single", "focus")),
    "mode": ("rf_mode", number(0, 0xFFFFFFFF)),
    "channels": ("channels", ports),
    "keepalive": ("keepalive_s", positive),
    "region": ("region", str.upper),
    "q": ("q", number(0, 15)),
    "target": ("target", choice("A", "B", "AB")),
}
"""Options of a URL that are fields of `ReaderSettings`."""

COMMON: Final[Table] = {
    "timeout": ("timeout_s", positive),
    "retry": ("retry_s", positive),
    "retry_max": ("retry_max_s", positive),
}
"""Options of a URL that are fields of `Common`."""

_LINE: Final[Table] = {"baud": ("baud", number(300, 12_000_000)), "parity": ("parity", choice("N", "E", "O"))}


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
    SettingsError
        No place, one that this protocol has not, or an option that is unknown or has no such value; one line.
    """
    scheme, _, rest = url.partition("://")
    if "#" in rest:
        raise SettingsError(f"{url}: a # has no meaning here; write %23 where it belongs to a name")
    place, _, query = rest.partition("?")
    wired = _LINE if line.baud is not None else {}
    options = _options(url, query, {**SETTINGS, **COMMON, **wired, **(own or {})})
    taken = _split(options, _LINE)
    target = _target(url, scheme, place, line, taken)
    settings, common = _split(options, SETTINGS), _split(options, COMMON)
    tcp = isinstance(target, TcpTarget)
    if tcp and taken:
        raise SettingsError(
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
            raise SettingsError(f"{url}: unknown option {name}; known are {', '.join(table)}")
        if table[name][0] in {table[other][0] for other in made}:
            raise SettingsError(f"{url}: option {name} stands twice; leave one out")
        try:
            made[name] = table[name][1](text)
        except (ValueError, KeyError) as error:
            such = f"it can be {error}" if isinstance(error, OptionError) else "see docs/reader_drivers.md"
            raise SettingsError(f"{url}: option {name} cannot be {text!r}; {such}") from error
    return made


def _target(url: str, scheme: str, place: str, line: Line, options: Mapping[str, Any]) -> Target:
    place = unquote(place.removeprefix("tcp://").removeprefix("serial://"))
    serial = place.startswith("/") or re.fullmatch(r"(?i)com\d+", place) is not None
    if serial:
        if line.baud is None:
            raise SettingsError(
                f"{url}: readers of this protocol have no serial line; write {scheme}://HOST:PORT"
            )
        baud = options.get("baud", line.baud)
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
        raise SettingsError(f"{url}: host or port cannot be; a port is a number from 1 to 65535") from error
    if parts.username is not None or parts.path not in ("", "/"):
        odd = "a user" if parts.username is not None else f"the path {parts.path}"
        raise SettingsError(f"{url}: {odd} has no meaning here; {usage}")
    if not parts.hostname:
        raise SettingsError(f"{url}: no host; {usage}")
    if port is None:
        raise SettingsError(f"{url}: no port; {usage}")
    return TcpTarget(parts.hostname, port)


def merge_settings(asked: ReaderSettings | None, base: ReaderSettings) -> ReaderSettings:
    """Fill what `asked` leaves open with `base`."""
    if asked is None:
        return base
    plain = ReaderSettings()
    open_fields = [name for name in ReaderSettings.__slots__ if getattr(asked, name) == getattr(plain, name)]
    return replace(asked, **{name: getattr(base, name) for name in open_fields})


def refuse_all_but(url: str, settings: ReaderSettings, followed: Collection[str]) -> None:
    """Refuse every setting that a reader cannot follow, so that none is passed over.

    Parameters
    ----------
    url
        Named in the error.
    settings
        What it is asked to do.
    followed
        Fields of `ReaderSettings` that it can follow.

    Raises
    ------
    SettingsError
        Another field is not at its default; one line that names it as URLs do.
    """
    plain, option = ReaderSettings(), {field: name for name, (field, _) in SETTINGS.items()}
    for name in ReaderSettings.__slots__:
        asked = getattr(settings, name)
        if name not in followed and asked != getattr(plain, name):
            raise SettingsError(f"{url}: {option[name]} cannot be set on this reader; leave it out")
