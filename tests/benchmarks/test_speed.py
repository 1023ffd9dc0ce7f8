"""The speed benchmark's recording is one that can be read, and what it tells of a run adds up."""

import numpy as np
import pytest

from benchmarks.long_run import make_long_run
from benchmarks.speed import CORES, measure
from benchmarks.speed_peer import scipy_peer
from recording import read_recording
from stacks.plan import read_plan


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_long_run(tmp_path_factory.mktemp("long") / "run", 200, readings_per_tag=60)


def test_the_long_run_is_a_recording_with_plan_and_truth(made):
    recording, plan = read_recording(made.path), read_plan(made.path / "plan.json")
    assert recording.notes == ()
    assert len(recording.readings) == made.readings == 60 * made.tags
    truth = recording.truth
    for row in range(0, made.tags, 17):
        face, shelf = plan.shelf(truth.shelf_id[row])
        assert shelf.from_m <= truth.offset_m[row] <= shelf.to_m
        along, depth = face.to_face(truth.x_m[row : row + 1], truth.y_m[row : row + 1])
        assert along[0] == pytest.approx(truth.offset_m[row])
        assert depth[0] == pytest.approx(face.tag_depth_m, abs=0.05)
    assert np.all(recording.poses.covers(recording.readings.t))


def test_a_measured_run_places_the_tags_and_its_stages_add_up(made):
    found = measure(made.path, "fast", made.path)
    assert (found.tags, found.readings) == (made.tags, made.readings)
    assert found.mean_cm < 3.0
    assert 0.0 < sum(found.stages.values()) <= 1.05 * found.cpu_s <= 1.2 * CORES * found.seconds
    assert found.stages["phase grid"] > 0.0
    assert found.evaluations["phase grid"] > found.readings
    assert found.tags_per_s_of_cpu == pytest.approx(CORES * found.tags / found.cpu_s)


def test_the_joint_path_is_measured_and_better(made):
    alone, joint = (measure(made.path, path, made.path) for path in ("fast", "joint"))
    assert (joint.tags, joint.readings) == (made.tags, made.readings)
    assert joint.mean_cm < 0.7 * alone.mean_cm
    assert 0.0 < sum(joint.stages.values()) <= 1.05 * joint.cpu_s
    for stage in ("joint: fields", "joint: offsets", "joint: pursuit"):
        assert joint.stages[stage] > 0.0
        assert joint.evaluations[stage] > joint.readings
        assert alone.evaluations[stage] == 0.0


def test_the_peer_places_tags(made):
    peer = scipy_peer(made.path, 6)
    assert peer.tags == 6
    assert peer.mean_cm < 5.0
    assert peer.tags_per_s == pytest.approx(6 / peer.seconds)
