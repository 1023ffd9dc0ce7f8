"""One connection to a reader, set up and watched: what lives from `connect` until the connection is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings
from reader_drivers.clock_map import ClockMap
from reader_drivers.inbox import SPAN_NS, Inbox
from reader_drivers.llrp.capabilities import LlrpCapabilities, connected_ports, read_capabilities, sub_region
from reader_drivers.llrp.checks import power_entry
from reader_drivers.llrp.client import LlrpClient, RefusedError
from reader_drivers.llrp.codec import (
    IMPINJ_SUB_REGULATORY_REGION,
    CodecError,
    Message,
    Parameter,
    Reports,
    Requested,
    RequestedConfig,
    ROSpecState,
    parameter,
)
from reader_drivers.llrp.events import EventTeller
from reader_drivers.llrp.memories import TagMemories
from reader_drivers.llrp.options import Options
from reader_drivers.llrp.readings import ReportConverter
from reader_drivers.llrp.rospec import (
    ACCESS_SPEC_ID,
    ROSPEC_ID,
    build_access_spec,
    build_rospec,
    reader_config,
    wanted_banks,
)
from reader_drivers.llrp.version import negotiate
from reader_drivers.llrp.watchdog import Watchdog
from reader_drivers.threaded import MISSED_KEEPALIVES
from reader_drivers.transport import LinkLostError, TcpTransport, TlsTransport, Wake


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a reader, s; None: as the URL says.

    Parameters
    ----------
    connect_s
        For the connection.
    greeting_s
        For its first word on it.
    """

    connect_s: float | None = None
    greeting_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Running:
    settings: ReaderSettings
    power_dbm: dict[int, float]
    """Of each port in use."""
    session: int


