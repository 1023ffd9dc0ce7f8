"""What an emulated reader knows and is told: its answer to every request, without sockets or time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from reader_drivers.llrp.codec import (
    IMPINJ_SUB_REGULATORY_REGION,
    Message,
    Notification,
    Parameter,
    Requested,
    RequestedConfig,
    ROSpecState,
    Status,
    Version,
)
from sim.readers.llrp_identity import (
    Identity,
    air_protocol,
    configuration,
    general,
    llrp_capabilities,
    regulatory,
    sub_region,
)
from sim.readers.llrp_memory import AccessSpec, read_access_spec
from sim.readers.llrp_reports import Content
from sim.readers.llrp_rospec import (
    AntennaSettings,
    RefusedError,
    ROSpec,
    antenna_settings,
    read_rospec,
    refuse_unknown,
)
from sim.readers.source import ReadSource

_REGION_TOO = {2000, IMPINJ_SUB_REGULATORY_REGION}
"""ImpinjRequestedData that the region is an answer to; 2000 asks for everything."""


class ReaderState:
    """Configuration and ROSpec of one reader; survives connections, not a reboot.

    Parameters
    ----------
    identity
        What the reader says it is.
    source
        The radio, for its ports and frequencies.
    """

    def __init__(self, identity: Identity, source: ReadSource) -> None:
        self.identity, self.source = identity, source
        self.disconnected: set[int] = set()
        """Ports whose antenna was pulled out; a reboot does not plug it in again."""
        self.reset()

    def reset(self) -> None:
        """Go back to factory settings."""
        self.rospec: ROSpec | None = None
        self.run_state = ROSpecState.DISABLED
        self.keepalive_ms = 0
        self.hold = False
        self.defaults: dict[int, AntennaSettings] = {}
        self.content = Content(*[True] * 10)
        self.events: dict[int, bool] = dict.fromkeys(Notification, False)
        self.access_specs: dict[int, AccessSpec] = {}
        self.enabled: set[int] = set()
        """Numbers of the AccessSpecs that are at work."""

    @property
    def active(self) -> bool:
        """True while the ROSpec is to run."""
        return self.run_state is ROSpecState.ACTIVE

    def answer(self, item: Message, *, extensions: bool, version: int = Version.V1_0_1) -> list[Parameter]:
        """Return what the response to a request carries behind its LLRPStatus, having done what it asks.

        Raises
        ------
        RefusedError
            What the reader answers with an error status.
        KeyError
            No such request is known.
        """
        handler = self._REQUESTS[item.name]
        refuse_unknown(item.children, extensions or item.name == "IMPINJ_ENABLE_EXTENSIONS", version)
        return handler(self, item)

    def knows(self, item: Message) -> bool:
        """Whether `answer` takes this message."""
        return item.name in self._REQUESTS

    def _capabilities(self, item: Message) -> list[Parameter]:
        wanted = item.number("requested")
        if wanted > Requested.AIR_PROTOCOL:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"RequestedData {wanted} is unknown")
        parts = {
            Requested.GENERAL: lambda: general(self.identity, item.version),
            Requested.LLRP: lambda: llrp_capabilities(self.identity),
            Requested.REGULATORY: lambda: regulatory(self.identity, self.source, item.version),
            Requested.AIR_PROTOCOL: lambda: air_protocol(item.version),
        }
        return [make() for number, make in parts.items() if wanted in (Requested.ALL, number)]

    def _get_config(self, item: Message) -> list[Parameter]:
        wanted = item.number("requested")
        if wanted > RequestedConfig.EVENTS_AND_REPORTS:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"RequestedData {wanted} is unknown")
        connected = tuple(port for port in self.source.ports if port not in self.disconnected)
        port = item.number("antenna_id")
        told = configuration(
            self.identity, wanted, port, connected, self.keepalive_ms, self.events, self.hold
        )
        asked = {more.number("requested") for more in item.all("ImpinjRequestedData")}
        return [*told, sub_region(self.source)] if asked & _REGION_TOO else told

    def _set_config(self, item: Message) -> list[Parameter]:
        if item.number("reset"):
            self.reset()
        for child in item.all("AntennaConfiguration"):
            port, settings = antenna_settings(child, self.identity, self.source)
            self.defaults[port] = settings
        if (spec := item.first("KeepaliveSpec")) is not None:
            self.keepalive_ms = spec.number("period_ms") if spec.number("trigger") == 1 else 0
        if (spec := item.first("EventsAndReports")) is not None:
            self.hold = bool(spec.number("hold"))
        if (spec := item.first("ROReportSpec")) is not None:
            self.content = Content.of(spec)
        if (spec := item.first("ReaderEventNotificationSpec")) is not None:
            for state in spec.all("EventNotificationState"):
                self.events[state.number("event")] = bool(state.number("enabled"))
        return []

    def _enable_extensions(self, _item: Message) -> list[Parameter]:
        if not self.identity.impinj:
            raise RefusedError(Status.UNSUPPORTED_MESSAGE, "this reader has no Impinj extensions")
        return []

    def _add(self, item: Message) -> list[Parameter]:
        spec = item.first("ROSpec")
        if spec is None:
            raise RefusedError(Status.MISSING_PARAMETER, "ADD_ROSPEC without ROSpec")
        if self.rospec is not None:
            raise RefusedError(
                Status.OVERFLOW_PARAMETER, "this reader holds one ROSpec; delete the old one first"
            )
        self.rospec = read_rospec(spec, self.identity, self.source)
        self.run_state = ROSpecState.DISABLED
        return []

    def _named(self, item: Message, *, zero_is_all: bool) -> bool:
        """Return whether the message names the ROSpec that is there; raise where it names another."""
        number = item.number("rospec_id")
        if number == 0 and zero_is_all:
            return self.rospec is not None
        if self.rospec is None or self.rospec.rospec_id != number:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"there is no ROSpec {number}")
        return True

    def _delete(self, item: Message) -> list[Parameter]:
        if self._named(item, zero_is_all=True):
            self.rospec, self.run_state = None, ROSpecState.DISABLED
        return []

    def _enable(self, item: Message) -> list[Parameter]:
        if (
            self._named(item, zero_is_all=True)
            and self.run_state is ROSpecState.DISABLED
            and self.rospec is not None
        ):
            self.run_state = ROSpecState.ACTIVE if self.rospec.immediate else ROSpecState.INACTIVE
        return []

    def _disable(self, item: Message) -> list[Parameter]:
        if self._named(item, zero_is_all=True):
            self.run_state = ROSpecState.DISABLED
        return []

    def _start(self, item: Message) -> list[Parameter]:
        self._named(item, zero_is_all=False)
        if self.run_state is ROSpecState.DISABLED:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, "the ROSpec is disabled; enable it first")
        self.run_state = ROSpecState.ACTIVE
        return []

    def _stop(self, item: Message) -> list[Parameter]:
        self._named(item, zero_is_all=False)
        if self.active:
            self.run_state = ROSpecState.INACTIVE
        return []

    def _get_rospecs(self, _item: Message) -> list[Parameter]:
        if self.rospec is None:
            return []
        spec = self.rospec.parameter
        return [Parameter(spec.kind, {**spec.values, "state": int(self.run_state)}, spec.children)]

    def _nothing(self, _item: Message) -> list[Parameter]:
        return []

    def _add_access(self, item: Message) -> list[Parameter]:
        spec = item.first("AccessSpec")
        if spec is None:
            raise RefusedError(Status.MISSING_PARAMETER, "ADD_ACCESSSPEC without AccessSpec")
        if len(self.access_specs) >= self.identity.access_specs:
            text = f"this reader holds {self.identity.access_specs} AccessSpecs"
            raise RefusedError(Status.OVERFLOW_PARAMETER, text, spec)
        read = read_access_spec(spec)
        if isinstance(read, str):
            raise RefusedError(Status.INVALID, read, spec)
        if len(read.reads) > self.identity.op_specs:
            text = f"this reader does {self.identity.op_specs} operations an AccessSpec"
            raise RefusedError(Status.OVERFLOW_PARAMETER, text, spec)
        if read.number in self.access_specs:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"AccessSpec {read.number} is there already", spec)
        self.access_specs[read.number] = read
        return []

    def _access(self, item: Message) -> set[int]:
        """Return the AccessSpecs that a message names; 0 stands for all."""
        number = item.number("access_spec_id")
        if number == 0:
            return set(self.access_specs)
        if number not in self.access_specs:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"there is no AccessSpec {number}")
        return {number}

    def _enable_access(self, item: Message) -> list[Parameter]:
        self.enabled |= self._access(item)
        return []

    def _disable_access(self, item: Message) -> list[Parameter]:
        self.enabled -= self._access(item)
        return []

    def _delete_access(self, item: Message) -> list[Parameter]:
        for number in self._access(item):
            del self.access_specs[number]
            self.enabled.discard(number)
        return []

    def _get_access(self, _item: Message) -> list[Parameter]:
        return [
            Parameter(
                spec.parameter.kind,
                {**spec.parameter.values, "active": int(number in self.enabled)},
                spec.parameter.children,
            )
            for number, spec in self.access_specs.items()
        ]

    _Handler = Callable[[Self, Message], list[Parameter]]

    _REQUESTS: dict[str, _Handler] = {  # noqa: RUF012 - a table of methods, never written to
        "GET_READER_CAPABILITIES": _capabilities,
        "GET_READER_CONFIG": _get_config,
        "SET_READER_CONFIG": _set_config,
        "IMPINJ_ENABLE_EXTENSIONS": _enable_extensions,
        "IMPINJ_SAVE_SETTINGS": _nothing,
        "ADD_ROSPEC": _add,
        "DELETE_ROSPEC": _delete,
        "ENABLE_ROSPEC": _enable,
        "DISABLE_ROSPEC": _disable,
        "START_ROSPEC": _start,
        "STOP_ROSPEC": _stop,
        "GET_ROSPECS": _get_rospecs,
        "ADD_ACCESSSPEC": _add_access,
        "DELETE_ACCESSSPEC": _delete_access,
        "ENABLE_ACCESSSPEC": _enable_access,
        "DISABLE_ACCESSSPEC": _disable_access,
        "GET_ACCESSSPECS": _get_access,
        "CLOSE_CONNECTION": _nothing,
    }
