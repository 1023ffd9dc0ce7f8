"""The joint fit of a shelf, judged on shelves whose metal is known."""

import dataclasses

import numpy as np
import pytest

from localization import shelf_reference as reference
from localization.shelf_depth import settle_depths
from localization.shelf_fit import FINE_OFFSET_M, STEP_M, ShelfFit, Sites, offsets_of
from localization.shelf_group import SLACK_M, ShelfGroup, held_out
from localization.shelf_kernels import fields_at, pursue, scattered_profile
from localization.shelf_scan import ShelfScan
from localization.shelf_start import find_start
from localization.shelf_start_kernels import by_way_of, guess_strengths

FROM_M, TO_M = 0.3, 1.2
CHANNELS_HZ = np.array([920.625e6, 922.125e6, 924.375e6])


def make_scan(
    seed: int,
    offset_m: np.ndarray,
    sites: Sites,
    noise_rad: float = 0.2,
    fold: float = 2.0,
    each: int = 40,
    exponent: float = 1.7,
) -> ShelfScan:
    """Scan tags from two antennas half a metre before a shelf; the phases follow the model and have noise."""
    rng = np.random.default_rng(seed)
    tags, n = len(offset_m), len(offset_m) * each
    owner = np.repeat(np.arange(tags), each)
    u = offset_m[owner] + rng.uniform(-0.5, 0.5, n)
    antenna = rng.integers(0, 2, n)
    order = np.lexsort((antenna, owner))
    u, antenna = u[order], antenna[order]
    k = 2 * np.pi * CHANNELS_HZ[rng.integers(0, 3, n)] / 299_792_458.0
    look = np.tile([0.0, -1.0, 0.0], (n, 1))
    scan = ShelfScan(
        start=np.arange(tags + 1) * each,
        u=u,
        h=np.full(n, 0.5),
        z=np.where(antenna == 0, 0.8, 1.3),
        look=look,
        k=k,
        exponent=np.full(n, exponent),
        fold=np.full(n, fold),
        phase=np.zeros(n),
        weight=np.full(n, 0.6),
        group=owner * 2 + antenna,
        antenna=antenna,
        from_m=FROM_M,
        to_m=TO_M,
        height_m=1.0,
    )
    fit = ShelfFit(scan, offset_m, np.zeros((tags, len(offsets_of(scan, SLACK_M)))), SLACK_M)
    fit.give(sites)
    direct, share = fit.shares()
    phase = -fold * np.angle(direct + share @ sites.rho) + rng.uniform(0, 2 * np.pi, 2 * tags)[scan.group]
    phase += noise_rad * fold / 2 * rng.standard_normal(n)
    return dataclasses.replace(scan, phase=np.mod(phase, 2 * np.pi))


def fit_of(scan: ShelfScan, start_m: np.ndarray) -> ShelfFit:
    """Return a fit that begins at some offsets and knows nothing else of them."""
    return ShelfFit(scan, start_m, np.zeros((len(scan), len(offsets_of(scan, SLACK_M)))), SLACK_M)


METAL = Sites(
    np.array([(FROM_M - 0.02, 0.02, 1.0), (TO_M + 0.01, -0.01, 1.0)]),
    np.array([0.45 * np.exp(0.7j), 0.4 * np.exp(-2.0j)]),
)
BOOKS_M = FROM_M + 0.03 + 0.026 * np.arange(32)


def test_fields_equal_the_reference() -> None:
    scan = make_scan(1, BOOKS_M[:5], METAL)
    place = np.array([(0.2, 0.05, 1.0), (1.1, -0.03, 0.9), (2.5, 0.0, 0.1)])
    out = np.zeros((len(scan.u), 3), np.complex128)
    fields_at(scan.u, scan.h, scan.z, scan.look, scan.k, scan.exponent, place, out)
    expected = reference.fields_at(scan.u, scan.h, scan.z, scan.look, scan.k, scan.exponent, place)
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_pursuit_equals_the_reference() -> None:
    scan = make_scan(2, BOOKS_M[:8], METAL)
    fit = fit_of(scan, BOOKS_M[:8])
    direct, _ = fit.shares()
    left = fit.residual(direct)
    weight = fit.robust(left)
    place = np.array([(x, d, 1.0) for x in np.arange(0.0, 1.5, 0.1) for d in (0.0, 0.05)])
    field, gain = fit.fields(place), np.zeros(len(place))
    spots = np.stack([BOOKS_M[:8], np.zeros(8), np.ones(8)], axis=1)
    pursue(
        scan.start, scan.group, fit.groups, scan.k, scan.fold, weight, left, direct, spots, place, field, 4.0, gain
    )  # fmt: skip
    expected = reference.pursue(
        spots, scan.owner, scan.group, scan.k, scan.fold, weight, left, direct, place, field, 4.0
    )
    np.testing.assert_allclose(gain, expected, rtol=1e-9)
    assert abs(place[gain.argmax(), 0] - METAL.place[np.abs(METAL.rho).argmax(), 0]) < 0.11


