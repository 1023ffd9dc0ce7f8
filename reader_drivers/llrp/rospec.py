"""From settings to the specs that a reader is given."""

from __future__ import annotations

from reader_drivers._reader import ReaderSettings
from reader_drivers.llrp.capabilities import LlrpCapabilities
from reader_drivers.llrp.checks import check_settings, power_entry, rf_mode, search_mode, sensitivity_index
from reader_drivers.llrp.codec import (
    FixedFrequencyMode,
    MemoryBank,
    Notification,
    Parameter,
    Version,
    parameter,
)
from reader_drivers.llrp.options import Choices

ROSPEC_ID = 1
ACCESS_SPEC_ID = 1
OP_TID, OP_USER = 1, 2
"""OpSpecIDs of the reads that we ask for."""


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
    choices: Choices | None = None,
    version: int = Version.V1_0_1,
) -> Parameter:
    """Return the ROSpec that reads tags again and again and reports every read at once.

    Raises
    ------
    ReaderError
        As `check_settings`.
    """
    choices = choices or Choices()
    check_settings(settings, abilities, where, choices)
    command = _inventory_command(settings, abilities, where, choices, version)
    # A hopping reader ignores the channel, but index 0 is refused by some.
    channel = settings.channels[0] if settings.channels and not abilities.hopping else 1
    every = tuple(range(1, abilities.public.antennas + 1))
    apart = settings.port_power_dbm or abilities.sensitivity.ranges
    ports = settings.ports or (every if apart else (0,))
    antennas: list[Parameter] = []
    for port in ports:
        power = power_entry(settings, abilities, where, port)[1]
        table = abilities.channels.table_id
        parts = [parameter("RFTransmitter", hop_table_id=table, channel_index=channel, power_index=power)]
        heard = sensitivity_index(choices, abilities, where, port)
        if heard is not None:
            parts.insert(0, parameter("RFReceiver", sensitivity_index=heard))
        antennas.append(parameter("AntennaConfiguration", *parts, command, antenna_id=port))
    return parameter(
        "ROSpec",
        parameter("ROBoundarySpec", parameter("ROSpecStartTrigger"), parameter("ROSpecStopTrigger")),
        parameter(
            "AISpec",
            parameter("AISpecStopTrigger"),
            parameter("InventoryParameterSpec", *antennas, spec_id=1, protocol=1),
            antenna_ids=ports,
        ),
        parameter("ROReportSpec", *_content(abilities, choices), trigger=2, n=1),
        rospec_id=ROSPEC_ID,
    )


def _inventory_command(
    settings: ReaderSettings, abilities: LlrpCapabilities, where: str, choices: Choices, version: int
) -> Parameter:
    parts: list[Parameter] = []
    mode = rf_mode(settings, choices, abilities, where)
    if mode is not None:
        parts.append(parameter("C1G2RFControl", mode_index=mode))
    session = 1 if settings.session is None else settings.session
    # Which flag tags must have can be said where the reader heeds it; Impinj's search modes say it otherwise.
    aware = settings.target in ("A", "B") and not abilities.impinj
    action: list[Parameter] = []
    if aware:
        # LLRP 1.0.1 knows tags with SL and tags without; a tag that nobody selected has none. 1.1 can ask for both.
        both = version >= Version.V1_1
        action = [
            parameter(
                "C1G2TagInventoryStateAwareSingulationAction",
                i=int(settings.target == "B"),
                s=int(not both),
                all=int(both),
            )
        ]
    parts.append(parameter("C1G2SingulationControl", *action, session=session, population=choices.population))
    search = search_mode(settings, choices, abilities, where)
    if search is not None:
        parts.append(parameter("ImpinjInventorySearchMode", mode=search))
        if settings.channels:
            kind = FixedFrequencyMode.CHANNEL_LIST
            parts.append(parameter("ImpinjFixedFrequencyList", mode=int(kind), channels=settings.channels))
        elif not abilities.hopping:
            # Else the one ChannelIndex that a transmitter must be given would be the only one in use.
            parts.append(parameter("ImpinjFixedFrequencyList", mode=int(FixedFrequencyMode.AUTO_SELECT)))
    return parameter("C1G2InventoryCommand", *parts, state_aware=int(aware))


def _content(abilities: LlrpCapabilities, choices: Choices) -> list[Parameter]:
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
        if choices.doppler:
            extras.append(parameter("ImpinjEnableRFDopplerFrequency", mode=1))
        if serialized_tid(abilities, choices):
            extras.insert(0, parameter("ImpinjEnableSerializedTID", mode=1))
        content.append(parameter("ImpinjTagReportContentSelector", *extras))
    return content


def serialized_tid(abilities: LlrpCapabilities, choices: Choices) -> bool:
    """Whether TIDs come with the reports by themselves, as Impinj readers can send those of Impinj chips."""
    return choices.tid and not choices.memory and abilities.impinj


def wanted_banks(abilities: LlrpCapabilities, choices: Choices) -> frozenset[MemoryBank]:
    """Return the memory banks that are handed out."""
    if not choices.memory:
        return frozenset((MemoryBank.TID,) if choices.tid else ())
    # A reader that does one operation a tag reads what was asked for above all.
    return frozenset((MemoryBank.USER,) if abilities.op_specs == 1 else (MemoryBank.TID, MemoryBank.USER))


def build_access_spec(abilities: LlrpCapabilities, choices: Choices) -> Parameter | None:
    """Return the AccessSpec that reads the memories asked for of every tag; None: none is needed."""
    banks = wanted_banks(abilities, choices)
    if not banks or serialized_tid(abilities, choices):
        return None
    known = ((OP_TID, MemoryBank.TID, 0), (OP_USER, MemoryBank.USER, choices.words))
    # A pattern without bits matches every tag. A word count of 0 reads to the end of the bank.
    every_tag = parameter("C1G2TargetTag", bank=int(MemoryBank.EPC), match=1, pointer=32)
    reads = [
        parameter("C1G2Read", op_spec_id=number, bank=int(bank), count=count)
        for number, bank, count in known
        if bank in banks
    ]
    return parameter(
        "AccessSpec",
        parameter("AccessSpecStopTrigger"),
        parameter("AccessCommand", parameter("C1G2TagSpec", every_tag), *reads),
        access_spec_id=ACCESS_SPEC_ID,
        protocol=1,
        rospec_id=ROSPEC_ID,
    )
