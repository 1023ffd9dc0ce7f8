"""What an estimate says to those who gave it a wrong plan, none, or nothing that was heard."""

import dataclasses

import numpy as np
import pytest

from localization import Calibration, localize
from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.notes import closing_notes, nearest_face_m
from localization.oddities import oddity_notes
from localization.positions import Positions
from recording import Readings, Truth
from recording.words import counted
from stacks.plan import Plan
from tests.localization.conftest import make


def moved(plan, east_m=0.0, turned_deg=0.0):
    text = plan.to_json()
    for face in text["floors"][0]["faces"]:
        face["origin_m"] = [face["origin_m"][0] + east_m, face["origin_m"][1]]
        face["direction_deg"] = (face["direction_deg"] + turned_deg) % 360
        face["normal_deg"] = (face["normal_deg"] + turned_deg) % 360
    return Plan.from_json(text, "moved")


@pytest.fixture(scope="module")
def heard():
    return make([("A", 0.2 * n, 0.22) for n in range(1, 10)])


@pytest.fixture(scope="module")
def silent(heard):
    return dataclasses.replace(heard, readings=Readings.empty())


@pytest.mark.parametrize("fast", [False, True])
def test_a_plan_of_somewhere_else_is_said(world, heard, fast):
    found = Localizer(moved(world.plan(), 100.0), fast=fast).fit(heard).localization_
    assert not found.positions.placed.any()
    said = [note for note in found.notes if "never came within 4 m" in note]
    assert len(said) == 1
    assert "nearest: 98 m" in said[0]
    assert "is it this library's plan, in the map's frame?" in said[0]


def test_a_plan_whose_faces_look_away_is_said(world, heard):
    away = moved(world.plan(), turned_deg=180.0).to_json()
    away["floors"][0]["faces"] = away["floors"][0]["faces"][:1]
    found = localize(heard, Plan.from_json(away, "away"))
    assert not found.positions.placed.any()
    said = [note for note in found.notes if "looks at a face of the plan" in note]
    assert len(said) == 1
    assert "only 0 of 9 tags" in said[0]
    assert "within 0.8 m" in said[0]


def test_of_the_right_plan_nothing_is_said(world, heard):
    plan = world.plan()
    assert nearest_face_m(heard.poses, plan) == pytest.approx(0.75, abs=0.01)
    notes = localize(heard, plan).notes
    assert not [note for note in notes if "plan" in note]


def test_tags_heard_outside_the_poses_time_are_not_held_against_the_plan(world, heard):
    positions = Positions.empty(4)
    positions.heard_from[:] = positions.heard_to[:] = heard.poses.t[-1] + 1
    assert closing_notes(heard, world.plan(), Calibration(), positions, ["x"]) == ["x"]
    positions.heard_from[:] = heard.poses.t[0]
    assert len(closing_notes(heard, world.plan(), Calibration(), positions, ["x"])) == 2


def test_localizing_without_a_plan_is_said(heard):
    notes = localize(heard, None).notes
    assert [note for note in notes if note.startswith("no plan: places are on planes beside the track")]
    assert any("--plan FILE" in note for note in notes)


@pytest.mark.parametrize("fast", [False, True])
def test_a_run_without_readings_is_told_in_one_note(world, silent, fast):
    notes = Localizer(world.plan(), fast=fast).fit(silent).localization_.notes
    assert len(notes) == 1
    assert notes[0].startswith("no readings at all")


def test_the_table_of_an_evaluation_has_no_nan(world, silent, heard):
    truth = Truth(
        epc=np.array(heard.readings.tags, object),
        x_m=np.ones(9), y_m=np.zeros(9), z_m=np.ones(9), shelf_id=None, face=None, offset_m=None, present=None,
    )  # fmt: skip
    table = evaluate(localize(silent, world.plan()).positions, truth, world.plan()).table()
    assert "nan" not in table
    line = next(line for line in table.splitlines() if "error along the face" in line)
    assert line.split()[-4:] == ["-"] * 4
    assert "- / -" in table


def test_a_plan_a_little_off_is_named_beside_clock_and_mounts(world):
    tags = [("A", 0.05 * n, 0.22 + 0.4 * (n % 3)) for n in range(1, 40)]
    notes = localize(make(tags, noise=0.1), moved(world.plan(), 0.5)).notes
    said = [note for note in notes if "bars widened" in note]
    assert [note for note in said if "beyond its end" in note and "or the plan is off" in note]


@pytest.mark.parametrize("kind", ["moving", "lying", "pushed_back", "double"])
def test_one_odd_tag_is_told_of_in_the_singular_and_as_likely(kind):
    said = []
    for count in (1, 2):
        positions = Positions.empty(count)
        positions.epc[:] = ["AA", "BB"][:count]
        positions.oddity[:] = kind
        positions.p_oddity[:] = 0.6
        said += oddity_notes(positions)
    assert said[0].startswith("1 tag ")
    assert said[1].startswith("2 tags ")
    assert not {"seem", "they", "were", "each"} & set(said[0].split())
    assert any(word in said[0] for word in ("likely", "seems"))


def test_counted_things_agree_with_their_number():
    assert [counted(n, "book") for n in (0, 1, 2)] == ["0 books", "1 book", "2 books"]
    assert counted(2, "shelf", "shelves") == "2 shelves"
