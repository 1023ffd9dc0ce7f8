"""The fast joint fit of a shelf: kernels equal the references, and it fits what the slow one fits."""

import dataclasses

import numpy as np
import pytest

from localization import fast_shelf_fit
from localization import shelf_reference as reference
from localization.fast_math import arctan2_single, exp2_single, half_turns_single
from localization.fast_shelf_fields import links_single, links_to_few
from localization.fast_shelf_fit import FastShelfFit
from localization.fast_shelf_kernels import pursue_single, summits
from localization.fast_shelf_pursued import PursuedShelfFit
from localization.fast_shelf_strengths import normal_equations
from localization.shelf_fit import FINE_OFFSET_M, STEP_M, ShelfFit, Sites, offsets_of
from localization.shelf_group import SLACK_M, held_out
from tests.localization.test_shelves import BOOKS_M, FROM_M, METAL, TO_M, make_scan


def fit_of(scan, start_m, kind=FastShelfFit):
    """Return a fit that begins at some offsets and knows nothing else of them."""
    return kind(scan, start_m, np.zeros((len(scan), len(offsets_of(scan, SLACK_M)))), SLACK_M)


def test_powers_of_two():
    x = np.linspace(-100, 100, 4001).astype(np.float32)
    found = np.array([exp2_single(value) for value in x], np.float64)
    np.testing.assert_allclose(found, np.exp2(x.astype(np.float64)), rtol=4e-7)


def test_sines_of_turns():
    x = np.linspace(-300.0, 300.0, 40_001).astype(np.float32)
    found = np.array([half_turns_single(value) for value in x], np.float64)
    angle = 2 * np.pi * x.astype(np.float64)
    np.testing.assert_allclose(found, np.stack([np.cos(angle), np.sin(angle)], axis=1), atol=6e-5)


def test_angles():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 4000)).astype(np.float32)
    x[:4], y[:4] = (0.0, -1.0, 0.0, 0.0), (0.0, 0.0, 2.0, -3.0)
    found = np.array([arctan2_single(b, a) for a, b in zip(x, y, strict=True)], np.float64)
    np.testing.assert_allclose(found, np.arctan2(y.astype(np.float64), x), atol=6e-7)


def test_fields_equal_the_reference():
    scan = make_scan(1, BOOKS_M[:5], METAL)
    place = np.array([(0.2, 0.05, 1.0), (1.1, -0.03, 1.0), (2.5, 0.0, 1.0)])
    expected = reference.fields_at(scan.u, scan.h, scan.z, scan.look, scan.k, scan.exponent, place)
    np.testing.assert_allclose(fit_of(scan, BOOKS_M[:5]).fields(place), expected, rtol=1e-4, atol=1e-5)

    found = np.zeros((len(scan.u), 3), np.complex128)
    found.real, found.imag = fit_of(scan, BOOKS_M[:5])._fields(place[:, 0], place[:, 1])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_each_reading_gets_equals_the_slow_fit(monkeypatch):
    monkeypatch.setattr(fast_shelf_fit, "BIN_PER_M", 1e-4)
    scan = make_scan(1, BOOKS_M[:5], METAL)
    found, expected = (fit_of(scan, BOOKS_M[:5] + 0.003, kind) for kind in (FastShelfFit, ShelfFit))
    for fit in (found, expected):
        fit.give(METAL)
    for one, other in zip(found.shares(), expected.shares(), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_turns_to_few_points_are_those_to_many():
    rng = np.random.default_rng(4)
    turns, x = rng.uniform(2.8, 3.0, 4).astype(np.float32), rng.uniform(0.0, 1.0, 21).astype(np.float32)
    to = rng.uniform(-0.1, 1.0, (3, 5)).astype(np.float32)
    many = np.empty((2, 4, 21, 5), np.float32)
    few = np.empty((2, 4, 5, 21), np.float32)
    links_single(turns, x, *to, *many)
    links_to_few(turns, x, *to, *few)
    way = np.sqrt((to[1] - x[:, None]) ** 2 + to[0] ** 2 + to[2] ** 2)
    expected = np.exp(-2j * np.pi * turns[:, None, None] * way)
    np.testing.assert_allclose(many[0] + 1j * many[1], expected, atol=1e-4)
    np.testing.assert_allclose(few, many.transpose(0, 1, 3, 2), atol=1e-5)


def test_summits_equal_numpy():
    rng = np.random.default_rng(6)
    value, prior, first = rng.normal(size=(30, 24)), rng.normal(size=(30, 40)), rng.integers(0, 16, 30)
    value[0, :21] = 9.0 - np.arange(21)
    value[1, :21] = np.arange(21)
    summed, at, row = value.copy(), np.empty(30), np.arange(30)
    summits(summed, 21, prior, first, at)
    expected = value[:, :21] + prior[row[:, None], first[:, None] + np.arange(21)]
    np.testing.assert_allclose(summed[:, :21], expected)
    best = expected.argmax(axis=1)
    inner = np.clip(best, 1, 19)
    left, top, right = (expected[row, inner + step] for step in (-1, 0, 1))
    aside = np.where(best == inner, 0.5 * (right - left) / (2.0 * top - left - right), 0.0)
    np.testing.assert_allclose(at, first + best + np.clip(aside, -0.5, 0.5))
    assert {0, 20} <= set(best.tolist())


@pytest.mark.parametrize("fold", [2.0, 4.0])
def test_tags_held_out_gain_as_in_fits_of_halves(fold):
    scan = make_scan(5, BOOKS_M, METAL, noise_rad=0.2, fold=fold)
    fit = fit_of(scan, BOOKS_M + 0.01).run()
    parts = np.arange(0, len(BOOKS_M), 2), np.arange(1, len(BOOKS_M), 2)
    # The base's way makes a fit of each half.
    found, expected = fit.gain_of(parts), ShelfFit.gain_of(fit, parts)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.01)
    assert found.mean() > 1.0


