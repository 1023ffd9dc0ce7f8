"""Which shelf a call number belongs on, from the first call number of each shelf."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from stacks.call_numbers.chain import longest_rising
from stacks.call_numbers.policy import policy_of
from stacks.call_numbers.schemes import sort_key
from stacks.plan import Plan, Shelf


class ShelfRanges:
    """
    The shelves' ranges of one scheme.

    A shelf says with `range_start` what the first call number on it is; its range ends, exclusively, where
    the next one starts. Shelving order is that of `sequence` where every such shelf has one, else that of
    the call numbers. A shelf without a start that follows in `sequence` carries on the range before it.

    Parameters
    ----------
    plan : Plan
        The shelving.
    scheme : str
        Whose call numbers; starts that cannot be read in this scheme are left to the others.
    location : str, optional
        Only shelves whose key `location` in the plan is this one.

    Attributes
    ----------
    shelves : tuple of Shelf
        Those with a usable start, in shelving order.
    problems : tuple of str
        Starts that contradict `sequence` and were left out, one sentence each.
    unreadable : tuple of Shelf
        Shelves whose start cannot be read in this scheme.
    policy : CallNumberPolicy
        That of the plan; keys handed in must be made under it.
    """

    def __init__(self, plan: Plan, scheme: str, location: str | None = None) -> None:
        self.scheme = scheme
        self.policy = policy_of(plan)
        mine = [s for s in plan.shelves if location is None or s.extra.get("location") == location]
        keyed: list[tuple[bytes, Shelf]] = []
        unreadable: list[Shelf] = []
        for shelf in mine:
            if shelf.range_start is None:
                continue
            key = sort_key(scheme, shelf.range_start, self.policy)
            if key is None:
                unreadable.append(shelf)
            else:
                keyed.append((key, shelf))
        in_sequence = bool(keyed) and all(shelf.sequence is not None for _, shelf in keyed)
        keyed.sort(
            key=(lambda pair: (pair[1].sequence or 0, pair[0])) if in_sequence else (lambda pair: pair[0])
        )
        kept = longest_rising([key for key, _ in keyed])
        self.problems = tuple(
            f"shelf {shelf.id!r} starts at {shelf.range_start!r}, which its sequence {shelf.sequence} contradicts"
            for i, (_, shelf) in enumerate(keyed)
            if i not in kept
        )
        keyed = [pair for i, pair in enumerate(keyed) if i in kept]
        self.unreadable = tuple(unreadable)
        self.shelves = tuple(shelf for _, shelf in keyed)
        self._keys = [key for key, _ in keyed]
        self._place = {shelf.id: i for i, shelf in enumerate(self.shelves)}
        self._going_on = self._carried_on(mine, {s.id for s in unreadable}) if in_sequence else {}

    def home(self, call_number: str) -> Shelf | None:
        """Return the shelf whose range holds a call number; None before the first start or where it cannot be read."""
        key = sort_key(self.scheme, call_number, self.policy)
        return None if key is None else self.home_of_key(key)

    def home_of_key(self, key: bytes) -> Shelf | None:
        """Return the shelf whose range holds a key of `sort_key`."""
        place = bisect_right(self._keys, key) - 1
        return self.shelves[place] if place >= 0 else None

    def homes_of_keys(self, keys: Sequence[bytes | None]) -> NDArray[np.int64]:
        """
        Find the home shelves of many keys at once.

        Parameters
        ----------
        keys : sequence of bytes or None, length n
            As `sort_keys` makes them under `policy`.

        Returns
        -------
        int64 array, shape (n,)
            Index into `shelves`; -1 before the first start, or where there is no key.
        """
        starts = self._keys
        if not starts:
            return np.full(len(keys), -1, np.int64)
        # Bisection over the few starts: keys of any length, and no array of the longest one's width.
        return np.fromiter(
            (-1 if key is None else bisect_right(starts, key) - 1 for key in keys), np.int64, len(keys)
        )

    def homes(self, call_number: str) -> tuple[Shelf, ...]:
        """Return the home shelf and those after it that carry its range on; empty where there is none."""
        first = self.home(call_number)
        return () if first is None else (first, *self.going_on(first.id))

    def going_on(self, shelf_id: str) -> tuple[Shelf, ...]:
        """Return the shelves without a start that carry a shelf's range on."""
        return self._going_on.get(shelf_id, ())

    def range_of(self, shelf_id: str) -> tuple[bytes, bytes | None]:
        """First key of a shelf's range, and the key before which it ends (None: open); raises KeyError."""
        place = self._place[shelf_id]
        return self._keys[place], self._keys[place + 1] if place + 1 < len(self._keys) else None

    def _carried_on(self, shelves: Iterable[Shelf], others: set[str]) -> dict[str, tuple[Shelf, ...]]:
        made: dict[str, list[Shelf]] = {}
        current: str | None = None
        for shelf in sorted((s for s in shelves if s.sequence is not None), key=lambda s: s.sequence or 0):
            if shelf.id in self._place:
                current = shelf.id
            elif shelf.id in others:
                current = None
            elif shelf.range_start is None and current is not None:
                made.setdefault(current, []).append(shelf)
        return {shelf_id: tuple(after) for shelf_id, after in made.items()}
