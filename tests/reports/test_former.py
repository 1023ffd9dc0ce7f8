"""What nights before make of a book heard off its shelf: beliefs carried on, and slips told from misplaced books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.memory import Memory
from reports.night import judge_night
from stacks.holdings import Holdings
from tests.reports.test_night import START, barcode_of, judge, kinds, looked_at


@pytest.fixture
def kept(build):
    """A well kept library of 1,200 books."""
    return build(bays=12, faces=("A", "B"), per_shelf=10)


def test_a_book_far_from_its_shelf_is_named_although_the_claim_leaves_much_open(kept):
    """What the claim leaves open is for the shelves around, none of which is the book's own."""
    epc = kept.on("A-01-1")[5]
    night = judge(kept)
    kept.insert(epc, "B-10-4", kept.on("B-10-4")[5])
    kept.doubt[epc] = (0.75, "B-10-3", 0.2)
    night = judge(kept, 1, night.memory)
    assert kinds(night, barcode_of(kept, epc)) == ["wrong_shelf"]


def test_a_book_heard_a_board_too_high_with_its_shelf_as_second_best_is_not_named_on_any_night(kept):
    """Slips of one robot come back night after night: saying it again does not make it so."""
    epc = kept.on("A-03-2")[5]
    at = kept.at(epc)[1]
    memory = None
    for n in range(6):
        kept.stands[epc] = ("A-03-3", at)
        kept.doubt[epc] = (0.8, "A-03-2", 0.2)
        night = judge(kept, n, memory)
        memory = night.memory
        assert kinds(night, barcode_of(kept, epc)) == [], n


def test_what_was_known_of_a_neglected_library_holds_when_the_others_are_put_right(kept):
    """The share of misplaced books falls as staff work; those that stand where they stood are no likelier slips."""
    rng = np.random.default_rng(5)
    shelves = sorted({s for s, _ in kept.stands.values()})
    moved = rng.choice(np.array(sorted(kept.stands)), 120, replace=False).tolist()
    homes = {epc: kept.at(epc) for epc in moved}
    for epc in moved:
        to = str(rng.choice(shelves))
        kept.insert(epc, to, kept.on(to)[3])
    left = [epc for epc in moved if kept.at(epc)[0] != homes[epc][0]][:6]
    first = judge(kept)
    told = [epc for epc in left if "wrong_shelf" in kinds(first, barcode_of(kept, epc))]
    assert len(told) >= 5
    for epc in moved:
        if epc not in left:
            kept.stands[epc] = homes[epc]
    for epc in told:
        kept.doubt[epc] = (0.93, None, 0.0)
    second = judge(kept, 1, first.memory)
    alone = judge(kept, 1)
    for epc in told:
        assert looked_at(second, epc)[2] >= 0.9, epc
        assert looked_at(second, epc)[2] >= looked_at(alone, epc)[2] - 0.01


def test_a_book_put_right_and_heard_a_board_too_high_is_not_named_for_what_it_was(kept):
    epc = kept.on("A-05-2")[5]
    home = kept.at(epc)
    kept.insert(epc, "B-02-1", kept.on("B-02-1")[5])
    first = judge(kept)
    assert kinds(first, barcode_of(kept, epc)) == ["wrong_shelf"]
    kept.stands[epc] = ("A-05-3", home[1])
    kept.doubt[epc] = (0.7, "A-05-2", 0.3)
    second = judge(kept, 1, first.memory)
    assert kinds(second, barcode_of(kept, epc)) == []


def test_a_few_slips_to_far_shelves_of_badly_heard_books_take_the_claim_of_all_such_books(kept):
    """Readers misplace books of all kinds alike: far places of only the unsure ones are errors of localization."""
    rng = np.random.default_rng(3)
    unsure = rng.choice(np.array(sorted(kept.stands)), 200, replace=False).tolist()
    shelves = sorted({s for s, _ in kept.stands.values()})
    for i, epc in enumerate(unsure):
        kept.doubt[epc] = (0.7, None, 0.0)
        if i < 30:
            kept.stands[epc] = (str(rng.choice(shelves)), kept.at(epc)[1])
    night = judge(kept)
    said = [f for f in night.findings if f.kind == "wrong_shelf"]
    assert len(said) <= 3, f"{len(said)} of 30 errors called misplaced books"


