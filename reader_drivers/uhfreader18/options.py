"""The options of a `uhfreader18://` URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.targets import Line, Table, choice, flag
from reader_drivers.uhfreader18.codec import BROADCAST


@dataclass(frozen=True, slots=True)
class Options:
    """How to treat a reader.

    Parameters
    ----------
    dialect
        `18` or `288`; empty: as the reader's type says.
    address
        Of the reader on a shared line; 255: whoever is there.
    rssi
        How the 288 family's RSSI byte is read: `r2000`, dBm above -129; `int8`, dBm in two's complement; `none`: not.
        No manual has its scale.
    fast_id
        True: Impinj's tags tell their TID with the EPC.
    push
        True: the reader reports by itself (real-time inventory of the 288 family).
    scan_s
        How long a round may take, s.
    """

    dialect: str = ""
    address: int = BROADCAST
    rssi: str = "none"
    fast_id: bool = False
    push: bool = False
    scan_s: float = 0.3


def _address(text: str) -> int:
    value = int(text)
    if not 0 <= value <= BROADCAST:
        raise ValueError(text)
    return value


def _scan(text: str) -> float:
    value = float(text)
    if not 0.3 <= value <= 25.5:
        raise ValueError(text)
    return value


LINE: Final = Line(port=None, baud=57_600)

OWN: Final[Table] = {
    "dialect": ("dialect", choice("18", "288")),
    "address": ("address", _address),
    "rssi": ("rssi", choice("r2000", "int8", "none")),
    "fastid": ("fast_id", flag),
    "push": ("push", flag),
    "scan": ("scan_s", _scan),
}
