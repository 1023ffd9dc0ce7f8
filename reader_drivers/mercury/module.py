"""What a module says about itself: found on its line, booted, and asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from reader_drivers._reader import Capabilities, ReaderError
from reader_drivers.mercury.codec import (
    BOOTLOADER,
    M7E,
    MODELS,
    PORTS,
    REGIONS,
    Op,
    Reply,
    Status,
    Version,
    describe,
)

ALIASES: Final = {
    "CN": ("PRC", "PRC2"),
    "US": ("NA", "NA2", "NA3"),
    "FCC": ("NA", "NA2", "NA3"),
    "ETSI": ("EU3", "EU2", "EU", "EU4"),
    "EU": ("EU3", "EU2", "EU4"),
}
"""Usual names of regions, and which of a module's they may be."""

_BOOT_S: Final = 3.0


class Asks(Protocol):
    """Who can ask a module something."""

    @property
    def where(self) -> str:
        """Return the reader as messages name it."""
        ...

    def ask(
        self, op: Op, data: bytes, what: str, *, fine: tuple[int, ...] = (), timeout_s: float | None = None
    ) -> Reply:
        """Send a command and return its answer; refusals other than `fine` raise ReaderError."""
        ...


@dataclass(frozen=True, slots=True)
class Module:
    """What a module is.

    Attributes
    ----------
    version : Version
    ports : tuple of int
    connected : tuple of int
        Ports with an antenna, as far as the module can tell; empty: it cannot.
    least_dbm, most_dbm : float
    regions : dict of str to int
    """

    version: Version
    ports: tuple[int, ...]
    connected: tuple[int, ...]
    least_dbm: float
    most_dbm: float
    regions: dict[str, int]

    @property
    def hardware(self) -> int:
        """The model's number."""
        return self.version.hardware[0]

    @property
    def m7e(self) -> bool:
        """Whether it is of the M7e family, whose commands for antennas differ."""
        return self.hardware == M7E

    def region(self, name: str) -> int | None:
        """Return the number of a region by this module's name of it or a usual one; None: it has no such."""
        for known in (name, *ALIASES.get(name, ())):
            if known in self.regions:
                return self.regions[known]
        return None


def learn(link: Asks) -> Module:
    """Boot a module that waits in its bootloader, and ask what it is.

    Raises
    ------
    ReaderError
        It is no UHF module, or refuses to say.
    """
    unknown = (Status.BAD_OPCODE, Status.WRONG_LENGTH, Status.BAD_PARAMETER)
    program = link.ask(Op.CURRENT_PROGRAM, b"", "the program that runs", fine=unknown)
    if program.status == 0 and program.data[:1] and program.data[0] & 3 == BOOTLOADER:
        link.ask(Op.BOOT_FIRMWARE, b"", "to boot", fine=unknown, timeout_s=_BOOT_S)
    version = Version.decode(link.ask(Op.VERSION, b"", "its version").data)
    if version is None:
        raise ReaderError(f"{link.where}: its version cannot be read; is it a ThingMagic module?")
    if version.hardware[0] not in PORTS:
        name = MODELS.get(version.hardware[0], f"hardware {version.hardware.hex(' ').upper()}")
        raise ReaderError(
            f"{link.where}: is an {name}, not one of the UHF modules M6e, Micro, Nano and M7e; use another reader"
        )
    told = link.ask(Op.REGIONS, b"", "its regions", fine=unknown)
    numbers = told.data if told.status == 0 else bytes(REGIONS.values())
    limits = link.ask(Op.GET_POWER, b"\x01", "its power limits").data
    if len(limits) < 7:
        raise ReaderError(f"{link.where}: its power limits cannot be read; is it a ThingMagic module?")
    most, least = (int.from_bytes(limits[at : at + 2], "big", signed=True) / 100 for at in (3, 5))
    if not -20 <= least <= most <= 40:
        raise ReaderError(
            f"{link.where}: power limits {least:g} to {most:g} dBm cannot be; restart the module"
        )
    ports, connected = _antennas(link, version.hardware[0], unknown)
    regions = {name: number for name, number in REGIONS.items() if number in numbers}
    return Module(version, ports, connected, least, most, regions)


def _antennas(link: Asks, hardware: int, unknown: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    told = link.ask(Op.GET_ANTENNA, b"\x05", "its antennas", fine=unknown)
    pairs = told.data[1:] if told.status == 0 and told.data[:1] == b"\x05" else b""
    # A port has a nibble in each record: there are no more than 16.
    seen = {port: there == 1 for port, there in zip(pairs[::2], pairs[1::2], strict=False) if 1 <= port <= 16}
    if not seen:
        return tuple(range(1, PORTS[hardware] + 1)), ()
    return tuple(sorted(seen)), tuple(sorted(port for port, there in seen.items() if there))


def hop_table(link: Asks) -> tuple[int, ...]:
    """Return the channels of the present region, kHz, ascending; empty where none is set."""
    told = link.ask(Op.GET_HOP_TABLE, b"", "its channels", fine=tuple(Status))
    table = [int.from_bytes(told.data[at : at + 4], "big") for at in range(0, len(told.data) - 3, 4)]
    return tuple(sorted({khz for khz in table if 800_000 < khz < 1_000_000})) if told.status == 0 else ()


def capabilities(module: Module, region: int, frequencies_khz: tuple[int, ...]) -> Capabilities:
    """Return what a module can do, in the words of every reader."""
    half_db = range(round(module.least_dbm * 2), round(module.most_dbm * 2) + 1)
    powers = {p / 2 for p in half_db if module.least_dbm <= p / 2 <= module.most_dbm}
    version = module.version
    return Capabilities(
        manufacturer="ThingMagic",
        model=MODELS[module.hardware],
        firmware=version.firmware.hex(".").upper(),
        air="gen2",
        antennas=len(module.ports),
        phase=True,
        phase_ambiguity="pi",
        rssi_step_db=1.0,
        frequencies_khz=frequencies_khz,
        powers_dbm=tuple(sorted(powers | {module.least_dbm, module.most_dbm})),
        region=region_name(region),
    )


def region_name(number: int) -> str:
    """Return ThingMagic's name of a region; empty where none is set."""
    return next(
        (name for name, known in REGIONS.items() if known == number), f"{number:02X}" if number else ""
    )


def refusal(where: str, what: str, status: int) -> ReaderError:
    """Return the error of a command that was refused."""
    return ReaderError(f"{where}: the module refused {what}: {describe(status)}")
