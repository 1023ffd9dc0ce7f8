"""A connection to a reader that is asked for each round of its inventory, one antenna after the other."""

from __future__ import annotations

import itertools
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Final

from reader_drivers._reader import ReaderSettings
from reader_drivers.framing import FrameFormat
from reader_drivers.inbox import Inbox
from reader_drivers.port_spans import PortSpans
from reader_drivers.serial_link import FAILED_AGAIN_S, SerialLink
from reader_drivers.targets import Address
from reader_drivers.transport import Wake

MISSING_AGAIN_S: Final = 1.0
"""A port without antenna is tried again after so long."""

_LATE_S: Final = 0.5
"""A reader that is asked so much later than it might be did not listen meanwhile."""


class PolledLink(SerialLink):
    """A reader that answers, and is asked again when a round has ended; see `SerialLink`.

    A protocol's own link begins with `begin_rounds`, asks in `ask`, and says what came: `round_over`, `round_lost`,
    `turn_failed`, `antenna_missing`, `antenna_there`. A port listened in rounds that ended well, and in no others.
    """

    def __init__(
        self, address: Address, layout: FrameFormat, clock: Callable[[], int], inbox: Inbox, wake: Wake
    ) -> None:
        self.asked = False
        """Whether a round is under way."""
        self._ports: tuple[int, ...] = ()
        self._turns: Iterator[tuple[int, str] | None] | None = None
        self._next_at: float | None = None
        self._missing: dict[int, float] = {}
        self._spans = PortSpans(inbox)
        self._asked_at = 0
        self._in_round: set[int] = set()
        super().__init__(address, layout, clock, inbox, wake)

    # What a protocol says

    @abstractmethod
    def ask(self, port: int, flag: str) -> None:
        """Ask for a round on a port, of tags whose session flag is `flag` (A or B)."""

    def before_round(self) -> None:
        """Do what is due between rounds."""

    def ports_of_round(self, port: int) -> tuple[int, ...]:
        """Return which ports listen in a round that is asked for on `port`."""
        return (port,)

    # For protocols

    def begin_rounds(self, ports: tuple[int, ...], flags: str) -> None:
        """Ask for the first round, and go on until `end_rounds`: all ports with each of `flags` in turn."""
        self._ports, self._turns = ports, self._each(ports, flags)
        self._missing.clear()
        self.ask_next()

    def end_rounds(self) -> None:
        """Ask for no more rounds."""
        self._turns, self.asked, self._next_at = None, False, None

    def ask_next(self) -> None:
        """Ask for the next round now."""
        due = time.monotonic() if self._next_at is None else self._next_at
        self._next_at, self.asked = None, False
        if self._turns is None:
            return
        self.before_round()
        turn = next(self._turns)
        if turn is None:
            self._next_at = time.monotonic() + FAILED_AGAIN_S
            return
        port, flag = turn
        self.asked, self._in_round = True, set(self.ports_of_round(port))
        self.ask(port, flag)
        self._asked_at = self.clock()
        # It owes an answer from now on.
        self._looked_after = time.monotonic()
        if self._looked_after - due > _LATE_S:
            self._spans.end()

    def round_over(self, error: str = "") -> None:
        """Note that the round has ended; with an error, which is told once until a round goes well."""
        if not self.asked:
            return
        self.note_failure(error)
        if error:
            self._spans.end(self._in_round)
        else:
            self._spans.good(self._in_round, self._asked_at, self._last_good)
        # The next is asked for when everything that came has been handed over.
        slow = error or self._missing.keys() >= set(self._ports)
        self.asked, self._next_at = False, time.monotonic() + (FAILED_AGAIN_S if slow else 0.0)

    def round_lost(self) -> None:
        """Note that nobody knows what became of the round."""
        self.asked = False
        self._spans.end()

    def turn_failed(self, port: int) -> None:
        """Note that a port did not listen in the round that is under way."""
        self._in_round.discard(port)
        self._spans.end((port,))

    def antenna_missing(self, port: int) -> None:
        """Note that a port has no antenna; told once."""
        self.turn_failed(port)
        if port not in self._missing:
            self.inbox.add_event("antenna_gone", f"{self.where}: port {port}: the antenna is missing")
        self._missing[port] = time.monotonic()

    def antenna_there(self, port: int) -> None:
        """Note that a port has an antenna."""
        if self._missing.pop(port, None) is not None:
            self.inbox.add_event("antenna_back", f"{self.where}: port {port} has its antenna again")

    def pump(self, timeout_s: float) -> None:
        """Handle what comes, and ask for the next round once the last one has ended."""
        self._ask_if_due()
        if self._next_at is not None:
            timeout_s = min(timeout_s, max(0.0, self._next_at - time.monotonic()))
        super().pump(timeout_s)
        self._ask_if_due()

    def _ask_if_due(self) -> None:
        if self._next_at is not None and time.monotonic() >= self._next_at:
            self.ask_next()

    def start(self, settings: ReaderSettings) -> None:
        """Begin to read tags."""
        super().start(settings)
        self._spans.begin(self.power_dbm, self.session)

    def note_listening(self, now: int, *, last: bool = False) -> None:
        """Note that the reader was heard; when its ports listened its rounds say, where it is asked for any."""
        if not self._ports:
            super().note_listening(now, last=last)
        elif last:
            self._spans.end()
        else:
            self._last_good = max(self._last_good, now)

    def _each(self, ports: tuple[int, ...], flags: str) -> Iterator[tuple[int, str] | None]:
        """Yield port and flag of each round, for ever; None where no port has an antenna."""
        for flag in itertools.cycle(flags):
            for port in ports:
                if time.monotonic() - self._missing.get(port, -MISSING_AGAIN_S) >= MISSING_AGAIN_S:
                    yield port, flag
            if self._missing.keys() >= set(ports):
                yield None
