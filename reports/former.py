"""What one night adds to the memory, and what the memory adds to a night's accusations.

A book that was told to stand wrong and is heard at the same place again has not become a likelier slip because staff
have put the others right meanwhile; one that stood right yesterday is not misplaced as likely as a tenth of a
neglected library is. So each book's belief is carried from night to night (the forward recursion of a hidden Markov
model, L. R. Rabiner, Proc. IEEE 77, 1989): it takes the place of the run's base rate as the prior of tonight's
evidence. Two nights that say the same of a book at the same place say more than one, but not twice as much: the same
robot drives the same way past the same shelf and errs alike. With errors carried over by a share ``a`` (a first-order
autoregression) an equal second look adds ``(1 - a) / (1 + a)`` of its log-likelihood ratio. Nights differ in how much
they can tell, so of those that say the same the strongest counts fully, and each weaker one by that part; a night that
says the contrary counts fully.

A belief is about one question: does this book stand wrong, where its record says that home? Another home in the record
makes it another question, and the belief void.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from reports.books import Catalogue, Shelved
from reports.gaps import Gaps
from reports.known_tags import KnownTags
from reports.memory import AWAY, COLUMNS, DEAD, GONE, HERE, Memory
from reports.misplaced import Judgement
from reports.missing import Silent
from reports.odd import on_the_move
from reports.places import Places
from reports.policy import Policy
from reports.silence import DAY_NS, Past, home_names

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_AGAIN = 0.18  # of a night's evidence that says the same again: nights of one robot err alike by .7
# Of a book on another shelf at most so much, in log-odds: a tag that slipped to a shelf mostly slips there again.
_SLIP_AGAIN = 0.25
_SAME_M = 0.05  # a book farther off than this, and than its error bar, from where it was has been moved
_WIDEST_M = 0.3  # bars wider than this say nothing of whether a book has been moved
_BESIDE_M = 1.0  # within this of its shelf a book may have been put back and placed a board too high or low
_TOLD_M = 0.05  # of an offset told worse than this nobody can say that the book stands where it stood
_SPOILED = 0.003  # share of books that come to stand wrong in a day, at most
_CARRIED_ON = 0.5  # of the belief, where a book stands wrong again, but at another place
_MOST = 12.0  # log-odds one night may say
_LEAST = 0.001  # belief stays within this and its counterpart: the world may have changed
_DOUBTED = 0.05  # from this doubt on a book taken to be at home is remembered where it was heard
_BLOCK = 100_000  # rows at a time
_ON_TROLLEY = 0.9  # a tag that moves is on a trolley, most likely


@dataclass(frozen=True)
class Lesson:
    """What a night says of the copies it looked at, with what former nights said of them; see `learn`."""

    shelved: Shelved
    verdict: Judgement
    doubt: Floats
    told: Floats
    silent: Silent
    gaps: Gaps


def shelf_with_former(
    away: Floats, s: Shelved, past: Past, places: Places, policy: Policy
) -> tuple[Floats, Floats]:
    """Weigh the chances of standing on another shelf with each book's own prior, where former nights heard it.

    Parameters
    ----------
    away : float64 array, shape (n,)
        Tonight's chances, as `reports.settle.wrong_shelf_chances` returns them.
    s, past, places, policy

    Returns
    -------
    away : float64 array, shape (n,)
        All nights together.
    told : float64 array, shape (n,)
        Tonight's own log-likelihood ratio, wrong against right; 0 where it cannot be asked.
    """
    rows, before = _before(s, past, places, np.flatnonzero((away > 0.0) & (s.home != s.place)))
    # One that stood on its own shelf, in order or not, says nothing of another shelf.
    belief = np.where(before.elsewhere, before.belief, 0.0)
    # They were made with this share or a smaller one: rather too little is said to be tonight's own word than too much.
    share = policy.misshelved_share
    told = np.where(away > 0.0, _ratio(away, share), 0.0)
    return _carried_on(away, told, rows, before, belief, share, _SLIP_AGAIN), told


def order_with_former(
    v: Judgement, s: Shelved, past: Past, places: Places, policy: Policy
) -> tuple[Judgement, Floats]:
    """Judge the order with each book's own prior, where former nights heard it on its shelf.

    Returns
    -------
    verdict : Judgement
    told : float64 array, shape (n,)
        Tonight's own log-likelihood ratio, out of order against in order.
    """
    share = policy.disorder_share
    told = _ratio(v.wrong_order, share)
    rows, before = _before(s, past, places, np.flatnonzero(v.wrong_order > 0.0))
    mine = ~before.elsewhere
    # Of a place told no better than this nobody can say that the book has not been put right: it is a hand's breadth.
    sharp = np.nan_to_num(s.positions.sigma_along_m[rows], nan=_WIDEST_M) <= _TOLD_M
    before = replace(before, same=before.same & sharp, alike=before.alike | before.close | before.same)
    order = _carried_on(
        v.wrong_order, told, rows[mine], before.select(mine), before.belief[mine], share, _MOST
    )
    accused = np.maximum(v.wrong_shelf, order) >= policy.accuse_from
    return replace(v, wrong_order=order, right=v.right & ~accused), told


def tonights_word(told_shelf: Floats, told_order: Floats, s: Shelved, doubt: Floats) -> Floats:
    """Return what tonight alone says of each tag, wrong against right, as a log-likelihood ratio, shape (n,)."""
    return np.where((s.home != s.place) | (doubt >= _DOUBTED), told_shelf, told_order)


def _ratio(chance: Floats, share: float) -> Floats:
    return np.clip(logit(np.clip(chance, 1e-4, 0.9999)) - logit(share), -_MOST, _MOST)


def _carried_on(
    chance: Floats, told: Floats, rows: Ints, before: _Before, belief: Floats, share: float, cap: float
) -> Floats:
    out = chance.copy()
    fresh = np.minimum(share, _SPOILED * before.days)
    prior = np.where(
        before.same, belief, np.maximum(np.where(before.close, _CARRIED_ON * belief, 0.0), fresh)
    )
    added = np.where(before.alike, _beyond(told[rows], before.told, cap), told[rows])
    out[rows] = np.minimum(expit(logit(np.clip(prior, _LEAST, 1.0 - _LEAST)) + added), 0.995)
    return out


def _beyond(now: Floats, strongest: Floats, cap: float) -> Floats:
    """Return what a night adds to nights that erred alike, of which the strongest said so much."""
    same = np.sign(now) == np.sign(strongest)
    weaker = np.where(np.abs(now) > np.abs(strongest), strongest, now)
    again = np.clip(_AGAIN * weaker, -cap, cap)
    return np.where(same, now - weaker + again, now)


def believed_misplaced(s: Shelved, past: Past, places: Places, policy: Policy) -> Bools:
    """Return which tags stand where former nights already knew them to be misplaced, shape (n,): no news tonight."""
    out = np.zeros(len(s), bool)
    heard = np.flatnonzero(s.copy >= 0)
    believed = expit(past.wrong[s.copy[heard]].astype(np.float64)) >= policy.doubt_from
    rows, before = _before(s, past, places, heard[believed])
    out[rows] = before.same & before.elsewhere
    return out


def learn(
    memory: Memory | None,
    lesson: Lesson,
    past: Past,
    catalogue: Catalogue,
    places: Places,
    now: int,
    policy: Policy,
) -> Memory:
    """Return the memory after this night (`now` in ns UTC); copies the night did not look at keep their rows."""
    s, silent = lesson.shelved, lesson.silent
    old = Memory.empty() if memory is None else memory
    n = len(catalogue)
    tags = _tags(
        old, past, catalogue, now
    )  # first: what it takes on the way is not wanted beside all columns
    heard = np.flatnonzero(s.copy >= 0)
    copy = s.copy[heard]
    quiet = np.flatnonzero(silent.looked)
    named = silent.copy[quiet]
    new: dict[str, npt.NDArray[Any]] = _carried(old, past, n)
    states = np.stack([new[name] for name in ("p_here", "p_dead", "p_away", "p_gone")], axis=1)
    # Heard after nights of silence: it was there all along, or came back. What it most likely was tells its tag.
    new["missed"][copy] += (past.stayed * past.silent)[copy]
    back = copy[(past.silent[copy] > 0.0) & (past.heard_at[copy] > 0)]
    ended = past.came[back]
    # It was away from night to night, and came back on some day since the last: which, that day's chance tells.
    last = past.heard_at if past.judged is None else past.judged
    gap = np.maximum(now - last[back], 0) / DAY_NS
    days = np.maximum(past.silent[back] - 1.0, 0.0) * _days_apart(old)
    days = days + _days_until(gap, past.rates.back_per_day)
    new["returns"][back] += ended
    new["away"][back] += ended * days
    new["heard"][copy] += 1.0
    new["silent"][copy] = 0.0
    new["heard_at"][copy] = now
    ids = np.array([*(p.id for p in places.rows), ""], object)
    # Where localization put it is remembered of a book about which there is doubt, although it was taken to be at home.
    doubt = lesson.doubt[heard]
    put, put_m, unsure = s.place[heard], s.offset_m[heard], np.flatnonzero(doubt >= _DOUBTED)
    placed = s.positions.select(heard[unsure])
    put[unsure], put_m[unsure] = places.number(placed.shelf_id, placed.face_id), placed.offset_m
    new["heard_shelf"][copy], new["heard_m"][copy] = ids[put], put_m
    states[copy] = 0.0
    states[copy, HERE] = 1.0
    moving = copy[on_the_move(s, policy)[heard]]
    states[moving, HERE], states[moving, AWAY] = 1.0 - _ON_TROLLEY, _ON_TROLLEY
    for part in _blocks(heard):
        theirs = s.copy[part]
        new["strength"][theirs] = _strength(lesson, part, past)
        new["wrong"][theirs] = _belief(lesson, part)
        new["told"][theirs] = _strongest(lesson.told, s, past, places, part)
    new["wrong_home"][copy] = np.where(s.place[heard] >= 0, home_names(catalogue, places)[copy], "")
    new["silent"][named] += 1.0
    states[named] = silent.states[quiet]
    for i, name in ((HERE, "p_here"), (DEAD, "p_dead"), (AWAY, "p_away"), (GONE, "p_gone")):
        new[name] = states[:, i]
    looked = np.concatenate([copy, named])
    looked = looked[new["at"][looked] > 0]
    new["watched"][looked] += np.maximum(now - new["at"][looked], 0) / DAY_NS
    new["at"][copy] = new["at"][named] = now
    columns: dict[str, Any] = {"barcode": catalogue.barcode, "epc": catalogue.epc, **_typed(new)}
    del new, states
    kept = columns["at"] > 0
    if not kept.all():
        # Column by column: of copies that no night has said anything of there may be many.
        for name, column in columns.items():
            columns[name] = column[kept]
        tags = tags.renumbered(np.where(kept, np.cumsum(kept) - 1, -1))
    made = Memory(**columns, tags=tags)
    return _with_others(made, old, past, catalogue)


def _days_apart(old: Memory) -> float:
    """Return how far nights of this library are apart, in days, on average."""
    nights = float((old.heard + old.silent).sum(dtype=np.float64)) - len(old)
    return float(old.watched.sum(dtype=np.float64)) / nights if nights >= 1.0 else 1.0


def _days_until(within: Floats, chance: float) -> Floats:
    """Return after how many days something with a daily chance came about that came about within so many days."""
    days = np.maximum(within, 1.0)
    none = (1.0 - chance) ** days
    return 1.0 / chance - days * none / (1.0 - none)


def _carried(old: Memory, past: Past, n: int) -> dict[str, npt.NDArray[Any]]:
    """Return the old columns in the catalogue's order; nothing known where the memory has no row."""
    known = np.flatnonzero(past.row >= 0)
    rows = past.row[known]
    blanks: Mapping[str, Any] = {"strength": np.nan, "heard_m": np.nan, "heard_shelf": "", "wrong_home": ""}
    out: dict[str, npt.NDArray[Any]] = {}
    for name in COLUMNS:
        if name in ("barcode", "epc"):
            continue
        column = getattr(old, name)
        out[name] = np.full(n, blanks.get(name, 0), column.dtype)
        out[name][known] = column[rows]
    return out


