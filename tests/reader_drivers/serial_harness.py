"""Emulated serial readers for blocking drivers, and what every framing must stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from reader_drivers import Reader, ReaderSettings, open_reader
from sim.readers.serial_emulator import SerialEmulator
from tests.reader_drivers.harness import Heard, Loop, query


def fast(**changes: object) -> str:
    """Options of a driver that notices and comes back soon, but for what is changed of them; see `query`."""
    return query({"timeout": 2, "retry": 0.05, "retry_max": 0.2, "keepalive": 0.5}, **changes)


FAST = fast()

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


@contextmanager
def reading(
    loop: Loop,
    make: Callable[[], E],
    options: str = FAST,
    settings: ReaderSettings | None = None,
    **state: object,
) -> Iterator[tuple[E, Reader]]:
    """Run an emulator, and a driver that reads it; `state` is what the emulator has before the driver connects."""
    with serving(loop, make) as emulator, open_reader(f"{emulator.url}?{options}") as reader:
        for name, value in state.items():
            assert hasattr(emulator, name), name
            setattr(emulator, name, value)
        reader.connect()
        reader.start(settings)
        yield emulator, reader


def befall(loop: Loop, emulator: SerialEmulator, heard: Heard, fault: str) -> None:
    """Let a fault happen: ``reboot``, ``drop``, ``crash``, or ``silent``, which lasts until the driver has told it."""
    if fault == "silent":
        loop.call(emulator.go_silent)
        heard.until(lambda h: h.kinds.count("reader_gone") > h.kinds.count("reader_back"))
        loop.call(lambda: emulator.go_silent(False))
    else:
        loop.run(emulator.reboot(0.2) if fault == "reboot" else getattr(emulator, fault)())
