"""Where the receiver's noise is all that errs, every reading counts; where reflections rule, nothing changes."""

import dataclasses

import numpy as np
import pytest

from localization import estimator, localize, work
from localization import thermal_reference as reference
from localization.estimator import Localizer
from localization.placing import place_by_rssi
from localization.signal_model import thermal_phase_rad
from localization.thermal import refine_thermal
from localization.thermal_kernels import fit_thermal

LIGHT = 299_792_458.0


def row(count=24, seed=2):
    rng = np.random.default_rng(seed)
    return [("A", float(offset), 0.62 + rng.normal(0, 0.01)) for offset in np.linspace(0.3, 1.7, count)]


def errors(world, found, tags):
    rows = np.array([world.row(found, i) for i in range(len(tags))])
    return found.positions.offset_m[rows] - np.array([tag[1] for tag in tags]), rows


def fisher_m(recording, tags):
    """The Cramer-Rao bound of each tag: everything but its place and one phase known."""
    sigma_of = thermal_phase_rad(recording.readings.rssi_dbm)
    at = recording.poses.at(recording.readings.t)
    out = []
    for number, (_, offset, z) in enumerate(tags):
        mine = recording.readings.epc == f"E28000{number:06X}"
        gap = np.stack(
            [
                2.0 - offset - at.x_m[mine],
                np.full(mine.sum(), -0.53),
                z - np.array([0.3, 1.0])[recording.readings.antenna[mine] - 1],
            ],
            axis=1,
        )
        d = np.sqrt((gap**2).sum(axis=1))
        k = 4e3 * np.pi * recording.readings.frequency_khz[mine] / LIGHT
        slope = k * gap[:, 0] / d
        w = 1 / sigma_of[mine] ** 2
        out.append(((w * (slope - (w * slope).sum() / w.sum()) ** 2).sum()) ** -0.5)
    return np.array(out)


def thermal(recording, scale=1.0, seed=5):
    """Add the receiver's own noise, as its law has it, times ``scale``."""
    readings = recording.readings
    noise = np.random.default_rng(seed).normal(0, scale, len(readings)) * thermal_phase_rad(readings.rssi_dbm)
    phase = np.mod(readings.phase_rad + noise, 2 * np.pi).astype(np.float32)
    phase[phase >= np.float32(2 * np.pi)] = 0.0
    return dataclasses.replace(recording, readings=dataclasses.replace(readings, phase_rad=phase))


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_the_receivers_noise_alone_is_met_at_the_bound(world, scale):
    tags = row()
    recording = thermal(world.make(tags, noise=0.0, flips=False, rate=12.0), scale)
    error, _ = errors(world, localize(recording, world.plan()), tags)
    bound = scale * fisher_m(recording, tags)
    rms = np.sqrt(np.mean(error**2))
    assert rms < 1.4 * np.sqrt(np.mean(bound**2))
    robust = Localizer(world.plan(), without=("thermal",)).fit(recording).localization_
    assert rms < 0.8 * np.sqrt(np.mean(errors(world, robust, tags)[0] ** 2))


def test_bars_keep_a_tags_own_floor_and_hold(world):
    tags = row()
    recording = thermal(world.make(tags, noise=0.0, flips=False), 5.0)
    found = localize(recording, world.plan())
    error, rows = errors(world, found, tags)
    assert (found.positions.sigma_local_m[rows] >= 0.004).all()
    assert (found.positions.sigma_local_m[rows] < 0.01).all()
    assert np.mean(np.abs(error) < 1.645 * found.positions.sigma_along_m[rows]) > 0.9


def from_one_end(recording, tags, chosen):
    """Leave of the chosen tags only what was read a hand and more before them."""
    readings = recording.readings
    along = 2.0 - recording.poses.at(readings.t).x_m
    keep = np.ones(len(readings), bool)
    for number in chosen:
        mine = readings.epc == f"E28000{number:06X}"
        keep &= ~mine | (along > tags[number][1] + 0.15)
    return dataclasses.replace(recording, readings=readings.select(keep))


def test_a_tag_heard_from_one_end_gains_by_what_its_row_tells(world):
    square, chosen = [], range(5, 40, 3)
    for seed in range(3):
        tags = row(45, seed)
        recording = thermal(world.make(tags, seed=seed, noise=0.0, flips=False), 2.0, seed)
        cut = from_one_end(recording, tags, chosen)
        error, _ = errors(world, localize(cut, world.plan()), tags)
        square += [error[number] ** 2 for number in chosen]
    # Known to 2.5 and 5 cm only, depth and height would leave 5 mm.
    assert np.sqrt(np.mean(square)) < 0.003


