"""Positions, plan and holdings joined: one row for every tag heard, one for every copy the catalogue knows."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localization.positions import Positions
from reports.places import Places
from stacks.call_numbers import SCHEMES, ShelfRanges, sort_key
from stacks.holdings import Holding, Holdings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EXPECTED = frozenset({"available"})
"""Statuses with which a copy should stand on its shelf."""
LOST = frozenset({"missing", "lost"})
"""Statuses with which a copy on a shelf has been found."""


@dataclass(frozen=True)
class Catalogue:
    """The holdings as columns; one row a copy.

    Attributes
    ----------
    rows : sequence of Holding
    rank : int64 array, shape (n,)
        Place in shelving order among all copies; equal call numbers share one. -1: cannot be sorted.
    scheme : int64 array, shape (n,)
        Number of the classification scheme; ranks of different schemes are not to be compared.
    home : int64 array, shape (n,)
        Number of the home place; -1: the catalogue does not say.
    by_range : bool array, shape (n,)
        The home comes from the shelves' ranges, not from the copy's own record.
    unsortable : bool array, shape (n,)
        The scheme is one we sort, and this call number does not follow it.
    status : object array of str, shape (n,)
    by_epc : dict
        EPC to row; of several copies with one EPC the first.
    shared_epc : dict
        EPCs more than one copy carries, to how many.
    before, after : int64 array, shape (places,)
        The place whose range comes before and after a place's own; -1: none.
    range_of : int64 array, shape (places,)
        The place whose range a shelf without a start of its own carries on; else the place itself.
    """

    rows: tuple[Holding, ...]
    rank: Ints
    scheme: Ints
    home: Ints
    by_range: Bools
    unsortable: Bools
    status: npt.NDArray[np.object_]
    by_epc: dict[str, int]
    shared_epc: dict[str, int]
    before: Ints
    after: Ints
    range_of: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, holdings: Holdings | None, places: Places) -> Catalogue:
        """Join the holdings with the plan's places."""
        rows: tuple[Holding, ...] = () if holdings is None else tuple(holdings.rows)
        keys = [sort_key(h.scheme, h.call_number) for h in rows]
        schemes = sorted({h.scheme for h in rows})
        number = {s: i for i, s in enumerate(schemes)}
        scheme = np.array([number[h.scheme] for h in rows], np.int64)
        labels = [(h.scheme, k) for h, k in zip(rows, keys, strict=True) if k is not None]
        ranks = {label: i for i, label in enumerate(sorted(set(labels)))}
        rank = np.array(
            [-1 if k is None else ranks[h.scheme, k] for h, k in zip(rows, keys, strict=True)], np.int64
        )
        home = np.array([places.index.get(h.home_location, -1) for h in rows], np.int64)
        by_range = (home < 0) & (rank >= 0)
        before, after, range_of = _homes_by_range(places, rows, home, by_range)
        by_range &= home >= 0
        sortable = np.array([h.scheme in SCHEMES for h in rows], bool)
        epcs = Counter(h.epc.upper() for h in rows if h.epc)
        by_epc: dict[str, int] = {}
        for i, h in enumerate(rows):
            if h.epc:
                by_epc.setdefault(h.epc.upper(), i)
        return cls(
            rows=rows,
            rank=rank,
            scheme=scheme,
            home=home,
            by_range=by_range,
            unsortable=(rank < 0) & sortable,
            status=_texts([h.status for h in rows]),
            by_epc=by_epc,
            shared_epc={epc: n for epc, n in epcs.items() if n > 1},
            before=before,
            after=after,
            range_of=range_of,
        )


