"""Bars of tags placed together: as wide as steps between found places say, and as peaks and residuals warn."""

import dataclasses

import numpy as np
import pytest

from benchmarks.honesty import bars
from benchmarks.honesty_worlds import Kind, record_library
from benchmarks.robustness import thinned
from benchmarks.simulated import World
from localization import localize
from localization.bars import (
    Together,
    astray_alone,
    astray_together,
    coupled_m,
    interval_sigma,
    pull_factor,
    together_sigma,
)
from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.placing import Places, left_alone
from localization.swing import Swings
from recording import read_recording
from stacks.plan import read_plan


def library(error_m, *, boards=20, seed=1, left_rad=0.15, ahead=80.0, swing_m=None):
    """Books of 0.8 to 5 cm on boards of 0.8 m, found with an error of their own that no residual tells.

    ``swing_m``: how far their loudness swings, with a noise of 3 mm; None: it is not told.
    """
    rng = np.random.default_rng(seed)
    shelf, true = [], []
    for board in range(boards):
        middle = np.cumsum(np.clip(np.exp(rng.normal(np.log(0.023), 0.35, 60)), 0.008, 0.05))
        middle = middle[middle < 0.8]
        shelf += [board] * len(middle)
        true += middle.tolist()
    n = len(true)
    error = error_m * rng.standard_normal(n)
    told = Together(
        shelf=np.array(shelf),
        offset_m=np.array(true) + error,
        variance=np.full(n, 0.001**2),
        left_rad=np.full(n, left_rad),
        alone_m=np.full(n, 0.012),
        cells=np.full(n, 22.0),
        wavenumber=np.full(n, 38.6),
        ahead=np.full(n, ahead),
        swings=Swings(np.zeros(n), np.full(n, np.inf)),
    )
    if swing_m is not None:
        swings = Swings(np.hypot(swing_m, 0.003) * rng.standard_normal(n), np.full(n, 0.003**2))
        told = dataclasses.replace(told, swings=swings)
    return told, error


@pytest.mark.parametrize("error_m", [0.004, 0.008, 0.014])
def test_steps_nearer_than_books_are_thick_tell_how_far_tags_err(error_m):
    """The same residuals throughout: only where the tags were found differs."""
    told, error = library(error_m)
    sigma, _ = together_sigma(told, 0.003)
    assert 0.84 <= np.mean(np.abs(error) <= 1.645 * sigma) <= 0.97
    assert sigma.mean() == pytest.approx(error_m, rel=0.35)


@pytest.mark.parametrize("error_m", [0.003, 0.008, 0.02])
def test_loudness_that_swings_tells_how_far_few_tags_are_pulled(error_m):
    """Too few steps to tell by; the same residuals throughout."""
    told, error = library(error_m, boards=3, swing_m=error_m)
    sigma, _ = together_sigma(told, 0.001)
    assert 0.84 <= np.mean(np.abs(error) <= 1.645 * sigma) <= 0.99
    assert np.median(sigma) < max(1.8 * error_m, 0.006)


def test_a_run_whose_loudness_is_not_told_keeps_what_residuals_let_suppose():
    supposed, unsure = coupled_m(Swings(np.zeros(30), np.full(30, np.inf)), 0.01)
    assert supposed == pytest.approx(0.01, rel=0.05)
    assert unsure > 0.5
    noise = 0.1 * np.random.default_rng(4).standard_normal(30)
    found, left = coupled_m(Swings(noise, np.full(30, 0.1**2)), 0.01)
    assert found == pytest.approx(supposed, rel=0.3)
    assert 0.7 * unsure < left


def test_a_tag_whose_own_loudness_swings_more_is_coupled_more():
    swing = 0.01 * np.random.default_rng(4).standard_normal(200)
    swing[:2] = 0.0, 0.04
    pulled, unsure = coupled_m(Swings(swing, np.full(200, 0.002**2)), 0.005)
    assert np.median(pulled) == pytest.approx(0.01, rel=0.2)
    assert (
        0.7 * np.median(pulled) < pulled[0] < np.median(pulled) < 1.2 * np.median(pulled) < pulled[1] < 0.03
    )
    assert unsure < 0.15


def test_few_books_leave_what_residuals_let_suppose():
    told, _ = library(0.004, boards=1)
    few = told.offset_m[:8]
    assert 0.9 < pull_factor(np.zeros(8, np.int64), few, np.full(8, 1e-6), np.full(8, 0.01)) < 1.3


def test_second_peaks_close_behind_and_large_residuals_are_chances_of_a_wrong_one():
    sound, _ = library(0.01)
    doubtful, _ = library(0.01, left_rad=0.8, ahead=3.0)
    assert astray_together(sound).max() < 0.03
    assert astray_together(doubtful).min() > 0.5
    wide, _ = together_sigma(doubtful, 0.003)
    assert wide.min() > 0.1
    one = dataclasses.replace(sound, ahead=np.where(np.arange(len(sound)) == 7, 1.0, sound.ahead))
    chance = astray_together(one)
    assert chance[7] > 5 * chance[8]


