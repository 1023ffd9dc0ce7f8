"""An LLRP reader made of software: an asyncio server that any LLRP client can talk to.

Behaviour follows the Low Level Reader Protocol 1.0.1 (sections 6 to 9: connection, ROSpec life cycle, reports, keepalives) and, for
Impinj's extensions, Octane LLRP: they are refused until enabled on that connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self

from reader_drivers.checksums import crc_epc
from reader_drivers.llrp.codec import (
    CodecError,
    ConnectionStatus,
    FrameReader,
    Message,
    Notification,
    Parameter,
    Requested,
    RequestedConfig,
    ROSpecState,
    Status,
    decode_message,
    encode_message,
    event,
    message,
    parameter,
    status,
)
from sim.readers.clock import ReaderClock
from sim.readers.llrp_identity import (
    Identity,
    air_protocol,
    configuration,
    general,
    llrp_capabilities,
    regulatory,
)
from sim.readers.llrp_reports import Content, Rows, encode_reports, merge, quantise
from sim.readers.llrp_rospec import (
    AntennaSettings,
    RefusedError,
    ROSpec,
    antenna_settings,
    read_rospec,
    refuse_unknown,
)
from sim.readers.source import ReadSource

BUFFER_ROWS = 200_000
"""Reports a reader keeps for a client that has not asked for them; more are lost, and an event says so."""

_BUFFERED_PER_MESSAGE = 200


class _Client:
    """The connection that holds the reader."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, holding: bool) -> None:
        self.reader, self.writer, self.holding = reader, writer, holding
        self.extensions = False
        self.keepalives = 0
        self.acks = 0
        self.acked = asyncio.Event()
        self._drain = asyncio.Lock()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with self._drain:
            await self.writer.drain()


