"""Which books stand where they do not belong: on another shelf, or out of order on their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.books import Catalogue, Shelved
from reports.places import Places
from reports.policy import Policy
from reports.shelf_order import group_starts, heaviest_order, order_confidence, right_gap

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_THICKNESS_M = 0.015  # how far a book in order may stand from the middle of its neighbours
_OTHER_PEAK = 0.02  # of the peaks on other shelves: those at another offset
_ROUGH = 0.01  # strays among readings that fit their place badly; by the square of the badness
_CLASS_BOOKS = 40  # fewer say nothing about the tails of their errors
_CLASSES = (
    0.5,
    0.8,
    0.9,
    0.95,
    0.98,
)  # strays gather among the least sure, so those are told apart more finely


@dataclass(frozen=True)
class Judgement:
    """What is known about where each heard tag should be; rows as in `Shelved`.

    Attributes
    ----------
    wrong_shelf : float64 array, shape (n,)
        Probability that it stands on another shelf than its own (0 where that cannot be asked).
    wrong_order : float64 array, shape (n,)
        Probability that it stands on its shelf but out of order.
    right : bool array, shape (n,)
        Stands where it belongs, as far as can be told: what others are put between.
    wrong_by_m : float64 array, shape (n,)
        For a book out of order how far it stands on the wrong side of its place.
    passed : int64 array, shape (n,)
        How many books in order stand between it and its place.
    """

    wrong_shelf: Floats
    wrong_order: Floats
    right: Bools
    wrong_by_m: Floats
    passed: Ints


def judge(
    shelved: Shelved,
    catalogue: Catalogue,
    places: Places,
    policy: Policy,
    wrong_shelf: Floats,
    doubt: Floats,
    excluded: Bools,
) -> Judgement:
    """Judge every heard tag.

    Parameters
    ----------
    shelved, wrong_shelf, doubt
        As `reports.settle.settle` returns them.
    catalogue, places, policy
    excluded : bool array, shape (n,)
        Tags to be pulled for another reason: no reference for others.
    """
    n = len(shelved)
    staying = np.zeros(n, bool)
    known = shelved.copy >= 0
    if known.any():
        staying[known] = catalogue.staying[shelved.copy[known]]
    sortable = staying & ~excluded & (shelved.place >= 0) & (shelved.rank >= 0)
    at_home = (shelved.home == shelved.place) | (shelved.home < 0)
    spilled, leading = _spilled(shelved, catalogue, places, sortable)
    out_of_order, wrong_by, passed = _order(shelved, policy, sortable & (at_home | spilled))
    out_of_order *= 1.0 - doubt
    in_order = sortable & (at_home | spilled) & (out_of_order < policy.accuse_from)
    spilled &= in_order & _beyond_home(shelved, in_order & (shelved.home == shelved.place), leading)
    wrong_shelf = np.where(spilled, 0.0, wrong_shelf)
    wrong_shelf[~staying & known] = 0.0
    out_of_order = np.where(at_home & sortable, out_of_order, 0.0)
    right = in_order & (at_home | spilled)
    return Judgement(wrong_shelf, out_of_order, right, wrong_by, passed)


def _order(s: Shelved, policy: Policy, rows_in: Bools) -> tuple[Floats, Floats, Ints]:
    """Return the probability of standing out of order, by how far, and past how many books."""
    n = len(s)
    confidence, wrong_by, passed = np.zeros(n), np.zeros(n), np.zeros(n, np.int64)
    rows = np.flatnonzero(rows_in)
    # Rows are in physical order already; a stable sort by place and scheme keeps it within each.
    rows = rows[np.lexsort((s.scheme[rows], s.place[rows]))]
    if not len(rows):
        return confidence, wrong_by, passed
    p = s.positions
    x = s.offset_m[rows]
    sigma = np.where(np.isfinite(p.sigma_local_m), p.sigma_local_m, p.sigma_along_m)[rows]
    sigma = np.maximum(np.nan_to_num(sigma, nan=0.1), 1e-4)
    starts = group_starts(s.place[rows] * (int(s.scheme.max()) + 1) + s.scheme[rows])
    spacing, span = _spacing(x, starts)
    ranks = s.rank[rows]
    sigma, stray = _errors_seen(ranks, x, sigma, starts, policy)
    # What localization does not claim for the shelf it claims for another peak, whose offset is another, too.
    claim = np.clip(np.nan_to_num(p.p_shelf[rows], nan=0.5), 0.0, 1.0)
    rough = 1.0 - np.clip(np.nan_to_num(p.quality[rows], nan=0.5), 0.0, 1.0)
    stray = np.clip(stray + _OTHER_PEAK * (1.0 - claim) + _ROUGH * rough**2, 0.0, 0.5)
    weights = np.clip(np.nan_to_num(p.p_shelf[rows], nan=0.5), 0.05, 1.0) / (1.0 + (sigma / spacing) ** 2)
    keep = heaviest_order(ranks, weights, starts)
    left, right, past = right_gap(ranks, keep, starts)
    at = np.arange(len(rows))
    beside = np.where(~keep & (left > at), left, np.where(~keep & (right >= 0) & (right < at), right, -1))
    other = np.maximum(beside, 0)
    by = np.where(beside >= 0, np.abs(x[other] - x), 0.0)
    share = policy.disorder_share
    found = order_confidence(by, np.hypot(sigma, sigma[other]), spacing, span, prior=share, stray=stray)
    # Where the two stand side by side localization has compared them directly.
    heard_rank, heard_shelf, p_order = p.rank[rows], p.shelf_id[rows], p.p_order[rows]
    adjacent = (beside >= 0) & (np.abs(heard_rank[other] - heard_rank) == 1)
    adjacent[adjacent] = heard_shelf[other[adjacent]] == heard_shelf[adjacent]
    told = np.where(heard_rank[other] > heard_rank, p_order[other], p_order)
    by_pair = told * share / (told * share + (1.0 - told) * (1.0 - share))
    found = np.where(adjacent & np.isfinite(told), np.minimum(found, by_pair), found)
    confidence[rows], wrong_by[rows], passed[rows] = np.minimum(found, 0.995), by, past
    return confidence, wrong_by, passed


def _errors_seen(
    ranks: Ints, x: Floats, sigma: Floats, starts: Ints, policy: Policy
) -> tuple[Floats, Floats]:
    """Return each book's standard deviation, widened to fit the catalogue, and the share of strays among its like.

    Nearly all books stand in order, so a book stands within a few centimetres of the middle of its four
    neighbours in call-number order. The median absolute deviation from there says how wide errors are without being
    moved by the few books out of order; the share beyond four standard deviations that is more than
    the usual share of books out of order must be positions gone astray. Both are asked of classes of
    books, from the surest to the least sure, as the errors of each may be claimed too small in their own way.
    """
    wide, stray = sigma.copy(), np.zeros(len(sigma))
    group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((ranks, group))
    inner = np.arange(2, max(len(order) - 2, 2))
    inner = inner[
        (group[order[inner - 2]] == group[order[inner]]) & (group[order[inner + 2]] == group[order[inner]])
    ]
    if len(inner) < _CLASS_BOOKS:
        return wide, stray
    at, row = x[order], order[inner]
    around = np.median([at[inner - 2], at[inner - 1], at[inner + 1], at[inner + 2]], axis=0)
    off = np.abs(at[inner] - around)
    usual = float(np.median(sigma[row]))
    classes = np.quantile(sigma[row], _CLASSES) if len(inner) >= 16 * _CLASS_BOOKS else np.zeros(0)
    of_row, of_all = np.searchsorted(classes, sigma[row]), np.searchsorted(classes, sigma)
    for k in np.unique(of_row):
        mine = of_row == k
        # The middle of four neighbours has errors of its own, about half a neighbour's variance.
        claimed = np.sqrt(sigma[row][mine] ** 2 + 0.5 * usual**2 + _THICKNESS_M**2)
        factor = max(1.0, 1.4826 * float(np.median(off[mine])) / float(np.median(claimed)))
        beyond = float(np.mean(off[mine] > 4.0 * factor * claimed))
        wide[of_all == k] *= factor
        surely = beyond - 1.5 * np.sqrt(beyond * (1.0 - beyond) / np.count_nonzero(mine))
        stray[of_all == k] = float(np.clip(surely - policy.disorder_share, 0.0, 0.5))
    return wide, stray


def _spacing(x: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Return each row's usual distance between neighbours on its shelf, and the length its books take up."""
    sizes = np.diff(starts)
    group = np.repeat(np.arange(len(sizes)), sizes)
    gaps = np.diff(x, append=x[-1])
    gaps[starts[1:] - 1] = np.inf  # the last of a shelf has no right neighbour: sorted beyond the median
    by_size = np.lexsort((gaps, group))
    middle = starts[:-1] + np.maximum(sizes - 2, 0) // 2
    usual = np.where(sizes > 1, gaps[by_size[middle]], 0.02)
    span = x[starts[1:] - 1] - x[starts[:-1]]
    return np.clip(usual, 0.003, 0.05)[group], span[group]


