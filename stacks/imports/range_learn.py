"""
Ranges from a scan that is trusted: where each shelf's books begin, misshelved ones left out.

Most books stand right, so the longest chain of books whose call numbers never go back from shelf to shelf is
taken for the order that is meant (longest non-decreasing subsequence of (shelf in sequence, key), Fredman 1975). A
misshelved book breaks that order and is not in the chain; a shelf's range starts at its first book that is.

Books that are lent were not seen, and one of them may be the first of its shelf. So a present start that nothing seen
contradicts stays, and the first shelf of all starts no later than the first book of the holdings.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from stacks.call_numbers import policy_of, sort_keys
from stacks.call_numbers.chain import longest_rising
from stacks.holdings import Holdings
from stacks.imports.range_ends import End, Standing, end_of, first_after
from stacks.imports.range_file import with_shelves
from stacks.plan import Plan, Shelf

FEW_BOOKS = 4
"""A shelf with fewer books in order than this is uncertain: one more misshelved one would move its start."""
DISORDER = 0.7
"""So is one of whose books less than this share is in order."""
Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShelfLearned:
    """
    What a scan says of one shelf.

    Attributes
    ----------
    shelf_id : str
    start : str or None
        The call number its range starts with: the present one where nothing seen contradicts it; None where no book
        of it is in order.
    barcode : str
        The book that call number is of; empty where the present start stays.
    present : str or None
        The plan's start.
    apart : int
        How many books of the holdings lie between the present start and this one; 0: they say the same. -1: there is
        no present one, or it cannot be read.
    books, in_order : int
        Readable books heard on the shelf, and those of them that are in the chain.
    between : int
        Books of the holdings that were not heard and stand, in order, right before this start: either shelf may be
        theirs.
    doubts : tuple of str
        Why it is uncertain; empty: it is not.
    """

    shelf_id: str
    start: str | None
    barcode: str
    present: str | None
    apart: int
    books: int
    in_order: int
    between: int
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Learned:
    """
    Ranges of one scheme, learned.

    Attributes
    ----------
    scheme : str
    shelves : tuple of ShelfLearned
        In shelving order; only those where books of the scheme were heard, or that have a start now.
    notes : tuple of str
    """

    scheme: str
    shelves: tuple[ShelfLearned, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        names = ShelfLearned.__slots__
        shelves = [{name: getattr(shelf, name) for name in names} for shelf in self.shelves]
        return {"scheme": self.scheme, "shelves": shelves, "notes": list(self.notes)}

    def apply(self, plan: Plan, *, uncertain: bool = False) -> Plan:
        """Return the plan with what was learned, its version one higher; uncertain shelves only where asked for."""
        made: dict[str, Shelf] = {}
        for learned in self.shelves:
            if learned.start is not None and (uncertain or not learned.doubts):
                made[learned.shelf_id] = replace(plan.shelf(learned.shelf_id)[1], range_start=learned.start)
        return with_shelves(plan, made)


@dataclass(frozen=True)
class Heard:
    """
    What a scan heard; columns of one length.

    Attributes
    ----------
    epc, shelf_id : object array, shape (n,)
        Tags, and the shelf of each; None: no place.
    face_id : object array, shape (n,), optional
    offset_m, z_m : float64 array, shape (n,), optional
        Where they stand. Without these three a book at the end of a shelf counts for the shelf it was taken to be on.
    """

    epc: Texts
    shelf_id: Texts
    face_id: Texts | None = None
    offset_m: Floats | None = None
    z_m: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Book:
    """A book that was heard on a shelf of ours: the shelf's place in the order, its key, its copy, its row in Heard."""

    shelf: int
    key: bytes
    copy: int
    row: int