class LlrpEmulator:
    """One emulated reader.

    Parameters
    ----------
    source
        The radio it hears.
    listen
        `host:port`; port 0 takes a free one. Loopback only is meant: LLRP has no authentication.
    clock
        The reader's own clock; None: it is right.
    phase_sign
        Sign in which the reader reports the phase: 1 growing with distance, -1 falling.
    identity
        What it says it is.
    """

    def __init__(
        self,
        source: ReadSource,
        listen: str = "127.0.0.1:0",
        *,
        clock: ReaderClock | None = None,
        phase_sign: int = 1,
        identity: Identity | None = None,
    ) -> None:
        if phase_sign not in (-1, 1):
            raise ValueError(f"phase_sign is {phase_sign}; it is 1 (grows with distance) or -1")
        host, _, port = listen.rpartition(":")
        self.source, self.host, self.port = source, host or "127.0.0.1", int(port)
        self.clock = clock or ReaderClock()
        self.phase_sign = phase_sign
        self.identity = identity or Identity()
        self._awake = asyncio.Event()
        self._awake.set()
        self.connections = 0
        """Connections accepted so far, refused ones included."""
        self._server: asyncio.Server | None = None
        self._client: _Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inventory: asyncio.Task[None] | None = None
        self._keepalive: asyncio.Task[None] | None = None
        self._message_id = 0
        self._reset()

    def _reset(self) -> None:
        self._rospec: ROSpec | None = None
        self._state = ROSpecState.DISABLED
        self._keepalive_ms = 0
        self._hold = False
        self._defaults: dict[int, AntennaSettings] = {}
        self._content = Content(True, True, True, True, True, True, True, True, True, True)
        self._events: dict[int, bool] = dict.fromkeys(Notification, False)
        self._disconnected: set[int] = set()
        self._buffer: list[Rows] = []
        self._buffered = 0

    # Life

    @property
    def address(self) -> str:
        """`host:port` as listened on."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """URL for `reader_drivers.open_reader`."""
        return f"llrp://{self.address}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, end every connection and wait until all is quiet."""
        await self._end_connections()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _end_connections(self, *, reset: bool = False) -> None:
        if self._client is not None:
            if reset:
                self._client.writer.transport.abort()
            self._client.writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Faults, for tests

    async def drop(self, *, reset: bool = False) -> None:
        """Lose the connection, by FIN or by RST; ROSpecs live on, as they do on a reader."""
        await self._end_connections(reset=reset)

    def go_silent(self, silent: bool = True) -> None:
        """Hang, without FIN; `go_silent(False)` wakes the reader again."""
        (self._awake.clear if silent else self._awake.set)()

    @property
    def silent(self) -> bool:
        """True: the reader hangs; connections stand, nothing is sent and nothing is heard."""
        return not self._awake.is_set()

    async def reboot(self, down_s: float) -> None:
        """Fall off the network, forget every spec and setting, and come back on the same port."""
        await self.close()
        self._reset()
        await asyncio.sleep(down_s)
        await self.start()

    async def buffer_overflow(self) -> None:
        """Report that reports were lost."""
        await self._notify(parameter("ReportBufferOverflowErrorEvent"))

    async def buffer_warning(self, percent: int) -> None:
        """Report how full the report buffer is."""
        if self._events[Notification.BUFFER_WARNING]:
            await self._notify(parameter("ReportBufferLevelWarningEvent", percent=percent))

    async def reader_exception(self, text: str) -> None:
        """Report a fault of the reader's own."""
        if self._events[Notification.EXCEPTION]:
            await self._notify(parameter("ReaderExceptionEvent", message=text))

    async def antenna(self, port: int, *, connected: bool) -> None:
        """Plug an antenna in or pull it out; from then on no read of it is reported."""
        (self._disconnected.discard if connected else self._disconnected.add)(port)
        if self._events[Notification.ANTENNA]:
            await self._notify(parameter("AntennaEvent", event=int(connected), antenna_id=port))

    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        if self._client is not None:
            await self._client.send(data)

    # Connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        self.connections += 1
        client = _Client(reader, writer, self._hold)
        # Cancelled by `close`, or gone: either way the connection is over and nobody waits for a result.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._serve_client(client)
        self._tasks.discard(task)
        if self._client is client:
            self._client = None
            self._restart_keepalive()
            await self._pause()
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _serve_client(self, client: _Client) -> None:
        if self._client is not None:
            await self._greet(client, ConnectionStatus.CLIENT_INITIATED_EXISTS)
            await self._greet(self._client, ConnectionStatus.ANOTHER_ATTEMPTED)
            return
        self._client = client
        await self._greet(client, ConnectionStatus.SUCCESS)
        self._restart_keepalive()
        if self._state is ROSpecState.ACTIVE:
            self._run()
        frames = FrameReader()
        while data := await client.reader.read(1 << 16):
            if self.silent:
                continue
            batch = frames.feed(data)
            for i in range(len(batch)):
                await self._handle(client, batch.frame(i))
            if frames.error is not None:
                text = status(Status.MESSAGE_FIELD_ERROR, str(frames.error))
                await self._send(message("ERROR_MESSAGE", 0, text))
                return

    async def _greet(self, client: _Client, what: ConnectionStatus) -> None:
        if not self.silent:
            attempt = parameter("ConnectionAttemptEvent", status=what)
            await client.send(encode_message(event(self._now_us(), attempt, message_id=self._next_id())))

    async def _send(self, item: Message) -> None:
        if self._client is not None and not self.silent:
            await self._client.send(encode_message(item))

    async def _notify(self, what: Parameter) -> None:
        await self._send(event(self._now_us(), what, message_id=self._next_id()))

    def _now_us(self) -> int:
        return int(self.clock.microseconds(self.source.true_time_ns()))

    def _next_id(self) -> int:
        self._message_id = (self._message_id + 1) & 0xFFFFFFFF
        return self._message_id

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Keepalives

    def _restart_keepalive(self) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None
        if self._keepalive_ms and self._client is not None:
            self._keepalive = self._spawn(self._beat(self._client, self._keepalive_ms / 1000))

    async def _beat(self, client: _Client, period_s: float) -> None:
        """Send keepalives in real time; in virtual time too, lest a world that computes long looks dead."""
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(period_s)
                await self._send_keepalive(client)

    async def _send_keepalive(self, client: _Client) -> None:
        if not self.silent:
            client.keepalives += 1
            await client.send(encode_message(message("KEEPALIVE", self._next_id())))

    async def _barrier(self, client: _Client) -> None:
        await self._send_keepalive(client)
        while client.acks < client.keepalives:
            client.acked.clear()
            await client.acked.wait()

    # Inventory

    def _run(self) -> None:
        if self._inventory is None and self._rospec is not None and self._client is not None:
            self._inventory = self._spawn(self._read_tags(self._client, self._rospec))

    async def _pause(self) -> None:
        task, self._inventory = self._inventory, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read_tags(self, client: _Client, spec: ROSpec) -> None:
        inventory = spec.inventory(self._defaults, self.identity, self.source)
        if self._events[Notification.ROSPEC]:
            await self._notify(parameter("ROSpecEvent", event=0, rospec_id=spec.rospec_id))
        self.source.start(inventory)
        began: int | None = None
        try:
            while await self._awake.wait() and (heard := await self.source.next_slice()) is not None:
                began = heard.t_start_ns if began is None else began
                if len(heard):
                    await self._report(client, spec, quantise(heard, self.clock, self.phase_sign))
                if self.source.virtual and self._keepalive_ms:
                    await self._barrier(client)
                if spec.duration_ms and heard.t_end_ns - began >= spec.duration_ms * 1_000_000:
                    await self._flush(client, spec)
                    if not spec.immediate:
                        break
                    # The start trigger is met again at once.
                    began = None
        except ConnectionError:
            return
        finally:
            self.source.stop()
        self._inventory = None
        await self._rospec_ended(spec)

    async def _rospec_ended(self, spec: ROSpec) -> None:
        self._state = ROSpecState.INACTIVE
        if self._client is not None:
            await self._flush(self._client, spec)
        if self._events[Notification.ROSPEC]:
            await self._notify(parameter("ROSpecEvent", event=1, rospec_id=spec.rospec_id))

    async def _report(self, client: _Client, spec: ROSpec, rows: Rows) -> None:
        if self._disconnected:
            gone = functools.reduce(lambda a, b: a | b, (rows.antenna == port for port in self._disconnected))
            rows = rows.part(~gone)
        content = spec.content or self._content
        if spec.report_n != 1 or spec.report_trigger == 0:
            rows = merge(rows, content)
        if self._buffered + len(rows) > BUFFER_ROWS:
            await self.buffer_overflow()
            return
        self._buffer.append(rows)
        self._buffered += len(rows)
        if client.holding or spec.report_trigger == 0 or spec.report_n == 0:
            return
        await self._flush(client, spec, whole_only=spec.report_n)

    async def _flush(self, client: _Client, spec: ROSpec | None, whole_only: int = 1) -> None:
        """Send what is buffered; of reports that are to come `whole_only` together, only whole messages."""
        if not self._buffer or spec is None:
            return
        rows = Rows.join(self._buffer)
        ready = len(rows) - len(rows) % whole_only
        rest = rows.part(slice(ready, None))
        self._buffer, self._buffered = [rest] if len(rest) else [], len(rest)
        if ready and not self.silent:
            content = spec.content or self._content
            words = [gen2_words(epc) for epc in rows.tags] if content.pc or content.crc else []
            each = spec.report_n or _BUFFERED_PER_MESSAGE
            data = encode_reports(
                rows.part(slice(ready)), content, words, spec.rospec_id, each, self._next_id()
            )
            self._message_id = (self._message_id + ready // each) & 0xFFFFFFFF
            await client.send(data)

    # Messages

    async def _handle(self, client: _Client, frame: Any) -> None:
        if frame.version != 1:
            text = status(Status.UNSUPPORTED_VERSION, "this reader speaks LLRP 1.0.1")
            await self._send(message("ERROR_MESSAGE", frame.id, text))
            return
        try:
            item = decode_message(frame)
        except CodecError as error:
            text = status(Status.MESSAGE_PARAMETER_ERROR, str(error))
            await self._send(message("ERROR_MESSAGE", frame.id, text))
            return
        handler = self._HANDLERS.get(item.name)
        if handler is None:
            text = status(Status.UNSUPPORTED_MESSAGE, f"{item.name} is not supported")
            await self._send(message("ERROR_MESSAGE", item.id, text))
            return
        try:
            refuse_unknown(item.children, client.extensions or item.name == "IMPINJ_ENABLE_EXTENSIONS")
            answer = await handler(self, client, item)
        except RefusedError as refused:
            await self._send(message(f"{item.name}_RESPONSE", item.id, refused.status()))
            return
        if answer is not None:
            await self._send(message(f"{item.name}_RESPONSE", item.id, status(), *answer))
        if self._state is ROSpecState.ACTIVE:
            # Only now, so that no report overtakes the answer to START_ROSPEC.
            self._run()
        if item.name == "CLOSE_CONNECTION":
            client.writer.close()

    async def _capabilities(self, _client: _Client, item: Message) -> list[Parameter]:
        wanted = item.number("requested")
        if wanted > Requested.AIR_PROTOCOL:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"RequestedData {wanted} is unknown")
        parts = {
            Requested.GENERAL: lambda: general(self.identity),
            Requested.LLRP: llrp_capabilities,
            Requested.REGULATORY: lambda: regulatory(self.identity, self.source),
            Requested.AIR_PROTOCOL: air_protocol,
        }
        return [make() for number, make in parts.items() if wanted in (Requested.ALL, number)]

    async def _get_config(self, _client: _Client, item: Message) -> list[Parameter]:
        wanted = item.number("requested")
        if wanted > RequestedConfig.EVENTS_AND_REPORTS:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"RequestedData {wanted} is unknown")
        connected = tuple(port for port in self.source.ports if port not in self._disconnected)
        port = item.number("antenna_id")
        state = (self._keepalive_ms, self._events, self._hold)
        return configuration(self.identity, wanted, port, connected, *state)

    async def _set_config(self, _client: _Client, item: Message) -> list[Parameter]:
        if item.number("reset"):
            await self._pause()
            disconnected = self._disconnected
            self._reset()
            self._disconnected = disconnected
        for child in item.all("AntennaConfiguration"):
            port, settings = antenna_settings(child, self.identity, self.source)
            self._defaults[port] = settings
        if (spec := item.first("KeepaliveSpec")) is not None:
            self._keepalive_ms = spec.number("period_ms") if spec.number("trigger") == 1 else 0
        if (spec := item.first("EventsAndReports")) is not None:
            self._hold = bool(spec.number("hold"))
        if (spec := item.first("ROReportSpec")) is not None:
            self._content = Content.of(spec)
        if (spec := item.first("ReaderEventNotificationSpec")) is not None:
            for state in spec.all("EventNotificationState"):
                self._events[state.number("event")] = bool(state.number("enabled"))
        self._restart_keepalive()
        return []

    async def _enable_extensions(self, client: _Client, _item: Message) -> list[Parameter]:
        if not self.identity.impinj:
            raise RefusedError(Status.UNSUPPORTED_MESSAGE, "this reader has no Impinj extensions")
        client.extensions = True
        return []

    async def _add(self, _client: _Client, item: Message) -> list[Parameter]:
        spec = item.first("ROSpec")
        if spec is None:
            raise RefusedError(Status.MISSING_PARAMETER, "ADD_ROSPEC without ROSpec")
        if self._rospec is not None:
            raise RefusedError(
                Status.OVERFLOW_PARAMETER, "this reader holds one ROSpec; delete the old one first"
            )
        self._rospec = read_rospec(spec, self.identity, self.source)
        self._state = ROSpecState.DISABLED
        return []

    def _named(self, item: Message, *, all_allowed: bool) -> bool:
        """Whether a ROSpec message names the ROSpec that is there; raises where it names another."""
        number = item.number("rospec_id")
        if number == 0 and all_allowed:
            return self._rospec is not None
        if self._rospec is None or self._rospec.rospec_id != number:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, f"there is no ROSpec {number}")
        return True

    async def _delete(self, _client: _Client, item: Message) -> list[Parameter]:
        if self._named(item, all_allowed=True):
            await self._halt()
            self._rospec, self._state = None, ROSpecState.DISABLED
        return []

    async def _enable(self, _client: _Client, item: Message) -> list[Parameter]:
        if (
            self._named(item, all_allowed=True)
            and self._state is ROSpecState.DISABLED
            and self._rospec is not None
        ):
            self._state = ROSpecState.INACTIVE
            if self._rospec.immediate:
                self._state = ROSpecState.ACTIVE
        return []

    async def _disable(self, _client: _Client, item: Message) -> list[Parameter]:
        if self._named(item, all_allowed=True):
            await self._halt()
            self._state = ROSpecState.DISABLED
        return []

    async def _start(self, _client: _Client, item: Message) -> list[Parameter]:
        self._named(item, all_allowed=False)
        if self._state is ROSpecState.DISABLED:
            raise RefusedError(Status.MESSAGE_FIELD_ERROR, "the ROSpec is disabled; enable it first")
        self._state = ROSpecState.ACTIVE
        return []

    async def _stop(self, _client: _Client, item: Message) -> list[Parameter]:
        self._named(item, all_allowed=False)
        await self._halt()
        return []

    async def _halt(self) -> None:
        if self._state is ROSpecState.ACTIVE and self._rospec is not None:
            await self._pause()
            await self._rospec_ended(self._rospec)

    async def _get_rospecs(self, _client: _Client, _item: Message) -> list[Parameter]:
        if self._rospec is None:
            return []
        spec = self._rospec.parameter
        return [Parameter(spec.kind, {**spec.values, "state": int(self._state)}, spec.children)]

    async def _get_report(self, client: _Client, _item: Message) -> None:
        if self._rospec is None or not self._buffer:
            await self._send(message("RO_ACCESS_REPORT", self._next_id()))
        await self._flush(client, self._rospec)

    async def _release(self, client: _Client, _item: Message) -> None:
        client.holding = False
        await self._flush(client, self._rospec)

    async def _acked(self, client: _Client, _item: Message) -> None:
        client.acks += 1
        client.acked.set()

    async def _nothing(self, _client: _Client, _item: Message) -> list[Parameter]:
        return []

    async def _no_access(self, _client: _Client, _item: Message) -> list[Parameter]:
        raise RefusedError(Status.MESSAGE_FIELD_ERROR, "this reader holds no AccessSpecs")

    _HANDLERS: dict[str, Callable[[Self, _Client, Message], Awaitable[list[Parameter] | None]]] = {
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
        "DELETE_ACCESSSPEC": _nothing,
        "ADD_ACCESSSPEC": _no_access,
        "ENABLE_ACCESSSPEC": _no_access,
        "DISABLE_ACCESSSPEC": _no_access,
        "GET_ACCESSSPECS": _nothing,
        "GET_REPORT": _get_report,
        "ENABLE_EVENTS_AND_REPORTS": _release,
        "KEEPALIVE_ACK": _acked,
        "CLOSE_CONNECTION": _nothing,
    }


def gen2_words(epc: bytes) -> tuple[int, int]:
    """Return a tag's PC word (length in words, no user memory) and StoredCRC (EPC Gen2 air interface, 6.3.2.1.2)."""
    pc = (len(epc) // 2) << 11
    return pc, crc_epc(pc.to_bytes(2, "big") + epc)


def main_emulate(listen: str = "127.0.0.1:5084", seed: int = 1) -> int:
    """Serve one reader on a small world of its own, in real time; see `sim.readers.emulate`."""
    from sim.readers.emulate import main_emulate as run

    return run(listen, seed)
