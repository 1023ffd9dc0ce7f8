"""A simulated library with metal as strong as on the measured slide: its shelves fitted jointly, and not."""

import dataclasses

import numpy as np
import pytest

from localization.calibrate import calibrate
from localization.calibration import Calibration
from localization.estimator import Localizer
from recording import read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan

LATE_S, SPEED_MPS = 0.3, 0.2


def steel(books, seed):
    """Return a library with strong metal."""
    library = make_library(books, seed=seed)
    radio = dataclasses.replace(
        library.radio, end_scatterer=(0.19, 0.44), weak_scatterer=(0.0, 0.02), pi_flips=False
    )
    return dataclasses.replace(library, radio=radio)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steel")
    library = steel(400, 11)
    library.save(folder / "library")
    record(library, folder / "recording", passes=4, speed_mps=SPEED_MPS, seed=3)
    recording = read_recording(folder / "recording")
    # The reader's clock is late, which no tag can tell.
    late = dataclasses.replace(recording.readings, t=recording.readings.t + round(LATE_S * 1e9))
    return dataclasses.replace(recording, readings=late), read_plan(folder / "library" / "plan.json")


def errors(positions, recording):
    """Return each tag's error along the shelf where the shelf is right, and the share of right ones."""
    truth = recording.truth
    row = {epc: n for n, epc in enumerate(truth.epc.tolist())}
    at = np.array([row[epc] for epc in positions.epc])
    right = positions.shelf_id == truth.shelf_id[at]
    return (positions.offset_m - truth.offset_m[at])[right], float(right.mean()), right


@pytest.fixture(scope="module")
def found(night):
    recording, plan = night
    return Localizer(plan).fit(recording)


def test_joint_fits_place_better_than_tags_by_themselves(night, found):
    recording, plan = night
    alone = Localizer(plan, without=("shelves", "uprights")).fit(recording).localization_.positions
    by_itself, right_alone, _ = errors(alone, recording)
    jointly, right, _ = errors(found.localization_.positions, recording)
    assert right >= max(0.98, right_alone)
    local = np.abs(jointly - np.median(jointly)).mean()
    assert local < 0.5 * np.abs(by_itself - np.median(by_itself)).mean()
    assert local < 0.015


def test_uprights_tell_the_late_clock(night, found):
    recording, plan = night
    pinned = found.pinned_
    assert pinned is not None and pinned.shelves >= 4
    loose = Localizer(plan, without=("uprights",)).fit(recording).localization_.positions
    off, _, _ = errors(loose, recording)
    left, _, _ = errors(found.localization_.positions, recording)
    assert abs(np.median(off)) > 0.5 * LATE_S * SPEED_MPS
    assert abs(np.median(left)) < 0.5 * abs(np.median(off))
    assert any("uprights" in note for note in found.localization_.notes)


@pytest.mark.parametrize("late_s", [0.9, -0.75])
def test_uprights_tell_a_clock_off_by_more_than_they_are_near(night, late_s):
    recording, plan = night
    shift = round((late_s - LATE_S) * 1e9)
    readings = dataclasses.replace(recording.readings, t=recording.readings.t + shift)
    late = Localizer(plan).fit(dataclasses.replace(recording, readings=readings))
    error, right, _ = errors(late.localization_.positions, recording)
    assert right > 0.95
    # Of 18 cm and the antennas' own phase centres; uprights tell a run to half a centimetre to one.
    assert abs(np.median(error)) < 0.025
    assert late.pinned_ is not None and abs(late.pinned_.ahead_m) > 0.14


def test_a_clock_too_far_off_to_be_told_makes_bars_wide(night):
    recording, plan = night
    readings = dataclasses.replace(recording.readings, t=recording.readings.t - round((LATE_S + 0.9) * 1e9))
    positions = Localizer(plan).fit(dataclasses.replace(recording, readings=readings)).localization_.positions
    error, _, right = errors(positions, recording)
    assert (np.abs(error) < 1.645 * positions.sigma_along_m[right]).mean() >= 0.85


def test_a_small_shift_narrows_bars_too(night):
    recording, plan = night
    readings = dataclasses.replace(recording.readings, t=recording.readings.t - round(LATE_S * 1e9))
    found = Localizer(plan).fit(dataclasses.replace(recording, readings=readings))
    assert found.pinned_ is not None
    assert np.median(found.localization_.positions.sigma_along_m) < 0.022


def test_bars_hold(night, found):
    recording, _ = night
    positions = found.localization_.positions
    error, _, right = errors(positions, recording)
    local = np.abs(error - np.median(error)) < 1.645 * positions.sigma_local_m[right]
    assert 0.8 <= local.mean() <= 0.99
    # What all tags share is one draw a face: its own bar must hold it, and the tags' bars must reach beyond both.
    for face in range(len(found.pinned_.sigma_m)):
        mine = positions.face_id[right] == night[1].faces[face].id
        assert abs(np.median(error[mine])) < 2.5 * found.pinned_.sigma_m[face]
    assert (positions.sigma_along_m > positions.sigma_local_m).all()


def test_bars_hold_what_all_tags_share(tmp_path):
    """Which comes once a face: judged by eight of them."""
    held = []
    for seed in range(12, 16):
        library = steel(220, seed)
        record(library, tmp_path / str(seed), passes=4, speed_mps=SPEED_MPS, seed=seed)
        recording = read_recording(tmp_path / str(seed))
        positions = (
            Localizer(read_plan(tmp_path / str(seed) / "plan.json")).fit(recording).localization_.positions
        )
        error, _, right = errors(positions, recording)
        held.append((np.abs(error) < 1.645 * positions.sigma_along_m[right]).mean())
    assert 0.85 <= np.mean(held) <= 0.99