def _spilled(s: Shelved, catalogue: Catalogue, places: Places, sortable: Bools) -> tuple[Bools, Bools]:
    """Find books that run over the end of their range: at the start of the next shelf, or the end of the last.

    Ranges are labels on shelf ends, and books run over them as shelves fill. They are candidates only where the
    books between them and the shelf's end are candidates, too.

    Returns
    -------
    spilled, leading : bool array, shape (n,)
        Candidates; which of all rows run over from the shelf before.
    """
    n = len(s)
    spilled, leading = np.zeros(n, bool), np.zeros(n, bool)
    rows = np.flatnonzero(sortable)
    if not len(rows) or not len(places):
        return spilled, leading
    before, after = catalogue.before, catalogue.after
    place, home = s.place[rows], s.home[rows]
    by_range = catalogue.by_range[s.copy[rows]] & (home >= 0)
    from_before = by_range & (before[place] == home)
    from_after = by_range & (after[place] == home)
    starts = group_starts(place)
    group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    at = np.arange(len(rows))
    first_other = np.minimum.reduceat(np.where(from_before, len(rows), at), starts[:-1])
    last_other = np.maximum.reduceat(np.where(from_after, -1, at), starts[:-1])
    lead, trail = at < first_other[group], at > last_other[group]
    spilled[rows] = (lead & from_before) | (trail & from_after)
    leading[rows] = lead & from_before
    return spilled, leading


def _beyond_home(s: Shelved, standing: Bools, leading: Bools) -> Bools:
    """Say which books have call numbers beyond every book that stands right on their own shelf."""
    size = int(max(s.home.max(initial=-1), s.place.max(initial=-1))) + 1
    highest = np.full(size + 1, -1, np.int64)
    lowest = np.full(size + 1, np.iinfo(np.int64).max, np.int64)
    np.maximum.at(highest, s.home[standing], s.rank[standing])
    np.minimum.at(lowest, s.home[standing], s.rank[standing])
    return np.where(leading, s.rank >= highest[s.home], s.rank <= lowest[s.home])
