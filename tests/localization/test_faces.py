"""Which faces an observation looks at: the rule written out for every pair, and a grid that asks of near ones only."""

from types import SimpleNamespace

import numpy as np
import pytest

from localization import faces_in_view
from localization.faces_in_view import LOOKS_AT, OVERHANG_M, SAME_ROW_M, within_reach
from localization.signal_model import RANGE_M


def looked_at(position, look, frames, nearest):
    """Return the pairs by the rule itself, every observation against every face."""
    gap = position[:, None, :2] - frames.origin_m
    out = (gap * frames.normal).sum(axis=2) + frames.tag_depth_m
    along = (gap * frames.direction).sum(axis=2)
    seen = (
        (-(look[:, None, :2] * frames.normal).sum(axis=2) >= LOOKS_AT) & (out >= nearest) & (out <= RANGE_M)
    )
    seen &= (along >= -OVERHANG_M) & (along <= frames.length_m + OVERHANG_M)
    before = seen & (along > -0.3) & (along < frames.length_m + 0.3)
    closest = np.where(before, out, np.inf).min(axis=1)
    return np.nonzero(seen & (out <= closest[:, None] + SAME_ROW_M))


@pytest.mark.parametrize("nearest", [0.05, -0.5])
@pytest.mark.parametrize("faces", [1, 7, 300])
@pytest.mark.parametrize("slanted", [False, True])
def test_the_grid_leaves_out_no_face_within_reach(faces, slanted, nearest):
    rng = np.random.default_rng(faces)
    side = 3.0 * np.sqrt(faces) + 2.0
    angle = rng.uniform(0.0, 2.0 * np.pi, faces) if slanted else rng.choice([0.0, np.pi], faces)
    frames = SimpleNamespace(
        origin_m=rng.uniform(0.0, side, (faces, 2)),
        direction=np.stack([np.cos(angle), np.sin(angle)], axis=1),
        normal=np.stack([np.sin(angle), -np.cos(angle)], axis=1),
        length_m=rng.uniform(0.3, 9.0, faces),
        tag_depth_m=rng.uniform(0.0, 0.1, faces),
    )
    position = rng.uniform(-9.0, side + 9.0, (3000, 3))
    position[0] = np.nan
    away = rng.uniform(0.0, 2.0 * np.pi, 3000)
    look = np.stack([np.cos(away), np.sin(away), np.zeros(3000)], axis=1)
    found = faces_in_view.looked_at(
        position, look, frames.origin_m, frames.direction, frames.normal, frames.length_m, frames.tag_depth_m,
        nearest, RANGE_M, *within_reach(frames, nearest),
    )  # fmt: skip
    wanted = looked_at(position, look, frames, nearest)
    assert len(wanted[0]) > 50
    assert np.array_equal(found[0], wanted[0])
    assert np.array_equal(found[1], wanted[1])


def test_a_plan_spread_over_kilometres_takes_no_more_cells_than_it_may():
    origin = np.array([[0.0, 0.0], [5e6, 3e6]])
    frames = SimpleNamespace(
        origin_m=origin,
        direction=np.array([[1.0, 0.0]] * 2),
        normal=np.array([[0.0, -1.0]] * 2),
        length_m=np.full(2, 3.0),
        tag_depth_m=np.zeros(2),
    )
    _, _, _, start, near = within_reach(frames, 0.05)
    assert len(start) <= 1_010_000
    assert set(near.tolist()) == {0, 1}
