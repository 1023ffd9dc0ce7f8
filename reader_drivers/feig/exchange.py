"""Requests and answers of readers that are polled: which answer belongs to which request.

The protocol numbers nothing, so an answer that comes after its time would be taken for the next request's, and every
one after it for that of the one behind. So requests and answers are counted: behind one that had to be repeated, what
is still due is waited for before anything else is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reader_drivers.feig.codec import Answer, Layout
from reader_drivers.framing import Frames
from reader_drivers.serial_client import QUIET_S, TRIES, SerialClient
from reader_drivers.transport import LinkLostError

_DRY_S = 0.05
_DRY_MOST_S = 1.0
_SPOILED_S = 0.3
"""How long an answer may still be due that the line seems to have spoiled."""


class Exchange:
    """Asks one thing after the other.

    Parameters
    ----------
    layout
        Kind of frames.
    address
        Of the reader.
    clock
        Host time, ns UTC.

    Attributes
    ----------
    sent, arrived : int
        When the last request went out and the last byte of its answer was through, host time.
    request_bytes, answer_bytes : int
        Their lengths.
    frame : Frames
        The answer's frame.
    """

    client: SerialClient

    def __init__(self, layout: Layout, address: int, clock: Callable[[], int]) -> None:
        self.layout, self._address, self._clock = layout, address, clock
        self.sent = self.arrived = self.request_bytes = self.answer_bytes = 0
        none = np.zeros(0, np.int64)
        self.frame = Frames(np.zeros(0, np.uint8), none, none)
        self._control, self._asking, self._due = -1, False, 0
        self._answer: Answer | None = None
        self._noise = False

    def ask(self, control: int, data: bytes, what: str) -> Answer:
        """Send a request and return its answer, whatever its status.

        Raises
        ------
        LinkLostError
            The connection ended, or there is no answer, however often it is asked.
        """
        request = self.layout.request(control, data, self._address)
        limit_s = self.client.timeout_s / TRIES
        self._due, patience_s = 0, 0.0
        for _ in range(TRIES):
            answer = self._once(request, control, limit_s)
            if answer is not None:
                if self._due > 0:
                    self._wait_for_late_ones(patience_s)
                return answer
            patience_s = max(patience_s, min(limit_s, _SPOILED_S) if self._noise else limit_s)
            self.run_dry()
        raise LinkLostError(self.client.unanswered(what, self.client.timeout_s))

    def _once(self, request: bytes, control: int, limit_s: float) -> Answer | None:
        self._control, self._asking, self._answer, self._noise = control, True, None, False
        self._due += 1
        self.sent = self._clock()
        self.request_bytes = len(request)
        try:
            self.client.send(request)
            deadline = time.monotonic() + limit_s
            while (left := deadline - time.monotonic()) > 0:
                came = self.client.pump(min(left, QUIET_S) if self._noise else left)
                if self._answer is not None:
                    return self._answer
                if self._noise and not came:
                    # The line spoiled something, most likely the answer.
                    return None
            return None
        finally:
            self._asking = False

    def _wait_for_late_ones(self, limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while self._due > 0 and (left := until - time.monotonic()) > 0:
            self.client.pump(left)
        self.run_dry()

    def run_dry(self) -> None:
        """Throw away what still comes."""
        until = time.monotonic() + _DRY_MOST_S
        while self.client.pump(_DRY_S) and time.monotonic() < until:
            pass

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take frames that came; what nobody asked for (a reader that notifies by itself) is passed over."""
        for row in range(len(frames)):
            answer = self.layout.read(frames.frame(row))
            if answer is None or answer.control != self._control:
                continue
            if self._address not in (0xFF, answer.address):
                continue
            self._due -= 1
            if self._asking and self._answer is None:
                self._answer, self.arrived = answer, int(t[row])
                self.frame = frames.select(slice(row, row + 1))
                self.answer_bytes = int(frames.length[row])

    def on_noise(self) -> None:
        """Note that the line spoiled something."""
        self._noise = True
