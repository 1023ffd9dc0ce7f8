"""The best list for the minutes there are this morning, in the order of one walk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from reports.case import Case
from reports.exceptions import sort_walking
from reports.findings import KINDS, Finding
from reports.ledger_policy import Life, waiting
from reports.ledger_text import L
from reports.pace import Pace
from reports.places import Places
from reports.tour import Jobs, choose, total_s
from reports.walk import NOWHERE, Walk
from reports.worth import requests, worth
from stacks.holdings import Holding, Holdings
from stacks.plan import Plan

_TO_DESK = frozenset(("wrong_location", "found", "on_shelf_loaned", "on_shelf_status", "listed"))


@dataclass(frozen=True, slots=True)
class Worklist:
    """What one person is to do this morning.

    Attributes
    ----------
    findings : tuple of Finding
        In walking order.
    minutes : float
        How long it will take: walking and handling; what is only perhaps missing takes none.
    backlog : mapping of str to int
        By kind, open cases of this recipient that are not listed.
    first_seen : mapping of str to datetime
        By finding id, since when a trouble is known; those that are new tonight are not in it.
    perhaps : frozenset of str
        Ids of lines that are listed and only perhaps missing, and that no reader waits for.
    waiting : tuple of Finding
        Perhaps missing: silent too few nights to be searched for; counted in `backlog` where they are not listed.
    quiet : mapping of str to int
        By kind, known troubles that are no longer shown line by line (dead tags, doubts).
    """

    findings: tuple[Finding, ...]
    minutes: float
    backlog: Mapping[str, int] = field(default_factory=dict[str, int])
    first_seen: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    perhaps: frozenset[str] = frozenset()
    waiting: tuple[Finding, ...] = ()
    quiet: Mapping[str, int] = field(default_factory=dict[str, int])


def make_worklist(
    cases: Sequence[Case],
    plan: Plan | None,
    holdings: Holdings | None,
    *,
    minutes: float | None,
    kinds: Collection[str] | None = None,
    floors: Collection[str] | None = None,
    pace: Pace | None = None,
    zones: Sequence[Finding] = (),
    new_run: str = "",
    mail_from: Mapping[str, float] | None = None,
    life: Life | None = None,
) -> Worklist:
    """Choose the cases that put the most wanted books right in the minutes there are.

    Parameters
    ----------
    cases
        Open cases (`Ledger.open`); resolved ones are left out.
    plan, holdings
        For distances and for how wanted a book is (`requests`, `loans`, `last_activity`).
    minutes
        There are this morning; None: everything, in walking order, the perhaps missing among it and said to be.
        With minutes, those are left for another night unless a reader waits for the book.
    kinds, floors
        What this recipient wants; None: all. A case without a place is on every floor.
    pace
        How fast people walk and work, such as `reports.pace_learning.learn_pace` makes it of a ledger; None: as
        assumed.
    zones
        ``zone_not_scanned`` findings of the night, shown with the list; they take no time.
    new_run
        The night the mail is about: cases it opened are new and not in `first_seen`; empty: the newest.
    mail_from
        By kind, the chance below which a line is not worth a walk (`Feedback.mail_from`).
    life
        When a missing book is confirmed.
    """
    places = Places.of(plan)
    walk = Walk(places, pace or Pace())
    mine = [c for c in cases if not c.resolved and _wanted_by(c.finding, places, kinds, floors)]
    loud = [c for c in mine if not c.quiet]
    books = _books(loud, holdings)
    perhaps = [c for c in loud if waiting(c, life)]
    put_off = {c.id for c in perhaps if minutes is not None and not _waited_for(c, books)}
    sure = mail_from or {}
    ready = [c for c in loud if c.id not in put_off and c.confidence >= sure.get(c.finding.kind, 0.0)]
    unsure = {c.id for c in perhaps}
    asked = {c.id for c in perhaps if _waited_for(c, books)}
    errands = [c for c in ready if c.id not in unsure or c.id in asked]
    chosen, seconds = _chosen(errands, books, places, walk, minutes)
    chosen += [c for c in ready if c.id in unsure and c.id not in asked]  # told, but no part of the walk
    lines = [_line(c.finding, c.id in unsure, c.id in asked) for c in chosen]
    shown = [z for z in zones if _wanted_by(z, places, kinds, floors)]
    taken = {c.id for c in chosen}
    left = Counter(c.finding.kind for c in loud if c.id not in taken)
    newest = new_run or (max(cases, key=lambda c: c.seen_at).seen_run if cases else "")
    return Worklist(
        findings=tuple(sort_walking([*lines, *shown], places)),
        minutes=seconds / 60.0,
        backlog={kind: left[kind] for kind in KINDS if left[kind]},
        first_seen={c.id: c.opened_at for c in chosen if c.opened_run != newest},
        perhaps=frozenset((unsure - asked) & taken),
        waiting=tuple(sort_walking([_line(c.finding, True) for c in perhaps if c.id not in taken], places)),
        quiet=dict(Counter(c.finding.kind for c in mine if c.quiet)),
    )


def _waited_for(case: Case, books: Mapping[str, Holding]) -> bool:
    """Whether a reader waits for the copy, by the catalogue or by staff's list."""
    return requests(books.get(case.finding.barcode)) >= 1.0 or case.finding.purpose in ("wanted", "hold")


