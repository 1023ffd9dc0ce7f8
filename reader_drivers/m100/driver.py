"""The driver of M100 modules."""

from __future__ import annotations

import time
from collections.abc import Callable

from reader_drivers._reader import ReaderSettings
from reader_drivers.m100.link import M100Link, check_kind, check_settings
from reader_drivers.m100.options import LINE, OWN, Options
from reader_drivers.memory_queue import MemoryQueue
from reader_drivers.serial_reader import SerialReader


class M100Reader(SerialReader[M100Link, Options]):
    """A module at ``m100:///dev/ttyUSB0`` or ``m100://host:port``; options see `options.Options`."""

    air = "gen2"
    line, own, options_type = LINE, OWN, Options

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__(url, clock)
        # Not of a link: a memory that was read is not read again when the module has been away.
        self._memories = MemoryQueue() if self._options.memory else None

    def _open_link(self) -> M100Link:
        return M100Link(self._address, self._options, self._memories, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url)

    def _check(self, settings: ReaderSettings, link: M100Link) -> None:
        check_settings(settings, link.capabilities, self.url)