@pytest.mark.parametrize("fold", [2.0, 4.0])
def test_profile_equals_the_reference(fold: float) -> None:
    scan = make_scan(3, BOOKS_M[:4], METAL, fold=fold)
    fit = fit_of(scan, BOOKS_M[:4])
    fit.give(METAL)
    fit.scale_rad = np.array([0.2, 0.4, 0.6, 1.0])
    first = BOOKS_M[0] + STEP_M * np.array([0, 3, 7, 1])
    found = fit.profile(first, STEP_M, 21)
    for tag in range(4):
        rows = slice(scan.start[tag], scan.start[tag + 1])
        expected = reference.scattered_profile(
            scan.u[rows], scan.h[rows], scan.z[rows], scan.look[rows], scan.k[rows], scan.exponent[rows],
            scan.fold[rows], scan.phase[rows], scan.weight[rows], scan.group[rows], scan.height_m,
            float(fit.scale_rad[tag]), first[tag] + STEP_M * np.arange(21), METAL.place, (fit.field * METAL.rho)[rows],
        )  # fmt: skip
        # Single precision: the phase of a tag a metre off is good to 1e-5 rad.
        np.testing.assert_allclose(found[tag], expected, rtol=1e-3, atol=1e-2)
        assert found[tag].argmax() == expected.argmax()
    assert scattered_profile.signatures, "the compiled kernel ran"


def test_tags_at_wrong_peaks_come_right() -> None:
    scan = make_scan(4, BOOKS_M, METAL)
    rng = np.random.default_rng(4)
    start = BOOKS_M + np.where(rng.random(len(BOOKS_M)) < 0.3, rng.choice([-0.12, 0.15], len(BOOKS_M)), 0.01)
    found = fit_of(scan, start).run()
    error = np.abs(found.offset_m - BOOKS_M)
    assert np.median(error) < 0.005
    assert error.max() < 0.03
    ends = [np.abs(found.sites.place[:, 0] - x).min() for x in METAL.place[:, 0]]
    assert max(ends) < 0.03
    assert held_out(found)


def test_what_an_earlier_fit_found_is_taken_up() -> None:
    scan = make_scan(4, BOOKS_M, METAL)
    first = fit_of(scan, BOOKS_M + 0.01).run()
    # Half of the tags at wrong peaks: they are placed by the scatterers, not by where they were.
    start = BOOKS_M + np.where(np.arange(len(BOOKS_M)) % 2 == 0, 0.14, 0.0)
    again = fit_of(scan, start).run(first.sites)
    assert np.abs(again.offset_m - first.offset_m).max() < 2 * FINE_OFFSET_M
    moved = fit_of(scan, start).run(first.sites.moved(0.02))
    assert np.abs(moved.offset_m - BOOKS_M).max() < 0.03


def test_doubled_phases_are_fitted_alike() -> None:
    scan = make_scan(5, BOOKS_M, METAL, noise_rad=0.1, fold=4.0)
    found = fit_of(scan, BOOKS_M + 0.01).run()
    assert np.median(np.abs(found.offset_m - BOOKS_M)) < 0.006
    assert held_out(found)


def test_no_metal_is_not_believed() -> None:
    believed = 0
    for seed in range(6):
        scan = make_scan(10 + seed, BOOKS_M[:20], Sites.none(), noise_rad=0.5)
        believed += held_out(fit_of(scan, BOOKS_M[:20]).run())
    assert believed <= 1


def test_random_phases_are_not_believed() -> None:
    believed = 0
    for seed in range(6):
        scan = make_scan(20 + seed, BOOKS_M[:20], Sites.none())
        noise = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(scan.u))
        believed += held_out(fit_of(dataclasses.replace(scan, phase=noise), BOOKS_M[:20]).run())
    assert believed <= 1


def test_offsets_are_told_finer_than_the_grid() -> None:
    scan = make_scan(6, BOOKS_M, METAL, noise_rad=0.05, each=80)
    found = fit_of(scan, BOOKS_M + 0.004).run()
    assert np.abs(found.offset_m - BOOKS_M).mean() < FINE_OFFSET_M


def test_narrow_antennas_and_short_shelves() -> None:
    scan = make_scan(7, BOOKS_M, METAL, exponent=10.0)
    found = fit_of(scan, BOOKS_M + 0.005).run()
    assert np.median(np.abs(found.offset_m - BOOKS_M)) < 0.006
    short = dataclasses.replace(scan.select(np.arange(6)), from_m=0.32, to_m=0.38)
    assert np.abs(fit_of(short, BOOKS_M[:6]).run().offset_m - 0.35).max() < 0.15


