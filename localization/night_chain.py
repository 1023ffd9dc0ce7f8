"""Whether a tag stayed, was moved or left: a hidden Markov chain over the nights, one a tag.

States are the places where any night has the tag (its best and its second best), and away. A tag stays with a chance,
is put elsewhere, goes or comes back; what a night says of it is likely by its bars, by the posterior of its shelf and
by the chance of being silent there. Forward and backward sums (Rabiner, Proceedings of the IEEE 77, 1989, III) give the
posterior of every state on every night; how often tags move and go is learnt from the nights themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.night_coverage import Hearing
from localization.night_errors import REPLACED_M, Errors
from localization.night_shifts import Shifts
from localization.night_table import NightTable

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Chances a night before anything is seen, each worth so many tags' nights: moved, gone, come (back).
MOVE, GO, COME, WORTH = 0.005, 0.01, 0.05, 200.0
#: Half of what is moved is put back on the same shelf.
SAME_SHELF = 0.5
#: What a night's posterior leaves to shelves that it does not name lies on the face it names, within so far along it,
#: but for so small a share (in simulated libraries of all kinds no tag was put on a wrong shelf farther off).
NEAR_M, FAR_SHARE = 1.0, 0.03
#: Chance of a place that is wrong beyond all that, and of tags heard that stand nowhere (on a trolley, in a hand).
ANYWHERE, PASSING = 1e-4, 1e-3
#: No shelf is surer than this.
LEAST_REST = 3e-4
#: A tag whose own place nobody drove past is heard all the same, through its bookcase or in passing, so often, and then
#: put within so far of it; there it may be put on so many metres of shelf.
FROM_BEHIND, BEHIND_M, BEHIND_SHELF_M = 0.3, 1.5, 15.0
#: A night that expects so much less than another one of a place did not drive past all of it.
PASSED_SHARE = 0.3
#: However little coverage promises, so often a tag is heard that stands there.
HEARD_LEAST = 0.02
#: Share of tags whose nights differ by all that their bars allow, not by what nights usually differ.
STATED = 0.1
#: Second best places count from this posterior on.
ALT_FROM = 0.02
#: Places of one tag this many deviations apart are one place.
ONE_PLACE = 3.0
#: Moves and losses count for how often they happen from this posterior on.
LIKELY = 0.5
ROUNDS = 2
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Rates:
    """Chances a night that a tag is moved, goes, or comes (back)."""

    move: float = MOVE
    go: float = GO
    come: float = COME


@dataclass(frozen=True, slots=True)
class Chain:
    """What became of each tag.

    Attributes
    ----------
    place : int64 array, shape (t,)
        Where it stands now; where it stood last for one that is gone. -1: no night placed it.
    here : bool array, shape (t, k)
        The nights that heard it there.
    by_second : bool array, shape (t, k)
        Of those, the ones that had it there as their second best place.
    p_present, p_moved : float64 array, shape (t,)
        Posterior that it is there on the last night; that it then stands elsewhere than where it was first heard.
    rates : Rates
    """

    place: Ints
    here: Bools
    by_second: Bools
    p_present: Floats
    p_moved: Floats
    rates: Rates


def follow(table: NightTable, shifts: Shifts, errors: Errors, hearing: Hearing) -> Chain:
    """Follow every tag over the nights."""
    rates, tags = Rates(), len(table.epc)
    chain = None
    for _ in range(ROUNDS):
        parts = [
            _follow(np.arange(first, min(first + CHUNK, tags)), table, shifts, errors, hearing, rates)
            for first in range(0, tags, CHUNK)
        ]
        # A tag that was in no place to begin with has no nights to move in.
        steps = float((table.place >= 0).any(axis=1).sum() * (len(table.nights) - 1))
        chain = _joined(parts, rates) if parts else _nothing(table, rates)
        placed = chain.place >= 0
        # Doubts of many tags, which share their cause, must not feed each other: rates are learnt from what is likely.
        moved, gone = (
            float(np.where(p > LIKELY, p, 0.0).sum())
            for p in (chain.p_moved[placed], 1.0 - chain.p_present[placed])
        )
        rates = Rates(
            max(MOVE, (moved + MOVE * WORTH) / (steps + WORTH)), max(GO, (gone + GO * WORTH) / (steps + WORTH)), COME
        )  # fmt: skip
    assert chain is not None
    return chain


def _joined(parts: Sequence[Chain], rates: Rates) -> Chain:
    return Chain(
        place=np.concatenate([part.place for part in parts]),
        here=np.concatenate([part.here for part in parts]),
        by_second=np.concatenate([part.by_second for part in parts]),
        p_present=np.concatenate([part.p_present for part in parts]),
        p_moved=np.concatenate([part.p_moved for part in parts]),
        rates=rates,
    )


def _nothing(table: NightTable, rates: Rates) -> Chain:
    none = np.zeros((0, len(table.nights)), np.bool_)
    return Chain(np.zeros(0, np.int64), none, none, np.zeros(0), np.zeros(0), rates)


def _follow(
    rows: Ints, table: NightTable, shifts: Shifts, errors: Errors, hearing: Hearing, rates: Rates
) -> Chain:
    tags, count = len(rows), len(table.nights)
    place = np.concatenate([table.place[rows], table.alt_place[rows]], axis=1)
    offset = np.concatenate(
        [table.offset_m[rows] - shifts.own[rows], table.alt_offset_m[rows] - shifts.alt[rows]], axis=1
    )
    sigma = np.concatenate([table.sigma_local_m[rows]] * 2, axis=1)
    p = np.concatenate(
        [np.nan_to_num(table.p_shelf[rows], nan=1.0), np.nan_to_num(table.p_alt[rows])], axis=1
    )
    states = (place >= 0) & (np.arange(2 * count) < count) | (place >= 0) & (p > ALT_FROM)
    total_m = float(table.length_m.sum())
    # Near: where night n's best (first) or second best place (last) is against every state.
    emission, from_first, from_second = _emissions(
        table, rows, place, offset, sigma, p, states, errors, hearing, total_m
    )
    # A state stands for the places that its own night's word does not tell apart: so wide a piece of shelf.
    width = 1.0 / _density(np.zeros_like(sigma), sigma, sigma, errors)
    length = np.where(place >= 0, table.length_m[np.maximum(place, 0)], 1.0)
    anywhere = np.where(states, width / total_m, 0.0)
    nearby = np.where(states, SAME_SHELF * width / length, 0.0)
    same = (place[:, :, None] == place[:, None, :]) & states[:, :, None] & states[:, None, :]
    forward, stayed, backward = _sums(emission, same, anywhere, nearby, table.heard[rows], rates)
    posterior = forward * backward
    posterior /= posterior.sum(axis=2, keepdims=True)
    p_present = 1.0 - posterior[:, -1, -1]
    # Where it stands now, or stood before it went: states that are one place count together.
    seen = posterior[:, :, :-1]
    last = np.where(p_present >= 0.5, count - 1, _last_here(seen))
    now = seen[np.arange(tags), last]
    gap = np.abs(offset[:, :, None] - offset[:, None, :])
    near = gap <= ONE_PLACE * np.hypot(sigma[:, :, None], sigma[:, None, :])
    one = np.asarray(same & near, np.bool_)
    mass = np.einsum("tij,tj->ti", one.astype(np.float64), now)
    best = np.argmax(np.where(states, mass + 1e-9 * now, -1.0), axis=1)
    chosen = one[np.arange(tags), best] | (np.arange(2 * count) == best[:, None])
    there = np.einsum("tkc,tc->tk", seen, chosen.astype(np.float64))
    by_first = np.einsum("tkc,tkc,tc->tk", seen, from_first, chosen.astype(np.float64))
    by_second = np.einsum("tkc,tkc,tc->tk", seen, from_second, chosen.astype(np.float64))
    here: Bools = (by_first + by_second > 0.5 * np.maximum(there, 1e-12)) & (there > 0.5)
    placed = states.any(axis=1)
    # No night alone saw it there: then the state's own night stands for it.
    lonely = placed & ~here.any(axis=1)
    here[lonely, best[lonely] % count] = True
    second: Bools = np.asarray(by_second > by_first, np.bool_)
    second[lonely, best[lonely] % count] = best[lonely] >= count
    here &= np.any(states, axis=1, keepdims=True)
    p_moved = 1.0 - stayed / np.maximum(forward[:, -1, :-1].sum(axis=1), 1e-300)
    return Chain(
        np.where(placed, place[np.arange(tags), best], -1), here, second & here, np.where(placed, p_present, np.nan),
        np.where(placed, np.clip(p_moved, 0.0, 1.0), np.nan), rates,
    )  # fmt: skip


def _emissions(
    table: NightTable, rows: Ints, place: Ints, offset: Floats, sigma: Floats, p: Floats, states: Bools,
    errors: Errors, hearing: Hearing, total_m: float,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return how likely each night's word is in each state, shape (t, k, 2 k + 1), scaled for each tag and night.

    Also which share of it the night's best and second best place have, shape (t, k, 2 k) each.
    """
    tags, count = len(rows), len(table.nights)
    heard = table.heard[rows]
    word = np.zeros((tags, count, 2 * count + 1))
    shares = [np.zeros((tags, count, 2 * count)) for _ in range(2)]
    length = np.where(place >= 0, table.length_m[np.maximum(place, 0)], 1.0)
    expected = np.stack(
        [hearing.readings(place[:, c], offset[:, c], table.hf[rows]) for c in range(2 * count)], axis=2
    )  # tags, nights, states
    readings = table.readings[rows].astype(np.float64)
    quiet = np.stack([hearing.silent(expected[:, :, c], readings) for c in range(2 * count)], axis=2)
    # What of a place each night left out that another one drove past.
    most = np.nanmax(
        np.concatenate([np.nan_to_num(expected), np.full((tags, 1, 2 * count), 1e-9)], axis=1), axis=1
    )
    missed = np.clip(1.0 - np.nan_to_num(expected, nan=np.inf) / most[:, None, :], 0.0, 1.0)
    missed = np.where(missed > PASSED_SHARE, missed, 0.0)
    x, y = table.on_map(place, offset)
    face_of = np.where(place >= 0, table.face_of_place[np.maximum(place, 0)], -1)
    # Metres of shelf within reach of a place, on a face of so many boards.
    boards = np.array([len({s.level for s in f.shelves}) or 1 for f in table.plan.faces], np.float64)
    shelves_near = 2.0 * NEAR_M * boards
    for k in range(count):
        named = [(k, p[:, k]), (count + k, p[:, count + k])]
        rest = np.clip(1.0 - named[0][1] - named[1][1], LEAST_REST, 1.0)[:, None]
        face = face_of[:, k : k + 1]
        near = (face_of == face) & (face >= 0) & (np.abs(offset - offset[:, k : k + 1]) <= NEAR_M)
        near &= place != place[:, k : k + 1]
        shelves = shelves_near[np.maximum(face, 0)]
        value = np.where(near, rest * (1.0 - FAR_SHARE) / shelves, rest * FAR_SHARE / total_m)
        value = value + ANYWHERE / total_m
        for number, (column, stated) in enumerate(named):
            told = place[:, column] >= 0
            alike = told[:, None] & (place == place[:, column : column + 1])
            density = _density(
                offset - offset[:, column : column + 1], sigma, sigma[:, column : column + 1], errors
            )
            part = np.where(alike, stated[:, None] * ((1.0 - errors.gross_share) * density), 0.0)
            shares[number][:, k] = part
            value += part + np.where(alike, stated[:, None] * errors.gross_share / length, 0.0)
        unplaced = heard[:, k] & (place[:, k] < 0)
        value[unplaced] = 1.0 / total_m
        value *= np.maximum(1.0 - quiet[:, k], HEARD_LEAST)
        away = np.hypot(x - x[:, k : k + 1], y - y[:, k : k + 1])
        value += np.where(away <= BEHIND_M, missed[:, k] * FROM_BEHIND / BEHIND_SHELF_M, 0.0)
        for share in shares:
            share[:, k] *= np.maximum(1.0 - quiet[:, k], HEARD_LEAST) / np.maximum(value, 1e-300)
        word[:, k, :-1] = np.where(heard[:, k : k + 1], value, quiet[:, k])
        word[:, k, -1] = np.where(heard[:, k], PASSING / total_m, 1.0)
    word[:, :, :-1] *= states[:, None, :]
    word /= np.maximum(word.max(axis=2, keepdims=True), 1e-300)
    return word, shares[0], shares[1]