def learn_ranges(
    plan: Plan, holdings: Holdings, heard: Heard, *, scheme: str, location: str | None = None
) -> Learned:
    """
    Propose where each shelf's range starts.

    Parameters
    ----------
    plan : Plan
        The shelving; shelves in the order of `sequence` where all have one, else in walking order, which is said.
    holdings : Holdings
        The call numbers.
    heard : Heard
        What the scan heard.
    scheme : str
        Whose ranges.
    location : str, optional
        Only shelves of the plan with this ``location``.
    """
    order, notes = _in_order(plan, location)
    place = {shelf.id: i for i, shelf in enumerate(order)}
    policy = policy_of(plan)
    mine = np.flatnonzero(holdings.column("scheme") == scheme)
    keys = sort_keys(scheme, holdings.column("call_number")[mine].tolist(), policy)
    tags = holdings.column("epc")[mine].tolist()
    known = dict(zip(reversed(tags), range(len(tags) - 1, -1, -1), strict=True))
    known.pop("", None)
    books: list[_Book] = []
    unread = 0
    for row, (tag, shelf) in enumerate(zip(heard.epc.tolist(), heard.shelf_id.tolist(), strict=True)):
        copy = known.get(tag)
        if copy is None or shelf not in place:
            continue
        key = keys[copy]
        if key is None:
            unread += 1
        else:
            books.append(_Book(place[shelf], key, copy, row))
    books.sort(key=lambda book: (book.shelf, book.key))
    chain = longest_rising([book.key for book in books])
    notes.append(f"{len(books):,} books of scheme {scheme} heard on shelves, {len(chain):,} of them in order")
    if unread:
        notes.append(f"{unread:,} call numbers cannot be read and were left out")
    if books and len(chain) < DISORDER * len(books):
        notes.append(
            "under seven books of ten are in one order: is this the plan of that scan, its sequence "
            "right, and the scheme?"
        )
    starts = _starts(plan, order, books, chain, heard)
    present = sort_keys(scheme, [shelf.range_start or "" for shelf in order], policy)
    every = sorted(key for key in keys if key is not None)
    texts, barcodes = holdings.column("call_number")[mine], holdings.column("barcode")[mine]
    first = _first_of(plan, holdings, mine, keys, location)
    made = _shelves(order, books, chain, starts, present, every, first, texts, barcodes)
    return Learned(scheme, made, tuple(notes))


def _in_order(plan: Plan, location: str | None) -> tuple[list[Shelf], list[str]]:
    shelves = [s for s in plan.walking_order if location is None or s.extra.get("location") == location]
    numbered = [s for s in shelves if s.sequence is not None]
    if shelves and len(numbered) == len(shelves):
        return sorted(shelves, key=lambda s: s.sequence or 0), ["shelves in the plan's sequence"]
    if numbered:
        return shelves, [
            f"only {len(numbered)} of {len(shelves)} shelves have a sequence, so it was left aside: "
            f"shelves are taken in "
            "walking order (faces as in the plan, bays left to right, boards top down), which is a guess"
        ]
    return shelves, [
        "the plan has no sequence: shelves are taken in walking order (faces as in the plan, bays left "
        "to right, boards "
        "top down), which is a guess; `ranges import` can set another"
    ]


