"""Loudness swings along the shelf as far as neighbours' coupling pulls: in the formula, and in libraries."""

import dataclasses

import numpy as np
import pytest

from benchmarks.honesty import bars
from benchmarks.honesty_worlds import Kind, record_library
from localization import localize
from localization.evaluate import evaluate
from localization.swing import swings
from recording import read_recording
from stacks.plan import read_plan

WAVENUMBER = 19.2


def heard(tags, rng, *, amplitude, followed=1.3, noise_db=0.5, tilt_db=1.0, most=60):
    """What two antennas hear of tags between two neighbours each; also how far coupling pulls each, to first order."""
    n = tags * most
    owner = np.repeat(np.arange(tags), most)
    sine = rng.uniform(-0.8, 0.8, n)
    antenna = rng.integers(0, 2, n) + 3
    kappa = amplitude * np.exp(2j * np.pi * rng.random((tags, 2)))
    apart = rng.uniform(0.01, 0.04, (tags, 2)) * np.array([-1.0, 1.0])
    field = 1.0 + (kappa[owner] * np.exp(1j * WAVENUMBER * apart[owner] * sine[:, None])).sum(axis=1)
    alone_db = -10.0 * sine**2 - rng.uniform(0.0, 3.0, tags)[owner]
    # An antenna that squints makes all tags louder on one side: that is no tag's own.
    level = (
        followed * (alone_db + 20.0 * np.log10(np.abs(field)))
        + tilt_db * sine
        + 2.0 * rng.standard_normal(tags)[owner]
    )
    rssi = np.round(2.0 * (level + noise_db * rng.standard_normal(n))) / 2.0 - 60.0
    pull = (kappa * apart).sum(axis=1).real
    return (np.arange(tags + 1) * most, sine, rssi, alone_db, antenna, np.ones(n), WAVENUMBER), pull


@pytest.mark.parametrize("followed", [0.8, 1.3, 2.0])
def test_loudness_swings_as_far_as_coupling_pulls_whatever_rssi_makes_of_the_field(followed):
    arguments, pull = heard(300, np.random.default_rng(1), amplitude=0.15, followed=followed)
    found = swings(*arguments)
    usual = np.sqrt(np.mean(found.swing_m**2 - found.variance))
    assert usual == pytest.approx(np.sqrt(np.mean(pull**2)), rel=0.25)
    assert np.median(np.sqrt(found.variance)) < 0.4 * usual


def test_without_coupling_loudness_swings_by_its_noise():
    found = swings(*heard(300, np.random.default_rng(2), amplitude=0.0)[0])
    assert np.mean(found.swing_m**2 / found.variance) == pytest.approx(1.0, abs=0.3)


def test_tags_without_a_place_spoil_no_others():
    start, sine, rssi, *rest = heard(40, np.random.default_rng(5), amplitude=0.1)[0]
    sine[start[7] : start[8]] = np.nan
    rssi[start[9]] = np.nan
    found = swings(start, sine, rssi, *rest)
    assert np.isinf(found.variance[7])
    assert np.isfinite(np.delete(found.variance, 7)).all()
    assert np.isfinite(found.swing_m).all()


def test_rssi_that_is_no_loudness_tells_nothing():
    arguments, _ = heard(20, np.random.default_rng(3), amplitude=0.1)
    start, sine, rssi, field, *rest = arguments
    for spoiled in (np.full_like(rssi, -60.0), rssi[::-1].copy() * 0.0 - field):
        assert np.isinf(swings(start, sine, spoiled, field, *rest).variance).all()
    few = swings(np.arange(21) * 2, sine[:40], rssi[:40], field[:40], rest[0][:40], rest[1][:40], WAVENUMBER)
    assert np.isinf(few.variance).all()
    assert (
        len(
            swings(
                np.zeros(1, np.int64),
                *(np.zeros(0) for _ in range(3)),
                np.zeros(0, np.int64),
                np.zeros(0),
                1.0,
            )
        )
        == 0
    )


@pytest.mark.parametrize(
    ("radio", "seed"),
    [
        ({"end_scatterer": (0.0, 0.01), "weak_scatterer": (0.0, 0.01)}, 4101),
        ({"end_scatterer": (0.02, 0.05), "coupling": 0.8, "coupling_most": 0.22}, 4102),
    ],
)
def test_coupled_tags_without_metal_have_honest_bars(radio, seed, tmp_path):
    """No residual tells of it, and no joint fit has metal to find: 20 to 60 % were inside their 90 % intervals."""
    path = record_library(Kind(radio=radio), seed, tmp_path)
    recording, plan = read_recording(path), read_plan(path / "plan.json")
    found = localize(dataclasses.replace(recording, truth=None), plan)
    tags = evaluate(found.positions, recording.truth, plan).tags
    local = bars(tags.local_error_m, tags.sigma_local_m)
    assert 0.82 <= local.inside[-1] <= 0.98
    assert local.mean_bar_cm < 2.0 * local.mean_error_cm
