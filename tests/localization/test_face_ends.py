"""Tags beyond a face's end: a shifted row is found, one that is full at one end alone is not taken for it."""

import numpy as np
import pytest

from localization.face_ends import beyond_end

LENGTH_M, UPRIGHT_M, NOISE_M = 1.8, 0.02, 0.09
SEEDS = range(200)


def centroids(seed, full_m, tags=220):
    """Where power has the tags of five shelves, the emptiest filled to ``full_m``, the others by so much more."""
    rng = np.random.default_rng(seed)
    ends = np.linspace(full_m, min(2.0 * full_m, LENGTH_M - UPRIGHT_M), 5)
    stands = np.concatenate([np.linspace(UPRIGHT_M, end, tags // 5) for end in ends])
    return stands + rng.normal(0.0, NOISE_M, len(stands))


@pytest.mark.parametrize("full_m", [0.5, 0.8, 1.0, 1.2, LENGTH_M - UPRIGHT_M])
def test_a_row_that_stands_where_it_should_is_not_shifted(full_m):
    rows = [centroids(seed, full_m) for seed in SEEDS]
    found = [beyond_end(row, LENGTH_M, NOISE_M) for row in [*rows, *(LENGTH_M - row for row in rows)]]
    assert np.mean(np.array(found) > 0.0) < 0.01


@pytest.mark.parametrize("full_m", [0.8, 1.2, LENGTH_M - UPRIGHT_M])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_row_that_is_shifted_out_is_found(full_m, mirrored):
    found = []
    for seed in SEEDS:
        centre = centroids(seed, full_m) - 0.2
        found.append(beyond_end(LENGTH_M - centre if mirrored else centre, LENGTH_M, NOISE_M))
    assert np.mean(np.array(found) > 0.0) > 0.95
    assert np.median(found) > 0.15


def test_a_full_row_tells_how_far_it_is_shifted():
    found = [beyond_end(centroids(seed, LENGTH_M - UPRIGHT_M) + 0.15, LENGTH_M, NOISE_M) for seed in SEEDS]
    assert np.median(found) == pytest.approx(0.15, abs=0.02)
