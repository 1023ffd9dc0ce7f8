"""The driver of FEIG HF readers."""

from __future__ import annotations

import time
from collections.abc import Callable

from reader_drivers._reader import ReaderSettings
from reader_drivers.feig.link import FeigLink
from reader_drivers.feig.memories import ReadBefore
from reader_drivers.feig.options import LINE, OWN, FeigOptions, check_settings
from reader_drivers.targets import read_url
from reader_drivers.threaded import ThreadedReader


class FeigReader(ThreadedReader[FeigLink]):
    """A reader at ``feig://host`` or ``feig:///dev/ttyUSB0``.

    Parameters
    ----------
    url
        Where it is, with options.
    clock
        Host time, ns UTC.
    """

    air = "iso15693"

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._address = read_url(url, LINE, OWN)
        self._options = FeigOptions.of(self._address, url)
        # Memories that were read are not read again because the cable was pulled.
        self._read_before = ReadBefore(self._options.memory_again_s)
        super().__init__(url, clock, self._address)

    def _open_link(self) -> FeigLink:
        return FeigLink(self._address, self._options, self._read_before, self._clock, self._inbox, self._wake)

    def _check_kind(self, settings: ReaderSettings) -> None:
        # What antennas there are the URL says.
        check_settings(settings, self._options, self.url)
