"""Intervals of shares counted on a few shelves hold as often as they say."""

import math

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from reports.intervals import exact, share_of


def test_clopper_and_pearsons_interval_is_scipys():
    for right, of in ((0, 10), (3, 10), (10, 10), (318, 320)):
        told = binomtest(right, of).proportion_ci(0.95, method="exact")
        assert exact(right, of) == pytest.approx((told.low, told.high), abs=1e-9)


def coverage(p, alike, shelves=10, books=33, draws=600):
    """Return how often the interval and the exact one hold the true share, where books of a shelf are alike."""
    rng = np.random.default_rng(7)
    a, b = p * (1 / alike - 1), (1 - p) * (1 / alike - 1)
    held = held_exact = 0
    for _ in range(draws):
        share = beta.rvs(a, b, size=shelves, random_state=rng)
        n = rng.poisson(books, shelves) + 1
        found = share_of(rng.binomial(n, share), n)
        held += found.low <= p <= found.high
        held_exact += found.exact_low <= p <= found.exact_high
    return held / draws, held_exact / draws


@pytest.mark.parametrize(("p", "alike"), [(0.9, 0.05), (0.9, 0.2), (0.97, 0.02), (0.6, 0.1)])
def test_of_ten_shelves_the_interval_holds_where_the_exact_one_does_not(p, alike):
    held, held_exact = coverage(p, alike)
    assert held >= 0.92
    if alike >= 0.1:
        assert held_exact < 0.85


def test_books_that_are_not_alike_cost_little_width():
    held, _ = coverage(0.9, 0.001)
    assert held >= 0.94
    one = share_of([30] * 10, [33] * 10)
    assert one.effect == 1.0
    assert one.high - one.low < 1.25 * (one.exact_high - one.exact_low)


def test_all_right_is_still_not_certain():
    one = share_of([33] * 10, [33] * 10)
    assert one.value == 1.0 and one.high == 1.0
    assert 0.97 < one.low < one.exact_low < 1.0


def test_nothing_and_one_shelf():
    none = share_of([0, 0], [0, 0])
    assert none.of == 0 and math.isnan(none.value) and (none.low, none.high) == (0.0, 1.0)
    one = share_of([30], [33])
    assert one.shelves == 1 and one.low < one.exact_low