def test_tags_alone_are_doubted_where_their_run_leaves_much_of_the_phases():
    share = np.full(100, 0.999)
    low, high = (float(astray_alone(np.full(100, left), share).mean()) for left in (0.007, 0.023))
    assert low < 0.02 and high > 0.4
    assert astray_alone(np.full(5, np.nan), share[:5]).tolist() == [0.0] * 5
    second = astray_alone(np.full(100, 0.013), np.where(np.arange(100) == 3, 0.4, share))
    assert second[3] > 1.5 * second[4]


@pytest.mark.parametrize("chance", [0.0, 0.05, 0.2, 0.7])
def test_an_interval_holds_ninety_per_cent_of_what_may_be_astray(chance):
    rng = np.random.default_rng(2)
    n = 100_000
    core = np.full(n, 0.01)
    error = np.where(rng.random(n) < chance, 0.24, core) * rng.standard_normal(n)
    sigma = interval_sigma(core, np.full(n, chance))
    assert np.mean(np.abs(error) <= 1.645 * sigma) == pytest.approx(0.9, abs=0.005)
    assert (sigma >= core - 1e-9).all()


@pytest.mark.parametrize(
    ("kind", "held", "most"),
    [
        (Kind(World(trouble=0.5)), (0.82, 0.98), 3.0),
        (Kind(World(antennas=4)), (0.82, 0.98), 3.0),
        (Kind(World(speed_mps=0.3)), (0.82, 0.98), 3.0),
        (Kind(radio={"phase_centre_sd_m": 0.011}), (0.80, 0.98), 3.0),
    ],
)
def test_intervals_hold_and_are_of_the_errors_size_on_other_worlds(kind, held, most, tmp_path):
    """A normal error's mean is 0.8 of its deviation: bars of 1.25 mean errors are right, of four absurd."""
    path = record_library(kind, 777, tmp_path)
    recording, plan = read_recording(path), read_plan(path / "plan.json")
    found = localize(dataclasses.replace(recording, truth=None), plan)
    tags = evaluate(found.positions, recording.truth, plan).tags
    local = bars(tags.local_error_m, tags.sigma_local_m)
    along = bars(tags.error_m, tags.sigma_along_m)
    assert held[0] <= local.inside[-1] <= held[1]
    assert local.mean_bar_cm < most * local.mean_error_cm
    # What all tags share comes once a run.
    assert along.inside[-1] >= 0.75
    assert along.mean_bar_cm < 6.0 * along.mean_error_cm


def test_a_fit_that_took_up_all_its_cells_tells_little_of_a_run():
    """The same small residual of fits with cells to spare and of fits with none."""
    many, few = (
        dataclasses.replace(Places.empty(), cells=np.full(50, cells), scale_rad=np.full(50, 0.05))
        for cells in (60.0, 8.0)
    )
    wave, taken = np.full(50, 38.6), np.full(50, 8.0)
    share = np.full(50, 0.98)
    sound, spent = (astray_alone(left_alone(places, wave, taken), share).mean() for places in (many, few))
    assert sound < 0.3 * spent
    assert spent > 0.05
    assert np.isnan(left_alone(dataclasses.replace(few, cells=np.full(50, 3.0)), wave, taken)).all()


@pytest.mark.parametrize(("readings", "fast"), [(12, False), (6, False), (12, True)])
def test_intervals_are_wide_where_little_was_heard(readings, fast, tmp_path):
    path = record_library(Kind(), 778, tmp_path)
    recording, plan = read_recording(path), read_plan(path / "plan.json")
    few = thinned(dataclasses.replace(recording, truth=None), readings)
    found = Localizer(plan, fast=fast).fit(few).localization_
    tags = evaluate(found.positions, recording.truth, plan).tags
    for error, sigma in ((tags.error_m, tags.sigma_along_m), (tags.local_error_m, tags.sigma_local_m)):
        held = bars(error, sigma)
        assert held.inside[-1] >= 0.8
        assert held.mean_bar_cm < 6.0 * held.mean_error_cm


def test_a_clearer_peak_is_never_doubted_more():
    share = 1.0 - np.geomspace(1.0, 1e-4, 40)
    for left in (0.005, 0.01, 0.02, 0.04):
        chance = astray_alone(np.full(40, left), share)
        assert (np.diff(chance) <= 1e-12).all()


def test_a_wrong_peak_is_farther_off_on_a_shelf_seen_from_farther():
    core, chance = np.full(2, 0.01), np.full(2, 0.5)
    near, far = interval_sigma(core, chance, np.array([0.24, 0.5])).tolist()
    assert far == pytest.approx(near * 0.5 / 0.24, rel=0.02)