def misplaced(chosen, away_m=0.3, board=True):
    """Return a first placing that puts one tag at a wrong peak, on a wrong board too or not, with bars to match."""

    def placed(observations, candidates, places, frames):
        places = place_by_rssi(observations, candidates, places, frames)
        other = {f.name: getattr(places, f.name).copy() for f in dataclasses.fields(places)}
        if board:
            wrong = places.hypothesis[chosen] + (1 if places.shelf[chosen] == 0 else -1)
            other["hypothesis"][chosen] = wrong
            other["shelf"][chosen] = 1 - places.shelf[chosen]
            other["height_m"][chosen] += 0.4 if places.shelf[chosen] == 0 else -0.4
        other["offset_m"][chosen] += away_m
        for name, value in (("sigma_m", 0.3), ("scale_rad", 1.4), ("quality", 0.05), ("strength_db", 90.0)):
            other[name][chosen] = value
        return dataclasses.replace(places, **other)

    return placed


@pytest.mark.parametrize("board", [True, False])
def test_a_tag_on_a_wrong_board_or_peak_is_found_on_its_own(world, monkeypatch, board):
    tags = row()
    recording = thermal(world.make(tags, noise=0.0, flips=False), 1.0)
    seen = []

    def refined(*args, **settings):
        seen.append(refine_thermal(*args, **settings))
        return seen[-1]

    monkeypatch.setattr(work, "place_by_rssi", misplaced(5, 0.3 if board else 0.12, board))
    monkeypatch.setattr(work, "refine_thermal", refined)
    found = localize(recording, world.plan())
    error, rows = errors(world, found, tags)
    assert np.abs(error).max() < 0.005
    assert (found.positions.shelf_id[rows] == "A-2").all()
    assert np.abs(found.positions.z_m[rows] - np.array([tag[2] for tag in tags])).max() < 0.05
    # Whatever else is said of it is said of where it is now: it is no worse known than the tags beside it.
    for name in ("sigma_local_m", "sigma_along_m"):
        column = getattr(found.positions, name)[rows]
        assert column.max() < 1.3 * np.median(column), name
    quality = found.positions.quality[rows]
    assert quality.min() > 0.8 * np.median(quality)
    assert found.positions.p_shelf[rows].min() > 0.8
    others = np.delete(np.arange(len(tags)), 5)
    usual = np.median(seen[-1].strength_db[others])
    assert abs(seen[-1].strength_db[5] - usual) < 6.0
    assert seen[-1].scale_rad[5] < 2.0 * np.median(seen[-1].scale_rad[others])


def test_a_receiver_noisier_than_its_law_gets_wider_bars(world):
    tags = row()
    calm = thermal(world.make(tags, noise=0.0, flips=False, rate=2.0), 1.0)
    wild = thermal(world.make(tags, noise=0.0, flips=False, rate=2.0), 12.0)
    at = [localize(r, world.plan()) for r in (calm, wild)]
    rows = [[world.row(found, i) for i in range(len(tags))] for found in at]
    bars = [np.median(f.positions.sigma_local_m[r]) for f, r in zip(at, rows, strict=True)]
    assert bars[1] > 1.3 * bars[0]


def reflected(recording, tags, length_m=0.08, size_rad=0.7):
    """Bend every tag's phases by a smooth function of the track: what reflections do."""
    readings, rng = recording.readings, np.random.default_rng(9)
    at = recording.poses.at(readings.t).x_m
    bend = np.zeros(len(readings))
    for number in range(len(tags)):
        mine = readings.epc == f"E28000{number:06X}"
        waves = rng.normal(0, 1.0 / length_m, 12)
        turn = rng.uniform(0, 2 * np.pi, 12)
        bend[mine] = (
            size_rad * np.sqrt(2 / 12) * np.cos(waves[:, None] * at[mine] + turn[:, None]).sum(axis=0)
        )
    phase = np.mod(readings.phase_rad + bend, 2 * np.pi).astype(np.float32)
    phase[phase >= np.float32(2 * np.pi)] = 0.0
    return dataclasses.replace(recording, readings=dataclasses.replace(readings, phase_rad=phase))


