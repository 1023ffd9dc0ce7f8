"""The fast path with the joint fit of shelves: better than without, the same streamed, and flat in what it holds."""

import dataclasses

import numpy as np
import pytest

from benchmarks.long_run import make_long_run
from localization import Localizer, estimator, fast_joint, fast_run
from localization.calibration import Calibration
from localization.evaluate import evaluate
from recording import RecordingStream, read_recording, read_truth
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan

LATE_S = 0.2


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A simulated library with the measured slide's metal, whose reader's clock is late."""
    folder = tmp_path_factory.mktemp("steel")
    library = make_library(300, seed=12)
    radio = dataclasses.replace(
        library.radio, end_scatterer=(0.19, 0.44), weak_scatterer=(0.0, 0.02), pi_flips=False
    )
    library = dataclasses.replace(library, radio=radio)
    library.save(folder / "library")
    record(library, folder / "recording", passes=4, speed_mps=0.2, seed=4)
    recording = read_recording(folder / "recording")
    late = dataclasses.replace(recording.readings, t=recording.readings.t + round(LATE_S * 1e9))
    return dataclasses.replace(recording, readings=late), read_plan(folder / "library" / "plan.json")


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Five bays of five boards with metal at their ends."""
    return make_long_run(tmp_path_factory.mktemp("long") / "run", 980, readings_per_tag=80, seed=3).path


def judged(positions, recording, plan):
    return evaluate(positions, recording.truth, plan)


def test_it_places_better_than_tags_by_themselves(night):
    recording, plan = night
    alone = Localizer(plan, fast=True).fit(recording).localization_
    joint = Localizer(plan, fast=True, joint=True).fit(recording)
    before, after = (judged(p, recording, plan) for p in (alone.positions, joint.localization_.positions))
    assert after.local_error.mean_cm < 0.6 * before.local_error.mean_cm
    assert after.order.share > before.order.share + 0.02
    assert after.shelf_accuracy >= before.shelf_accuracy
    assert joint.pinned_ is not None, "the uprights tell of the late clock"
    assert after.error.mean_cm < 0.5 * before.error.mean_cm
    assert any("shelves jointly" in note for note in joint.localization_.notes)
    assert any("uprights" in note for note in joint.localization_.notes)


def test_it_comes_near_the_whole_estimator(night):
    recording, plan = night
    whole = judged(Localizer(plan).fit(recording).localization_.positions, recording, plan)
    found = Localizer(plan, fast=True, joint=True).fit(recording).localization_.positions
    joint = judged(found, recording, plan)
    assert joint.local_error.mean_cm < 1.4 * whole.local_error.mean_cm
    assert joint.order.share > whole.order.share - 0.06
    assert joint.coverage_local >= 0.85


def test_uprights_tell_a_clock_that_is_far_off(night):
    recording, plan = night
    readings = recording.readings
    later = dataclasses.replace(readings, t=readings.t + 700_000_000)
    found = Localizer(plan, fast=True, joint=True).fit(dataclasses.replace(recording, readings=later))
    assert found.pinned_ is not None
    assert found.pinned_.far
    assert found.pinned_.ahead_m == pytest.approx(0.2 * (LATE_S + 0.7), abs=0.06)
    error = judged(found.localization_.positions, recording, plan)
    assert error.error.mean_cm < 5.0, "of 18 cm"
    assert error.local_error.mean_cm < 1.2


def test_uprights_go_on_from_a_calibration(night):
    recording, plan = night
    alone = Localizer(plan, fast=True, joint=True).fit(recording)
    by_uprights = judged(alone.localization_.positions, recording, plan).error.mean_cm
    # One that says it all, and one that is 3 cm off and says so.
    exact, off = Calibration(latency_s=LATE_S), Calibration(latency_s=LATE_S - 0.15, sigma_m=0.03)
    for told, most_cm in ((exact, by_uprights + 0.2), (off, 2.0)):
        found = Localizer(plan, fast=True, joint=True, calibration=told).fit(recording)
        assert found.pinned_ is not None
        error = judged(found.localization_.positions, recording, plan)
        assert error.error.mean_cm < most_cm
        assert error.coverage_along > 0.8


def same(one, two):
    for name in (field.name for field in dataclasses.fields(one)):
        a, b = getattr(one, name), getattr(two, name)
        if a.dtype == object:
            assert a.tolist() == b.tolist(), name
        else:
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), name


def test_streams_and_threads_change_nothing(long, monkeypatch):
    """Pieces of 10,000 rows, single-tag blocks of 20,000 readings that cut bays: whole bays are fitted all the same."""
    plan = read_plan(long / "plan.json")
    monkeypatch.setattr(estimator, "STREAM_ROWS", 10_000)
    monkeypatch.setattr(fast_run, "BLOCK_READINGS", 20_000)
    monkeypatch.setattr(fast_joint, "BLOCK_READINGS", 30_000)
    memory = Localizer(plan, fast=True, joint=True).fit(read_recording(long, truth=False))
    stream = Localizer(plan, fast=True, joint=True, jobs=2).fit_stream(RecordingStream(long))
    same(memory.localization_.positions, stream.localization_.positions)
    assert set(memory.localization_.notes) == set(stream.localization_.notes)


def test_blocks_are_whole_bays_of_bounded_size(long, monkeypatch):
    held: list[int] = []
    fit = fast_joint.fit_bays

    def watched(placed, ground, kind):
        held.append(int(placed.observations.heard.sum()))
        done = fit(placed, ground, kind)
        for group in done[2]:
            board = done[1].board(group.face, group.shelf)
            true = (truth.shelf_id == board.id).sum()
            assert len(group.members) >= 0.9 * true, "a shelf's tags are fitted together"
        return done

    plan, truth = read_plan(long / "plan.json"), read_truth(long)
    monkeypatch.setattr(fast_joint, "fit_bays", watched)
    monkeypatch.setattr(fast_joint, "BLOCK_READINGS", 30_000)
    monkeypatch.setattr(fast_joint, "PIN_READINGS", 15_000)
    found = Localizer(plan, fast=True, joint=True).fit(read_recording(long, truth=False)).localization_
    bay = 80 * 5 * 40
    assert max(held) <= 30_000 + bay
    assert len(held) >= 4
    scored = evaluate(found.positions, truth, plan)
    assert scored.error.mean_cm < 1.0
    assert scored.order.share > 0.98


def test_faces_without_shelves_stay_as_they_are(night):
    recording, plan = night
    bare = dataclasses.replace(
        plan,
        floors=tuple(
            dataclasses.replace(
                floor, faces=tuple(dataclasses.replace(face, shelves=()) for face in floor.faces)
            )
            for floor in plan.floors
        ),
    )
    alone, joint = (Localizer(bare, fast=True, joint=joint).fit(recording) for joint in (False, True))
    same(alone.localization_.positions, joint.localization_.positions)


def test_joint_goes_with_fast():
    with pytest.raises(ValueError, match="joint goes with fast"):
        Localizer(joint=True)
