"""From settings to the specs that a reader is given."""

from __future__ import annotations

from reader_drivers._reader import ReaderError, ReaderSettings
from reader_drivers.llrp.capabilities import LlrpCapabilities
from reader_drivers.llrp.codec import Notification, Parameter, SearchMode, parameter

ROSPEC_ID = 1

_SEARCH = {"dual": SearchMode.DUAL_TARGET, "single": SearchMode.SINGLE_TARGET, "focus": SearchMode.TAG_FOCUS}


def power_entry(
    settings: ReaderSettings, abilities: LlrpCapabilities, where: str, port: int = 0
) -> tuple[float, int]:
    """Return `(dBm, table index)` of the power to set on a port: the highest at or below the one asked for.

    Raises
    ------
    ReaderError
        It lies below the table.
    """
    if not abilities.power_index:
        raise ReaderError(f"{where}: the reader's capabilities have no transmit power table")
    asked = settings.port_power_dbm.get(port, settings.power_dbm)
    if asked is None:
        return abilities.power_index[-1]
    below = [entry for entry in abilities.power_index if entry[0] <= asked + 1e-9]
    if not below:
        low, high = abilities.power_index[0][0], abilities.power_index[-1][0]
        raise ReaderError(f"{where}: power {asked:g} dBm is below its table ({low:g} to {high:g} dBm)")
    return below[-1]


def check_settings(settings: ReaderSettings, abilities: LlrpCapabilities, where: str) -> None:
    """Refuse settings that this reader cannot follow.

    Raises
    ------
    ReaderError
        Says which, and what the reader can do.
    """
    antennas = abilities.public.antennas
    named = (*settings.ports, *settings.port_power_dbm)
    if wrong := [port for port in named if port not in range(1, antennas + 1)]:
        raise ReaderError(f"{where}: no antenna port {wrong[0]}; it has 1 to {antennas}")
    if settings.session is not None and settings.session not in range(4):
        raise ReaderError(f"{where}: session {settings.session} does not exist; Gen2 has 0 to 3")
    if settings.rf_mode is not None and abilities.modes and settings.rf_mode not in abilities.modes:
        known = ", ".join(map(str, abilities.modes))
        raise ReaderError(f"{where}: no mode {settings.rf_mode}; it has {known}")
    channels = range(1, len(abilities.frequency_khz))
    if wrong := [c for c in settings.channels if c not in channels]:
        raise ReaderError(f"{where}: no channel {wrong[0]}; it has {channels[0]} to {channels[-1]}")
    if settings.channels and abilities.public.region == "FCC":
        raise ReaderError(f"{where}: FCC part 15.247 makes it hop over all channels; leave channels empty")
    if len(settings.channels) > 1 and not abilities.impinj:
        raise ReaderError(f"{where}: several fixed channels need Impinj's extensions; name one, or none")
    if settings.search != "dual" and not abilities.impinj:
        raise ReaderError(f"{where}: search {settings.search} needs Impinj's extensions; use dual")
    for port in (0, *settings.port_power_dbm):
        power_entry(settings, abilities, where, port)


def reader_config(keepalive_s: float) -> list[Parameter]:
    """Return what SET_READER_CONFIG carries: which events to send, and keepalives."""
    wanted = (Notification.ROSPEC, Notification.BUFFER_WARNING, Notification.EXCEPTION, Notification.ANTENNA)
    events = (parameter("EventNotificationState", event=kind, enabled=1) for kind in wanted)
    return [
        parameter("ReaderEventNotificationSpec", *events),
        parameter("KeepaliveSpec", trigger=1, period_ms=max(1, round(1000 * keepalive_s))),
        parameter("EventsAndReports", hold=0),
    ]


def build_rospec(
    settings: ReaderSettings,
    abilities: LlrpCapabilities,
    where: str,
    *,
    doppler: bool = False,
    population: int = 32,
) -> Parameter:
    """Return the ROSpec that reads tags again and again and reports every read at once.

    Raises
    ------
    ReaderError
        As `check_settings`.
    """
    check_settings(settings, abilities, where)
    session = 1 if settings.session is None else settings.session
    inventory: list[Parameter] = []
    if settings.rf_mode is not None:
        inventory.append(parameter("C1G2RFControl", mode_index=settings.rf_mode))
    inventory.append(parameter("C1G2SingulationControl", session=session, population=population))
    if abilities.impinj:
        inventory.append(parameter("ImpinjInventorySearchMode", mode=int(_SEARCH[settings.search])))
        if settings.channels:
            inventory.append(parameter("ImpinjFixedFrequencyList", mode=2, channels=settings.channels))
    # A hopping reader ignores the channel, but index 0 is refused by some.
    channel = settings.channels[0] if settings.channels and not abilities.hopping else 1
    every = tuple(range(1, abilities.public.antennas + 1)) if settings.port_power_dbm else (0,)
    ports = settings.ports or every
    power = {port: power_entry(settings, abilities, where, port)[1] for port in ports}
    antennas = [
        parameter(
            "AntennaConfiguration",
            parameter("RFTransmitter", hop_table_id=1, channel_index=channel, power_index=power[port]),
            parameter("C1G2InventoryCommand", *inventory),
            antenna_id=port,
        )
        for port in ports
    ]
    content = [
        parameter(
            "TagReportContentSelector",
            parameter("C1G2EPCMemorySelector"),
            antenna_id=1,
            channel_index=1,
            peak_rssi=1,
            first_seen=1,
            seen_count=1,
        )
    ]
    if abilities.impinj:
        extras = [parameter("ImpinjEnableRFPhaseAngle", mode=1), parameter("ImpinjEnablePeakRSSI", mode=1)]
        if doppler:
            extras.append(parameter("ImpinjEnableRFDopplerFrequency", mode=1))
        content.append(parameter("ImpinjTagReportContentSelector", *extras))
    return parameter(
        "ROSpec",
        parameter("ROBoundarySpec", parameter("ROSpecStartTrigger"), parameter("ROSpecStopTrigger")),
        parameter(
            "AISpec",
            parameter("AISpecStopTrigger"),
            parameter("InventoryParameterSpec", *antennas, spec_id=1, protocol=1),
            antenna_ids=ports,
        ),
        parameter("ROReportSpec", *content, trigger=2, n=1),
        rospec_id=ROSPEC_ID,
    )
