"""What silence means, night after night: a hidden state for every copy, and how it moves.

A copy is on its shelf and can be heard (HERE), on its shelf with a tag that cannot (DEAD), in use in the house for a
day or so (AWAY), or gone (GONE). Between nights the states move at the policy's rates; a night's silence multiplies
HERE by the chance that this tag is silent there, and the others by one; being heard ends all doubt. This is the forward
recursion of a hidden Markov model (L. R. Rabiner, Proc. IEEE 77, 1989, section III).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm
from scipy.special import betaln, expit, logit

from reports.books import Catalogue
from reports.known_tags import KnownTags
from reports.memory import AWAY, DEAD, GONE, HERE, Memory
from reports.places import Places
from reports.policy import Policy
from reports.turnover import fit_turnover

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY_NS = 86_400 * 10**9
_NIGHTS = 6.0  # how many nights tonight's coverage is worth against a tag's own history
_USUAL = 0.003  # how often the usual tag is silent, where coverage is not asked
_WEAK = (2.0, 4.0)  # beta law of a weak tag's chance to be silent
_PRIOR_BOOKS = 200.0  # how many books the policy's share of weak tags is worth
_LONGEST_DAYS = 400.0
_AFTER = 0.9  # seen in use only after the scan: it was not on its shelf then
_IN_HAND = 0.9  # how surely a copy the library's system saw in use was in somebody's hands
_IN_HAND_DAYS = 7.0  # for how long that says that it is not gone
_DEAD = (0.0, 0.99, 0.0, 0.01)  # what staff saw; the book may have gone since


@dataclass(frozen=True)
class Past:
    """What is expected of every copy before tonight's readings; one row a copy of the catalogue.

    Attributes
    ----------
    row : int64 array, shape (n,)
        Row of the memory; -1: none.
    known : bool array, shape (n,)
        A former night, or staff, have judged it.
    states : float32 array, shape (n, 4)
        Chances of HERE, DEAD, AWAY and GONE tonight; those of copies not known yet are the policy's.
    stayed : float32 array, shape (n,)
        Of the chance to be HERE tonight the part of having been there on the last night, too.
    came : float32 array, shape (n,)
        ... the part of having been in use in the house then.
    nights, missed, silent, strength : float32 array, shape (n,)
        As in `Memory` (`nights` is its ``heard``); 0, 0, 0 and NaN for copies not known yet.
    place : int64 array, shape (n,)
        Where it was last heard; -1: never.
    heard_m : float32 array, shape (n,)
        At which offset.
    heard_at : int64 array, shape (n,)
        When, ns UTC; 0: never.
    wrong, told : float32 array, shape (n,)
        As in `Memory`; 0 where the record names another home than it did then.
    about : bool array, shape (n,)
        The record names the home that `wrong` is about.
    rates : Policy
        With how fast this library's books come and go.
    weak : float
        Share of tags that are silent now and then however well their shelf is scanned.
    now : int
        When tonight is, ns UTC; 0: not known.
    judged : int64 array, shape (n,), or None
        When a night last judged each copy, ns UTC; 0: never. None: no night has.
    """

    row: Ints
    known: Bools
    states: Singles
    stayed: Singles
    came: Singles
    nights: Singles
    missed: Singles
    silent: Singles
    strength: Singles
    place: Ints
    heard_m: Singles
    heard_at: Ints
    wrong: Singles
    told: Singles
    about: Bools
    rates: Policy
    weak: float
    now: int = 0
    judged: Ints | None = None

    @classmethod
    def of(
        cls, memory: Memory | None, catalogue: Catalogue, places: Places, at: datetime | None, policy: Policy
    ) -> Past:
        """Bring the memory to tonight."""
        n = len(catalogue)
        start = first_night(policy, policy.missing_share).astype(np.float32)
        if memory is None or not len(memory):
            # One number each, seen as a column: a first night of a million copies needs no room for it.
            nought, one, untold = (np.broadcast_to(np.float32(v), n) for v in (0.0, 1.0, np.nan))
            none, never = (np.broadcast_to(np.int64(v), n) for v in (-1, 0))
            no = np.broadcast_to(np.False_, n)
            return cls(
                none, np.zeros(n, bool), np.broadcast_to(start, (n, 4)), one, nought, nought, nought, nought, untold,
                none, untold, never, nought, nought, no, policy, policy.weak_share, 0 if at is None else in_ns(at),
            )  # fmt: skip
        row = memory.rows_of(catalogue.barcode, catalogue.epc)
        known = row >= 0
        same = len(row) == len(memory) and bool(np.array_equal(row, np.arange(len(row))))
        then = memory if same else replace(memory, tags=KnownTags.none()).select(np.maximum(row, 0))
        states, stayed, came = np.tile(start, (n, 1)), np.ones(n, np.float32), np.zeros(n, np.float32)
        now = in_ns(at) if at is not None else int(memory.at.max())
        days = np.clip((now - then.at) / DAY_NS, 0.0, _LONGEST_DAYS)
        before = then.states
        rates = fit_turnover(memory, policy)
        # A night has one time: few spans occur.
        for span in np.unique(days[known]).tolist():
            mine = known & (days == span)
            moved = _moves(rates, float(span))
            tonight = before[mine] @ moved
            here = np.maximum(tonight[:, HERE], 1e-12)
            stayed[mine] = before[mine, HERE] * moved[HERE, HERE] / here
            came[mine] = before[mine, AWAY] * moved[AWAY, HERE] / here
            states[mine] = tonight

        # A record that names another home now asks another question than that of the nights before.
        about = known & (then.wrong_home == home_names(catalogue, places)) & (then.wrong_home != "")

        def told(column: npt.NDArray[Any], otherwise: float = 0.0, of: Bools = known) -> npt.NDArray[Any]:
            # Where every copy is known, the memory's own column: a million copies are not held twice.
            return column if of.all() else np.where(of, column, column.dtype.type(otherwise))

        return cls(
            row, known, states, stayed, came, told(then.heard), told(then.missed), told(then.silent),
            told(then.strength, np.nan), told(places.number(then.heard_shelf), -1), told(then.heard_m, np.nan),
            told(then.heard_at), told(then.wrong, of=about), told(then.told, of=about), about, rates,
            _share_weak(then.heard[known].astype(np.float64), then.missed[known].astype(np.float64), policy),
            0 if at is None else now, told(then.at),
        )  # fmt: skip

    def with_dead(self, copies: Ints) -> Past:
        """Take staff's word that these copies are on their shelves with dead tags."""
        known, states = self.known.copy(), self.states.copy()
        known[copies], states[copies] = True, _DEAD
        return replace(self, known=known, states=states)

    def days_in_use(self, copy: Ints, catalogue: Catalogue) -> Floats:
        """Return how many days ago the library's system saw each copy in use, NaN where no night since or nobody knows.

        Negative: only after tonight's scan, so that it was not on its shelf then, or is not gone since.
        """
        days = np.full(len(copy), np.nan)
        if not self.now:
            return days
        for i, c in enumerate(copy.tolist()):
            seen = _moment(catalogue.rows[c].extra.get("last_activity", ""))
            if seen and (self.judged is None or seen > int(self.judged[c])):
                days[i] = (self.now - seen) / DAY_NS
        return days

    def unheard(self, copy: Ints, tonight: Floats) -> Floats:
        """Return the chance that each copy's tag is silent at its place, from coverage and from its own history.

        Of the nights on which a copy was on its shelf it was silent on some: those that turned out so, and, if it is
        there now, all of the present row of silence. Two beta laws say what that tells of tonight: most tags are as
        coverage says, worth `_NIGHTS` nights of their own; a share `weak`, learnt from all copies, is silent every
        third night.
        """
        silent = np.clip(tonight, 1e-6, 0.999)
        heard = self.nights[copy].astype(np.float64)
        missed = self.missed[copy].astype(np.float64) + self.silent[copy]
        usual = (_NIGHTS * silent + missed) / (_NIGHTS + heard + missed)
        poor = (_WEAK[0] + missed) / (sum(_WEAK) + heard + missed)
        weak = _chance_weak(self.weak, heard, missed, silent)
        return (1.0 - weak) * usual + weak * np.maximum(poor, silent)


