"""What an emulated reader says about itself: an Impinj Speedway R420, or a plain LLRP reader."""

from __future__ import annotations

from dataclasses import dataclass

from reader_drivers.llrp.codec import COUNTRY_CHINA, IMPINJ, Parameter, RequestedConfig, Version, parameter
from sim.readers.llrp_memory import ACCESS_SPECS, OPERATIONS
from sim.readers.source import ReadSource

_REGIONS = {"FCC": (840, 1), "ETSI": (276, 2), "CN": (COUNTRY_CHINA, 0)}
"""ISO 3166 country and LLRP's CommunicationsStandard, which knows no Chinese one."""

_SUB_REGIONS = {"FCC": 0, "ETSI": 7, "CN": 10}

_HOPPING = ("FCC", "CN")


@dataclass(frozen=True, slots=True)
class Identity:
    """Maker, model and abilities.

    Parameters
    ----------
    manufacturer
        Private enterprise number; Impinj's makes the reader accept Impinj's extensions.
    model
        The maker's model number; 2001002 is the Speedway R420.
    firmware
        Version text.
    antennas
        Antenna ports on the box, whether something is plugged in or not.
    powers_dbm
        Lowest, highest and step of the transmit power table.
    modes
        Link profiles: mode number to `(Miller number 0..3, link data rate in bit/s)`.
    version
        Highest LLRP version it speaks: 1 (1.0.1, as Speedways do) or 2 (1.1).
    state_aware
        True: clients may say which inventoried flag tags must have.
    search_modes
        Impinj's search modes that it knows.
    hop_tables
        HopTableIDs, in hopping regions; each table has the channels in an order of its own.
    access_specs, op_specs
        How many AccessSpecs it holds (0: none), and how many operations each.
    best_sensitivity_dbm
        Of its receiver; told in 1.1.
    """

    manufacturer: int = IMPINJ
    model: int = 2001002
    firmware: str = "6.4.1.240"
    antennas: int = 4
    powers_dbm: tuple[float, float, float] = (10.0, 30.0, 0.25)
    modes: tuple[tuple[int, int, int], ...] = (
        (0, 0, 640_000),
        (1, 1, 640_000),
        (2, 2, 274_000),
        (3, 3, 170_600),
        (4, 2, 640_000),
        (1000, 2, 256_000),
        (1002, 2, 256_000),
        (1003, 2, 640_000),
    )
    version: int = Version.V1_0_1
    state_aware: bool = False
    search_modes: tuple[int, ...] = (0, 1, 2, 3)
    hop_tables: tuple[int, ...] = (1,)
    access_specs: int = ACCESS_SPECS
    op_specs: int = OPERATIONS
    best_sensitivity_dbm: int = -80

    def table(self, number: int, frequencies_khz: tuple[int, ...]) -> tuple[int, ...]:
        """Return the frequencies of a hop table; the first has them in the radio's own order."""
        turn = 3 * self.hop_tables.index(number) if number in self.hop_tables else 0
        return frequencies_khz[turn:] + frequencies_khz[:turn]

    @property
    def sensitivities_db(self) -> tuple[int, ...]:
        """Sensitivity of each index, from index 1 on, dB below the best."""
        return (0, *range(10, 51))

    @property
    def impinj(self) -> bool:
        """True: Impinj's extensions can be enabled."""
        return self.manufacturer == IMPINJ

    @property
    def power_table(self) -> tuple[float, ...]:
        """Power of each index, from index 1 on, dBm."""
        low, high, step = self.powers_dbm
        return tuple(low + step * i for i in range(round((high - low) / step) + 1))


def general(identity: Identity, version: int = Version.V1_0_1) -> Parameter:
    """Return GeneralDeviceCapabilities."""
    ports = range(1, identity.antennas + 1)
    later = list(enumerate(identity.sensitivities_db, start=1))[1:]
    best = parameter("MaximumReceiveSensitivity", dbm=identity.best_sensitivity_dbm)
    return parameter(
        "GeneralDeviceCapabilities",
        parameter("ReceiveSensitivityTableEntry", index=1, sensitivity_db=0),
        *(parameter("ReceiveSensitivityTableEntry", index=i, sensitivity_db=db) for i, db in later),
        parameter("GPIOCapabilities", inputs=4, outputs=4),
        *(parameter("PerAntennaAirProtocol", antenna_id=port, protocols=(1,)) for port in ports),
        *((best,) if version >= Version.V1_1 else ()),
        max_antennas=identity.antennas,
        has_utc_clock=1,
        manufacturer=identity.manufacturer,
        model=identity.model,
        firmware=identity.firmware,
    )


def llrp_capabilities(identity: Identity) -> Parameter:
    """Return LLRPCapabilities: one ROSpec with one AISpec, as a Speedway has."""
    return parameter(
        "LLRPCapabilities",
        can_warn_buffer=1,
        state_aware=int(identity.state_aware),
        can_hold=1,
        priorities=1,
        max_rospecs=1,
        max_specs=1,
        max_inventory_specs=1,
        max_access_specs=identity.access_specs,
        max_op_specs=identity.op_specs,
    )


