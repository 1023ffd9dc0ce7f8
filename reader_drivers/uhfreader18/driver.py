"""The driver of UHFReader18 and 288 readers."""

from __future__ import annotations

import time
from collections.abc import Callable

from reader_drivers._reader import ReaderSettings
from reader_drivers.targets import read_url
from reader_drivers.threaded import ThreadedReader
from reader_drivers.uhfreader18.link import UhfReader18Link, check_kind, check_settings
from reader_drivers.uhfreader18.options import LINE, OWN, Options


class UhfReader18(ThreadedReader[UhfReader18Link]):
    """A reader at ``uhfreader18:///dev/ttyUSB0`` or ``uhfreader18://host:port``; options see `options.Options`.

    Parameters
    ----------
    url
        Where it is, with options.
    clock
        Host time, ns UTC.
    """

    air = "gen2"

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._address = read_url(url, LINE, OWN)
        self._options = Options(**self._address.own)
        super().__init__(url, clock, self._address)

    def _open_link(self) -> UhfReader18Link:
        return UhfReader18Link(self._address, self._options, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url)

    def _check(self, settings: ReaderSettings, link: UhfReader18Link) -> None:
        check_settings(settings, link.dialect, link.capabilities, self.url)
