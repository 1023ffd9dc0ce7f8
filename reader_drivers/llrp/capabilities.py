"""What a reader's answers to GET_READER_CAPABILITIES and GET_READER_CONFIG mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError
from reader_drivers.llrp.codec import IMPINJ, IMPINJ_REGIONS, SPEEDWAY_MODELS, Message, Parameter, region_name
from reader_drivers.llrp.tables import Channels, read_channels, read_powers

_MAKERS = {IMPINJ: "Impinj"}


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How deaf a reader's receiver can be made.

    Parameters
    ----------
    entries
        `(dB below the most sensitive, index)`, ascending.
    ranges
        First and last index that a port has, where it has not all.
    best_dbm
        The most sensitive, dBm; None: the reader does not say (LLRP 1.0.1 has no place for it).
    """

    entries: tuple[tuple[int, int], ...] = ()
    ranges: Mapping[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    best_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class LlrpCapabilities:
    """What the driver needs of a reader's capabilities.

    Parameters
    ----------
    public
        As `Reader.connect` returns them.
    impinj
        True: Impinj's extensions are to be had.
    channels
        The frequency table in use.
    power_index
        `(dBm, index)` of the transmit power table, ascending.
    modes
        Numbers of the link profiles, of all tables.
    state_aware
        True: the reader can be told which inventoried flag its tags must have.
    can_hold
        True: it may keep events and reports back until the client of a new connection asks for them.
    op_specs
        Operations an AccessSpec may hold; 0: as many as one likes.
    sensitivity
        The receiver's table.
    """

    public: Capabilities
    impinj: bool
    channels: Channels
    power_index: tuple[tuple[float, int], ...]
    modes: tuple[int, ...] = ()
    state_aware: bool = False
    can_hold: bool = False
    op_specs: int = 0
    sensitivity: Sensitivity = field(default_factory=Sensitivity)

    @property
    def hopping(self) -> bool:
        """True: the reader hops over the channels of its table."""
        return self.channels.hopping

    @property
    def frequency_khz(self) -> NDArray[np.uint32]:
        """Frequencies by channel index, uint32[channels + 1]; 0 where there is no such channel."""
        return np.array((0, *self.channels.frequencies_khz), np.uint32)


def read_capabilities(answer: Message, where: str, hop_table: int | None = None) -> LlrpCapabilities:
    """Read a GET_READER_CAPABILITIES_RESPONSE of LLRP 1.0.1 or 1.1.

    Parameters
    ----------
    answer
    where
        The reader, as messages name it.
    hop_table
        HopTableID to use, of a reader that has several; None: its first.

    Raises
    ------
    ReaderError
        It lacks what no inventory can do without, or contradicts itself.
    """
    general = answer.first("GeneralDeviceCapabilities")
    regulatory = answer.first("RegulatoryCapabilities")
    band = None if regulatory is None else regulatory.first("UHFBandCapabilities")
    if general is None or regulatory is None or band is None:
        raise ReaderError(
            f"{where}: its capabilities name no UHF band; only UHF readers are spoken to over LLRP"
        )
    channels = read_channels(band, where, hop_table)
    powers = read_powers(band, where)
    antennas = general.number("max_antennas")
    if not 1 <= antennas <= 255:
        raise ReaderError(f"{where}: its capabilities name {antennas} antenna ports; 1 to 255 can be used")
    maker, model = general.number("manufacturer"), general.number("model")
    impinj = maker == IMPINJ
    public = Capabilities(
        manufacturer=_MAKERS.get(maker, f"vendor {maker}"),
        model=SPEEDWAY_MODELS.get(model, str(model)) if impinj else str(model),
        firmware=general.text("firmware"),
        air="gen2",
        antennas=antennas,
        phase=impinj,
        # Impinj's application note on low level user data allows theta or theta + pi; measured readers differ.
        phase_ambiguity="unknown",
        rssi_step_db=0.5 if impinj else 1.0,
        frequencies_khz=channels.frequencies_khz,
        powers_dbm=tuple(dbm for dbm, _ in powers),
        region=region_name(regulatory.number("standard"), regulatory.number("country")),
    )
    limits = answer.first("LLRPCapabilities")
    return LlrpCapabilities(
        public,
        impinj,
        channels,
        powers,
        modes=tuple(entry.number("mode") for entry in band.find("UHFC1G2RFModeTableEntry")),
        state_aware=limits is not None and bool(limits.number("state_aware")),
        can_hold=limits is not None and bool(limits.number("can_hold")),
        op_specs=0 if limits is None else limits.number("max_op_specs"),
        sensitivity=_sensitivity(general),
    )


def _sensitivity(general: Parameter) -> Sensitivity:
    entries = sorted(
        (p.number("sensitivity_db"), p.number("index")) for p in general.all("ReceiveSensitivityTableEntry")
    )
    ranges = {
        p.number("antenna_id"): (p.number("index_min"), p.number("index_max"))
        for p in general.all("PerAntennaReceiveSensitivityRange")
    }
    best = general.first("MaximumReceiveSensitivity")
    return Sensitivity(tuple(entries), ranges, None if best is None else best.number("dbm"))


def connected_ports(answer: Message) -> tuple[int, ...]:
    """Return the ports that a GET_READER_CONFIG_RESPONSE says have an antenna; empty: it says nothing."""
    found = answer.all("AntennaProperties")
    return tuple(p.number("antenna_id") for p in found if p.number("connected"))


def sub_region(answer: Message) -> str | None:
    """Return the region that an Impinj reader's GET_READER_CONFIG_RESPONSE names; None: none that is known."""
    found = next(answer.find("ImpinjSubRegulatoryRegion"), None)
    return None if found is None else IMPINJ_REGIONS.get(found.number("region"))
