"""One connection to an emulated reader: bytes out, keepalives and their answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from reader_drivers.llrp.codec import Message, Version, encode_message, message


class Connection:
    """The client's end, seen from the reader.

    Parameters
    ----------
    reader, writer
        Its streams.
    awake
        While not set the reader hangs: nothing is sent.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, awake: asyncio.Event
    ) -> None:
        self.reader, self.writer = reader, writer
        self.extensions = False
        """True once this client enabled Impinj's extensions."""
        self.version: int = Version.V1_0_1
        """As agreed on with this client."""
        self.agreed = False
        """True once the client has set a version."""
        self.holding = False
        """True: the client has not yet asked for events and reports (HoldEventsAndReportsUponReconnect)."""
        self._held: list[Message] = []
        self._awake = awake
        self._drain = asyncio.Lock()
        self._sent = 0
        self._acked = 0
        self._ack = asyncio.Event()
        self._next_id = 0

    async def send(self, what: Message | bytes, version: int | None = None) -> None:
        """Send a message (in the version agreed on) or ready bytes, waiting while the client takes nothing."""
        if not self._awake.is_set():
            return
        if not isinstance(what, bytes):
            what = encode_message(replace(what, version=self.version if version is None else version))
        self.writer.write(what)
        async with self._drain:
            await self.writer.drain()

    async def notify(self, what: Message) -> None:
        """Send an event, once the client wants them."""
        if self.holding:
            self._held.append(what)
        else:
            await self.send(what)

    async def release(self) -> None:
        """Send the events that were held, and hold no more."""
        self.holding = False
        held, self._held = self._held, []
        for what in held:
            await self.send(what)

    async def keepalive(self) -> None:
        """Send a KEEPALIVE."""
        if self._awake.is_set():
            self._sent += 1
            self._next_id = (self._next_id + 1) & 0x7FFFFFFF
            await self.send(message("KEEPALIVE", self._next_id))

    def acknowledged(self) -> None:
        """Note a KEEPALIVE_ACK."""
        self._acked += 1
        self._ack.set()

    async def barrier(self) -> None:
        """Send a KEEPALIVE and wait until the client has answered this and every one before it."""
        await self.keepalive()
        # Counted, not matched by id: clients are free to number their answers.
        while self._acked < self._sent:
            self._ack.clear()
            await self._ack.wait()
