"""From what staff recorded to seconds between lines: who dealt with what when, and which times tell anything.

The time between two acts of one person is what the second line took: the walk to it, what is put down on the way, and
the handling. Acts entered together afterwards, breaks, and lines without a place tell nothing of that and are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reports.case import BY_STAFF, SCANNER, Case
from reports.findings import Finding
from reports.ledger_mornings import LATE, Took
from reports.pace import Pace
from reports.walk import NOWHERE, Walk

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PUT_SHARE = 0.5
"""Of the handling of a book that is carried to another shelf, the part that is done there (two finds: one each)."""

_APART = timedelta(hours=4)  # without any act between them: two mornings
_TOGETHER_S = 5.0  # nobody deals with a line and tells of it faster
_FASTEST_MPS = 2.5  # nor walks faster
_LEAST_M = 5.0  # below this, places are too coarse to say how fast somebody walked
_TYPED, _TYPED_S, _TYPED_SHARE = (
    5,
    15.0,
    0.3,
)  # so many times in a row, each below, all below this share of the assumed
_COLUMNS = ("seconds", "walk", "put", "hand")
_BREAK_S, _BREAK_TIMES, _SURE_BREAK_S = 300.0, 6.0, 900.0


@dataclass(frozen=True, slots=True)
class Act:
    """What one person said was done about one line.

    Attributes
    ----------
    at : datetime
    who : str
    case : Case
    kind : str
        What the case was about just then.
    """

    at: datetime
    who: str
    case: Case
    kind: str


@dataclass(frozen=True)
class Times:
    """Times between acts, those that tell something; columns of one length.

    Attributes
    ----------
    seconds : float64 array
    walk, put, hand : float64 arrays
        Seconds assumed for the walk, for putting down books on the way out, and for the line itself.
    kind : list of str
        Of the line.
    morning : int64 array
        Index of the morning, the oldest first.
    together, breaks, unknown : int
        Times left out: of acts entered together, with a break, of lines whose place or share is not known.
    """

    seconds: Floats
    walk: Floats
    put: Floats
    hand: Floats
    kind: list[str]
    morning: Ints
    together: int = 0
    breaks: int = 0
    unknown: int = 0


def mornings_of(times: Iterable[datetime], most: int) -> list[datetime]:
    """Return when mornings began: at times with nothing in the four hours before, the last `most` of them."""
    starts: list[datetime] = []
    before: datetime | None = None
    for at in sorted(times):
        if before is None or at - before > _APART:
            starts.append(at)
        before = at
    return starts[-most:]


def morning_index(at: datetime, starts: list[datetime]) -> int:
    """Return the index of the morning a time belongs to; -1: it is older than all."""
    return int(np.searchsorted(np.array([s.timestamp() for s in starts]), at.timestamp(), "right")) - 1


def staff_acts(cases: Iterable[Case]) -> list[Act]:
    """Return what people said was done about lines that a mail had shown, in the order of time."""
    made = [
        Act(step.at, step.who.strip(), case, step.kind or case.finding.kind)
        for case in cases
        if case.mailed_at is not None
        for step in case.history
        if step.did in BY_STAFF and step.who != SCANNER
    ]
    return sorted(made, key=lambda act: act.at)


def worked_at(told: Took, cases: Iterable[Case]) -> datetime:
    """Return when the work began that a report of minutes is about, which may be told hours later.

    The first act on its lines, by whomever; where nobody recorded any, the mail that showed them; else its own time.

    Parameters
    ----------
    told
        The report.
    cases
        Those of its lines that are in the ledger.
    """
    since, cases = told.at - LATE, list(cases)
    acts = [s.at for c in cases for s in c.history if s.did in BY_STAFF and s.who != SCANNER]
    if begun := [at for at in acts if since <= at <= told.at]:
        return min(begun)
    mails = [c.mailed_at for c in cases if c.mailed_at is not None and since <= c.mailed_at <= told.at]
    return max(mails, default=told.at)


def times_between(
    acts: list[Act],
    walk: Walk,
    base: Pace,
    starts: list[datetime],
    by_hand: Collection[str] = (),
    *,
    on_way: bool,
) -> Times:
    """Return the times between acts of one person that tell how long a line took.

    Parameters
    ----------
    acts
        As `staff_acts` returns them.
    walk, base
        Ways and seconds as assumed.
    starts
        Of `mornings_of`.
    by_hand
        Kinds whose seconds are set: their times are not asked.
    on_way
        True: books for a place further on are put down when it is passed; False: all at the end.
    """
    persons: dict[tuple[int, str], list[Act]] = {}
    for act in acts:
        morning = morning_index(act.at, starts)
        if morning >= 0:
            persons.setdefault((morning, act.who), []).append(act)
    parts = [
        _of_person(_once(some), morning, walk, base, by_hand, on_way)
        for (morning, _), some in sorted(persons.items(), key=lambda item: item[0])
    ]
    parts = [part for part in parts if part is not None]
    seconds, walked, put, hand = (
        np.concatenate([getattr(p, name) for p in parts] or [np.zeros(0)]) for name in _COLUMNS
    )
    return Times(
        seconds, walked, put, hand,
        [kind for p in parts for kind in p.kind],
        np.concatenate([p.morning for p in parts] or [np.zeros(0, np.int64)]).astype(np.int64),
        together=sum(p.together for p in parts),
        breaks=sum(p.breaks for p in parts),
        unknown=sum(p.unknown for p in parts),
    )  # fmt: skip


def _once(acts: list[Act]) -> list[Act]:
    """Return the acts without second words on the same line."""
    first: dict[str, Act] = {}
    for act in acts:
        first.setdefault(act.case.id, act)
    return list(first.values())


def _of_person(
    acts: list[Act], morning: int, walk: Walk, base: Pace, by_hand: Collection[str], on_way: bool
) -> Times | None:
    if len(acts) < 2:
        return None
    at = np.array([act.at.timestamp() for act in acts])
    seconds = np.diff(at)
    pick = np.array([walk.pick(act.case.finding) for act in acts], np.int64)
    put = np.array([_put(act, walk) for act in acts], np.int64)
    walked, puts = _ways(pick, put, walk, on_way)
    put_s = PUT_SHARE * base.handling("wrong_shelf") * puts
    whole = np.array([base.handling(act.kind) for act in acts[1:]])
    hand = np.where(put[1:] != NOWHERE, 1.0 - PUT_SHARE, 1.0) * whole
    assumed = walked + put_s + hand
    quick = _together(seconds, walked * base.walk_mps, assumed)
    near = quick | np.append(quick[1:], False) | np.insert(quick[:-1], 0, False)
    pause = (seconds > _SURE_BREAK_S) | (seconds > np.maximum(_BREAK_S, _BREAK_TIMES * assumed))
    lost = (pick == NOWHERE) if len(walk) else np.zeros(len(pick), bool)
    same = np.array([_one_block(a.case.finding, b.case.finding) for a, b in pairwise(acts)])
    unknown = lost[1:] | lost[:-1] | same | np.array([act.kind in by_hand for act in acts[1:]])
    tells = ~(near | pause | unknown)
    return Times(
        seconds[tells], walked[tells], put_s[tells], hand[tells],
        [act.kind for act, good in zip(acts[1:], tells, strict=True) if good],
        np.full(int(tells.sum()), morning, np.int64),
        int(near.sum()), int((pause & ~near).sum()), int((unknown & ~near & ~pause).sum()),
    )  # fmt: skip


def _put(act: Act, walk: Walk) -> int:
    f = act.case.finding
    if act.kind != "wrong_shelf" or act.case.resolution == "false_alarm" or not f.belongs_shelf_id:
        return NOWHERE
    return walk.stop(f.belongs_shelf_id, f.belongs_m)


def _one_block(a: Finding, b: Finding) -> bool:
    """Whether two lines are books of one move: they are taken together."""
    return bool(a.move_id) and (a.shelf_id, a.move_id) == (b.shelf_id, b.move_id)


def _ways(pick: Ints, put: Ints, walk: Walk, on_way: bool) -> tuple[Floats, Floats]:
    """Return the seconds walked before each line but the first, and how many books were put down on that way."""
    starts: list[int] = []
    ends: list[int] = []
    of: list[int] = []
    puts = np.zeros(len(pick) - 1)
    cart: list[int] = []
    for i in range(1, len(pick)):
        here, there = int(pick[i - 1]), int(pick[i])
        if put[i - 1] > here:
            cart.append(int(put[i - 1]))
        passed = sorted(stop for stop in cart if here < stop <= there) if on_way else []
        if passed:
            cart = [stop for stop in cart if stop > there]
        puts[i - 1] = len(passed)
        stops = [here, *passed, there]
        starts += stops[:-1]
        ends += stops[1:]
        of += [i - 1] * (len(stops) - 1)
    legs = walk.seconds(np.array(starts, np.int64), np.array(ends, np.int64))
    return np.bincount(np.array(of, np.int64), weights=legs, minlength=len(puts)).astype(np.float64), puts


def _together(seconds: Floats, metres: Floats, assumed: Floats) -> Bools:
    """Return which times lie between acts that were entered one after the other, and not while working."""
    quick = (seconds < _TOGETHER_S) | ((metres > _LEAST_M) & (seconds * _FASTEST_MPS < metres))
    if len(seconds) >= _TYPED:
        window = np.lib.stride_tricks.sliding_window_view
        fast = (window(seconds, _TYPED) < _TYPED_S).all(axis=1)
        typed = fast & (
            window(seconds, _TYPED).sum(axis=1) < _TYPED_SHARE * window(assumed, _TYPED).sum(axis=1)
        )
        for first in np.flatnonzero(typed).tolist():
            quick[first : first + _TYPED] = True
    return quick
