"""Localization judged from outside, on a small world whose answers are known."""

import dataclasses
import itertools

import numpy as np
import pytest

from localization import Calibration, localize
from localization import estimator as estimator_module
from localization.ambiguity import find_ambiguity
from localization.delays import find_delays
from localization.estimator import Localizer
from localization.hearing import CROWD_M, Hearing, less_crowded
from recording import Poses, Readings

LEVEL_Z = {1: 0.22, 2: 0.62, 3: 1.02}


def books(face="A", count=20, seed=1):
    rng = np.random.default_rng(seed)
    return [
        (face, float(offset), LEVEL_Z[level] + rng.normal(0, 0.02))
        for level in LEVEL_Z
        for offset in np.linspace(0.15, 1.85, count)
    ]


def errors(world, found, tags):
    rows = np.array([world.row(found, i) for i in range(len(tags))])
    return found.positions.offset_m[rows] - np.array([tag[1] for tag in tags]), rows


@pytest.fixture(scope="module")
def tags():
    return books()


@pytest.mark.parametrize("flips", [True, False])
def test_offset_shelf_order_and_bars(world, tags, flips):
    recording = world.make(tags, flips=flips)
    found = localize(recording, world.plan())
    error, rows = errors(world, found, tags)
    positions = found.positions
    assert np.median(np.abs(error)) < 0.008
    assert np.mean(np.abs(error) < 0.03) > 0.95
    assert (positions.face_id[rows] == "A").all()
    level = np.array([int(str(s)[-1]) for s in positions.shelf_id[rows]])
    true = np.repeat([1, 2, 3], 20)
    assert np.mean(level == true) > 0.95
    assert np.mean(positions.p_shelf[rows]) <= np.mean(level == true) + 0.05
    inside = np.abs(error) < 1.645 * positions.sigma_along_m[rows]
    assert np.mean(inside) >= 0.85
    for n in (1, 2, 3):
        here = positions.select(positions.shelf_id == f"A-{n}")
        order = np.argsort(here.offset_m)
        assert list(here.rank[order]) == list(range(1, len(here) + 1))
        assert np.isnan(here.p_order[order[0]])
        assert (here.p_order[order[1:]] >= 0.5).all()
    x, y = positions.x_m[rows], positions.y_m[rows]
    np.testing.assert_allclose(x, 2.0 - positions.offset_m[rows], atol=1e-9)
    assert (np.abs(y + 0.03) < 0.1).all()


def test_ambiguity_and_cables_are_found_from_the_data(world, tags):
    for flips in (True, False):
        recording = world.make(tags, flips=flips)
        found = find_ambiguity(recording.info, recording.readings, recording.poses)
        assert list(found.doubled[1:3]) == [flips, flips]
        lengths = find_delays(recording.readings, recording.poses, found.doubled)
        assert ((lengths[1:3] > 7.0) & (lengths[1:3] < 11.0)).all()


@pytest.mark.parametrize("flips", [True, False])
def test_stops_too_far_apart_are_told_by_their_neighbouring_channels(world, tags, flips):
    made = world.make(tags)
    rng = np.random.default_rng(4)
    stop, tag, channel = (
        axis.ravel() for axis in np.meshgrid(np.arange(17), np.arange(6), [920_625, 921_125], indexing="ij")
    )
    t = made.poses.t[0] + (stop * 0.06 / 0.1 * 1e9).astype(np.int64)
    d = np.hypot(made.poses.at(t).x_m - 0.1 - 0.1 * tag, 0.8) + 9.0
    phase = 4e3 * np.pi * channel / 299_792_458 * d + tag + rng.normal(0, 0.1, len(t))
    phase += np.pi * rng.integers(0, 2, len(t)) * flips
    readings = Readings.from_epc(
        [f"E28000{n:06X}" for n in tag],
        t=t,
        antenna=np.ones(len(t), np.uint8),
        frequency_khz=channel.astype(np.uint32),
        rssi_dbm=np.full(len(t), -55, np.float32),
        phase_rad=np.mod(phase, 2 * np.pi).astype(np.float32),
    )
    recording = dataclasses.replace(made, readings=readings)
    found = find_ambiguity(recording.info, recording.readings, recording.poses)
    assert found.doubled[1] == flips


