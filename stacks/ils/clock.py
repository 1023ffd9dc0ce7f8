"""Time and chance as the connections use them, so that a test can replace both."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """
    What a connection takes time and chance from.

    Attributes
    ----------
    now : callable
        The time, UTC.
    monotonic, sleep : callable
        As in `time`.
    chance : random.Random
        Where the jitter of waits comes from.
    """

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.Random)

    def wait_s(self, attempt: int, first_s: float, longest_s: float, asked_s: float | None = None) -> float:
        """
        Return how long to wait before trying again.

        Parameters
        ----------
        attempt : int
            How many tries have failed, from 1.
        first_s, longest_s : float
            The first wait, which doubles each time, and the most.
        asked_s : float or None
            What the server asked for (``Retry-After``); never less than that is waited.

        Returns
        -------
        float
            Seconds, spread by half so that clients that failed together do not come back together.
        """
        wait = min(first_s * 2.0 ** (attempt - 1), longest_s) * (0.5 + self.chance.random())
        return max(wait, asked_s or 0.0)