class LlrpLink:
    """A reader that answers.

    Parameters
    ----------
    options
        Where it is and how to treat it.
    clock
        Host time, ns UTC.
    inbox
        Where readings and events go.
    clock_map, memories
        What is known of the reader's clock and of tags' memories; they outlive the connection.
    wake
        Ends a wait in `pump`.
    patience
        How long to wait for it.

    Raises
    ------
    ReaderError
        It cannot be reached or set up.
    VersionRefusedError
        It hung up when asked for its versions.
    """

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int],
        inbox: Inbox,
        clock_map: ClockMap,
        memories: TagMemories,
        wake: Wake,
        patience: Patience,
    ) -> None:
        self._options, self._clock, self._inbox = options, clock, inbox
        self._clock_map, self._memories = clock_map, memories
        self._converter: ReportConverter | None = None
        self._running: _Running | None = None
        self._listening_since = 0
        self._last_arrival = 0
        self._stopping = False
        self._keepalive_s: float | None = None
        self._watchdog = Watchdog()
        began = time.monotonic()
        self._transport = transport = _open(options, wake, patience)
        self.ends = transport.ends
        """Addresses of the connection."""
        opened = time.monotonic()
        self.client = LlrpClient(transport, self, clock, options.common.timeout_s)
        self.where = self.client.where
        self._events = EventTeller(self.where, inbox)
        try:
            self.client.handshake(patience.greeting_s)
            self.took = Patience(opened - began, time.monotonic() - opened)
            """How long this one needed."""
            self.version = negotiate(self.client, options.version)
            self.abilities = self._set_up()
        except BaseException:
            self.client.close()
            raise

    @property
    def capabilities(self) -> Capabilities:
        """What the reader said it can do."""
        return self.abilities.public

    def _set_up(self) -> LlrpCapabilities:
        client = self.client
        # A ROSpec of an earlier client may be running: end it before anything else.
        self._delete_rospecs()
        self._delete_access_specs()
        answer = client.request("GET_READER_CAPABILITIES", requested=int(Requested.ALL))
        abilities = read_capabilities(answer, self.where, self._options.choices.hop_table)
        if abilities.impinj:
            client.request("IMPINJ_ENABLE_EXTENSIONS")
        answer = self._ask_config(impinj=abilities.impinj)
        # Readers that cannot tell a plugged port from an empty one may refuse; all ports are then taken as used.
        self._connected = () if answer is None else connected_ports(answer)
        region = None if answer is None else sub_region(answer)
        if region is not None:
            abilities = replace(abilities, public=replace(abilities.public, region=region))
        self._configure(self._options.settings.keepalive_s)
        if abilities.can_hold:
            # A former client may have set it to keep events and reports back from every new connection until they are
            # asked for (HoldEventsAndReportsUponReconnect); what was just set is for the connections to come.
            client.tell("ENABLE_EVENTS_AND_REPORTS")
        self._converter = ReportConverter(abilities.frequency_khz, self._options.phase_sign, self._clock_map)
        return abilities

    def _ask_config(self, *, impinj: bool) -> Message | None:
        """Ask which ports have an antenna, and an Impinj reader for its region; None: it will not tell."""
        wanted = int(RequestedConfig.ANTENNA_PROPERTIES)
        region = parameter("ImpinjRequestedData", requested=IMPINJ_SUB_REGULATORY_REGION)
        for more in ((region,), ()) if impinj else ((),):
            with contextlib.suppress(RefusedError):
                return self.client.request("GET_READER_CONFIG", *more, requested=wanted)
        return None

    def _delete_rospecs(self) -> None:
        """End and forget every ROSpec, whoever added it."""
        try:
            self.client.request("DELETE_ROSPEC", rospec_id=0)
        except RefusedError:
            # Number 0 stands for all (LLRP 1.0.1, section 9.1.2), but some readers want each by its own.
            for spec in self.client.request("GET_ROSPECS").all("ROSpec"):
                self.client.request("DELETE_ROSPEC", rospec_id=spec.number("rospec_id"))

    def _delete_access_specs(self) -> None:
        # Readers without AccessSpecs refuse to delete them, and have none.
        with contextlib.suppress(RefusedError):
            self.client.request("DELETE_ACCESSSPEC", access_spec_id=0)

    def _configure(self, keepalive_s: float) -> None:
        if keepalive_s != self._keepalive_s:
            self.client.request("SET_READER_CONFIG", *reader_config(keepalive_s))
            self._keepalive_s = keepalive_s

    def start(self, settings: ReaderSettings) -> None:
        """Begin to read tags.

        Raises
        ------
        ReaderError
            The reader cannot or will not do this.
        """
        choices, abilities = self._options.choices, self.abilities
        spec = build_rospec(settings, abilities, self.where, choices, self.version)
        access = build_access_spec(abilities, choices)
        self._configure(settings.keepalive_s)
        self._end_inventory()
        self._running = None
        self.client.request("ADD_ROSPEC", spec)
        if access is not None:
            self._add_access_spec(access)
        every = tuple(range(1, abilities.public.antennas + 1))
        ports = settings.ports or self._connected or every
        for port in ports:
            if self._connected and port not in self._connected:
                self._events.lost_antenna(port, "nothing is plugged into it")
        power = {port: power_entry(settings, abilities, self.where, port)[0] for port in ports}
        self.client.request("ENABLE_ROSPEC", rospec_id=ROSPEC_ID)
        # From here on every report is ours: the first may come together with the answer to START_ROSPEC.
        self._running = _Running(settings, power, settings.gen2_session)
        self._listening_since = self._last_arrival = self._clock()
        try:
            self.client.request("START_ROSPEC", rospec_id=ROSPEC_ID)
        except RefusedError:
            self._running = None
            raise
        self._watchdog.started()

    def _add_access_spec(self, access: Parameter) -> None:
        try:
            self._delete_access_specs()
            self.client.request("ADD_ACCESSSPEC", access)
            self.client.request("ENABLE_ACCESSSPEC", access_spec_id=ACCESS_SPEC_ID)
        except RefusedError as error:
            raise ReaderError(f"{error}; it cannot read tags' memories: leave tid and memory out") from error

    def _end_inventory(self) -> None:
        # After DELETE's answer nothing can come any more; STOP alone may be refused when the ROSpec ended by itself.
        self._stopping = True
        try:
            self._delete_rospecs()
        finally:
            self._stopping = False

    def stop(self) -> None:
        """Stop reading tags; every report that was under way has arrived when this returns."""
        self._end_inventory()
        self._note_listening(self._clock(), last=True)
        self._running = None

    def pump(self, timeout_s: float) -> None:
        """Handle what comes, for at most `timeout_s`.

        Raises
        ------
        LinkLostError
            The connection is over, or the reader has been silent for too long.
        """
        limit = MISSED_KEEPALIVES * (self._keepalive_s or self._options.settings.keepalive_s)
        quiet = time.monotonic() - self.client.last_heard
        # Look once more before giving up: this host may have been the one that slept.
        if not self.client.pump(min(timeout_s, max(0.0, limit - quiet))) and quiet > limit:
            raise LinkLostError(
                f"{self.where}: silent for {quiet:.1f} s, {MISSED_KEEPALIVES} keepalives missed"
            )
        if self._running is not None:
            self._tend(self._running)

    def _tend(self, running: _Running) -> None:
        """Start the inventory again where the reader ended it, whether it said so or not."""
        if self._watchdog.ended or (self._watchdog.doubtful and not self._reads()):
            if not self._watchdog.ended:
                self._inbox.add_event("reader_exception", f"{self.where}: the reader had ceased to read tags")
                self._watchdog.note_ended()
            if self._watchdog.due:
                self._note_listening(self._last_arrival, last=True)
                try:
                    self.start(running.settings)
                except RefusedError as error:
                    # Only a new connection can be better.
                    raise LinkLostError(str(error)) from error

    def _reads(self) -> bool:
        """Ask whether the ROSpec is at work; what cannot tell is trusted."""
        self._watchdog.asked()
        try:
            specs = self.client.request("GET_ROSPECS").all("ROSpec")
        except RefusedError:
            return True
        active = any(
            s.number("rospec_id") == ROSPEC_ID and s.number("state") == ROSpecState.ACTIVE for s in specs
        )
        if active:
            # That no tag was in reach is worth as much as a tag; it is not to be lost with the connection.
            self._note_listening(self._clock())
        return active

    def lost(self) -> None:
        """Note the end of a connection that broke, and close it."""
        self._note_listening(self._last_arrival, last=True)
        self._transport.abort()

    def close(self) -> None:
        """Say good-bye and close the connection; a reader that is left does not go on transmitting."""
        try:
            if self._running is not None:
                self.stop()
                if build_access_spec(self.abilities, self._options.choices) is not None:
                    self._delete_access_specs()
            self.client.request("CLOSE_CONNECTION")
        except (LinkLostError, RefusedError):
            # It is closed one way or the other.
            pass
        finally:
            self.client.close()

    # What the client tells

    def on_reports(self, reports: Reports, arrival_ns: int) -> None:
        """Store tag reports; reports of a ROSpec that an earlier client left running are not ours."""
        self._note_listening(arrival_ns)
        if self._converter is None or not len(reports) or self._running is None:
            return
        self._watchdog.heard()
        readings, events, left_out = self._converter.convert(
            reports, arrival_ns, self._options.choices.doppler
        )
        for happened in events:
            self._inbox.add_event(happened.kind, f"{self.where}: {happened.detail}")
        if left_out:
            self._inbox.add_left_out("bad_reading", left_out)
        self._inbox.add_readings(readings)
        banks = wanted_banks(self.abilities, self._options.choices)
        for data in self._memories.collect(reports, arrival_ns, banks):
            self._inbox.add_tag_data(data)

    def on_bad_message(self, error: CodecError, arrival_ns: int) -> None:
        """Tell of a message that cannot be read."""
        self._note_listening(arrival_ns)
        self._inbox.add_event("bad_message", f"{self.where}: {error}")

    def on_event(self, data: Parameter, arrival_ns: int) -> None:
        """Tell of a reader event."""
        self._note_listening(arrival_ns)
        running = self._running is not None and not self._stopping
        if self._events.tell(data, running=running):
            self._watchdog.note_ended()

    def _note_listening(self, now: int, *, last: bool = False) -> None:
        self._last_arrival = now
        running = self._running
        if running is None or not (last or now - self._listening_since >= SPAN_NS):
            return
        for port, power_dbm in running.power_dbm.items():
            if port not in self._events.missing:
                self._inbox.add_span(self._listening_since, now, port, power_dbm, running.session)
        self._listening_since = now


def _open(options: Options, wake: Wake, patience: Patience) -> TcpTransport:
    where, target, limit = options.where, options.target, options.common.timeout_s
    if options.tls is not None:
        return TlsTransport(where, target, limit, wake, options.tls, patience.connect_s)
    return TcpTransport(where, target, limit, wake, patience.connect_s)
