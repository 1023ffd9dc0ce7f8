"""Whose memory is read next: each tag once, while it is in reach, without holding up the inventory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

IN_REACH_S = 0.5
"""A tag heard so long ago may be gone."""

TRIES = 3
SHARE = 0.25
"""At most so much of the time goes into memories."""


class MemoryQueue:
    """Tags whose memory is yet to be read.

    Parameters
    ----------
    clock
        Monotonic time, s.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[bytes, float] = {}
        self._tries: dict[bytes, int] = {}
        self._done: set[bytes] = set()
        self._free_at = self._began = 0.0

    def heard(self, tags: Iterable[bytes]) -> None:
        """Note that these tags are in reach."""
        now = self._clock()
        for tag in set(tags) - self._done:
            self._heard[tag] = now

    def next(self) -> bytes | None:
        """Return the tag whose memory is to be read now; None: none is, or the inventory goes first."""
        now = self._clock()
        if now < self._free_at:
            return None
        while self._heard:
            tag = max(self._heard, key=self._heard.__getitem__)
            if now - self._heard[tag] <= IN_REACH_S:
                self._began = now
                return tag
            self._heard.clear()
        return None

    def tried(self, tag: bytes, *, done: bool) -> None:
        """Note that the memory of the tag that `next` named was tried; `done`: it need not be tried again."""
        now = self._clock()
        self._free_at = now + (now - self._began) * (1 / SHARE - 1)
        self._heard.pop(tag, None)
        self._tries[tag] = self._tries.get(tag, 0) + 1
        if done or self._tries[tag] >= TRIES:
            self._done.add(tag)
            del self._tries[tag]
