"""Passes whose phases belong together are joined, whatever angle lies between them; others are left apart."""

from dataclasses import replace

import numpy as np
import pytest

from localization import passes
from localization.calibration import Calibration
from localization.estimator import Localizer
from localization.faces import Frames, find_candidates
from localization.observations import Mounts, driven_m, observe
from localization.passes import join_passes
from localization.profile import weigh

TWO_PI = 2 * np.pi


def twice(world, tags, turn, *, seed=0, **how):
    """Deal one drive's readings out to two passes, the phases of the second turned by ``turn(tag numbers)``."""
    one = world.make(tags, seed=seed, **how)
    readings, poses = one.readings, one.poses
    later = np.random.default_rng(seed + 50).random(len(readings)) < 0.5
    after_ns = int(poses.t[-1] - poses.t[0]) + 60 * 10**9
    phase = readings.phase_rad + later * turn(readings.tag)
    moved = replace(
        readings,
        t=readings.t + later * after_ns,
        phase_rad=np.mod(phase, TWO_PI).astype(np.float32) % np.float32(TWO_PI),
    )
    order = np.argsort(moved.t, kind="stable")
    way = replace(
        poses,
        t=np.concatenate([poses.t, poses.t + after_ns]),
        x_m=np.tile(poses.x_m, 2),
        y_m=np.tile(poses.y_m, 2),
        yaw_rad=np.tile(poses.yaw_rad, 2),
        sigma_xy_m=np.tile(poses.sigma_xy_m, 2),
    )
    return replace(one, readings=moved.select(order), poses=way)


def row_of_tags(count=24):
    rng = np.random.default_rng(8)
    return [("A", float(x), float(rng.choice([0.25, 0.65]))) for x in np.linspace(0.15, 1.85, count)]


def error(world, fitted, tags):
    found = fitted.positions
    rows = [world.row(fitted, n) for n in range(len(tags))]
    return np.abs(found.offset_m[rows] - np.array([x for _, x, _ in tags]))


def joined(world, recording, tags, length=2.0):
    """Join the passes of a recording whose tags' places are known; return what came of it and the plain parts."""
    plan = world.plan(length=length)
    frames = Frames.of_plan(plan)
    fitted = Localizer(plan).fit(recording)
    mounts = Mounts.of(recording.info, Calibration(), 70.0)
    order = np.argsort(recording.readings.tag, kind="stable")
    observations = observe(
        recording.readings, order, recording.poses, driven_m(recording.poses), mounts,
        fitted.ambiguity_.doubled, fitted.delays_m_, 0,
    )  # fmt: skip
    candidates = find_candidates(observations, frames, 0.1)
    weight = weigh(observations, candidates)
    chosen = np.flatnonzero(candidates.face == 0)
    number = observations.tag[candidates.tag[chosen]]
    epc = np.array([int(recording.readings.tags[n][6:], 16) for n in number])
    offset, height = np.array([tags[n][1] for n in epc]), np.array([tags[n][2] for n in epc])
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    at = np.zeros((len(candidates.tag), 2))
    at[chosen] = np.stack([offset, height], axis=1)
    x, z = at[owner].T
    distance = np.sqrt((candidates.u - x) ** 2 + candidates.h**2 + (candidates.z - z) ** 2)
    return observations, candidates, join_passes(observations, candidates, chosen, offset, distance, weight)


@pytest.mark.parametrize("turn_rad", [0.0, 1.2, 2.5])
@pytest.mark.parametrize("flips", [True, False])
def test_the_angle_between_passes_is_found_and_taken_out(world, turn_rad, flips):
    tags = row_of_tags()
    recording = twice(world, tags, lambda tag: np.full(len(tag), turn_rad), rate=4.0, noise=0.4, flips=flips)
    before, candidates, (after, one, any_joined) = joined(world, recording, tags)
    assert any_joined
    # A phase up to pi is doubled, and so is the angle.
    told = turn_rad * (2 if flips else 1)
    taken = np.exp(1j * (before.phase_rad - after.phase_rad))
    later = before.t > before.t.min() + 60 * 10**9
    between = np.angle(np.nanmean(taken[later]) / np.nanmean(taken[~later]))
    assert abs(np.angle(np.exp(1j * (between - told)))) < 0.3
    # One group an antenna instead of one a pass, but where too few neighbours heard a pass to know its turn; the same
    # observations, and every row in its own cell's order.
    single = 0
    for c in range(len(one.tag)):
        rows = slice(one.start[c], one.start[c + 1])
        antennas = before.antenna[one.observation[rows]]
        single += len(np.unique(one.group[rows])) == len(np.unique(antennas))
        assert len(np.unique(one.group[rows])) <= len(np.unique(candidates.group[rows]))
        assert sorted(one.observation[rows]) == sorted(candidates.observation[rows])
        same = np.diff(one.group[rows]) == 0
        assert (np.diff(one.cell[rows])[same] >= 0).all()
        assert (np.diff(one.u[rows])[same] >= 0).all()
    assert single >= 0.75 * len(one.tag)


def test_a_tag_far_from_all_others_keeps_its_passes_apart(world):
    """Nobody told the turn there: to take it for none would be wrong and sure."""
    tags = [*row_of_tags(), ("A", 7.5, 0.65)]

    def turn(tag):
        return np.where(tag == 24, 2.0, 0.0)

    recording = twice(world, tags, turn, rate=4.0, noise=0.4, length=8.0)
    before, candidates, (after, one, any_joined) = joined(world, recording, tags, length=8.0)
    assert any_joined
    epc = [int(recording.readings.tags[n][6:], 16) for n in before.tag[one.tag]]
    far = next(c for c in range(len(one.tag)) if epc[c] == 24 and one.face[c] == 0)
    rows = slice(one.start[far], one.start[far + 1])
    assert len(np.unique(one.group[rows])) == len(np.unique(candidates.group[rows]))
    seen = one.observation[rows]
    np.testing.assert_array_equal(after.phase_rad[seen], before.phase_rad[seen])


def test_passes_that_do_not_belong_together_are_left_apart(world):
    tags = row_of_tags()
    angle = np.random.default_rng(3).uniform(0, TWO_PI, len(tags))
    recording = twice(world, tags, lambda tag: angle[tag], rate=4.0)
    before, candidates, (after, one, any_joined) = joined(world, recording, tags)
    assert not any_joined
    np.testing.assert_array_equal(after.phase_rad, before.phase_rad)
    np.testing.assert_array_equal(one.group, candidates.group)


def test_one_pass_has_nothing_to_join(world):
    tags = row_of_tags()
    assert not joined(world, world.make(tags), tags)[2][2]


def test_a_passs_turn_is_taken_from_the_tags_within_a_reach():
    """As if summed by pairs with a Gaussian of 0.7 m, the tag itself left out: farther tags drifted otherwise."""
    rng = np.random.default_rng(6)
    where = np.sort(rng.uniform(0.0, 9.0, 60))
    value = rng.standard_normal((60, 2))
    found = passes._Neighbourhood(where).of_others(value)
    near = np.exp(-0.5 * ((where[:, None] - where) / 0.7) ** 2)
    np.fill_diagonal(near, 0.0)
    expected = near @ value
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
