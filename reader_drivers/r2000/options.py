"""The options of an `r2000://` URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.r2000.codec import BROADCAST
from reader_drivers.targets import Line, Table, choice, flag, number, sign


@dataclass(frozen=True, slots=True)
class Options:
    """How to treat a board.

    Parameters
    ----------
    inventory
        `session`: rounds with session and target, one antenna after the other. `fast`: the board switches antennas by
        itself, in its own session. `realtime`: as `session`, by the command of boards that know no sessions.
    address
        Of the board on a shared line; 255: whoever is there.
    eight_ports
        True: the board has eight ports; not proven.
    phase
        True: ask for phase; not proven.
    phase_sign
        What the board's own angle is multiplied by so that it grows with distance.
    health_s
        Seconds between looks at temperature and return loss; 0: none.
    """

    inventory: str = "session"
    address: int = BROADCAST
    eight_ports: bool = False
    phase: bool = False
    phase_sign: int = 1
    health_s: float = 300.0


LINE: Final = Line(port=None, baud=115_200)

OWN: Final[Table] = {
    "inventory": ("inventory", choice("session", "fast", "realtime")),
    "address": ("address", number(0, BROADCAST)),
    "eight_ports": ("eight_ports", flag),
    "phase": ("phase", flag),
    "phase_sign": ("phase_sign", sign),
    "health": ("health_s", number(0, 86_400, float, " seconds")),
}
