"""What is wrong with the shelves' ranges: by themselves, and held against the holdings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from stacks.call_numbers import ShelfRanges, policy_of, sort_keys
from stacks.holdings import Holdings
from stacks.imports.range_file import RangeRows
from stacks.plan import Plan

THINNEST_M = 0.008
"""Books thinner than this on the average of a whole shelf are not to be found in a library."""
KINDS = (
    "unreadable_start", "sequence", "overlap", "gap", "touch", "before_first", "no_shelf", "too_full", "empty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RangeProblem:
    """One thing wrong: its kind (one of `KINDS`), the shelf or an empty text, and a sentence."""

    kind: str
    shelf_id: str
    said: str


@dataclass(frozen=True)
class RangeCheck:
    """
    What was found.

    Attributes
    ----------
    problems : tuple of RangeProblem
        In shelving order.
    notes : tuple of str
        How it was looked at.
    shelves, with_start : int
        Shelves of the plan, and those with a start.
    """

    problems: tuple[RangeProblem, ...]
    notes: tuple[str, ...]
    shelves: int
    with_start: int

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "shelves": self.shelves,
            "with_start": self.with_start,
            "problems": [{"kind": p.kind, "shelf_id": p.shelf_id, "said": p.said} for p in self.problems],
            "notes": list(self.notes),
        }


def check_ranges(
    plan: Plan,
    scheme: str,
    holdings: Holdings | None = None,
    rows: RangeRows | None = None,
    *,
    loose: bool = False,
    thinnest_m: float = THINNEST_M,
) -> RangeCheck:
    """
    Check the ranges of one scheme, each location's by themselves.

    Parameters
    ----------
    plan : Plan
        With ranges.
    scheme : str
        Whose call numbers.
    holdings : Holdings, optional
        Then also: books before the first start, of locations without a shelf, and shelves whose range holds more books
        than go on them.
    rows : RangeRows, optional
        The table they came from; its range_end is held against the next shelf's start.
    loose : bool
        True: a shelf may begin with the call number the one before it ends with, or begins with.
    thinnest_m : float
        Mean thickness below which the books of a range cannot all be on its shelves.
    """
    problems: list[RangeProblem] = []
    notes: list[str] = []
    ends = {row.shelf_id: row.end for row in rows.rows if row.end} if rows else {}
    locations = _locations(plan)
    with_start = [shelf for shelf in plan.shelves if shelf.range_start is not None]
    if not with_start:
        notes.append("no shelf of the plan has a range_start: import some, or learn them from a scan")
    lost = sum(shelf.extra.get("location") is None for shelf in with_start) if locations else 0
    if lost:
        notes.append(
            f"{lost} shelves with a start have no location, others have: no book is looked for on them"
        )
    for location in locations or [None]:
        ranges = ShelfRanges(plan, scheme, location)
        problems += [
            RangeProblem(
                "unreadable_start",
                shelf.id,
                f"shelf {shelf.id!r}: {shelf.range_start!r} is no {scheme} number",
            )
            for shelf in ranges.unreadable
        ]
        problems += [RangeProblem("sequence", _quoted(said), said) for said in ranges.problems]
        problems += _neighbours(ranges, ends, loose, policy_of(plan))
    in_order = [shelf.sequence is not None for shelf in with_start]
    if with_start and not all(in_order):
        notes.append(
            f"{in_order.count(False)} of {len(with_start)} shelves with a start have no sequence: "
            f"shelving order is that of "
            "the call numbers, and a start in the wrong place cannot be seen"
        )
    if holdings is not None and with_start:
        found, said = _books(plan, scheme, holdings, locations, thinnest_m)
        problems += found
        notes += said
    return RangeCheck(tuple(problems), tuple(notes), len(plan.shelves), len(with_start))


def _locations(plan: Plan) -> list[str | None]:
    return [
        place for place in dict.fromkeys(s.extra.get("location") for s in plan.shelves) if place is not None
    ]


def _quoted(said: str) -> str:
    return said.split("'")[1] if "'" in said else ""


def _neighbours(ranges: ShelfRanges, ends: dict[str, str], loose: bool, policy: Any) -> list[RangeProblem]:
    made: list[RangeProblem] = []
    for left, right in pairwise(ranges.shelves):
        start, following = ranges.range_of(left.id)[0], ranges.range_of(right.id)[0]
        if start == following and not loose:
            made.append(
                RangeProblem(
                    "touch", right.id,
                    f"shelves {left.id!r} and {right.id!r} both start at {right.range_start!r}: all "
                    f"books of that number "
                    f"belong on {right.id!r} (--loose allows it)",
                )
            )  # fmt: skip
    for i, shelf in enumerate(ranges.shelves):
        if shelf.id not in ends:
            continue
        end = sort_keys(ranges.scheme, [ends[shelf.id]], policy)[0]
        if end is None:
            made.append(
                RangeProblem(
                    "unreadable_start",
                    shelf.id,
                    f"shelf {shelf.id!r}: its end {ends[shelf.id]!r} is no {ranges.scheme} number",
                )
            )
            continue
        if end < ranges.range_of(shelf.id)[0]:
            made.append(
                RangeProblem(
                    "overlap", shelf.id, f"shelf {shelf.id!r} ends at {ends[shelf.id]!r}, before its start"
                )
            )
            continue
        if i + 1 == len(ranges.shelves):
            continue
        after = ranges.shelves[i + 1]
        following = ranges.range_of(after.id)[0]
        if end > following or (end == following and not loose):
            made.append(
                RangeProblem(
                    "overlap", shelf.id,
                    f"shelf {shelf.id!r} ends at {ends[shelf.id]!r}, and {after.id!r} starts at {after.range_start!r}",
                )
            )  # fmt: skip
    return made


def _books(
    plan: Plan, scheme: str, holdings: Holdings, locations: Sequence[str | None], thinnest_m: float
) -> tuple[list[RangeProblem], list[str]]:
    """Hold the ranges against the books: who has no shelf, and which shelf too many."""
    problems: list[RangeProblem] = []
    notes: list[str] = []
    mine = [i for i, its in enumerate(holdings.column("scheme").tolist()) if its == scheme]
    texts = holdings.column("call_number")
    keys = sort_keys(scheme, [texts[i] for i in mine], policy_of(plan))
    homes, statuses = holdings.column("home_location"), holdings.column("status")
    shelf_ids = {shelf.id: shelf for shelf in plan.shelves}
    by_location = {place: ShelfRanges(plan, scheme, place) for place in (locations or [None])}
    before: Counter[str | None] = Counter()
    nowhere: Counter[str] = Counter()
    books: Counter[str] = Counter()
    elsewhere: Counter[str] = Counter()
    example: dict[str | None, str] = {}
    unread = 0
    for i, key in zip(mine, keys, strict=True):
        if key is None:
            unread += 1
            continue
        its = homes[i]
        kept_on = shelf_ids.get(its)
        location = (kept_on.extra.get("location") if kept_on is not None else its) if locations else None
        ranges = by_location.get(location)
        if ranges is None:
            nowhere[its] += 1
            continue
        home = ranges.home_of_key(key)
        if home is None:
            before[location] += 1
            example.setdefault(location, texts[i])
            continue
        if statuses[i] == "available":
            books[home.id] += 1
        if kept_on is not None and all(s.id != its for s in (home, *ranges.going_on(home.id))):
            elsewhere[home.id] += 1
    for location, n in before.items():
        where = f" of location {location!r}" if location is not None else ""
        problems.append(
            RangeProblem(
                "before_first",
                "",
                f"{n:,} books{where} stand before the first start, such as {example[location]!r}",
            )
        )
    for its, n in nowhere.most_common():
        problems.append(
            RangeProblem(
                "no_shelf", "", f"{n:,} books are of location {its!r}, of which the plan has no shelf"
            )
        )
    if unread:
        notes.append(f"{unread:,} of {len(mine):,} {scheme} call numbers cannot be read and were left out")
    if elsewhere:
        notes.append(
            f"{sum(elsewhere.values()):,} books have a home shelf in the catalogue that their range contradicts"
        )
    for ranges in by_location.values():
        for shelf in ranges.shelves:
            board = [shelf, *ranges.going_on(shelf.id)]
            length = sum(s.to_m - s.from_m for s in board)
            n = books[shelf.id]
            if n == 0:
                problems.append(
                    RangeProblem(
                        "empty", shelf.id, f"shelf {shelf.id!r}: no book that should be in has its range"
                    )
                )
            elif length / n < thinnest_m:
                problems.append(
                    RangeProblem(
                        "too_full", shelf.id,
                        f"shelf {shelf.id!r}: {n:,} books have its range, {1000 * length / n:.1f} mm "
                        f"each on {length:.2f} m: a "
                        "start behind it is missing or wrong",
                    )
                )  # fmt: skip
    return problems, notes
