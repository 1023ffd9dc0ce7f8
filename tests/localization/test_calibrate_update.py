"""A calibration kept from night to night: it narrows, it fades, and it starts anew where something was changed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from localization.calibrate import learn
from localization.calibrate_nights import evidence_of, places_of
from localization.calibrate_update import MOST_NIGHTS, update
from localization.calibration import Calibration, CalibrationError
from localization.witness import Witness
from recording import AntennaMount, RunInfo, Truth
from stacks.plan import Plan
from tests.localization.conftest import START, plan_of, shelves

PLAN = plan_of(4.0, levels=0)
COUNT = 16
OFFSETS = np.linspace(0.3, 3.7, COUNT)
FACES = np.array(["A", "B"] * (COUNT // 2), object)
EPCS = np.array([f"30{n:022X}" for n in range(COUNT)], object)


def truth(moved=()):
    where = OFFSETS.copy()
    where[list(moved)] += 0.6 * np.where(where[list(moved)] < 2.0, 1.0, -1.0)
    places = [PLAN.face(face).to_map(np.array([at])) for face, at in zip(FACES, where, strict=True)]
    x, y = (np.array([float(place[axis][0]) for place in places]) for axis in (0, 1))
    return where, Truth(epc=EPCS, x_m=x, y_m=y, z_m=np.full(COUNT, 1.0), face=FACES)


def night(number, shift, *, seed=0, where=OFFSETS, robot="r", height=1.0):
    """Return what a night tells of tags that it has all ``shift`` to the right, a few millimetres of noise apart."""
    rng = np.random.default_rng([seed, number])
    mount = AntennaMount(
        id=1, reader="r", port=1, air="gen2", position_m=(0.0, -0.2, height), boresight_deg=(-90.0, 0.0)
    )
    started = datetime.fromtimestamp(START // 10**9, UTC) + timedelta(days=number)
    info = RunInfo(
        run_id=f"night-{number}", site="test", started_at=started, robot_id=robot, antennas=(mount,)
    )
    return Witness(
        info, EPCS, FACES, where + shift + 0.004 * rng.standard_normal(COUNT), np.full(COUNT, 0.006),
        np.full(COUNT, -1.0), np.full(COUNT, -0.1), None,
    )  # fmt: skip


def kept(calibration):
    """Return the calibration as it comes back from its file."""
    return Calibration.from_json(json.loads(json.dumps(calibration.to_json())))


def taken_out(calibration, shift):
    """Return what is left of a shift when the calibration is applied (heading -1: a centre ahead moves places left)."""
    return shift - calibration.phase_centre_m[1] + np.mean(list(calibration.face_shift_m.values()))


def test_nights_added_one_by_one_come_to_what_they_come_to_at_once():
    nights = [night(n, 0.02) for n in range(3)]
    at_once = learn(nights, PLAN, truth()[1]).calibration
    one_by_one = learn(nights[:1], PLAN, truth()[1]).calibration
    for more in nights[1:]:
        one_by_one = update(kept(one_by_one), [more], PLAN, truth()[1]).calibration
    assert abs(taken_out(one_by_one, 0.02)) < 0.004
    assert abs(taken_out(one_by_one, 0.0) - taken_out(at_once, 0.0)) < 0.002
    assert one_by_one.run_ids == ("night-0", "night-1", "night-2")
    assert one_by_one.sigma_m is not None and one_by_one.sigma_m < 0.02


def test_the_newest_nights_count_for_more():
    first = learn([night(0, 0.01)], PLAN, truth()[1]).calibration
    for n in range(1, 9):
        first = update(kept(first), [night(n, 0.01 + 0.002 * n)], PLAN, truth()[1]).calibration
    mean = float(np.mean([0.01 + 0.002 * n for n in range(9)]))
    assert -taken_out(first, 0.0) > mean + 0.001


def test_a_change_at_once_forgets_the_nights_before_and_says_so():
    calibration = learn([night(n, 0.01) for n in range(3)], PLAN, truth()[1]).calibration
    learnt = update(kept(calibration), [night(3, 0.16)], PLAN, truth()[1])
    assert any("forgotten" in note for note in learnt.notes)
    assert learnt.calibration.run_ids == ("night-3",)
    steady = update(kept(calibration), [night(3, 0.012)], PLAN, truth()[1])
    assert not any("forgotten" in note for note in steady.notes)


def test_a_night_that_is_remembered_is_not_counted_twice():
    calibration = learn([night(0, 0.02), night(1, 0.02)], PLAN, truth()[1]).calibration
    again = update(kept(calibration), [night(1, 0.02, seed=5)], PLAN, truth()[1]).calibration
    assert again.run_ids == ("night-0", "night-1")


def test_references_that_were_moved_since_do_not_speak_from_their_old_places():
    calibration = learn([night(0, 0.02)], PLAN, truth()[1]).calibration
    where, moved = truth(moved=range(6))
    learnt = update(kept(calibration), [night(1, 0.02, where=where)], PLAN, moved)
    assert abs(taken_out(learnt.calibration, 0.02)) < 0.006
    assert not any("far off" in note for note in learnt.notes)


def test_only_so_many_nights_are_remembered():
    calibration = learn([night(0, 0.02)], PLAN, truth()[1]).calibration
    for n in range(1, MOST_NIGHTS + 3):
        calibration = update(kept(calibration), [night(n, 0.02)], PLAN, truth()[1]).calibration
    assert len(calibration.nights) == MOST_NIGHTS
    assert calibration.run_ids[-1] == f"night-{MOST_NIGHTS + 2}"


def test_antennas_mounted_anew_begin_anew():
    calibration = learn([night(0, 0.02)], PLAN, truth()[1]).calibration
    learnt = update(kept(calibration), [night(1, 0.02, height=1.4)], PLAN, truth()[1])
    assert learnt.calibration.run_ids == ("night-1",)
    assert any("mounted otherwise" in note for note in learnt.notes)


def face_of_shelves(name, y):
    """Return a face of two boards, looking north."""
    face = {"id": name, "origin_m": [4.0, y], "direction_deg": 180, "normal_deg": 90, "length_m": 4.0}
    return face | {"tag_depth_m": 0.03, "shelves": shelves(name, 4.0, 2)}


def crowd(sizes, labels=()):
    """Return a night that heard so many references of each face, and a plan on which some of them are labels."""
    said = PLAN.to_json()
    said["floors"][0]["faces"] = [face_of_shelves(name, 2.0 * row) for row, name in enumerate(sizes)]
    face = np.concatenate([np.full(n, name, object) for name, n in sizes.items()])
    rng = np.random.default_rng(1)
    order = rng.permutation(len(face))
    face, epc = face[order], np.array([f"31{n:022X}" for n in range(len(face))], object)
    where = rng.uniform(0.1, 3.9, len(face))
    for of_plan in said["floors"][0]["faces"]:
        mine = iter(epc[face == of_plan["id"]].tolist())
        for shelf in of_plan["shelves"]:
            if of_plan["id"] in labels:
                shelf["tag"], shelf["tag_offset_m"] = next(mine), 0.5
    plan = Plan.from_json(said, "test")
    places = [plan.face(f).to_map(np.array([at])) for f, at in zip(face, where, strict=True)]
    x, y = (np.array([float(place[axis][0]) for place in places]) for axis in (0, 1))
    known = Truth(epc=epc, x_m=x, y_m=y, z_m=np.full(len(epc), 1.0), face=face)
    shift = np.array([0.01 * (1 + sorted(sizes).index(f)) for f in face])
    one = night(0, 0.0)
    heard = Witness(
        one.info, epc, face, where + shift + 0.004 * rng.standard_normal(len(epc)), np.full(len(epc), 0.006),
        np.full(len(epc), -1.0), np.full(len(epc), -0.1), None,
    )  # fmt: skip
    return plan, heard, known


def test_of_many_references_every_face_keeps_some_along_all_of_it():
    plan, heard, known = crowd({"A": 900, "B": 1500, "C": 5, "D": 40})
    learnt = kept(learn([heard], plan, known).calibration)
    told = learnt.references_of("night-0")
    face_of, at = (
        dict(zip(known.epc, known.face, strict=True)),
        dict(zip(heard.epc, heard.offset_m, strict=True)),
    )
    number = {face: sum(face_of[epc] == face for epc in told) for face in "ABCD"}
    assert number["C"] == 5
    assert number["D"] == 40
    assert 250 <= sum(number.values()) <= 300
    assert abs(number["A"] - number["B"]) <= 1
    along = np.sort([at[epc] for epc in told if face_of[epc] == "B"])
    assert np.diff(along).max() < 0.12
    # A night later nothing of it is lost, and a face nearly forgotten is still where it was.
    other = replace(heard, info=replace(heard.info, run_id="night-1"))
    seen = heard.face != "C"
    other = replace(
        other, epc=heard.epc[seen], face=heard.face[seen], offset_m=heard.offset_m[seen], sigma_m=heard.sigma_m[seen],
        heading=heard.heading[seen], speed_mps=heard.speed_mps[seen],
    )  # fmt: skip
    later = kept(update(learnt, [other], plan, known).calibration)
    assert later.references_of("night-0") == told
    assert "C" not in later.face_sigma_m
    assert later.face_shift_m["C"] - later.face_shift_m["A"] == pytest.approx(-0.02, abs=0.012)


def test_a_plan_of_hundreds_of_faces_loses_none_of_them():
    plan, heard, known = crowd({f"F{n:03d}": 9 for n in range(350)})
    told = Calibration(nights=(evidence_of(heard, places_of(known, plan), plan),)).references_of("night-0")
    assert {face for epc, face in zip(known.epc, known.face, strict=True) if epc in told} == set(known.face)


def test_labels_among_thousands_of_books_are_known_to_have_told():
    plan, heard, known = crowd({"A": 1500, "B": 1500}, labels=("A", "B"))
    told = learn([heard], plan, known).calibration.references_of("night-0")
    for face in plan.faces:
        assert sum(shelf.tag in told for shelf in face.shelves) == 2
    assert len(told) <= 300


def test_a_file_that_cannot_be_gone_on_from_is_refused():
    with pytest.raises(CalibrationError, match="remembers no night"):
        update(Calibration(), [night(0, 0.0)], PLAN, truth()[1])
    calibration = learn([night(0, 0.0)], PLAN, truth()[1]).calibration
    with pytest.raises(CalibrationError, match="is of robot r"):
        update(kept(calibration), [night(1, 0.0, robot="other")], PLAN, truth()[1])
    spoiled = replace(calibration, nights=({**calibration.nights[0], "tags": [["AA"]]},))
    with pytest.raises(CalibrationError, match="calibrate anew"):
        update(kept(spoiled), [night(1, 0.0)], PLAN, truth()[1])
