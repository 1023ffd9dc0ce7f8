"""What the tests of ThingMagic modules share: a world, options, a client that is not ours."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from reader_drivers.framing import Framer
from reader_drivers.mercury.codec import (
    REPLIES,
    Op,
    read_reply,
    request,
)
from sim.readers.small_world import SmallWorld
from tests.reader_drivers import serial_harness
from tests.reader_drivers.harness import Heard


def fast(**changes: object) -> str:
    """Options of a driver of these modules that notices and comes back soon; see `serial_harness.fast`."""
    return serial_harness.fast(**{"region": "CN", "temperature": 0, **changes})


URL = fast()


def world(reads_per_s: float = 200, seed: int = 3, **options: Any) -> SmallWorld:
    made = SmallWorld(seed, reads_per_s=reads_per_s, **options)
    made.keep = True
    return made


class Foreign:
    """A client that is not ours: bytes on a socket or a line."""

    def __init__(self, address: str) -> None:
        self._framer = Framer(REPLIES)
        if address.startswith("/"):
            self._end = os.open(address, os.O_RDWR | os.O_NOCTTY)
        else:
            host, _, port = address.rpartition(":")
            self._end = socket.create_connection((host, int(port)), 5).detach()
            os.set_blocking(self._end, True)

    def ask(self, frame: bytes) -> tuple[int, int, bytes]:
        os.write(self._end, frame)
        return self.next()[0]

    def next(self) -> list[tuple[int, int, bytes]]:
        while not len(frames := self._framer.feed(os.read(self._end, 4096))):
            pass
        return [(told.op, told.status, told.data) for told in map(read_reply, frames)]

    def close(self) -> None:
        os.close(self._end)


READY = (
    request(Op.SET_REGION, b"\x06"),
    request(Op.SET_PROTOCOL, b"\x00\x05"),
    request(Op.SET_CONFIG, b"\x01\x0c\x00"),
)


def enough(n: int) -> Callable[[Heard], bool]:
    return lambda heard: len(heard.readings) >= n


def come_back(heard: Heard, kind: str = "reader_back") -> Callable[[Heard], bool]:
    count = heard.kinds.count(kind)
    return lambda now: now.kinds.count(kind) > count
