"""The compiled kernels against their numpy references."""

import numpy as np
import pytest

from localization import kernels, kernels_reference
from localization.faces import _passes
from localization.listening import BINS, footprint_grid


def track(seed, n=60, groups=2, x0=0.7, height=0.4, noise=0.3):
    """One tag before a straight track of two antennas; returns columns in the face's frame."""
    rng = np.random.default_rng(seed)
    u = np.tile(np.linspace(0.0, 1.4, n // groups), groups) + rng.normal(0, 0.002, n)
    h = 0.5 + rng.normal(0, 0.005, n)
    z = np.repeat(np.array([0.2, 0.9, 1.5])[:groups], n // groups)
    k = 38.6 * np.ones(n)
    group = np.repeat(np.arange(groups), n // groups)
    d = np.sqrt((u - x0) ** 2 + h**2 + (z - height) ** 2)
    phase = np.mod(k * d + 1.3 * group + rng.normal(0, noise, n), 2 * np.pi)
    return u, h, z, k, phase, rng.uniform(0.3, 1.0, n), group.astype(np.int64)


def grid_of(columns, depth, height, x_count, step):
    u, h, z, k, phase, weight, group = columns
    out = np.empty(len(depth) * x_count, np.float32)
    single = [c.astype(np.float32) for c in (u, h, z, k / (2 * np.pi), phase / (2 * np.pi), weight)]
    kernels.profile_grid(
        np.array([0, len(u)]), *single, group, np.zeros(1, np.float32), step, np.array([x_count]),
        np.array([0, len(depth)]), depth.astype(np.float32), height.astype(np.float32),
        np.array([0, len(out)]), out,
    )  # fmt: skip
    return out.reshape(len(depth), x_count)


@pytest.mark.parametrize("seed", range(5))
def test_profile_grid_equals_its_reference(seed):
    columns = track(seed)
    depth, height = np.array([0.0, 0.05, 0.0]), np.array([0.4, 0.4, 0.8])
    # Whole vectors, and not.
    found = grid_of(columns, depth, height, 136 + seed, 0.01)
    expected = kernels_reference.profile_grid(*columns, np.arange(136 + seed) * 0.01, depth, height)
    np.testing.assert_allclose(found, expected, atol=2e-3 * expected.max())
    assert found.argmax() == expected.argmax()


@pytest.mark.parametrize(("share", "x_count"), [(0.6, 27), (0.0, 40)])
def test_footprint_grid_equals_its_reference(share, x_count):
    u, h, z, *_ = track(4)
    rng = np.random.default_rng(4)
    yaw = rng.normal(0.0, 0.2, len(u))
    look = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros(len(u))], axis=1)
    beam, count = np.where(z > 0.5, 70.0, 90.0), rng.integers(0, 4, len(u)).astype(np.float64)
    depth, height = np.array([0.0, 0.05]), np.array([0.4, 0.8])
    x = -0.3 + 0.05 * np.arange(x_count)
    log_rate, log_total = np.linspace(-3.0, 0.5, BINS), rng.normal(0.0, 0.3, (2, x_count))
    expected = kernels_reference.footprint_grid(
        u, h, z, look, beam, count, x, depth, height, share, log_rate, log_total
    )
    out = np.empty(2 * x_count)
    footprint_grid(
        np.array([0, len(u)]), u, h, z, look, beam, count, x[:1], 0.05, np.array([x_count]), np.array([0, 2]), depth,
        height, share, log_rate, log_total.ravel(), np.array([0, 2 * x_count]), out,
    )  # fmt: skip
    away = np.abs(out.reshape(2, x_count) - expected)
    # Single precision may take a link at a bin's edge for one of the next bin.
    assert (away > 1e-9).mean() < 0.05
    assert away.max() < 0.5
    assert np.ptp(expected) > 50.0


def test_profile_grid_peaks_at_the_tag():
    found = grid_of(track(3, noise=0.1), np.zeros(1), np.array([0.4]), 140, 0.01)
    assert abs(found[0].argmax() * 0.01 - 0.7) <= 0.02


def refined(columns, cell, start):
    u, h, z, k, phase, weight, group = columns
    result = np.zeros((1, 8))
    kernels.refine(
        np.array([0, len(u)]), u, h, z, k, phase, weight, group, cell, np.array([start[0]]), np.array([start[1]]),
        np.array([start[2]]), np.array([0.025]), np.array([0.05]), result,
    )  # fmt: skip
    return result[0]


@pytest.mark.parametrize("seed", range(5))
def test_refine_equals_its_reference(seed):
    columns = track(seed)
    cell = np.floor(columns[0] / 0.1).astype(np.int64)
    start = (0.72, 0.0, 0.4)
    found = refined(columns, cell, start)
    u, h, z, k, phase, weight, group = columns
    expected = kernels_reference.refine(u, h, z, k, phase, weight, group, cell, start, 0.025, 0.05)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_refine_takes_groups_far_off_the_beam_for_silent():
    u, h, z, k, phase, weight, group = track(2, noise=0.2)
    cell = np.floor(u / 0.1).astype(np.int64)
    faint = np.where(group == group[0], 1e-311 * weight, weight)
    assert 0.0 < faint[group == group[0]].sum() < 1e-308  # its inverse is more than a double holds
    silent = np.where(group == group[0], 0.0, weight)
    found, expected = (
        refined((u, h, z, k, phase, w, group), cell, (0.71, 0.0, 0.4)) for w in (faint, silent)
    )
    np.testing.assert_allclose(found[:7], expected[:7], rtol=1e-6, atol=1e-9)


def test_refine_finds_the_tag_and_says_how_sure():
    errors, sigmas = [], []
    for seed in range(40):
        columns = track(seed, noise=0.4)
        cell = np.floor(columns[0] / 0.1).astype(np.int64)
        result = refined(columns, cell, (0.71, 0.0, 0.41))
        errors.append(result[0] - 0.7)
        sigmas.append(np.sqrt(result[3]))
    z = np.abs(np.array(errors) / np.array(sigmas))
    assert np.sqrt(np.mean(np.square(errors))) < 0.006
    assert 0.75 <= np.mean(z < 1.645) <= 1.0


def test_refine_ignores_wild_phases():
    columns = list(track(1, noise=0.1))
    columns[4] = columns[4].copy()
    columns[4][::7] += 2.5
    cell = np.floor(columns[0] / 0.1).astype(np.int64)
    assert abs(refined(columns, cell, (0.71, 0.0, 0.4))[0] - 0.7) < 0.01


def test_a_way_driven_unheard_begins_a_new_pass():
    key = np.zeros(6, np.int64)
    antenna = np.array([1, 1, 1, 1, 2, 2])
    way = np.array([0.0, 0.1, 2.0, 2.1, 0.0, 0.1])
    u = np.array([0.0, 0.1, 0.3, 0.2, 0.0, 0.1])
    group, _cell, density = _passes(key, antenna, way, u, 0.05, 1.0)
    assert list(group) == [0, 0, 1, 1, 2, 2]
    assert (density == 1).all()
