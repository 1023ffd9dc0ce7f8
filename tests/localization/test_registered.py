"""What several runs' registrations say together: no more than those say that saw it; and the axes they are told in."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

import localization.registration as registration
from localization.calibrate import learn
from localization.calibrate_model import References, usable
from localization.calibration import Calibration
from localization.estimator import Localizer
from localization.faces import Frames, find_candidates
from localization.observations import Mounts, driven_m, observe
from localization.registered import AHEAD, Geometry, combine
from localization.registration import SURVEYED_SIGMA_M, Registration
from localization.registration_solve import State, moved
from localization.signal_model import CORRELATION_M
from localization.witness import Witness
from recording import AntennaMount, RunInfo
from tests.localization.test_registration import scan, spoiled, thirty


def geometry(depth, shift=None):
    shift = {1: (0.01, 0.02), 2: (-0.01, -0.02)} if shift is None else shift
    return Geometry(shift, dict.fromkeys(shift, (0.0, 0.0)), depth, dict.fromkeys(depth, 0.0))


def test_a_face_that_one_run_saw_is_no_surer_than_one_run_makes_it():
    rng = np.random.default_rng(1)
    faces = "ABCDEFGH"
    runs = [geometry({face: 0.3 + 0.01 * rng.standard_normal() for face in faces}) for _ in range(4)]
    alone = geometry(dict(runs[0].depth_m) | {"X": 0.3})
    found = combine([alone, *runs[1:]])
    assert found.depth_sigma_m["X"] >= SURVEYED_SIGMA_M > 2 * found.depth_sigma_m["A"]
    assert found.depth_m["X"] < found.depth_m["A"]
    # The same of an antenna that was plugged in on one night only.
    late = replace(alone, shift_m=dict(alone.shift_m) | {3: (0.01, 0.02)})
    found = combine([late, *runs[1:]])
    assert found.shift_sigma_m[3][AHEAD] > 1.5 * found.shift_sigma_m[1][AHEAD]


def test_two_runs_that_happen_to_agree_do_not_make_a_face_sure():
    agree = combine([geometry({"A": 0.3}), geometry({"A": 0.3})])
    assert agree.depth_sigma_m["A"] > 0.01
    assert agree.shift_sigma_m[1][AHEAD] > 0.001
    assert agree.depth_m["A"] > 0.2
    assert combine([geometry({"A": 0.1}), geometry({"A": 0.5})]).depth_m["A"] == 0.0


def test_many_runs_say_what_they_differ_by():
    rng = np.random.default_rng(2)
    runs = [geometry({face: 0.3 + 0.01 * rng.standard_normal() for face in "ABCDEFGH"}) for _ in range(9)]
    assert combine(runs).depth_sigma_m["A"] == pytest.approx(0.01 / 3, rel=0.4)


def test_a_face_too_thin_for_two_halves_is_not_as_sure_as_those_that_are_not(world):
    from localization.registered import geometry_of

    plan = world.plan(length=3.0, levels=4)
    recording = world.make(thirty(), heights=(0.4, 0.95, 1.5), length=3.0, noise=0.3)
    recording = spoiled(recording, farther_m=0.3)
    fitted = Localizer(plan).fit(recording)
    found = geometry_of(recording, plan, fitted, halves=True)
    assert 0.0 < found.depth_sigma_m["A"] < 0.1
    # Every second tag was not heard, so that one half has none.
    heard = recording.readings.tag % 2 == 0
    thin = replace(recording, readings=recording.readings.select(heard))
    assert math.isnan(geometry_of(thin, plan, fitted, halves=True).depth_sigma_m["A"])
    # A single run's word, with nothing that tells how far another would differ: antennas count half, faces not.
    alone = combine([geometry_of(thin, plan, fitted, halves=False)])
    assert alone.depth_m["A"] == 0.0 < found.depth_m["A"]
    assert alone.shift_sigma_m[1][AHEAD] > found.shift_sigma_m[1][AHEAD]


def references(face, tag, error):
    n = len(face)
    return References(
        np.zeros(n, np.int64), np.array(face), np.array(tag), np.array(error, float), np.full(n, 0.01), np.ones(n),
        np.full(n, 0.1),
    )  # fmt: skip


def test_a_whole_face_that_lies_elsewhere_is_kept_and_a_single_tag_is_not():
    rng = np.random.default_rng(3)
    face = np.repeat(np.arange(5), 6)
    error = 0.01 * rng.standard_normal(30) + np.where(face == 2, 0.25, 0.0)
    error[3] += 0.4
    good = usable(references(face, np.arange(30), error))
    assert not good[3] and good.sum() == 29


def test_two_tags_of_a_face_are_believed_where_they_agree():
    face = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3])
    error = np.array([0.0, 0.01, -0.01, 0.0, 0.3, 0.31, 0.0, 0.5, 0.4])
    good = usable(references(face, np.arange(9), error))
    assert good.tolist() == [True] * 7 + [False, False]
    # One tag heard on two nights is one tag.
    twice = usable(references([0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 4, 4], [0.0, 0.01, -0.01, 0.0, 0.4, 0.4]))
    assert twice.tolist() == [True] * 4 + [False, False]


def test_hf_loops_get_no_phase_centre():
    def mount(number, air):
        return AntennaMount(
            id=number,
            reader="r",
            port=number,
            air=air,
            position_m=(0.0, -0.25, 1.0),
            boresight_deg=(-90.0, 0.0),
        )

    info = RunInfo(
        "x",
        "x",
        datetime(2026, 3, 1, tzinfo=UTC),
        "x",
        (mount(1, "gen2"), mount(2, "gen2"), mount(5, "iso15693")),
    )
    none, nobody = np.zeros(0), np.zeros(0, object)
    seen = Witness(info, nobody, nobody, none, none, none, none, geometry({"A": 0.3}))
    from tests.localization.conftest import plan_of

    calibration = learn([seen], plan_of()).calibration
    assert set(calibration.phase_centre_m) == {1, 2}
    assert 5 not in calibration.phase_centre_left_m


@pytest.mark.parametrize("boresight", [(-90.0, 0.0), (-60.0, 0.0), (-120.0, 25.0)])
def test_the_solution_moves_antennas_as_the_registration_does(world, boresight):
    """Aslant to the face and pitched, too: across is left of the boresight, ahead is along it, both horizontal."""
    plan = world.plan(length=3.0)
    recording = world.make(thirty(8), heights=(0.4, 0.95), length=3.0)
    mounts = tuple(replace(m, boresight_deg=boresight) for m in recording.info.antennas)
    mounts = Mounts.of(replace(recording.info, antennas=mounts), Calibration(), 70.0)
    across, ahead = np.zeros(256), np.zeros(256)
    across[1:3], ahead[1:3] = (0.02, -0.03), (0.05, 0.01)
    frames = Frames.of_plan(plan)
    found = Registration(across, ahead, np.zeros(len(frames.ids)), 20, np.array([1, 2]))
    readings = recording.readings
    rows = np.argsort(readings.tag, kind="stable")

    def seen(where):
        return observe(
            readings, rows, recording.poses, driven_m(recording.poses), where, np.zeros(256, np.bool_),
            np.zeros(256), 0,
        )  # fmt: skip

    before, after = seen(mounts), seen(found.mounts(mounts))
    candidates = find_candidates(before, frames, CORRELATION_M)
    state = State(across, ahead, np.zeros(len(frames.ids)), np.ones(len(frames.ids)))
    shifted = moved(before, candidates, state)
    face = np.repeat(candidates.face, np.diff(candidates.start))
    gap = after.position_m[candidates.observation, :2] - frames.origin_m[face]
    assert len(face) > 100
    assert np.allclose(shifted.u, (gap * frames.direction[face]).sum(axis=1), atol=1e-9)
    assert np.allclose(
        shifted.h, (gap * frames.normal[face]).sum(axis=1) + frames.tag_depth_m[face], atol=1e-9
    )


def test_what_antennas_share_is_held_at_nothing(world, monkeypatch):
    """All antennas ahead is all faces nearer: the solution gives it to the faces, whole."""
    states = []
    solve = registration.solve

    def keep(*arguments):
        states.append(arguments[-1])
        return solve(*arguments)

    monkeypatch.setattr(registration, "solve", keep)
    tags = thirty()
    plan, recording = scan(world, tags, 0)
    found = Localizer(plan).fit(spoiled(recording, farther_m=0.22)).registration_
    assert found is not None
    state = states[-1]
    assert abs(state.ahead_m[found.antennas].mean()) < 1e-4
    assert abs(state.across_m[found.antennas].mean()) < 1e-4
