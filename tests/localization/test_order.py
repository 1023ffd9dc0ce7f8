"""Ranks, and the chance of an order: as often right as it says, whatever the error bars are worth."""

import numpy as np
import pytest

from localization.order import learn_order, rank_on_shelves


def shelves(error_m, stated_m, *, boards=30, seed=1, lost=0.0):
    """Books of 0.8 to 5 cm on boards of 0.7 m, found with an error of their own; some anywhere on the board."""
    rng = np.random.default_rng(seed)
    place, true = [], []
    for board in range(boards):
        thick = np.clip(np.exp(rng.normal(np.log(0.023), 0.45, 60)), 0.008, 0.05)
        middle = np.cumsum(thick) - thick / 2
        middle = middle[middle < 0.7]
        place += [board] * len(middle)
        true += middle.tolist()
    place, true = np.array(place), np.array(true)
    found = true + rng.normal(0, error_m, len(true))
    gone = rng.random(len(true)) < lost
    found[gone] = rng.uniform(0, 0.7, gone.sum())
    return place, true, found, np.full(len(true), stated_m)


def outcomes(place, true, found, sigma, **options):
    rank, p = rank_on_shelves(place, found, sigma, **options)
    order = np.lexsort((rank, place))
    left, right = order[:-1], order[1:]
    same = place[left] == place[right]
    return p[right][same], (true[right] > true[left])[same]


def log_score(p, right):
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return -np.mean(np.where(right, np.log(p), np.log(1 - p)))


def test_ranks_begin_at_one_on_each_shelf_and_nowhere_has_none():
    rank, p = rank_on_shelves(
        np.array([4, 4, -1, 2, 4]), np.array([0.3, 0.1, 0.2, 0.5, 0.2]), np.full(5, 0.01)
    )
    assert rank.tolist() == [3, 1, 0, 1, 2]
    assert np.isfinite(p).tolist() == [True, False, False, False, True]
    assert (p[[0, 4]] > 0.99).all()


def test_no_tags_have_no_ranks():
    rank, p = rank_on_shelves(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert len(rank) == len(p) == 0


@pytest.mark.parametrize("worth", [0.4, 1.0, 2.0])
@pytest.mark.parametrize("error_m", [0.003, 0.008])
def test_chances_come_true_whatever_the_bars_are_worth(error_m, worth):
    p, right = outcomes(*shelves(error_m, error_m / worth))
    assert p.mean() == pytest.approx(right.mean(), abs=0.04)
    for low, high in ((0.5, 0.75), (0.75, 0.95)):
        here = (p >= low) & (p < high)
        if here.sum() > 40:
            assert right[here].mean() == pytest.approx(p[here].mean(), abs=0.12)


def test_they_say_more_than_bars_that_neighbours_share():
    place, true, found, sigma = shelves(0.004, 0.01)
    p, right = outcomes(place, true, found, sigma)
    alone, _ = outcomes(place, true, found, sigma, shelved=np.zeros(len(place), bool))
    assert log_score(p, right) < 0.6 * log_score(alone, right)


def test_tags_that_stand_anywhere_keep_them_from_being_sure():
    place, true, found, sigma = shelves(0.004, 0.004, lost=0.3)
    p, right = outcomes(place, true, found, sigma)
    calm, _ = outcomes(*shelves(0.004, 0.004))
    alone, _ = outcomes(place, true, found, sigma, shelved=np.zeros(len(place), bool))
    assert np.quantile(p, 0.9) < 0.98 < np.quantile(calm, 0.9)
    assert log_score(p, right) < 0.8 * log_score(alone, right)


def test_two_tags_closer_than_any_book_say_little_of_their_order():
    place, true, found, sigma = shelves(0.004, 0.004)
    pair = np.array([200, 200]), np.array([0.300, 0.301]), np.array([0.300, 0.301]), np.array([0.004, 0.004])
    joined = [np.concatenate([a, b]) for a, b in zip((place, true, found, sigma), pair, strict=True)]
    _, p = rank_on_shelves(joined[0], joined[2], joined[3])
    assert 0.5 < p[-1] < 0.75


def test_on_a_rack_without_boards_the_bars_stand_as_they_are():
    place, offset = np.zeros(40, np.int64), np.arange(40) * 0.001
    _, p = rank_on_shelves(place, offset, np.full(40, 0.01), np.zeros(40, bool))
    assert p[1:] == pytest.approx(np.full(39, 0.528), abs=0.01)


def test_few_tags_teach_nothing_of_books():
    few = learn_order(np.zeros(5, np.int64), np.arange(5) * 0.02, np.full(5, 0.01))
    assert few.thin_m == 0.0
    assert few.right_of(np.array([0.0, 0.1]), np.array([0.01, 0.01])) == pytest.approx([0.5, 1.0], abs=0.01)


def test_a_wider_step_is_never_less_sure():
    place, _, found, sigma = shelves(0.006, 0.006)
    law = learn_order(place[np.lexsort((found, place))], np.sort(found), sigma)
    p = law.right_of(np.linspace(0, 0.1, 200), np.full(200, 0.008))
    assert p[0] == pytest.approx(0.5)
    assert (np.diff(p) > -1e-9).all()