def _line(finding: Finding, perhaps: bool, asked: bool = False) -> Finding:
    if not perhaps:
        return finding
    return replace(finding, evidence=finding.evidence + (L.asked_for() if asked else L.perhaps_missing()))


def _wanted_by(
    f: Finding, places: Places, kinds: Collection[str] | None, floors: Collection[str] | None
) -> bool:
    if kinds is not None and f.kind not in kinds:
        return False
    at = places.index.get(f.shelf_id)
    return floors is None or at is None or places.rows[at].floor_id in floors


def _books(cases: Sequence[Case], holdings: Holdings | None) -> dict[str, Holding]:
    about = {c.finding.barcode for c in cases}
    return {h.barcode: h for h in holdings if h.barcode in about} if holdings is not None else {}


def _chosen(
    cases: Sequence[Case], books: Mapping[str, Holding], places: Places, walk: Walk, minutes: float | None
) -> tuple[list[Case], float]:
    if not cases:
        return [], 0.0
    groups = _blocks(cases)
    now = max(c.seen_at for c in cases)
    jobs = _jobs(groups, books, places, walk, now)
    rows = np.arange(len(groups)) if minutes is None else choose(jobs, walk, 60.0 * minutes)
    return [c for i in rows.tolist() for c in groups[i]], total_s(jobs, rows, walk)


def planned_s(cases: Sequence[Case], places: Places, pace: Pace) -> float:
    """Return the seconds that a list of these cases is planned to take: one walk, and what is done on it."""
    if not cases:
        return 0.0
    walk = Walk(places, pace)
    jobs = _jobs(_blocks(cases), {}, places, walk, max(c.seen_at for c in cases))
    return total_s(jobs, np.arange(len(jobs)), walk)


def _blocks(cases: Sequence[Case]) -> list[list[Case]]:
    """Return the cases that are dealt with together: books of one move on one shelf."""
    blocks: dict[tuple[str, str], list[Case]] = {}
    for c in cases:
        f = c.finding
        blocks.setdefault((f.shelf_id, f.move_id) if f.move_id else ("", c.id), []).append(c)
    return list(blocks.values())


def _jobs(
    groups: Sequence[Sequence[Case]],
    books: Mapping[str, Holding],
    places: Places,
    walk: Walk,
    now: datetime,
) -> Jobs:
    pace = walk.pace
    n = len(groups)
    pick, put = np.full(n, NOWHERE, np.int64), np.full(n, NOWHERE, np.int64)
    gain, seconds = np.zeros(n), np.zeros(n)
    for i, group in enumerate(groups):
        f = group[0].finding
        pick[i] = walk.pick(f)
        carried = f.kind in _TO_DESK
        if f.kind == "wrong_shelf" and f.belongs_shelf_id:
            put[i] = walk.stop(f.belongs_shelf_id, f.belongs_m)
            carried = True
        gain[i] = sum(worth(c, books.get(c.finding.barcode), places, now) for c in group)
        load = pace.trip_s / pace.cart_books if carried else 0.0
        seconds[i] = pace.handling(f.kind) + pace.block_s * (len(group) - 1) + load * len(group)
    return Jobs(pick, put, gain, seconds)