def regulatory(identity: Identity, source: ReadSource, version: int = Version.V1_0_1) -> Parameter:
    """Return RegulatoryCapabilities: power table, frequency tables and modes."""
    country, standard = _REGIONS[source.region]
    powers = (
        parameter("TransmitPowerLevelTableEntry", index=i, power_cdbm=round(100 * dbm))
        for i, dbm in enumerate(identity.power_table, start=1)
    )
    if source.region in _HOPPING:
        tables = [
            parameter(
                "FrequencyHopTable",
                hop_table_id=number,
                frequencies_khz=identity.table(number, source.frequencies_khz),
            )
            for number in identity.hop_tables
        ]
    else:
        tables = [parameter("FixedFrequencyTable", frequencies_khz=source.frequencies_khz)]
    entries = (
        parameter(
            "UHFC1G2RFModeTableEntry",
            mode=mode,
            dr=1,
            m=miller,
            modulation=0 if mode == 0 else 2,
            mask=3 if mode in (2, 3) else 2,
            bdr=rate,
            pie=1500 if mode == 0 else 2000,
            min_tari=6250 if rate > 600_000 else 20000,
            max_tari=6250 if rate > 600_000 else 20000,
        )
        for mode, miller, rate in identity.modes
    )
    hopping = int(source.region in _HOPPING)
    low, high = min(source.frequencies_khz), max(source.frequencies_khz)
    survey = parameter("RFSurveyFrequencyCapabilities", min_khz=low, max_khz=high)
    band = parameter(
        "UHFBandCapabilities",
        *powers,
        parameter("FrequencyInformation", *tables, hopping=hopping),
        parameter("UHFC1G2RFModeTable", *entries),
        *((survey,) if version >= Version.V1_1 else ()),
    )
    return parameter("RegulatoryCapabilities", band, country=country, standard=standard)


def air_protocol(version: int = Version.V1_0_1) -> Parameter:
    """Return C1G2LLRPCapabilities."""
    xpc = int(version >= Version.V1_1)
    return parameter("C1G2LLRPCapabilities", block_write=1, xpc=xpc, max_filters=2)


def sub_region(source: ReadSource) -> Parameter:
    """Return ImpinjSubRegulatoryRegion."""
    return parameter("ImpinjSubRegulatoryRegion", region=_SUB_REGIONS[source.region])


def configuration(
    identity: Identity,
    requested: int,
    antenna_id: int,
    connected: tuple[int, ...],
    keepalive_ms: int,
    events: dict[int, bool],
    hold: bool,
) -> list[Parameter]:
    """Return what GET_READER_CONFIG asks for."""
    everything = requested == RequestedConfig.ALL
    ports = [port for port in range(1, identity.antennas + 1) if antenna_id in (0, port)]
    out: list[Parameter] = []
    if everything or requested == RequestedConfig.IDENTIFICATION:
        out.append(
            parameter("Identification", id_type=0, reader_id=(0, 0x16, 0x25, 0xFF, 0xFE, 0x14, 0x46, 0x36))
        )
    if everything or requested == RequestedConfig.ANTENNA_PROPERTIES:
        out += [parameter("AntennaProperties", connected=int(p in connected), antenna_id=p) for p in ports]
    if everything or requested == RequestedConfig.ANTENNA_CONFIGURATION:
        top = len(identity.power_table)
        for port in ports:
            transmitter = parameter("RFTransmitter", hop_table_id=1, channel_index=1, power_index=top)
            control = parameter("C1G2SingulationControl", session=2, population=32)
            command = parameter("C1G2InventoryCommand", parameter("C1G2RFControl", mode_index=1000), control)
            receiver = parameter("RFReceiver", sensitivity_index=1)
            out.append(parameter("AntennaConfiguration", receiver, transmitter, command, antenna_id=port))
    if everything or requested == RequestedConfig.EVENT_NOTIFICATION:
        states = (
            parameter("EventNotificationState", event=kind, enabled=int(on)) for kind, on in events.items()
        )
        out.append(parameter("ReaderEventNotificationSpec", *states))
    if everything or requested == RequestedConfig.RO_REPORT_SPEC:
        out.append(parameter("ROReportSpec", parameter("TagReportContentSelector"), trigger=2, n=1))
    if everything or requested == RequestedConfig.ACCESS_REPORT_SPEC:
        out.append(parameter("AccessReportSpec"))
    if everything or requested == RequestedConfig.STATE_VALUE:
        out.append(parameter("LLRPConfigurationStateValue"))
    if everything or requested == RequestedConfig.KEEPALIVE_SPEC:
        out.append(parameter("KeepaliveSpec", trigger=int(keepalive_ms > 0), period_ms=keepalive_ms))
    if everything or requested == RequestedConfig.EVENTS_AND_REPORTS:
        out.append(parameter("EventsAndReports", hold=int(hold)))
    return out