def test_a_crowd_that_ends_does_not_draw_its_last_tags_along():
    """Alone at the end of a row, a tag is read much more often than it was among its neighbours."""
    way = np.arange(0.0, 4.01, 0.05)
    t = (way * 10e9).astype(np.int64)
    rng = np.random.default_rng(3)
    when = rng.uniform(0.0, 4.0, 4000)
    tag = np.where(when < 3.0, rng.integers(0, 40, 4000), 39)
    order = np.argsort(when)
    readings = Readings.from_epc(
        [f"E28000{n:06X}" for n in tag[order]],
        t=(when[order] * 10e9).astype(np.int64),
        antenna=np.ones(4000, np.uint8),
        frequency_khz=np.full(4000, 920_625, np.uint32),
        rssi_dbm=np.full(4000, -55, np.float32),
        phase_rad=np.zeros(4000, np.float32),
    )
    hearing = Hearing(t, np.floor(way / CROWD_M).astype(np.int64), np.array([1]))
    for part in (slice(0, 1500), slice(1500, None)):
        hearing.add(readings.select(part))
    factor = less_crowded(*hearing.crowd(1), way)
    whole = Hearing(t, np.floor(way / CROWD_M).astype(np.int64), np.array([1]))
    whole.add(readings)
    assert np.array_equal(factor, less_crowded(*whole.crowd(1), way))
    assert np.median(factor[way[:-1] < 2.5]) == pytest.approx(1.0, abs=0.2)
    assert np.median(factor[way[:-1] > 3.5]) > 5.0


def test_a_stated_ambiguity_is_believed_unless_the_data_contradict(world, tags):
    recording = world.make(tags, flips=True)
    said = dataclasses.replace(recording.info, antennas=world.mounts(ambiguity="none"))
    assert find_ambiguity(said, recording.readings, recording.poses).doubled[1]
    calm = world.make(tags, flips=False)
    said = dataclasses.replace(calm.info, antennas=world.mounts(ambiguity="pi"))
    assert find_ambiguity(said, calm.readings, calm.poses).doubled[1]


