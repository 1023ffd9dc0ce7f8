"""Books that lie, stand behind the row, carry two tags or move are said as such, and as nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from reports import Policy, find_exceptions
from stacks.holdings import Holdings


def call(positions, epcs, kind, p):
    for epc in epcs:
        row = int(np.flatnonzero(positions.epc == epc)[0])
        positions.oddity[row], positions.p_oddity[row] = kind, p
    return positions


def find(world, positions, **more):
    return find_exceptions(positions, world.coverage(), world.plan, world.holdings(), **more)


def unplace(positions, epc):
    row = int(np.flatnonzero(positions.epc == epc)[0])
    for column in (positions.x_m, positions.y_m, positions.z_m, positions.offset_m, positions.p_shelf):
        column[row] = np.nan
    positions.shelf_id[row] = positions.face_id[row] = None
    positions.rank[row] = 0


def test_a_pile_is_listed_book_by_book_and_its_order_is_nobodys_matter(library):
    pile = library.on("A-02-2")[3:7]
    spots = [library.stands[epc] for epc in pile]
    for epc, spot in zip(pile, reversed(spots), strict=True):
        library.stands[epc] = spot
    assert {f.kind for f in library.findings()} == {"wrong_order"}
    found = find(library, call(library.positions(), pile, "lying", 0.95))
    assert [f.kind for f in found] == ["lying"] * 4
    assert {f.epc for f in found} == set(pile)
    for f in found:
        assert f.shelf_id == "A-02-2"
        assert f.confidence == pytest.approx(0.95, abs=1e-6)
        assert "3 others" in f.evidence


def test_perhaps_lying_is_doubtful_and_hardly_lying_is_nothing(library):
    book = library.on("A-02-2")[3]
    (f,) = find(library, call(library.positions(), [book], "lying", 0.6))
    assert (f.kind, f.epc) == ("low_confidence", book)
    assert "60" in f.evidence
    assert find(library, call(library.positions(), [book], "lying", 0.4)) == []
    (f,) = find(library, call(library.positions(), [book], "lying", 0.6), policy=Policy(accuse_from=0.55))
    assert f.kind == "lying"


def test_a_lying_book_on_the_wrong_shelf_is_carried_home_and_not_said_twice(library):
    book = library.on("A-02-2")[3]
    library.stands[book] = ("A-03-4", 0.05 + library.plan.shelf("A-03-4")[1].from_m)
    found = find(library, call(library.positions(), [book], "lying", 0.95))
    assert [(f.kind, f.epc) for f in found] == [("wrong_shelf", book)]


def test_behind_the_row_is_doubtful(library):
    book = library.on("A-01-3")[2]
    (f,) = find(library, call(library.positions(), [book], "pushed_back", 0.7))
    assert (f.kind, f.epc, f.shelf_id) == ("low_confidence", book, "A-01-3")
    assert "behind" in f.evidence


@pytest.mark.parametrize("status", ["available", "loaned"])
def test_a_book_on_a_trolley_is_neither_misplaced_nor_missing(library, status):
    book = library.on("A-01-3")[2]
    library.change(book, status=status)
    positions = call(library.positions(), [book], "moving", 0.9)
    unplace(positions, book)
    found = find(library, positions)
    if status == "loaned":
        assert found == []
    else:
        assert [(f.kind, f.epc) for f in found] == [("low_confidence", book)]
        assert "trolley" in found[0].evidence


def test_a_strange_tag_that_moves_is_not_listed_and_one_that_stands_is(library):
    library.strangers["E28011AA"] = ("A-01-1", 0.3)
    positions = library.positions()
    assert [f.kind for f in find(library, positions)] == ["unknown_tag"]
    unplace(call(positions, ["E28011AA"], "moving", 0.99), "E28011AA")
    assert find(library, positions) == []


def test_an_unknown_tag_within_a_book_is_perhaps_its_old_one(library):
    library.strangers["30341111"] = ("A-01-1", library.stands[library.on("A-01-1")[4]][1] + 0.003)
    (f,) = find(library, call(library.positions(), ["30341111"], "double", 0.75))
    assert f.kind == "unknown_tag"
    assert "old one" in f.evidence
    (g,) = find(library, library.positions())
    assert "old one" not in g.evidence


def test_without_a_catalogue_nothing_is_said_of_single_books(library):
    book = library.on("A-01-1")[0]
    positions = call(library.positions(), [book], "lying", 0.99)
    assert find_exceptions(positions, library.coverage(), library.plan, Holdings.of([])) == []
