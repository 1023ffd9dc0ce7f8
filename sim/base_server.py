"""The robot base's end of the base link: pose reports out, speeds in, over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from robot.base_link import PROTOCOL_VERSION, Framer, Info, PoseReport, Stop, Velocity, format_line
from sim.listen import host_port
from sim.robot import RobotDescription

log = logging.getLogger("nightstack.sim.base")

_UNREAD_LIMIT: Final = 1 << 16


class BaseServer:
    """A robot base on a TCP socket, one client at a time; a second one is turned away.

    Parameters
    ----------
    robot : RobotDescription

    Attributes
    ----------
    command : tuple of float
        The speeds (m/s, rad/s) last commanded.
    answered : int
        The newest report answered on this connection, -1 for none.
    heard_at : float
        When the last command came, by the event loop's clock.
    rejected : int
        Lines that could not be read so far.
    """

    def __init__(self, robot: RobotDescription) -> None:
        self.host, self.port = "127.0.0.1", 0
        self._robot = robot
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.command = (0.0, 0.0)
        self.answered = -1
        self.heard_at = 0.0
        self.rejected = 0

    @property
    def address(self) -> str:
        """``host:port`` as listened on."""
        return f"{self.host}:{self.port}"

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._writer is not None

    async def start(self, listen: str = "127.0.0.1:0") -> None:
        """Listen on ``host:port``; port 0 takes a free one."""
        self.host, self.port = host_port(listen)
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end the connection."""
        self.drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """End the connection with the client, if there is one."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()
        self.command = (0.0, 0.0)
        self._changed.set()

    def send(self, report: PoseReport) -> None:
        """Send a report to the client, if there is one; one that does not read is dropped."""
        if self._writer is None:
            return
        self._writer.write(format_line(report))
        if self._writer.transport.get_write_buffer_size() > _UNREAD_LIMIT:
            log.warning("base: the client reads no reports; its connection is ended")
            self.drop()

    async def wait_connected(self) -> None:
        """Wait until a client is there."""
        while not self.connected:
            self._changed.clear()
            await self._changed.wait()

    async def wait_answer(self, seq: int, patience_s: float) -> bool:
        """Wait until report ``seq`` is answered; False when the client is gone or silent for ``patience_s``."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while self.connected and self.answered < seq:
            self._changed.clear()
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
        return self.connected

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._writer is not None:
            log.warning("base: a second client was turned away")
            writer.close()
            return
        framer = Framer()
        robot = self._robot
        writer.write(
            format_line(Info("nightstack-sim", PROTOCOL_VERSION, robot.max_v_mps, robot.max_w_radps))
        )
        self._writer, self.answered, self.command = writer, -1, (0.0, 0.0)
        self._changed.set()
        try:
            while data := await reader.read(4096):
                for message in framer.feed(data):
                    self._take(message)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.rejected += framer.rejected
            if self._writer is writer:
                self.drop()
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    def _take(self, message: object) -> None:
        match message:
            case Velocity(seq=seq, v_mps=v, w_radps=w):
                if seq < self.answered:
                    return
                self.answered, self.command = seq, (v, w)
            case Stop(seq=seq):
                self.answered, self.command = max(seq, self.answered), (0.0, 0.0)
            case _:
                return
        self.heard_at = asyncio.get_running_loop().time()
        self._changed.set()
