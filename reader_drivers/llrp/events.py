"""What a reader tells unasked, as events of ours."""

from __future__ import annotations

from reader_drivers.inbox import Inbox
from reader_drivers.llrp.codec import ConnectionStatus, Parameter

_STARTED = 0


class EventTeller:
    """Turns ReaderEventNotificationData into events (LLRP 1.0.1, section 13.2.6).

    Not told are what says nothing of the readings: hopping, GPI, RF survey and loop events, and the end of an AISpec,
    which runs again as long as its ROSpec does.

    Parameters
    ----------
    where
        The reader, as messages name it.
    inbox
        Where events go.
    """

    def __init__(self, where: str, inbox: Inbox) -> None:
        self._where, self._inbox = where, inbox
        self.missing: set[int] = set()
        """Ports without an antenna."""

    def tell(self, data: Parameter, *, running: bool) -> bool:
        """Tell of one notification; True when the reader ended the inventory that was `running`."""
        ended = False
        for item in data.children:
            if item.name == "AntennaEvent":
                self._antenna(item.number("antenna_id"), connected=item.number("event") != 0)
            elif item.name == "ReportBufferOverflowErrorEvent":
                self._add("buffer_overflow", "the reader's report buffer overflowed; reads were lost")
            elif item.name == "ReportBufferLevelWarningEvent":
                self._add("buffer_warning", f"the reader's report buffer is {item.number('percent')} % full")
            elif item.name == "ReaderExceptionEvent":
                self._add("reader_exception", item.text("message"))
            elif item.name == "ConnectionAttemptEvent":
                if item.number("status") == ConnectionStatus.ANOTHER_ATTEMPTED:
                    self._add("connection_attempted", "another client tried to take this reader")
            elif item.name == "ConnectionCloseEvent":
                self._add("reader_exception", "the reader is closing the connection")
            elif item.name == "ROSpecEvent" and item.number("event") != _STARTED and running:
                self._add("reader_exception", "the reader ended the inventory by itself")
                ended = True
        return ended

    def lost_antenna(self, port: int, why: str) -> None:
        """Tell, once, that a port has no antenna."""
        if port not in self.missing:
            self.missing.add(port)
            self._add("antenna_gone", f"antenna port {port}: {why}")

    def _antenna(self, port: int, *, connected: bool) -> None:
        if not connected:
            self.lost_antenna(port, "the reader says it was disconnected")
        elif port in self.missing:
            self.missing.discard(port)
            self._add("antenna_back", f"antenna port {port} is connected again")

    def _add(self, kind: str, text: str) -> None:
        self._inbox.add_event(kind, f"{self._where}: {text}")
