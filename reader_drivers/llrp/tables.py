"""The regulatory tables in a reader's capabilities: channels and transmit powers, checked before they are used."""

from __future__ import annotations

from dataclasses import dataclass

from reader_drivers._reader import ReaderError
from reader_drivers.llrp.codec import Parameter

_LEAST_KHZ, _MOST_KHZ = 840_000, 960_000
"""UHF RFID lies within (EPC Gen2: 860 to 960 MHz; China has a band from 840 MHz on)."""

_LEAST_DBM, _MOST_DBM = -30.0, 40.0


@dataclass(frozen=True, slots=True)
class Channels:
    """A frequency table.

    Parameters
    ----------
    hopping
        True: a FrequencyHopTable, which the reader hops over; False: the FixedFrequencyTable.
    table_id
        HopTableID; 1 for a fixed table, which has none.
    frequencies_khz
        Of channel index 1, 2, ... (LLRP 1.0.1, section 9.1.3: ChannelIndex is one-based).
    """

    hopping: bool
    table_id: int
    frequencies_khz: tuple[int, ...]


def read_channels(band: Parameter, where: str, hop_table: int | None) -> Channels:
    """Read UHFBandCapabilities' FrequencyInformation.

    Raises
    ------
    ReaderError
        There is no table that phases could be referred to, or no such hop table.
    """
    information = list(band.all("FrequencyInformation"))
    if len(information) != 1:
        raise ReaderError(
            f"{where}: its capabilities hold {len(information)} FrequencyInformation; there must be one"
        )
    hopping = bool(information[0].number("hopping"))
    hop = list(information[0].all("FrequencyHopTable"))
    fixed = list(information[0].all("FixedFrequencyTable"))
    tables = hop if hopping else fixed
    if not any(table.numbers("frequencies_khz") for table in tables):
        if any(table.numbers("frequencies_khz") for table in (*hop, *fixed)):
            kind, other = ("hop", "fixed") if hopping else ("fixed", "hop")
            raise ReaderError(
                f"{where}: it says its channels are {kind} ones but lists {other} ones; set its region anew"
            )
        raise ReaderError(
            f"{where}: its capabilities name no frequencies, so phases would have no meaning; set its region"
        )
    if not hopping and len(tables) > 1:
        raise ReaderError(
            f"{where}: {len(tables)} fixed frequency tables; channel numbers would be ambiguous"
        )
    if hopping:
        table, number = _hop_table(tables, where, hop_table)
    else:
        table, number = tables[0], 1
        if hop_table is not None:
            raise ReaderError(f"{where}: it has no hop tables; leave option hop_table out")
    frequencies = table.numbers("frequencies_khz")
    if wrong := [f for f in frequencies if not _LEAST_KHZ <= f <= _MOST_KHZ]:
        raise ReaderError(
            f"{where}: its frequency table names {wrong[0]} kHz; UHF RFID lies from 840 to 960 MHz"
        )
    return Channels(hopping, number, frequencies)


def _hop_table(tables: list[Parameter], where: str, wanted: int | None) -> tuple[Parameter, int]:
    numbers = [table.number("hop_table_id") for table in tables]
    if len(set(numbers)) < len(numbers):
        raise ReaderError(
            f"{where}: hop table {numbers[0]} is listed twice; channel numbers would be ambiguous"
        )
    if wanted is None:
        # An empty table is no table to hop over.
        table = next(table for table in tables if table.numbers("frequencies_khz"))
        return table, table.number("hop_table_id")
    if wanted not in numbers:
        raise ReaderError(f"{where}: no hop table {wanted}; it has {', '.join(map(str, numbers))}")
    table = tables[numbers.index(wanted)]
    if not table.numbers("frequencies_khz"):
        raise ReaderError(f"{where}: hop table {wanted} is empty; choose another")
    return table, wanted


def read_powers(band: Parameter, where: str) -> tuple[tuple[float, int], ...]:
    """Return `(dBm, index)` of the transmit power table, ascending; the index is what the reader calls it.

    Raises
    ------
    ReaderError
        The table is empty, or an index stands for two powers.
    """
    entries = [
        (p.number("power_cdbm") / 100, p.number("index")) for p in band.all("TransmitPowerLevelTableEntry")
    ]
    if not entries:
        raise ReaderError(f"{where}: the reader's capabilities have no transmit power table; set its region")
    if len({index for _, index in entries}) < len(entries):
        raise ReaderError(f"{where}: an index of its transmit power table stands for two powers")
    if wrong := [dbm for dbm, _ in entries if not _LEAST_DBM <= dbm <= _MOST_DBM]:
        raise ReaderError(
            f"{where}: its transmit power table names {wrong[0]:g} dBm; no RFID reader has that"
        )
    return tuple(sorted(entries))
