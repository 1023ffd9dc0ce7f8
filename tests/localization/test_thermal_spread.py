"""Depths and heights of a row, learnt from what phases tell of each tag."""

import numpy as np

from localization.thermal_spread import Spread, learn_spread


def fitted(at, information, middle=0.0, width=1.0):
    """Fit of tags whose readings alone say ``at`` with such information, told a normal prior."""
    prior = np.eye(2) / width**2
    covariance = np.linalg.inv(information + prior)
    pull = (information @ at[:, :, None])[:, :, 0] + middle / width**2
    return (covariance @ pull[:, :, None])[:, :, 0], covariance


def learnt(at, information, board=None):
    board = np.zeros(len(at), np.int64) if board is None else board
    told = np.zeros((len(at), 2))
    return learn_spread(board, *fitted(at, information), told, np.ones((len(at), 2)))


def row(count=120, width=(0.4, 0.5), middle=(0.0, 0.0), noise=0.15, seed=3):
    rng = np.random.default_rng(seed)
    at = rng.normal(middle, width, (count, 2)) + rng.normal(0, noise, (count, 2))
    return at, np.broadcast_to(np.eye(2) / noise**2, (count, 2, 2))


def test_spreads_and_middles_are_those_of_the_tags_without_their_noise():
    boards = [row(middle=(0.2, -0.4), seed=3), row(middle=(0.0, 0.3), seed=4)]
    at, information = (np.concatenate(part) for part in zip(*boards, strict=True))
    spread, own = learnt(at, information, np.repeat([7, 12], 120))
    np.testing.assert_allclose(spread.width, [0.4, 0.5], atol=0.07)
    np.testing.assert_allclose(spread.middle, [[0.2, -0.4], [0.0, 0.3]], atol=0.12)
    assert (own > 0.5).mean() > 0.95
    middle, width = spread.of(np.array([12, 9]))
    np.testing.assert_array_equal(middle, [spread.middle[1], [0.0, 0.0]])
    np.testing.assert_array_equal(width, [spread.width, [1.0, 1.0]])


def test_what_the_fit_was_told_is_not_learnt_again():
    at, information = row()
    first, _ = learnt(at, information)
    middle, width = first.of(np.zeros(len(at), np.int64))
    prior = np.zeros((len(at), 2, 2))
    prior[:, [0, 1], [0, 1]] = width**-2
    covariance = np.linalg.inv(information + prior)
    pull = (information @ at[:, :, None])[:, :, 0] + middle / width**2
    place = (covariance @ pull[:, :, None])[:, :, 0]
    again, _ = learn_spread(np.zeros(len(at), np.int64), place, covariance, middle, width)
    np.testing.assert_allclose(again.width, first.width, atol=1e-3)
    np.testing.assert_allclose(again.middle, first.middle, atol=1e-3)


def test_readings_that_tell_nothing_leave_what_was_supposed():
    at, _ = row(30)
    spread, own = learnt(at, np.full((30, 2, 2), 1e-9))
    np.testing.assert_allclose(spread.width, 1.0, atol=0.06)
    np.testing.assert_allclose(spread.middle, 0.0, atol=1e-3)
    assert (own > 0.5).all()
    none, _ = learn_spread(
        np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2)), np.zeros((0, 2))
    )
    np.testing.assert_array_equal(none.width, Spread.supposed().width)


def test_tags_of_another_row_do_not_widen_it():
    at, information = row(100)
    at[:15] += [0.5, -3.0]
    spread, own = learnt(at, information)
    np.testing.assert_allclose(spread.width, [0.4, 0.5], atol=0.1)
    assert np.abs(spread.middle).max() < 0.2
    assert (own[:15] < 0.5).mean() > 0.8
    assert (own[15:] > 0.5).mean() > 0.95
    assert 0.1 < spread.strange < 0.3


def test_the_way_that_one_antenna_does_not_see_stays_where_it_was_supposed():
    # One antenna tells a tag's distance from its way, whose direction turns a little from tag to tag.
    blind, drift = np.array([np.sin(0.6), np.cos(0.6)]), []
    for seed in range(8):
        at = np.random.default_rng(seed).normal(0, (0.4, 0.5), (40, 2))
        angle = -0.6 + 0.12 * at[:, 0]
        normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        spread, _ = learnt(at, 100.0 * normal[:, :, None] * normal[:, None, :])
        drift.append(float(spread.middle[0] @ blind))
    assert np.sqrt(np.mean(np.square(drift))) < 0.25
