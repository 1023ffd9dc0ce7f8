"""The driver of UHFReader18 and 288 readers."""

from __future__ import annotations

from reader_drivers._reader import ReaderSettings
from reader_drivers.serial_reader import SerialReader
from reader_drivers.uhfreader18.link import UhfReader18Link, check_kind, check_settings
from reader_drivers.uhfreader18.options import LINE, OWN, Options


class UhfReader18(SerialReader[UhfReader18Link, Options]):
    """A reader at ``uhfreader18:///dev/ttyUSB0`` or ``uhfreader18://host:port``; options see `options.Options`."""

    air = "gen2"
    line, own, options_type = LINE, OWN, Options

    def _open_link(self) -> UhfReader18Link:
        return UhfReader18Link(self._address, self._options, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url)

    def _check(self, settings: ReaderSettings, link: UhfReader18Link) -> None:
        check_settings(settings, link.dialect, link.capabilities, self.url)