def home_names(catalogue: Catalogue, places: Places) -> npt.NDArray[np.object_]:
    """Return the name of each copy's home by tonight's record, empty where it names none, shape (n,)."""
    names: npt.NDArray[np.object_] = np.array([*(p.id for p in places.rows), ""], object)
    return names[catalogue.home]


def _chance_weak(share: float, heard: Floats, missed: Floats, silent: Floats | float) -> Floats:
    """Return the chance that a tag is one of the weak ones, after nights heard and missed."""
    a, b = _NIGHTS * np.asarray(silent), _NIGHTS * (1.0 - np.asarray(silent))
    usual = betaln(a + missed, b + heard) - betaln(a, b)
    poor = betaln(_WEAK[0] + missed, _WEAK[1] + heard) - betaln(*_WEAK)
    return expit(logit(share) + poor - usual)


def _share_weak(heard: Floats, missed: Floats, policy: Policy) -> float:
    """Return the share of weak tags among those heard before, by expectation maximization from the policy's."""
    share = policy.weak_share
    once = heard > 0.0
    for _ in range(5 if once.any() else 0):
        weak = float(_chance_weak(share, heard[once], missed[once], _USUAL).sum())
        share = (weak + _PRIOR_BOOKS * policy.weak_share) / (np.count_nonzero(once) + _PRIOR_BOOKS)
    return float(np.clip(share, 1e-6, 0.5))