@dataclass(frozen=True)
class Shelved:
    """Every tag heard, with its place and its copy; one row a tag, in physical order.

    Rows are sorted by place and offset (tags without a place first).

    Attributes
    ----------
    positions : Positions
        What localization says of each tag.
    offset_m : float64 array, shape (n,)
        Along the face; that of the second best place where `resettle` has chosen it.
    place, alt : int64 array, shape (n,)
        Number of the place and of the second best; -1: none.
    copy : int64 array, shape (n,)
        Row of the catalogue; -1: unknown tag.
    home, rank, scheme : int64 array, shape (n,)
        The copy's; -1 without one.
    """

    positions: Positions
    offset_m: Floats
    place: Ints
    alt: Ints
    copy: Ints
    home: Ints
    rank: Ints
    scheme: Ints

    def __len__(self) -> int:
        return len(self.place)

    @classmethod
    def of(cls, positions: Positions, catalogue: Catalogue, places: Places) -> Shelved:
        """Join positions with the catalogue."""
        place = places.number(positions.shelf_id, positions.face_id)
        place = np.where(np.isfinite(positions.offset_m), place, -1)
        order = np.lexsort((positions.epc.astype(str), positions.offset_m, place))
        p = positions.select(order)
        by_epc = catalogue.by_epc
        copy = np.fromiter((by_epc.get(e.upper(), -1) for e in p.epc), np.int64, len(p))
        place, home = place[order], _of_copy(catalogue.home, copy)
        if len(places):
            # A shelf without a start of its own carries the range before it on: its books are at home there.
            carried = (place >= 0) & (home >= 0) & (catalogue.range_of[np.maximum(place, 0)] == home)
            carried &= catalogue.by_range[np.maximum(copy, 0)] if len(catalogue) else False
            home = np.where(carried, place, home)
        return cls(
            positions=p,
            offset_m=p.offset_m,
            place=place,
            alt=places.number(p.alt_shelf_id),
            copy=copy,
            home=home,
            rank=_of_copy(catalogue.rank, copy),
            scheme=_of_copy(catalogue.scheme, copy),
        )

    def resettle(self, rows: Bools, place: Ints, offset_m: Floats) -> tuple[Shelved, Ints]:
        """Put some tags elsewhere, and sort anew.

        Returns
        -------
        shelved : Shelved
        order : int64 array, shape (n,)
            The former row of each new row.
        """
        new_place, new_offset = np.where(rows, place, self.place), np.where(rows, offset_m, self.offset_m)
        order = np.lexsort((np.arange(len(self)), new_offset, new_place))
        return (
            Shelved(
                positions=self.positions.select(order),
                offset_m=new_offset[order],
                place=new_place[order],
                alt=self.alt[order],
                copy=self.copy[order],
                home=self.home[order],
                rank=self.rank[order],
                scheme=self.scheme[order],
            ),
            order,
        )


def _of_copy(column: Ints, copy: Ints) -> Ints:
    if not len(column):
        return np.full(len(copy), -1, np.int64)
    return np.where(copy >= 0, column[copy], -1)


def _homes_by_range(
    places: Places, rows: tuple[Holding, ...], home: Ints, wanted: Bools
) -> tuple[Ints, Ints, Ints]:
    """Fill in the homes that the shelves' ranges decide; return each place's neighbours in shelving order."""
    before, after = np.full(len(places), -1, np.int64), np.full(len(places), -1, np.int64)
    range_of = np.arange(len(places), dtype=np.int64)
    if places.plan is None or not any(p.shelf is not None and p.shelf.range_start for p in places.rows):
        return before, after, range_of
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    known = set(places.location)
    for i in np.flatnonzero(wanted).tolist():
        groups[rows[i].scheme, rows[i].home_location if rows[i].home_location in known else ""].append(i)
    for (scheme, location), members in groups.items():
        ranges = ShelfRanges(places.plan, scheme, location or None)
        chain = np.array([places.index[s.id] for s in ranges.shelves], np.int64)
        after[chain[:-1]], before[chain[1:]] = chain[1:], chain[:-1]
        for i in members:
            shelves = ranges.homes(rows[i].call_number)
            if shelves:
                home[i] = places.index[shelves[0].id]
                range_of[[places.index[s.id] for s in shelves[1:]]] = home[i]
    return before, after, range_of


def _texts(values: list[str]) -> npt.NDArray[Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out
