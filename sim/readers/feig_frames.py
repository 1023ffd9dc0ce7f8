"""Requests of either kind of frames in one stream, as FEIG readers take them."""

from __future__ import annotations

from reader_drivers.feig.codec import ADVANCED, STANDARD
from reader_drivers.framing import Framer


class BothFramers:
    """Two framers on the same bytes; what one takes whole the other need not wait for."""

    def __init__(self) -> None:
        self._advanced, self._standard = Framer(ADVANCED.frames), Framer(STANDARD.frames)

    @property
    def pending(self) -> int:
        """Return how many bytes of a frame are there that is not whole."""
        return max(self._advanced.pending, self._standard.pending)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are whole now."""
        advanced, standard = list(self._advanced.feed(data)), list(self._standard.feed(data))
        if advanced and not self._advanced.pending:
            self._standard = Framer(STANDARD.frames)
        if standard and not self._standard.pending:
            self._advanced = Framer(ADVANCED.frames)
        return advanced + standard

    def flush(self) -> list[bytes]:
        """Return the frames behind one that will not become whole."""
        return list(self._advanced.flush()) + list(self._standard.flush())
