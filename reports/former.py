"""What one night adds to the memory, and what the memory adds to a night's accusations.

Two nights that each call a book misplaced say more than one, but not twice as much: the same robot drives the same way
past the same shelf and errs alike. Of a night's evidence (log-odds beyond the usual share of misplaced books) a small
part is kept for the next nights, as long as the book is heard at the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.books import Catalogue, Shelved
from reports.gaps import Gaps
from reports.memory import AWAY, DEAD, GONE, HERE, Memory
from reports.misplaced import Judgement
from reports.missing import Silent
from reports.odd import on_the_move
from reports.places import Places
from reports.policy import Policy
from reports.silence import Past

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_KEPT = 0.15  # of a night's evidence for the next one: nights of one robot err alike
_FADES = 0.5  # what is left of the nights before at each further night
_SAME_M = 0.05  # a book farther off than this from where it was has been moved: old evidence is not about it
_MOST = 5.0  # log-odds one night may say
_ON_TROLLEY = 0.9  # a tag that moves is on a trolley, most likely


@dataclass(frozen=True)
class Lesson:
    """What a night says of the copies it looked at; see `learn`."""

    shelved: Shelved
    tonight: Judgement
    silent: Silent
    gaps: Gaps


def with_former(v: Judgement, s: Shelved, past: Past, policy: Policy) -> Judgement:
    """Add what former nights said of books heard at the same place."""
    rows, kept = _same_place(s, past)
    if not np.any(kept):
        return v
    shelf, order = v.wrong_shelf.copy(), v.wrong_order.copy()
    for chance in (shelf, order):
        asked = chance[rows] > 0.0
        at, by = rows[asked], kept[asked]
        chance[at] = np.minimum(_sigmoid(_logit(chance[at]) + by), 0.995)
    accused = np.maximum(shelf, order) >= policy.accuse_from
    return replace(v, wrong_shelf=shelf, wrong_order=order, right=v.right & ~accused)


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
    heard = np.flatnonzero(s.copy >= 0)
    copy = s.copy[heard]
    quiet = np.flatnonzero(silent.looked)
    named = silent.copy[quiet]
    new: dict[str, npt.NDArray[Any]] = _carried(old, past, n)
    states = np.stack([new[name] for name in ("p_here", "p_dead", "p_away", "p_gone")], axis=1)
    # Heard after nights of silence: it was there all along, or came back. What it most likely was tells its tag.
    new["missed"][copy] += (past.stayed * past.silent)[copy]
    new["heard"][copy] += 1.0
    new["silent"][copy] = 0.0
    new["heard_at"][copy] = now
    ids = np.array([*(p.id for p in places.rows), ""], object)
    new["heard_shelf"][copy] = ids[s.place[heard]]
    new["heard_m"][copy] = s.offset_m[heard]
    states[copy] = 0.0
    states[copy, HERE] = 1.0
    moving = copy[on_the_move(s, policy)[heard]]
    states[moving, HERE], states[moving, AWAY] = 1.0 - _ON_TROLLEY, _ON_TROLLEY
    new["strength"][copy] = _strength(lesson, heard, past)
    new["wrong"][copy] = _evidence_kept(lesson.tonight, s, heard, past, policy)
    new["silent"][named] += 1.0
    states[named] = silent.states[quiet]
    for i, name in ((HERE, "p_here"), (DEAD, "p_dead"), (AWAY, "p_away"), (GONE, "p_gone")):
        new[name] = states[:, i]
    new["at"][copy] = new["at"][named] = now
    made = Memory(catalogue.barcode, catalogue.epc, **_typed(new))
    del new, states
    made = made if bool(np.all(made.at > 0)) else made.select(made.at > 0)
    return _with_others(made, old, catalogue)


def _carried(old: Memory, past: Past, n: int) -> dict[str, npt.NDArray[Any]]:
    """Return the old columns in the catalogue's order; nothing known where the memory has no row."""
    known = np.flatnonzero(past.row >= 0)
    rows = past.row[known]
    blanks: Mapping[str, Any] = {"strength": np.nan, "heard_m": np.nan, "heard_shelf": ""}
    out: dict[str, npt.NDArray[Any]] = {}
    for name in Memory.__dataclass_fields__:
        if name in ("barcode", "epc"):
            continue
        column = getattr(old, name)
        out[name] = np.full(n, blanks.get(name, 0), column.dtype)
        out[name][known] = column[rows]
    return out


def _typed(columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {k: c.astype(np.float32) if c.dtype == np.float64 else c for k, c in columns.items()}


def _with_others(made: Memory, old: Memory, catalogue: Catalogue) -> Memory:
    """Keep what is remembered of copies that tonight's catalogue does not name: it may be a part of the whole."""
    if not len(old):
        return made
    if len(old) == len(made) and bool(np.all(old.barcode == made.barcode)):
        return made
    here = set(catalogue.barcode.tolist())
    others = old.select(np.fromiter((b not in here for b in old.barcode.tolist()), bool, len(old)))
    if not len(others):
        return made
    joined = {f: np.concatenate([getattr(made, f), getattr(others, f)]) for f in Memory.__dataclass_fields__}
    return Memory(**joined)


def _strength(lesson: Lesson, heard: Ints, past: Past) -> Floats:
    """Return the mean log-ratio of each heard tag's readings to its neighbours', tonight included."""
    s = lesson.shelved
    copy = s.copy[heard]
    near = lesson.gaps.readings_nearby(s.place[heard], s.rank[heard])
    tonight = np.log((s.positions.readings[heard] + 0.5) / (near + 0.5))
    nights, before = past.nights[copy], past.strength[copy]
    mean = np.where(np.isfinite(before), (before * nights + tonight) / (nights + 1.0), tonight)
    return np.where(np.isfinite(tonight) & (s.place[heard] >= 0), mean, before)


def _evidence_kept(v: Judgement, s: Shelved, heard: Ints, past: Past, policy: Policy) -> Floats:
    chance = np.clip(np.maximum(v.wrong_shelf, v.wrong_order)[heard], 1e-3, 0.999)
    usual = np.where(
        v.wrong_shelf[heard] >= v.wrong_order[heard], policy.misshelved_share, policy.disorder_share
    )
    tonight = np.clip(_logit(chance) - _logit(usual), -_MOST, _MOST)
    rows, kept = _same_place(s, past)
    before = np.zeros(len(s))
    before[rows] = kept
    return np.where(s.place[heard] >= 0, _FADES * before[heard] + _KEPT * tonight, 0.0)


def _same_place(s: Shelved, past: Past) -> tuple[Ints, Floats]:
    """Return the rows of the books heard where they were heard last, and what was kept of the evidence then."""
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0))
    copy = s.copy[rows]
    same = (past.place[copy] == s.place[rows]) & (np.abs(past.heard_m[copy] - s.offset_m[rows]) <= _SAME_M)
    return rows[same], past.wrong[copy[same]]


def _logit(p: Floats) -> Floats:
    return np.log(p) - np.log1p(-p)


def _sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))
