"""What uprights and a calibration say of a run, put together: the surer one weighs more, and none counts twice."""

import dataclasses

import numpy as np
import pytest

from localization.calibration import Calibration
from localization.upright_posterior import CONTRADICTED, Pinned, Prior, weigh_words
from localization.uprights import calibrated_prior

FACES = 2


def words(shift_m, shelves=12, scatter_m=0.015, seed=0):
    """Words of shelves on two faces, driven along either way, about a shift of each face."""
    rng = np.random.default_rng(seed)
    face = np.arange(shelves) % FACES
    noise = scatter_m * rng.standard_normal(shelves)
    return face, np.asarray(shift_m)[face] + noise - noise.mean(), np.ones(shelves)


def prior(sigma_m, expected=(0.0, 0.0)):
    return Prior.calibrated(np.full(FACES, float(sigma_m)), np.array(expected))


def shifts(found):
    return np.array([found.shift_m(face, 1.0) for face in range(FACES)])


def test_the_surer_of_both_weighs_more():
    told = words((0.01, 0.01))
    loose, tight = weigh_words(*told, prior(0.05)), weigh_words(*told, prior(0.002))
    assert shifts(loose) == pytest.approx([0.01, 0.01], abs=0.003)
    assert np.abs(shifts(tight)).max() < 0.004
    # What is left is less than either leaves alone.
    alone = weigh_words(*told, Prior.usual(np.full(FACES, 0.05), np.zeros(FACES)))
    even = weigh_words(*told, prior(0.008))
    assert (even.sigma_m < np.minimum(alone.sigma_m, 0.008)).all()
    assert (tight.sigma_m < 0.0021).all()


def test_it_is_the_posterior_of_two_normals():
    """One face, so that nothing is shared out: precisions add up."""
    shelves, sigma = 10_000, 0.006
    word = 0.008 + 0.02 * np.random.default_rng(3).standard_normal(shelves)
    told = np.zeros(shelves, np.int64), word - word.mean() + 0.008, np.ones(shelves)
    calibrated = Prior.calibrated(np.array([sigma]), np.zeros(1))
    # So many words are as sure as uprights can be: 4 mm; and those of one bay no surer than its two uprights.
    one_bay = weigh_words(*told, calibrated, bay=np.zeros(shelves, np.int64))
    for found, floor in ((weigh_words(*told, calibrated), 0.004), (one_bay, np.hypot(0.003, 0.004))):
        share = sigma**2 / (sigma**2 + floor**2)
        assert found.shift_m(0, 1.0) == pytest.approx(share * 0.008, abs=0.0003)
        assert found.sigma_m[0] == pytest.approx(sigma * floor / np.hypot(sigma, floor), rel=0.03)


def test_a_calibration_that_uprights_contradict_hardly_counts():
    told = words((0.09, 0.09), scatter_m=0.01)
    found = weigh_words(*told, prior(0.005))
    assert found.against > CONTRADICTED
    assert shifts(found) == pytest.approx([0.09, 0.09], abs=0.015)
    assert weigh_words(*words((0.004, 0.004)), prior(0.005)).against < 2.0


def test_what_is_asked_again_is_not_believed_twice():
    """Places are moved by the first word; what the calibration says then lies behind them."""
    told = words((0.02, 0.02))
    first = weigh_words(*told, prior(0.006))
    face, word, way = told
    again = weigh_words(face, word - shifts(first)[face], way, prior(0.006).after(first))
    assert np.abs(shifts(again)).max() < 0.0005
    both = first.then(again)
    assert both.sigma_m == pytest.approx(first.sigma_m, rel=0.02)
    assert both.against >= first.against


