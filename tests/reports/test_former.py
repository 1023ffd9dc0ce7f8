"""What nights before make of a book heard off its shelf: beliefs carried on, and slips told from misplaced books."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.memory import Memory
from tests.reports.test_night import barcode_of, judge, kinds, looked_at


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


def test_a_memory_of_the_former_format_is_read(kept, tmp_path):
    memory = judge(kept).memory
    table = pq.read_table(pa.BufferReader(memory.to_bytes())).drop_columns(["away", "returns"])
    wrong = np.full(len(memory), -0.5, np.float32)
    wrong[3] = 1.3
    table = table.set_column(table.column_names.index("wrong"), "wrong", pa.array(wrong))
    table = table.replace_schema_metadata({"format": "nightstack-memory/1"})
    pq.write_table(table, tmp_path / "old.parquet")
    back = Memory.read(tmp_path / "old.parquet")
    assert back.wrong[3] > 1.0 and (np.delete(back.wrong, 3) < -3.0).all()
    assert not back.away.any() and not back.returns.any()
    assert np.array_equal(back.heard, memory.heard)
