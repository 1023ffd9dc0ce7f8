"""An emulated reader on a thread of its own, so that blocking drivers can be tested against real sockets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from reader_drivers import Reader, ReaderBatch, ReaderEvent, open_reader
from recording import Activity, Readings
from sim.readers.llrp import LlrpEmulator

T = TypeVar("T")


def query(options: Mapping[str, object], **changes: object) -> str:
    """Options of a URL; a change goes before, and None takes an option out."""
    return "&".join(f"{name}={value}" for name, value in {**options, **changes}.items() if value is not None)


def fast(**changes: object) -> str:
    """Options of a driver that notices and comes back soon, but for what is changed of them; see `query`."""
    return query({"retry": 0.02, "retry_max": 0.1, "keepalive": 0.5, "timeout": 5}, **changes)


FAST = fast()


class Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def call(self, what: Callable[[], T]) -> T:
        async def now() -> T:
            return what()

        return self.run(now())

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@contextmanager
def running_loop() -> Iterator[Loop]:
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()


@contextmanager
def served(loop: Loop, source: Any, **options: Any) -> Iterator[LlrpEmulator]:
    async def make() -> LlrpEmulator:
        emulator = LlrpEmulator(source, **options)
        await emulator.start()
        return emulator

    emulator = loop.run(make())
    try:
        yield emulator
    finally:
        loop.run(emulator.close())


class Heard:
    """Everything a reader handed out so far."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.batches: list[ReaderBatch] = []

    @property
    def readings(self) -> Readings:
        return Readings.concat([batch.readings for batch in self.batches])

    @property
    def events(self) -> list[ReaderEvent]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def activity(self) -> list[Activity]:
        return [
            batch.activity for batch in self.batches if batch.activity is not None and len(batch.activity)
        ]

    def until(self, enough: Callable[[Heard], bool], limit_s: float = 20.0) -> Heard:
        """Read until `enough` says so; fail when that takes too long."""
        deadline = time.monotonic() + limit_s
        while not enough(self):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"waited {limit_s} s; {len(self.readings)} readings, events {self.events}"
                )
            self.batches.append(self.reader.read(0.05))
            strength = self.batches[-1].readings.rssi_dbm
            assert ((strength >= -120) & (strength <= 0)).all(), "recordings take no others"
        return self


def open_at(emulator: LlrpEmulator, options: str = FAST) -> Any:
    return open_reader(f"{emulator.url}?{options}")
