"""The driver of M100 modules."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from reader_drivers._reader import ReaderSettings
from reader_drivers.m100.codec import FRAMES
from reader_drivers.m100.link import M100Link, check_kind, check_settings
from reader_drivers.memory_queue import MemoryQueue
from reader_drivers.targets import Line, Table, flag, number, read_url
from reader_drivers.threaded import ThreadedReader

LINE: Final = Line(port=None, baud=115_200)


_OWN: Final[Table] = {"memory": ("memory", flag), "memory_words": ("memory_words", number(1, 128))}


class M100Reader(ThreadedReader[M100Link]):
    """A module at ``m100:///dev/ttyUSB0`` or ``m100://host:port``.

    Parameters
    ----------
    url
        Where it is, with options.
    clock
        Host time, ns UTC.
    """

    air = "gen2"

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._address = read_url(url, LINE, _OWN)
        super().__init__(url, clock, self._address)
        # Not of a link: a memory that was read is not read again when the module has been away.
        self._memories = MemoryQueue() if self._address.own.get("memory") else None

    def _open_link(self) -> M100Link:
        link = M100Link(self._address, FRAMES, self._clock, self._inbox, self._wake)
        link.memories = self._memories
        return link

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url)

    def _check(self, settings: ReaderSettings, link: M100Link) -> None:
        check_settings(settings, link.capabilities, self.url)
