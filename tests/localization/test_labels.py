"""Shelf labels as references within a run: where they are known to hang they tell what every book is off by."""

from dataclasses import replace

import numpy as np
import pytest

from localization.calibrate import learn
from localization.calibration import Calibration
from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.label_shift import LabelFits, alike_sigma, learn_shift
from localization.labels import label_truth
from localization.witness import with_labels, witness
from recording import Truth, read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import Plan, read_plan


def fits(offset, error, sigma):
    n = len(offset)
    return LabelFits(
        np.array([f"{k:024X}" for k in range(n)], object), np.zeros(n, np.int64), np.array(offset, float),
        np.array(error, float), np.full(n, sigma),
    )  # fmt: skip


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Scan a small library with labels, its poses old and its antennas off their mounts."""
    folder = tmp_path_factory.mktemp("labels") / "scan"
    record(make_library(300, seed=9, labels=True), folder, passes=2, speed_mps=0.15, seed=3)
    return read_recording(folder), read_plan(folder / "plan.json")


def placed(recording, plan, **settings):
    return Localizer(plan, **settings).fit(replace(recording, truth=None))


def without_places(plan):
    """Return the plan as a library that never measured where its labels hang."""
    said = plan.to_json()
    for floor in said["floors"]:
        for face in floor["faces"]:
            for shelf in face["shelves"]:
                shelf.pop("tag_offset_m", None)
    return Plan.from_json(said, "test")


def test_labels_take_out_what_all_books_share(scanned):
    recording, plan = scanned
    # Uprights tell it as well, and shelves fitted jointly err less: here labels are to do it by themselves.
    alone, helped = (
        placed(recording, plan, labels=labels, without=("shelves", "uprights")).localization_
        for labels in (False, True)
    )
    before, after = (evaluate(found.positions, recording.truth, plan) for found in (alone, helped))
    assert after.error.median_cm < 0.75 * before.error.median_cm
    assert after.error.mean_cm < 1.25 * after.local_error.mean_cm + 0.2
    known = after.tags.placed
    inside = np.abs(after.tags.error_m[known]) <= 1.645 * after.tags.sigma_along_m[known]
    assert inside.mean() > 0.8
    narrower = np.nanmedian(helped.positions.sigma_along_m) / np.nanmedian(alone.positions.sigma_along_m)
    assert narrower < 0.8
    assert any("shelf labels" in note for note in helped.notes)


def test_labels_stand_on_their_own_boards(scanned):
    recording, plan = scanned
    found = placed(recording, plan)
    positions, truth = found.localization_.positions, label_truth(plan)
    row = {epc: n for n, epc in enumerate(positions.epc.tolist())}
    fitted = found.label_fits_
    assert len(fitted) >= 6
    for n in [truth.epc.tolist().index(epc) for epc in fitted.epc.tolist()]:
        at = row[truth.epc[n]]
        assert positions.shelf_id[at] == truth.shelf_id[n]
        assert positions.z_m[at] == pytest.approx(truth.z_m[n])
        assert abs(positions.x_m[at] - truth.x_m[n]) < 0.06


def test_labels_hanging_nobody_knows_where_change_nothing_and_that_is_said(scanned):
    recording, plan = scanned
    plain = placed(recording, plan, labels=False).localization_.positions
    found = placed(recording, without_places(plan)).localization_
    labels = label_truth(plan).epc.astype(str)
    books = ~np.isin(plain.epc.astype(str), labels)
    np.testing.assert_allclose(found.positions.offset_m[books], plain.offset_m[books], atol=1e-9)
    assert any("tag_offset_m" in note for note in found.notes)


def test_a_label_that_fell_off_is_no_reference(scanned):
    recording, plan = scanned
    fitted = placed(recording, plan).label_fits_
    fallen = str(fitted.epc[0])
    # Its tag lies among the books of a shelf of the other face.
    there = recording.truth.present & (recording.truth.face != plan.faces[fitted.face[0]].id)
    other = next(epc for epc in recording.truth.epc[there].tolist() if epc in recording.readings.tags)
    names = {fallen: other, other: fallen}
    readings = replace(recording.readings, tags=tuple(names.get(tag, tag) for tag in recording.readings.tags))
    found = placed(replace(recording, readings=readings), plan)
    assert fallen not in found.label_fits_.epc.tolist()


def test_a_calibration_and_labels_do_not_count_twice(scanned):
    recording, plan = scanned
    wrong = Calibration(face_shift_m={face.id: 0.03 for face in plan.faces}, sigma_m=0.03)
    plain, shifted = (placed(recording, plan, calibration=c).localization_.positions for c in (None, wrong))
    books = ~np.isin(plain.epc.astype(str), label_truth(plan).epc.astype(str)) & plain.placed
    assert abs(np.median(shifted.offset_m[books] - plain.offset_m[books])) < 0.008


def test_labels_that_taught_the_calibration_are_not_used_again(scanned):
    recording, plan = scanned
    heard = replace(recording, truth=None)
    learnt = learn([witness(heard, plan, halves=True)], plan, label_truth(plan)).calibration
    assert learnt.references_of(recording.info.run_id) >= set(
        placed(recording, plan).label_fits_.epc.tolist()
    )
    assert not learnt.references_of("another night")
    once = placed(recording, plan, calibration=learnt).localization_
    off = placed(recording, plan, calibration=learnt, labels=False).localization_.positions
    books = ~np.isin(off.epc.astype(str), label_truth(plan).epc.astype(str)) & off.placed
    np.testing.assert_allclose(once.positions.offset_m[books], off.offset_m[books], atol=1e-9)
    assert any("not used again" in note for note in once.notes)
    # On another night they are new.
    other = replace(learnt, run_ids=(), nights=())
    twice = placed(recording, plan, calibration=other).localization_
    assert not any("not used again" in note for note in twice.notes)
    without = placed(recording, plan, calibration=other, labels=False).localization_.positions
    assert np.median(twice.positions.sigma_along_m[books]) < np.median(without.sigma_along_m[books])


def test_what_pulls_all_labels_alike_no_number_of_them_averages_out():
    rng = np.random.default_rng(5)
    where = np.linspace(0.0, 4.0, 200)
    many = fits(where, 0.01 + 0.008 * rng.standard_normal(200), 0.01)
    alike = alike_sigma(many)
    assert alike == pytest.approx(0.6 * 0.008, rel=0.25)
    sure, left = learn_shift(many, 0.02).at(np.array([2.0]))
    wary, more = learn_shift(many, 0.02, alike).at(np.array([2.0]))
    assert left[0] < 0.002 < alike * 0.8 < more[0]
    assert 0.0 < wary[0] < sure[0]
    assert alike_sigma(many.select(np.zeros(0, np.int64))) == 0.0


def test_shift_of_a_face_follows_its_labels_and_no_farther():
    rng = np.random.default_rng(2)
    where = np.linspace(0.0, 4.0, 12)
    shift = learn_shift(fits(where, 0.03 + 0.005 * rng.standard_normal(12), 0.005), 0.03)
    mean, left = shift.at(np.array([1.0, 2.0, 30.0]))
    assert mean[:2] == pytest.approx([0.03, 0.03], abs=0.005)
    assert (left[:2] < 0.012).all() and left[2] > left[0]


def test_one_poor_label_does_not_carry_a_face_with_it():
    error = np.full(8, 0.01)
    error[3] = 0.12
    shift = learn_shift(fits(np.linspace(0.0, 3.0, 8), error, 0.006), 0.03)
    assert shift.at(np.array([1.5]))[0][0] == pytest.approx(0.01, abs=0.012)
    alone = learn_shift(fits([1.0], [0.05], 0.05), 0.01)
    assert abs(alone.at(np.array([1.0]))[0][0]) < 0.01


def test_references_are_joined_with_labels_once(scanned):
    _, plan = scanned
    labels = label_truth(plan)
    book = Truth(epc=np.array(["AA"], object), x_m=np.array([1.0]), y_m=np.array([0.0]), z_m=np.array([1.0]))
    joined = with_labels(book, plan)
    assert len(joined.epc) == 1 + len(labels.epc)
    assert len(with_labels(joined, plan).epc) == len(joined.epc)
    assert with_labels(book, without_places(plan)) is book
    assert with_labels(None, plan).epc.tolist() == labels.epc.tolist()
