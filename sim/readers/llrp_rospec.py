"""What an emulated reader makes of the specs a client sends: checked as a Speedway checks them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reader_drivers.llrp.codec import (
    IMPINJ,
    FixedFrequencyMode,
    Parameter,
    SearchMode,
    Status,
    Version,
    parameter,
    status,
)
from sim.readers.llrp_identity import Identity
from sim.readers.llrp_reports import Content
from sim.readers.source import Inventory, ReadSource, Search

_SEARCH: dict[int, Search] = {
    SearchMode.READER_SELECTED: "dual",
    SearchMode.SINGLE_TARGET: "single",
    SearchMode.DUAL_TARGET: "dual",
    SearchMode.TAG_FOCUS: "focus",
    SearchMode.DUAL_TARGET_RESET_B: "dual",
    SearchMode.DUAL_TARGET_RESET_A: "dual",
}


class RefusedError(Exception):
    """A request that is answered with an error status."""

    def __init__(self, code: int, text: str, kind: Parameter | None = None, inner: int = 0) -> None:
        super().__init__(text)
        self.code, self.text, self.kind, self.inner = code, text, kind, inner

    def status(self) -> Parameter:
        """Return the LLRPStatus that says so."""
        plain = status(self.code, self.text)
        if self.kind is None:
            return plain
        number = 1023 if self.kind.kind.vendor else self.kind.kind.number
        detail = parameter("ParameterError", parameter=number, code=self.inner)
        return parameter("LLRPStatus", detail, code=self.code, description=self.text)


@dataclass(frozen=True, slots=True)
class AntennaSettings:
    """What one antenna is set to; None: not said."""

    power_index: int | None = None
    channel_index: int | None = None
    session: int | None = None
    rf_mode: int | None = None
    search: int | None = None
    fixed_channels: tuple[int, ...] | None = None
    """Empty: the reader chooses among all."""
    hop_table: int | None = None
    sensitivity_index: int | None = None
    target: str | None = None

    def over(self, base: AntennaSettings) -> AntennaSettings:
        """Return these settings, filled up from more general ones."""
        values = (getattr(self, name) for name in self.__slots__)
        return AntennaSettings(
            *(
                getattr(base, name) if value is None else value
                for name, value in zip(self.__slots__, values, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class ROSpec:
    """A ROSpec as it will be run."""

    rospec_id: int
    immediate: bool
    duration_ms: int
    observe: int
    """Tags after which the AISpec ends, reporting them; 0: it does not end by number."""
    settle: bool
    """True: the AISpec ends when no new tags come, here taken as the end of every slice."""
    ports: tuple[int, ...]
    antennas: dict[int, AntennaSettings] = field(repr=False)
    content: Content | None
    report_trigger: int
    report_n: int
    parameter: Parameter = field(repr=False)

    def inventory(
        self, defaults: dict[int, AntennaSettings], identity: Identity, source: ReadSource
    ) -> Inventory:
        """Return what the radio is to do: this spec over the reader's own configuration."""
        installed = tuple(port for port in source.ports if port <= identity.antennas)
        ports = self.ports or tuple(range(1, identity.antennas + 1))
        used = tuple(port for port in ports if port in installed)
        each = {port: self._settings(port, defaults) for port in (used or ports)}
        power = tuple(
            identity.power_table[-1 if (index := each[port].power_index) is None else index - 1]
            for port in used
        )
        chosen = next(iter(each.values()))
        channels = chosen.fixed_channels or ()
        if chosen.fixed_channels is None and source.region == "ETSI" and chosen.channel_index:
            channels = (chosen.channel_index,)
        order = self.channel_order(defaults, identity, source)
        channels = tuple(order.index(c) + 1 for c in channels)
        one_way = chosen.target is not None
        return Inventory(
            ports=used,
            power_dbm=power,
            session=2 if chosen.session is None else chosen.session,
            search="single"
            if one_way
            else _SEARCH[SearchMode.READER_SELECTED if chosen.search is None else chosen.search],
            rf_mode=1000 if chosen.rf_mode is None else chosen.rf_mode,
            channels=channels,
        )

    def channel_order(
        self, defaults: dict[int, AntennaSettings], identity: Identity, source: ReadSource
    ) -> tuple[int, ...]:
        """Return the ChannelIndex, in the hop table in use, of each of the radio's channels."""
        chosen = self._settings(self.ports[0] if self.ports else 1, defaults).hop_table
        number = identity.hop_tables[0] if chosen in (None, 0) else chosen
        places = identity.table(number, tuple(range(1, len(source.frequencies_khz) + 1)))
        return tuple(places.index(channel) + 1 for channel in range(1, len(places) + 1))

    def least_dbm(self, port: int, defaults: dict[int, AntennaSettings], identity: Identity) -> float:
        """Return the weakest RSSI that is heard on a port as it is set, dBm."""
        index = self._settings(port, defaults).sensitivity_index
        if index in (None, 1):
            return -math.inf
        return identity.best_sensitivity_dbm + identity.sensitivities_db[index - 1]

    def _settings(self, port: int, defaults: dict[int, AntennaSettings]) -> AntennaSettings:
        settings = AntennaSettings()
        for table in (self.antennas, defaults):
            for key in (port, 0):
                if key in table:
                    settings = settings.over(table[key])
        return settings


