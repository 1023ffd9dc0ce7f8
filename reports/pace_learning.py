"""How fast this site's people work, learnt from what they recorded.

The time between two acts of one person is lognormal around ``m (rho_walk W + rho_kind H)``: `W` and `H` the seconds
assumed for walking and handling, `m` the morning's own level, `rho` what is particular to walking and to each kind.
Levels are P. Huber's location of a morning's ratios (Annals of Mathematical Statistics 35, 1964), and each `rho` moves
by the same clipped residuals, regressed on its part's share of each time (Gauss-Newton), a morning at a time: in turn
until they settle, as in J. Tukey's median polish (Exploratory Data Analysis, 1977, chapter 11). A lognormal's mean
lies ``sigma^2 / 2`` above its median in the logarithm. The level is the mean of the parts' own: what nobody has seen
yet follows the others only as far as several of them go the same way.

What mornings say is brought together by `settled`: a morning counts as one witness, however many lines it had, so that
an odd one moves little, and as many as agree overrule what was assumed. Where staff say how long a morning took,
that counts for its level instead of the times between acts, as it holds what those do not show: the first line, the
books put away at the end, the small talk; where there are both, the difference tells how long putting away takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Final

import numpy as np
import numpy.typing as npt

from reports.case import Case
from reports.ledger_book import Ledger
from reports.ledger_mornings import Took
from reports.pace import HANDLING_S, ByHand, Pace
from reports.pace_acts import (
    PUT_SHARE,
    Times,
    morning_index,
    mornings_of,
    staff_acts,
    times_between,
    worked_at,
)
from reports.places import Places
from reports.walk import Walk
from reports.worklist import planned_s
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MORNINGS: Final = 30
"""The last so many mornings count: staff and shelves change."""

_SPREAD = 0.08  # how far a site's mornings lie apart, in the logarithm
_SAID = 0.05  # how exactly people say minutes
_PRIOR_MORNINGS = 1.5  # what was assumed counts for so many mornings: one alone never overrules it
_FREEDOM = 2.0  # of Student's t
_GRID = np.arange(-2.3, 2.3001, 0.005)
_SCATTER, _SCATTER_ACTS = 0.5, 20.0  # of single times, and how many times that guess counts for
_HUBER, _HUBER_LOSS = 1.345, 1.05  # 95 % as good as the mean where times are lognormal
_ROUNDS = 20
_FEW = 5.0  # times of a part, at which it counts as half seen
_PRIOR_PARTS = 1.0  # of what nobody has seen: what was assumed counts for so many parts
_LEAST_PUT = 0.05  # of a morning: less putting down tells nothing of it
_LEAST_SHARE = 0.2  # information on a part, in whole times, below which a morning says nothing of it


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of a site's pace.

    Attributes
    ----------
    pace : Pace
        To plan with.
    level : float
        How long everything takes against what was assumed; what is particular to kinds and the walk comes on top.
    mornings : int
        Mornings that said something.
    times : int
        Times between acts that were used.
    together, breaks, unknown : int
        Times left out: acts entered together, breaks, lines without a place or whose seconds are set.
    said : int
        Mornings of which staff said how long they took.
    by_kind : mapping of str to int
        Times used of each kind.
    by_hand : frozenset of str
        What is set: kinds, and names of `Pace`.
    """

    pace: Pace
    level: float = 1.0
    mornings: int = 0
    times: int = 0
    together: int = 0
    breaks: int = 0
    unknown: int = 0
    said: int = 0
    by_kind: Mapping[str, int] = field(default_factory=dict[str, int])
    by_hand: frozenset[str] = frozenset()


def learn_pace(ledger: Ledger, plan: Plan | None, by_hand: ByHand | None = None) -> Pace:
    """Return the pace to plan with; see `study_pace`."""
    return study_pace(ledger, plan, by_hand).pace


