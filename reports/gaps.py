"""Between which two books a call number belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.books import Catalogue, Shelved
from reports.places import Places
from reports.text import T

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Gap:
    """Where one book belongs: in words, and to scale."""

    words: str
    shelf_id: str
    middle_m: float | None
    key: tuple[int, int, int]


class Gaps:
    """The books that stand right, in shelving order place by place, asked for neighbours."""

    def __init__(self, shelved: Shelved, catalogue: Catalogue, places: Places, right: Bools) -> None:
        rows = np.flatnonzero(right)
        order = np.lexsort((rows, shelved.rank[rows], shelved.place[rows]))
        self.shelved, self.catalogue, self.places = shelved, catalogue, places
        self.rows = rows[order]
        self._step = int(catalogue.rank.max(initial=0)) + 2
        self._key = shelved.place[self.rows] * self._step + shelved.rank[self.rows]
        readings = shelved.positions.readings[self.rows].astype(np.float64)
        self._sum_readings = np.concatenate([[0.0], np.cumsum(readings)])

    def neighbours(self, place: Ints, rank: Ints, scheme: Ints) -> tuple[Ints, Ints]:
        """Return the rows left and right of each gap (-1: none on that shelf), each shape (n,)."""
        at = np.searchsorted(self._key, place * self._step + rank, side="right")
        return self._row(at - 1, place, scheme), self._row(at, place, scheme)

    def readings_nearby(self, place: Ints, rank: Ints, *, reach: int = 3) -> Floats:
        """Return the mean readings of up to ``2 * reach`` books around each gap; NaN without any."""
        at = np.searchsorted(self._key, place * self._step + rank, side="right")
        first = np.maximum(at - reach, np.searchsorted(self._key, place * self._step, side="left"))
        last = np.minimum(at + reach, np.searchsorted(self._key, (place + 1) * self._step, side="left"))
        total = self._sum_readings[last] - self._sum_readings[first]
        return np.divide(total, last - first, out=np.full(len(place), np.nan), where=last > first)

    def describe(self, place: Sequence[int] | Ints, copies: Ints) -> list[Gap]:
        """Describe where each copy belongs on each place (-1: nowhere known)."""
        at = np.asarray(place, np.int64)
        rank, scheme = self.catalogue.rank[copies], self.catalogue.scheme[copies]
        left, right = self.neighbours(at, rank, scheme)
        x = self.shelved.offset_m
        gaps: list[Gap] = []
        for p, has_rank, a, b in zip(
            at.tolist(), (rank >= 0).tolist(), left.tolist(), right.tolist(), strict=True
        ):
            if p < 0:
                gaps.append(Gap("", "", None, (-1, -1, -1)))
                continue
            shelf = self.places.rows[p].id
            if not has_rank or (a < 0 and b < 0):
                gaps.append(Gap(shelf, shelf, None, (p, -1, -1)))
                continue
            words = T.belongs(shelf, self._call_number(a), self._call_number(b))
            ends = [float(x[r]) for r in (a, b) if r >= 0]
            gaps.append(Gap(words, shelf, sum(ends) / len(ends), (p, a, b)))
        return gaps

    def call_numbers(self, gap: Gap) -> tuple[str, str]:
        """Return the call numbers left and right of a gap; empty where there is none."""
        return self._call_number(gap.key[1]), self._call_number(gap.key[2])

    def _row(self, at: Ints, place: Ints, scheme: Ints) -> Ints:
        if not len(self.rows):
            return np.full(len(at), -1, np.int64)
        row = self.rows[np.clip(at, 0, len(self.rows) - 1)]
        ok = (at >= 0) & (at < len(self.rows))
        ok &= (self.shelved.place[row] == place) & (self.shelved.scheme[row] == scheme)
        return np.where(ok, row, -1)

    def _call_number(self, row: int) -> str:
        return "" if row < 0 else self.catalogue.rows[self.shelved.copy[row]].call_number
