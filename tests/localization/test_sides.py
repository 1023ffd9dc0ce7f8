"""The side of the rack: told by power, whatever the metal of the tag's own shelf does to its phases."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from localization.estimator import Localizer
from localization.sides import STRENGTH_LOG_ODDS, families_of, strength_scores
from recording import read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan


@pytest.mark.parametrize(("seed", "passes"), [(31, 4), (34, 1)])
def test_the_side_is_right_beside_strong_metal(tmp_path, seed, passes):
    library = make_library(400, seed=seed)
    radio = dataclasses.replace(
        library.radio,
        end_scatterer=(0.19, 0.44),
        weak_scatterer=(0.0, 0.02),
        pi_flips=False,
        floor_reflection=0.3,
    )
    record(dataclasses.replace(library, radio=radio), tmp_path, passes=passes, speed_mps=0.2, seed=seed)
    recording, plan = read_recording(tmp_path), read_plan(tmp_path / "plan.json")
    positions = Localizer(plan).fit(recording).localization_.positions
    truth = dict(zip(recording.truth.epc.tolist(), recording.truth.shelf_id.tolist(), strict=True))
    face = {shelf.id: face.id for face in plan.faces for shelf in face.shelves}
    wrong = [
        epc
        for epc, found in zip(positions.epc.tolist(), positions.face_id.tolist(), strict=True)
        if found and face[truth[epc]] != found
    ]
    assert len(positions) > 350
    assert len(wrong) <= 0.01 * len(positions)


def some(start, observation):
    return SimpleNamespace(
        tag=np.zeros(len(start) - 1), start=np.array(start), observation=np.array(observation)
    )


def test_faces_heard_by_the_same_readings_are_one_family():
    # The second face was heard by most readings of the first; the third by others, but for one.
    family = families_of(some([0, 4, 7, 11], [0, 1, 2, 3, 1, 2, 3, 3, 4, 5, 6]))
    assert family[0] == family[1] != family[2]


def test_strength_does_not_choose_within_a_family():
    family = np.array([0, 0, 1])
    odds = strength_scores(np.array([-40.0, -30.0, -50.0]), np.array([2.0, 1.0, 0.0]), family)
    assert odds[0] == odds[1] == -40.0 * STRENGTH_LOG_ODDS
    assert odds[2] == -50.0 * STRENGTH_LOG_ODDS
