"""Which way the robot headed along a shelf, from how its antennas looked at it: driving backward changes nothing."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.shelf_group import heading_along
from recording import read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan


@pytest.mark.parametrize("boresight_deg", [(-90.0, 0.0), (90.0, 0.0), (-60.0, 20.0)])
@pytest.mark.parametrize("heading_deg", [0.0, 37.0, 180.0, -100.0])
@pytest.mark.parametrize("face_deg", [0.0, 25.0, 180.0])
def test_it_is_the_heading_s_share_along_the_face(boresight_deg, heading_deg, face_deg):
    yaw, pitch = np.radians(boresight_deg)
    mount = np.full((256, 3), np.nan)
    mount[3] = np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)
    heading, along = np.radians([heading_deg, face_deg])
    looks = np.array([np.cos(heading + yaw), np.sin(heading + yaw)]) * np.cos(pitch)
    direction = np.array([np.cos(along), np.sin(along)])
    normal = np.array([direction[1], -direction[0]])  # to the right of it, seen from above
    look = np.tile([looks @ direction, looks @ normal, np.sin(pitch)], (5, 1))
    block = SimpleNamespace(
        candidates=SimpleNamespace(start=np.array([0, 5]), look=look, observation=np.arange(5)),
        observations=SimpleNamespace(antenna=np.full(5, 3)),
        mounts=SimpleNamespace(boresight=mount),
    )
    assert heading_along(block, np.array([0])) == pytest.approx(np.cos(heading - along), abs=1e-6)


def test_antennas_that_look_straight_up_tell_none():
    mount = np.full((256, 3), np.nan)
    mount[1] = 0.0, 0.0, 1.0
    block = SimpleNamespace(
        candidates=SimpleNamespace(
            start=np.array([0, 2]), look=np.array([[0.0, 0.0, 1.0]] * 2), observation=np.arange(2)
        ),
        observations=SimpleNamespace(antenna=np.array([1, 1])),
        mounts=SimpleNamespace(boresight=mount),
    )
    assert heading_along(block, np.array([0])) == 0.0


def test_what_antennas_are_ahead_is_taken_out_of_a_run_that_goes_back_and_forth(tmp_path):
    folder = record(make_library(300, seed=6), tmp_path / "scan", passes=3, seed=4, back_and_forth=True)
    recording, plan = read_recording(folder), read_plan(folder / "plan.json")
    wrong_m = 0.04
    mounts = tuple(
        dataclasses.replace(mount, position_m=(mount.position_m[0] + wrong_m, *mount.position_m[1:]))
        for mount in recording.info.antennas
    )
    told = dataclasses.replace(
        recording, info=dataclasses.replace(recording.info, antennas=mounts), truth=None
    )
    fitted = Localizer(plan).fit(told)
    assert fitted.pinned_ is not None
    assert fitted.pinned_.ahead_m == pytest.approx(wrong_m, abs=0.02)
    found = evaluate(fitted.localization_.positions, recording.truth, plan)
    faces = found.tags.face.astype(str)
    for face in np.unique(faces[found.tags.placed]):
        error = found.tags.error_m[(faces == face) & found.tags.placed]
        if len(error) > 20:
            assert abs(np.median(error)) < 0.02
    assert found.coverage_along > 0.8
