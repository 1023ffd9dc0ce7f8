"""When each antenna asked: polls of one antenna that follow one another become one span with a number of rounds."""

from __future__ import annotations

import math

from reader_drivers.inbox import SPAN_NS, Inbox


class Rounds:
    """Spans of polls, as recordings of HF readers have them.

    Parameters
    ----------
    inbox
        Where they go.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._port = self._start = self._end = self._count = 0

    def note(self, port: int, start: int, end: int) -> None:
        """Note an inventory that was asked at `start` and answered at `end`, ns."""
        if end <= start:
            # A clock that stands, as virtual time does, says of no span.
            return
        if self._count and (port != self._port or end - self._start >= SPAN_NS or start < self._end):
            self.close()
        if not self._count:
            self._port, self._start = port, start
        self._end = end
        self._count += 1

    def close(self) -> None:
        """Hand out the span that is open."""
        if self._count:
            self._inbox.add_span(self._start, self._end, self._port, math.nan, 0, self._count)
            self._count = 0
