"""Whether a client on this machine has read what was sent to it: a barrier for protocols in which it never answers.

Linux tells of any TCP socket of the machine how many bytes it has received, and how many of them wait to be read
(sock_diag(7); `tcp_info` of linux/tcp.h). On loopback the client's socket is among them: once it has received as many
bytes as were sent, and none waits, the client has read everything.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from typing import Final

Address = tuple[str, int]

_SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY: type of question and answer
_REQUEST: Final = 1  # NLM_F_REQUEST
_INFO: Final = 2  # INET_DIAG_INFO: an attribute of the answer; asked for by the bit 1 << INFO - 1
_ANY: Final = 0xFFFFFFFF
_HEAD: Final = struct.Struct("=IHHII")  # nlmsghdr
_QUEUE_AT: Final = _HEAD.size + 4 + 48 + 4  # of inet_diag_msg: behind family, state .., id, expires
_ATTRIBUTES_AT: Final = _QUEUE_AT + 16
_RECEIVED_AT: Final = 128  # tcpi_bytes_received in tcp_info
_LOOK_S: Final = 0.0001


@functools.cache
def can_tell() -> bool:
    """Whether this system tells of its sockets, tried on a connection of our own."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
        ):
            far, _ = server.accept()
            with far:
                far.sendall(b"?")
                client.recv(1)
                return queues(client.family, client.getsockname(), client.getpeername()) == (1, 0)
    except (OSError, AttributeError, struct.error):
        # Not Linux, or it is not allowed here.
        return False


def queues(family: socket.AddressFamily, local: Address, remote: Address) -> tuple[int, int] | None:
    """Return how many bytes a socket has received, and how many of them wait; None: this machine has no such socket."""
    ends = [socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (local, remote)]
    socket_id = struct.pack("!HH", local[1], remote[1]) + b"".join(ends) + struct.pack("=III", 0, _ANY, _ANY)
    question = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 1 << _INFO - 1, 0, _ANY) + socket_id
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
        kernel.send(_HEAD.pack(_HEAD.size + len(question), _BY_FAMILY, _REQUEST, 0, 0) + question)
        answer = kernel.recv(8192)
    if _HEAD.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    at = _ATTRIBUTES_AT
    while at + 4 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == _INFO and length >= 4 + _RECEIVED_AT + 8:
            received = struct.unpack_from("=Q", answer, at + 4 + _RECEIVED_AT)[0]
            return int(received), int(struct.unpack_from("=I", answer, _QUEUE_AT)[0])
        at += max(4, length + 3 & ~3)
    return None


async def wait_taken(writer: asyncio.StreamWriter, sent: int) -> None:
    """Wait until the client of a connection within this machine has read all `sent` bytes; a lost one never will."""
    transport = writer.transport
    family = transport.get_extra_info("socket").family
    # The client's socket has our addresses the other way round.
    there: Address = transport.get_extra_info("peername")[:2]
    here: Address = transport.get_extra_info("sockname")[:2]
    while not transport.is_closing():
        told = queues(family, there, here)
        if told is None or (told[0] >= sent and told[1] == 0):
            return
        await asyncio.sleep(_LOOK_S)
