"""The report buffer of an emulated reader: when reports go out, and how many at a time (LLRP 1.0.1, section 13.2)."""

from __future__ import annotations

from collections.abc import Callable

from reader_drivers.llrp.codec import Version, gen2_words
from sim.readers.llrp_reports import Content, Extras, Rows, encode_reports, merge
from sim.readers.llrp_rospec import ROSpec

BUFFER_ROWS = 200_000
"""Reports a reader keeps for a client that has not asked for them; more are lost, and an event says so."""

_BUFFERED_PER_MESSAGE = 200


class ReportBuffer:
    """Reports of one ROSpec on their way out.

    Parameters
    ----------
    spec
        Says when to send: every N reports, at the end, or only when asked.
    content
        Which fields.
    extras
        Returns what else the reports carry.
    version
        LLRP version of the client they are for.
    """

    def __init__(
        self,
        spec: ROSpec,
        content: Content,
        extras: Callable[[Rows], Extras | None] = lambda _rows: None,
        version: int = Version.V1_0_1,
    ) -> None:
        self.spec, self.content, self._extras, self._version = spec, content, extras, version
        # An AISpec that ends after N tags reports them then; N reports a message come to the same.
        self._per_message = spec.report_n or spec.observe
        self.holding = False
        """True: the client has not yet asked for reports."""
        self._rows: list[Rows] = []
        self._count = 0
        self._message_id = 0

    def add(self, rows: Rows) -> bool:
        """Take in the reports of a slice; False when the buffer was full and they are lost."""
        if self._per_message != 1 or self.spec.report_trigger == 0:
            rows = merge(rows, self.content)
        if self._count + len(rows) > BUFFER_ROWS:
            return False
        if len(rows):
            self._rows.append(rows)
            self._count += len(rows)
        return True

    def due(self) -> bytes:
        """Return the messages that the report trigger lets go now."""
        if self.holding or self.spec.report_trigger == 0:
            return b""
        if self._per_message == 0 or self.spec.settle:
            return self.take() if self.spec.settle else b""
        return self.take(whole=self._per_message)

    def take(self, whole: int = 1) -> bytes:
        """Return everything as messages, or as much as fills messages of `whole` reports."""
        ready = self._count - self._count % whole
        if not ready:
            return b""
        rows = Rows.join(self._rows)
        rest = rows.part(slice(ready, None))
        self._rows, self._count = ([rest] if len(rest) else []), len(rest)
        asked = self.content.pc or self.content.crc
        words = [gen2_words(epc) for epc in rows.tags] if asked else []
        each = self._per_message or _BUFFERED_PER_MESSAGE
        leaving = rows.part(slice(ready))
        data = encode_reports(
            leaving,
            self.content,
            words,
            self.spec.rospec_id,
            each,
            self._message_id,
            extras=self._extras(leaving),
            version=self._version,
        )
        self._message_id = (self._message_id + ready // each) & 0x7FFFFFFF
        return data
