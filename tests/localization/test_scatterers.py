"""The joint fit: slides with scatterers, with tags that hear one another, with lines of height, with noise alone."""

import numpy as np
import pytest

from localization import scatterer_reference
from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.scatterer_kernels import slopes
from localization.scatterer_model import Joint
from localization.scatterer_pursuit import Start
from localization.scatterer_row import make_row
from localization.scatterers import FEWEST_SHARING, FEWEST_TAGS, Scan, fit_scatterers, one_channel
from sim.slide import slide as simulated_slide
from sim.slide import three_lines, to_recording

LIGHT = 299_792_458.0
ALONE = (0,)


def slide(seed, scatterers, noise=0.05, depth=0.5, count=10, delay_m=0.0):
    rng = np.random.default_rng(seed)
    tags = 0.3 + 0.08 * np.arange(count) + rng.uniform(-0.01, 0.01, count)
    u = 0.22 + 0.02 * np.arange(50)
    h = np.full(50, depth)
    frequency = 920.625e6 + 0.5e6 * np.arange(4)
    k = 2 * np.pi * frequency / LIGHT

    def antenna(x, y):
        d = np.sqrt((u - x) ** 2 + (depth + y) ** 2)
        return depth / d * np.exp(-1j * k[:, None] * d) / d

    signal = np.zeros((4, count, 50), complex)
    for i, x in enumerate(tags):
        field = antenna(x, 0.0)
        for rho, qx, qy in scatterers:
            field = field + rho * np.exp(-1j * k * np.hypot(x - qx, qy))[:, None] * antenna(qx, qy)
        signal[:, i] = np.exp(2j * np.pi * rng.uniform()) * field**2
    signal *= np.exp(-2j * k * delay_m)[:, None, None]
    scale = noise * np.sqrt((np.abs(signal) ** 2).mean() / 2)
    signal += scale * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    heard = rng.uniform(size=signal.shape) > 0.05
    return Scan(u, h, frequency, np.where(heard, signal, 0), heard, -0.1, 1.5), tags


def thinned(scan, readings, seed=5):
    rng = np.random.default_rng(seed)
    heard = np.zeros_like(scan.heard)
    for i in range(scan.heard.shape[1]):
        cells = np.argwhere(scan.heard[:, i])
        chosen = cells[rng.permutation(len(cells))[:readings]]
        heard[chosen[:, 0], i, chosen[:, 1]] = True
    return Scan(
        scan.u_m, scan.h_m, scan.frequency_hz, np.where(heard, scan.signal, 0), heard, scan.low_m, scan.high_m
    )


ENDS = ((0.4 * np.exp(0.7j), 0.15, 0.02), (0.35 * np.exp(-2j), 1.22, 0.0))
WEAK = ((0.15j, 0.55, 0.06), (-0.15, 0.85, 0.04))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scatterers_turn_from_nuisance_into_information(seed):
    scan, tags = slide(seed, ENDS + WEAK)
    without = fit_scatterers(scan, ALONE)
    found = fit_scatterers(scan)
    assert found.gain > 0.3
    assert np.abs(found.offset_m - tags).mean() < 0.5 * np.abs(without.offset_m - tags).mean()
    assert np.abs(found.offset_m - tags).mean() < 0.01
    assert np.median(found.unexplained) < 0.1
    assert (np.diff(found.offset_m) > 0).all()
    assert np.mean(np.abs(found.offset_m - tags) < 1.645 * found.sigma_m) >= 0.85
    assert not found.height_m.any()


def test_where_there_are_none_nothing_is_lost():
    scan, tags = slide(4, (), noise=0.3)
    found = fit_scatterers(scan)
    assert found.gain < 0.2
    assert np.abs(found.offset_m - tags).max() < 0.02


def test_noise_is_not_explained():
    scan, _ = slide(5, ())
    rng = np.random.default_rng(5)
    noise = rng.normal(size=scan.signal.shape) + 1j * rng.normal(size=scan.signal.shape)
    found = fit_scatterers(Scan(scan.u_m, scan.h_m, scan.frequency_hz, noise, scan.heard, -0.1, 1.5))
    assert found.gain < 0.1
    assert (found.sigma_m > 0.03).all()


def test_two_tags_are_each_matched_alone():
    scan, _ = slide(6, ENDS, count=FEWEST_SHARING - 1)
    found = fit_scatterers(scan)
    assert len(found.scatterers_m) == 0
    assert found.gain == 0.0
    assert np.array_equal(found.offset_m, fit_scatterers(scan, ALONE).offset_m)


@pytest.mark.parametrize("count", [FEWEST_SHARING, FEWEST_TAGS - 1])
def test_few_tags_share_the_rows_two_ends(count):
    errors, alone, held = [], [], []
    for seed in range(6, 12):
        scan, tags = slide(seed, ENDS, count=count)
        found = fit_scatterers(scan)
        assert len(found.scatterers_m) == 2
        errors += list(np.abs(found.offset_m - tags))
        alone += list(np.abs(fit_scatterers(scan, ALONE).offset_m - tags))
        held += list(np.abs(found.offset_m - tags) < 1.645 * found.sigma_m)
    assert np.mean(errors) < 0.75 * np.mean(alone)
    assert np.mean(held) >= 0.75


