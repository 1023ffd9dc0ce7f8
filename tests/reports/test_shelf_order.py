"""The fewest moves: the kernel against brute force and against its reference."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.shelf_order import (
    group_starts,
    heaviest_order,
    heaviest_order_reference,
    order_confidence,
    right_gap,
)

RANKS = st.lists(st.integers(0, 8), min_size=1, max_size=9)


def starts_of(*sizes):
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def heaviest_by_trying(ranks, weights):
    n = len(ranks)
    return max(
        sum(weights[list(kept)])
        for size in range(n + 1)
        for kept in combinations(range(n), size)
        if all(ranks[a] <= ranks[b] for a, b in pairwise(kept))
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(RANKS, st.integers(0, 10_000))
def test_nothing_heavier_can_stay(ranks, seed):
    ranks = np.array(ranks, np.int64)
    weights = np.random.default_rng(seed).integers(1, 20, len(ranks)).astype(float)
    keep = heaviest_order(ranks, weights, starts_of(len(ranks)))
    assert np.all(np.diff(ranks[keep]) >= 0)
    assert weights[keep].sum() == heaviest_by_trying(ranks, weights)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=5), st.integers(0, 10_000))
def test_kernel_and_reference_agree_group_by_group(groups, seed):
    ranks = np.array([r for g in groups for r in g], np.int64)
    weights = np.random.default_rng(seed).random(len(ranks)) + 0.05
    starts = starts_of(*[len(g) for g in groups])
    assert np.array_equal(
        heaviest_order(ranks, weights, starts), heaviest_order_reference(ranks, weights, starts)
    )


def test_only_the_displaced_book_moves_and_not_its_neighbour():
    # Comparing each book with its two neighbours alone would accuse D as well.
    keep = heaviest_order(np.array([1, 2, 3, 0, 4, 5]), np.ones(6), starts_of(6))
    assert keep.tolist() == [True, True, True, False, True, True]


def test_a_doubtful_book_gives_way_to_a_sure_one():
    weights = np.array([1.0, 0.3, 1.0])
    assert heaviest_order(np.array([0, 2, 1]), weights, starts_of(3)).tolist() == [True, False, True]


def test_copies_of_one_call_number_are_in_order():
    assert heaviest_order(np.array([3, 3, 3, 4, 4]), np.ones(5), starts_of(5)).all()


def test_a_hundred_thousand_books_on_one_shelf():
    rng = np.random.default_rng(5)
    ranks = np.arange(100_000)
    moved = rng.choice(100_000, 2000, replace=False)
    ranks[moved] = rng.permutation(ranks[moved])
    keep = heaviest_order(ranks.astype(np.int64), np.ones(100_000), starts_of(100_000))
    assert 1900 < np.count_nonzero(~keep) <= 2000


def test_the_gap_of_a_displaced_book_and_how_many_stand_between():
    ranks, keep = np.array([0, 5, 1, 2, 3, 9]), np.array([True, False, True, True, True, True])
    left, right, passed = right_gap(ranks, keep, starts_of(6))
    assert (left[1], right[1], passed[1]) == (4, 5, 3)
    assert (left[0], right[0], passed[0]) == (-1, 2, 0)


def test_a_copy_may_stand_at_either_end_of_its_copies():
    # 7 belongs anywhere beside the two other copies of rank 4: it is two books away, not four.
    ranks, keep = np.array([4, 0, 1, 4, 4, 9]), np.array([False, True, True, True, True, True])
    left, right, passed = right_gap(ranks, keep, starts_of(6))
    assert (left[0], right[0], passed[0]) == (2, 3, 2)


def one(by, sigma, spacing=0.025, span=0.9, **more):
    return float(
        order_confidence(*(np.array([v]) for v in (by, sigma, spacing, span)), prior=0.03, **more)[0]
    )


def test_confidence_grows_with_distance_and_shrinks_with_error():
    assert one(0.10, 0.005) > 0.99
    assert one(0.025, 0.012) < 0.5
    assert one(0.10, 0.05) < one(0.10, 0.02) < one(0.10, 0.005)
    assert one(0.02, 0.01) < one(0.04, 0.01) < one(0.08, 0.01)
    assert one(-0.01, 0.001) == 0.0


def test_where_positions_go_astray_a_far_book_is_no_proof():
    assert one(0.4, 0.005) > 0.99
    assert one(0.4, 0.005, stray=0.2) < 0.6


@pytest.mark.parametrize("values", [[], [1], [1, 1, 2, 2, 2, 5]])
def test_group_starts(values):
    starts = group_starts(np.array(values))
    assert starts[0] == 0
    assert starts[-1] == len(values)
    for a, b in pairwise(starts):
        assert len(set(values[a:b])) == 1
