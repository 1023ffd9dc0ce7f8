"""What a ``feig://`` URL can say besides the options of every driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reader_drivers._reader import ReaderSettings, SettingsError
from reader_drivers.targets import Address, Line, OptionError, Table, TcpTarget, choice, flag, number

LINE: Final = Line(port=10_001, baud=38_400, parity="E")
MOST_ANTENNAS: Final = 8
"""As many as the bit field of antennas has bits."""


def _number(least: int, most: int) -> Callable[[str], int]:
    return number(least, most, lambda text: int(text, 0))


def _commands(text: str) -> dict[int, bytes]:
    pairs = [part.split(":") for part in text.split(",")]
    try:
        made = {_number(1, 255)(port): bytes.fromhex(frame) for port, frame in pairs}
    except ValueError:
        made = {}
    if len(made) != len(pairs) or not all(made.values()):
        raise OptionError("ports and commands in hexadecimal, such as 1:7201,2:7202")
    return made


OWN: Final[Table] = {
    "frame": ("frame", choice("advanced", "standard")),
    "address": ("address", _number(0, 255)),
    "ant": ("antennas", _number(0, MOST_ANTENNAS)),
    "phase": ("phase", flag),
    "switch": ("switch", _commands),
    "settle": ("settle_s", number(0, 1, float, " seconds")),
    "memory": ("memory", flag),
    "memory_again": ("memory_again_s", number(0, 1e9, float, " seconds")),
    "memory_share": ("memory_share", number(0.01, 0.9, float)),
    "memory_blocks": ("memory_blocks", _number(1, 256)),
    "block_order": ("block_order", choice("auto", "tag", "reversed")),
    "eas": ("eas", flag),
}


@dataclass(frozen=True, slots=True)
class FeigOptions:
    """The driver's own options.

    Attributes
    ----------
    frame
        `advanced` or `standard`; None: advanced over TCP, standard on serial lines.
    address
        The reader's bus address; 255: whichever reader is there.
    antennas
        So many antennas are asked one after the other by the inventory's antenna field; 0: not used. Unproven for HF.
    phase
        Hand out the phase of the antenna's block. Unproven.
    switch
        Control byte and data of a command that is sent before a port's inventory, by port.
    settle_s
        How long to wait behind it.
    memory
        Read tags' memories.
    memory_again_s
        After so long a memory is read again; 0: never.
    memory_share
        Of the time, at most so much goes into memories.
    memory_blocks
        At most so many blocks of a memory are read.
    block_order
        `reversed`: the reader gives each block's bytes from the last to the first.
    eas
        Ask NXP tags whether their EAS bit is on. Unproven.
    """

    frame: str | None = None
    address: int = 255
    antennas: int = 0
    phase: bool = False
    switch: Mapping[int, bytes] = field(default_factory=dict[int, bytes])
    settle_s: float = 0.005
    memory: bool = False
    memory_again_s: float = 0.0
    memory_share: float = 0.3
    memory_blocks: int = 28
    block_order: str = "auto"
    eas: bool = False

    @classmethod
    def of(cls, address: Address, url: str) -> FeigOptions:
        """Return the options of a URL.

        Raises
        ------
        SettingsError
            Options that contradict each other.
        """
        made = cls(**address.own)
        if made.antennas and made.switch:
            raise SettingsError(f"{url}: ant and switch are two ways to choose an antenna; leave one out")
        if made.phase and not made.antennas:
            raise SettingsError(
                f"{url}: a phase comes with the antennas' blocks only; add ant=1 or more, or leave phase out"
            )
        if made.eas and not made.memory:
            raise SettingsError(f"{url}: eas is asked while memories are read; add memory=1")
        if made.frame is None:
            made = replace(made, frame="advanced" if isinstance(address.target, TcpTarget) else "standard")
        return made

    @property
    def known_ports(self) -> tuple[int, ...]:
        """Return the antenna ports that can be chosen."""
        if self.switch:
            return tuple(sorted(self.switch))
        return tuple(range(1, max(self.antennas, 1) + 1))


def check_settings(settings: ReaderSettings, options: FeigOptions, where: str) -> None:
    """Refuse settings that these readers cannot follow; raises SettingsError."""
    known = options.known_ports
    if wrong := [port for port in settings.ports if port not in known]:
        raise SettingsError(
            f"{where}: no antenna port {wrong[0]}; it has {', '.join(map(str, known))} (options ant and switch choose"
            " among several)"
        )
    if settings.power_dbm is not None or settings.port_power_dbm:
        raise SettingsError(f"{where}: power is set in the reader's own configuration (CFG3); leave it out")
    asked = {
        "session": settings.session, "target": settings.target, "q": settings.q, "mode": settings.rf_mode,
        "channels": settings.channels or None, "region": settings.region,
    }  # fmt: skip
    if named := [name for name, value in asked.items() if value is not None]:
        raise SettingsError(f"{where}: {named[0]} is of UHF readers, ISO 15693 has none; leave it out")
    if settings.search != "dual":
        raise SettingsError(
            f"{where}: search {settings.search} is of UHF readers; every inventory asks all tags here"
        )
