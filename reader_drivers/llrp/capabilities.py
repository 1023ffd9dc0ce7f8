"""What a reader's answers to GET_READER_CAPABILITIES and GET_READER_CONFIG mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError
from reader_drivers.llrp.codec import COUNTRY_CHINA, IMPINJ, REGIONS, SPEEDWAY_MODELS, Message

_MAKERS = {IMPINJ: "Impinj"}


@dataclass(frozen=True, slots=True)
class LlrpCapabilities:
    """What the driver needs of a reader's capabilities.

    Parameters
    ----------
    public
        As `Reader.connect` returns them.
    impinj
        True: Impinj's extensions are to be had.
    hopping
        True: the reader hops; channels then index a hop table.
    power_index
        `(dBm, index)` of the transmit power table, ascending.
    frequency_khz : uint32[channels + 1]
        By channel index; 0 where there is no such channel.
    modes
        Numbers of the link profiles.
    """

    public: Capabilities
    impinj: bool
    hopping: bool
    power_index: tuple[tuple[float, int], ...]
    frequency_khz: NDArray[np.uint32]
    modes: tuple[int, ...]


def read_capabilities(answer: Message, where: str) -> LlrpCapabilities:
    """Read a GET_READER_CAPABILITIES_RESPONSE.

    Raises
    ------
    ReaderError
        It lacks what no inventory can do without.
    """
    general = answer.first("GeneralDeviceCapabilities")
    regulatory = answer.first("RegulatoryCapabilities")
    band = None if regulatory is None else regulatory.first("UHFBandCapabilities")
    if general is None or regulatory is None or band is None:
        raise ReaderError(
            f"{where}: its capabilities name no UHF band; only UHF readers are spoken to over LLRP"
        )
    hopping, frequencies = False, ()
    for information in band.all("FrequencyInformation"):
        hopping = bool(information.number("hopping"))
        tables = list(information.all("FrequencyHopTable" if hopping else "FixedFrequencyTable"))
        if tables:
            frequencies = tables[0].numbers("frequencies_khz")
    if not frequencies:
        raise ReaderError(
            f"{where}: its capabilities name no frequencies, so phases would have no meaning; set its region"
        )
    powers = sorted(
        (p.number("power_cdbm") / 100, p.number("index")) for p in band.all("TransmitPowerLevelTableEntry")
    )
    maker, model = general.number("manufacturer"), general.number("model")
    standard, country = regulatory.number("standard"), regulatory.number("country")
    region = REGIONS.get(standard) or ("CN" if country == COUNTRY_CHINA else f"country {country}")
    impinj = maker == IMPINJ
    public = Capabilities(
        manufacturer=_MAKERS.get(maker, f"vendor {maker}"),
        model=SPEEDWAY_MODELS.get(model, str(model)) if impinj else str(model),
        firmware=general.text("firmware"),
        air="gen2",
        antennas=general.number("max_antennas"),
        phase=impinj,
        # Impinj's application note on low level user data allows theta or theta + pi; measured readers differ.
        phase_ambiguity="unknown",
        rssi_step_db=0.5 if impinj else 1.0,
        frequencies_khz=frequencies,
        powers_dbm=tuple(dbm for dbm, _ in powers),
        region=region,
    )
    table = np.array((0, *frequencies), np.uint32)
    modes = tuple(entry.number("mode") for entry in band.find("UHFC1G2RFModeTableEntry"))
    return LlrpCapabilities(public, impinj, hopping, tuple(powers), table, modes)


def connected_ports(answer: Message) -> tuple[int, ...]:
    """Return the ports that a GET_READER_CONFIG_RESPONSE says have an antenna; empty: it says nothing."""
    found = answer.all("AntennaProperties")
    return tuple(p.number("antenna_id") for p in found if p.number("connected"))
