"""Which books are missing: expected, and silent where they would have been heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.books import EXPECTED, Catalogue, Shelved
from reports.gaps import Gaps
from reports.places import Places
from reports.policy import Policy
from reports.zones import Heard, Zone

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_MARGIN_M = 0.05  # a book stands at most this far outside its two neighbours
_SURE = 0.05  # up to this chance of silence the run's own readings know better than coverage
_LEAST_SHARE = 0.25  # of the usual missing share: no library loses nothing
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
    missing : float64 array, shape (n,)
        Probability that it is not on its shelf; 0 where the shelf was not scanned.
    offset_m : float64 array, shape (n,)
        Middle of the place where it should stand; NaN where only the shelf is known.
    earlier : bool array, shape (n,)
        Heard on an earlier night of several (`reports.gone`).
    """

    copy: Ints
    p_heard: Floats
    near_readings: Floats
    missing: Floats
    offset_m: Floats
    earlier: Bools


def expected_copies(catalogue: Catalogue, asked: Bools) -> Ints:
    """Return the rows of the copies that should stand on a shelf of the plan that the run was to scan."""
    if not len(catalogue):
        return np.zeros(0, np.int64)
    wanted = np.isin(catalogue.status, list(EXPECTED)) & (catalogue.home >= 0)
    wanted &= np.fromiter((bool(h.epc) for h in catalogue.rows), bool, len(catalogue))
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
) -> Silent:
    """Weigh, for every silent copy, that it is gone against that it was only not heard.

    A copy on its shelf is silent with probability ``1 - p_heard``, and never less than what its neighbours' own
    readings suggest for a tag half as strong, ``exp(-readings / 2)``, plus the share of dead tags. Where coverage
    calls silence unlikely anyway, how unlikely is taken from how many tags were heard once and twice. Bayes' rule
    sets all that against the share of missing books, which the run's own books tell (expectation maximization
    over all expected copies, A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39, 1977). Tags `behind`
    were heard from afar and say nothing about how well the scanned shelves were heard.
    """
    present = np.zeros(len(catalogue), bool)
    present[shelved.copy[shelved.copy >= 0]] = True
    # Of two copies with one EPC neither can be called missing while that tag is heard.
    for i in expected[~present[expected]].tolist():
        first = catalogue.by_epc.get(catalogue.rows[i].epc.upper(), i)
        present[i] = present[first]
    copy = expected[~present[expected]]
    home, rank, scheme = catalogue.home[copy], catalogue.rank[copy], catalogue.scheme[copy]
    left, right = gaps.neighbours(home, rank, scheme)
    left, right = np.where(rank >= 0, left, -1), np.where(rank >= 0, right, -1)
    x = shelved.offset_m
    from_m, to_m = places.from_m[home], places.to_m[home]
    if len(x):
        from_m = np.where(left >= 0, np.maximum(from_m, x[left] - _MARGIN_M), from_m)
        to_m = np.where(right >= 0, np.minimum(to_m, x[right] + _MARGIN_M), to_m)
    to_m = np.maximum(to_m, from_m + 0.02)
    p_heard = heard.p_heard(home, from_m, to_m)
    near = np.where(rank >= 0, gaps.readings_nearby(home, rank), np.nan)
    weaker = np.where(np.isfinite(near), np.exp(-0.5 * np.nan_to_num(near)), 0.0)
    unheard = 1.0 - p_heard
    scale = _silence_scale(shelved, heard, ~behind)
    unheard = scale * unheard + (1.0 - scale) * np.maximum(unheard - _SURE, 0.0)
    silent = np.clip(np.maximum(unheard, weaker) + policy.silent_share, 0.0, 1.0)
    missing = _posterior(silent, len(expected), policy)
    missing = np.where(p_heard < policy.scanned_from, 0.0, missing)
    both = (left >= 0) & (right >= 0)
    offset = np.where(both, 0.5 * (x[left] + x[right]), np.nan) if len(x) else np.full(len(copy), np.nan)
    return Silent(copy, p_heard, near, np.minimum(missing, 0.995), offset, np.zeros(len(copy), bool))


def _posterior(silent: Floats, expected: int, policy: Policy) -> Floats:
    share = policy.missing_share
    missing = np.zeros(len(silent))
    for _ in range(50):
        missing = share / (share + (1.0 - share) * silent)
        update = (float(missing.sum()) + _PRIOR_BOOKS * policy.missing_share) / (expected + _PRIOR_BOOKS)
        if abs(update - share) < 1e-9:
            break
        share = max(update, _LEAST_SHARE * policy.missing_share)
    return missing


def _silence_scale(shelved: Shelved, heard: Heard, asked: Bools) -> float:
    """Return by how much coverage overstates silence on well covered shelves, 0.02..1.

    Among tags heard at all, those heard once (f1) and twice (f2) tell how many were not heard:
    ``f1 (f1 - 1) / (2 (f2 + 1))`` (A. Chao, Biometrics 43, 1987); one is added to f1 to stay on the safe side.
    """
    rows = np.flatnonzero((shelved.copy >= 0) & (shelved.place >= 0) & asked)
    if not len(rows):
        return 1.0
    x = shelved.offset_m[rows]
    chance = heard.p_heard(shelved.place[rows], x - _MARGIN_M, x + _MARGIN_M)
    covered = chance >= 1.0 - _SURE
    predicted = float(np.sum(1.0 - chance[covered]))
    readings = shelved.positions.readings[rows[covered]]
    once, twice = int(np.count_nonzero(readings == 1)) + 1, int(np.count_nonzero(readings == 2))
    unheard = max(once * (once - 1) / (2.0 * (twice + 1)), 0.5)
    return float(np.clip(unheard / predicted, 0.02, 1.0)) if predicted > 0.0 else 1.0


def silent_in_zones(zones: list[Zone], silent: Silent, catalogue: Catalogue, places: Places) -> list[int]:
    """Count, for every zone, the silent copies expected in it."""
    if not len(silent.copy):
        return [0] * len(zones)
    home = catalogue.home[silent.copy]
    per_place = np.bincount(home, minlength=len(places))
    order = np.argsort(home, kind="stable")
    starts = np.concatenate([[0], np.cumsum(per_place)])
    counts: list[int] = []
    for zone in zones:
        if zone.whole:
            counts.append(int(per_place[list(zone.places)].sum()))
            continue
        place = zone.places[0]
        x = silent.offset_m[order[starts[place] : starts[place + 1]]]
        share = (zone.to_m - zone.from_m) / max(places.to_m[place] - places.from_m[place], 0.1)
        inside = np.count_nonzero((x >= zone.from_m) & (x < zone.to_m))
        counts.append(int(inside + round(share * np.count_nonzero(np.isnan(x)))))
    return counts
