"""The driver of R2000 boards."""

from __future__ import annotations

from typing import Final

from reader_drivers._reader import ReaderSettings
from reader_drivers.r2000.link import R2000Link, check_kind, check_settings
from reader_drivers.r2000.options import LINE, OWN, Options
from reader_drivers.serial_reader import SerialReader

__all__: Final = ["R2000Reader"]


class R2000Reader(SerialReader[R2000Link, Options]):
    """A board at ``r2000:///dev/ttyUSB0`` or ``r2000://host:port``; options see `options.Options`."""

    air = "gen2"
    line, own, options_type = LINE, OWN, Options

    def _open_link(self) -> R2000Link:
        return R2000Link(self._address, self._options, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self._options, self.url)

    def _check(self, settings: ReaderSettings, link: R2000Link) -> None:
        check_settings(settings, link.capabilities, self.url)
