"""The driver of Chafon's `CF` readers."""

from __future__ import annotations

from reader_drivers._reader import ReaderSettings, SettingsError
from reader_drivers.chafon.codec import FRAMES
from reader_drivers.chafon.link import ChafonLink, check_kind, check_settings
from reader_drivers.chafon.options import LINE, OWN, Options
from reader_drivers.serial_reader import SerialReader


class ChafonReader(SerialReader[ChafonLink, Options]):
    """A reader at ``chafon://host`` (port 2022) or ``chafon:///dev/ttyUSB0``.

    It reads tags only where the URL has ``unproven=1``: how a report of a read is laid out is not proven.
    """

    air = "gen2"
    line, own, options_type = LINE, OWN, Options

    def _open_link(self) -> ChafonLink:
        return ChafonLink(self._address, FRAMES, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url)

    def check_settings(self, settings: ReaderSettings) -> None:
        """Refuse to read where the URL does not ask for it, and settings that no reader of this kind can follow."""
        super().check_settings(settings)
        self._refuse_unproven()

    def _refuse_unproven(self) -> None:
        if not self._options.unproven:
            raise SettingsError(
                f"{self.url}: how these readers report tags is not proven, so it does not read; open it with "
                "unproven=1 to read them as docs/reader_drivers.md has it, and compare with a tag you know"
            )

    def _check(self, settings: ReaderSettings, link: ChafonLink) -> None:
        self._refuse_unproven()
        check_settings(settings, link.capabilities, self.url)