def test_an_antenna_mounted_elsewhere_is_found_among_strong_metal(night, found):
    """Metal bends phases by more than antennas that are 2 cm off do: tags one by one do not tell them apart."""
    recording, plan = night
    first, *others = recording.info.antennas
    x, y, z = first.position_m
    wrong = dataclasses.replace(first, position_m=(x + 0.02, y, z))
    info = dataclasses.replace(recording.info, antennas=(wrong, *others))
    moved = Localizer(plan).fit(dataclasses.replace(recording, info=info))
    shift = moved.registration_.across_m - found.registration_.across_m
    mine = [mount.id for mount in recording.info.antennas]
    # What all antennas share, they do not tell: two thirds of one, and a third of the others.
    assert np.abs(shift[mine]) == pytest.approx([0.04 / 3, 0.02 / 3, 0.02 / 3], abs=0.003)
    error, _, _ = errors(found.localization_.positions, recording)
    positions = moved.localization_.positions
    later, _, right = errors(positions, recording)
    assert np.abs(later - np.median(later)).mean() < 1.1 * np.abs(error - np.median(error)).mean()
    # Each level is heard mostly by one antenna: they stand together again.
    level = np.array([str(shelf)[-1] for shelf in positions.shelf_id])[right]
    face = positions.face_id[right].astype(str)
    for one in np.unique(face):
        parts = [later[(face == one) & (level == n)] for n in np.unique(level)]
        assert np.ptp([np.median(part) for part in parts if len(part) > 20]) < 0.011


def test_a_calibration_and_uprights_are_surer_than_uprights_alone(night, found):
    recording, plan = night
    learnt = calibrate([recording], plan, recording.truth).calibration
    both = Localizer(plan, calibration=learnt).fit(recording)
    assert abs(both.pinned_.ahead_m) < 0.01 < 0.5 * abs(found.pinned_.ahead_m)
    assert (both.pinned_.sigma_m < found.pinned_.sigma_m).all()
    error, _, _ = errors(both.localization_.positions, recording)
    assert abs(np.median(error)) < 0.01


def test_a_poor_calibration_costs_nothing_where_uprights_speak(night, found):
    recording, plan = night
    # Half of the clock's lateness, and faces shifted apart by 5 cm: stated as no surer than it is.
    first, *others = [face.id for face in plan.faces]
    shifts = {first: 0.03} | dict.fromkeys(others, -0.02)
    poor = Calibration(latency_s=LATE_S / 2, face_shift_m=shifts, sigma_m=0.03)
    both = Localizer(plan, calibration=poor).fit(recording)
    alone, _, _ = errors(found.localization_.positions, recording)
    error, _, right = errors(both.localization_.positions, recording)
    assert np.abs(error).mean() < np.abs(alone).mean() + 0.001
    sigma = both.localization_.positions.sigma_along_m[right]
    assert (np.abs(error) < 1.645 * sigma).mean() >= 0.8
    assert np.median(sigma) < 0.022
    loose = Localizer(plan, calibration=poor, without=("uprights",)).fit(recording).localization_.positions
    assert np.abs(errors(loose, recording)[0]).mean() > 1.5 * np.abs(error).mean()


def test_a_calibration_out_of_date_is_noticed(night, found):
    recording, plan = night
    stale = Calibration(latency_s=LATE_S - 0.35, sigma_m=0.004, shift_sigma_m=0.004)
    both = Localizer(plan, calibration=stale).fit(recording)
    assert any("off what the calibration foretold" in note for note in both.localization_.notes)
    error, _, _ = errors(both.localization_.positions, recording)
    # 7 cm off by what it says.
    assert abs(np.median(error)) < abs(np.median(errors(found.localization_.positions, recording)[0])) + 0.01


def test_faces_of_later_blocks_are_asked_for_their_own(tmp_path, monkeypatch):
    library = steel(700, 12)
    record(library, tmp_path, passes=2, speed_mps=SPEED_MPS, seed=4)
    recording, plan = read_recording(tmp_path), read_plan(tmp_path / "plan.json")
    # Each face is about a block of its own, and the last one was surveyed 5 cm off along itself.
    monkeypatch.setattr("localization.estimator.BLOCK_READINGS", len(recording.readings) // len(plan.faces))
    last = plan.faces[-1]
    (ux, uy), (x, y) = last.direction, last.origin_m
    drawn = dataclasses.replace(last, origin_m=(x - 0.05 * ux, y - 0.05 * uy))
    floor = dataclasses.replace(plan.floors[0], faces=(*plan.floors[0].faces[:-1], drawn))
    wrong = dataclasses.replace(plan, floors=(floor,))
    off, sigma = {}, {}
    for without in ((), ("uprights",)):
        located = Localizer(wrong, without=without).fit(recording).localization_
        error, _, right = errors(located.positions, recording)
        mine = located.positions.face_id[right] == drawn.id
        off[without] = abs(np.median(error[mine]))
        sigma[without] = np.median(located.positions.sigma_along_m[right][mine])
        assert any("moved along by what their own shelves" in note for note in located.notes) == (not without)
    assert off[("uprights",)] > 0.03
    assert off[()] < 0.02
    assert sigma[()] < sigma[("uprights",)]
