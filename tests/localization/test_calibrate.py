"""What a calibration learnt from scans says, and that it helps on scans it was not learnt from."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from localization import Calibration, CalibrationError, localize, read_calibration, write_calibration
from localization.calibrate import calibrate, learn
from localization.calibrate_left_out import LeftOut, unseen_sigma
from localization.calibrate_model import References, Site, weigh_references
from localization.calibrate_solve import solve
from localization.evaluate import evaluate
from localization.witness import reference_tags, witness
from recording import Truth
from stacks.plan import Plan

HEIGHTS = (0.4, 0.95, 1.5)


def site(faces=8):
    """Faces of two directions in four rows, 2.5 m apart."""
    sign = np.where(np.arange(faces) % 2, 1.0, -1.0)
    middle = np.stack([1.5 * (np.arange(faces) % 3), 2.5 * (np.arange(faces) // 2)], axis=1)
    return Site(np.stack([sign, np.zeros(faces)], axis=1), middle - middle.mean(axis=0))


def drawn(
    rng, *, runs=2, faces=8, tags=6, centre=0.0, latency=0.0, speeds=(0.1,), face_sd=0.0, run_sd=0.0, own_sd=0.01,
    turn=0.0, keeps=0.7,
):  # fmt: skip
    """Draw references by the model itself; the shift of each face is returned beside them."""
    where = site(faces)
    kept = face_sd * rng.standard_normal(faces) + turn * where.turned
    same = own_sd * np.sqrt(keeps) * rng.standard_normal((faces, tags))
    rows = []
    for run in range(runs):
        speed = -speeds[run % len(speeds)]
        for face in range(faces):
            shared = kept[face] + centre + latency * speed + run_sd * rng.standard_normal()
            own = same[face] + own_sd * np.sqrt(1 - keeps) * rng.standard_normal(tags)
            rows += [(run, face, face * tags + n, shared + own[n], 0.015, -1.0, speed) for n in range(tags)]
    table = np.array(rows)
    ints = table[:, :3].astype(np.int64)
    return References(ints[:, 0], ints[:, 1], ints[:, 2], *table[:, 3:].T.copy()), where, kept


def solved(references, where):
    return solve(weigh_references(references).cells(), where)


def test_two_speeds_tell_latency_from_the_phase_centre():
    rng = np.random.default_rng(1)
    references, where, _ = drawn(rng, runs=4, centre=0.03, latency=0.3, speeds=(0.1, 0.4), run_sd=0.003)
    found = solved(references, where)
    assert found.model.latency
    assert found.mean[1] == pytest.approx(0.3, abs=3 * np.sqrt(found.covariance[1, 1]))
    assert found.mean[0] == pytest.approx(0.03, abs=3 * np.sqrt(found.covariance[0, 0]))
    assert np.sqrt(found.covariance[1, 1]) < 0.05


@pytest.mark.parametrize("speed", [0.1, 0.6])
def test_at_one_speed_their_sum_goes_into_the_phase_centre(speed):
    references, where, _ = drawn(
        np.random.default_rng(2), centre=0.03, latency=0.1, speeds=(speed,), run_sd=0.003
    )
    found = solved(references, where)
    assert not found.model.latency
    assert found.mean[1] == 0.0
    shift = found.predict(where, np.array([0]), np.array([-1.0]), np.array([-speed]))[0]
    assert shift == pytest.approx(0.03 - 0.1 * speed, abs=0.01)


def test_what_a_face_shows_by_chance_is_mostly_not_believed():
    """Two references a face of 2 cm each say less of a face than all faces together do."""
    kept, believed = [], []
    for seed in range(10):
        references, where, _ = drawn(np.random.default_rng(seed), runs=1, tags=2, own_sd=0.02)
        found = solved(references, where)
        error = found.predict(where, np.arange(8), -np.ones(8), -0.1 * np.ones(8))[0]
        believed.append(np.mean(error**2))
        kept.append(np.mean([np.mean(references.error_m[references.face == f]) ** 2 for f in range(8)]))
    assert np.mean(believed) < 0.5 * np.mean(kept)


def test_what_faces_show_beyond_chance_is_believed():
    references, where, kept = drawn(np.random.default_rng(3), face_sd=0.05, tags=8)
    found = solved(references, where)
    error = found.predict(where, np.arange(8), -np.ones(8), -0.1 * np.ones(8))[0]
    assert np.abs(error - kept).max() < 0.015


def test_a_turned_map_is_found_and_foretells_a_face_without_references():
    references, where, kept = drawn(np.random.default_rng(4), turn=0.03, face_sd=0.003, tags=6)
    without = references.select(references.face != 7)
    found = solved(without, where)
    assert found.model.shifted
    assert found.mean[4] == pytest.approx(0.03, abs=0.006)
    assert abs(kept[7]) > 0.05
    assert found.faces(where)[0][7] - kept[7] == pytest.approx(found.faces(where)[0][0] - kept[0], abs=0.02)


def test_faces_without_references_are_never_confidently_wrong():
    """From two rows of faces alone, shift, turn and phase centre can stand in for one another."""
    inside = total = 0
    for seed in range(20):
        rng = np.random.default_rng(100 + seed)
        centre, turn = 0.04 * rng.standard_normal(), 0.025 * rng.standard_normal()
        references, where, kept = drawn(rng, runs=1, centre=centre, turn=turn, face_sd=0.005, own_sd=0.005)
        seen = references.select(references.face < 4)
        cells = weigh_references(seen).cells()
        found = solve(cells, where)
        far = unseen_sigma(cells, where, found.model, found.model.face_spread_m)[4:]
        error = found.predict(where, np.arange(4, 8), -np.ones(4), -0.1 * np.ones(4))[0] - kept[4:] - centre
        inside += int((np.abs(error) < 1.645 * far).sum())
        total += len(error)
    assert inside / total > 0.85


def test_no_turn_is_seen_where_faces_are_shifted_at_random():
    turned = 0
    for seed in range(10):
        references, where, _ = drawn(np.random.default_rng(seed), face_sd=0.03)
        turned += solved(references, where).model.shifted
    assert turned <= 3


def test_left_out_errors_tell_what_is_shared():
    rng = np.random.default_rng(5)
    own, shared = 0.01, 0.03
    miss = shared * rng.standard_normal(400) + own * rng.standard_normal(400)
    every = np.full(400, own**2)
    assert LeftOut(miss, every).shared_sigma() == pytest.approx(shared, rel=0.15)
    assert LeftOut(own * rng.standard_normal(400), every).shared_sigma() < 0.4 * own
    three = [LeftOut(np.full(n, own), np.full(n, own**2)).shared_sigma() for n in (3, 30)]
    assert three[0] > three[1], "few left-out cells make it wider"


def scan(world, seed, *, behind_m=0.0, ahead_m=(0.0, 0.0, 0.0), late_s=0.0, speed=0.1, run_id=None):
    """Scan thirty tags of face A with antennas and clock that are not as stated; returns it with its truth."""
    rng = np.random.default_rng(4)
    heights = rng.choice([0.3, 0.6, 0.9, 1.2, 1.5], 30)
    tags = [("A", float(o), float(z)) for o, z in zip(np.linspace(0.2, 2.8, 30), heights, strict=True)]
    recording = world.make(tags, seed=seed, heights=HEIGHTS, length=3.0, noise=0.3, speed=speed)
    mounts = tuple(
        replace(m, position_m=(m.position_m[0] - behind_m - by, *m.position_m[1:]))
        for m, by in zip(recording.info.antennas, ahead_m, strict=True)
    )
    late = round(late_s * 1e9)
    truth = Truth(
        epc=np.array([f"E28000{n:06X}" for n in range(30)], object),
        x_m=np.array([3.0 - o for _, o, _ in tags]), y_m=np.full(30, -0.03), z_m=np.array([z for _, _, z in tags]),
    )  # fmt: skip
    return replace(
        recording, info=replace(recording.info, antennas=mounts, run_id=run_id or f"run-{seed}"), truth=truth,
        readings=replace(recording.readings, t=recording.readings.t + late),
    )  # fmt: skip


@pytest.fixture
def plan(world):
    return world.plan(length=3.0, levels=0)


@pytest.fixture(scope="module")
def spoiled():
    """How far off the robot of these tests is: 4 cm of mount and 0.2 s."""
    return {"behind_m": 0.04, "late_s": 0.2, "ahead_m": (0.015, 0.0, -0.015)}


def shift_of(recording, plan, calibration):
    found = localize(replace(recording, truth=None), plan, calibration=calibration).positions
    return evaluate(found, recording.truth, plan)


def test_another_run_comes_out_where_it_is(world, plan, spoiled):
    one, other = scan(world, 1, **spoiled), scan(world, 2, **spoiled)
    learnt = calibrate([one], plan, one.truth)
    before, after = (shift_of(other, plan, c) for c in (None, learnt.calibration))
    assert abs(np.median(before.tags.error_m)) > 0.015
    assert abs(np.median(after.tags.error_m)) < 0.006
    assert after.error.mean_cm < 0.5 * before.error.mean_cm
    centres = learnt.calibration.phase_centre_m
    assert centres[1] - centres[3] == pytest.approx(0.03, abs=0.012)
    # One speed and one face: the sum of centre, latency and the face's own shift is all that is seen.
    assert learnt.calibration.latency_s == 0.0
    seen = np.mean(list(centres.values())) - learnt.calibration.face_shift_m["A"]
    assert seen == pytest.approx(0.04 - 0.2 * 0.1, abs=0.006)
    assert any("cannot be told apart" in note for note in learnt.notes)


def test_every_step_is_told_until_it_is_done(world, plan):
    one, told = scan(world, 1), []
    calibrate([one], plan, one.truth, progress=lambda share, text: told.append((share, text)))
    shares, texts = [share for share, _ in told], [text for _, text in told]
    assert shares == sorted(shares)
    assert [text for text in texts if "done" in text] == ["done"]
    assert told[-1] == (1.0, "done")
    halves = texts.index("run-1: registering both halves of the tags")
    assert (
        texts.index("putting them together") > halves > texts.index("run-1: registering faces and antennas")
    )


def test_two_speeds_give_latency_and_hold_at_a_third(world, plan, spoiled):
    runs = [scan(world, 1, speed=0.05, **spoiled), scan(world, 2, speed=0.3, **spoiled)]
    learnt = calibrate(runs, plan, runs[0].truth)
    sigma = learnt.calibration.deviations["latency_s"]
    assert learnt.calibration.latency_s == pytest.approx(0.2, abs=max(2 * sigma, 0.03))
    other = shift_of(scan(world, 3, speed=0.2, **spoiled), plan, learnt.calibration)
    assert abs(np.median(other.tags.error_m)) < 0.01


def test_three_references_do_most_of_it(world, plan, spoiled):
    one = scan(world, 1, **spoiled)
    few = reference_tags(one.truth, plan, 3)
    assert len(few.epc) == 3
    learnt = calibrate([one], plan, few)
    after = shift_of(one, plan, learnt.calibration)
    assert abs(np.median(after.tags.error_m)) < 0.012
    assert after.coverage_along > 0.8


def test_a_tag_surveyed_wrong_is_left_out_and_named(world, plan, spoiled):
    one = scan(world, 1, **spoiled)
    wrong = replace(one.truth, x_m=np.where(np.arange(30) == 7, one.truth.x_m + 0.5, one.truth.x_m))
    good, bad = (calibrate([one], plan, truth) for truth in (one.truth, wrong))
    assert any("surveyed or placed wrong" in note and "E28000000007" in note for note in bad.notes)
    assert bad.calibration.phase_centre_m[2] == pytest.approx(good.calibration.phase_centre_m[2], abs=0.003)
    assert bad.calibration.sigma_m == pytest.approx(good.calibration.sigma_m, abs=0.005)


def test_many_references_far_off_are_asked_about(world, plan):
    one = scan(world, 1)
    few, many = (
        replace(one.truth, x_m=np.where(np.isin(np.arange(30), wrong), one.truth.x_m + 0.5, one.truth.x_m))
        for wrong in ([7], [2, 7, 11, 16, 20, 25])
    )
    assert not any("another library" in note for note in calibrate([one], plan, few).notes)
    assert any("20 % of the references" in note for note in calibrate([one], plan, many).notes)


def test_without_references_antennas_and_faces_are_still_learnt(world, plan):
    one = scan(world, 1, ahead_m=(0.02, 0.0, -0.02), behind_m=0.03)
    one = replace(one, poses=replace(one.poses, y_m=one.poses.y_m - 0.25))
    learnt = calibrate([one], plan)
    centres = learnt.calibration.phase_centre_m
    assert centres[1] - centres[3] == pytest.approx(0.04, abs=0.015)
    assert np.mean(list(centres.values())) == pytest.approx(0.0, abs=0.005), "their mean cannot be seen"
    assert 0.15 < learnt.calibration.face_depth_m["A"] < 0.27, "one run: most of it is believed"
    assert learnt.calibration.sigma_m is None
    assert learnt.calibration.face_shift_m == {}
    assert any("no reference tags" in note for note in learnt.notes)
    # Where the depth is known a run of too few tags to register stands where it should.
    few = replace(one, readings=one.readings.select(np.flatnonzero(one.readings.tag % 6 == 0)))
    before, after = (shift_of(few, plan, c) for c in (None, learnt.calibration))
    assert after.local_error.mean_cm < before.local_error.mean_cm


def test_shelf_labels_come_first_and_the_rest_is_spread(world):
    flat = world.plan(length=3.0, levels=3).to_json()
    flat["floors"][0]["faces"][0]["shelves"][0]["tag"] = "E28000000005"
    truth = scan(world, 1).truth
    chosen = reference_tags(truth, Plan.from_json(flat, "test"), 3)
    assert "E28000000005" in chosen.epc
    assert np.ptp(chosen.x_m) > 1.0


def test_the_shared_bar_is_the_files(world, plan):
    one = scan(world, 1)
    bars = {}
    for name, calibration in {
        "night": Calibration(sigma_m=0.05, run_ids=("another",), sigma_run_m=0.1),
        "own": Calibration(sigma_m=0.05, run_ids=("run-1",), sigma_run_m=0.1),
        "face": Calibration(sigma_m=0.05, face_sigma_m={"A": 0.2}),
    }.items():
        found = localize(one, plan, calibration=calibration).positions
        bars[name] = float(np.median(found.sigma_along_m[found.placed]))
    assert 0.05 < bars["night"] < 0.07
    assert 0.1 < bars["own"] < 0.12
    assert 0.2 < bars["face"] < 0.22


def test_every_number_survives_the_file(world, plan, spoiled, tmp_path):
    one = scan(world, 1, **spoiled)
    learnt = calibrate([one], plan, reference_tags(one.truth, plan, 5))
    write_calibration(tmp_path / "c.json", learnt.calibration)
    assert read_calibration(tmp_path / "c.json") == learnt.calibration
    assert learnt.calibration.run_ids == ("run-1",)
    for antenna in (1, 2, 3):
        assert 0.0 < learnt.calibration.deviations["phase_centre_m"][str(antenna)] < 0.06


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"robot_id": "another"}, "different robots"),
        ({"site": "elsewhere"}, "different sites"),
        ({"run_id": "run-1"}, "named twice"),
        ({"antennas": ()}, "mounted otherwise"),
    ],
)
def test_scans_that_do_not_belong_together_are_refused(world, plan, change, word):
    one, other = scan(world, 1), scan(world, 2)
    other = replace(other, info=replace(other.info, **change))
    with pytest.raises(CalibrationError, match=word) as caught:
        calibrate([one, other], plan, one.truth)
    assert "\n" not in str(caught.value)


def test_references_that_nobody_heard_are_refused(world, plan):
    one = scan(world, 1)
    unheard = replace(one.truth, epc=np.array([f"AA{n:04X}" for n in range(30)], object))
    with pytest.raises(CalibrationError, match="none of the reference tags"):
        learn([witness(one, plan)], plan, unheard)
    few = replace(one, readings=one.readings.select(np.flatnonzero(one.readings.tag == 0)))
    with pytest.raises(CalibrationError, match="name reference tags"):
        learn([witness(few, plan)], plan)


def test_a_tag_that_is_not_there_is_no_reference(world, plan):
    one = scan(world, 1)
    absent = dataclasses.replace(one.truth, present=np.arange(30) < 5)
    assert calibrate([one], plan, absent).notes[0].startswith("5 reference tags")
