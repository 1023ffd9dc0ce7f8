"""What nights would have heard: coverage of all of them together, and of each at a tag's place.

Tags differ in how well they are heard, and stay so: a night's chance is that of a tag whose strength is drawn from a
gamma law (``localization.coverage``), and so over nights the readings add up, not the chances: a tag too weak for one
night is weak in the next. ``1 - prod(1 - p)`` would hold for tags that are drawn anew every night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.coverage import MOST_CERTAIN, SIZE_RANGE
from localization.night_table import NightTable
from localization.positions import HF_AIR, UHF_AIR, Coverage

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: A tag that was heard before is silent by bad luck (a hand on the book, a trolley before it) so often.
BAD_LUCK = 0.005


def join_coverage(nights: Sequence[Coverage]) -> Coverage:
    """Return the coverage of all nights together, one row for every cell that any of them has."""
    filled = [part for night in with_airs(nights) for part in of_each_air(night)]
    if not filled:
        return Coverage.empty()
    together = Coverage(
        *(np.concatenate([getattr(one, name) for one in filled]) for name in Coverage.names())
    )
    night = np.repeat(np.arange(len(filled)), [len(one) for one in filled])
    size = np.array([tag_size(one) for one in filled])[night]
    keys = [
        f"{face}\n{level}\n{shelf or ''}\n{start:.4f}\n{air or ''}"
        for face, level, shelf, start, air in zip(
            together.face_id, together.level, together.shelf_id, together.from_m, together.air, strict=True
        )
    ]
    _, first, cell = np.unique(keys, return_index=True, return_inverse=True)
    readings = np.asarray(np.bincount(cell, np.nan_to_num(together.readings)), np.float64)
    count = np.bincount(cell)
    # The gamma law of the nights' mean size; never less than the best single night says.
    usual = np.bincount(cell, size) / count
    p = MOST_CERTAIN * (1.0 - (1.0 + readings / usual) ** -usual)
    best = np.zeros(len(first))
    np.maximum.at(best, cell, np.nan_to_num(together.p_heard))
    order = np.argsort(first)
    joined = together.select(first)
    joined = Coverage(
        joined.face_id,
        joined.level,
        joined.shelf_id,
        joined.from_m,
        joined.to_m,
        readings,
        np.maximum(p, best),
        joined.air,
    )
    return joined.select(order)


def with_airs(nights: Sequence[Coverage]) -> list[Coverage]:
    """Return the nights' coverage with the airs of older nights filled in, which did not tell: UHF, or all others'."""
    told = {air for night in nights for air in set(night.air.tolist())} - {None}
    if not told:
        return list(nights)
    usual = UHF_AIR if len(told) > 1 else told.pop()
    return [replace(n, air=np.array([air or usual for air in n.air.tolist()], object)) for n in nights]


def of_each_air(coverage: Coverage) -> list[Coverage]:
    """Return the rows of each air there are any of, UHF's first."""
    hf = coverage.air == HF_AIR
    return [coverage.select(mine) for mine in (~hf, hf) if mine.any()]


def tag_size(coverage: Coverage) -> float:
    """Return the size of the gamma law that a night's chances were made with: how alike its tags are."""
    known = np.isfinite(coverage.readings) & np.isfinite(coverage.p_heard) & (coverage.readings > 0.2)
    if not known.any():
        return 1.0
    sizes = np.geomspace(0.5 * SIZE_RANGE[0], 2.0 * SIZE_RANGE[1], 60)
    readings, p = coverage.readings[known], coverage.p_heard[known]
    miss = [
        float(np.mean((MOST_CERTAIN * (1.0 - (1.0 + readings / s) ** -s) - p) ** 2)) for s in sizes.tolist()
    ]
    return float(sizes[int(np.argmin(miss))])


