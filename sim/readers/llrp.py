"""An LLRP reader made of software: an asyncio server that any LLRP client can talk to.

Behaviour follows the Low Level Reader Protocol 1.0.1 (sections 6 to 9: connection, ROSpec life cycle, reports,
keepalives; 11: AccessSpecs), 1.1's negotiation of the version and, for Impinj's extensions, Octane LLRP: they are
refused until enabled on that connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Self

import numpy as np

from reader_drivers.llrp.codec import (
    CodecError,
    ConnectionStatus,
    Frame,
    FrameReader,
    Notification,
    Parameter,
    ROSpecState,
    Status,
    decode_message,
    event,
    message,
    parameter,
    status,
)
from sim.listen import host_port
from sim.readers.clock import ReaderClock
from sim.readers.gen2_memory import MemoryOf, usual_memory
from sim.readers.llrp_access import AccessRuns
from sim.readers.llrp_buffer import ReportBuffer
from sim.readers.llrp_connection import Connection
from sim.readers.llrp_identity import Identity
from sim.readers.llrp_reports import Extras, Rows, quantise
from sim.readers.llrp_rospec import RefusedError, ROSpec
from sim.readers.llrp_state import ReaderState
from sim.readers.llrp_version import answer_version
from sim.readers.source import ReadSource


class LlrpEmulator:
    """One emulated reader.

    Parameters
    ----------
    source
        The radio it hears.
    listen
        `host:port`; port 0 takes a free one. Meant for loopback: LLRP has no authentication.
    clock
        The reader's own clock; None: it is right.
    phase_sign
        Sign in which the reader reports the phase: 1 growing with distance, -1 falling.
    identity
        What it says it is.
    memory
        Returns a tag's memories by its EPC.
    access_failures
        Share of reads of a memory that the tag does not answer.
    tls
        Listens over TLS with this; None: in the clear.
    """

    def __init__(
        self,
        source: ReadSource,
        listen: str = "127.0.0.1:0",
        *,
        clock: ReaderClock | None = None,
        phase_sign: int = 1,
        identity: Identity | None = None,
        memory: MemoryOf = usual_memory,
        access_failures: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if phase_sign not in (-1, 1):
            raise ValueError(f"phase_sign is {phase_sign}; it is 1 (grows with distance) or -1")
        self.source = source
        self.host, self.port = host_port(listen)
        self.clock = clock or ReaderClock()
        self.phase_sign = phase_sign
        self.state = ReaderState(identity or Identity(), source)
        self.memories = AccessRuns(self.state, memory, access_failures)
        self._tls = tls
        self.connections = 0
        """Connections accepted so far, refused ones included."""
        self._awake = asyncio.Event()
        self._awake.set()
        self._server: asyncio.Server | None = None
        self._client: Connection | None = None
        self._handover = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._inventory: asyncio.Task[None] | None = None
        self._beat: asyncio.Task[None] | None = None
        self._beat_ms = 0
        self._buffer: ReportBuffer | None = None

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
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, end every connection and wait until all is quiet."""
        if self._server is not None:
            self._server.close()
        await self.drop()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # Faults, for tests

    async def drop(self, *, reset: bool = False) -> None:
        """Lose the connection, by FIN or by RST; ROSpecs live on, as they do on a reader."""
        if self._client is not None:
            if reset:
                self._client.writer.transport.abort()
            self._client.writer.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def go_silent(self, silent: bool = True) -> None:
        """Hang, without FIN: connections stand, nothing is sent, heard or read. `go_silent(False)` ends it."""
        (self._awake.clear if silent else self._awake.set)()

    async def reboot(self, down_s: float) -> None:
        """Fall off the network, forget every spec and setting, and come back on the same port."""
        await self.close()
        self.state.reset()
        await asyncio.sleep(down_s)
        await self.start()

    async def give_up(self, *, told: bool = True) -> None:
        """End the inventory as a reader does whose RF part failed; `told` False: without a word."""
        self.state.run_state = ROSpecState.INACTIVE
        if not told:
            self._buffer = None
        await self._end_inventory()

    async def notify(self, what: Parameter) -> None:
        """Tell an event, whether the client wants to know or not."""
        await self._notify(what)

    async def buffer_overflow(self) -> None:
        """Report that reports were lost."""
        await self._notify(parameter("ReportBufferOverflowErrorEvent"))

    async def buffer_warning(self, percent: int) -> None:
        """Report how full the report buffer is, if the client wants to know."""
        await self._notify(
            parameter("ReportBufferLevelWarningEvent", percent=percent), Notification.BUFFER_WARNING
        )

    async def reader_exception(self, text: str) -> None:
        """Report a fault of the reader's own, if the client wants to know."""
        await self._notify(parameter("ReaderExceptionEvent", message=text), Notification.EXCEPTION)

    async def antenna(self, port: int, *, connected: bool) -> None:
        """Plug an antenna in or pull it out; while it is out none of its reads is reported."""
        (self.state.disconnected.discard if connected else self.state.disconnected.add)(port)
        await self._notify(
            parameter("AntennaEvent", event=int(connected), antenna_id=port), Notification.ANTENNA
        )

    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        if self._client is not None:
            await self._client.send(data)

    # Connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        client = Connection(reader, writer, self._awake)
        # Cancelled by `drop`, or gone: either way the connection is over and nobody waits for a result.
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._serve_client(client)
        finally:
            await self._let_go(client)
            writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _let_go(self, client: Connection) -> None:
        async with self._handover:
            if self._client is client:
                await self._end_inventory()
                self._client = None
                self._set_beat()

    async def _serve_client(self, client: Connection) -> None:
        async with self._handover:
            holder = self._client
            if holder is None:
                self._client = client
        if holder is not None:
            await self._greet(client, ConnectionStatus.CLIENT_INITIATED_EXISTS)
            await self._greet(holder, ConnectionStatus.ANOTHER_ATTEMPTED)
            return
        await self._greet(client, ConnectionStatus.SUCCESS)
        self._set_beat()
        client.holding = self.state.hold
        self._begin_inventory()
        frames = FrameReader()
        while data := await client.reader.read(1 << 16):
            if not self._awake.is_set():
                continue
            batch = frames.feed(data)
            for i in range(len(batch)):
                await self._handle(client, batch.frame(i))
            if frames.error is not None:
                await client.send(
                    message("ERROR_MESSAGE", 0, status(Status.MESSAGE_FIELD_ERROR, str(frames.error)))
                )
                return

    async def _greet(self, client: Connection, what: ConnectionStatus) -> None:
        await client.send(event(self._now_us(), parameter("ConnectionAttemptEvent", status=what)))

    async def _notify(self, what: Parameter, kind: Notification | None = None) -> None:
        if self._client is not None and (kind is None or self.state.events[kind]):
            await self._client.notify(event(self._now_us(), what))

    def _now_us(self) -> int:
        return int(self.clock.microseconds(self.source.true_time_ns()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _set_beat(self) -> None:
        """Begin or end keepalives as the configuration says; they go by real time, even where the world is virtual."""
        period = self.state.keepalive_ms if self._client is not None else 0
        if self._beat is not None and period == self._beat_ms and not self._beat.done():
            return
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._beat_ms = period
        if period and self._client is not None:
            self._beat = self._spawn(self._send_beats(self._client, period / 1000))

    async def _send_beats(self, client: Connection, period_s: float) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(period_s)
                await client.keepalive()

    # Messages

    async def _handle(self, client: Connection, frame: Frame) -> None:
        try:
            item = decode_message(frame)
        except CodecError as error:
            await client.send(
                message("ERROR_MESSAGE", frame.id, status(Status.MESSAGE_PARAMETER_ERROR, str(error)))
            )
            return
        if (answer := answer_version(client, item, self.state.identity.version)) is not None:
            # What negotiates the version is always said in the one that it came in.
            await client.send(answer, answer.version)
        elif item.name == "KEEPALIVE_ACK":
            client.acknowledged()
        elif item.name == "GET_REPORT":
            reports = b"" if self._buffer is None else self._buffer.take()
            await client.send(reports or message("RO_ACCESS_REPORT", item.id))
        elif item.name == "ENABLE_EVENTS_AND_REPORTS":
            await client.release()
            if self._buffer is not None:
                self._buffer.holding = False
        elif not self.state.knows(item):
            text = f"{item.name} is not supported"
            await client.send(message("ERROR_MESSAGE", item.id, status(Status.UNSUPPORTED_MESSAGE, text)))
        else:
            try:
                told = self.state.answer(item, extensions=client.extensions, version=client.version)
                answer = [status(), *told]
                client.extensions |= item.name == "IMPINJ_ENABLE_EXTENSIONS"
            except RefusedError as refused:
                answer = [refused.status()]
            # Reports end before the answer that says so, and begin after the answer that promises them.
            if not self.state.active:
                await self._end_inventory()
            await client.send(message(f"{item.name}_RESPONSE", item.id, *answer))
            self._set_beat()
            self._begin_inventory()
        if item.name == "CLOSE_CONNECTION":
            client.writer.close()

    # Inventory

    def _begin_inventory(self) -> None:
        spec = self.state.rospec
        if self._inventory is not None or spec is None or not self.state.active or self._client is None:
            return
        content = spec.content or self.state.content

        def extras(rows: Rows) -> Extras | None:
            return self.memories.extras(rows, content, spec.rospec_id)

        self._buffer = ReportBuffer(spec, content, extras, self._client.version)
        self._buffer.holding = self._client.holding
        self._inventory = self._spawn(self._read_tags(self._client, spec, self._buffer))

    async def _end_inventory(self) -> None:
        task, self._inventory = self._inventory, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._tell_end()

    async def _tell_end(self) -> None:
        buffer, self._buffer = self._buffer, None
        if buffer is None or self._client is None:
            return
        with contextlib.suppress(ConnectionError):
            if not buffer.holding:
                await self._client.send(buffer.take())
            ended = parameter("ROSpecEvent", event=1, rospec_id=buffer.spec.rospec_id)
            await self._notify(ended, Notification.ROSPEC)

    async def _read_tags(self, client: Connection, spec: ROSpec, buffer: ReportBuffer) -> None:
        state = self.state
        await self._notify(parameter("ROSpecEvent", event=0, rospec_id=spec.rospec_id), Notification.ROSPEC)
        self.source.start(spec.inventory(state.defaults, state.identity, self.source))
        began: int | None = None
        order = np.array((0, *spec.channel_order(state.defaults, state.identity, self.source)))
        ports = range(256)
        least = np.array([spec.least_dbm(port, state.defaults, state.identity) for port in ports])
        try:
            while await self._awake.wait() and (heard := await self.source.next_slice()) is not None:
                began = heard.t_start_ns if began is None else began
                rows = self._reportable(quantise(heard, self.clock, self.phase_sign))
                rows = rows.part(rows.rssi_cdbm / 100 >= least[rows.antenna])
                rows = replace(rows, channel=order[rows.channel])
                last = not spec.immediate and 0 < spec.observe <= len(rows)
                if not buffer.add(rows.part(slice(spec.observe)) if last else rows):
                    await self.buffer_overflow()
                await client.send(buffer.due())
                if self.source.virtual and state.keepalive_ms:
                    await client.barrier()
                if last:
                    break
                if spec.duration_ms and heard.t_end_ns - began >= spec.duration_ms * 1_000_000:
                    await client.send(buffer.take())
                    began = None
                    if not spec.immediate:
                        break
        except ConnectionError:
            return
        finally:
            self.source.stop()
        self._inventory = None
        state.run_state = ROSpecState.INACTIVE
        await self._tell_end()

    def _reportable(self, rows: Rows) -> Rows:
        gone = self.state.disconnected
        return rows.part(~np.isin(rows.antenna, list(gone))) if gone else rows
