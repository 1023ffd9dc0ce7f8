"""A line between a driver and a reader that remembers what went over it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reader_drivers.llrp.codec import Frame, FrameReader, Message, decode_message
from tests.reader_drivers.harness import Loop


@dataclass(frozen=True)
class Piece:
    """Bytes of one connection: `sent` by the client, or by the reader."""

    t_ns: int
    connection: int
    sent: bool
    data: bytes


class Wiretap:
    def __init__(self, loop: Loop, port: int) -> None:
        self._loop, self._far = loop, port
        self.pieces: list[Piece] = []
        self._count = 0

        async def listen() -> asyncio.Server:
            return await asyncio.start_server(self._serve, "127.0.0.1", 0)

        self._server = loop.run(listen())
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._count += 1
        number = self._count
        far_writer = None
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
            ways = (
                self._carry(number, True, reader, far_writer),
                self._carry(number, False, far_reader, writer),
            )
            await asyncio.gather(*ways)
        for end in (writer, far_writer):
            if end is not None:
                end.close()

    async def _carry(
        self, number: int, sent: bool, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(1 << 16):
            self.pieces.append(Piece(time.time_ns(), number, sent, data))
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    def frames(self, sent: bool, connection: int | None = None) -> list[Frame]:
        frames = FrameReader()
        found: list[Frame] = []
        for piece in list(self.pieces):
            if piece.sent == sent and connection in (None, piece.connection):
                batch = frames.feed(piece.data)
                found += [batch.frame(i) for i in range(len(batch))]
        return found

    def messages(self, sent: bool, connection: int | None = None) -> list[Message]:
        return [decode_message(frame) for frame in self.frames(sent, connection)]

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._loop.run(end())


@contextmanager
def tapped(loop: Loop, port: int) -> Iterator[Wiretap]:
    tap = Wiretap(loop, port)
    try:
        yield tap
    finally:
        tap.close()
