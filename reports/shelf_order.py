"""Which books of a shelf must be moved so that the rest stands in call-number order.

The fewest moves that sort a row leave its longest non-decreasing subsequence standing (M. L. Fredman, "On
computing the length of longest increasing subsequences", Discrete Mathematics 11, 1975); with weights it is
the heaviest one, so that books whose place is well known stay and doubtful ones give way.
"""

from __future__ import annotations

import itertools
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_STRAY_M = 0.5  # how far off a position is that an echo or a slip of the phase has put somewhere else


@numba.njit(cache=True)
def heaviest_order(ranks: Ints, weights: Floats, starts: Ints) -> Bools:
    """Mark the heaviest non-decreasing subsequence of every group; O(n log n).

    Parameters
    ----------
    ranks : int64 array, shape (n,)
        Place of each book in shelving order (equal call numbers share one), in physical order.
    weights : float64 array, shape (n,)
        How much it counts to leave the book where it stands; positive.
    starts : int64 array, shape (groups + 1,)
        Group ``g`` is the rows ``starts[g]`` up to ``starts[g + 1]``; the groups do not see each other.

    Returns
    -------
    bool array, shape (n,)
        True for the books that stay. Among equally heavy choices the one found first from the left.
    """
    n = len(ranks)
    keep = np.zeros(n, dtype=np.bool_)
    before = np.full(n, -1, dtype=np.int64)
    best = np.zeros(n)
    for g in range(len(starts) - 1):
        first, last = starts[g], starts[g + 1]
        size = last - first
        if size == 0:
            continue
        # Ranks squeezed to 1..m within the group: the Fenwick tree is as long as the group, not the library.
        order = np.argsort(ranks[first:last], kind="mergesort")
        squeezed = np.empty(size, dtype=np.int64)
        m = 0
        for k in range(size):
            if k == 0 or ranks[first + order[k]] != ranks[first + order[k - 1]]:
                m += 1
            squeezed[order[k]] = m
        tree = np.full(
            m + 1, -1, dtype=np.int64
        )  # row holding the heaviest chain that ends in this span of ranks
        heaviest = -1
        for k in range(size):
            row = first + k
            chain = 0.0
            j = squeezed[k]
            while j > 0:
                if tree[j] >= 0 and best[tree[j]] > chain:
                    chain = best[tree[j]]
                    before[row] = tree[j]
                j -= j & -j
            best[row] = chain + weights[row]
            j = squeezed[k]
            while j <= m:
                if tree[j] < 0 or best[row] > best[tree[j]]:
                    tree[j] = row
                j += j & -j
            if heaviest < 0 or best[row] > best[heaviest]:
                heaviest = row
        while heaviest >= 0:
            keep[heaviest] = True
            heaviest = before[heaviest]
    return keep


def heaviest_order_reference(ranks: Ints, weights: Floats, starts: Ints) -> Bools:
    """Return what `heaviest_order` returns, by the textbook recurrence; O(n^2) per group."""
    keep = np.zeros(len(ranks), bool)
    for first, last in itertools.pairwise(starts):
        best: list[float] = []
        before: list[int] = []
        for k in range(last - first):
            chains = np.array(best) * (ranks[first : first + k] <= ranks[first + k])
            previous = int(np.argmax(chains)) if k and chains.max() > 0 else -1
            before.append(previous)
            best.append(float(weights[first + k]) + (best[previous] if previous >= 0 else 0.0))
        k = int(np.argmax(best)) if best else -1
        while k >= 0:
            keep[first + k] = True
            k = before[k]
    return keep