_OF_1_1 = range(355, 366)
"""Types of the parameters that LLRP 1.1 added."""


def refuse_unknown(tree: tuple[Parameter, ...], extensions: bool, version: int = Version.V1_0_1) -> None:
    """Raise for parameters the reader does not know in this version, or Impinj's before they were enabled."""
    for item in tree:
        newer = version < Version.V1_1 and not item.kind.vendor and item.kind.number in _OF_1_1
        if not item.kind.known or newer:
            text = f"unknown parameter {item.kind.name}"
            raise RefusedError(Status.MESSAGE_PARAMETER_ERROR, text, item, Status.PARAMETER_UNKNOWN)
        if item.kind.vendor == IMPINJ and not extensions:
            text = f"{item.kind.name}: extensions are not enabled"
            raise RefusedError(Status.MESSAGE_PARAMETER_ERROR, text, item, Status.PARAMETER_UNKNOWN)
        refuse_unknown(item.children, extensions, version)


def antenna_settings(item: Parameter, identity: Identity, source: ReadSource) -> tuple[int, AntennaSettings]:
    """Check an AntennaConfiguration; return its AntennaID (0: all) and settings."""
    port = item.number("antenna_id")
    if port > identity.antennas:
        raise RefusedError(
            Status.INVALID, f"AntennaID {port}: this reader has {identity.antennas} ports", item
        )
    power = channel = session = mode = search = table = sensitivity = target = None
    fixed: tuple[int, ...] | None = None
    if (receiver := item.first("RFReceiver")) is not None:
        sensitivity = receiver.number("sensitivity_index")
        if not 1 <= sensitivity <= len(identity.sensitivities_db):
            text = f"ReceiverSensitivity index {sensitivity} is not in the table"
            raise RefusedError(Status.OUT_OF_RANGE, text, receiver)
    if (transmitter := item.first("RFTransmitter")) is not None:
        table = transmitter.number("hop_table_id")
        if source.region != "ETSI" and table not in (0, *identity.hop_tables):
            raise RefusedError(Status.OUT_OF_RANGE, f"HopTableID {table} is not there", transmitter)
        power, channel = transmitter.number("power_index"), transmitter.number("channel_index")
        if not 1 <= power <= len(identity.power_table):
            raise RefusedError(
                Status.OUT_OF_RANGE, f"TransmitPower index {power} is not in the table", transmitter
            )
        if channel > len(source.frequencies_khz):
            raise RefusedError(
                Status.OUT_OF_RANGE, f"ChannelIndex {channel} is not in the table", transmitter
            )
    if (command := item.first("C1G2InventoryCommand")) is not None:
        if (control := command.first("C1G2RFControl")) is not None:
            mode = control.number("mode_index")
            if mode not in {known for known, _, _ in identity.modes}:
                raise RefusedError(Status.OUT_OF_RANGE, f"ModeIndex {mode} is not in the table", control)
        if (singulation := command.first("C1G2SingulationControl")) is not None:
            session = singulation.number("session")
            action = singulation.first("C1G2TagInventoryStateAwareSingulationAction")
            if action is not None and not identity.state_aware:
                text = "this reader's singulation is not aware of tags' state"
                raise RefusedError(Status.UNSUPPORTED_PARAMETER, text, action, Status.PARAMETER_UNSUPPORTED)
            if action is not None and command.number("state_aware"):
                target = "B" if action.number("i") else "A"
        if (chosen := command.first("ImpinjInventorySearchMode")) is not None:
            search = chosen.number("mode")
            if search not in identity.search_modes:
                raise RefusedError(Status.OUT_OF_RANGE, f"InventorySearchMode {search} is unknown", chosen)
        if (listed := command.first("ImpinjFixedFrequencyList")) is not None:
            kind = listed.number("mode")
            if kind != FixedFrequencyMode.DISABLED:
                fixed = listed.numbers("channels") if kind == FixedFrequencyMode.CHANNEL_LIST else ()
            if source.region == "FCC" and fixed:
                raise RefusedError(Status.INVALID, "fixed frequencies are not allowed in this region", listed)
            if any(not 1 <= c <= len(source.frequencies_khz) for c in fixed or ()):
                raise RefusedError(Status.OUT_OF_RANGE, "fixed channel is not in the table", listed)
    return port, AntennaSettings(power, channel, session, mode, search, fixed, table, sensitivity, target)