def _typed(columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {k: c.astype(np.float32) if c.dtype == np.float64 else c for k, c in columns.items()}


def _with_others(made: Memory, old: Memory, past: Past, catalogue: Catalogue) -> Memory:
    """Keep what is remembered of copies that tonight's catalogue does not name: it may be a part of the whole."""
    apart = np.ones(len(old), bool)
    apart[past.row[past.row >= 0]] = False
    rows = np.flatnonzero(apart)
    if not len(rows):
        return made
    here = set(catalogue.barcode.tolist())
    others = old.select(rows[[b not in here for b in old.barcode[rows].tolist()]])
    if not len(others):
        return made
    joined = {f: np.concatenate([getattr(made, f), getattr(others, f)]) for f in COLUMNS}
    theirs = others.tags.renumbered(np.arange(len(others)) + len(made))
    return Memory(**joined, tags=theirs.after(made.tags, catalogue.tags.refuted))


def _tags(old: Memory, past: Past, catalogue: Catalogue, now: int) -> KnownTags:
    """Return which tags the catalogue's copies are known to carry after tonight, with rows of the catalogue."""
    tonight = catalogue.tags.read_as
    tonight = replace(tonight, at=np.full(len(tonight), now, np.int64))
    before = old.tags
    if len(before):
        copies = np.full(len(old), -1, np.int64)
        known = np.flatnonzero(past.row >= 0)
        copies[past.row[known]] = known
        before = before.renumbered(copies)
    return before.after(tonight, catalogue.tags.refuted)


def _strength(lesson: Lesson, heard: Ints, past: Past) -> Floats:
    """Return the mean log-ratio of each heard tag's readings to its neighbours', tonight included."""
    s = lesson.shelved
    copy = s.copy[heard]
    near = lesson.gaps.readings_nearby(s.place[heard], s.rank[heard])
    tonight = np.log((s.positions.readings[heard] + 0.5) / (near + 0.5))
    nights, before = past.nights[copy].astype(np.float64), past.strength[copy].astype(np.float64)
    mean = np.where(np.isfinite(before), (before * nights + tonight) / (nights + 1.0), tonight)
    return np.where(np.isfinite(tonight) & (s.place[heard] >= 0), mean, before)


def _belief(lesson: Lesson, heard: Ints) -> Floats:
    v, doubt = lesson.verdict, lesson.doubt[heard]
    chance = np.clip(np.maximum(v.wrong_shelf[heard], v.wrong_order[heard]), _LEAST, 1.0 - _LEAST)
    belief = np.where(lesson.shelved.place[heard] >= 0, logit(chance), 0.0)
    return np.where(doubt >= _DOUBTED, logit(np.clip(doubt, _LEAST, 0.5)), belief)


@dataclass(frozen=True)
class _Before:
    """What is remembered of books heard tonight and before; one row a book.

    `belief` that it stood wrong where it was last heard, whether that was on another shelf than its own (`elsewhere`),
    whether it is heard there again (`same`) or `close` by, whether tonight errs `alike`, and the days between. `told`
    is what the strongest of those nights said. Copies whose record names another home now are none of them.
    """

    belief: Floats
    told: Floats
    elsewhere: Bools
    same: Bools
    close: Bools
    alike: Bools
    days: Floats

    def select(self, rows: Bools) -> _Before:
        return _Before(*(getattr(self, f.name)[rows] for f in fields(self)))


def _before(s: Shelved, past: Past, places: Places, rows: Ints) -> tuple[Ints, _Before]:
    """Return those of the rows whose books were heard before, and what is remembered of them."""
    rows = rows[(s.copy[rows] >= 0) & (s.place[rows] >= 0)]
    copy = s.copy[rows]
    rows = rows[past.about[copy] & (past.place[copy] >= 0) & np.isfinite(past.heard_m[copy])]
    copy = s.copy[rows]
    place, bar = past.place[copy], np.nan_to_num(s.positions.sigma_along_m[rows], nan=_WIDEST_M)
    by_m = np.abs(past.heard_m[copy] - s.offset_m[rows])
    near = by_m <= np.clip(2.0 * bar, _SAME_M, _WIDEST_M)
    close = (by_m <= np.maximum(2.0 * bar, _WIDEST_M)) & (
        places.face_index[place] == places.face_index[s.place[rows]]
    )
    # Far from its shelf last night and beside it tonight: most likely put back, and placed a board too high or low.
    p = s.positions
    close |= places.distance_m(s.home[rows], p.x_m[rows], p.y_m[rows], p.z_m[rows]) > _BESIDE_M
    # Between two boards a place may come out as either.
    same = near & ((place == s.place[rows]) | (place == s.alt[rows]))
    days = np.ones(len(rows))
    if past.now and past.judged is not None:
        days = np.clip((past.now - past.judged[copy]) / DAY_NS, 1.0, 30.0)
    elsewhere = place != s.home[rows]
    belief = expit(past.wrong[copy].astype(np.float64))
    return rows, _Before(belief, past.told[copy].astype(np.float64), elsewhere, same, close, same, days)


def _strongest(told: Floats, s: Shelved, past: Past, places: Places, heard: Ints) -> Floats:
    """Return the strongest of tonight's word and of nights before that said the same of the place; rows ascend."""
    out = told[heard]
    rows, before = _before(s, past, places, heard)
    same = before.same & (np.sign(told[rows]) == np.sign(before.told))
    weaker = same & (np.abs(before.told) > np.abs(told[rows]))
    out[np.searchsorted(heard, rows[weaker])] = before.told[weaker]
    return out


def _blocks(rows: Ints) -> Iterator[Ints]:
    """Yield the rows in parts: what is worked out of them is a dozen columns, too much of a million books at once."""
    for first in range(0, len(rows), _BLOCK):
        yield rows[first : first + _BLOCK]
