"""What a calibration states of its own error: as large as it is, in its own runs, on other nights, on unseen faces."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from localization.calibrate import learn
from localization.calibration import OTHER_NIGHT_M
from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.witness import Witness, witness
from recording import AntennaMount, RunInfo, Truth, read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import Plan, read_plan
from tests.localization.conftest import START, plan_of

FACES, TAGS = 6, 15
#: What a site is like: antennas' mean centre and what faces keep, the tags' own errors, most of which they keep.
CENTRE_M, FACE_M, OWN_M, KEPT = 0.02, 0.01, 0.008, 0.7


def site():
    """Return a plan of faces in rows, driven along one way."""
    said = plan_of(4.0, levels=0).to_json()
    one = said["floors"][0]["faces"][0]
    said["floors"][0]["faces"] = [
        one | {"id": f"F{row}", "origin_m": [4.0 + 5.0 * (row % 2), 2.0 * (row // 2)]} for row in range(FACES)
    ]
    return Plan.from_json(said, "test")


PLAN = site()
NAMES = np.repeat([face.id for face in PLAN.faces], TAGS).astype(object)
OFFSETS = np.tile(np.linspace(0.3, 3.7, TAGS), FACES)
EPCS = np.array([f"30{n:022X}" for n in range(len(NAMES))], object)
XY = np.array(
    [np.ravel(PLAN.face(face).to_map(np.array([at]))) for face, at in zip(NAMES, OFFSETS, strict=True)]
)
TRUTH = Truth(epc=EPCS, x_m=XY[:, 0].copy(), y_m=XY[:, 1].copy(), z_m=np.full(len(EPCS), 1.0), face=NAMES)
MOUNT = AntennaMount(
    id=1, reader="r", port=1, air="gen2", position_m=(0.0, -0.2, 1.0), boresight_deg=(-90.0, 0.0)
)


class Site:
    """One site, whose nights are drawn."""

    def __init__(self, seed, wander_m):
        self.rng = np.random.default_rng(seed)
        self.wander_m = wander_m
        self.kept_m = CENTRE_M * self.rng.standard_normal() + FACE_M * self.rng.standard_normal(FACES)
        self.own_m = OWN_M * np.sqrt(KEPT) * self.rng.standard_normal(len(EPCS))

    def night(self, number):
        """Return what a night says of its tags, and by how much its faces' places are too far."""
        shift = self.kept_m + self.wander_m * self.rng.standard_normal(FACES)
        own = self.own_m + OWN_M * np.sqrt(1.0 - KEPT) * self.rng.standard_normal(len(EPCS))
        started = datetime.fromtimestamp(START // 10**9, UTC) + timedelta(days=number)
        info = RunInfo(f"night-{number}", "test", started, "r", (MOUNT,))
        ones = np.ones(len(EPCS))
        found = OFFSETS + np.repeat(shift, TAGS) + own
        return Witness(info, EPCS, NAMES, found, OWN_M * ones, -ones, -0.1 * ones, None), shift


def left_over(calibration, shift):
    """Return what is left of faces' shifts once a calibration is applied (heading -1)."""
    moved = np.array([calibration.face_shift_m.get(face.id, 0.0) for face in PLAN.faces])
    return shift - calibration.phase_centre_m[1] + moved


def stated(calibration, run_id):
    return np.array([calibration.off_m(face.id, run_id) for face in PLAN.faces], np.float64)


def judged(nights, wander_m, *, own_run, known=None, draws=40):
    """Return left-over errors of faces and what was stated of them, two of shape (draws, faces)."""
    left, said = [], []
    for seed in range(draws):
        one = Site(seed, wander_m)
        told = [one.night(number) for number in range(nights)]
        learnt = learn([night for night, _ in told], PLAN, TRUTH if known is None else known).calibration
        night, shift = told[-1] if own_run else one.night(nights)
        left.append(left_over(learnt, shift))
        said.append(stated(learnt, night.info.run_id))
    return np.array(left), np.array(said)


def holds(left, said):
    return float(np.mean(np.abs(left) <= 1.645 * said))


def some(rows):
    """Return some of the references."""
    return Truth(epc=EPCS[rows], x_m=XY[rows, 0], y_m=XY[rows, 1], z_m=np.ones(len(rows)), face=NAMES[rows])


@pytest.mark.parametrize("of_face", [TAGS, 4, 2])
def test_in_its_own_run_it_states_what_its_references_leave(of_face):
    """Neither less nor, by counting halves' unsureness beside the whole's, twice as much."""
    spread = ((np.arange(of_face) + 0.5) * TAGS / of_face).astype(int)
    rows = (TAGS * np.arange(FACES)[:, None] + spread).ravel()
    left, said = judged(1, 0.01, own_run=True, known=some(rows), draws=100)
    assert 0.85 < holds(left, said) < 0.95
    off = np.sqrt(np.mean(left**2))
    assert off < 0.9 * OWN_M / np.sqrt(of_face) + 0.001, "references of the run itself tell it"
    assert 0.8 * off < np.median(said) < 1.3 * off


def test_references_that_differ_along_their_faces_are_believed_less():
    """Poses that wander along a face make its references err alike, as fewer of them would."""
    one = Site(3, 0.01)
    night, _ = one.night(0)
    said = []
    for bent in (0.0, 0.03):
        found = night.offset_m + bent * np.tile(np.linspace(-0.5, 0.5, TAGS), FACES)
        learnt = learn([replace(night, offset_m=found)], PLAN, TRUTH).calibration
        said.append(np.median(stated(learnt, "night-0")))
    assert said[1] > 1.5 * said[0]


def test_one_face_of_one_night_promises_no_other_night_more_than_nights_usually_differ_by():
    learnt = learn([Site(4, 0.01).night(0)[0]], PLAN, some(np.arange(TAGS))).calibration
    assert learnt.shared_m("F0", "night-0") < 0.5 * OTHER_NIGHT_M
    assert learnt.shared_m("F0", "another") >= OTHER_NIGHT_M


def test_of_one_night_it_states_what_faces_usually_differ_by_on_another():
    left, said = judged(1, OTHER_NIGHT_M, own_run=False)
    assert 0.85 < holds(left, said) < 0.99
    # Less than that no single night can promise, and of its own run it promises more.
    assert said.min() >= OTHER_NIGHT_M
    assert np.median(said) > 1.4 * np.median(judged(1, OTHER_NIGHT_M, own_run=True, draws=5)[1])


@pytest.mark.parametrize("wander_m", [0.003, 0.02])
def test_several_nights_show_what_others_will_differ_by(wander_m):
    left, said = judged(4, wander_m, own_run=False, draws=25)
    assert 0.85 < holds(left, said) < 0.99
    assert np.median(said) == pytest.approx(np.sqrt(np.mean(left**2)), rel=0.4)


def test_a_face_without_references_is_stated_to_be_less_sure():
    """A map may be shifted and turned there, which no other face shows."""
    seen = NAMES != "F5"
    some = Truth(
        epc=EPCS[seen],
        x_m=XY[seen, 0].copy(),
        y_m=XY[seen, 1].copy(),
        z_m=np.full(seen.sum(), 1.0),
        face=NAMES[seen],
    )
    left, said = judged(1, OTHER_NIGHT_M, own_run=False, known=some)
    assert (said[:, 5] > said[:, :5].max(axis=1) - 1e-4).all()
    assert np.median(said[:, 5]) > 1.01 * np.median(said[:, :5])
    assert holds(left[:, 5], said[:, 5]) > 0.85
    assert holds(left[:, :5], said[:, :5]) > 0.85


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Scan a small library on two nights, its poses old and its antennas off their mounts, and learn from the first."""
    folder = tmp_path_factory.mktemp("nights")
    library = make_library(240, seed=12)
    scans = []
    for number in range(2):
        path = record(
            library, folder / str(number), passes=2, speed_mps=0.15, seed=3 + number, run_id=f"night-{number}"
        )
        scans.append(read_recording(path))
    plan = read_plan(folder / "0" / "plan.json")
    first = replace(scans[0], truth=None)
    learnt = learn([witness(first, plan, halves=True)], plan, scans[0].truth).calibration
    return scans, plan, learnt


def bare(plan, face):
    """Return the plan as it is where nobody measured a face's shelves: there are no uprights then."""
    said = plan.to_json()
    for floor in said["floors"]:
        for one in floor["faces"]:
            if one["id"] == face:
                one["shelves"] = []
    return Plan.from_json(said, "test")


def placed(recording, plan, learnt, **settings):
    """Return each face's error, what its tags share by their bars, and whether its places are inside of them."""
    fitted = Localizer(plan, calibration=learnt, **settings).fit(replace(recording, truth=None))
    found = fitted.localization_.positions
    tags = evaluate(found, recording.truth, plan).tags
    row = {epc: n for n, epc in enumerate(found.epc.tolist())}
    at = np.array([row.get(epc, -1) for epc in tags.epc.tolist()])
    seen = {}
    for face in plan.faces:
        here = tags.placed & (at >= 0) & np.isfinite(tags.error_m)
        here[here] = found.face_id[at[here]] == face.id
        common = np.sqrt(tags.sigma_along_m[here] ** 2 - found.sigma_local_m[at[here]] ** 2)
        inside = np.abs(tags.error_m[here]) <= 1.645 * tags.sigma_along_m[here]
        seen[face.id] = float(np.median(tags.error_m[here])), common, float(np.mean(inside))
    return seen, fitted.pinned_


POSE_M = 0.01


def test_what_is_stated_is_what_positions_share(nights):
    """Without uprights: what the calibration says of the run, and what its poses say of themselves."""
    scans, plan, learnt = nights
    for recording in scans:
        shared = learnt.shared_m(plan.faces[0].id, recording.info.run_id)
        for error, common, inside in placed(recording, plan, learnt, without=("uprights",))[0].values():
            assert common == pytest.approx(np.hypot(shared, POSE_M), rel=0.02)
            assert inside > 0.85
            assert abs(error) < 2.0 * np.hypot(shared, POSE_M)


def test_uprights_make_another_nights_calibration_surer(nights):
    scans, plan, learnt = nights
    seen, pinned = placed(scans[1], plan, learnt)
    assert pinned is not None
    for number, (error, common, inside) in enumerate(seen.values()):
        off = learnt.off_m(plan.faces[number].id, scans[1].info.run_id)
        assert pinned.sigma_m[number] < 0.7 * off
        assert common == pytest.approx(pinned.sigma_m[number], rel=0.02)
        assert inside > 0.85
        assert abs(error) < 2.0 * pinned.sigma_m[number]


def test_a_face_without_uprights_keeps_what_the_calibration_states(nights):
    scans, plan, learnt = nights
    last = plan.faces[-1].id
    seen, pinned = placed(scans[1], bare(plan, last), learnt)
    assert pinned is not None
    assert np.isfinite(pinned.sigma_m[0])
    assert np.isnan(pinned.sigma_m[-1])
    error, common, inside = seen[last]
    assert common == pytest.approx(np.hypot(learnt.shared_m(last, scans[1].info.run_id), POSE_M), rel=0.02)
    assert inside > 0.85
    assert abs(error) < 2.0 * np.median(common)