def test_a_record_that_moves_a_book_to_where_it_stands_ends_its_case(kept):
    epc = kept.on("A-05-2")[5]
    kept.insert(epc, "B-02-1", kept.on("B-02-1")[5])
    memory = None
    for n in range(3):
        night = judge(kept, n, memory)
        memory = night.memory
    assert kinds(night, barcode_of(kept, epc)) == ["wrong_shelf"]
    kept.change(epc, home_location="B-02-1")
    alone, after = judge(kept, 3), judge(kept, 3, memory)
    assert looked_at(after, epc)[2] == pytest.approx(looked_at(alone, epc)[2], abs=0.01)


def test_books_whose_record_names_another_home_are_asked_for_anew(kept):
    """Having stood right yesterday says nothing of a shelf that the record names since today."""
    memory = judge(kept).memory
    moved = [epc for shelf in ("A-05-1", "A-05-2", "A-05-3") for epc in kept.on(shelf)]
    for epc in moved:
        kept.change(epc, home_location="B-09-4")
    night, alone = judge(kept, 1, memory), judge(kept, 1)
    named = [epc for epc in moved if kinds(night, barcode_of(kept, epc)) == ["wrong_shelf"]]
    assert named == [epc for epc in moved if kinds(alone, barcode_of(kept, epc)) == ["wrong_shelf"]]


@pytest.mark.parametrize("doubt", [0.3, 0.5, 0.8, 0.97])
def test_a_night_of_doubt_does_not_keep_a_clear_night_from_naming_a_book(kept, doubt):
    epc = kept.on("A-01-1")[5]
    kept.insert(epc, "B-10-4", kept.on("B-10-4")[5])
    kept.doubt[epc] = (doubt, "A-01-1", 0.5 * (1.0 - doubt))
    memory = judge(kept).memory
    del kept.doubt[epc]
    night = judge(kept, 1, memory)
    assert looked_at(night, epc)[2] >= looked_at(judge(kept, 1), epc)[2] - 0.05
    assert kinds(night, barcode_of(kept, epc)) == ["wrong_shelf"]


def test_a_late_night_does_not_turn_memory_back(kept):
    memory = judge(kept, 5).memory
    late = judge(kept, 2, memory)
    assert late.memory is memory
    assert np.array_equal(late.looks.what, judge(kept, 2).looks.what)


def test_copies_of_one_barcode_keep_their_own_nights(kept):
    one, other = kept.on("A-01-1")[2:4]
    kept.change(other, barcode=barcode_of(kept, one))
    kept.set_status(kept.on("B-01-1")[0], "loaned")
    del kept.stands[kept.on("B-01-1")[0]]
    memory = None
    for n in range(4):
        memory = judge(kept, n, memory).memory
    rows = dict(zip(memory.epc.tolist(), memory.heard.tolist(), strict=True))
    assert rows[one] == rows[other] == 4.0


def test_a_plan_of_faces_without_shelves_can_be_judged_for_nights(kept):
    floors = tuple(
        replace(floor, faces=tuple(replace(face, shelves=()) for face in floor.faces))
        for floor in kept.plan.floors
    )
    plan, positions = replace(kept.plan, floors=floors), kept.positions()
    positions.shelf_id[:] = None
    memory = None
    for n in range(3):
        at = START + timedelta(days=n)
        holdings = Holdings.of(replace(h, home_location=h.home_location[0]) for h in kept.rows)
        night = judge_night(f"r{n}", at, positions, None, plan, holdings, memory=memory)
        memory = night.memory
    assert not [f for f in night.findings if f.kind == "wrong_shelf"]


def test_a_memory_of_the_former_format_is_read(kept, tmp_path):
    memory = judge(kept).memory
    table = pq.read_table(pa.BufferReader(memory.to_bytes())).drop_columns(
        ["away", "returns", "watched", "told", "wrong_home"]
    )
    wrong = np.full(len(memory), -0.5, np.float32)
    wrong[3] = 1.3
    table = table.set_column(table.column_names.index("wrong"), "wrong", pa.array(wrong))
    table = table.replace_schema_metadata({"format": "nightstack-memory/1"})
    pq.write_table(table, tmp_path / "old.parquet")
    back = Memory.read(tmp_path / "old.parquet")
    assert not back.wrong.any() and not back.away.any() and not back.returns.any()
    assert np.array_equal(back.heard, memory.heard)