def _starts(
    plan: Plan, order: Sequence[Shelf], books: Sequence[_Book], chain: set[int], heard: Heard
) -> dict[int, _Book]:
    """Return the first book of each shelf: of those in the chain, and then as the books beside the boundary say."""
    members: dict[int, list[_Book]] = {}
    for i, book in enumerate(books):
        if i in chain:
            members.setdefault(book.shelf, []).append(book)
    starts = {shelf: kept[0] for shelf, kept in members.items()}
    if heard.face_id is None or heard.offset_m is None or heard.z_m is None:
        return starts
    faces, offsets, heights = heard.face_id, heard.offset_m, heard.z_m
    by_key = sorted(books, key=lambda book: book.key)
    rows = np.array([book.row for book in by_key], np.intp)
    standing = Standing([book.key for book in by_key], faces[rows], offsets[rows], heights[rows])

    def end(shelf: int, right: bool) -> End:
        mine = [book.row for book in members[shelf]]
        return end_of(
            plan.shelf(order[shelf].id)[0].id, offsets[mine].tolist(), heights[mine].tolist(), right=right
        )

    in_order = sorted(members)
    for left, right in pairwise(in_order):
        if min(len(members[left]), len(members[right])) < FEW_BOOKS:
            continue
        found = first_after(standing, starts[right].key, end(left, True), end(right, False))
        if found is not None:
            book = by_key[found]
            # Never past what stands in the middle of either shelf.
            if (
                members[left][len(members[left]) // 2].key
                < book.key
                < members[right][len(members[right]) // 2].key
            ):
                starts[right] = book
    return starts


def _first_of(
    plan: Plan,
    holdings: Holdings,
    mine: npt.NDArray[np.intp],
    keys: Sequence[bytes | None],
    location: str | None,
) -> tuple[bytes, int] | None:
    """Return key and copy of the holdings' first book in these shelves' location; None where that cannot be told."""
    places = {shelf.id: shelf.extra.get("location") for shelf in plan.shelves}
    if any(place is not None for place in places.values()):
        if location is None:
            return None  # shelves of several locations in one row: whose first book it is cannot be told
        homes = holdings.column("home_location")[mine].tolist()
        wanted = [places.get(home, home) == location for home in homes]
    else:
        wanted = [True] * len(keys)
    found = [
        (key, i) for i, (key, want) in enumerate(zip(keys, wanted, strict=True)) if want and key is not None
    ]
    return min(found, default=None)


def _shelves(
    order: Sequence[Shelf],
    books: Sequence[_Book],
    chain: set[int],
    starts: dict[int, _Book],
    present: Sequence[bytes | None],
    every: Sequence[bytes],
    first: tuple[bytes, int] | None,
    texts: Texts,
    barcodes: Texts,
) -> tuple[ShelfLearned, ...]:
    on: dict[int, list[int]] = {}
    for i, book in enumerate(books):
        on.setdefault(book.shelf, []).append(i)
    heard = {book.copy for book in books}
    unheard = len(every) - len(heard)
    seen = sorted(book.key for book in books)
    in_order = sorted(books[i].key for i in chain)
    leading = min(starts, default=-1)
    made: list[ShelfLearned] = []
    for s, shelf in enumerate(order):
        mine = on.get(s, [])
        if not mine and present[s] is None:
            continue
        kept = [i for i in mine if i in chain]
        if s not in starts:
            why = "no book of it was heard" if not mine else f"none of its {len(mine)} books is in order"
            made.append(ShelfLearned(shelf.id, None, "", shelf.range_start, -1, len(mine), 0, 0, (why,)))
            continue
        key, copy = starts[s].key, starts[s].copy
        if s == leading and first is not None and first[0] < key:
            key, copy = first
        now = present[s]
        stays = now is not None and _fits(now, starts[s].key, in_order) and (s != leading or now <= key)
        if stays and now is not None:
            key = now
        between = _missing_before(key, every, seen) if unheard else 0
        doubts: list[str] = []
        if len(kept) < FEW_BOOKS:
            doubts.append(f"only {len(kept)} of its books in order")
        if len(kept) < DISORDER * len(mine):
            doubts.append(f"{len(mine) - len(kept)} of {len(mine)} books out of order")
        apart = -1 if now is None else _apart(every, now, key)
        text = str(shelf.range_start) if stays else str(texts[copy])
        barcode = "" if stays else str(barcodes[copy])
        made.append(
            ShelfLearned(
                shelf.id,
                text,
                barcode,
                shelf.range_start,
                apart,
                len(mine),
                len(kept),
                between,
                tuple(doubts),
            )
        )
    return tuple(made)


def _fits(now: bytes, start: bytes, in_order: Sequence[bytes]) -> bool:
    """Say whether a start divides the books seen in order as the learned one does: only unseen ones lie between."""
    return bisect_left(in_order, now) == bisect_left(in_order, start)


def _missing_before(key: bytes, every: Sequence[bytes], seen: Sequence[bytes]) -> int:
    """How many books of the holdings stand between a book and the one heard before it in order."""
    at = bisect_left(seen, key)
    if at == 0:
        return 0
    return max(0, bisect_left(every, key) - bisect_right(every, seen[at - 1]))


def _apart(every: Sequence[bytes], one: bytes, other: bytes) -> int:
    """How many books a start moves from one shelf to the next when it moves from one key to the other."""
    return abs(bisect_left(every, other) - bisect_left(every, one))
