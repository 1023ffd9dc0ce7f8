"""
Ranges from a scan that is trusted: where each shelf's books begin, misshelved ones left out.

Most books stand right, so the longest chain of books whose call numbers never go back from shelf to shelf is
taken for the order that is meant (longest non-decreasing subsequence of (shelf in sequence, key), Fredman 1975). A
misshelved book breaks that order and is not in the chain; a shelf's range starts at its first book that is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stacks.holdings import Holdings
from stacks.imports.keys import keys_of, policy_for
from stacks.imports.range_file import with_shelves
from stacks.plan import Plan, Shelf

FEW_BOOKS = 4
"""A shelf with fewer books in order than this is uncertain: one more misshelved one would move its start."""
DISORDER = 0.7
"""So is one of whose books less than this share is in order."""
_LIKELY = 0.5


@dataclass(frozen=True, slots=True)
class ShelfLearned:
    """
    What a scan says of one shelf.

    Attributes
    ----------
    shelf_id : str
    start : str or None
        The call number its range starts with; None where no book of it is in order.
    barcode : str
        The book that call number is of.
    present : str or None
        The plan's start.
    apart : int
        How many books of the holdings lie between the present start and this one; 0: they say the same. -1: there is
        no present one, or it cannot be read.
    books, in_order : int
        Readable books heard on the shelf, and those of them that are in the chain.
    between : int
        Books of the holdings that were not heard on either shelf and whose call numbers lie between the last of the
        shelf before and this start: either shelf may be theirs.
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


def learn_ranges(
    plan: Plan,
    holdings: Holdings,
    epc: npt.NDArray[np.object_],
    shelf_id: npt.NDArray[np.object_],
    p_shelf: npt.NDArray[np.float64] | None = None,
    *,
    scheme: str,
    location: str | None = None,
) -> Learned:
    """
    Propose where each shelf's range starts.

    Parameters
    ----------
    plan : Plan
        The shelving; shelves in the order of `sequence` where all have one, else in walking order, which is said.
    holdings : Holdings
        The call numbers.
    epc, shelf_id : object array, shape (n,)
        The tags that were heard, and the shelf of each (None: no place).
    p_shelf : float64 array, shape (n,), optional
        Posterior of that shelf; tags under 0.5 are left out.
    scheme : str
        Whose ranges.
    location : str, optional
        Only shelves of the plan with this ``location``.
    """
    order, notes = _in_order(plan, location)
    place = {shelf.id: i for i, shelf in enumerate(order)}
    policy = policy_for(plan)
    mine = np.flatnonzero(holdings.column("scheme") == scheme)
    texts = holdings.column("call_number")[mine].tolist()
    keys = keys_of(scheme, texts, policy)
    tags = holdings.column("epc")[mine].tolist()
    known = dict(zip(reversed(tags), range(len(tags) - 1, -1, -1), strict=True))
    known.pop("", None)
    sure = np.ones(len(epc), bool) if p_shelf is None else np.asarray(p_shelf) >= _LIKELY
    heard: list[tuple[int, bytes, int]] = []
    strangers = unread = 0
    for tag, shelf, likely in zip(epc.tolist(), shelf_id.tolist(), sure.tolist(), strict=True):
        copy = known.get(tag)
        if copy is None or shelf not in place or not likely:
            strangers += copy is None
            continue
        key = keys[copy]
        if key is None:
            unread += 1
            continue
        heard.append((place[shelf], key, copy))
    heard.sort()
    chain = _longest_chain([key for _, key, _ in heard])
    notes.append(f"{len(heard):,} books of scheme {scheme} heard on shelves, {len(chain):,} of them in order")
    if unread:
        notes.append(f"{unread:,} call numbers cannot be read and were left out")
    if heard and len(chain) < DISORDER * len(heard):
        notes.append(
            "under seven books of ten are in one order: is this the plan of that scan, its sequence right, and the scheme?"
        )
    learned = _shelves(
        order, heard, chain, [k for k in keys if k is not None], keys, holdings, mine, texts, scheme, policy
    )
    return Learned(scheme, learned, tuple(notes))


