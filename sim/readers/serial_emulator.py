"""What emulated readers with framed bytes share: the wire, the clock, the inventory loop, and faults for tests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar, Protocol, Self

from reader_drivers.framing import FrameFormat, Framer
from sim.readers.clock import ReaderClock
from sim.readers.source import Inventory, ReadSource, ReportSlice
from sim.readers.wires import make_wire

log = logging.getLogger("nightstack.sim.readers")

_FLUSH_S = 0.1
_IDLE_S = 0.3
_BOOT_S = 0.15

Report = Callable[[ReportSlice], Awaitable[None]]
"""Sends, or keeps, what a running inventory heard in a slice."""


class CrashedError(Exception):
    """The reader booted while it did what it was asked; nothing is answered."""


class RequestFramer(Protocol):
    """Cuts requests out of a byte stream, as `reader_drivers.framing.Framer` does."""

    @property
    def pending(self) -> int:
        """Return how many bytes of a frame are there that is not whole."""
        ...

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Return the frames that are whole now."""
        ...

    def flush(self) -> Iterable[bytes]:
        """Return the frames behind one that will not become whole."""
        ...


class SerialEmulator(ABC):
    """A reader on a wire; use it as an asynchronous context.

    Parameters
    ----------
    source
        What its antennas hear.
    listen
        ``HOST:PORT`` (port 0: a free one), ``pty`` or ``pty:/PATH``.
    clock
        The reader's own; None: right.
    baud
        Speed of the line in real time: what comes faster waits, and the air interface with it. None: as fast as the
        wire takes it.

    Attributes
    ----------
    noise : int
        So many of the next frames sent are spoiled by one bit (`spoil`).
    """

    scheme: ClassVar[str]
    """Of the URLs that lead to it."""
    frames: ClassVar[FrameFormat]
    """Of the requests it understands."""

    def __init__(
        self,
        source: ReadSource,
        listen: str = "127.0.0.1:0",
        *,
        clock: ReaderClock | None = None,
        baud: int | None = None,
    ) -> None:
        self.source = source
        self.clock = clock or ReaderClock()
        self.baud = baud
        self.wire = make_wire(listen)
        if source.virtual and not self.wire.tells_taken:
            raise ValueError(f"{listen}: virtual time needs a TCP port of this machine, on Linux")
        self.wire.heard, self.wire.left = self._heard, self._left
        self._framer = self.make_framer()
        self._framer.feed(b"")  # compiled before anybody waits for an answer
        self._flush: asyncio.TimerHandle | None = None
        self._requests: asyncio.Queue[bytes] = asyncio.Queue()
        self._server: asyncio.Task[None] | None = None
        self._inventory: asyncio.Task[None] | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._free_at = self._deaf_until = 0.0
        self._boots = self._answering = 0
        self._polled: Inventory | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.noise = 0
        self.make()
        self.reset()

    # What a protocol says

    @abstractmethod
    async def answer(self, frame: bytes) -> None:
        """Do what a request asks, and answer it by `send`."""

    @abstractmethod
    def make(self) -> None:
        """Be as delivered: what its flash holds when it is new. Called once, before the first `reset`."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything that a power cycle forgets."""

    def greet(self) -> bytes:
        """Return what a reader says when it has booted."""
        return b""

    def make_framer(self) -> RequestFramer:
        """Return what cuts its requests out of the stream."""
        return Framer(self.frames)

    # Life

    @property
    def address(self) -> str:
        """``HOST:PORT``, or the path of the line."""
        return self.wire.address

    @property
    def url(self) -> str:
        """The URL that opens it."""
        return f"{self.scheme}://{self.address}"

    async def start(self) -> None:
        """Be there."""
        await self.wire.open()
        self._server = asyncio.ensure_future(self._serve())

    async def close(self) -> None:
        """Be gone."""
        await self.end_inventory()
        self._stop_polled()
        await self.wire.close()
        if self._server is not None:
            self._server.cancel()
            await asyncio.gather(self._server, return_exceptions=True)
            self._server = None
        if self._flush is not None:
            self._flush.cancel()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # Faults, for tests

    async def drop(self) -> None:
        """Cut the connection; a pty is plugged in again at once."""
        self.wire.cut()
        with contextlib.suppress(OSError):
            if self.address.startswith("/"):
                await self.wire.open()

    def go_silent(self, silent: bool = True) -> None:
        """Hang: the line stands, nothing is sent or heard. `go_silent(False)` ends it."""
        (self._awake.clear if silent else self._awake.set)()

    async def reboot(self, down_s: float) -> None:
        """Lose power: the line is gone, everything is forgotten, and it comes back at the same address."""
        await self.close()
        self.reset()
        await asyncio.sleep(down_s)
        self._framer = self.make_framer()
        self._requests = asyncio.Queue()
        await self.start()
        self.wire.send(self.greet())

    async def crash(self) -> None:
        """Boot while the line stands, as a module does after a brown-out: settings and inventory are gone."""
        await self.end_inventory()
        self._boots += 1
        self._deaf_until = asyncio.get_running_loop().time() + _BOOT_S
        while not self._requests.empty():
            self._requests.get_nowait()
        self._stop_polled()
        self.reset()
        self.wire.send(self.greet())

    def spoil(self, frames: int) -> None:
        """Flip a bit in each of the next frames sent."""
        self.noise += frames

    def send_raw(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        self.wire.send(data)

    # Bytes

    def _heard(self, data: bytes) -> None:
        if not self._awake.is_set() or asyncio.get_running_loop().time() < self._deaf_until:
            return
        for frame in self._framer.feed(data):
            self._requests.put_nowait(frame)
        if self._flush is not None:
            self._flush.cancel()
        if self._framer.pending:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH_S, self._give_up_frame)

    def _give_up_frame(self) -> None:
        for frame in self._framer.flush():
            self._requests.put_nowait(frame)

    def _left(self) -> None:
        """Note that a client hung up: a serial reader does not notice, and reads on."""
        self._framer = self.make_framer()

    async def _serve(self) -> None:
        while True:
            frame = await self._requests.get()
            await self._awake.wait()
            self._answering = self._boots
            try:
                await self.answer(frame)
            except CrashedError:
                continue
            except Exception:
                # A request that this emulator cannot stand is a fault of the emulator; it goes on, as readers do.
                log.exception("%s: %s", self.url, frame.hex(" "))

    async def send(self, data: bytes) -> None:
        """Send a frame at the line's speed; `data` may be several, which are spoiled as one.

        Raises
        ------
        CrashedError
            The reader booted since it began to answer.
        """
        if asyncio.current_task() is self._server and self._answering != self._boots:
            raise CrashedError
        if not self._awake.is_set() or not data:
            return
        if self.noise:
            self.noise -= 1
            at = len(data) // 2
            data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        if self.baud is not None and not self.source.virtual:
            loop = asyncio.get_running_loop()
            self._free_at = max(self._free_at, loop.time()) + len(data) * 10 / self.baud
            self.wire.send(data)
            # The UART's own buffer holds some milliseconds; then the sender waits for it.
            await asyncio.sleep(max(0.0, self._free_at - loop.time() - 0.02))
        else:
            self.wire.send(data)
        await self.wire.drain()

    # Inventory

    @property
    def running(self) -> bool:
        """Whether a continuous inventory runs."""
        return self._inventory is not None and not self._inventory.done()

    async def begin_inventory(self, asked: Inventory, report: Report) -> None:
        """Read tags from now on, telling each slice by `report`, until `end_inventory`."""
        await self.end_inventory()
        self._inventory = asyncio.ensure_future(self._read_tags(asked, report))

    async def end_inventory(self) -> None:
        """Stop reading tags."""
        task, self._inventory = self._inventory, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read_tags(self, asked: Inventory, report: Report) -> None:
        self.source.start(asked)
        try:
            # A report may end the inventory that it is of.
            me = asyncio.current_task()
            while await self._awake.wait() and (heard := await self.source.next_slice()) is not None:
                await report(heard)
                if self._inventory is not me:
                    break
                if self.source.virtual:
                    # Clients of these protocols never answer while they listen: that they read is all there is.
                    await self.wire.taken()
        finally:
            self.source.stop()

    async def hear(self, asked: Inventory) -> ReportSlice | None:
        """Return what one round of a reader that is polled hears; None when the world has ended.

        The source goes on while rounds follow each other with the same inventory.

        Raises
        ------
        CrashedError
            The reader booted meanwhile.
        """
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if asked != self._polled:
            self._stop_polled()
            self._polled = asked
            self.source.start(asked)
        heard = await self.source.next_slice()
        if self._answering != self._boots:
            raise CrashedError
        self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._stop_polled)
        return heard

    def _stop_polled(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._polled is not None:
            self._polled = None
            self.source.stop()
