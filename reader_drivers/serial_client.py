"""A conversation with a reader that frames its bytes: requests, their answers, and what it sends unasked.

One thread uses a client; it does its work inside `pump` and `request`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reader_drivers.framing import FrameFormat, Framer, Frames
from reader_drivers.transport import LinkLostError, Transport

QUIET_S = 0.1
"""A frame that was begun and gets no byte for so long will not become whole."""

TRIES = 3
"""How often a request is sent before the reader counts as gone."""


class Listener(Protocol):
    """Whom a client tells what the reader sends."""

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take frames, and when each was through by the host's clock, ns UTC; an answer waited for is among them."""
        ...

    def on_noise(self, garbage: int, wrong: int, /) -> None:
        """Take the news of bytes that are no frame, and of frames whose check is wrong."""
        ...


class SerialClient:
    """Speaks a framed protocol over a transport.

    Parameters
    ----------
    transport
        An open connection.
    layout
        How the protocol frames.
    listener
        Told of every frame, in stream order.
    clock
        Host time, ns UTC; asked once for each piece of stream, as it arrives.
    timeout_s
        How long an answer may take.
    """

    def __init__(
        self,
        transport: Transport,
        layout: FrameFormat,
        listener: Listener,
        clock: Callable[[], int],
        timeout_s: float,
    ) -> None:
        self.transport = transport
        self.where = transport.where
        self.last_heard = time.monotonic()
        """When a good frame last came, by the monotonic clock, s."""
        self._listener, self._clock, self.timeout_s = listener, clock, timeout_s
        self._framer = Framer(layout)
        self._last_arrival = 0
        self._last_bytes = time.monotonic()
        # Of the pieces that may still become frames: bytes from the stream's beginning, and when they came.
        self._came: deque[tuple[int, int]] = deque()
        self._through = 0
        self._wanted: Callable[[bytes], bool] | None = None
        self._answer: bytes | None = None
        self._said = (0, 0)
        self._idles = 0
        self._frames = 0

    def send(self, frame: bytes) -> None:
        """Send a frame; raises LinkLostError."""
        self.transport.send(frame)

    def request(
        self,
        frame: bytes,
        is_answer: Callable[[bytes], bool],
        what: str,
        timeout_s: float | None = None,
        tries: int = TRIES,
    ) -> bytes:
        """Send a frame and return its answer, handling whatever comes before it.

        Parameters
        ----------
        frame
        is_answer
            Tells the answer among the frames that come.
        what
            What is asked, for messages.
        timeout_s
            How long the answer may take in all; None: as long as any.
        tries
            How often it is asked within that time: lines lose bytes. 1: it must not be asked twice.

        Raises
        ------
        LinkLostError
            The connection ended, or no answer came in time.
        """
        limit = self.timeout_s if timeout_s is None else timeout_s
        self._wanted, self._answer = is_answer, None
        try:
            for _ in range(tries):
                self.send(frame)
                deadline = time.monotonic() + limit / tries
                while (left := deadline - time.monotonic()) > 0:
                    self.pump(left)
                    if self._answer is not None:
                        return self._answer
            raise LinkLostError(self.unanswered(what, limit))
        finally:
            self._wanted = None

    def unanswered(self, what: str, limit_s: float) -> str:
        """Return the message for a request without an answer."""
        said = f"{self.where}: no answer to {what} within {limit_s:g} s"
        if self._through and not self._frames:
            said += f" ({self._through} bytes came, and no frame of this protocol)"
        return said

    def pump(self, timeout_s: float) -> bool:
        """Wait for bytes and handle the frames they complete; False when no byte came.

        Raises
        ------
        LinkLostError
            The connection ended.
        """
        pending = self._framer.pending
        quiet_at = self._last_bytes + QUIET_S
        data = self.transport.receive(
            min(timeout_s, max(0.0, quiet_at - time.monotonic())) if pending else timeout_s
        )
        if not data:
            # A wait may end early, and the rest of the frame still be on its way.
            if pending and time.monotonic() >= quiet_at:
                self._take(self._framer.flush())
            return False
        self._last_bytes = time.monotonic()
        self._through += len(data)
        self._came.append((self._through, self._clock()))
        self._take(self._framer.feed(data))
        return True

    def _take(self, frames: Frames) -> None:
        if len(frames) or self._framer.idles != self._idles:
            self._idles = self._framer.idles
            self.last_heard = time.monotonic()
        if len(frames):
            self._frames += len(frames)
            t = self._times(frames)
            if self._wanted is not None and self._answer is None:
                self._answer = next(filter(self._wanted, frames), None)
            self._listener.on_frames(frames, t)
        # A frame that is to come ends behind the bytes that are there.
        while self._came and self._came[0][0] <= self._through - self._framer.pending:
            self._last_arrival = self._came.popleft()[1]
        said = (self._framer.garbage, self._framer.wrong)
        if said != self._said:
            garbage, wrong = said[0] - self._said[0], said[1] - self._said[1]
            self._said = said
            self._listener.on_noise(garbage, wrong)

    def _times(self, frames: Frames) -> NDArray[np.int64]:
        """Return when the last byte of each frame was through: bytes that arrive together were sent one by one."""
        end = self._through - len(frames.data) + frames.offset + frames.length
        upto, arrival = np.array(self._came, np.int64).T
        piece = np.searchsorted(upto, end)
        t = arrival[piece] - np.rint((upto[piece] - end) * (self.transport.byte_s * 1e9)).astype(np.int64)
        # What was read in one piece arrived after the piece before it.
        before = np.concatenate([[self._last_arrival], arrival])[piece]
        return np.clip(t, np.minimum(before, arrival[piece]), arrival[piece])

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()
