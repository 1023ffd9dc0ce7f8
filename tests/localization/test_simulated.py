"""Localization of a simulated library: multipath, coupling, hopping, odometry error, two sides of the racks."""

import numpy as np
import pytest

from localization import localize
from recording import read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    library = make_library(300, seed=5)
    library.save(folder / "library")
    record(library, folder / "recording", speed_mps=0.1, seed=2)
    plan = read_plan(folder / "library" / "plan.json")
    recording = read_recording(folder / "recording")
    return recording, plan, localize(recording, plan)


def matched(night):
    recording, plan, found = night
    row = {epc: i for i, epc in enumerate(found.positions.epc)}
    truth = recording.truth
    pairs = [
        (row[epc], j)
        for j, epc in enumerate(truth.epc)
        if epc in row and (truth.present is None or truth.present[j]) and truth.shelf_id[j]
    ]
    rows, at = np.array(pairs).T
    faces = [plan.shelf(shelf)[0] for shelf in truth.shelf_id[at]]
    offset = np.array(
        [f.to_face(truth.x_m[[j]], truth.y_m[[j]])[0][0] for f, j in zip(faces, at, strict=True)]
    )
    return found.positions.select(rows), truth.shelf_id[at], np.array([f.id for f in faces]), offset


def test_face_shelf_and_offset(night):
    positions, shelf, face, offset = matched(night)
    right = positions.face_id == face
    assert right.mean() > 0.97
    here = positions.shelf_id == shelf
    assert here.mean() > 0.97
    assert abs(here.mean() - positions.p_shelf.mean()) < 0.03
    signed = (positions.offset_m - offset)[right]
    # Old poses and misplaced antennas shift all tags alike; without reference tags nobody can know that shift.
    assert np.median(np.abs(signed)) < 0.03
    for name in np.unique(face[right]):
        signed[face[right] == name] -= np.median(signed[face[right] == name])
    assert np.median(np.abs(signed)) < 0.008
    assert np.mean(np.abs(signed) < 0.02) > 0.9


def test_bars_hold(night):
    positions, _, face, offset = matched(night)
    right = positions.face_id == face
    error = np.abs(positions.offset_m - offset)[right]
    assert np.mean(error < 1.645 * positions.sigma_along_m[right]) >= 0.85
    signed = (positions.offset_m - offset)[right]
    for name in np.unique(face[right]):
        signed[face[right] == name] -= np.median(signed[face[right] == name])
    assert 0.85 <= np.mean(np.abs(signed) < 1.645 * positions.sigma_local_m[right]) <= 0.99
    known = positions.p_shelf[np.isfinite(positions.p_shelf)]
    assert ((known >= 0) & (known <= 1)).all()


def test_bars_are_not_too_wide(night):
    positions, _, face, offset = matched(night)
    right = positions.face_id == face
    error = np.abs(positions.offset_m - offset)[right]
    assert np.mean(error < 1.645 * positions.sigma_along_m[right]) <= 0.99


def test_neighbours_stand_in_order(night):
    positions, shelf, _, offset = matched(night)
    good = positions.shelf_id == shelf
    right, sure = [], []
    for name in np.unique(shelf[good].astype(str)):
        here = np.flatnonzero(good & (shelf == name))
        here = here[np.argsort(offset[here])]
        gap = np.diff(positions.offset_m[here])
        right += list(gap > 0)
        sure += list(
            np.abs(gap) / np.hypot(positions.sigma_local_m[here][1:], positions.sigma_local_m[here][:-1]) > 2
        )
    right, sure = np.array(right), np.array(sure)
    assert right.mean() > 0.96
    assert right[sure].mean() > 0.9


def test_coverage_says_what_was_heard(night):
    recording, _, found = night
    cells = found.coverage
    assert np.median(cells.p_heard) > 0.9
    assert set(cells.face_id) == {face for face in found.positions.face_id if face}
    present = (
        recording.truth.present
        if recording.truth.present is not None
        else np.ones(len(recording.truth.epc), bool)
    )
    heard = np.isin(recording.truth.epc[present].astype(str), found.positions.epc.astype(str))
    assert abs(heard.mean() - np.mean(cells.p_heard)) < 0.08
