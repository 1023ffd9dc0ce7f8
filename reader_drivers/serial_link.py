"""One connection to a reader with framed bytes: what its protocol does not differ in.

A protocol's own link says how the reader is set up, started and stopped, and what its frames mean.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings
from reader_drivers.framing import FrameFormat, Framer, Frames
from reader_drivers.inbox import SPAN_NS, Inbox
from reader_drivers.serial_client import SerialClient
from reader_drivers.targets import Address, TcpTarget
from reader_drivers.threaded import MISSED_KEEPALIVES
from reader_drivers.transport import LinkLostError, Wake, open_transport
from recording import LEAST_RSSI_DBM, MOST_RSSI_DBM, NO_TIME, Readings

NO_RSSI_DBM: Final = -60.0
"""What stands for the strength that a reader does not tell: recordings leave out readings without one."""

FAILED_AGAIN_S: Final = 0.2
"""A reader whose round failed is asked again after so long: it may say so thousands of times a second."""


class SerialLink(ABC):
    """A reader that answers; see `reader_drivers.threaded.Link`.

    Parameters
    ----------
    address
        Its URL, read.
    layout
        How its frames are framed.
    clock
        Host time, ns UTC.
    inbox
        Where readings and events go.
    wake
        Ends a wait in `pump`.

    Raises
    ------
    ReaderError
        It cannot be reached or set up.
    """

    capabilities: Capabilities

    patience_s: float = float("inf")
    """A reader that is asked again and again, and is silent for so long while it reads, is looked after by `alive`;
    a keepalive period at most."""

    def __init__(
        self, address: Address, layout: FrameFormat, clock: Callable[[], int], inbox: Inbox, wake: Wake
    ) -> None:
        self.address, self.clock, self.inbox = address, clock, inbox
        self.where = address.where
        self.power_dbm: dict[int, float] = {}
        """Of each port that listens; empty while the reader does not read."""
        self.session = ReaderSettings().gen2_session
        """Gen2 session of what is being read."""
        self._listening_since = self._last_good = 0
        self._looked_after = 0.0
        self._failure = ""
        self._keepalive_s = address.settings.keepalive_s
        timeout_s = address.common.timeout_s
        # The framer is compiled before the line is open: that takes seconds where no cache of it is.
        Framer(layout).feed(b"\0")
        transport = open_transport(address.where, address.target, timeout_s, wake)
        self.client = SerialClient(transport, layout, self, clock, timeout_s)
        try:
            self.capabilities = self.set_up()
        except LinkLostError as error:
            self.client.close()
            # Something is there, and it does not answer as this protocol does.
            tcp = isinstance(address.target, TcpTarget)
            check = (
                "there, and no other program connected to it (of a device server: the speed of its line)"
                if tcp
                else "on the line, and its speed (option baud)"
            )
            raise ReaderError(f"{error}; check that a reader of this kind is {check}") from error
        except BaseException:
            self.client.close()
            raise

    # What a protocol says

    @abstractmethod
    def set_up(self) -> Capabilities:
        """End whatever the reader was doing, and learn what it can; raises ReaderError."""

    @abstractmethod
    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Begin to read tags; return the power of each port in use, dBm (NaN: not known); raises ReaderError."""

    @abstractmethod
    def end(self) -> None:
        """Stop reading tags."""

    @abstractmethod
    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take frames that came, and when each was through, ns UTC."""

    @abstractmethod
    def alive(self) -> None:
        """Do what shows whether the reader is still there; raises LinkLostError where it is not.

        Called when it has been silent for `patience_s` or a keepalive period, and again after each further one.
        """

    # `Link`

    def start(self, settings: ReaderSettings) -> None:
        """Begin to read tags; a reader that reads already stops before."""
        if self.power_dbm:
            self.stop()
        self._keepalive_s = settings.keepalive_s
        self.session = settings.gen2_session
        self._failure = ""
        power = self.begin(settings)
        self._listening_since = self._last_good = self.clock()
        self.power_dbm = power

    def stop(self) -> None:
        """Stop reading tags; everything under way has arrived when this returns."""
        until: int | None = None
        try:
            self.end()
            until = self.clock()
        finally:
            # Of a reader that does not answer nobody knows how long it went on behind the last that was heard of it.
            self.note_listening(self._last_good if until is None else until, last=True)
            self.power_dbm = {}

    def pump(self, timeout_s: float) -> None:
        """Handle what comes, for at most `timeout_s`; raises LinkLostError."""
        if not self.power_dbm:
            self.client.pump(timeout_s)
            return
        limit = MISSED_KEEPALIVES * self._keepalive_s
        patience = min(self.patience_s, self._keepalive_s)
        due = self._due(patience)
        if time.monotonic() >= due:
            # What has arrived is read first: nobody may have listened for a while.
            self.client.pump(0.0)
            due = self._due(patience)
        if (now := time.monotonic()) >= due:
            self._looked_after = now
            self.alive()
            due = now + patience
        self.client.pump(max(0.0, min(timeout_s, due - time.monotonic())))
        quiet = time.monotonic() - self.client.last_heard
        if quiet > limit:
            raise LinkLostError(f"{self.where}: silent for {quiet:.1f} s")

    def _due(self, patience: float) -> float:
        """Return when the reader is to be looked after, by the monotonic clock, s."""
        return max(self.client.last_heard, self._looked_after) + patience

    def lost(self) -> None:
        """Note the end of a connection that broke, and close it."""
        self.lapse()
        self.client.close()

    def close(self) -> None:
        """Close the connection; a reader that is left does not go on transmitting."""
        try:
            with contextlib.suppress(ReaderError):
                if self.power_dbm:
                    self.stop()
        finally:
            self.client.close()

    # For protocols

    def note_failure(self, what: str) -> None:
        """Tell of a reader that fails, once until it does not or does so otherwise; empty: it does not fail."""
        if what and what != self._failure:
            self.inbox.add_event("reader_exception", f"{self.where}: {what}")
        self._failure = what

    def on_noise(self, _garbage: int, wrong: int, /) -> None:
        """Count what the line spoiled; before the first answer it may be the rest of what was going on."""
        if wrong and self.power_dbm:
            self.inbox.add_left_out("bad_message", wrong)

    def add_readings(self, tags: tuple[bytes, ...], t: NDArray[np.int64], **columns: Any) -> None:
        """Store readings: columns of `Readings`, those left out of a reader that has no such value.

        What recordings refuse is left out and counted: an RSSI that cannot be, and an EPC of no bytes (a tag whose
        control word says so), which is nobody's.
        """
        if not len(t):
            return
        self.note_listening(int(t[-1]))
        rssi = columns["rssi_dbm"]
        named = np.fromiter(map(len, tags), np.int64, len(tags)) > 0
        good = (rssi >= LEAST_RSSI_DBM) & (rssi <= MOST_RSSI_DBM) & named[columns["tag"]]
        if not good.all():
            self.inbox.add_left_out("bad_reading", int(np.count_nonzero(~good)))
            t, columns = t[good], {name: values[good] for name, values in columns.items()}
        self.inbox.add_readings(make_readings(tags, t, **columns))

    def lapse(self) -> None:
        """Note that the reader does not read, and has not since it was heard last."""
        self.note_listening(self._last_good, last=True)
        self.power_dbm = {}

    def note_listening(self, now: int, *, last: bool = False) -> None:
        """Note that the ports in use have listened until now."""
        self._last_good = max(self._last_good, now)
        if not self.power_dbm or not (last or now - self._listening_since >= SPAN_NS):
            return
        for port, power in self.power_dbm.items():
            self.inbox.add_span(self._listening_since, now, port, power, self.session)
        self._listening_since = now

    def note_deaf(self) -> None:
        """Note that since the reader was last heard the ports in use did not listen, or nobody knows."""
        self.note_listening(self._last_good, last=True)
        self._listening_since = self._last_good = self.clock()


def make_readings(tags: tuple[bytes, ...], t: NDArray[np.int64], **columns: Any) -> Readings:
    """Return readings whose columns left out are those of a reader that has no such value: no phase, no own clock."""
    n = len(t)
    usual: dict[str, Any] = {
        "phase_rad": np.full(n, np.nan, np.float32),
        "seen_count": np.ones(n, np.uint32),
        "reader_t": np.full(n, NO_TIME, np.int64),
    }
    return Readings(tags=tuple(tag.hex().upper() for tag in tags), t=t, **(usual | columns))
