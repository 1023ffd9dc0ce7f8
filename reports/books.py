"""Positions, plan and holdings joined: one row for every tag heard, one for every copy the catalogue knows."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from localization.positions import Positions
from reports.copy_rows import CopyRows, TagRows
from reports.known_tags import KnownTags, Uids, in_capitals
from reports.places import Places
from stacks.call_numbers import SCHEMES, ShelfRanges, policy_of, sort_keys
from stacks.holdings import Holdings
from stacks.plan import Plan
from stacks.tag_data import TagContents

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

EXPECTED = frozenset({"available"})
"""Statuses with which a copy should stand on its shelf."""
LOST = frozenset({"missing", "lost"})
"""Statuses with which a copy on a shelf has been found."""
_NO = frozenset({"no", "n", "false", "0"})


@dataclass(frozen=True)
class TagsTonight:
    """What tags say of themselves that no record knows; `reports.tags_tonight` finds out.

    Attributes
    ----------
    copy_of : TagRows
        EPC to the row of the copy whose barcode it carries, as it was read tonight or, of tags that were not, on a
        former night; the tag that the record names, if any, was not heard.
    second : mapping of str to int
        The same where that tag was heard, too.
    carried : int64 array
        Rows of copies that former nights know the HF tag of, heard tonight or not.
    further : frozenset of str
        EPCs of the second, third ... part of an item of several parts, of which `copy_of` or the record has the first.
    stand_ins : frozenset of str
        EPCs in `copy_of` that are another part of their item than the one whose tag the record names.
    unread : frozenset of str
        UIDs whose memory nobody read, tonight or before, where most unknown tags whose memory was read name a copy: so
        these may, too.
    foreign : mapping of str to str
        EPC to the ISIL of another library.
    said : mapping of str to TagContents
        EPC to all it says, of those that are in neither `copy_of` nor `further`.
    read_as : KnownTags
        What tonight's memories name, to be remembered, with rows of the catalogue; its times are not set.
    refuted : uint64 array
        UIDs that were read tonight and did not say what is remembered of them.
    """

    copy_of: TagRows = field(default_factory=TagRows)
    second: Mapping[str, int] = field(default_factory=dict[str, int])
    carried: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    further: frozenset[str] = frozenset()
    stand_ins: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    foreign: Mapping[str, str] = field(default_factory=dict[str, str])
    said: Mapping[str, TagContents] = field(default_factory=dict[str, TagContents])
    read_as: KnownTags = field(default_factory=KnownTags.none)
    refuted: Uids = field(default_factory=lambda: np.zeros(0, np.uint64))


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
    barcode, epc : object array of str, shape (n,)
        EPCs in upper case; empty where the copy has no tag.
    available, staying : bool array, shape (n,)
        Its status is one of `EXPECTED`; of `EXPECTED` or `LOST`.
    tagged : bool array, shape (n,)
        It has a tag that can be heard: an EPC, and no word to the contrary in the column ``tagged``.
    taggable : bool array, shape (n,)
        No word to the contrary in the column ``tagged``.
    by_epc : dict
        EPC to row; of several copies with one EPC the first.
    shared_epc : dict
        EPCs more than one copy carries, to how many.
    before, after : int64 array, shape (places,)
        The place whose range comes before and after a place's own; -1: none.
    range_of : int64 array, shape (places,)
        The place whose range a shelf without a start of its own carries on; else the place itself.
    tags : TagsTonight
        What the tags heard say that no record knows.
    """

    rows: CopyRows
    rank: Ints
    scheme: Ints
    home: Ints
    by_range: Bools
    unsortable: Bools
    status: npt.NDArray[np.object_]
    barcode: npt.NDArray[np.object_]
    epc: npt.NDArray[np.object_]
    available: Bools
    staying: Bools
    tagged: Bools
    taggable: Bools
    by_epc: dict[str, int]
    shared_epc: dict[str, int]
    before: Ints
    after: Ints
    range_of: Ints
    tags: TagsTonight = TagsTonight()

    def __len__(self) -> int:
        return len(self.rows)

    def copies_of(self, epcs: Sequence[str], said: TagRows | None = None) -> Ints:
        """Return the row of each tag's copy (-1: none), by record or by what it says (`tags.copy_of`, or `said`)."""
        named = (self.tags.copy_of if said is None else said).find(epcs)
        if not self.by_epc:
            return named
        by_record = np.fromiter((self.by_epc.get(epc, -1) for epc in epcs), np.int64, len(epcs))
        return np.where(by_record >= 0, by_record, named)

    @classmethod
    def of(cls, holdings: Holdings | None, places: Places) -> Catalogue:
        """Join the holdings with the plan's places."""
        known = Holdings() if holdings is None else holdings
        n = len(known)
        column = known.column
        scheme_of, status = column("scheme"), column("status")
        schemes = sorted(set(scheme_of.tolist()))
        number = {s: i for i, s in enumerate(schemes)}
        scheme = np.fromiter((number[s] for s in scheme_of.tolist()), np.int64, n)
        keys = _sort_keys(places.plan, schemes, scheme, column("call_number"))
        rank = _ranks(keys, scheme)
        index = places.index
        home_of = column("home_location")
        home = np.fromiter((index.get(h, -1) for h in home_of.tolist()), np.int64, n)
        by_range = (home < 0) & (rank >= 0)
        before, after, range_of = _homes_by_range(places, schemes, scheme, home_of, keys, home, by_range)
        by_range &= home >= 0
        # A library's own scheme can be judged once its plan has rules for it.
        ordered = policy_of(places.plan).local is not None if places.plan is not None else False
        sortable = np.array([s in SCHEMES or (s == "local" and ordered) for s in schemes], bool)
        epc = column("epc")
        if not all(e == e.upper() for e in epc.tolist()):
            epc = _texts([e.upper() for e in epc.tolist()])
        by_epc, shared = _by_epc(epc)
        codes = {s: i for i, s in enumerate(set(status.tolist()))}
        code = np.fromiter((codes[s] for s in status.tolist()), np.int64, n)
        available = np.array([s in EXPECTED for s in codes], bool)[code] if n else np.zeros(0, bool)
        lost = np.array([s in LOST for s in codes], bool)[code] if n else np.zeros(0, bool)
        taggable = np.ones(n, bool)
        if "tagged" in known.extra_columns:
            words = column("tagged").tolist()
            taggable = ~np.fromiter((w.strip().lower() in _NO for w in words), bool, n)
        tagged = (epc != "") & taggable
        return cls(
            rows=CopyRows(known),
            rank=rank,
            scheme=scheme,
            home=home,
            by_range=by_range,
            unsortable=(rank < 0) & (sortable[scheme] if n else False),
            status=status,
            barcode=column("barcode"),
            epc=epc,
            available=available,
            staying=available | lost,
            tagged=tagged.astype(bool),
            taggable=taggable,
            by_epc=by_epc,
            shared_epc=shared,
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
        What localization says of each tag; without when and by how many antennas it was heard.
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
        p = _sorted(positions, order)
        copy = catalogue.copies_of(list(map(in_capitals, p.epc)))
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
        if not rows.any():
            return self, np.arange(len(self))
        new_place, new_offset = np.where(rows, place, self.place), np.where(rows, offset_m, self.offset_m)
        order = np.lexsort((np.arange(len(self)), new_offset, new_place))
        return (
            Shelved(
                positions=_sorted(self.positions, order),
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


def _sorted(positions: Positions, order: Ints) -> Positions:
    """Return the rows in that order; columns that no judgement reads hold one number for all of them."""
    unread: dict[str, Any] = dict.fromkeys(("antennas", "heard_from", "heard_to"), np.int64(0))
    unread |= dict.fromkeys(("p_present", "p_moved"), np.float64(np.nan))
    n = len(order)
    columns = {
        f.name: np.broadcast_to(unread[f.name], n) if f.name in unread else getattr(positions, f.name)[order]
        for f in fields(positions)
    }
    return replace(positions, **columns)


def _of_copy(column: Ints, copy: Ints) -> Ints:
    if not len(column):
        return np.full(len(copy), -1, np.int64)
    return np.where(copy >= 0, column[copy], -1)


def _sort_keys(plan: Plan | None, schemes: list[str], scheme: Ints, call_numbers: Texts) -> Texts:
    """Return every copy's key in its scheme, by the plan's own rules; None where it cannot be sorted."""
    keys = np.empty(len(call_numbers), object)
    policy = None if plan is None else policy_of(plan)
    for number, name in enumerate(schemes):
        mine = np.flatnonzero(scheme == number)
        keys[mine] = _texts(sort_keys(name, call_numbers[mine].tolist(), policy))
    return keys


def _ranks(keys: npt.NDArray[np.object_], scheme: Ints) -> Ints:
    """Give each copy its number in shelving order, scheme by scheme; equal keys share one, None is -1."""
    rank = np.full(len(keys), -1, np.int64)
    start = 0
    for number in range(int(scheme.max(initial=-1)) + 1):
        mine = np.flatnonzero(scheme == number)
        mine = mine[np.fromiter((keys[i] is not None for i in mine.tolist()), bool, len(mine))]
        if not len(mine):
            continue
        found = keys[mine].tolist()
        # A catalogue is often in shelving order already, which this sort knows how to use.
        order = np.array(sorted(range(len(found)), key=found.__getitem__), np.int64)
        changes = (found[a] != found[b] for a, b in itertools.pairwise(order.tolist()))
        step = np.concatenate([[0], np.cumsum(np.fromiter(changes, np.int64, len(found) - 1))])
        rank[mine[order]] = start + step
        start += int(step[-1]) + 1
    return rank


def _by_epc(epc: npt.NDArray[np.object_]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the first row of each EPC, and how many rows share it where several do."""
    last = len(epc) - 1
    first = {e: last - i for i, e in enumerate(epc[::-1].tolist())}
    first.pop("", None)
    if len(first) == np.count_nonzero(epc != ""):
        return first, {}
    return first, {e: n for e, n in Counter(epc.tolist()).items() if e and n > 1}


def _homes_by_range(
    places: Places,
    schemes: list[str],
    scheme_of: Ints,
    home_of: Texts,
    keys: Texts,
    home: Ints,
    wanted: Bools,
) -> tuple[Ints, Ints, Ints]:
    """Fill in the homes that the shelves' ranges decide; return each place's neighbours in shelving order."""
    before, after = np.full(len(places), -1, np.int64), np.full(len(places), -1, np.int64)
    range_of = np.arange(len(places), dtype=np.int64)
    if places.plan is None or not any(p.shelf is not None and p.shelf.range_start for p in places.rows):
        return before, after, range_of
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    known = set(places.location)
    for i in np.flatnonzero(wanted).tolist():
        groups[schemes[scheme_of[i]], home_of[i] if home_of[i] in known else ""].append(i)
    for (scheme, location), members in groups.items():
        ranges = ShelfRanges(places.plan, scheme, location or None)
        chain = np.array([places.index[s.id] for s in ranges.shelves], np.int64)
        if not len(chain):
            continue
        after[chain[:-1]], before[chain[1:]] = chain[1:], chain[:-1]
        at = ranges.homes_of_keys(keys[members].tolist())
        home[members] = np.where(at >= 0, chain[np.maximum(at, 0)], -1)
        for k in np.unique(at[at >= 0]).tolist():
            shelves = ranges.homes(ranges.shelves[k].range_start or "")
            range_of[[places.index[s.id] for s in shelves[1:]]] = chain[k]
    return before, after, range_of


def _texts(values: list[Any]) -> npt.NDArray[Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out