def study_pace(ledger: Ledger, plan: Plan | None, by_hand: ByHand | None = None) -> Learnt:
    """Return a site's pace, and what it is learnt from.

    Parameters
    ----------
    ledger
        With what staff did (`act`), and how long mornings took (`took`).
    plan
        For the ways between lines; None: walking counts as part of the lines.
    by_hand
        What is set, and is neither learnt nor scaled.
    """
    chosen = by_hand or ByHand()
    base = chosen.over(Pace())
    set_ = frozenset(chosen.handling_s) | {n for n in _SCALED if getattr(chosen, n) is not None}
    if not chosen.learn:
        return Learnt(base, by_hand=set_)
    places = Places.of(plan)
    acts = staff_acts(ledger.cases.values())
    reports = list(_told(ledger))
    starts = mornings_of([a.at for a in acts] + [worked_at(told, cases) for told, cases in reports], MORNINGS)
    told = [
        (morning, 60.0 * t.minutes, cases)
        for t, cases in reports
        if (morning := morning_index(worked_at(t, cases), starts)) >= 0
    ]
    walk = Walk(places, base)
    fits = [
        _fit(times_between(acts, walk, base, starts, set_, on_way=way), walk_set="walk_mps" in set_)
        for way in (True, False)
    ]
    # Where books are put down nobody tells: whichever explains the times better, the planned way where both do alike.
    fit = fits[0] if fits[0].misfit <= fits[1].misfit else fits[1]
    fit = replace(fit, whole=bool(told))
    fit = replace(fit, put=_put_away(told, places, fit, lambda m, f: _scaled(base, chosen, m, f)))
    said = _said(told, places, lambda m: _scaled(base, chosen, m, fit))
    level = exp(settled(*_levels(fit, said)))
    used = fit.times
    return Learnt(
        pace=_scaled(base, chosen, level, fit),
        level=level,
        mornings=len(set(used.morning.tolist()) | set(said)),
        times=len(used.seconds),
        together=used.together,
        breaks=used.breaks,
        unknown=used.unknown,
        said=len(said),
        by_kind={k: used.kind.count(k) for k in HANDLING_S if k in used.kind},
        by_hand=set_,
    )


def settled(said: Floats, variance: Floats, at: float = 0.0) -> float:
    """Return where mornings and what was assumed agree.

    The mean of the posterior of a location under Student's t with two degrees of freedom, for the mornings and for
    the prior (K. Lange, R. Little, J. Taylor, Robust statistical modeling using the t distribution, JASA 84, 1989),
    on a grid.

    Parameters
    ----------
    said, variance
        Of each morning, in the logarithm; shape (mornings,).
    at
        What was assumed.
    """
    grid = _GRID + at
    belief = _PRIOR_MORNINGS * _log_t((grid - at) ** 2 / _SPREAD**2)
    belief = belief + _log_t((grid[:, None] - said[None, :]) ** 2 / variance[None, :]).sum(axis=1)
    weight = np.exp(belief - belief.max())
    return float((weight * grid).sum() / weight.sum())


def _log_t(squared: Floats) -> Floats:
    return -0.5 * (_FREEDOM + 1.0) * np.log1p(squared / _FREEDOM)


@dataclass(frozen=True)
class _Fit:
    """Levels of mornings (logarithm of the mean, variance), and what is particular to walking and kinds."""

    times: Times
    walk: float
    kinds: Mapping[str, float]
    level: Mapping[int, tuple[float, float]]
    misfit: float
    put: float = 1.0  # of books that are put down elsewhere, which acts do not show
    seen: Mapping[str, float] = field(default_factory=dict[str, float])  # 0..1, how far a part has been seen
    whole: bool = False  # whether staff said what whole mornings took, which holds for every part

    def level_of(self, part: str, level: float) -> float:
        """Return the level as it is to be believed of a part: of what nobody has seen, as far as parts go alike."""
        if self.whole:
            return level
        alike = sum(self.seen.values())
        seen = self.seen.get(part, 0.0)
        return level ** (seen + (1.0 - seen) * alike / (alike + _PRIOR_PARTS))


