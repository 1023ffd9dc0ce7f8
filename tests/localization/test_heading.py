"""Which way the robot headed along a shelf, from how its antennas looked at it: driving backward changes nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from localization.shelf_group import heading_along


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
    assert heading_along(block, np.array([0])) == pytest.approx(np.cos(heading - along), abs=1e-9)


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
