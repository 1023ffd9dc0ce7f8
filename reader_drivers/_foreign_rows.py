"""Whether what a driver of another package hands out can be: its times first of all.

A wrong clock is not seen where it is read, and costs the night: readings are placed by when they were heard. Rows that
cannot be are left out, with masks over whole columns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from reader_drivers._reader import ReaderBatch, ReaderEvent, TagData
from recording import LEAST_RSSI_DBM, MOST_RSSI_DBM, Activity, Readings

_NS: Final = 1_000_000_000
_SLACK_NS: Final = 60 * _NS
"""Times may be so far off: clocks are mapped, and a system's clock is set now and then."""
_STILL_NS: Final = 600 * _NS
"""For so long the newest reading may be older than one before: a reader may hand out late what it kept."""
_IN_A_ROW: Final = 3
"""So many rows that cannot be, and none between them that can, are no slip."""
RSSI_RANGE: Final = f"from {LEAST_RSSI_DBM:g} to {MOST_RSSI_DBM:g}"
_TURN: Final = np.float32(2 * np.pi)

Mask = npt.NDArray[np.bool_]
Stamped = TypeVar("Stamped", ReaderEvent, TagData)


class Judge:
    """Looks at each batch of one reader.

    Parameters
    ----------
    clock
        Host time, ns UTC, as the driver was given it.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._now = clock()
        self._since = self._now
        self._newest = self._newest_at = self._now
        self._bad_in_a_row = {"readings": 0, "activity": 0}
        self._why = ""
        self._restamped = False

    def look(self, batch: ReaderBatch) -> tuple[ReaderBatch, str]:
        """Return the batch without what cannot be, and what is wrong with the driver; "": nothing, or a slip.

        A driver is wrong from three bad rows in a row on until a good one.
        """
        before, self._now = self._now, self._clock()
        if self._now < before:
            # A system's clock that was set back: what was heard before lies ahead of it.
            self._since = min(self._since, self._now)
            self._newest, self._newest_at = min(self._newest, self._now), self._now
        span = (self._since - _SLACK_NS, max(before, self._now) + _SLACK_NS)
        readings, activity, events = batch.readings, batch.activity, list(batch.events)
        left_out = 0
        if len(readings):
            good = self._good_readings(readings, span)
            left_out = self._count("readings", good)
            readings = readings if not left_out else readings.select(good)
        if activity is not None and len(activity):
            good = self._good_activity(activity, span)
            if bad := self._count("activity", good):
                left_out += bad
                activity = activity.select(good)
        elif activity is None and not self._bad_in_a_row["readings"] and len(readings):
            # It says no more when it listened: its readings are all there is to judge.
            self._bad_in_a_row["activity"] = 0
        events = self._restamp(events, batch.tags, span)
        tags = tuple(self._in_time(tag, span) for tag in batch.tags)
        wrong = max(self._bad_in_a_row.values()) >= _IN_A_ROW
        if left_out and not wrong:
            events.append(ReaderEvent(self._now, "bad_reading", f"{left_out} left out: {self._why}"))
        return ReaderBatch(readings, tuple(events), activity, tags), self._why if wrong else ""

    def _count(self, what: str, good: Mask) -> int:
        bad = len(good) - int(np.count_nonzero(good))
        self._bad_in_a_row[what] = 0 if bad < len(good) else self._bad_in_a_row[what] + bad
        return bad

    def _good_readings(self, heard: Readings, span: tuple[int, int]) -> Mask:
        good = (heard.t >= span[0]) & (heard.t <= span[1])
        if not good.all():
            self._why = _wrong_clock("t of its readings", int(heard.t[~good][0]), self._now)
        elif self._stands_still(int(heard.t.max())):
            self._why = (
                "t of its readings stands still, or fell back, and has not caught up in ten minutes;"
                " ask the clock that the factory was given for each batch"
            )
            return np.zeros(len(heard), np.bool_)
        for name, can in (
            (f"rssi_dbm of its readings is not {RSSI_RANGE}", possible_rssi(heard)),
            ("phase_rad of its readings is not in [0, 2 pi)", possible_phase(heard)),
        ):
            if not can.all():
                self._why = name if good.all() else self._why
                good &= can
        return good

    def _stands_still(self, newest: int) -> bool:
        if newest > self._newest:
            self._newest, self._newest_at = newest, self._now
        return self._now - self._newest_at > _STILL_NS

    def _good_activity(self, spans: Activity, span: tuple[int, int]) -> Mask:
        good = (spans.t_start >= span[0]) & (spans.t_end <= span[1])
        if not good.all():
            first, last = int(spans.t_start[~good][0]), int(spans.t_end[~good][0])
            self._why = _wrong_clock("its activity", first if first < span[0] else last, self._now)
        return good

    def _restamp(
        self, events: list[ReaderEvent], tags: Sequence[TagData], span: tuple[int, int]
    ) -> list[ReaderEvent]:
        off = [row.t for row in (*events, *tags) if not span[0] <= row.t <= span[1]]
        stamped = [self._in_time(event, span) for event in events]
        if off and not self._restamped:
            self._restamped = True
            why = _wrong_clock("t of its events or tags", off[0], self._now)
            stamped.append(ReaderEvent(self._now, "reader_exception", f"{why}; their arrival is taken"))
        return stamped

    def _in_time(self, row: Stamped, span: tuple[int, int]) -> Stamped:
        return row if span[0] <= row.t <= span[1] else replace(row, t=self._now)


def possible_rssi(heard: Readings) -> Mask:
    """Return which readings have a strength that a recording takes."""
    return (heard.rssi_dbm >= LEAST_RSSI_DBM) & (heard.rssi_dbm <= MOST_RSSI_DBM)


def possible_phase(heard: Readings) -> Mask:
    """Return which readings have a phase that can be, or none."""
    return np.isnan(heard.phase_rad) | ((heard.phase_rad >= 0) & (heard.phase_rad < _TURN))


def _wrong_clock(what: str, t: int, now: int) -> str:
    return f"{what} is {clock_of(t, now)}; ask the clock that the factory was given"


def clock_of(t: int, now: int) -> str:
    """Return in words what a wrong time looks like, `now` being the host's; both ns UTC."""
    machine = time.time_ns()
    offset = datetime.now().astimezone().utcoffset()
    local = round(offset.total_seconds()) * _NS if offset else 0

    def near(value: int, *right: int) -> bool:
        return any(abs(value - one) < _SLACK_NS for one in right)

    for unit, name in ((_NS, "seconds"), (1_000_000, "milliseconds"), (1000, "microseconds")):
        if near(t * unit, now, machine, now + local, machine + local):
            return f"in {name}, not in nanoseconds"
    if near(t, time.monotonic_ns(), time.perf_counter_ns()):
        return "of a monotonic clock, not UTC"
    if local and near(t, now + local, machine + local):
        return "local time, not UTC"
    if near(t, machine) and not near(t, now):
        return "the machine's (time.time_ns)"
    ahead = (t - now) / _NS
    return f"{abs(ahead):.3g} s {'ahead of' if ahead > 0 else 'behind'} the host's"
