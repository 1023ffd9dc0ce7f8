"""Emulated serial readers for blocking drivers, and what every framing must stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sim.readers.serial_emulator import SerialEmulator
from tests.reader_drivers.harness import Loop

FAST = "timeout=2&retry=0.05&retry_max=0.2&keepalive=0.5"
"""Options of a driver that notices and comes back soon."""

E = TypeVar("E", bound=SerialEmulator)


@contextmanager
def serving(loop: Loop, make: Callable[[], E]) -> Iterator[E]:
    """Run an emulator on the loop's thread."""

    async def begin() -> E:
        emulator = make()
        await emulator.start()
        return emulator

    emulator = loop.run(begin())
    try:
        yield emulator
    finally:
        loop.run(emulator.close())
