"""Books whose own shelf was not scanned, heard through the bookcase and placed where the antennas were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from localization import localize
from recording import read_recording
from reports import find_exceptions, make_report, write_documents
from sim.library import make_library
from sim.library_folder import save_library, truth_of
from sim.record import record
from stacks.holdings import read_holdings
from stacks.plan import Plan, read_plan


@pytest.fixture
def cases(build):
    """Two faces of one bookcase, back to back, with three bays of four boards each."""
    world = build(faces=("A", "B"))
    obj = world.plan.to_json()
    length = obj["floors"][0]["faces"][1]["length_m"]
    obj["floors"][0]["faces"][1] |= {"origin_m": [length, 0.5], "direction_deg": 180.0, "normal_deg": 90.0}
    world.plan = Plan.from_json(obj, "plan")
    return world


def hear_from_behind(world, share=0.4, at=0.0, seed=1):
    """Scan face A alone: of B's books only some are heard, and placed on A's boards, opposite their own place."""
    rng = np.random.default_rng(seed)
    length = world.plan.face("B").length_m
    heard = []
    for shelf in world.plan.face("B").shelves:
        for epc in world.on(shelf.id):
            x = world.stands.pop(epc)[1]
            if rng.random() >= share:
                continue
            opposite = float(np.clip(length - x + rng.normal(0.0, 0.1), 0.0, length - 1e-3))
            board = int(np.clip(shelf.level + rng.integers(-1, 2), 1, 4))
            bay = int(opposite // 0.9) + 1
            world.stands[epc] = (f"A-{bay:02d}-{board}", opposite)
            world.readings[epc] = int(rng.integers(1, 20))
            world.doubt[epc] = (float(rng.uniform(0.6, 1.0)), None, 0.0)
            heard.append(epc)
        world.p_heard[shelf.id, 0.0, 99.0] = at
    return heard


def test_books_heard_through_the_case_are_neither_accused_nor_missing(cases):
    heard = hear_from_behind(cases)
    assert len(heard) > 40
    found = cases.findings()
    assert {f.kind for f in found} == {"zone_not_scanned"}, [(f.kind, f.shelf_id, f.evidence) for f in found]
    assert f"{144 - len(heard)} books" in found[0].evidence


def test_the_same_positions_of_a_scanned_face_are_findings(cases):
    """What protects is that nobody drove past their shelves, not where they were placed."""
    epc = cases.on("B-02-2")[4]
    cases.stands[epc] = ("A-02-2", 1.3)
    (f,) = cases.findings()
    assert (f.kind, f.epc, f.shelf_id) == ("wrong_shelf", epc, "A-02-2")
    cases.p_heard = {(shelf.id, 0.0, 99.0): 0.0 for shelf in cases.plan.face("B").shelves}
    assert {f.kind for f in cases.findings()} == {"zone_not_scanned"}


def test_books_whose_aisle_gave_few_readings_are_not_accused_either(cases):
    """One of two readers was gone along face B: what it passed was heard a little, and more through the case."""
    for epc in hear_from_behind(cases, share=0.1, at=0.8):
        cases.readings[epc], cases.doubt[epc] = 60, (0.999, None, 0.0)
    accused = [f for f in cases.findings() if f.kind == "wrong_shelf"]
    assert len(accused) > 5
    cases.read = {shelf.id: 0.02 for shelf in cases.plan.face("B").shelves}
    assert not [f for f in cases.findings() if f.kind == "wrong_shelf"]


def test_misplaced_books_of_the_scanned_face_are_still_found(cases):
    hear_from_behind(cases)
    moved = cases.on("A-01-1")[3]
    home = next(h.call_number for h in cases.rows if h.epc == moved)
    cases.insert(moved, "A-03-4", cases.on("A-03-4")[2])
    gone = next(h.epc for h in cases.rows if h.home_location == "A-02-3")
    del cases.stands[gone]
    found = {f.kind: f for f in cases.findings() if f.kind != "zone_not_scanned"}
    assert set(found) == {"wrong_shelf", "missing"}
    assert (found["wrong_shelf"].call_number, found["wrong_shelf"].shelf_id) == (home, "A-03-4")
    assert found["missing"].epc == gone


def test_a_loaned_book_heard_through_the_case_is_looked_for_at_home(cases, tmp_path):
    heard = hear_from_behind(cases)
    epc = heard[5]
    home = next(h.home_location for h in cases.rows if h.epc == epc)
    cases.readings[epc] = 14
    cases.set_status(epc, "loaned")
    (f,) = [f for f in cases.findings() if f.epc == epc]
    assert (f.kind, f.shelf_id, f.offset_m, f.belongs_shelf_id) == ("on_shelf_loaned", home, None, home)
    assert 0.5 <= f.confidence < 0.92
    assert "not scanned" in f.evidence
    here = cases.on("A-02-2")[4]
    cases.set_status(here, "loaned")
    (own,) = [f for f in cases.findings() if f.epc == here]
    assert own.shelf_id == "A-02-2"
    assert own.offset_m is not None
    assert own.confidence > f.confidence


def test_a_stranger_among_books_heard_through_the_case_is_less_sure_to_stand_there(cases):
    cases.strangers["AB" * 11 + "07"] = ("A-02-2", 1.5)
    cases.readings["AB" * 11 + "07"] = 4
    (sure,) = cases.findings()
    hear_from_behind(cases, share=0.6)
    (doubtful,) = [f for f in cases.findings() if f.kind == "unknown_tag"]
    assert doubtful.shelf_id == "A-02-2"
    assert doubtful.confidence < 0.7 < sure.confidence
    assert "other side" in doubtful.evidence
    assert "other side" not in sure.evidence


def test_a_home_that_names_only_the_other_face_is_no_wrong_location(cases):
    heard = hear_from_behind(cases)
    cases.rows = [
        replace(h, home_location="B") if h.home_location.startswith("B-") else h for h in cases.rows
    ]
    cases.set_status(heard[3], "loaned")
    found = cases.findings()
    assert {f.kind for f in found} == {"zone_not_scanned", "on_shelf_loaned"}
    (f,) = [f for f in found if f.kind == "on_shelf_loaned"]
    assert (f.shelf_id, f.offset_m) == ("", None)
    assert " B, which was not scanned" in f.evidence


def test_ranges_that_run_on_over_both_faces_do_not_bring_the_unscanned_books_into_order(build):
    world = build(faces=("A", "B"), ranges=True)
    obj = world.plan.to_json()
    obj["floors"][0]["faces"][1] |= {"origin_m": [2.7, 0.5], "direction_deg": 180.0, "normal_deg": 90.0}
    world.plan = Plan.from_json(obj, "plan")
    hear_from_behind(world)
    assert {f.kind for f in world.findings()} == {"zone_not_scanned"}


def test_across_an_aisle_one_book_is_misplaced_and_many_are_heard_from_afar(build):
    """Faces two metres apart: whether antennas reach across is told by how many books were heard so."""
    one = build(faces=("A", "B"))
    epc = one.on("B-02-2")[4]
    for shelf in one.plan.face("B").shelves:
        for other in one.on(shelf.id):
            del one.stands[other]
        one.p_heard[shelf.id, 0.0, 99.0] = 0.0
    one.stands[epc] = ("A-02-2", 1.3)
    assert [f.epc for f in one.findings() if f.kind == "wrong_shelf"] == [epc]
    many = build(faces=("A", "B"))
    heard = hear_from_behind(many, share=0.8)
    accused = [f for f in many.findings() if f.kind == "wrong_shelf"]
    assert len(heard) > 90
    assert accused == []


def test_a_home_of_which_only_a_part_was_scanned_counts_by_that_part(cases):
    epc = cases.on("B-02-2")[4]
    cases.stands[epc] = ("A-02-2", 1.3)
    (before,) = [f for f in cases.findings() if f.epc == epc]
    cases.p_heard = {("B-02-2", 0.9, 1.3): 0.1}
    after = [f for f in cases.findings() if f.epc == epc]
    assert before.kind == "wrong_shelf"
    assert after == []
    cases.p_heard = {("B-02-2", 0.9, 1.0): 0.1}  # too short to hold more than a few of its books
    (again,) = [f for f in cases.findings() if f.epc == epc]
    assert again == before


def test_a_robot_stopped_after_the_first_face(tmp_path):
    """The radio itself: half a bookcase scanned, the other half heard through it."""
    library = make_library(300, 3)
    save_library(library, tmp_path / "library")
    record(library, tmp_path / "run", seed=3, faces=("1-R01S",))
    heard = read_recording(tmp_path / "run", truth=False)
    plan, holdings = read_plan(heard.plan_path), read_holdings(heard.holdings_path)
    where = localize(heard, plan)
    behind = [h for h in holdings.rows if h.home_location.startswith("1-R01N")]
    heard_behind = {h.epc for h in behind} & set(where.positions.epc)
    assert len(heard_behind) > 50
    findings = find_exceptions(where.positions, where.coverage, plan, holdings)
    planted = {(p.kind, p.epc or p.barcode) for p in library.planted}
    on_face = dict(zip(truth_of(library).epc, truth_of(library).face, strict=True))
    assert [f for f in findings if f.kind == "wrong_shelf" and (f.kind, f.epc) not in planted] == []
    for f in findings:
        if f.kind == "missing":
            assert f.epc not in heard_behind
        if f.kind == "on_shelf_loaned":
            assert f.shelf_id.startswith(on_face[f.epc])
            assert f.confidence < 0.92
    report = make_report(
        heard.info, positions=where.positions, coverage=where.coverage, plan=plan, holdings=holdings
    )
    documents = write_documents(report, tmp_path / "out")
    assert "1-R01N" in documents.html.read_text("utf-8")
