"""The LLRP driver: links over TCP, followed by a thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from reader_drivers._reader import ReaderSettings
from reader_drivers.clock_map import ClockMap
from reader_drivers.llrp.checks import check_kind, check_settings
from reader_drivers.llrp.client import HeldError
from reader_drivers.llrp.codec import (
    FrameReader,
    Version,
    decode_reports,
    encode_message,
    message,
    parameter,
)
from reader_drivers.llrp.link import LlrpLink, Patience
from reader_drivers.llrp.memories import TagMemories
from reader_drivers.llrp.options import parse_options
from reader_drivers.llrp.version import VersionRefusedError
from reader_drivers.threaded import ThreadedReader
from reader_drivers.transport import Ends, release

_CONNECT_S, _GREETING_S = 1.0, 2.0
"""How long a try to come back waits for the connection, and for the reader's first word, at least."""

_NOTICED_S = 0.05, 0.15
"""Within which a reader notices that a connection was given up."""


class LlrpReader(ThreadedReader[LlrpLink]):
    """An LLRP reader at `llrp://host:port`; options see `options.Options`.

    Parameters
    ----------
    url
        Where the reader is, with options.
    clock
        Host time, ns UTC.
    """

    air = "gen2"

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._options = parse_options(url)
        super().__init__(url, clock, self._options)
        self._clock_map = ClockMap()
        self._memories = TagMemories()
        self._patience = Patience()
        self._ends: Ends | None = None
        """Of the connection before."""

    def _open_link(self) -> LlrpLink:
        if self._latest is None:
            _compile()
        try:
            link = self._link()
        except VersionRefusedError:
            # It need not be asked again, now or later.
            self._options = replace(self._options, version=Version.V1_0_1)
            link = self._link()
        except HeldError:
            if self._ends is None:
                raise
            # Perhaps it is ours, lost when the cable was out.
            release(self._ends)
            link = self._link_once_free()
        self._ends = link.ends
        if link.version is Version.V1_0_1:
            self._options = replace(self._options, version=Version.V1_0_1)
        return link

    def _link_once_free(self) -> LlrpLink:
        """Reach a reader that has still to notice that its client is gone."""
        for pause_s in _NOTICED_S:
            try:
                return self._link()
            except HeldError:
                time.sleep(pause_s)
        return self._link()

    def _link(self) -> LlrpLink:
        link = LlrpLink(
            self._options,
            self._clock,
            self._inbox,
            self._clock_map,
            self._memories,
            self._wake,
            self._patience,
        )
        if self._patience.connect_s is None:
            self._patience = self._shorter(link.took)
        return link

    def _shorter(self, took: Patience) -> Patience:
        """Return how long tries to come back may take.

        A reader that is off lets a try hang, and its return may fall into the hanging: these are shorter than the
        first, but never shorter than this reader needs.
        """
        limit = self._options.common.timeout_s
        connect_s, greeting_s = (4 * (seconds or 0.0) for seconds in (took.connect_s, took.greeting_s))
        return Patience(min(limit, max(_CONNECT_S, connect_s)), min(limit, max(_GREETING_S, greeting_s)))

    def _check_kind(self, settings: ReaderSettings) -> None:
        check_kind(settings, self.url, self._options.choices)

    def _check(self, settings: ReaderSettings, link: LlrpLink) -> None:
        check_settings(settings, link.abilities, self.url, self._options.choices)


def _compile() -> None:
    """Compile the decoder before the first report comes: it takes seconds where no cache of it is."""
    epc = parameter("EPCData", epc=(16, b"\0\0"))
    sample = message("RO_ACCESS_REPORT", 0, parameter("TagReportData", epc))
    decode_reports(FrameReader().feed(encode_message(sample)))
