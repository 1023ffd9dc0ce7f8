"""Runs of books across a shelf's end are one line; a few books over it, and books moved one by one, are not."""

from __future__ import annotations

import numpy as np
import pytest

from reports import read_exceptions, write_exceptions


def move(world, epcs, shelf, *, left):
    """Stand books on another shelf, in their order, at its left or right end."""
    others = [e for e in world.on(shelf) if e not in epcs]
    for epc in epcs:
        world.stands[epc] = (shelf, 0.0)
    world._set(shelf, [*epcs, *others] if left else [*others, *epcs])


def kinds(findings):
    return sorted(f.kind for f in findings)


def call_number(world, epc):
    return next(h.call_number for h in world.rows if h.epc == epc)


@pytest.mark.parametrize("ranges", [False, True])
def test_books_pushed_over_the_end_of_their_shelf_are_one_line(build, ranges):
    world = build(ranges=ranges)
    run = world.on("A-01-3")[-5:]
    move(world, run, "A-01-2", left=True)
    (line,) = world.findings(np.random.default_rng(1))
    assert line.kind == "range_moved"
    assert line.shelf_id == "A-01-2"
    assert line.belongs_shelf_id == "A-01-2"
    assert line.belongs == f"Let the range of A-01-2 start at {call_number(world, run[0])}"
    assert line.evidence.startswith(f"5 books, {call_number(world, run[0])} to {call_number(world, run[-1])}")
    assert "A-01-3" in line.evidence
    assert line.confidence > 0.9


@pytest.mark.parametrize("ranges", [False, True])
def test_books_drawn_back_to_the_shelf_before_let_the_next_range_start_later(build, ranges):
    world = build(ranges=ranges)
    own = world.on("A-01-2")
    move(world, own[:6], "A-01-3", left=False)
    (line,) = world.findings(np.random.default_rng(1))
    assert (line.kind, line.shelf_id, line.belongs_shelf_id) == ("range_moved", "A-01-3", "A-01-2")
    assert line.belongs == f"Let the range of A-01-2 start at {call_number(world, own[6])}"


def test_a_few_books_over_the_end_stay_silent_where_ranges_decide(build):
    world = build(ranges=True)
    move(world, world.on("A-01-3")[-3:], "A-01-2", left=True)
    assert world.findings(np.random.default_rng(1)) == []


def test_where_the_record_names_the_shelf_three_books_are_three_lines_in_one_move(build):
    world = build()
    move(world, world.on("A-01-3")[-3:], "A-01-2", left=True)
    found = world.findings(np.random.default_rng(1))
    assert kinds(found) == ["wrong_shelf"] * 3
    assert len({f.move_id for f in found}) == 1


def test_a_whole_collection_shifted_by_one_board_is_a_line_a_shelf(build):
    world = build(bays=4)
    shelves = [s.id for s in world.plan.walking_order]
    for here, there in zip(reversed(shelves[2:7]), reversed(shelves[3:8]), strict=True):
        world.stands = {e: at for e, at in world.stands.items() if at[0] != there}
        move(world, world.on(here), there, left=True)
    # Their places were taken by the books before; those of the last shelf are out for repair.
    gone = {h.epc for h in world.rows if h.epc not in world.stands}
    for epc in gone:
        world.set_status(epc, "in_process")
    found = world.findings(np.random.default_rng(1))
    assert kinds(found) == ["range_moved"] * 5
    assert [f.shelf_id for f in found] == shelves[3:8]


def test_books_put_anywhere_on_a_far_shelf_are_misshelved_each(build):
    world = build(per_shelf=20)
    for k, epc in enumerate(world.on("A-01-3")[::4]):
        world.insert(epc, "A-03-2", world.on("A-03-2")[3 * k])
    found = world.findings(np.random.default_rng(1))
    assert "range_moved" not in kinds(found)
    assert kinds(found).count("wrong_shelf") == 5


def test_out_of_order_they_are_no_run(build):
    world = build(per_shelf=20)
    run = world.on("A-01-3")[-8:]
    move(world, [run[i] for i in (5, 0, 7, 3, 1, 6, 2, 4)], "A-01-2", left=True)
    assert "range_moved" not in kinds(world.findings(np.random.default_rng(1)))


def test_a_book_misshelved_within_a_run_is_still_found(build):
    world = build(bays=4, per_shelf=16)
    move(world, world.on("A-01-3")[-8:], "A-01-2", left=True)
    stray = world.on("A-03-2")[4]
    world.insert(stray, "A-01-2", world.on("A-01-2")[3])
    found = world.findings(np.random.default_rng(1))
    assert kinds(found) == ["range_moved", "wrong_shelf"]
    assert next(f for f in found if f.kind == "wrong_shelf").epc == stray


def test_the_line_is_the_same_from_night_to_night_and_in_the_file(build, tmp_path):
    world = build()
    move(world, world.on("A-01-3")[-6:], "A-01-2", left=True)
    (first,) = world.findings(np.random.default_rng(1))
    lent = world.on("A-01-2")[0]
    world.set_status(lent, "loaned")
    world.stands.pop(lent)
    (second,) = world.findings(np.random.default_rng(2))
    assert second.finding_id == first.finding_id
    (back,) = read_exceptions(write_exceptions(tmp_path / "exceptions.csv", [second]))
    assert back.finding_id == second.finding_id


@pytest.mark.parametrize(("few", "many"), [(2, 6), (3, 9)])
def test_of_two_blocks_that_changed_places_the_smaller_is_moved_as_one(build, few, many):
    world = build(per_shelf=30)
    order = world.on("A-02-2")
    start = 8
    a, b = order[start : start + few], order[start + few : start + few + many]
    world._set("A-02-2", [*order[:start], *b, *a, *order[start + few + many :]])
    found = world.findings(np.random.default_rng(1))
    assert kinds(found) == ["wrong_order"] * few
    assert {f.epc for f in found} == set(a)
    assert len({f.move_id for f in found}) == 1
