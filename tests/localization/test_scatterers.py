"""The joint fit on a simulated slide: two strong ends, two weak uprights, ten tags at 8 cm."""

import numpy as np
import pytest

from localization.scatterers import Scan, fit_scatterers

LIGHT = 299_792_458.0


def slide(seed, scatterers, noise=0.05, depth=0.5):
    rng = np.random.default_rng(seed)
    tags = 0.3 + 0.08 * np.arange(10) + rng.uniform(-0.01, 0.01, 10)
    u = 0.22 + 0.02 * np.arange(50)
    h = np.full(50, depth)
    frequency = 920.625e6 + 0.5e6 * np.arange(4)
    k = 2 * np.pi * frequency / LIGHT

    def antenna(x, y):
        d = np.sqrt((u - x) ** 2 + (depth + y) ** 2)
        return depth / d * np.exp(-1j * k[:, None] * d) / d

    signal = np.zeros((4, 10, 50), complex)
    for i, x in enumerate(tags):
        field = antenna(x, 0.0)
        for rho, qx, qy in scatterers:
            field = field + rho * np.exp(-1j * k * np.hypot(x - qx, qy))[:, None] * antenna(qx, qy)
        signal[:, i] = np.exp(2j * np.pi * rng.uniform()) * field**2
    signal *= np.exp(1j * rng.uniform(0, 2 * np.pi, 4))[:, None, None]
    scale = noise * np.sqrt((np.abs(signal) ** 2).mean() / 2)
    signal += scale * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    heard = rng.uniform(size=signal.shape) > 0.05
    return Scan(u, h, frequency, np.where(heard, signal, 0), heard, -0.1, 1.5), tags


ENDS = ((0.4 * np.exp(0.7j), 0.15, 0.02), (0.35 * np.exp(-2j), 1.22, 0.0))
WEAK = ((0.15j, 0.55, 0.06), (-0.15, 0.85, 0.04))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scatterers_turn_from_nuisance_into_information(seed):
    scan, tags = slide(seed, ENDS + WEAK)
    without = fit_scatterers(scan, 0)
    found = fit_scatterers(scan)
    assert found.gain > 0.3
    assert np.abs(found.offset_m - tags).mean() < 0.5 * np.abs(without.offset_m - tags).mean()
    assert np.abs(found.offset_m - tags).mean() < 0.01
    assert np.median(found.unexplained) < 0.1
    assert (np.diff(found.offset_m) > 0).all()
    assert np.mean(np.abs(found.offset_m - tags) < 1.645 * found.sigma_m) >= 0.85


def test_where_there_are_none_they_gain_nothing():
    scan, tags = slide(4, (), noise=0.3)
    found = fit_scatterers(scan)
    assert found.gain < 0.2
    assert np.abs(found.offset_m - tags).max() < 0.02
