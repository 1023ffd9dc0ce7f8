"""The options of an `llrp://` URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from reader_drivers._reader import ReaderError, ReaderSettings
from reader_drivers.llrp.codec import LLRP_PORT


@dataclass(frozen=True, slots=True)
class Options:
    """Where a reader is and how to treat it.

    Parameters
    ----------
    host, port
        Where it listens.
    settings
        What `Reader.start` uses for all that it is not told.
    phase_sign
        What the reader's own angle is multiplied by so that it grows with distance. 1, the default: Speedway readers'
        phase falls towards the point of closest approach and rises after it (Shangguan et al., STPP, NSDI 2015; Yang
        et al., Tagoram, MobiCom 2014). -1: the reader at hand reports the opposite.
    doppler
        True: ask for the Doppler shift too.
    population
        Tags expected in the field, for the reader's anti-collision.
    timeout_s
        Limit for connecting and for each answer.
    retry_s, retry_max_s
        First and longest delay before a lost reader is tried again.
    """

    host: str
    port: int
    settings: ReaderSettings
    phase_sign: int = 1
    doppler: bool = False
    population: int = 32
    timeout_s: float = 5.0
    retry_s: float = 0.5
    retry_max_s: float = 30.0


def _ports(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _search(text: str) -> str:
    if text not in ("dual", "single", "focus"):
        raise ValueError(text)
    return text


def _flag(text: str) -> bool:
    return {"0": False, "1": True, "false": False, "true": True}[text]


def _sign(text: str) -> int:
    return {"1": 1, "+1": 1, "-1": -1, " 1": 1}[text]


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 86400:
        raise ValueError(text)
    return value


_SETTINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ports": ("ports", _ports),
    "power": ("power_dbm", float),
    "session": ("session", int),
    "search": ("search", _search),
    "mode": ("rf_mode", int),
    "channels": ("channels", _ports),
    "keepalive": ("keepalive_s", _positive),
}
_OWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "phase_sign": ("phase_sign", _sign),
    "doppler": ("doppler", _flag),
    "population": ("population", int),
    "timeout": ("timeout_s", _positive),
    "retry": ("retry_s", _positive),
    "retry_max": ("retry_max_s", _positive),
}


def parse_options(url: str) -> Options:
    """Read an `llrp://host:port?option=value` URL.

    Raises
    ------
    ReaderError
        No host, a port that is none, or an option that is unknown or has no such value.
    """
    try:
        parts = urlsplit(url)
        port = LLRP_PORT if parts.port is None else parts.port
        if port == 0:
            raise ValueError(url)
    except ValueError as error:
        raise ReaderError(f"{url}: host or port cannot be; a port is a number from 1 to 65535") from error
    if not parts.hostname:
        raise ReaderError(f"{url}: no host; write llrp://HOST:PORT, such as llrp://192.168.1.10:{LLRP_PORT}")
    settings: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        place, table = (settings, _SETTINGS) if name in _SETTINGS else (own, _OWN)
        if name not in table:
            known = ", ".join([*_SETTINGS, *_OWN])
            raise ReaderError(f"{url}: unknown option {name}; known are {known}")
        field, convert = table[name]
        try:
            place[field] = convert(text)
        except (ValueError, KeyError) as error:
            raise ReaderError(
                f"{url}: option {name} cannot be {text!r}; see docs/reader_drivers.md"
            ) from error
    return Options(parts.hostname, port, ReaderSettings(**settings), **own)


def merge_settings(asked: ReaderSettings | None, base: ReaderSettings) -> ReaderSettings:
    """Fill what `asked` leaves open with `base`."""
    if asked is None:
        return base
    plain = ReaderSettings()
    open_fields = [name for name in ReaderSettings.__slots__ if getattr(asked, name) == getattr(plain, name)]
    return replace(asked, **{name: getattr(base, name) for name in open_fields})
