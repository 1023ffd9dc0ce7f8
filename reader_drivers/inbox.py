"""What a reader's thread has heard, until `Reader.read` fetches it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import numpy as np

from reader_drivers._reader import ReaderBatch, ReaderEvent, TagData
from recording import Activity, Readings

MAX_READINGS = 2_000_000
"""Readings kept for a caller that does not fetch them; then the reader is not listened to until it does."""

SPAN_NS = 1_000_000_000
"""Spans of listening are handed over in pieces of this length, so that a loss costs no more."""

MAX_EVENTS = 10_000
"""Events kept; of further ones only the number is told."""


class Inbox:
    """A thread-safe store of readings, events and activity.

    Parameters
    ----------
    clock
        Host time, ns UTC.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._readings: list[Readings] = []
        self._count = 0
        self._events: list[ReaderEvent] = []
        self._left_out: Counter[str] = Counter()
        self._spans: list[tuple[int, int, int, float, int, int]] = []
        self._tags: list[TagData] = []
        self._closed = False

    @property
    def full(self) -> bool:
        """True: fetch before more is added."""
        return self._count >= MAX_READINGS

    def add_readings(self, readings: Readings) -> None:
        """Store readings."""
        if len(readings):
            with self._changed:
                self._readings.append(readings)
                self._count += len(readings)
                self._changed.notify_all()

    def add_event(self, kind: str, detail: str) -> None:
        """Store an event of now."""
        with self._changed:
            if len(self._events) < MAX_EVENTS:
                self._events.append(ReaderEvent(self._clock(), kind, detail))
            else:
                self._left_out[kind] += 1
            self._changed.notify_all()

    def add_tag_data(self, data: TagData) -> None:
        """Store what a tag's memory says."""
        with self._changed:
            self._tags.append(data)
            self._changed.notify_all()

    def add_left_out(self, kind: str, count: int) -> None:
        """Count what was left out; each `fetch` tells it in one event a kind."""
        with self._changed:
            self._left_out[kind] += count

    def add_span(
        self, start: int, end: int, port: int, power_dbm: float, session: int, rounds: int = 0
    ) -> None:
        """Store that a port listened from `start` to `end`, and in how many inventory rounds (0: not known)."""
        if end > start:
            with self._changed:
                self._spans.append((start, end, port, power_dbm, session, rounds))

    def close(self) -> None:
        """End every wait; nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fetch(self, timeout_s: float) -> ReaderBatch:
        """Return everything stored, waiting at most `timeout_s` for readings or events to be there."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._readings or self._events or self._tags or self._closed, max(0.0, timeout_s)
            )
            readings, self._readings, self._count = self._readings, [], 0
            events, self._events = self._events, []
            for kind, count in self._left_out.items():
                events.append(ReaderEvent(self._clock(), kind, f"{count} left out"))
            self._left_out.clear()
            spans, self._spans = self._spans, []
            tags, self._tags = self._tags, []
        return ReaderBatch(Readings.concat(readings), tuple(events), _activity(spans), tuple(tags))


def _activity(spans: list[tuple[int, int, int, float, int, int]]) -> Activity:
    if not spans:
        # Nobody listened, which is not the same as that nobody knows.
        return Activity.empty()
    start, end, port, power, session, rounds = zip(*spans, strict=True)
    return Activity(
        t_start=np.array(start, np.int64),
        t_end=np.array(end, np.int64),
        antenna=np.array(port, np.uint8),
        power_dbm=np.array(power, np.float32),
        session=np.array(session, np.uint8),
        rounds=np.array(rounds, np.uint32),
    )
