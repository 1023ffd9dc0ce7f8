"""How the run lies to the plan is learnt from the tags heard, and nothing is learnt where they cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

from localization.estimator import Localizer
from recording import AntennaMount

HEIGHTS = (0.4, 0.95, 1.5)


def thirty(count=30, length=3.0):
    rng = np.random.default_rng(4)
    return [
        ("A", float(offset), float(z))
        for offset, z in zip(
            np.linspace(0.2, length - 0.2, count), rng.choice([0.3, 0.6, 0.9, 1.2, 1.5], count), strict=True
        )
    ]


def spoiled(recording, *, farther_m=0.0, ahead_m=(0.0, 0.0, 0.0)):
    """Say the robot drove nearer to the face than it did, and its antennas sat elsewhere than they do."""
    mounts = tuple(
        replace(m, position_m=(m.position_m[0] - by, *m.position_m[1:]))
        for m, by in zip(recording.info.antennas, ahead_m, strict=True)
    )
    poses = replace(recording.poses, y_m=recording.poses.y_m - farther_m)
    return replace(recording, poses=poses, info=replace(recording.info, antennas=mounts))


def scan(world, tags, levels, **how):
    plan = world.plan(length=3.0, levels=levels)
    recording = world.make(tags, heights=HEIGHTS, length=3.0, **{"noise": 0.3, **how})
    return plan, recording


def errors(world, fitted, tags):
    positions = fitted.localization_.positions
    rows = [world.row(fitted.localization_, n) for n in range(len(tags))]
    assert all(positions.face_id[row] == "A" for row in rows)
    error = positions.offset_m[rows] - np.array([offset for _, offset, _ in tags])
    return error - np.median(error)


@pytest.mark.parametrize("levels", [0, 4])
@pytest.mark.parametrize("flips", [True, False])
@pytest.mark.parametrize("farther_m", [0.3, -0.2])
def test_a_face_that_lies_elsewhere_is_found(world, levels, flips, farther_m):
    tags = thirty()
    plan, recording = scan(world, tags, levels, flips=flips)
    fitted = Localizer(plan).fit(spoiled(recording, farther_m=farther_m))
    found = fitted.registration_
    assert found is not None
    assert found.depth_m[0] == pytest.approx(farther_m, abs=0.05)
    assert np.isnan(found.depth_m[1])  # nothing stands on the other face
    side = "farther from" if farther_m > 0 else "nearer to"
    assert any("face A" in note and side in note for note in fitted.localization_.notes)
    assert np.median(np.abs(errors(world, fitted, tags))) < 0.01
    # Places are told on the plan's own plane, not where odometry would have it.
    depth = np.abs(fitted.localization_.positions.y_m + 0.03)
    assert np.median(depth) < 0.03


def test_antennas_that_sit_elsewhere_are_found(world):
    tags = thirty()
    true = np.array([0.02, 0.005, -0.025])
    plan, recording = scan(world, tags, 4)
    fitted = Localizer(plan).fit(spoiled(recording, ahead_m=tuple(true)))
    found = fitted.registration_
    assert found is not None
    assert np.allclose(found.across_m[1:4], true - true.mean(), atol=0.004)
    assert np.median(np.abs(errors(world, fitted, tags))) < 0.005


def test_what_all_antennas_share_stays(world):
    """Moving all antennas alike is moving all tags: only reference tags could tell, so nothing is made up."""
    tags = thirty()
    plan, recording = scan(world, tags, 4)
    fitted = Localizer(plan).fit(spoiled(recording, ahead_m=(0.03, 0.03, 0.03)))
    assert fitted.registration_ is not None
    assert np.abs(fitted.registration_.across_m).max() < 0.004


@pytest.mark.parametrize("levels", [0, 4])
def test_a_true_plan_is_left_alone(world, levels):
    tags = thirty()
    plan, recording = scan(world, tags, levels)
    fitted = Localizer(plan).fit(recording)
    found = fitted.registration_
    assert found is not None
    assert abs(found.depth_m[0]) < 0.02
    assert np.abs(found.across_m).max() < 0.004
    assert not any("farther from" in note or "nearer to" in note for note in fitted.localization_.notes)


def test_too_little_teaches_nothing(world):
    few = thirty(8)
    plan, recording = scan(world, few, 4)
    assert Localizer(plan).fit(spoiled(recording, farther_m=0.3)).registration_ is None
    thin = thirty()
    plan, recording = scan(world, thin, 4, rate=0.4)
    assert Localizer(plan).fit(spoiled(recording, farther_m=0.3)).registration_ is None


def test_one_antenna_height_teaches_nothing(world):
    tags = thirty()
    plan = world.plan(length=3.0, levels=4)
    recording = world.make(tags, heights=(0.95,), length=3.0)
    assert Localizer(plan).fit(recording).registration_ is None


def test_noise_is_not_taken_for_a_shift(world):
    """A true plan under heavy noise, thinly read, several nights: what is claimed stays small."""
    for seed in range(4):
        plan, recording = scan(world, thirty(), 4, rate=3.0, seed=seed, noise=0.6)
        found = Localizer(plan).fit(recording).registration_
        if found is not None:
            assert np.abs(found.across_m).max() < 0.012
            assert np.nanmax(np.abs(found.depth_m)) < 0.03


def test_a_tag_beside_the_dock_does_not_take_the_place_of_a_hundred(world, monkeypatch):
    import localization.registration as registration

    tags = thirty()
    plan, recording = scan(world, tags, 4)
    monkeypatch.setattr(registration, "REGISTER_READINGS", len(recording.readings) // 2)
    monkeypatch.setattr(registration, "SAMPLE_PER_TAG", 50)
    found = Localizer(plan).fit(spoiled(recording, farther_m=0.3)).registration_
    assert found is not None
    assert found.depth_m[0] == pytest.approx(0.3, abs=0.06)


def test_how_well_antennas_are_mounted_is_told_by_how_far_they_differ():
    from localization.registration import Registration

    def centre(shifts_m, hearing):
        n = len(shifts_m)
        none = np.zeros(256)
        found = Registration(
            none, none, np.zeros(1), 20, np.arange(1, n + 1), float((np.array(shifts_m) ** 2).sum()), hearing
        )
        return found.centre_sigma(0.015)

    good, bad = centre([0.001, -0.001, 0.0], 3.0), centre([0.02, -0.02, 0.0], 3.0)
    assert 0.004 < good < 0.006
    assert 0.009 < bad < 0.012
    # Three antennas a side: a tag hears three of the six.
    assert centre([0.01, -0.01, 0.0] * 2, 3.0) > 1.3 * centre([0.01, -0.01, 0.0] * 2, 6.0)


def test_antennas_on_the_left_move_to_their_own_left():
    """Left of the boresight is forward for an antenna on the right side, and backward for one on the left."""
    from localization.calibration import Calibration
    from localization.observations import Mounts
    from localization.registration import Registration
    from recording import RunInfo

    def mount(number, side):
        return AntennaMount(
            id=number, reader="r", port=number, air="gen2", position_m=(0.0, -0.25 * side, 1.0),
            boresight_deg=(-90.0 * side, 0.0), phase_ambiguity="unknown",
        )  # fmt: skip

    info = RunInfo(run_id="x", site="x", started_at=None, robot_id="x", antennas=(mount(1, 1), mount(2, -1)))
    across, ahead = np.zeros(256), np.zeros(256)
    across[1:3], ahead[1:3] = 0.02, 0.05
    found = Registration(across, ahead, np.zeros(1), 20, np.array([1, 2]))
    moved = found.mounts(Mounts.of(info, Calibration(), 70.0))
    assert moved.position_m[1] == pytest.approx([0.02, -0.30, 1.0])
    assert moved.position_m[2] == pytest.approx([-0.02, 0.30, 1.0])
