"""Readings sorted by tag in one pass: a counting sort, as tags are numbered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.cells import Rows
from recording import Readings

Ints = npt.NDArray[np.int64]


def sorted_by_tag(readings: Readings, usable: npt.NDArray[np.bool_] | None = None) -> Rows:
    """Return the usable readings (None: all) by tag, those of one tag as they stand; tags without any are left out.

    ``usable`` has the shape (readings,).
    """
    use = np.zeros(0, np.bool_) if usable is None else usable
    counts = np.zeros(len(readings.tags), np.int64)
    _count(readings.tag, use, counts)
    heard = np.flatnonzero(counts)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n = int(first[-1])
    seen = readings.seen_count
    columns = (
        np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n, np.uint32), np.empty(n, np.float32),
        np.empty(n, np.float32), np.empty(0 if seen is None else n, np.float32),
    )  # fmt: skip
    _scatter(
        readings.tag, use, first[:-1].copy(), readings.t, readings.antenna, readings.frequency_khz,
        readings.rssi_dbm, readings.phase_rad,
        np.zeros(0, np.float32) if seen is None else seen.astype(np.float32), *columns,
    )  # fmt: skip
    return Rows(np.append(first[heard], n).astype(np.int64), heard.astype(np.int64), *columns)


def part_of(rows: Rows, begin: int, end: int) -> Rows:
    """Return the tags ``begin`` to ``end`` of sorted rows, without a copy of their readings."""
    low, high = int(rows.first[begin]), int(rows.first[end])
    return Rows(
        rows.first[begin : end + 1] - low, rows.tag[begin:end], rows.t[low:high], rows.antenna[low:high],
        rows.frequency_khz[low:high], rows.rssi_dbm[low:high], rows.phase_rad[low:high],
        rows.seen_count[low:high],
    )  # fmt: skip


def blocks_of(rows: Rows, block_readings: int) -> list[tuple[int, int]]:
    """Cut sorted rows into ranges of whole tags, each with so many readings or one tag more."""
    ranges: list[tuple[int, int]] = []
    begin, tags = 0, len(rows.tag)
    while begin < tags:
        end = int(np.searchsorted(rows.first, rows.first[begin] + block_readings, side="left"))
        end = min(max(end, begin + 1), tags)
        ranges.append((begin, end))
        begin = end
    return ranges


def tally(rows: Rows, tags: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return readings (by the reader's own count), antennas, first and last time (ns) of so many tags, (tags,) each."""
    readings, antennas = np.zeros(tags, np.int64), np.zeros(tags, np.int64)
    begin, end = np.zeros(tags, np.int64), np.zeros(tags, np.int64)
    _tally(rows.first, rows.tag, rows.t, rows.antenna, rows.seen_count, readings, antennas, begin, end)
    return readings, antennas, begin, end


Given = TypeVar("Given")
Made = TypeVar("Made")


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Given], Made], given: Sequence[Given], ahead: int
) -> Iterator[Made]:
    """Yield what ``work`` makes of each, in order, at most so many ahead of the one that is waited for.

    A pool's own ``map`` runs ahead as far as it can, and holds all that is not yet asked for.
    """
    running: deque[Future[Made]] = deque()
    for item in given:
        if len(running) >= ahead:
            yield running.popleft().result()
        running.append(pool.submit(work, item))
    while running:
        yield running.popleft().result()


def spread(jobs: int, work: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
    """Return what ``work`` makes of each, in order, on so many threads."""
    if jobs <= 1 or len(given) <= 1:
        return [work(item) for item in given]
    with ThreadPoolExecutor(min(jobs, len(given))) as pool:
        return list(pool.map(work, given))


def one_ahead(items: Iterator[Made]) -> Iterator[Made]:
    """Yield the items of an iterator, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


@nb.njit(cache=True, nogil=True)
def _count(tag: npt.NDArray[np.uint32], use: npt.NDArray[np.bool_], counts: Ints) -> None:
    for i in range(len(tag)):
        if len(use) == 0 or use[i]:
            counts[tag[i]] += 1


@nb.njit(cache=True, nogil=True)
def _scatter(
    tag: npt.NDArray[np.uint32], use: npt.NDArray[np.bool_], place: Ints, t: Ints, antenna: npt.NDArray[np.uint8],
    frequency: npt.NDArray[np.uint32], rssi: npt.NDArray[np.float32], phase: npt.NDArray[np.float32],
    seen: npt.NDArray[np.float32], to_t: Ints, to_antenna: npt.NDArray[np.uint8],
    to_frequency: npt.NDArray[np.uint32], to_rssi: npt.NDArray[np.float32], to_phase: npt.NDArray[np.float32],
    to_seen: npt.NDArray[np.float32],
) -> None:  # fmt: skip
    for i in range(len(tag)):
        if len(use) > 0 and not use[i]:
            continue
        at = place[tag[i]]
        place[tag[i]] += 1
        to_t[at] = t[i]
        to_antenna[at] = antenna[i]
        to_frequency[at] = frequency[i]
        to_rssi[at] = rssi[i]
        to_phase[at] = phase[i]
        if len(seen) > 0:
            to_seen[at] = seen[i]


@nb.njit(cache=True, nogil=True)
def _tally(
    first: Ints, tag: Ints, t: Ints, antenna: npt.NDArray[np.uint8], seen: npt.NDArray[np.float32], readings: Ints,
    antennas: Ints, begin: Ints, end: Ints,
) -> None:  # fmt: skip
    heard_by = np.full(256, -1, np.int64)
    for i in range(len(tag)):
        total, number = 0.0, 0
        low, high = t[first[i]], t[first[i]]
        for row in range(first[i], first[i + 1]):
            total += 1.0 if len(seen) == 0 else max(float(seen[row]), 1.0)
            if heard_by[antenna[row]] != i:
                heard_by[antenna[row]] = i
                number += 1
            low, high = min(low, t[row]), max(high, t[row])
        readings[tag[i]], antennas[tag[i]] = round(total), number
        begin[tag[i]], end[tag[i]] = low, high


@nb.njit(cache=True, nogil=True)
def loudest(
    first: Ints, tag: Ints, t: Ints, antenna: npt.NDArray[np.uint8], rssi: npt.NDArray[np.float32], best_t: Ints,
    best_antenna: Ints, best_rssi: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Note where sorted rows are louder than a tag was before; of equals the earliest, and what is noted stays.

    ``first`` has the shape (k + 1,), ``tag`` (k,), the readings' columns (n,), what is noted (tags,); ns and dBm.
    """
    for i in range(len(tag)):
        found = -1
        for row in range(first[i], first[i + 1]):
            if rssi[row] > best_rssi[tag[i]] and (
                found < 0 or rssi[row] > rssi[found] or (rssi[row] == rssi[found] and t[row] < t[found])
            ):
                found = row
        if found >= 0:
            best_t[tag[i]], best_antenna[tag[i]] = t[found], antenna[found]
            best_rssi[tag[i]] = rssi[found]


@nb.njit(cache=True, nogil=True)
def mark_antennas(
    first: Ints, tag: Ints, antenna: npt.NDArray[np.uint8], heard_by: npt.NDArray[np.bool_]
) -> None:
    """Set ``heard_by[tag, antenna]`` for all readings of sorted rows.

    Shapes: ``first`` (k + 1,), ``tag`` (k,), ``antenna`` (n,).
    """
    for i in range(len(tag)):
        marks = heard_by[tag[i]]
        for row in range(first[i], first[i + 1]):
            marks[antenna[row]] = True
