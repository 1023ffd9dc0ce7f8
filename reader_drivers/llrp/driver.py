"""The LLRP driver: links over TCP, followed by a thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from reader_drivers._reader import ReaderSettings
from reader_drivers.clock_map import ClockMap
from reader_drivers.llrp.capabilities import LlrpCapabilities
from reader_drivers.llrp.codec import FrameReader, decode_reports, encode_message, message, parameter
from reader_drivers.llrp.link import LlrpLink
from reader_drivers.llrp.options import parse_options
from reader_drivers.llrp.rospec import check_settings
from reader_drivers.threaded import ThreadedReader


class LlrpReader(ThreadedReader[LlrpLink]):
    """An LLRP reader at `llrp://host:port`; options see `options.Options`.

    Parameters
    ----------
    url
        Where the reader is, with options.
    clock
        Host time, ns UTC.
    """

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._options = parse_options(url)
        super().__init__(url, clock, self._options.settings, self._options.common)
        self._clock_map = ClockMap()
        self._abilities: LlrpCapabilities | None = None

    def _open_link(self) -> LlrpLink:
        if self._abilities is None:
            _compile()
        link = LlrpLink(self._options, self._clock, self._inbox, self._clock_map, self._wake)
        self._abilities = link.abilities
        return link

    def _check(self, settings: ReaderSettings) -> None:
        assert self._abilities is not None
        check_settings(settings, self._abilities, self.url)


def _compile() -> None:
    """Compile the decoder before the first report comes: it takes seconds where no cache of it is."""
    epc = parameter("EPCData", epc=(16, b"\0\0"))
    sample = message("RO_ACCESS_REPORT", 0, parameter("TagReportData", epc))
    decode_reports(FrameReader().feed(encode_message(sample)))