def test_more_threads_and_smaller_blocks_change_nothing_that_matters(world, tags, monkeypatch):
    recording = world.make(tags)
    whole = localize(recording, world.plan()).positions
    monkeypatch.setattr(estimator_module, "BLOCK_READINGS", len(recording.readings) // 3)
    parts = localize(recording, world.plan(), jobs=3).positions
    again = localize(recording, world.plan(), jobs=1).positions
    np.testing.assert_array_equal(parts.offset_m, again.offset_m)
    assert np.median(np.abs(parts.offset_m - whole.offset_m)) < 0.002
    assert (parts.epc == whole.epc).all()


def test_without_a_plan_tags_lie_beside_the_track(world, tags):
    found = localize(world.make(tags), None)
    positions = found.positions
    assert all(face is None for face in positions.face_id)
    assert len(found.coverage) == 0
    rows = np.array([world.row(found, i) for i in range(len(tags))])
    true_x = np.array([2.0 - tag[1] for tag in tags])
    assert np.median(np.abs(positions.x_m[rows] - true_x)) < 0.02
    assert (positions.y_m[rows] < 0.5).all()
    assert (positions.rank == 0).all()


def test_a_plan_without_faces_is_as_good_as_none(world, tags):
    recording = world.make(tags)
    empty = dataclasses.replace(world.plan(), floors=())
    found, usual = localize(recording, empty), localize(recording, None)
    np.testing.assert_array_equal(found.positions.x_m, usual.positions.x_m)
    assert any("the plan has no faces" in note for note in found.notes)


def test_no_phase_at_all_still_places_with_wide_bars(world, tags):
    recording = world.make(tags)
    silent = dataclasses.replace(
        recording.readings, phase_rad=np.full(len(recording.readings), np.nan, np.float32)
    )
    found = localize(dataclasses.replace(recording, readings=silent), world.plan())
    error, rows = errors(world, found, tags)
    assert np.median(np.abs(error)) < 0.2
    assert (found.positions.sigma_along_m[rows] > 0.05).all()
    assert np.mean(np.abs(error) < 1.645 * found.positions.sigma_along_m[rows]) > 0.8
    assert (found.positions.quality[rows] <= 0.1).all()


def test_a_tag_heard_once_or_twice_gets_a_wide_bar(world, tags):
    recording = world.make(tags)
    first = np.flatnonzero(recording.readings.tag == recording.readings.tag[0])
    keep = np.ones(len(recording.readings), bool)
    keep[first[2:]] = False
    found = localize(dataclasses.replace(recording, readings=recording.readings.select(keep)), world.plan())
    row = list(found.positions.epc).index(recording.readings.tags[int(recording.readings.tag[0])])
    assert found.positions.readings[row] == 2
    assert np.isfinite(found.positions.offset_m[row])
    assert found.positions.sigma_local_m[row] >= 0.15
    assert found.positions.quality[row] <= 0.1


def test_readings_beyond_the_poses_leave_their_tags_unplaced(world, tags):
    recording = world.make(tags)
    poses = recording.poses
    none = Poses(
        t=poses.t + 10**15, x_m=poses.x_m, y_m=poses.y_m, yaw_rad=poses.yaw_rad, sigma_xy_m=None, sigma_yaw_rad=None,
        mast_z_m=None, floor_id=None,
    )  # fmt: skip
    found = localize(dataclasses.replace(recording, poses=none), world.plan())
    assert len(found.positions) == len(tags)
    assert not found.positions.placed.any()
    assert (found.positions.readings > 0).all()
    assert any("outside the poses' time" in note for note in found.notes)


def test_an_empty_recording(world):
    recording = world.make([])
    found = localize(recording, world.plan())
    assert len(found.positions) == 0


def test_an_antenna_never_heard_is_said(world, tags):
    recording = world.make(tags)
    readings = recording.readings.select(recording.readings.antenna == 1)
    found = localize(dataclasses.replace(recording, readings=readings), world.plan())
    error, _ = errors(world, found, tags)
    assert any("never heard: antenna 2" in note for note in found.notes)
    assert np.median(np.abs(error)) < 0.02


def test_the_side_of_the_rack_is_told(world):
    mixed = books("A", 10) + books("B", 10)
    recording = world.make(mixed, rate=12.0)
    # Drive the other aisle, too: the same world seen from the south, half a turn round the racks' middle.
    turned = world.make([("A" if f == "B" else "B", o, z) for f, o, z in mixed], rate=12.0, seed=0)
    shift = turned.poses.t[-1] - turned.poses.t[0] + 10**10
    poses = Poses(
        t=np.concatenate([recording.poses.t, turned.poses.t + shift]),
        x_m=np.concatenate([recording.poses.x_m, 2.0 - turned.poses.x_m]),
        y_m=np.concatenate([recording.poses.y_m, -0.5 - turned.poses.y_m]),
        yaw_rad=np.concatenate([recording.poses.yaw_rad, turned.poses.yaw_rad + np.pi]),
        sigma_xy_m=None, sigma_yaw_rad=None, mast_z_m=None, floor_id=None,
    )  # fmt: skip
    second = turned.readings
    readings = type(second).from_epc(
        list(recording.readings.epc) + list(second.epc),
        t=np.concatenate([recording.readings.t, second.t + shift]),
        antenna=np.concatenate([recording.readings.antenna, second.antenna]),
        frequency_khz=np.concatenate([recording.readings.frequency_khz, second.frequency_khz]),
        rssi_dbm=np.concatenate([recording.readings.rssi_dbm, second.rssi_dbm]),
        phase_rad=np.concatenate([recording.readings.phase_rad, second.phase_rad]),
    )
    found = localize(dataclasses.replace(recording, readings=readings, poses=poses), world.plan())
    faces = [found.positions.face_id[world.row(found, i)] for i in range(len(mixed))]
    assert np.mean([face == tag[0] for face, tag in zip(faces, mixed, strict=True)]) > 0.98


def test_a_calibration_is_applied(world, tags):
    recording = world.make(tags)
    plain = localize(recording, world.plan()).positions
    shifted = localize(recording, world.plan(), calibration=Calibration(face_shift_m={"A": 0.05})).positions
    np.testing.assert_allclose(shifted.offset_m - plain.offset_m, 0.05, atol=1e-9)
    # Stamped a second late at 0.1 m/s eastwards is 10 cm too far east: offsets on A run west.
    late = dataclasses.replace(
        recording, readings=dataclasses.replace(recording.readings, t=recording.readings.t + 10**9)
    )
    moved = localize(late, world.plan()).positions
    mended = localize(late, world.plan(), calibration=Calibration(latency_s=1.0)).positions
    assert np.nanmedian(moved.offset_m - plain.offset_m) == pytest.approx(-0.1, abs=0.02)
    assert np.nanmedian(np.abs(mended.offset_m - plain.offset_m)) < 0.005


def test_coverage_is_high_where_listened_and_nothing_elsewhere(world, tags):
    recording = world.make(tags)
    cells = localize(recording, world.plan()).coverage
    seen = cells.face_id == "A"
    assert cells.p_heard[seen].min() > 0.9
    assert cells.p_heard[~seen].max() < 0.05
    assert set(cells.level[seen]) == {1, 2, 3}
    # Lose all but the western end of the drive: small offsets on A are then beyond the antennas' reach.
    t0 = int(recording.poses.t[0] + 10 * 10**9)
    spans = ((t0, int(recording.poses.t[-1]) + 1),)
    half = dataclasses.replace(
        recording, readings=recording.readings.select(recording.readings.t < t0), not_scanned=spans
    )
    lost = localize(half, world.plan()).coverage
    near, far = (lost.face_id == "A") & (lost.to_m < 0.35), (lost.face_id == "A") & (lost.from_m > 1.55)
    assert lost.p_heard[near].max() < 0.3
    assert lost.p_heard[far].min() > 0.8
    assert lost.readings[near].max() < 0.2 * lost.readings[far].min()


def test_progress_grows_to_one(world, tags):
    told = []
    localize(world.make(tags[:10]), world.plan(), progress=lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(text for _, text in told)


def test_tags_heard_before_no_face_cost_nothing(world, tags, monkeypatch):
    """A block of tags heard only beside the dock, or antennas that look away from every face."""
    import localization.estimator as estimator

    recording = world.make(tags)
    away = dataclasses.replace(
        recording,
        info=dataclasses.replace(
            recording.info,
            antennas=tuple(
                dataclasses.replace(m, boresight_deg=(90.0, 0.0)) for m in recording.info.antennas
            ),
        ),
    )
    found = localize(away, world.plan())
    assert np.isnan(found.positions.offset_m).all()
    # One tag a block: the first that anything can be learnt from teaches the others.
    late = int(recording.poses.t[-1])
    docked = recording.readings.tag == 0
    poses = recording.poses
    dock = dataclasses.replace(
        recording,
        readings=dataclasses.replace(
            recording.readings, t=np.where(docked, late - 1, recording.readings.t)
        ).select(np.argsort(np.where(docked, late - 1, recording.readings.t), kind="stable")),
        poses=dataclasses.replace(
            poses, x_m=np.where(np.arange(len(poses.t)) >= len(poses.t) - 2, 40.0, poses.x_m)
        ),
    )
    monkeypatch.setattr(estimator, "BLOCK_READINGS", 50)
    found = localize(dock, world.plan())
    assert np.isfinite(found.positions.offset_m).sum() >= len(tags) - 1


def test_a_part_that_is_not_there_cannot_be_left_out(world):
    with pytest.raises(ValueError, match="no part 'lasers'"):
        Localizer(world.plan(), without=("lasers",))


@pytest.mark.parametrize("fast", [False, True])
def test_every_step_is_told_and_shares_never_fall(world, tags, fast, monkeypatch):
    # Several blocks, on several threads.
    monkeypatch.setattr(estimator_module, "BLOCK_READINGS", 2500)
    told = []
    estimator = Localizer(world.plan(), fast=fast, jobs=2)
    estimator.fit(world.make(tags), progress=lambda share, text: told.append((share, text)))
    shares, texts = zip(*told, strict=True)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert all(0.0 <= a <= b <= 1.0 for a, b in itertools.pairwise(shares))
    wanted = [
        "looking at the readings",
        "learning how antennas",
        "registering faces",
        "mapping where",
        "placing tags",
    ]
    if not fast:
        wanted += ["fitting phases", "fitting shelves", "asking the uprights"]
    for step in (*wanted, "mapping what was covered"):
        assert any(text.startswith(step) for text in texts), step
    # What is worked on side by side is one step, or a log would be full of them.
    changes = [text for before, text in itertools.pairwise(texts) if text != before]
    assert changes.count("placing tags") == 1
