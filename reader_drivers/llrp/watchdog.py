"""Whether a reader that keeps the connection still reads tags, and when to start it again."""

from __future__ import annotations

import time

_QUIET_S = 2.5
"""Silence of reports after which a reader is asked whether its ROSpec is at work; no tags in reach look the same."""

_FIRST_S, _MOST_S = 0.5, 4.0
"""First and longest delay before an inventory that ended is started again: one that ends at once is not hurried."""

_HELD_S = 10.0
"""An inventory that went on for so long was a good start; the next one begins with the first delay again."""


class Watchdog:
    """Follows one inventory by the monotonic clock."""

    def __init__(self) -> None:
        self.ended = False
        """True: the reader ended it, and it has not been started again."""
        self._delay_s = _FIRST_S
        self._since = self._heard = self._asked = self._ended_at = time.monotonic()

    def started(self) -> None:
        """Note that the reader was told to begin."""
        self.ended = False
        self._since = self._heard = self._asked = time.monotonic()

    def heard(self) -> None:
        """Note that reports came."""
        self._heard = time.monotonic()

    def asked(self) -> None:
        """Note that the reader is asked whether it is at work."""
        self._asked = time.monotonic()

    def note_ended(self) -> None:
        """Note that the reader ended it by itself."""
        if not self.ended:
            self.ended, self._ended_at = True, time.monotonic()
            held = self._ended_at - self._since
            self._delay_s = _FIRST_S if held > _HELD_S else min(_MOST_S, 2 * self._delay_s)

    @property
    def doubtful(self) -> bool:
        """True: no reports for so long that the reader should be asked."""
        return time.monotonic() - max(self._heard, self._asked) > _QUIET_S

    @property
    def due(self) -> bool:
        """True: it is time to start again."""
        return time.monotonic() - self._ended_at >= self._delay_s