def test_twenty_readings_a_tag_serve_as_well_as_all():
    scan, tags = slide(2, ENDS + WEAK, delay_m=9.0)
    full, few = fit_scatterers(scan), fit_scatterers(thinned(scan, 20))
    assert few.gain > 0.2
    assert np.abs(few.offset_m - tags).mean() < 0.015
    assert few.sigma_m.mean() > full.sigma_m.mean()


def test_channels_come_together_whatever_the_cable():
    near, far = (slide(1, ENDS, noise=0.0, delay_m=delay)[0] for delay in (0.0, 25.0))
    a, b = one_channel(near), one_channel(far)
    assert np.abs((a.signal.conj() * b.signal).sum(axis=1)).min() > 0.999
    # Summed as they are, the channels of a long cable cancel.
    plain = [np.abs(scan.signal.sum(axis=0)).sum() / np.abs(scan.signal).sum() for scan in (near, far)]
    assert plain[1] < 0.9 * plain[0]


def coupled_row(heights_m, upright=False):
    """Tags 4 cm apart that hear one another, and one scatterer, without noise: the model's own world."""
    count = len(heights_m)
    u, h, k = 0.02 * np.arange(1, 51), np.full(50, 0.5), 2 * np.pi * 922e6 / LIGHT
    x_m = np.arange(0.0, 1.0, 0.005)
    tags = 0.5 + 0.04 * (np.arange(count) - (count - 1) / 2)
    blank = make_row(u, h, k, np.ones((count, 50), complex), np.ones((count, 50)), x_m)
    start = Start(tags, np.array([[0.2, 0.02]]), np.array([0.3 + 0.1j]), 0.0)
    world = Joint(blank, start, coupled=True)
    world.upright = upright
    world.z_m = np.asarray(heights_m, float)
    world.answer = -0.2 - 0.25j + 0.05 * np.exp(1j * np.arange(count))
    world.solve_fields()
    return make_row(u, h, k, world.field**2, np.ones((count, 50)), x_m), start, tags


@pytest.mark.parametrize(("high", "upright"), [(False, False), (True, False), (True, True)])
def test_least_squares_finds_tags_that_hear_one_another(high, upright):
    rng = np.random.default_rng(8)
    heights = 0.1 * (np.arange(8) % 2) if high else np.zeros(8)
    row, start, tags = coupled_row(heights, upright)
    near = Start(tags + rng.uniform(-0.015, 0.015, 8), start.place_m + 0.01, 0.9 * start.strength, 0.0)
    joint = Joint(row, near, coupled=True)
    joint.upright = upright
    if high:
        joint.high = True
        joint.z_m = heights + rng.uniform(-0.02, 0.02, 8)
        joint.solve_fields()
    before = joint.unexplained.mean()
    for _ in range(4):
        joint.solve()
    assert joint.unexplained.mean() < 0.02 * before
    assert np.abs(joint.x_m - tags).mean() < 0.004
    alone = Joint(row, near, coupled=False)
    for _ in range(4):
        alone.solve()
    assert np.abs(joint.x_m - tags).mean() < 0.5 * np.abs(alone.x_m - tags).mean()


def test_a_post_is_told_from_a_point():
    """A point is farther from a tag that hangs higher, a post is not."""
    heights = 0.2 * (np.arange(8) % 2)
    for upright in (False, True):
        row, start, _ = coupled_row(heights, upright)
        left = {}
        for taken in (False, True):
            joint = Joint(row, start, coupled=True)
            joint.upright, joint.high, joint.z_m = taken, True, heights.copy()
            joint.solve_fields()
            joint.solve()
            left[taken] = joint.unexplained.mean()
        assert left[upright] < 0.3 * left[not upright]


def test_kernel_equals_its_reference():
    rng = np.random.default_rng(9)

    def draw(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    weight = rng.uniform(0, 1, (5, 30)) * (rng.uniform(size=(5, 30)) > 0.3)
    arguments = draw(5, 12), draw(12, 30), draw(5, 12), draw(12, 30), draw(5), weight, draw(5, 30)
    assert np.allclose(slopes(*arguments), scatterer_reference.slopes(*arguments), atol=1e-12)


def test_three_lines_are_placed_better_than_tag_by_tag():
    errors, right, notes = {(): [], ("scatterers",): []}, {(): 0, ("scatterers",): 0}, []
    for seed in range(701, 707):  # single seeds range from a fifth of the error to four fifths
        recording, plan = to_recording(three_lines(0.57, seed), one_face=True)
        for without in errors:
            made = Localizer(plan, without=without).fit(recording).localization_
            judged = evaluate(made.positions, recording.truth, plan)
            errors[without].append(judged.local_error.mean_cm)
            right[without] += judged.order.right
            notes += made.notes
    assert any("heights found from the scan" in note for note in notes)
    assert np.mean(errors[()]) < 0.65 * np.mean(errors[("scatterers",)])
    assert right[()] > 1.3 * right[("scatterers",)]


def test_one_line_needs_no_heights():
    recording, plan = to_recording(simulated_slide(0.08, 0.6, 41), one_face=True)
    made = Localizer(plan).fit(recording).localization_
    assert "one line of height" in " ".join(made.notes)
    assert evaluate(made.positions, recording.truth, plan).local_error.mean_cm < 2.0
