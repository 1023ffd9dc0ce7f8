"""Neighbours by the difference of their phases: the kernel against its reference, and what it is good for."""

import dataclasses

import numpy as np
import pytest

from localization.difference_kernels import fit_differences
from localization.difference_reference import fit_difference
from localization.differences import AHEAD, NEAR_M, Differences, join, near_neighbours, own_share
from localization.placing import Places

PLACED = np.array([0.70, 0.0, 0.40, 0.73, 0.0, 0.40])


def pair(seed, apart=0.02, shared=0.8, own=0.05, n=50):
    """Two tags heard by two antennas along one track, disturbed alike over some centimetres of it."""
    rng = np.random.default_rng(seed)
    tags = []
    bumps = rng.normal(0, 1, (2, 60))
    for offset in (0.70, 0.70 + apart):
        antenna = np.repeat([1.0, 2.0], n // 2)
        way = np.tile(np.sort(rng.uniform(0.0, 1.4, n // 2)), 2)
        h, z = 0.5 + rng.normal(0, 0.003, n), 0.2 + 0.5 * antenna
        k = 2 * rng.choice([38.6, 38.8], n)
        d = np.sqrt((way - offset) ** 2 + h**2 + (z - 0.4) ** 2)
        common = np.array([np.interp(w, np.linspace(-0.1, 1.5, 20), bumps[int(a) - 1, :20]) for a, w in
                           zip(antenna, way, strict=True)])  # fmt: skip
        phase = k * d + 1.3 * antenna + shared * common + rng.normal(0, own, n)
        tags.append(
            (way, h, z, k, np.mod(phase, 2 * np.pi), rng.uniform(0.2, 1.0, n), antenna, way.copy(),
             antenna - 1, np.floor(way / 0.1))
        )  # fmt: skip
    return tags


def compiled(one, other, place=PLACED, reach=0.1):
    columns = [np.concatenate([a, b]) for a, b in zip(one, other, strict=True)]
    whole = [c.astype(np.int64) if i in (6, 8, 9) else c for i, c in enumerate(columns)]
    result = np.zeros((1, 5))
    fit_differences(
        np.array([0, len(one[0]), len(columns[0])]), *whole, np.array([0]), np.array([1]), place[None], reach,
        0.03, np.array([0.04]), result,
    )  # fmt: skip
    return result[0]


@pytest.mark.parametrize("seed", range(6))
def test_kernel_equals_its_reference(seed):
    one, other = pair(seed)
    other[5][::7] = 0.0
    found, expected = compiled(one, other), fit_difference(one, other, PLACED, 0.1, 0.03, 0.04)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_tags_never_heard_at_one_spot_have_no_difference():
    one, other = pair(0)
    other[6][:] += 5
    assert np.isnan(compiled(one, other)).all()
    assert np.isnan(fit_difference(one, other, PLACED, 0.1, 0.03, 0.04)).all()


def test_what_both_share_cancels():
    """A disturbance of 0.8 rad that both tags feel moves their difference by millimetres."""
    found = [compiled(*pair(seed))[0] + PLACED[3] - PLACED[0] for seed in range(40)]
    assert abs(np.median(found) - 0.02) < 0.002
    assert np.sqrt(np.mean((np.array(found) - 0.02) ** 2)) < 0.006


def test_scale_tells_whether_it_cancels():
    alike = np.median([compiled(*pair(seed))[2] for seed in range(10)])
    strange = np.median([compiled(pair(seed)[0], pair(seed + 100)[1])[2] for seed in range(10)])
    assert alike < 0.5 * strange


def places(offset, shelf=None, height=None, sigma=None, cells=None):
    n = len(offset)
    zero, one = np.zeros(n, np.int64), np.ones(n)
    columns = {f.name: (zero if f.type == "Ints" else one) for f in dataclasses.fields(Places)}
    columns |= {
        "offset_m": np.array(offset),
        "shelf": zero if shelf is None else np.array(shelf),
        "height_m": one if height is None else np.array(height),
        "sigma_m": 0.01 * one if sigma is None else np.array(sigma),
        "cells": 20 * one if cells is None else np.array(cells),
    }
    return Places(**columns)


def named(pairs):
    return set(zip(*[side.tolist() for side in pairs], strict=True))


def test_neighbours_are_near_on_one_shelf_and_placed_by_phase():
    here = [0.10, 0.30, 0.12, 0.14, 0.16 + 1e-9, 0.13, 0.135]
    assert named(near_neighbours(places(here[:2]))) == set()
    shelf = [0, 0, 0, 0, 0, 1, 0]
    cells = [20, 20, 20, 20, 20, 20, 2]
    assert named(near_neighbours(places(here, shelf, cells=cells))) == {
        (0, 2),
        (0, 3),
        (2, 3),
        (2, 4),
        (3, 4),
    }


def test_without_shelves_neighbours_stand_at_one_height():
    pairs = near_neighbours(places([0.1, 0.12, 0.14], [-1, -1, -1], [0.5, 1.0, 0.6]))
    assert named(pairs) == {(0, 2)}


def test_a_crowd_is_compared_with_the_next_few_only():
    first, second = near_neighbours(places(list(np.linspace(0.1, 0.1 + NEAR_M, 12))))
    assert (second - first).max() == AHEAD


@pytest.mark.parametrize("n", [2, 3, 9])
def test_join_is_the_weighted_least_squares(n):
    rng = np.random.default_rng(n)
    here = places(
        np.cumsum(rng.uniform(0.005, 0.02, n))[rng.permutation(n)], sigma=rng.uniform(0.01, 0.03, n)
    )
    first, second = near_neighbours(here)
    apart = here.offset_m[second] - here.offset_m[first] + rng.normal(0, 0.01, len(first))
    variance = rng.uniform(0.003, 0.02, len(first)) ** 2
    rows = np.vstack([np.eye(n), np.eye(n)[second] - np.eye(n)[first]])
    weight = np.sqrt(np.concatenate([1 / here.sigma_m**2, 1 / variance]))
    wanted = np.concatenate([here.offset_m, apart])
    expected = np.linalg.lstsq(rows * weight[:, None], wanted * weight, rcond=None)[0]
    offset, left = join(here, Differences(first, second, apart, variance))
    np.testing.assert_allclose(offset, expected, atol=1e-9)
    posterior = np.linalg.inv((rows * weight[:, None] ** 2).T @ rows)
    np.testing.assert_allclose(left, np.diag(posterior) / here.sigma_m**2, rtol=1e-9)


def test_a_sure_difference_turns_an_order_that_separate_fits_have_wrong():
    here = places([0.100, 0.104, 0.5])
    joined, left = join(
        here, Differences(np.array([0]), np.array([1]), np.array([-0.012]), np.array([0.004**2]))
    )
    assert joined[1] < joined[0]
    assert abs(joined[:2].mean() - 0.102) < 1e-9
    assert joined[2] == pytest.approx(0.5)
    assert left[2] == 1.0
    assert 0.5 < left[0] < 0.7


def test_bars_shrink_by_what_neighbours_do_not_share_only():
    here = places(list(np.arange(30) * 0.02))
    first = np.arange(29)
    found = Differences(first, first + 1, np.full(29, 0.02), np.full(29, 1e-5))
    assert own_share(here, found) == pytest.approx(0.0)
    zigzag = places(list(np.arange(30) * 0.02 + 0.005 * (-1.0) ** np.arange(30)))
    assert own_share(zigzag, found) == pytest.approx(0.5)
    few = Differences(first[:5], first[:5] + 1, np.full(5, 0.02), np.full(5, 1e-5))
    assert own_share(zigzag, few) == 0.0