_SCALED = ("block_s", "walk_mps", "floor_s", "trip_s")


def _scaled(base: Pace, by_hand: ByHand, level: float, fit: _Fit) -> Pace:
    """Return the pace at a level; what is set stays."""
    hand = {kind: s * fit.level_of(kind, level) * _factor(kind, fit) for kind, s in base.handling_s.items()}
    rest, walk = fit.level_of("", level), fit.level_of("walk", level) * fit.walk
    made = replace(
        base,
        handling_s=hand,
        block_s=base.block_s * rest,
        trip_s=base.trip_s * rest,
        walk_mps=base.walk_mps / walk,
        floor_s=base.floor_s * walk,
    )
    return by_hand.over(made)


def _factor(kind: str, fit: _Fit) -> float:
    rho = fit.kinds.get(kind, 1.0)
    # Acts show the taking of a book that is carried elsewhere, not the putting down.
    return rho if kind != "wrong_shelf" else (1.0 - PUT_SHARE) * rho + PUT_SHARE * fit.put


def _fit(times: Times, *, walk_set: bool) -> _Fit:
    """Fit levels, walking and kinds to the times between acts."""
    kinds = sorted(set(times.kind))
    if not kinds:
        return _Fit(times, 1.0, {}, {}, 0.0)
    of = np.array([kinds.index(k) for k in times.kind])
    known = times.walk if walk_set else np.zeros_like(times.walk)
    # A walk that is set may be longer than the time there was: then the line took next to none.
    seconds = np.maximum(times.seconds - known, 0.1 * times.seconds)
    walk_s = np.zeros_like(times.walk) if walk_set else times.walk
    mornings = np.unique(times.morning)
    rho, rho_walk = np.ones(len(kinds)), 1.0
    level, scatter = np.ones(len(seconds)), _SCATTER
    seen = np.zeros(len(kinds) + 1)
    for _ in range(_ROUNDS):
        hand = rho[of] * times.hand
        fixed = rho_walk * walk_s + times.put
        for d in mornings.tolist():
            here = times.morning == d
            level[here] = exp(_location(np.log(seconds[here] / (fixed + hand)[here]), scatter))
        scatter = _scatter(seconds, level * (fixed + hand))
        whole = fixed + hand
        off = np.clip(np.log(seconds / (level * whole)), -_HUBER * scatter, _HUBER * scatter)
        shares = [np.where(of == k, hand / whole, 0.0) for k in range(len(kinds))]
        shares.append(rho_walk * walk_s / whole)
        parts = np.append(np.log(rho), log(rho_walk))
        for k, share in enumerate(shares):
            amount = float((share**2).sum())
            seen[k] = amount / (amount + _FEW)
            parts[k] = settled(*_cells(float(parts[k]), off, share, times.morning, scatter))
        # The level is that of the parts, each a witness, not of the kind that happens to have most lines.
        parts -= float(seen @ parts / seen.sum())
        rho, rho_walk = np.exp(parts[:-1]), exp(float(parts[-1]))
    expected = level * (rho_walk * walk_s + times.put + rho[of] * times.hand)
    scatter = _scatter(seconds, expected)
    levels = {
        d: (
            log(level[times.morning == d][0]) + 0.5 * scatter**2,
            _SPREAD**2 + _HUBER_LOSS * scatter**2 / float((times.morning == d).sum()),
        )
        for d in mornings.tolist()
    }
    misfit = float(np.abs(np.log(seconds / expected)).mean())
    factors = dict(zip(kinds, rho.tolist(), strict=True))
    return _Fit(
        times, rho_walk, factors, levels, misfit, seen=dict(zip([*kinds, "walk"], seen.tolist(), strict=True))
    )


