"""The options of a `uhfreader18://` URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.targets import Line, Table, choice, flag, number
from reader_drivers.uhfreader18.codec import BROADCAST, Dialect


@dataclass(frozen=True, slots=True)
class Options:
    """How to treat a reader.

    Parameters
    ----------
    dialect
        `18` or `288`; None: as the reader's type says.
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

    dialect: Dialect | None = None
    address: int = BROADCAST
    rssi: str = "none"
    fast_id: bool = False
    push: bool = False
    scan_s: float = 0.3


LINE: Final = Line(port=None, baud=57_600)

OWN: Final[Table] = {
    "dialect": ("dialect", choice("18", "288")),
    "address": ("address", number(0, BROADCAST)),
    "rssi": ("rssi", choice("r2000", "int8", "none")),
    "fastid": ("fast_id", flag),
    "push": ("push", flag),
    "scan": ("scan_s", number(0.3, 25.5, float, " seconds")),
}
