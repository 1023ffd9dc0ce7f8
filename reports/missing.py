"""Which books are missing: expected, and silent where they would have been heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.books import Catalogue, Shelved
from reports.gaps import Gaps
from reports.memory import GONE
from reports.places import Places
from reports.policy import Policy
from reports.silence import Past, after_silence, after_use, first_night
from reports.zones import Heard, Zone

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_MARGIN_M = 0.05  # a book stands at most this far outside its two neighbours
_SURE = 0.05  # up to this chance of silence the run's own readings know better than coverage
_LEAST_SHARE = 0.25  # of the usual missing share: no library loses nothing
_PAIRED = 1.5  # even numbers of readings to the odd ones beside them: 1.1 where readings come one by one
_OF_LATE = 3.0  # days
_PRIOR_BOOKS = 200.0  # how many books the usual missing share is worth against the run's own count


@dataclass(frozen=True)
class Silent:
    """The expected copies that were not heard; one row each.

    Attributes
    ----------
    copy : int64 array, shape (n,)
        Row of the catalogue.
    p_heard : float64 array, shape (n,)
        Chance that it would have been heard between its neighbours, from coverage alone.
    near_readings : float64 array, shape (n,)
        Mean readings its neighbours gave; NaN without any.
    unheard : float64 array, shape (n,)
        Chance that its tag, if it works, is silent at its place: coverage, neighbours and its own history.
    prior, states : float64 array, shape (n, 4)
        Chances of HERE, DEAD, AWAY and GONE (`reports.silence`) before and after tonight.
    missing : float64 array, shape (n,)
        Probability that it is gone from its shelf; 0 where the shelf was not scanned.
    offset_m : float64 array, shape (n,)
        Middle of the place where it should stand; NaN where only the shelf is known.
    earlier : bool array, shape (n,)
        Heard on an earlier night of several (`reports.gone`).
    looked : bool array, shape (n,)
        Its place was scanned, so that its silence says something.
    fresh : bool array, shape (n,)
        No former night has judged it.
    """

    copy: Ints
    p_heard: Floats
    near_readings: Floats
    unheard: Floats
    prior: Floats
    states: Floats
    missing: Floats
    offset_m: Floats
    earlier: Bools
    looked: Bools
    fresh: Bools


def expected_copies(catalogue: Catalogue, asked: Bools) -> Ints:
    """Return the rows of the copies that should stand on a shelf of the plan that the run was to scan."""
    if not len(catalogue):
        return np.zeros(0, np.int64)
    wanted = catalogue.available & (catalogue.home >= 0) & catalogue.tagged
    wanted[wanted] &= asked[catalogue.home[wanted]]
    return np.flatnonzero(wanted)


def find_silent(
    expected: Ints,
    shelved: Shelved,
    catalogue: Catalogue,
    places: Places,
    heard: Heard,
    gaps: Gaps,
    policy: Policy,
    behind: Bools,
    past: Past,
) -> Silent:
    """Weigh, for every silent copy, that it is gone against that it was only not heard, or cannot be.

    A copy on its shelf is silent with probability ``1 - p_heard``, and never less than what its neighbours' own
    readings suggest for a tag half as strong, ``exp(-readings / 2)``; a tag heard on former nights is as strong as it
    was beside its neighbours then. Where coverage calls silence unlikely anyway, how unlikely is taken from how many
    tags were heard once and twice. Bayes' rule sets all that against the share of missing books, which the run's own
    books tell (expectation maximization over all expected copies, A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat.
    Soc. B 39, 1977), or against what former nights made of this copy; one that the library's system saw in use of
    late may wait on a trolley (`reports.silence.after_use`). Tags `behind`
    were heard from afar and say nothing about how well the scanned shelves were heard.
    """
    present = np.zeros(len(catalogue), bool)
    present[shelved.copy[shelved.copy >= 0]] = True
    copy = expected[~present[expected]]
    if catalogue.shared_epc and len(copy):
        # Of two copies with one EPC neither can be called missing while that tag is heard.
        first = np.fromiter((catalogue.by_epc.get(e, -1) for e in catalogue.epc[copy]), np.int64, len(copy))
        copy = copy[(first < 0) | ~present[first]]
    home, rank, scheme = catalogue.home[copy], catalogue.rank[copy], catalogue.scheme[copy]
    left, right = gaps.neighbours(home, rank, scheme)
    left, right = np.where(rank >= 0, left, -1), np.where(rank >= 0, right, -1)
    x = shelved.offset_m
    from_m, to_m = places.from_m[home], places.to_m[home]
    if len(x):
        from_m = np.where(left >= 0, np.maximum(from_m, x[left] - _MARGIN_M), from_m)
        to_m = np.where(right >= 0, np.minimum(to_m, x[right] + _MARGIN_M), to_m)
    to_m = np.maximum(to_m, from_m + 0.02)
    p_heard = heard.p_heard(home, from_m, to_m, copy)
    p_heard = np.minimum(p_heard, _heard_where_last(copy, home, past, heard))
    near = np.where(rank >= 0, gaps.readings_nearby(home, rank), np.nan)
    strength, nights = past.strength[copy].astype(np.float64), past.nights[copy].astype(np.float64)
    # Half as strong as its neighbours, until its own nights have told.
    by_history = np.exp(np.clip(np.nan_to_num(strength), -3.0, 1.0)) * (1.0 - 0.5 / (1.0 + nights))
    loudness = np.where(np.isfinite(strength), by_history, 0.5)
    weaker = np.where(np.isfinite(near), np.exp(-loudness * np.nan_to_num(near)), 0.0)
    unheard = 1.0 - p_heard
    scale = _silence_scale(shelved, heard, ~behind)
    unheard = scale * unheard + (1.0 - scale) * np.maximum(unheard - _SURE, 0.0)
    unheard = past.unheard(copy, np.maximum(unheard, weaker))
    looked = p_heard >= policy.scanned_from
    new = ~past.known[copy]
    days = past.days_in_use(copy, catalogue)
    # What was in use of late says nothing of how many are missing.
    settled = new & ~(days < _OF_LATE)
    share = _share_missing(unheard[settled], int(np.count_nonzero(~past.known[expected])), policy)
    prior = np.where(new[:, None], first_night(policy, share), past.states[copy])
    prior = after_use(prior, ~new, days, past.rates)
    states = after_silence(prior, unheard)
    missing = np.where(looked, np.minimum(states[:, GONE], 0.995), 0.0)
    both = (left >= 0) & (right >= 0)
    offset = np.where(both, 0.5 * (x[left] + x[right]), np.nan) if len(x) else np.full(len(copy), np.nan)
    earlier = np.zeros(len(copy), bool)
    return Silent(copy, p_heard, near, unheard, prior, states, missing, offset, earlier, looked, new)


def _heard_where_last(copy: Ints, home: Ints, past: Past, heard: Heard) -> Floats:
    """Return the chance that each copy was heard where it was last heard, if that was not its own shelf; else 1."""
    chance = np.ones(len(copy))
    place, x = past.place[copy], past.heard_m[copy].astype(np.float64)
    rows = np.flatnonzero((place >= 0) & (place != home) & np.isfinite(x))
    chance[rows] = heard.p_heard(place[rows], x[rows] - _MARGIN_M, x[rows] + _MARGIN_M, copy[rows])
    return chance


def _share_missing(unheard: Floats, expected: int, policy: Policy) -> float:
    """Return the share of the expected copies that are not on their shelves, of those no night has judged before."""
    share = policy.missing_share
    silent = np.clip(unheard + policy.silent_share, 0.0, 1.0)
    for _ in range(50):
        missing = share / (share + (1.0 - share) * silent)
        update = (float(missing.sum()) + _PRIOR_BOOKS * policy.missing_share) / (expected + _PRIOR_BOOKS)
        if abs(update - share) < 1e-9:
            break
        share = max(update, _LEAST_SHARE * policy.missing_share)
    return share


def _silence_scale(shelved: Shelved, heard: Heard, asked: Bools) -> float:
    """Return by how much coverage overstates silence on well covered shelves, 0.02..1.

    Among tags heard at all, those heard once (f1) and twice (f2) tell how many were not heard:
    ``f1 (f1 - 1) / (2 (f2 + 1))`` (A. Chao, Biometrics 43, 1987); one is added to f1 to stay on the safe side. Where
    readings come in pairs (a reader answers a tag twice in passing), even numbers are much more frequent than the odd
    ones beside them, and pairs are what is counted.
    """
    rows = np.flatnonzero((shelved.copy >= 0) & (shelved.place >= 0) & asked)
    if not len(rows):
        return 1.0
    x = shelved.offset_m[rows]
    chance = heard.p_heard(shelved.place[rows], x - _MARGIN_M, x + _MARGIN_M, shelved.copy[rows])
    covered = chance >= 1.0 - _SURE
    predicted = float(np.sum(1.0 - chance[covered]))
    readings = shelved.positions.readings[rows[covered]]
    f = np.bincount(np.minimum(readings, 6), minlength=7)
    if 2 * (f[2] + f[4]) > _PAIRED * (f[1] + 2 * f[3] + f[5]):
        once, twice = int(f[1] + f[2]) + 1, int(f[3] + f[4])
    else:
        once, twice = int(f[1]) + 1, int(f[2])
    unheard = max(once * (once - 1) / (2.0 * (twice + 1)), 0.5)
    return float(np.clip(unheard / predicted, 0.02, 1.0)) if predicted > 0.0 else 1.0


def silent_in_zones(
    zones: list[Zone], silent: Silent, catalogue: Catalogue, places: Places, heard: Heard
) -> list[int]:
    """Count, for every zone, the silent copies expected in it whose tags are of its air."""
    counts = [0] * len(zones)
    for air in {zone.air for zone in zones}:
        mine = np.flatnonzero([zone.air == air for zone in zones]).tolist()
        copy, x = silent.copy, silent.offset_m
        if air is not None:
            of_air = heard.air_of(copy) == air
            copy, x = copy[of_air], x[of_air]
        found = _silent_in([zones[i] for i in mine], catalogue.home[copy], x, places)
        for i, n in zip(mine, found, strict=True):
            counts[i] = n
    return counts


def _silent_in(zones: list[Zone], home: Ints, offset_m: Floats, places: Places) -> list[int]:
    per_place = np.bincount(home, minlength=len(places))
    order = np.argsort(home, kind="stable")
    starts = np.concatenate([[0], np.cumsum(per_place)])
    counts: list[int] = []
    for zone in zones:
        if zone.whole:
            counts.append(int(per_place[list(zone.places)].sum()))
            continue
        place = zone.places[0]
        x = offset_m[order[starts[place] : starts[place + 1]]]
        share = (zone.to_m - zone.from_m) / max(places.to_m[place] - places.from_m[place], 0.1)
        inside = np.count_nonzero((x >= zone.from_m) & (x < zone.to_m))
        counts.append(int(inside + round(share * np.count_nonzero(np.isnan(x)))))
    return counts
