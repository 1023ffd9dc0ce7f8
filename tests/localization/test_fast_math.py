"""The polynomials are the functions they stand for, to what their docstrings say."""

import numba as nb
import numpy as np
import pytest

from localization.fast_math import arccos_single, log2_single, sine_cosine


@nb.njit
def _all(x, cosine, turns, out):
    for i in range(len(x)):
        out[0, i] = log2_single(x[i])
        out[1, i] = arccos_single(cosine[i])
        out[2, i], out[3, i] = sine_cosine(turns[i])


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    x = np.concatenate([10.0 ** rng.uniform(-12, 12, 5000), [1.0, 0.5, 2.0]]).astype(np.float32)
    cosine = np.concatenate([rng.uniform(-1, 1, 5000), [-1.0, 1.0, 0.0]]).astype(np.float32)
    turns = np.concatenate([rng.uniform(-500, 500, 5000), [0.0, 0.5, -0.25]])
    out = np.zeros((4, len(x)))
    _all(x, cosine, turns, out)
    return x.astype(np.float64), cosine.astype(np.float64), turns, out


def test_logarithm(drawn):
    x, _, _, out = drawn
    assert np.abs(out[0] - np.log2(x)).max() < 6e-7 * (1 + np.abs(np.log2(x)).max())
    assert out[0][-3:] == pytest.approx([0.0, -1.0, 1.0], abs=1e-6)


def test_arc_cosine(drawn):
    _, cosine, _, out = drawn
    assert np.abs(out[1] - np.arccos(cosine)).max() < 5e-7


def test_sine_and_cosine(drawn):
    _, _, turns, out = drawn
    assert np.abs(out[2] - np.sin(2 * np.pi * turns)).max() < 3e-9
    assert np.abs(out[3] - np.cos(2 * np.pi * turns)).max() < 3e-9
