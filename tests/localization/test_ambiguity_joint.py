"""One verdict on pi from all tags together, where no two readings of a tag lie side by side."""

from dataclasses import replace

import numpy as np
import pytest

from localization.ambiguity import find_ambiguity
from localization.ambiguity_joint import known_fully
from localization.estimator import Localizer
from localization.evaluate import evaluate
from sim.slide import slide, to_recording


def thinned(recording, readings, seed, flips=0.0):
    rng = np.random.default_rng(seed)
    r = recording.readings
    keep = np.concatenate(
        [rng.permutation(np.flatnonzero(r.tag == tag))[:readings] for tag in range(len(r.tags))]
    )
    r = r.select(np.sort(keep))
    turned = np.mod(r.phase_rad + np.pi * (rng.uniform(size=len(r)) < flips), 2 * np.pi).astype(np.float32)
    phase = np.where(turned >= np.float32(2 * np.pi), np.float32(0), turned)
    mounts = tuple(replace(mount, phase_ambiguity="unknown") for mount in recording.info.antennas)
    return replace(
        recording, info=replace(recording.info, antennas=mounts), readings=replace(r, phase_rad=phase)
    )


@pytest.mark.parametrize("pitch_m", [0.2, 0.08, 0.04])
def test_ten_readings_a_tag_tell_whether_phases_turn(pitch_m):
    calm, turning_found = 0, {0.32: 0, 0.12: 0}
    for seed in range(6):
        recording, _ = to_recording(slide(pitch_m, 0.6, 60 + seed))
        whole = thinned(recording, 10, seed)
        found = find_ambiguity(whole.info, whole.readings, whole.poses)
        assert found.together[1] == (np.isnan(found.share[1]) and not found.doubled[1])
        calm += not found.doubled[1]
        for flips in turning_found:
            turning = thinned(recording, 10, seed, flips)
            found = find_ambiguity(turning.info, turning.readings, turning.poses)
            turning_found[flips] += found.doubled[1]
    assert turning_found[0.32] == 6
    assert turning_found[0.12] >= 5  # with ten readings a tag, an eighth of the flips is one or none of them
    # Where it stays open a phase is taken up to pi, which is right either way, but costs much.
    assert calm >= 5


def test_a_stated_pi_is_believed():
    recording, _ = to_recording(slide(0.08, 0.6, 60))
    few = thinned(recording, 10, 1)
    mounts = tuple(replace(mount, phase_ambiguity="pi") for mount in few.info.antennas)
    assert find_ambiguity(replace(few.info, antennas=mounts), few.readings, few.poses).doubled[1]


def test_a_handful_of_readings_tells_nothing():
    rng = np.random.default_rng(3)
    tag, way = np.repeat(np.arange(3), 7), np.tile(np.linspace(0, 1, 7), 3)
    channel = np.full(21, 920_625)
    assert not known_fully(tag, way, channel, np.zeros(21))
    assert not known_fully(tag[:0], way[:0], channel[:0], way[:0])
    # And of twenty readings, phases that follow nothing are no known phases.
    tag, way = np.repeat(np.arange(3), 20), np.tile(np.linspace(0, 1, 20), 3)
    assert not known_fully(tag, way, np.full(60, 920_625), rng.uniform(0, 2 * np.pi, 60))


def test_ten_readings_a_tag_place_a_row():
    recording, plan = to_recording(slide(0.08, 0.6, 60), one_face=True)
    few = thinned(recording, 10, 5)
    made = Localizer(plan).fit(few).localization_
    assert any("all tags together" in note for note in made.notes)
    found = evaluate(made.positions, recording.truth, plan)
    assert found.error.mean_cm < 4.0
    assert found.order.right >= found.order.pairs - 1
