"""The wire of an emulated serial reader: a TCP port, as a device server's, or a pty, as a UART's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import tempfile
import termios
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sim.errors import SimError
from sim.listen import host_port
from sim.readers.taken import can_tell, wait_taken

_MOST: Final = 1 << 16
_PTYS: Final = "/dev/pts/"
_HELD: Final = re.compile(r"/proc/\d+/fd/\d+")
_SPEEDS: Final = (9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)


def _nothing(*_: bytes) -> None:
    """Tell nobody."""


class Wire(ABC):
    """Bytes to and from whoever is at the other end.

    Attributes
    ----------
    heard : callable
        Called with what arrives.
    """

    def __init__(self) -> None:
        self.heard: Callable[[bytes], None] = _nothing
        self.left: Callable[[], None] = _nothing

    @property
    @abstractmethod
    def address(self) -> str:
        """``HOST:PORT``, or the path of the line."""

    @abstractmethod
    async def open(self) -> None:
        """Be there."""

    @abstractmethod
    def cut(self) -> None:
        """Lose whoever is connected; a pty is unplugged until `open`."""

    @abstractmethod
    async def close(self) -> None:
        """Be gone; `open` comes back at the same address."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Put bytes on the wire; lost where nobody is connected."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait while whoever is connected takes nothing."""

    @property
    def speed(self) -> int | None:
        """The speed that the other end has set, baud; None: it has none."""
        return None

    @property
    def tells_taken(self) -> bool:
        """Whether `taken` can be asked."""
        return False

    @abstractmethod
    async def taken(self) -> None:
        """Wait until whoever is connected has read everything that was sent; nobody has at once."""


class TcpWire(Wire):
    """A port; of several clients the last has the line, as with most device servers."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._sent = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self._host}:{self._port}"

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._writer is not None:
            self._writer.close()
        self._writer, self._sent = writer, 0
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while data := await reader.read(_MOST):
                    if self._writer is writer:
                        self.heard(data)
        finally:
            if self._writer is writer:
                self._writer = None
                self.left()
            writer.close()

    def cut(self) -> None:
        """Reset the connection."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def close(self) -> None:
        """Stop listening, and end the connection."""
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)
            self._sent += len(data)

    async def drain(self) -> None:
        """Wait for room."""
        if self._writer is not None:
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()

    @property
    def tells_taken(self) -> bool:
        """Whether `taken` can be asked: on Linux, of clients on this machine."""
        return can_tell()

    async def taken(self) -> None:
        """Wait until the client has read everything; see `sim.readers.taken`."""
        if self._writer is not None:
            await wait_taken(self._writer, self._sent)


class PtyWire(Wire):
    """A pseudo terminal, whose path stays while it is unplugged and plugged in again (a link, as udev makes them).

    Parameters
    ----------
    path
        Of the link; None: one in a folder of its own. Whatever stands there already is kept, and `open` refuses; only
        a link to a pseudo terminal that is gone, as a process that was killed leaves it, is replaced.

    Notes
    -----
    Numbers of pseudo terminals are given again at once: a link to ``/dev/pts/N`` that its maker left behind would soon
    lead to somebody's shell. Where there is ``/proc`` the link goes by way of this process's own hold on the line
    (``/proc/PID/fd/N``), which ends when the process does, however it ends.
    """

    def __init__(self, path: str | None = None) -> None:
        super().__init__()
        self._own = path is None
        self._path = (
            Path(path) if path else Path(tempfile.gettempdir()) / f"reader-{secrets.token_hex(8)}" / "line"
        )
        self._ends: tuple[int, int] | None = None
        self._name = ""

    @property
    def address(self) -> str:
        """The path to open."""
        return str(self._path)

    async def open(self) -> None:
        """Plug it in."""
        if self._own:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
        # Before there is a new line, which might get the number of the one that is gone.
        self._unlink_left_behind()
        near, far = os.openpty()
        tty.setraw(far)
        os.set_blocking(near, False)
        # Our own hold on the far end keeps the line while nobody else has it open, as a UART is there without a user.
        self._ends = near, far
        held = f"/proc/{os.getpid()}/fd/{far}"
        self._name = held if Path(held).exists() else os.ttyname(far)
        try:
            # Raises FileExistsError where something else stands there.
            self._path.symlink_to(self._name)
        except OSError:
            self._ends = None
            os.close(near)
            os.close(far)
            if self._own:
                self._path.parent.rmdir()
            raise
        asyncio.get_running_loop().add_reader(near, self._read, near)

    def _unlink_left_behind(self) -> None:
        """Remove a link as we make it, to a line that is gone; nothing else."""
        if not self._path.is_symlink():
            return
        leads_to = str(self._path.readlink())
        if not leads_to.startswith(_PTYS) and _HELD.fullmatch(leads_to) is None:
            return
        try:
            self._path.stat()
        except FileNotFoundError:  # anything else, such as another user's line, is there
            self._path.unlink()

    def _unlink(self) -> None:
        """Remove the link, unless somebody else has put something in its place."""
        with contextlib.suppress(OSError):
            if str(self._path.readlink()) == self._name:
                self._path.unlink()

    def _read(self, near: int) -> None:
        with contextlib.suppress(OSError):
            self.heard(os.read(near, _MOST))

    def cut(self) -> None:
        """Unplug it: who has it open reads an end."""
        if self._ends is not None:
            near, far = self._ends
            self._ends = None
            asyncio.get_running_loop().remove_reader(near)
            self._unlink()
            os.close(near)
            os.close(far)
            self.left()

    async def close(self) -> None:
        """Unplug it."""
        self.cut()
        if self._own:
            with contextlib.suppress(OSError):
                self._path.parent.rmdir()

    def send(self, data: bytes) -> None:
        """Put bytes on the wire; what a full line does not take is lost, as in a UART without handshake."""
        if self._ends is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._ends[0], data)

    async def drain(self) -> None:
        """Nothing to wait for: a UART does not know who reads."""

    async def taken(self) -> None:
        """Nothing to wait for: a UART does not tell (`tells_taken`)."""

    @property
    def speed(self) -> int | None:
        """The speed that the other end has set, baud."""
        if self._ends is None:
            return None
        told = termios.tcgetattr(self._ends[1])[5]
        return next((n for n in _SPEEDS if getattr(termios, f"B{n}", None) == told), None)


def make_wire(listen: str) -> Wire:
    """Make the wire of ``HOST:PORT`` (port 0: a free one), ``pty`` or ``pty:/PATH``; raises SimError."""
    if listen == "pty":
        return PtyWire()
    if listen.startswith("pty:/"):
        return PtyWire(listen.removeprefix("pty:"))
    try:
        return TcpWire(*host_port(listen))
    except SimError:
        such = "HOST:PORT, such as 127.0.0.1:0, or pty, or pty:/PATH"
        raise SimError(f"{listen}: no address to listen on; give {such}") from None
