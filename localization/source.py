"""Where the fast path's readings come from: memory, or files beside it when a run is too long for that."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from localization.cells import Rows
from localization.hearing import Hearing
from localization.observations import Mounts
from localization.positions import Positions
from localization.sorting import loudest, part_of, sorted_by_tag, tally
from recording import Poses, Readings, RunInfo
from recording.words import counted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Source(Protocol):
    """A run's readings by tag.

    Attributes
    ----------
    tags : tuple of str
    """

    tags: tuple[str, ...]

    @property
    def counts(self) -> Ints:
        """Usable readings of each tag, shape (tags,)."""
        ...

    @property
    def hearing(self) -> Hearing:
        """How the antennas were heard."""
        ...

    def middle(self) -> Readings:
        """Return the readings of a stretch from the run's middle, by time."""
        ...

    def tally(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Return readings, antennas, first and last time of every tag, usable or not; see ``sorting.tally``."""
        ...

    def rows(self, begin: int, end: int) -> Rows:
        """Return the usable readings of the tags ``begin`` to ``end``."""
        ...

    def taken(self, tags: Ints, every: Ints) -> Rows:
        """Return every nth usable reading of the chosen tags (ascending); both of shape (k,)."""
        ...

    def of(self, tags: Ints) -> Rows:
        """Return all usable readings of the chosen tags (ascending), shape (k,)."""
        ...

    def loudest(self) -> tuple[Ints, Ints]:
        """Return when (ns) and by which antenna each tag was heard loudest, (tags,) each; -1 where it was not."""
        ...


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Readings by tag: all of them, and the usable ones."""

    every: Rows
    usable: Rows
    counts: Ints
    hearing: Hearing

    @classmethod
    def of(cls, readings: Readings, usable: Bools | None, hearing: Hearing) -> _Sorted:
        hearing.add(readings)
        every = sorted_by_tag(readings)
        rows = every if usable is None else sorted_by_tag(readings, usable)
        counts = np.zeros(len(readings.tags), np.int64)
        counts[rows.tag] = np.diff(rows.first)
        return cls(every, rows, counts, hearing)


class InMemory:
    """Readings in memory; where ``jobs`` are several they are sorted in a thread, while their middle is looked at."""

    def __init__(
        self, readings: Readings, usable: Bools | None, hearing: Hearing, middle: int, jobs: int = 1
    ) -> None:
        self.readings, self.tags, self._middle = readings, readings.tags, middle
        self._sorted: Callable[[], _Sorted]
        if jobs > 1:
            pool = ThreadPoolExecutor(1)
            self._sorted = pool.submit(_Sorted.of, readings, usable, hearing).result
            pool.shutdown(wait=False)
        else:
            made = _Sorted.of(readings, usable, hearing)
            self._sorted = lambda: made

    @property
    def counts(self) -> Ints:
        """See ``Source``."""
        return self._sorted().counts

    @property
    def hearing(self) -> Hearing:
        """See ``Source``."""
        return self._sorted().hearing

    def middle(self) -> Readings:
        """See ``Source``."""
        begin = max(0, (len(self.readings) - self._middle) // 2)
        return self.readings.select(slice(begin, begin + self._middle))

    def tally(self) -> tuple[Ints, Ints, Ints, Ints]:
        """See ``Source``."""
        return tally(self._sorted().every, len(self.tags))

    def rows(self, begin: int, end: int) -> Rows:
        """See ``Source``."""
        rows = self._sorted().usable
        low, high = np.searchsorted(rows.tag, [begin, end])
        return part_of(rows, int(low), int(high))

    def taken(self, tags: Ints, every: Ints) -> Rows:
        """See ``Source``."""
        rows = self._sorted().usable
        return thinned(rows, np.searchsorted(rows.tag, tags), every)

    def of(self, tags: Ints) -> Rows:
        """See ``Source``."""
        tags = tags[self.counts[tags] > 0]
        return self.taken(tags, np.ones(len(tags), np.int64))

    def loudest(self) -> tuple[Ints, Ints]:
        """See ``Source``."""
        found = Loudest()
        found.add(self._sorted().usable, len(self.tags))
        return found.t, found.antenna


class Loudest:
    """When and by which antenna each tag was heard loudest, chunk by chunk; the first of several."""

    def __init__(self) -> None:
        self.t, self.antenna = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._rssi_dbm = np.zeros(0)

    def add(self, rows: Rows, tags: int) -> None:
        """Take sorted rows of a run that has so many tags by now."""
        fresh = tags - len(self.t)
        self.t = np.concatenate([self.t, np.full(fresh, -1, np.int64)])
        self.antenna = np.concatenate([self.antenna, np.full(fresh, -1, np.int64)])
        self._rssi_dbm = np.concatenate([self._rssi_dbm, np.full(fresh, -np.inf)])
        if not len(rows.tag):
            return
        loudest(
            rows.first, rows.tag, rows.t, rows.antenna, rows.rssi_dbm, self.t, self.antenna, self._rssi_dbm
        )


class Usable:
    """Tells which readings can be placed: those with a pose and an antenna mount; and says how many cannot."""

    def __init__(self, info: RunInfo, poses: Poses, mounts: Mounts, latency_ns: int) -> None:
        self._info, self._poses, self._mounts, self._latency_ns = info, poses, mounts, latency_ns
        self._unposed, self._unmounted = 0, 0
        self._heard = np.zeros(256, np.bool_)

    def __call__(self, readings: Readings) -> Bools | None:
        """Return which of the next readings are usable; None: all."""
        here = np.zeros(256, np.bool_)
        here[readings.antenna] = True
        self._heard |= here
        known = np.isfinite(self._mounts.position_m[:, 0])
        # Mostly it is all of them, which a look at the ends of time tells.
        t = np.array([readings.t.min(), readings.t.max()] if len(readings) else [], np.int64)
        if self._poses.covers(t - self._latency_ns).all() and known[here].all():
            return None
        posed = self._poses.covers(readings.t - self._latency_ns)
        mounted = known[readings.antenna]
        self._unposed += int(np.count_nonzero(~posed))
        self._unmounted += int(np.count_nonzero(~mounted))
        return np.asarray(posed & mounted, np.bool_)

    def notes(self) -> list[str]:
        """Say what was not placed, and which antennas were never heard."""
        notes: list[str] = []
        if self._unposed:
            notes.append(f"{counted(self._unposed, 'reading')} outside the poses' time not placed")
        if self._unmounted:
            notes.append(f"{counted(self._unmounted, 'reading')} of antennas without a mount not placed")
        silent = [mount.id for mount in self._info.antennas if not self._heard[mount.id]]
        if silent:
            notes.append("never heard: antenna " + ", ".join(map(str, silent)))
        return notes


def readings_of(tags: tuple[str, ...], rows: Rows) -> Readings:
    """Return sorted rows as readings."""
    return Readings(
        t=rows.t, tag=np.repeat(rows.tag, np.diff(rows.first)).astype(np.uint32), tags=tags,
        antenna=rows.antenna, frequency_khz=rows.frequency_khz, rssi_dbm=rows.rssi_dbm, phase_rad=rows.phase_rad,
        seen_count=rows.seen_count.astype(np.uint32) if len(rows.seen_count) else None,
    )  # fmt: skip


def heard_in(source: Source) -> Positions:
    """Return a row for every tag heard, with no place yet."""
    number, antennas, begin, end = source.tally()
    heard = np.flatnonzero(number)
    names = np.empty(len(source.tags), object)
    names[:] = source.tags
    return replace(
        Positions.empty(len(heard)), epc=names[heard], readings=number[heard], antennas=antennas[heard],
        quality=np.zeros(len(heard)), heard_from=begin[heard], heard_to=end[heard],
    )  # fmt: skip


def thinned(rows: Rows, chosen: Ints, every: Ints) -> Rows:
    """Return every nth reading of the chosen tags of sorted rows; both of shape (k,)."""
    size = -(-np.diff(rows.first)[chosen] // every)
    first = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    place = np.arange(int(first[-1])) - np.repeat(first[:-1], size)
    at = np.repeat(rows.first[:-1][chosen], size) + place * np.repeat(every, size)
    return Rows(
        first, rows.tag[chosen], rows.t[at], rows.antenna[at], rows.frequency_khz[at], rows.rssi_dbm[at],
        rows.phase_rad[at], rows.seen_count[at] if len(rows.seen_count) else rows.seen_count,
    )  # fmt: skip


def ranges_of(counts: Ints, most: int) -> list[tuple[int, int]]:
    """Cut tags into ranges of so many readings each, or one tag more, by their readings' numbers, shape (tags,)."""
    first = np.concatenate([[0], np.cumsum(counts)])
    ranges: list[tuple[int, int]] = []
    begin = 0
    while begin < len(counts):
        end = int(np.searchsorted(first, first[begin] + most, side="left"))
        end = min(max(end, begin + 1), len(counts))
        ranges.append((begin, end))
        begin = end
    return ranges
