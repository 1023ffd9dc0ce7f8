"""Readings in files beside memory, for runs too long to be held in it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localization.cells import Rows
from localization.hearing import Hearing
from localization.sorting import mark_antennas, sorted_by_tag, tally
from localization.source import Loudest
from recording import Readings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Piece:
    """One chunk in the spill: where it begins, and which of its rows are whose."""

    begin: int
    tag: Ints
    first: Ints


_COLUMNS = (
    ("t", np.int64), ("antenna", np.uint8), ("frequency_khz", np.uint32), ("rssi_dbm", np.float32),
    ("phase_rad", np.float32), ("seen_count", np.float32),
)  # fmt: skip


class Spill:
    """Readings in raw files, each chunk sorted by tag as it comes; memory holds one chunk and an index.

    A tag range is read back from every chunk that heard any of it: a run passes a shelf a few times, so that these are
    few. As a context, it takes its files with it.
    """

    def __init__(self, hearing: Hearing, rows: int, middle: int) -> None:
        self.tags: tuple[str, ...] = ()
        self.counts: Ints = np.zeros(0, np.int64)
        self._index: dict[str, int] = {}
        self.hearing = hearing
        self._told = [np.zeros(0, np.int64) for _ in range(4)]
        self._heard_by = np.zeros((0, 256), np.bool_)
        self._pieces: list[_Piece] = []
        self._written, self._passed = 0, 0
        # The stretch from the middle, by the file's own count of rows.
        begin = max(0, (rows - middle) // 2)
        self._stretch = (begin, begin + middle)
        self._kept: list[Readings] = []
        self._folder = tempfile.TemporaryDirectory(prefix="nightstack-")
        self._files: dict[str, Any] = {}
        self._loudest = Loudest()
        self._seen = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()
        self._folder.cleanup()

    def add(self, readings: Readings, usable: Bools | None) -> None:
        """Take the next chunk, by time, and which of its readings are usable, shape (n,); None: all."""
        number = np.array(
            [self._index.setdefault(name, len(self._index)) for name in readings.tags], np.uint32
        )
        self.tags = tuple(self._index)
        columns: dict[str, Any] = dict(readings.columns())
        columns["tag"] = number[readings.tag]
        whole = Readings(tags=self.tags, **columns)
        low, high = (min(max(edge - self._passed, 0), len(whole)) for edge in self._stretch)
        if high > low:
            self._kept.append(whole.select(slice(low, high)))
        self._passed += len(whole)
        self.hearing.add(whole)
        every = sorted_by_tag(whole)
        self._tally(every)
        rows = every if usable is None else sorted_by_tag(whole, usable)
        self.counts = np.concatenate([self.counts, np.zeros(len(self.tags) - len(self.counts), np.int64)])
        self.counts[rows.tag] += np.diff(rows.first)
        self._loudest.add(rows, len(self.tags))
        self._pieces.append(_Piece(self._written, rows.tag, rows.first))
        self._written += len(rows)
        self._seen = len(rows.seen_count) > 0 or self._seen
        for name, kind in _COLUMNS:
            column = getattr(rows, name)
            if name == "seen_count" and not len(column):
                continue
            if name not in self._files:
                self._files[name] = (Path(self._folder.name) / name).open("w+b")
            self._files[name].seek(0, 2)
            np.ascontiguousarray(column, kind).tofile(self._files[name])

    def _tally(self, rows: Rows) -> None:
        tags = len(self.tags)
        fresh = tags - len(self._told[0])
        top, none = np.iinfo(np.int64).max, np.zeros(fresh, np.int64)
        self._told = [
            np.concatenate([column, filler])
            for column, filler in zip(self._told, (none, none, none + top, none), strict=True)
        ]
        self._heard_by = np.concatenate([self._heard_by, np.zeros((fresh, 256), np.bool_)])
        number, _, begin, end = tally(rows, tags)
        heard = rows.tag
        self._told[0][heard] += number[heard]
        self._told[2][heard] = np.minimum(self._told[2][heard], begin[heard])
        self._told[3][heard] = np.maximum(self._told[3][heard], end[heard])
        mark_antennas(rows.first, rows.tag, rows.antenna, self._heard_by)

    def middle(self) -> Readings:
        """See ``Source``."""
        return Readings.concat(self._kept)

    def tally(self) -> tuple[Ints, Ints, Ints, Ints]:
        """See ``Source``."""
        readings, _, begin, end = self._told
        return readings, self._heard_by.sum(axis=1).astype(np.int64), begin, end

    def rows(self, begin: int, end: int) -> Rows:
        """See ``Source``."""
        parts: list[tuple[Ints, dict[str, npt.NDArray[Any]]]] = []
        for piece in self._pieces:
            low, high = (int(at) for at in np.searchsorted(piece.tag, [begin, end]))
            if low < high:
                first, last = int(piece.first[low]), int(piece.first[high])
                tag = np.repeat(piece.tag[low:high], np.diff(piece.first[low : high + 1]))
                parts.append((tag, self._read(piece.begin + first, last - first)))
        if not parts:
            return sorted_by_tag(Readings.empty())
        tag = np.concatenate([part[0] for part in parts])
        columns = {name: np.concatenate([part[1][name] for part in parts]) for name in parts[0][1]}
        return self._sorted(tag - begin, np.arange(begin, end), columns)

    def loudest(self) -> tuple[Ints, Ints]:
        """See ``Source``."""
        return self._loudest.t, self._loudest.antenna

    def of(self, tags: Ints) -> Rows:
        """See ``Source``."""
        if not self._pieces:
            return self.rows(0, 0)
        wanted = self._numbered(tags)
        places: list[Ints] = []
        owners: list[Ints] = []
        for piece in self._pieces:
            mine = np.flatnonzero(wanted[piece.tag] >= 0)
            size = np.diff(piece.first)[mine]
            places.append(piece.begin + _each(piece.first[:-1][mine], size, np.ones(len(size), np.int64)))
            owners.append(np.repeat(wanted[piece.tag[mine]], size))
        at, owner = np.concatenate(places), np.concatenate(owners)
        if not len(at):
            return self.rows(0, 0)
        columns: dict[str, npt.NDArray[Any]] = {}
        for name, kind in _COLUMNS:
            if name in self._files:
                self._files[name].flush()
                # Mapped for this call alone, so that what was read of the file does not stay in memory.
                columns[name] = np.asarray(np.memmap(Path(self._folder.name) / name, kind, "r")[at])
        return self._sorted(owner, tags, columns)

    def _read(self, begin: int, count: int) -> dict[str, npt.NDArray[Any]]:
        """Read rows of the spill back; safe to be called by several threads."""
        made: dict[str, npt.NDArray[Any]] = {}
        for name, kind in _COLUMNS:
            if name in self._files:
                size = np.dtype(kind).itemsize
                path = Path(self._folder.name) / name
                self._files[name].flush()
                made[name] = np.fromfile(path, kind, count, offset=begin * size)
        return made

    def taken(self, tags: Ints, every: Ints) -> Rows:
        """See ``Source``."""
        wanted = self._numbered(tags)
        done = np.zeros(len(tags), np.int64)
        owners: list[Ints] = []
        parts: list[dict[str, npt.NDArray[Any]]] = []
        # Chunk by chunk, lest all the run's readings be in memory at once; a tag's count goes on from chunk to chunk.
        for piece in self._pieces:
            mine = np.flatnonzero(wanted[piece.tag] >= 0)
            owner, size = wanted[piece.tag[mine]], np.diff(piece.first)[mine]
            step = every[owner]
            skipped = -done[owner] % step
            number = np.maximum(-((skipped - size) // step), 0)
            done[owner] += size
            columns = self._read(piece.begin, int(piece.first[-1]))
            at = _each(piece.first[:-1][mine] + skipped, number, step)
            parts.append({name: column[at] for name, column in columns.items()})
            owners.append(np.repeat(owner, number))
        if not parts:
            return self.rows(0, 0)
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return self._sorted(np.concatenate(owners), tags, joined)

    def _numbered(self, tags: Ints) -> Ints:
        """Return for each of the run's tags which of the chosen it is; -1 where it is none."""
        number = np.full(len(self.tags), -1, np.int64)
        number[tags] = np.arange(len(tags))
        return number

    def _sorted(self, owner: Ints, tags: Ints, columns: dict[str, npt.NDArray[Any]]) -> Rows:
        """Return rows of the chosen tags, whose places among ``tags`` are ``owner``, sorted."""
        seen = columns.pop("seen_count", None)
        rows = sorted_by_tag(
            Readings(
                tag=owner.astype(np.uint32), tags=tuple(self.tags[n] for n in tags),
                seen_count=None if seen is None else seen.astype(np.uint32), **columns,
            )
        )  # fmt: skip
        return replace(rows, tag=tags[rows.tag])


def _each(begin: Ints, number: Ints, step: Ints) -> Ints:
    """Return ``begin, begin + step, ...``, ``number`` of them, for each."""
    before = np.cumsum(number) - number
    place = np.arange(int(number.sum())) - np.repeat(before, number)
    return np.repeat(begin, number) + place * np.repeat(step, number)
