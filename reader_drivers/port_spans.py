"""When each port listened, of a reader that is asked for one round after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reader_drivers.inbox import SPAN_NS, Inbox


class PortSpans:
    """Spans of ports that take turns, from the beginning of a port's first good round to the end of its last one.

    A port whose antenna is missing and a round that failed or was lost end a span: whoever looks for a tag must not
    take its silence there for absence.

    Parameters
    ----------
    inbox
        Where spans go.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._spans: dict[int, tuple[int, int]] = {}
        self._power_dbm: Mapping[int, float] = {}
        self._session = 0

    def begin(self, power_dbm: Mapping[int, float], session: int) -> None:
        """Note what ports listen with from now on, dBm (NaN: not known)."""
        self._spans.clear()
        self._power_dbm, self._session = power_dbm, session

    def good(self, ports: Iterable[int], start: int, end: int) -> None:
        """Note a round of these ports, ns UTC, that ended well."""
        for port in ports:
            since = self._spans.get(port, (start, end))[0]
            if end - since >= SPAN_NS:
                self._hand_out(port, since, end)
                since = end
            self._spans[port] = since, end

    def end(self, ports: Iterable[int] | None = None) -> None:
        """End the spans of these ports (None: of all) where their last good round ended."""
        for port in tuple(self._spans) if ports is None else ports:
            if port in self._spans:
                self._hand_out(port, *self._spans.pop(port))

    def _hand_out(self, port: int, since: int, until: int) -> None:
        self._inbox.add_span(since, until, port, self._power_dbm.get(port, float("nan")), self._session)