def _in_order(plan: Plan, location: str | None) -> tuple[list[Shelf], list[str]]:
    shelves = [s for s in plan.walking_order if location is None or s.extra.get("location") == location]
    numbered = [s for s in shelves if s.sequence is not None]
    if shelves and len(numbered) == len(shelves):
        return sorted(shelves, key=lambda s: s.sequence or 0), ["shelves in the plan's sequence"]
    if numbered:
        return shelves, [
            f"only {len(numbered)} of {len(shelves)} shelves have a sequence, so it was left aside: shelves are taken in "
            "walking order (faces as in the plan, bays left to right, boards top down), which is a guess"
        ]
    return shelves, [
        "the plan has no sequence: shelves are taken in walking order (faces as in the plan, bays left to right, boards "
        "top down), which is a guess; `ranges import` can set another"
    ]


def _shelves(
    order: Sequence[Shelf],
    heard: Sequence[tuple[int, bytes, int]],
    chain: set[int],
    every: list[bytes],
    keys: Sequence[bytes | None],
    holdings: Holdings,
    mine: npt.NDArray[np.intp],
    texts: Sequence[str],
    scheme: str,
    policy: Any,
) -> tuple[ShelfLearned, ...]:
    every.sort()
    barcodes = holdings.column("barcode")
    on: dict[int, list[int]] = {}
    for i, (shelf, _, _) in enumerate(heard):
        on.setdefault(shelf, []).append(i)
    present = keys_of(scheme, [shelf.range_start or "" for shelf in order], policy)
    made: list[ShelfLearned] = []
    last: bytes | None = None
    for s, shelf in enumerate(order):
        books = on.get(s, [])
        kept = [i for i in books if i in chain]
        if not books and present[s] is None:
            continue
        if not kept:
            why = "no book of it was heard" if not books else f"none of its {len(books)} books is in order"
            made.append(ShelfLearned(shelf.id, None, "", shelf.range_start, -1, len(books), 0, 0, (why,)))
            continue
        _, key, copy = heard[kept[0]]
        between = 0
        if last is not None:
            between = max(0, bisect_right(every, key) - bisect_right(every, last) - _equal(every, key))
        doubts: list[str] = []
        if len(kept) < FEW_BOOKS:
            doubts.append(f"only {len(kept)} of its books in order")
        if len(kept) < DISORDER * len(books):
            doubts.append(f"{len(books) - len(kept)} of {len(books)} books out of order")
        now = present[s]
        apart = -1 if now is None else _apart(every, now, key)
        made.append(
            ShelfLearned(
                shelf.id, texts[copy], str(barcodes[mine[copy]]), shelf.range_start, apart, len(books), len(kept), between,
                tuple(doubts),
            )
        )  # fmt: skip
        last = heard[kept[-1]][1]
    return tuple(made)


def _equal(every: Sequence[bytes], key: bytes) -> int:
    end = bisect_right(every, key)
    start = end
    while start and every[start - 1] == key:
        start -= 1
    return end - start


def _apart(every: Sequence[bytes], one: bytes, other: bytes) -> int:
    """How many books a start moves from one shelf to the next when it moves from one key to the other."""
    low, high = min(one, other), max(one, other)
    if low == high:
        return 0
    return bisect_right(every, high) - _equal(every, high) - (bisect_right(every, low) - _equal(every, low))


def _longest_chain(keys: Sequence[bytes]) -> set[int]:
    """Return indices of a longest non-decreasing subsequence."""
    tails: list[bytes] = []
    ends: list[int] = []
    before = [-1] * len(keys)
    for i, key in enumerate(keys):
        at = bisect_right(tails, key)
        before[i] = ends[at - 1] if at else -1
        if at == len(tails):
            tails.append(key)
            ends.append(i)
        else:
            tails[at], ends[at] = key, i
    chain: set[int] = set()
    i = ends[-1] if ends else -1
    while i >= 0:
        chain.add(i)
        i = before[i]
    return chain