def first_night(policy: Policy, not_there: float) -> Floats:
    """Return the four chances of a copy nobody has looked for yet, where a share `not_there` is not on its shelf."""
    away = min(policy.used_share, 0.5 * not_there)
    dead = (1.0 - not_there) * policy.silent_share
    return np.array([1.0 - not_there - dead, dead, away, not_there - away])


def after_silence(states: Floats, unheard: Floats) -> Floats:
    """Return the four chances after a silence that has the chance `unheard` where the copy is HERE, shape (n, 4)."""
    made = states.copy()
    made[:, HERE] *= unheard
    return made / made.sum(axis=1, keepdims=True)


def after_use(states: Floats, known: Bools, days: Floats, policy: Policy) -> Floats:
    """Return the four chances of copies that the library's system saw in use so many days ago, shape (n, 4).

    What was returned in the evening waits on a trolley and is brought back at the policy's rate. What nights before had
    made of a `known` copy, that it was gone, holds no longer: somebody had it in hand.
    """
    used = np.isfinite(days)
    since = np.where(used, np.maximum(days, 0.0), 0.0)
    away = policy.returned_share * (1.0 - policy.back_per_day) ** since
    away = np.where(days < 0.0, _AFTER, away)
    made = states.copy()
    found = np.where(known & used, _IN_HAND * np.exp(-since / _IN_HAND_DAYS), 0.0) * made[:, GONE]
    made[:, GONE] -= found
    made[:, HERE] += found
    made *= (1.0 - away)[:, None]
    made[:, AWAY] += away
    return np.where(used[:, None], made, states)


def _moment(text: str) -> int:
    """Return a time as the holdings have it (ISO 8601, UTC unless it says otherwise) in ns, 0 where it is none."""
    try:
        seen = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return in_ns(seen if seen.tzinfo is not None else seen.replace(tzinfo=UTC))


def _moves(policy: Policy, days: float) -> Floats:
    """Return the chances to move between the states in some days: the exponential of the rates."""
    back, found = -np.log1p(-policy.back_per_day), -np.log1p(-policy.found_per_day)
    rates = np.zeros((4, 4))
    rates[HERE, AWAY] = policy.used_share * back
    rates[HERE, GONE] = rates[DEAD, GONE] = policy.lost_per_day
    rates[HERE, DEAD] = policy.dies_per_day
    rates[AWAY, HERE] = back
    rates[GONE, HERE] = found
    # A tag shielded by its neighbour is heard again when the neighbour moves.
    rates[DEAD, HERE] = found
    np.fill_diagonal(rates, -rates.sum(axis=1))
    chances: Floats = np.array(expm(rates * days), np.float64)
    return chances


def in_ns(at: datetime) -> int:
    """Return a time as nanoseconds UTC since 1970."""
    return int(at.timestamp() * 1e6) * 1000