def test_a_calibration_says_how_far_off_it_may_be():
    stated = Calibration(
        face_shift_m={"A": 0.03}, sigma_m=0.001, shift_sigma_m=0.02, shift_sigma_run_m=0.004, run_ids=("a",),
        face_sigma_m={"C": 0.08},
    )  # fmt: skip
    poses = np.full(5, 0.01)
    other, own = (calibrated_prior(stated, ("A", "B"), run, poses) for run in ("b", "a"))
    assert other is not None and own is not None
    total = [np.hypot(one.ahead_sigma_m, one.face_sigma_m) for one in (other, own)]
    assert total[0] == pytest.approx(np.hypot(0.02, 0.005)), "poses of another night wandered otherwise"
    assert total[1] == pytest.approx(0.004)
    assert other.expected_m.tolist() == [-0.03, 0.0]
    far = calibrated_prior(stated, ("A", "C"), "b", np.full(5, np.nan))
    assert far is not None
    assert np.hypot(far.ahead_sigma_m, far.face_sigma_m) == pytest.approx([0.02, 0.08])
    # A file by hand, or of an older version, states only what tags' own bars do not hold.
    old = dataclasses.replace(stated, shift_sigma_m=None, shift_sigma_run_m=None)
    assert old.off_m("A", "b") == pytest.approx(np.hypot(0.001, 0.01))
    assert calibrated_prior(Calibration(latency_s=0.2), ("A",), "b", poses) is None


def test_a_calibration_that_knows_nothing_is_as_good_as_none():
    """Whatever it shifts faces by, their places come out as without it."""
    face, word, way = words((0.004, -0.006), scatter_m=0.02)
    alone = weigh_words(face, word, way, Prior.usual(np.full(FACES, 0.03), np.zeros(FACES)))
    # Faces moved apart by 3 cm: words are then seen that much farther on.
    moved = np.array([0.015, -0.015])
    found = weigh_words(face, word - moved[face], way, prior(0.5, moved))
    assert shifts(found) + moved == pytest.approx(shifts(alone), abs=0.003)
    assert found.sigma_m == pytest.approx(alone.sigma_m, abs=0.002)


def test_without_a_calibration_nothing_is_contradicted():
    found = weigh_words(*words((0.2, 0.2)), Prior.usual(np.full(FACES, 0.03), np.zeros(FACES)), 0.2)
    assert isinstance(found, Pinned)
    assert found.against == 0.0
    assert shifts(found) == pytest.approx([0.2, 0.2], abs=0.01)


@pytest.mark.parametrize("sigma_m", [0.002, 0.01, 0.03])
def test_a_face_of_which_no_upright_spoke_stays_where_the_calibration_has_it(sigma_m):
    face, word, way = words((0.0, 0.0))
    one = np.zeros_like(face), word, way
    found = weigh_words(*one, prior(sigma_m, expected=(0.0, 0.03)))
    assert found.face_m[1] == pytest.approx(0.0, abs=1e-4)
    assert np.isnan(found.sigma_m[1])


@pytest.mark.parametrize("sigma_m", [0.006, 0.009])
def test_what_is_left_is_as_large_as_it_says(sigma_m):
    """Faces drawn from what the calibration says of itself, some words of each."""
    rng = np.random.default_rng(8)
    held = []
    for draw in range(300):
        told = prior(sigma_m)
        off = told.ahead_sigma_m * rng.standard_normal() + told.face_sigma_m * rng.standard_normal(FACES)
        alike = 0.004 * rng.standard_normal()
        face, noise, way = words((0.0, 0.0), shelves=8, seed=draw)
        found = weigh_words(face, off[face] + alike + noise, way, told)
        held += list(np.abs(shifts(found) - off) < 1.645 * found.sigma_m)
    assert 0.84 < np.mean(held) < 0.97


@pytest.mark.parametrize("off_m", [0.0, 0.03, 0.06])
def test_what_a_run_is_off_by_is_no_scatter_where_the_robot_passes_both_ways(off_m):
    rng = np.random.default_rng(8)
    face = np.repeat(np.arange(4), 15)
    way = np.where(face % 2, 1.0, -1.0)
    usual = Prior.usual(np.full(4, 0.05), np.zeros(4))
    sigma = []
    for _ in range(20):
        scatter = 0.01 * rng.standard_normal(len(face))
        found = weigh_words(face, off_m * way + scatter, way, usual)
        assert found.ahead_m == pytest.approx(off_m, abs=0.012)
        sigma.append(found.sigma_m.mean())
    assert np.mean(sigma) == pytest.approx(0.0039, abs=0.0008)
