"""Where the robot was between two poses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording import Poses


def track(t: list[int], x: list[float], yaw: list[float], **more: object) -> Poses:
    return Poses(t=t, x_m=x, y_m=[-v for v in x], yaw_rad=yaw, **more)


def test_places_are_linear_and_ends_are_held() -> None:
    poses = track([10, 20, 40], [0.0, 1.0, 2.0], [0.0, 0.5, 1.0])
    at = poses.at([0, 10, 15, 20, 30, 40, 99])
    assert at.t.tolist() == [0, 10, 15, 20, 30, 40, 99]
    assert at.x_m.tolist() == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
    assert at.y_m.tolist() == [0.0, 0.0, -0.5, -1.0, -1.5, -2.0, -2.0]
    assert at.yaw_rad.tolist() == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert poses.covers([0, 10, 40, 41]).tolist() == [False, True, True, False]


def test_times_need_no_order_and_nanoseconds_are_not_rounded() -> None:
    start = 1_700_000_000_123_456_789
    poses = track([start, start + 1000], [0.0, 1000.0], [0.0, 0.0])
    asked = np.array([start + 999, start + 1, start + 500])
    assert poses.at(asked).x_m.tolist() == [999.0, 1.0, 500.0]


@pytest.mark.parametrize(
    ("before", "after", "middle"),
    [
        (3.0, -3.0, math.pi),
        (-3.0, 3.0, math.pi),
        (0.1, 2 * math.pi + 0.3, 0.2),
        (100 * math.pi, 0.2, 0.1),
        (6.2, 0.1, (6.2 + 0.1 + 2 * math.pi) / 2),
    ],
)
def test_yaw_takes_the_shorter_way(before: float, after: float, middle: float) -> None:
    yaw = float(track([0, 10], [0, 0], [before, after]).at([5]).yaw_rad[0])
    assert math.cos(yaw - middle) == pytest.approx(1.0)


@given(
    a=st.floats(-50, 50),
    turn=st.floats(-3.1, 3.1),
    rounds=st.integers(-5, 5),
    t=st.integers(0, 1000),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_yaw_turns_evenly_whatever_rounds_were_stored(a: float, turn: float, rounds: int, t: int) -> None:
    poses = track([0, 1000], [0, 0], [a, a + turn + rounds * 2 * math.pi])
    yaw = float(poses.at([t]).yaw_rad[0])
    assert math.remainder(yaw - (a + turn * t / 1000), 2 * math.pi) == pytest.approx(0.0, abs=1e-6)


def test_mast_sigmas_and_floor_come_along() -> None:
    more = {
        "mast_z_m": [0.0, 1.0],
        "sigma_xy_m": [0.01, 0.03],
        "sigma_yaw_rad": [0.1, 0.1],
        "floor_id": ["1", "2"],
    }
    at = track([0, 10], [0, 1], [0, 0], **more).at([-1, 5, 10, 11])
    assert at.mast_z_m is not None and at.mast_z_m.tolist() == [0.0, 0.5, 1.0, 1.0]
    assert at.mast_z_m.dtype == np.float32
    assert at.sigma_xy_m is not None and at.sigma_xy_m.tolist() == pytest.approx([0.01, 0.02, 0.03, 0.03])
    assert at.floor_id is not None and at.floor_id.tolist() == ["1", "1", "2", "2"]


def test_one_pose_holds_for_ever_and_none_is_an_error() -> None:
    at = track([5], [1.5], [0.2], floor_id=["1"]).at([0, 5, 9])
    assert (at.t.tolist(), at.x_m.tolist()) == ([0, 5, 9], [1.5] * 3)
    assert track([5], [1.5], [0.2]).covers([4, 5]).tolist() == [False, True]
    assert len(track([5, 6], [1.5, 1], [0.2, 1]).at([])) == 0
    with pytest.raises(ValueError, match="no poses"):
        Poses.empty().at([1])
    assert Poses.empty().covers([1]).tolist() == [False]


def test_columns_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match="x_m has 1 rows"):
        Poses(t=[1, 2], x_m=[1], y_m=[1, 2], yaw_rad=[0, 0])
    with pytest.raises(ValueError, match="not one"):
        Poses(t=[[1]], x_m=[1], y_m=[1], yaw_rad=[0])
    with pytest.raises(ValueError, match="t must be int64"):
        Poses(t=[0.5], x_m=[1], y_m=[1], yaw_rad=[0])
