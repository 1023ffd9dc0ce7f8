"""The driver of ThingMagic modules."""

from __future__ import annotations

import time
from collections.abc import Callable

from reader_drivers._reader import ReaderSettings
from reader_drivers.mercury.link import Known, MercuryLink
from reader_drivers.mercury.options import LINE, OWN, Options
from reader_drivers.mercury.settings import check_kind, check_settings
from reader_drivers.serial_reader import SerialReader


class MercuryReader(SerialReader[MercuryLink, Options]):
    """A module at ``mercury:///dev/ttyUSB0`` or ``mercury://host:port``; options see `options.Options`."""

    air = "gen2"
    line, own, options_type = LINE, OWN, Options

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__(url, clock)
        self._known = Known()

    def _open_link(self) -> MercuryLink:
        return MercuryLink(self._address, self._options, self._known, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url)

    def _check(self, settings: ReaderSettings, link: MercuryLink) -> None:
        check_settings(settings, link.module, link.capabilities, self.url)