def _cells(
    now: float, off: Floats, share: Floats, morning: npt.NDArray[np.int64], scatter: float
) -> tuple[Floats, Floats]:
    """Return where each morning wants one part's `rho` (logarithm, `now` so far), and the variance of that.

    `off` is how far times lie off in the logarithm, `share` the part of each time that hangs on this `rho`.
    """
    count = int(morning.max()) + 1
    amount = np.bincount(morning, weights=share**2, minlength=count)
    step = np.bincount(morning, weights=share * off, minlength=count)
    told = amount >= _LEAST_SHARE
    return (
        now + np.clip(step[told] / amount[told], -1.0, 1.0),
        _SPREAD**2 + _HUBER_LOSS * scatter**2 / amount[told],
    )


def _location(off: Floats, scatter: float) -> float:
    """Return Huber's location of times in the logarithm; `scatter` is their standard deviation."""
    at = float(np.median(off))
    for _ in range(20):
        at += float(np.clip(off - at, -_HUBER * scatter, _HUBER * scatter).mean())
    return at


def _scatter(seconds: Floats, expected: Floats) -> float:
    """Return the standard deviation of single times in the logarithm, by the median, and near the guess while few."""
    off = np.log(seconds / expected)
    found = 1.4826 * float(np.median(np.abs(off - np.median(off))))
    n = len(off)
    return float(np.sqrt((n * found**2 + _SCATTER_ACTS * _SCATTER**2) / (n + _SCATTER_ACTS)))


_Told = tuple[
    int, float, list[Case]
]  # of a report its morning, the seconds that were said, the cases that were worked


def _told(ledger: Ledger) -> Iterator[tuple[Took, list[Case]]]:
    """Yield the reports all of whose lines are still known; minutes of lines that are not would count for the rest."""
    for told in ledger.mornings:
        cases = [c for c in (ledger.find(line) for line in told.lines) if c is not None]
        if cases and len(cases) == len(told.lines):
            yield told, cases


def _put_away(
    told: Sequence[_Told],
    places: Places,
    fit: _Fit,
    pace_at: Callable[[float, _Fit], Pace],
) -> float:
    """Return how much longer putting down takes than thought: what minutes said hold beyond what acts show."""
    said: list[float] = []
    variance: list[float] = []
    for morning, seconds, cases in told:
        if morning in fit.level:
            level, unsure = fit.level[morning]
            once, twice = (
                planned_s(cases, places, pace_at(exp(level), replace(fit, put=x))) for x in (1.0, 2.0)
            )
            share = (twice - once) / once
            if share > _LEAST_PUT:
                said.append(log(min(max(1.0 + (seconds - once) / (twice - once), 0.2), 8.0)))
                variance.append(_SPREAD**2 + (unsure + _SAID**2) / share**2)
    return exp(settled(np.array(said), np.array(variance)))


def _said(told: Sequence[_Told], places: Places, pace_at: Callable[[float], Pace]) -> dict[int, float]:
    """Return by morning the level (in the logarithm) at which its lines take the minutes that staff said."""
    spent: dict[int, list[float]] = {}
    for morning, seconds, cases in told:
        once, twice = (planned_s(cases, places, pace_at(m)) for m in (1.0, 2.0))
        sums = spent.setdefault(morning, [0.0, 0.0, 0.0])
        sums[0] += seconds
        sums[1] += 2.0 * once - twice  # what is set by hand and does not move
        sums[2] += twice - once
    return {
        d: log(min(max((seconds - still) / moves, 0.1), 10.0))
        for d, (seconds, still, moves) in spent.items()
        if moves > 0.0
    }


def _levels(fit: _Fit, said: Mapping[int, float]) -> tuple[Floats, Floats]:
    """Return the level of every morning and its variance; what was said goes before what acts show."""
    exact = _SPREAD**2 + _SAID**2
    both = [d for d in said if d in fit.level]
    unseen = settled(
        np.array([said[d] - fit.level[d][0] for d in both]),
        np.array([fit.level[d][1] + _SAID**2 for d in both]),
    )
    levels = {d: (x + unseen, v) for d, (x, v) in fit.level.items()} | {
        d: (x, exact) for d, x in said.items()
    }
    return np.array([x for x, _ in levels.values()]), np.array([v for _, v in levels.values()])
