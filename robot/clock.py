"""Whose time it is: the system's, steady over steps, or the base's own stamps."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The agent's time, nanoseconds UTC."""

    def now(self) -> int:
        """Return the time now."""
        ...

    def stamp(self, t_us: int) -> int:
        """Return the time of a base report that carries the base's stamp `t_us` and has just arrived."""
        ...


class SystemClock:
    """The system's time at the start, carried on by its monotonic clock, so that it never steps during a run.

    A base's own clock may have any origin. Its stamps are mapped by the least difference between arrival and stamp
    over the last ten to twenty seconds: the report that was least delayed on its way tells the offset, and a slow
    drift is followed.
    """

    _WINDOW_NS = 10_000_000_000
    _STEP_NS = 500_000_000

    def __init__(self) -> None:
        self._origin = time.time_ns() - time.monotonic_ns()
        self._window_start = 0
        self._best: int | None = None
        self._best_before: int | None = None

    def now(self) -> int:
        """Return the time now."""
        return self._origin + time.monotonic_ns()

    def stepped_s(self) -> float:
        """Return by how much the system's clock has been set since the start."""
        return (time.time_ns() - self.now()) / 1e9

    def stamp(self, t_us: int) -> int:
        """Return the time of a base report that has just arrived."""
        now = self.now()
        difference = now - t_us * 1000
        if self._best is not None and abs(difference - self._best) > self._STEP_NS:
            # Half a second is no delay: the base's clock was set, or its line was down.
            self._best = self._best_before = None
        if self._best is None or now - self._window_start > self._WINDOW_NS:
            self._best_before, self._best, self._window_start = self._best, difference, now
        self._best = min(self._best, difference)
        before = self._best if self._best_before is None else self._best_before
        return t_us * 1000 + min(self._best, before)


class BaseClock:
    """The base's stamps are the time, as with a clock topic of ROS: it advances with every report, and only then."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        """Return the stamp of the last report; 0 before the first."""
        return self._now

    def stamp(self, t_us: int) -> int:
        """Return the report's stamp; from now on it is the time, unless it lies in the past."""
        t = t_us * 1000
        self._now = max(self._now, t)
        return t