def test_pursuit_equals_the_reference():
    scan = make_scan(2, BOOKS_M[:8], METAL)
    fit = fit_of(scan, BOOKS_M[:8])
    direct, _ = fit.shares()
    left = fit.residual(direct)
    weight = fit.robust(left)
    place = np.array([(x, d, 1.0) for x in np.arange(0.0, 1.5, 0.1) for d in (0.0, 0.05)])
    field, gain = fit.fields(place), np.zeros(len(place))
    link = np.exp(-1j * scan.k.mean() * np.hypot(BOOKS_M[:8, None] - place[:, 0], place[:, 1]))[None]
    bins = np.zeros(len(scan.u), np.int64)
    parts = (direct.real, direct.imag, field.real, field.imag, link.real, link.imag)
    pursue_single(
        fit.owner, fit._group_start, bins, scan.fold > 3.0, weight.astype(np.float32), left.astype(np.float32),
        *(part.astype(np.float32) for part in parts), 4.0, gain,
    )  # fmt: skip
    spots = np.stack([BOOKS_M[:8], np.zeros(8), np.ones(8)], axis=1)
    expected = reference.pursue(
        spots, scan.owner, scan.group, np.full(len(scan.k), scan.k.mean()), scan.fold, weight, left, direct, place,
        field, 4.0,
    )  # fmt: skip
    np.testing.assert_allclose(gain, expected, rtol=2e-3, atol=0.02)
    assert gain.argmax() == expected.argmax()


@pytest.mark.parametrize("fold", [2.0, 4.0])
def test_profile_equals_the_reference(fold, monkeypatch):
    # Its turns are told by bins of wavenumber, and its amplitude at every offset.
    monkeypatch.setattr(fast_shelf_fit, "BIN_PER_M", 1e-4)
    monkeypatch.setattr(reference, "AMPLITUDE_STEP", 1)
    scan = make_scan(3, BOOKS_M[:4], METAL, fold=fold)
    fit = fit_of(scan, BOOKS_M[:4])
    fit.give(METAL)
    fit.scale_rad = np.array([0.2, 0.4, 0.6, 1.0])
    tried = BOOKS_M[0] + STEP_M * (np.array([0, 3, 7, 1])[:, None] + np.arange(21))
    found = fit._own(tried[:, 0], STEP_M, 21)
    for tag in range(4):
        rows = slice(scan.start[tag], scan.start[tag + 1])
        expected = reference.scattered_profile(
            scan.u[rows], scan.h[rows], scan.z[rows], scan.look[rows], scan.k[rows], scan.exponent[rows],
            scan.fold[rows], scan.phase[rows], scan.weight[rows], scan.group[rows], scan.height_m,
            float(fit.scale_rad[tag]), tried[tag], METAL.place, (fit.fields(METAL.place) * METAL.rho)[rows],
        )  # fmt: skip
        np.testing.assert_allclose(found[tag], expected, rtol=2e-3, atol=0.02)
        assert found[tag].argmax() == expected.argmax()


@pytest.mark.parametrize("fold", [2.0, 4.0])
def test_strengths_come_out_the_same(fold):
    scan = make_scan(8, BOOKS_M, METAL, fold=fold)
    fits = [fit_of(scan, BOOKS_M, kind) for kind in (ShelfFit, FastShelfFit)]
    for fit in fits:
        fit.give(Sites(METAL.place, np.zeros(2, np.complex128)))
        for _ in range(3):
            fit.strengthen()
    np.testing.assert_allclose(fits[1].sites.rho, fits[0].sites.rho, atol=0.01)
    np.testing.assert_allclose(fits[1].scale_rad, fits[0].scale_rad, rtol=0.02)


