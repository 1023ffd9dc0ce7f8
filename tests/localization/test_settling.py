"""Antennas that shelves seem to show elsewhere are put back where that explains phases worse, or cannot be."""

import dataclasses

import numpy as np
import pytest

from localization.estimator import Localizer
from localization.shelf_antennas import FARTHEST_M
from localization.work import Work
from recording import read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("settling") / "scan"
    record(make_library(120, seed=5), folder, passes=2, speed_mps=0.1, seed=2)
    return dataclasses.replace(read_recording(folder), truth=None), read_plan(folder / "plan.json")


def fitted(night, monkeypatch, shifts_cm):
    """Fit with shelves that ask for these shifts of the first antenna, one after the other, and then for none."""
    asked = iter(shifts_cm)
    taken = []

    def antennas_off(self, part):
        if self.first_place is None:
            self.first_place = self.mounts.position_m[1].copy()
        taken.append(self.mounts.position_m[1] - self.first_place)
        across = np.zeros(256)
        across[1] = 0.01 * next(asked, 0.0)
        return across

    recording, plan = night
    with monkeypatch.context() as patch:
        patch.setattr(Work, "first_place", None, raising=False)
        patch.setattr(Work, "antennas_off", antennas_off)
        return Localizer(plan).fit(recording), np.array(taken)


def state(localizer):
    """Return what the run is taken to show of its antennas."""
    found = localizer.registration_
    return None if found is None else (found.across_m.tolist(), found.antennas.tolist(), found.spread_m2)


def same(one, other):
    assert state(one) == state(other)
    for name in ("offset_m", "sigma_along_m", "sigma_local_m"):
        a, b = (getattr(each.localization_.positions, name) for each in (one, other))
        np.testing.assert_allclose(a, b, rtol=0.0, atol=2e-9)


def test_antennas_whose_move_explains_phases_worse_are_put_back(night, monkeypatch):
    usual, _ = fitted(night, monkeypatch, [])
    worse, taken = fitted(night, monkeypatch, [4.0])
    assert len(taken) == 1
    same(worse, usual)


def test_antennas_that_seem_farther_off_than_any_can_be_are_put_back(night, monkeypatch):
    usual, _ = fitted(night, monkeypatch, [])
    # Each step by itself is small; phases that mean something else ask for another one each time.
    monkeypatch.setattr("localization.work.WORSE_RAD", 10.0)
    far, taken = fitted(night, monkeypatch, [5.0, 5.0, 5.0])
    assert np.abs(taken).max() == pytest.approx(0.05, abs=1e-6)
    assert np.abs(taken).max() < FARTHEST_M
    same(far, usual)


def test_antennas_that_are_moved_tell_how_well_the_robots_antennas_are_mounted(night, monkeypatch):
    monkeypatch.setattr("localization.work.WORSE_RAD", 10.0)
    usual, _ = fitted(night, monkeypatch, [])
    moved, _ = fitted(night, monkeypatch, [3.0])
    before = 0.0 if usual.registration_ is None else usual.registration_.across_m[1]
    assert moved.registration_.across_m[1] == pytest.approx(before + 0.03)
    assert moved.registration_.spread_m2 == pytest.approx((moved.registration_.across_m**2).sum())
    assert moved.registration_.centre_sigma(0.012) > 0.012 / np.sqrt(3)