@numba.njit(cache=True)
def right_gap(ranks: Ints, keep: Bools, starts: Ints) -> tuple[Ints, Ints, Ints]:
    """Find, for every book, the gap among the books that stay into which it belongs.

    Parameters
    ----------
    ranks, starts : as for `heaviest_order`
    keep : bool array, shape (n,)
        The books that stay; their ranks do not decrease within a group.

    Returns
    -------
    left, right : int64 array, shape (n,)
        Rows of the staying books between which the book belongs (-1: it belongs at that end). A book with the
        call number of a staying one belongs right of it. For a staying book its neighbours.
    passed : int64 array, shape (n,)
        How many staying books stand between it and that gap: 0 where it stands right.
    """
    n = len(ranks)
    left = np.full(n, -1, dtype=np.int64)
    right = np.full(n, -1, dtype=np.int64)
    passed = np.zeros(n, dtype=np.int64)
    for g in range(len(starts) - 1):
        first, last = starts[g], starts[g + 1]
        rows = np.empty(last - first, dtype=np.int64)
        count = 0
        for row in range(first, last):
            if keep[row]:
                rows[count] = row
                count += 1
        seen = 0  # staying books physically left of this one
        for row in range(first, last):
            if keep[row]:
                left[row] = rows[seen - 1] if seen > 0 else -1
                right[row] = rows[seen + 1] if seen + 1 < count else -1
                seen += 1
                continue
            low, high = 0, count
            while low < high:
                middle = (low + high) // 2
                if ranks[rows[middle]] <= ranks[row]:
                    low = middle + 1
                else:
                    high = middle
            # Copies share a call number: anywhere among them is right, so look from where the book stands.
            first_equal = low
            while first_equal > 0 and ranks[rows[first_equal - 1]] == ranks[row] and first_equal > seen:
                first_equal -= 1
            low = first_equal
            left[row] = rows[low - 1] if low > 0 else -1
            right[row] = rows[low] if low < count else -1
            passed[row] = abs(low - seen)
    return left, right, passed


def order_confidence(
    wrong_by_m: Floats,
    sigma_m: Floats,
    spacing_m: Floats,
    span_m: Floats,
    *,
    prior: float,
    stray: Floats | float = 0.0,
) -> Floats:
    """Return the probability that a book stands out of order, from how far it stands on the wrong side.

    Two stories compete. The book is where it belongs, half a book's thickness and more on the other side of its
    neighbour, and the estimate is off: a normal error, with one estimate in a hundred three times as wide
    (position errors have heavier tails than their standard deviation says), and a share `stray` anywhere
    within about half a metre. Or somebody put it back anywhere on the shelf: uniform over it. Bayes' rule with
    `prior` decides between them, so that neighbours whose order the positions cannot tell are never accused.

    Parameters
    ----------
    wrong_by_m : float64 array, shape (n,)
        How far beyond the staying neighbour it stands, on the wrong side (negative: on the right side).
    sigma_m : float64 array, shape (n,)
        Standard deviation of that difference.
    spacing_m : float64 array, shape (n,)
        Usual distance between neighbours on this shelf.
    span_m : float64 array, shape (n,)
        Length of the shelf.
    prior : float
        Share of books that stand out of order on their shelf.
    stray : float64 array, shape (n,), or float
        Share of position errors that have nothing to do with their standard deviation.

    Returns
    -------
    float64 array, shape (n,)
    """
    sigma = np.maximum(sigma_m, 1e-4)
    z = (wrong_by_m + spacing_m) / sigma
    narrow = 0.99 * np.exp(-0.5 * z * z) / sigma
    wide = 0.01 * np.exp(-0.5 * (z / 3.0) ** 2) / (3.0 * sigma)
    lost = np.exp(-0.5 * (wrong_by_m / _STRAY_M) ** 2) / _STRAY_M
    here = ((1.0 - stray) * (narrow + wide) + stray * lost) / np.sqrt(2.0 * np.pi)
    anywhere = 1.0 / np.maximum(span_m, 0.2)
    confidence = prior * anywhere / (prior * anywhere + (1.0 - prior) * here)
    return np.where(wrong_by_m > 0.0, confidence, 0.0)


def group_starts(groups: npt.NDArray[Any]) -> Ints:
    """Return where each run of equal values starts, and the length at the end, shape (groups + 1,)."""
    if len(groups) == 0:
        return np.zeros(1, np.int64)
    changes = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    return np.concatenate([[0], changes, [len(groups)]]).astype(np.int64)
