"""Which ThingMagic module an emulator is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reader_drivers.mercury.codec import GEN2, REGIONS, Version

Model = Literal["nano", "micro", "m6e", "m7e"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A model.

    Parameters
    ----------
    version : Version
    ports : int
    least_cdbm, most_cdbm : int
        Limits of its power, hundredths of a dBm.
    sees_antennas : bool
        Whether it can tell a port with an antenna from one without.
    """

    version: Version
    ports: int
    least_cdbm: int
    most_cdbm: int
    sees_antennas: bool = True


def _version(hardware: str, bootloader: str) -> Version:
    date, firmware = bytes.fromhex("20190401"), bytes.fromhex("01070201")
    return Version(bytes.fromhex(bootloader), bytes.fromhex(hardware), date, firmware, 1 << GEN2 - 1)


IDENTITIES: Final[dict[Model, Identity]] = {
    "nano": Identity(_version("30000002", "12120000"), 1, 0, 2700),
    "micro": Identity(_version("20000001", "12120000"), 2, -1000, 3000, sees_antennas=False),
    "m6e": Identity(_version("18000001", "12120000"), 4, 500, 3150),
    "m7e": Identity(_version("38000004", "13000000"), 4, 0, 3150),
}

_OF_BANDS: Final = {
    "CN": ("PRC",),
    "ETSI": ("EU3", "EU2"),
    "FCC": ("NA", "NA2", "NA3"),
}


def regions_of(band: str, model: Model) -> tuple[int, ...]:
    """Return the regions that a module has where its radio is of this band; a Nano has NA2 and NA3, and no NA."""
    names = [name for name in _OF_BANDS[band] if name != "NA" or model != "nano"]
    return tuple(REGIONS[name] for name in (*names, "OPEN"))