def read_rospec(spec: Parameter, identity: Identity, source: ReadSource) -> ROSpec:
    """Check a ROSpec and return it ready to run.

    Raises
    ------
    RefusedError
        What a reader would answer with an error status.
    """
    if spec.number("rospec_id") == 0:
        raise RefusedError(Status.MESSAGE_FIELD_ERROR, "ROSpecID 0 stands for all and cannot be added", spec)
    if spec.number("state") != 0:
        raise RefusedError(Status.MESSAGE_FIELD_ERROR, "CurrentState must be Disabled", spec)
    boundary = _need(spec, "ROBoundarySpec")
    start, stop = _need(boundary, "ROSpecStartTrigger"), _need(boundary, "ROSpecStopTrigger")
    if start.number("trigger") > 1 or stop.number("trigger") > 1:
        text = "periodic and GPI triggers are not supported"
        raise RefusedError(Status.UNSUPPORTED_PARAMETER, text, start, Status.PARAMETER_UNSUPPORTED)
    specs = list(spec.all("AISpec"))
    if len(specs) != 1:
        raise RefusedError(
            Status.OVERFLOW_PARAMETER, f"{len(specs)} AISpecs: this reader runs exactly one", spec
        )
    ai_stop = _need(specs[0], "AISpecStopTrigger")
    inventories = list(specs[0].all("InventoryParameterSpec"))
    if len(inventories) != 1 or inventories[0].number("protocol") != 1:
        raise RefusedError(
            Status.INVALID, "exactly one InventoryParameterSpec for EPCglobal Class 1 Gen 2", specs[0]
        )
    ports = specs[0].numbers("antenna_ids")
    if not ports or any(port > identity.antennas for port in ports):
        raise RefusedError(
            Status.INVALID, f"antennas {ports}: this reader has 1 to {identity.antennas}", specs[0]
        )
    durations = [t.number("duration_ms") for t in (stop, ai_stop) if t.number("trigger") == 1]
    observe, settle = 0, False
    if ai_stop.number("trigger") == 3:
        observation = _need(ai_stop, "TagObservationTrigger")
        if observation.number("trigger") == 0:
            observe = max(1, observation.number("tags"))
        settle = observation.number("trigger") != 0
        durations += [timeout] if (timeout := observation.number("timeout_ms")) else []
    report = spec.first("ROReportSpec")
    if report is not None:
        _need(report, "TagReportContentSelector")
        if report.number("trigger") > 2:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, "ROReportTrigger is unknown", report)
    return ROSpec(
        rospec_id=spec.number("rospec_id"),
        immediate=start.number("trigger") == 1,
        duration_ms=min(durations, default=0),
        observe=observe,
        settle=settle,
        ports=() if 0 in ports else tuple(dict.fromkeys(ports)),
        antennas=dict(
            antenna_settings(item, identity, source) for item in inventories[0].all("AntennaConfiguration")
        ),
        content=None if report is None else Content.of(report),
        report_trigger=2 if report is None else report.number("trigger"),
        report_n=1 if report is None else report.number("n"),
        parameter=spec,
    )


def _need(item: Parameter, name: str) -> Parameter:
    found = item.first(name)
    if found is None:
        text = f"{item.kind.name} without {name}"
        raise RefusedError(Status.MESSAGE_PARAMETER_ERROR, text, item, Status.MISSING_PARAMETER + 100)
    return found