@dataclass(frozen=True)
class Hearing:
    """What each night would have heard of a tag anywhere.

    Attributes
    ----------
    expected : list of float64 arrays, one a place, shape (cells, k)
        Readings expected of a usual tag; NaN where a night has no coverage. Where nights tell the air: first of UHF
        tags, then of HF tags.
    cell_m : float
    start_m : float64 array, shape (places,)
    size : float64 array, shape (k,)
    places : int
    """

    expected: list[Floats]
    cell_m: float
    start_m: Floats
    size: Floats
    places: int

    @classmethod
    def of(cls, table: NightTable) -> Hearing:
        """Lay out the coverage of all nights by place."""
        count = len(table.nights)
        covered = with_airs([night.coverage for night in table.nights])
        told = {air == HF_AIR for night in covered for air in set(night.air.tolist()) - {None}}
        cell_m = 0.1
        starts: list[float] = []
        expected: list[Floats] = []
        for face in table.plan.faces:
            spans = [(shelf.from_m, shelf.to_m) for shelf in face.shelves] or [(0.0, face.length_m)]
            for low, high in spans:
                starts.append(low)
                expected.append(np.full((int(np.ceil((high - low) / cell_m)) + 1, count), np.nan))
        if told:
            unheard = [np.full((1, count), np.nan) for _ in expected]
            other = [one.copy() for one in expected] if True in told else unheard
            expected, starts = [*(expected if False in told else unheard), *other], [*starts, *starts]
        index = {name: n for n, name in enumerate(table.names.tolist())}
        for k, c in enumerate(covered):
            names = [s if s is not None else f for s, f in zip(c.shelf_id, c.face_id, strict=True)]
            place = np.array([index.get(name, -1) for name in names], np.int64)
            place += np.where((c.air == HF_AIR) & (place >= 0), len(index), 0)
            for number in np.unique(place[place >= 0]).tolist():
                rows = np.flatnonzero(place == number)
                rows = rows[np.argsort(c.from_m[rows])]
                at = starts[number] + cell_m * (np.arange(len(expected[number])) + 0.0)
                middle = 0.5 * (c.from_m[rows] + c.to_m[rows])
                expected[number][:, k] = np.interp(at, middle, c.readings[rows])
        size = np.array([tag_size(of_each_air(night)[0] if len(night) else night) for night in covered])
        return cls(expected, cell_m, np.array(starts), size, len(table.names))

    def readings(self, place: Ints, offset_m: Floats, hf: Bools) -> Floats:
        """Return the readings that each night expects of a usual tag at places, HF or not, shape (n, k)."""
        if len(self.expected) > self.places:
            place = np.where((place >= 0) & hf, place + self.places, place)
        out = np.full((len(place), len(self.size)), np.nan)
        for number in np.unique(place[place >= 0]).tolist():
            rows = np.flatnonzero(place == number)
            at = np.round((offset_m[rows] - self.start_m[number]) / self.cell_m)
            cell = np.clip(np.nan_to_num(at), 0, len(self.expected[number]) - 1).astype(np.int64)
            out[rows] = self.expected[number][cell]
        return out

    def silent(self, expected: Floats, heard: Floats) -> Floats:
        """Return the chance that each night hears nothing of a tag that stands where it does, shape (n, k).

        Parameters
        ----------
        expected : float64 array, shape (n, k)
            Readings expected of a usual tag there.
        heard : float64 array, shape (n, k)
            Readings it gave; 0 where it was silent. The nights that heard it tell how strong it is (gamma-Poisson).
        """
        known = np.nan_to_num(expected)
        told = heard > 0.0
        size = float(np.mean(self.size))
        # Readings come in bursts, so that they say no more than a few would: at most what makes the law twice as sure.
        share = np.minimum(1.0, 4.0 * size / np.maximum(np.where(told, known, 0.0).sum(axis=1), 1e-9))
        shape = size + share * np.where(told, heard, 0.0).sum(axis=1)
        rate = size + share * np.where(told, known, 0.0).sum(axis=1)
        quiet = (rate[:, None] / (rate[:, None] + known)) ** shape[:, None]
        quiet = np.maximum(quiet, BAD_LUCK)
        return np.where(np.isfinite(expected), quiet, 1.0)
