"""One connection to a reader, set up and watched: what lives from `connect` until the connection is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from reader_drivers._reader import Capabilities, ReaderSettings
from reader_drivers.clock_map import ClockMap
from reader_drivers.inbox import Inbox
from reader_drivers.llrp.capabilities import LlrpCapabilities, connected_ports, read_capabilities
from reader_drivers.llrp.client import LlrpClient, RefusedError
from reader_drivers.llrp.codec import (
    CodecError,
    ConnectionStatus,
    Parameter,
    Reports,
    Requested,
    RequestedConfig,
)
from reader_drivers.llrp.options import Options
from reader_drivers.llrp.readings import ReportConverter
from reader_drivers.llrp.rospec import ROSPEC_ID, build_rospec, power_entry, reader_config
from reader_drivers.transport import LinkLostError, TcpTransport, Wake

MISSED_KEEPALIVES = 3
"""After so many keepalive periods of silence a reader counts as gone."""

_SPAN_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Running:
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
    clock_map
        What is known of the reader's clock; outlives the connection.
    wake
        Ends a wait in `pump`.

    Raises
    ------
    ReaderError
        It cannot be reached or set up.
    """

    def __init__(
        self, options: Options, clock: Callable[[], int], inbox: Inbox, clock_map: ClockMap, wake: Wake
    ) -> None:
        self._options, self._clock, self._inbox = options, clock, inbox
        self._clock_map = clock_map
        self._converter: ReportConverter | None = None
        self._running: _Running | None = None
        self._listening_since = 0
        self._last_arrival = 0
        self._stopping = False
        self._missing: set[int] = set()
        self._keepalive_s: float | None = None
        transport = TcpTransport(options.where, options.target, options.common.timeout_s, wake)
        self.client = LlrpClient(transport, self, clock, options.common.timeout_s)
        self.where = self.client.where
        try:
            self.client.handshake()
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
        # Readers without AccessSpecs refuse to delete them, and have none.
        with contextlib.suppress(RefusedError):
            client.request("DELETE_ACCESSSPEC", access_spec_id=0)
        answer = client.request("GET_READER_CAPABILITIES", requested=int(Requested.ALL))
        abilities = read_capabilities(answer, self.where)
        if abilities.impinj:
            client.request("IMPINJ_ENABLE_EXTENSIONS")
        self._connected: tuple[int, ...] = ()
        try:
            wanted = int(RequestedConfig.ANTENNA_PROPERTIES)
            self._connected = connected_ports(client.request("GET_READER_CONFIG", requested=wanted))
        except RefusedError:
            # Readers that cannot tell a plugged port from an empty one may refuse; all ports are then taken as used.
            self._connected = ()
        self._configure(self._options.settings.keepalive_s)
        self._converter = ReportConverter(abilities.frequency_khz, self._options.phase_sign, self._clock_map)
        return abilities

    def _delete_rospecs(self) -> None:
        """End and forget every ROSpec, whoever added it."""
        try:
            self.client.request("DELETE_ROSPEC", rospec_id=0)
        except RefusedError:
            # Number 0 stands for all (LLRP 1.0.1, section 9.1.2), but some readers want each by its own.
            for spec in self.client.request("GET_ROSPECS").all("ROSpec"):
                self.client.request("DELETE_ROSPEC", rospec_id=spec.number("rospec_id"))

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
        options = self._options
        spec = build_rospec(
            settings, self.abilities, self.where, doppler=options.doppler, population=options.population
        )
        self._configure(settings.keepalive_s)
        self._delete_rospecs()
        self.client.request("ADD_ROSPEC", spec)
        every = tuple(range(1, self.abilities.public.antennas + 1))
        ports = settings.ports or self._connected or every
        for port in ports:
            if self._connected and port not in self._connected:
                self._lost_antenna(port, "nothing is plugged into it")
        power = {port: power_entry(settings, self.abilities, self.where, port)[0] for port in ports}
        self.client.request("ENABLE_ROSPEC", rospec_id=ROSPEC_ID)
        # From here on every report is ours: the first may come together with the answer to START_ROSPEC.
        self._running = _Running(power, 1 if settings.session is None else settings.session)
        self._listening_since = self._last_arrival = self._clock()
        try:
            self.client.request("START_ROSPEC", rospec_id=ROSPEC_ID)
        except RefusedError:
            self._running = None
            raise

    def stop(self) -> None:
        """Stop reading tags; every report that was under way has arrived when this returns."""
        # After DELETE's answer nothing can come any more; STOP alone may be refused when the ROSpec ended by itself.
        self._stopping = True
        try:
            self._delete_rospecs()
        finally:
            self._stopping = False
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

    def lost(self) -> None:
        """Note the end of a connection that broke, and close it."""
        self._note_listening(self._last_arrival, last=True)
        self.client.close()

    def close(self) -> None:
        """Say good-bye and close the connection; a reader that is left does not go on transmitting."""
        try:
            if self._running is not None:
                self.stop()
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
        readings, events, left_out = self._converter.convert(reports, arrival_ns, self._options.doppler)
        for happened in events:
            self._inbox.add_event(happened.kind, f"{self.where}: {happened.detail}")
        if left_out:
            self._inbox.add_left_out("bad_reading", left_out)
        self._inbox.add_readings(readings)

    def on_bad_message(self, error: CodecError, arrival_ns: int) -> None:
        """Tell of a message that cannot be read."""
        self._note_listening(arrival_ns)
        self._inbox.add_event("bad_message", f"{self.where}: {error}")

    def on_event(self, data: Parameter, arrival_ns: int) -> None:
        """Tell of a reader event."""
        self._note_listening(arrival_ns)
        add = self._inbox.add_event
        for item in data.children:
            if item.name == "AntennaEvent":
                port = item.number("antenna_id")
                if item.number("event") == 0:
                    self._lost_antenna(port, "the reader says it was disconnected")
                elif port in self._missing:
                    self._missing.discard(port)
                    add("antenna_back", f"{self.where}: antenna port {port} is connected again")
            elif item.name == "ReportBufferOverflowErrorEvent":
                add(
                    "buffer_overflow", f"{self.where}: the reader's report buffer overflowed; reads were lost"
                )
            elif item.name == "ReportBufferLevelWarningEvent":
                add(
                    "buffer_warning",
                    f"{self.where}: the reader's report buffer is {item.number('percent')} % full",
                )
            elif item.name == "ReaderExceptionEvent":
                add("reader_exception", f"{self.where}: {item.text('message')}")
            elif item.name == "ConnectionAttemptEvent":
                if item.number("status") == ConnectionStatus.ANOTHER_ATTEMPTED:
                    add("connection_attempted", f"{self.where}: another client tried to take this reader")
            elif item.name == "ConnectionCloseEvent":
                add("reader_exception", f"{self.where}: the reader is closing the connection")
            elif (
                item.name == "ROSpecEvent"
                and item.number("event") != 0
                and self._running
                and not self._stopping
            ):
                add("reader_exception", f"{self.where}: the reader ended the inventory by itself")

    def _lost_antenna(self, port: int, why: str) -> None:
        if port not in self._missing:
            self._missing.add(port)
            self._inbox.add_event("antenna_gone", f"{self.where}: antenna port {port}: {why}")

    def _note_listening(self, now: int, *, last: bool = False) -> None:
        self._last_arrival = now
        running = self._running
        if running is None or not (last or now - self._listening_since >= _SPAN_NS):
            return
        for port, power_dbm in running.power_dbm.items():
            if port not in self._missing:
                self._inbox.add_span(self._listening_since, now, port, power_dbm, running.session)
        self._listening_since = now
