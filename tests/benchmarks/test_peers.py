"""The published methods find a tag where physics is as their papers assume; else they would be no peers."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.peers import METHODS
from benchmarks.peers.sar_hologram import hologram, hologram_reference
from benchmarks.peers.views import SPEED_OF_LIGHT_MPS, phase_flips, views
from localization.evaluate import evaluate
from recording import AntennaMount, Poses, Readings, Recording, RunInfo, Truth
from stacks.plan import Face, Floor, Plan

START = 1_700_000_000_000_000_000
CHANNELS_KHZ = (920_625, 922_625)
TAGS = ("E2" + "0" * 21 + "1", "E2" + "0" * 21 + "2")
OFFSETS = np.array([0.83, 1.17])


def straight_pass(*, flips, heights=(1.0,), tag_height=1.0, noise=0.05, seed=3):
    """One pass along a face that runs against x; the robot has it on its right."""
    rng = np.random.default_rng(seed)
    face = Face("A", (4.0, 1.0), 180.0, 270.0, 2.0, 0.1, ())
    plan = Plan("s", 1, (Floor("1", (face,)),))
    xs = np.arange(1.5, 4.5, 0.02)[::-1]
    poses = Poses(
        t=START + np.arange(len(xs)) * 200_000_000,
        x_m=xs,
        y_m=np.full(len(xs), 0.6),
        yaw_rad=np.full(len(xs), np.pi),
    )
    tag_x, tag_y = face.to_map(OFFSETS)
    rows = []
    for n, x in enumerate(xs):
        for antenna, height in enumerate(heights, 1):
            for channel, khz in enumerate(CHANNELS_KHZ):
                for tag in range(2):
                    # the mount sits 0.2 m to the right of the base, which drives towards -x
                    way = np.sqrt(
                        (x - tag_x[tag]) ** 2 + (0.8 - tag_y[tag]) ** 2 + (height - tag_height) ** 2
                    )
                    phase = 4 * np.pi * khz * 1e3 / SPEED_OF_LIGHT_MPS * way + antenna + 2 * channel + 3 * tag
                    phase += rng.normal(0, noise) + (np.pi * rng.integers(2) if flips else 0)
                    rows.append(
                        (poses.t[n], tag, antenna, khz, -40 - 40 * np.log10(way), phase % (2 * np.pi))
                    )
    t, tag, antenna, khz, rssi, phase = zip(*rows, strict=True)
    readings = Readings(
        t=np.array(t, np.int64) + np.arange(len(t)), tag=np.array(tag, np.uint32), tags=TAGS,
        antenna=np.array(antenna, np.uint8), frequency_khz=np.array(khz, np.uint32),
        rssi_dbm=np.array(rssi, np.float32), phase_rad=np.minimum(np.array(phase, np.float32), np.float32(6.283)),
    )  # fmt: skip
    mounts = tuple(
        AntennaMount(k, "r", k, "gen2", (0.0, -0.2, h), (-90.0, 0.0)) for k, h in enumerate(heights, 1)
    )
    truth = Truth(epc=np.array(TAGS, object), x_m=tag_x, y_m=tag_y, z_m=np.full(2, tag_height))
    info = RunInfo("run", "s", datetime(2026, 1, 1, tzinfo=UTC), "robot", mounts)
    return Recording(info=info, readings=readings, poses=poses, truth=truth), plan


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize(
    "name", [name for name in METHODS if name not in ("constant guess", "RSSI centroid")]
)
def test_phase_methods_find_a_tag_to_the_centimetre(name, flips):
    recording, plan = straight_pass(flips=flips)
    result = evaluate(METHODS[name](recording, plan), recording.truth, plan)
    assert result.placed == 2
    assert np.abs(result.tags.error_m).max() < 0.015
    assert (result.order.right, result.order.pairs) == (1, 1)


def test_methods_without_phase_do_what_they_say():
    recording, plan = straight_pass(flips=False)
    middle = METHODS["constant guess"](recording, plan)
    assert middle.offset_m == pytest.approx([1.0, 1.0])
    centroid = evaluate(METHODS["RSSI centroid"](recording, plan), recording.truth, plan)
    assert np.abs(centroid.tags.error_m).max() < 0.15


@pytest.mark.parametrize("name", ["SAR, known depth", "Phase ReLock"])
def test_the_joint_methods_find_the_height_too(name):
    recording, plan = straight_pass(flips=True, heights=(0.6, 1.1, 1.6), tag_height=1.4)
    result = evaluate(METHODS[name](recording, plan), recording.truth, plan)
    assert np.abs(result.tags.error_m).max() < 0.015
    assert np.abs(result.tags.height_error_m).max() < 0.06


def test_phase_relock_finds_a_depth_that_the_plan_does_not_know():
    recording, plan = straight_pass(flips=False)
    wrong = replace(plan.floors[0].faces[0], tag_depth_m=0.0)  # the tags hang 0.1 m behind what it says
    moved = replace(plan, floors=(replace(plan.floors[0], faces=(wrong,)),))
    result = evaluate(METHODS["Phase ReLock"](recording, moved), recording.truth, moved)
    assert np.abs(result.tags.error_m).max() < 0.015


def test_phase_relock_says_nothing_where_no_series_is_long_enough():
    recording, plan = straight_pass(flips=False)
    some = recording.readings.select(np.arange(len(recording.readings)) % 25 == 0)
    hopping = replace(some, frequency_khz=(920_625 + 250 * (np.arange(len(some)) // 3)).astype(np.uint32))
    found = METHODS["Phase ReLock"](replace(recording, readings=hopping), plan)
    assert len(found) == 2
    assert np.isnan(found.offset_m).all()


@pytest.mark.parametrize("flips", [False, True])
def test_flips_are_found_in_the_data(flips):
    recording, _ = straight_pass(flips=flips)
    assert bool(phase_flips(recording)[1]) is flips


def test_compiled_hologram_equals_its_reference():
    recording, plan = straight_pass(flips=False, heights=(0.6, 1.4), noise=1.0)
    view = views(recording, plan)[0]
    grid = np.arange(0.5, 1.5, 0.05), np.array([-0.1, 0.0, 0.2]), np.array([0.5, 1.0])
    assert hologram(view, *grid) == pytest.approx(hologram_reference(view, *grid), rel=1e-6)
