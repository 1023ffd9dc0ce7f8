"""When a reader did not read: kept while the run lasts, told at its end."""

from __future__ import annotations

import threading
from dataclasses import dataclass


class Absence:
    """Spans in which a reader did not read; it begins with one. Times are ns UTC. Any thread may ask."""

    def __init__(self) -> None:
        self.came = False
        """Whether it ever read."""
        self._lock = threading.Lock()
        self._since: int | None = 0
        self._spans: list[tuple[int, int]] = []

    def read_from(self, t: int) -> None:
        """Note that the reader reads since `t`."""
        with self._lock:
            self.came = True
            if self._since is not None:
                self._spans.append((self._since, t))
            self._since = None

    def away_from(self, t: int) -> None:
        """Note that the reader does not read since `t`; of several times in a row the first counts."""
        with self._lock:
            if self._since is None:
                self._since = t

    def times(self, begin: int, end: int) -> list[int]:
        """Return how long each absence lasted, as far as it fell between `begin` and `end`: ns, none of them 0."""
        with self._lock:
            spans = [*self._spans, *([(self._since, end)] if self._since is not None else [])]
        lasted = [min(to, end) - max(since, begin) for since, to in spans]
        return [ns for ns in lasted if ns > 0]


@dataclass(frozen=True, slots=True)
class Missed:
    """What is told of a reader at the end of a run: an event's kind and one clause that stands behind its name."""

    reader: str
    kind: str
    detail: str

    def __str__(self) -> str:
        what = {"reader_absent": "never read", "reader_away": "was away"}[self.kind]
        return f"reader {self.reader} {what}: {self.detail}"


def missed(name: str, absence: Absence, begin: int, end: int, why: str, *, whole: bool) -> Missed | None:
    """Return what is to be told of a reader after a run from `begin` to `end`; None: it was there all the time.

    Parameters
    ----------
    name, absence
    begin, end
        Nanoseconds UTC.
    why
        What its driver said last, in one line.
    whole
        Whether this is the whole run; else the reader may have read before the agent was started again.
    """
    if not absence.came and whole:
        return Missed(name, "reader_absent", why or "it never answered")
    away = [ns / 1e9 for ns in absence.times(begin, end)]
    if sum(away) < 1.0:
        return None
    times = f" ({len(away)} times)" if len(away) > 1 else ""
    return Missed(name, "reader_away", f"{_long(sum(away))} of {_long((end - begin) / 1e9)}{times}")


def _long(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