def test_where_reflections_rule_nothing_changes(world):
    tags = row()
    recording = reflected(world.make(tags, noise=0.05, flips=False), tags)
    with_it = localize(recording, world.plan()).positions
    without = Localizer(world.plan(), without=("thermal",)).fit(recording).localization_.positions
    np.testing.assert_array_equal(with_it.offset_m, without.offset_m)
    np.testing.assert_array_equal(with_it.sigma_local_m, without.sigma_local_m)


def test_one_bent_tag_among_straight_ones_stays_where_the_robust_fit_puts_it(world):
    tags = row()
    straight = thermal(world.make(tags, noise=0.0, flips=False), 2.0)
    bent = reflected(straight, tags)
    one = straight.readings.epc == "E28000000005"
    recording = dataclasses.replace(
        straight,
        readings=dataclasses.replace(
            straight.readings,
            phase_rad=np.where(one, bent.readings.phase_rad, straight.readings.phase_rad),
        ),
    )
    with_it = localize(recording, world.plan())
    without = Localizer(world.plan(), without=("thermal",)).fit(recording).localization_
    at, other = world.row(with_it, 5), world.row(with_it, 8)
    moved = np.abs(with_it.positions.offset_m - without.positions.offset_m)
    assert moved[at] == pytest.approx(0.0, abs=1e-4)
    assert with_it.positions.sigma_local_m[at] == pytest.approx(without.positions.sigma_local_m[at], rel=0.05)
    assert with_it.positions.sigma_local_m[other] < 0.9 * without.positions.sigma_local_m[other]


def test_phases_that_mean_nothing_are_not_taken_for_noise(world):
    tags = row()
    recording = world.make(tags, flips=False)
    phase = np.random.default_rng(1).uniform(0, 6.283, len(recording.readings)).astype(np.float32)
    recording = dataclasses.replace(
        recording, readings=dataclasses.replace(recording.readings, phase_rad=phase)
    )
    with_it = localize(recording, world.plan()).positions
    without = Localizer(world.plan(), without=("thermal",)).fit(recording).localization_.positions
    np.testing.assert_array_equal(with_it.offset_m, without.offset_m)


def test_the_part_can_be_left_out_by_name(world):
    assert "thermal" in estimator.PARTS


@pytest.mark.parametrize("tau", [2.0, 0.1, 0.0])
def test_the_compiled_fit_is_the_reference(tau):
    rng = np.random.default_rng(11)
    sizes = np.array([60, 9, 33])
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(start[-1])
    group = np.concatenate([np.sort(rng.integers(0, 3, size)) for size in sizes]).astype(np.int64)
    u, h = rng.uniform(-0.6, 0.6, n), rng.normal(0.55, 0.01, n)
    z = np.array([0.4, 0.9, 1.4])[group]
    k = 38.6 + rng.uniform(-0.08, 0.08, n)
    place = np.stack([[0.1, -0.2, 0.0], [0.01, 0.0, -0.01], [0.7, 0.8, 0.75]], axis=1)
    owner = np.repeat(np.arange(3), sizes)
    d = np.sqrt((u - place[owner, 0]) ** 2 + (h + place[owner, 1]) ** 2 + (z - place[owner, 2]) ** 2)
    sigma = rng.uniform(0.03, 0.2, n)
    phase = np.mod(k * d + 1.0 + rng.normal(0, sigma), 2 * np.pi)
    weight = 1 / sigma**2
    weight[5] = 0.0  # no phase there
    begin = place + np.array([0.01, 0.0, 0.0])
    begin[:, 1], begin[:, 2] = 0.0, 0.72
    wide, high = np.full(3, 0.025), np.full(3, 0.05)
    result, residual, added = np.zeros((3, 10)), np.zeros(n), np.zeros(n)
    fit_thermal(
        start, u, h, z, k, phase, weight, group, begin[:, 0].copy(), begin[:, 1].copy(), begin[:, 2].copy(),
        np.zeros(3), np.full(3, 0.72), wide, high, tau, result, residual, added,
    )  # fmt: skip
    for i in range(3):
        rows = slice(start[i], start[i + 1])
        expected = reference.fit_thermal(
            u[rows], h[rows], z[rows], k[rows], phase[rows], weight[rows], group[rows], tuple(begin[i]), (0.0, 0.72),
            (0.025, 0.05), tau,
        )  # fmt: skip
        np.testing.assert_allclose(result[i], expected[0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(residual[rows], expected[1], atol=1e-6)
        np.testing.assert_allclose(added[rows], expected[2], atol=1e-6)
        assert abs(result[i, 0] - place[i, 0]) < 5 * np.sqrt(result[i, 3])