def test_normal_equations_are_those_of_centred_slopes():
    rng = np.random.default_rng(3)
    size = [1, 4, 2, 7, 3, 3]
    group, begins = np.repeat(np.arange(6), size), np.concatenate([[0], np.cumsum(size)])
    n, sites = len(group), 3
    share, model = (rng.normal(size=(n, m)) + 1j * rng.normal(size=(n, m)) for m in (sites, 1))
    weight, residual = rng.uniform(0.1, 1.0, n), rng.normal(size=n)
    four = rng.random(n) < 0.5
    normal, pull = np.empty((6, 6)), np.empty(6)
    one, other = (part.astype(np.float32) for part in (weight, residual))
    parts = (share.T.real, share.T.imag, model[:, 0].real, model[:, 0].imag)
    singles = (np.ascontiguousarray(part, np.float32) for part in parts)
    normal_equations(begins, four, one, other, *singles, normal, pull)
    turn = np.where(four, 4.0, 2.0)[:, None] * share / model
    slope = np.concatenate([turn.imag, turn.real], axis=1)
    for g in range(6):
        slope[group == g] -= np.average(slope[group == g], axis=0, weights=weight[group == g])
    scale = np.abs(slope).max() ** 2
    np.testing.assert_allclose(normal, (slope * weight[:, None]).T @ slope, rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(pull, -(slope * weight[:, None]).T @ residual, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize(("seed", "fold", "wrong"), [(4, 2.0, 0.3), (5, 4.0, 0.0), (6, 2.0, 0.3)])
def test_it_finds_what_the_slow_one_finds(seed, fold, wrong):
    scan = make_scan(seed, BOOKS_M, METAL, noise_rad=0.1, fold=fold)
    rng = np.random.default_rng(seed)
    astray = rng.random(len(BOOKS_M)) < wrong
    start = BOOKS_M + np.where(astray, rng.choice([-0.12, 0.15], len(BOOKS_M)), 0.01)
    slow, fast = (fit_of(scan, start, kind).run() for kind in (ShelfFit, FastShelfFit))
    assert np.abs(fast.offset_m - BOOKS_M).mean() < np.abs(slow.offset_m - BOOKS_M).mean() + 0.001
    assert np.abs(fast.offset_m - slow.offset_m).max() < 4 * FINE_OFFSET_M
    # One more that explains next to nothing may be found by one and not by the other.
    assert (np.abs(fast.sites.rho) > 0.1).sum() == (np.abs(slow.sites.rho) > 0.1).sum()
    assert held_out(fast)


def test_readings_of_no_weight_to_speak_of_say_nothing():
    scan = make_scan(7, BOOKS_M[:12], METAL)
    faint = scan.weight.copy()
    # A whole group, as where an antenna heard a tag far beyond its main lobe only.
    faint[scan.group == scan.group[0]] = 1e-41
    silent = np.where(faint < 1e-30, 0.0, faint)
    told, untold = (
        fit_of(dataclasses.replace(scan, weight=weight), BOOKS_M[:12] + 0.01).run()
        for weight in (faint, silent)
    )
    np.testing.assert_allclose(told.offset_m, untold.offset_m, atol=1e-6)
    assert len(told.sites) >= 2


def test_a_long_shelf_is_fitted_in_parts(monkeypatch):
    scan = make_scan(7, BOOKS_M[:12], METAL)
    whole = fit_of(scan, BOOKS_M[:12] + 0.01).run()
    monkeypatch.setattr(fast_shelf_fit, "MOST_KEPT", 7 * len(scan.u))
    parts = fit_of(scan, BOOKS_M[:12] + 0.01).run()
    np.testing.assert_array_equal(parts.sites.place, whole.sites.place)
    np.testing.assert_allclose(parts.offset_m, whole.offset_m, atol=1e-9)
    np.testing.assert_allclose(parts.log_likelihood, whole.log_likelihood, rtol=1e-4, atol=1e-4)


def test_random_phases_are_not_believed():
    believed = 0
    for seed in range(6):
        scan = make_scan(20 + seed, BOOKS_M[:20], Sites.none())
        noise = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(scan.u))
        believed += held_out(fit_of(dataclasses.replace(scan, phase=noise), BOOKS_M[:20]).run())
    assert believed <= 1


def test_metal_at_both_ends_is_found():
    scan = make_scan(9, BOOKS_M, METAL)
    found = fit_of(scan, BOOKS_M + 0.01).run().sites.place[:, 0]
    assert np.abs(found - FROM_M + 0.02).min() < 0.03
    assert np.abs(found - TO_M - 0.01).min() < 0.03


def test_a_pursued_fit_from_right_places_is_no_worse_and_from_wrong_ones_is_doubted():
    scan = make_scan(11, BOOKS_M, METAL, noise_rad=0.2)
    right = fit_of(scan, BOOKS_M + 0.01, PursuedShelfFit).run()
    assert not right.doubtful
    assert held_out(right)
    assert np.abs(right.offset_m - BOOKS_M).mean() < 0.005
    strong = Sites(METAL.place, 1.6 * METAL.rho)
    scan = make_scan(12, BOOKS_M, strong, noise_rad=0.3)
    start = np.random.default_rng(5).uniform(FROM_M, TO_M, len(BOOKS_M))
    wrong = fit_of(scan, start, PursuedShelfFit).run()
    assert np.abs(wrong.offset_m - BOOKS_M).mean() > 0.03
    assert wrong.doubtful
    again = fit_of(scan, start, PursuedShelfFit.again).run()
    assert not again.doubtful
    assert np.abs(again.offset_m - BOOKS_M).mean() < 0.01