#: As strong as the direct way itself: each tag by itself lands anywhere.
STEEL = Sites(
    np.array([(FROM_M - 0.005, 0.06, 1.03), (TO_M + 0.025, -0.03, 0.96)]),
    np.array([0.8 * np.exp(2.1j), 0.6 * np.exp(-0.4j)]),
)


def test_ways_by_scatterers_equal_numpy() -> None:
    rng = np.random.default_rng(2)
    offset, k = rng.uniform(3.0, 4.0, (20, 16)), rng.uniform(17.5, 19.5, 20)
    along, across = np.array([2.98, 4.01]), np.array([0.02, 0.07])
    field = rng.standard_normal((2, 20)) + 1j * rng.standard_normal((2, 20))
    re, im = np.empty((2, 20, 16), np.float32), np.empty((2, 20, 16), np.float32)
    by_way_of(offset, k / (2 * np.pi), along, across, field, re, im)
    way = np.hypot(offset - along[:, None, None], across[:, None, None])
    np.testing.assert_allclose(re + 1j * im, field[:, :, None] * np.exp(-1j * k[:, None] * way), atol=3e-4)


@pytest.mark.parametrize("fold", [2.0, 4.0])
@pytest.mark.parametrize("alike", [False, True])
def test_guesses_equal_the_reference(fold: float, alike: bool) -> None:
    rng = np.random.default_rng(8)
    scan = make_scan(8, BOOKS_M[:3], STEEL, fold=fold, each=12)
    n, offsets = len(scan.u), 9
    direct = rng.standard_normal((n, offsets)) + 1j * rng.standard_normal((n, offsets))
    share = rng.standard_normal((2, n, offsets)) + 1j * rng.standard_normal((2, n, offsets))
    prior, rho = (
        rng.standard_normal((3, offsets)),
        rng.standard_normal((5, 2)) + 1j * rng.standard_normal((5, 2)),
    )
    if alike:
        rho[:, 0] = rho[0, 0]
    value, turn = np.zeros(5), np.exp(1j * scan.phase / scan.fold)[:, None]
    guess_strengths(
        scan.start, scan.group, scan.weight.astype(np.float32), scan.fold > 3.0,
        (direct * turn).real.astype(np.float32), (direct * turn).imag.astype(np.float32),
        (share * turn).real.astype(np.float32), (share * turn).imag.astype(np.float32), prior.astype(np.float32), rho,
        value,
    )  # fmt: skip
    expected = [
        reference.guess_strengths(
            scan.start, scan.group, scan.weight, scan.fold, scan.phase, direct, share, prior, guess
        )
        for guess in rho
    ]
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_metal_as_strong_as_the_direct_way_is_found_from_anywhere(seed: int) -> None:
    scan = make_scan(seed, BOOKS_M, STEEL, noise_rad=0.6)
    anywhere = np.random.default_rng(seed).uniform(FROM_M, TO_M, len(BOOKS_M))
    found = fit_of(scan, anywhere).run()
    error = np.abs(found.offset_m - BOOKS_M)
    assert np.median(error) < 0.012
    assert (error < 0.03).mean() > 0.85
    assert held_out(found)


def test_starts_of_long_shelves_take_few_readings() -> None:
    books = FROM_M + 0.03 + 0.026 * np.arange(90)
    long = dataclasses.replace(make_scan(34, books, STEEL, noise_rad=0.3, each=150), to_m=FROM_M + 2.4)
    start = find_start(long, np.zeros((90, len(offsets_of(long, SLACK_M)))), offsets_of(long, SLACK_M))
    assert np.isfinite(start.value)
    assert start.place[:, 0] == pytest.approx([FROM_M - 0.015, FROM_M + 2.4 + 0.015])


@pytest.mark.parametrize(("wrong_m", "seed"), [(0.09, 41), (-0.06, 42), (0.0, 43)])
def test_metal_tells_how_far_a_face_stands(wrong_m: float, seed: int) -> None:
    groups = []
    for shelf in range(2):
        scan = make_scan(seed + 10 * shelf, BOOKS_M, STEEL, noise_rad=0.4)
        fit = fit_of(dataclasses.replace(scan, h=scan.h + wrong_m), BOOKS_M)
        groups.append(ShelfGroup(1, shelf, np.arange(len(BOOKS_M)), fit, True, 1.0))
    moves = settle_depths(tuple(groups), 3)
    assert moves[1] == pytest.approx(-wrong_m, abs=0.02)
    assert moves[0] == moves[2] == 0.0


def test_phases_that_mean_nothing_move_no_face() -> None:
    scan = make_scan(44, BOOKS_M, Sites.none())
    phase = np.random.default_rng(44).uniform(0, 2 * np.pi, len(scan.u))
    fit = fit_of(dataclasses.replace(scan, phase=phase), BOOKS_M)
    assert settle_depths((ShelfGroup(0, 0, np.arange(len(BOOKS_M)), fit, False, 1.0),), 1)[0] == 0.0
