"""Whether a driver passes settings over: what no reader can follow is asked for, then what activity tells of.

A driver that neither follows a setting nor refuses it takes any value. Which it followed is seen where
`activity` or the readings tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import numpy as np

from reader_drivers._reader import Capabilities, ReaderBatch, ReaderSettings
from reader_drivers.targets import SETTINGS

_ABOVE_DBM: Final = 0.05
PASSED_OVER: Final = "refuse with SettingsError what the reader cannot do"
_OPTIONS: Final = {field: option for option, (field, _) in SETTINGS.items()}


def nobody_follows(can: Capabilities) -> Iterator[dict[str, Any]]:
    """Return settings of which each is to be refused, by every reader or by one with these capabilities."""
    yield {"ports": (can.antennas + 1,)}
    yield {"power_dbm": -99.0}
    yield {"port_power_dbm": {1: -99.0}}
    yield {"session": 9}
    # TagFocus is of session 1 alone; other readers do not have it.
    yield {"search": "focus", "session": 2}
    yield {"rf_mode": 0xFFFF_FFFE}
    yield {"channels": (9999,)}
    yield {"region": "NOWHERE"}
    yield {"q": 99}
    if can.air == "iso15693":
        yield {"target": "A"}


def to_follow(can: Capabilities) -> Iterator[dict[str, Any]]:
    """Return settings that a reader may follow, and that activity or readings then show."""
    if can.air == "gen2":
        yield {"session": 2}
    if can.powers_dbm:
        yield {"power_dbm": can.powers_dbm[0]}
    if len(can.frequencies_khz) > 1:
        yield {"channels": (1,)}


def in_urls(url: str, can: Capabilities) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return URLs with one more option, which is to be refused, or shown if it is followed; the URL's own stay."""
    named = {name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    for option, text, field in (
        ("ports", str(can.antennas + 1), {"ports": (can.antennas + 1,)}),
        ("power", "-99", {"power_dbm": -99.0}),
        ("session", "2", {"session": 2}),
    ):
        if option not in named:
            yield f"{url}{'&' if '?' in url else '?'}{option}={text}", field


def words(asked: Mapping[str, Any]) -> str:
    """Return settings as a URL names them."""
    return "&".join(f"{_OPTIONS[name]}={_text(value)}" for name, value in asked.items())


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Mapping):
        return ",".join(f"{port}:{dbm:g}" for port, dbm in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def not_followed(asked: ReaderSettings, batch: ReaderBatch, can: Capabilities, since: int) -> str:
    """Return what a batch shows of another setting than was asked for at `since` and taken; "": nothing."""
    spans, heard = batch.activity, batch.readings.select(batch.readings.t >= since)
    if spans is not None:
        spans = spans.select(spans.t_start >= since)
        if asked.session is not None and (spans.session != asked.session).any():
            return f"activity tells session {int(spans.session[spans.session != asked.session][0])}"
        if asked.power_dbm is not None and (spans.power_dbm > asked.power_dbm + _ABOVE_DBM).any():
            return f"activity tells {float(np.nanmax(spans.power_dbm)):g} dBm"
    if asked.channels and len(heard):
        right = [can.frequencies_khz[channel - 1] for channel in asked.channels]
        other = heard.frequency_khz[~np.isin(heard.frequency_khz, right)]
        if len(other):
            return f"readings are on {int(other[0])} kHz"
    return ""
