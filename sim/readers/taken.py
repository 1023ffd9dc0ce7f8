"""Whether a client on this machine has read what was sent to it: a barrier for protocols in which it never answers.

Linux lists every TCP socket with the bytes in its queues (``/proc/net/tcp``, proc(5)). On loopback the client's socket
is in that list, too: once nothing of ours is unsent and its receive queue is empty, it has read everything.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from pathlib import Path
from typing import Final

_LISTS: Final = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}
_UNSENT: Final = 0x894B  # SIOCOUTQNSD of linux/sockios.h: bytes that have not been sent
_LOOKS: Final = 2
_LOOK_S: Final = 0.0002


def can_tell() -> bool:
    """Whether this system lists its sockets."""
    return _LISTS[socket.AF_INET].exists()


async def wait_taken(writer: asyncio.StreamWriter) -> None:
    """Wait until the client of a connection within this machine has read what was sent; a lost one never will."""
    transport = writer.transport
    sock = transport.get_extra_info("socket")
    # The client's socket has our addresses the other way round.
    needle = f" {_listed(sock.family, transport.get_extra_info('peername'))} "
    needle += f"{_listed(sock.family, transport.get_extra_info('sockname'))} "
    looks = 0
    # Twice, as a byte may be between two queues at a look.
    while looks < _LOOKS and not transport.is_closing():
        empty = transport.get_write_buffer_size() == 0 and _unsent(sock) == 0
        queue = _unread(_LISTS[sock.family], needle) if empty else 1
        if queue is None:
            return
        looks = looks + 1 if queue == 0 else 0
        await asyncio.sleep(0 if looks else _LOOK_S)


def _listed(family: int, address: tuple[str, int]) -> str:
    """Return an address as the list has it: words of the address in the machine's own byte order."""
    packed = socket.inet_pton(family, address[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"


def _unsent(sock: socket.socket) -> int:
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), _UNSENT, bytes(4)))[0])
    except OSError:
        return 0


def _unread(path: Path, needle: str) -> int | None:
    """Return how many bytes wait for the client, or None when its socket is gone or on another machine."""
    listed = path.read_text(encoding="ascii")
    at = listed.find(needle)
    if at < 0:
        return None
    # State, then both queues: 01 00000000:00000000.
    queues = listed[at + len(needle) :].split(maxsplit=2)[1]
    return int(queues.partition(":")[2], 16)