def _density(gap: Floats, sigma: Floats, own: Floats, errors: Errors) -> Floats:
    """Return the density of how far two nights put a tag apart that was not touched."""
    variance = sigma**2 + own**2
    core = errors.core_share * variance + REPLACED_M**2
    wide = max(errors.own_share, 1.0) * variance + REPLACED_M**2

    def normal(v: Floats) -> Floats:
        return np.exp(-0.5 * np.nan_to_num(gap, nan=1e3) ** 2 / v) / np.sqrt(2.0 * np.pi * v)

    core, wide = np.nan_to_num(core, nan=1.0), np.nan_to_num(wide, nan=1.0)
    return (1.0 - STATED) * normal(core) + STATED * normal(wide)


def _sums(
    emission: Floats, same: Bools, anywhere: Floats, nearby: Floats, heard: Bools, rates: Rates
) -> tuple[Floats, Floats, Floats]:
    """Return forward sums, the part of the last of them that never moved (shape (t,)), and backward sums."""
    tags, count, number = emission.shape
    forward, backward = np.zeros((tags, count, number)), np.ones((tags, count, number))
    stay = 1.0 - rates.move - rates.go
    begins = np.concatenate([(1.0 - rates.go) * anywhere, np.full((tags, 1), rates.go)], axis=1)
    now = begins * emission[:, 0]
    calm = now.copy()
    for k in range(count):
        if k > 0:
            moved = np.einsum("tij,ti->tj", same.astype(np.float64), now[:, :-1]) * nearby
            moved += (1.0 - SAME_SHELF) * now[:, :-1].sum(axis=1, keepdims=True) * anywhere
            step, still = np.empty_like(now), np.empty_like(now)
            came = rates.come * now[:, -1:] * anywhere
            step[:, :-1] = stay * now[:, :-1] + rates.move * moved + came
            step[:, -1] = rates.go * now[:, :-1].sum(axis=1) + (1.0 - rates.come) * now[:, -1]
            # Before its first night a tag may have come; once heard it has to stay.
            new = np.logical_not(np.any(heard[:, :k], axis=1, keepdims=True))
            still[:, :-1] = stay * calm[:, :-1] + np.where(new, rates.come * calm[:, -1:] * anywhere, 0.0)
            still[:, -1] = np.where(new[:, 0], (1.0 - rates.come) * calm[:, -1], 0.0)
            now, calm = step * emission[:, k], still * emission[:, k]
        scale = np.maximum(now.sum(axis=1, keepdims=True), 1e-300)
        now, calm = now / scale, calm / scale
        forward[:, k] = now
    for k in range(count - 2, -1, -1):
        after = backward[:, k + 1] * emission[:, k + 1]
        put = np.einsum("tij,tj->ti", same.astype(np.float64), after[:, :-1] * nearby)
        put += (1.0 - SAME_SHELF) * (after[:, :-1] * anywhere).sum(axis=1, keepdims=True)
        before = np.empty_like(after)
        before[:, :-1] = stay * after[:, :-1] + rates.move * put + rates.go * after[:, -1:]
        before[:, -1] = (
            rates.come * (after[:, :-1] * anywhere).sum(axis=1) + (1.0 - rates.come) * after[:, -1]
        )
        backward[:, k] = before / np.maximum(before.max(axis=1, keepdims=True), 1e-300)
    return forward, calm[:, :-1].sum(axis=1), backward


def _last_here(seen: Floats) -> Ints:
    """Return the newest night on which a tag was likelier there than away, shape (t,)."""
    there = seen.sum(axis=2) >= 0.5
    return there.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1).astype(np.int64)
