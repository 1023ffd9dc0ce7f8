"""A library's days: what is where, what its system says of it, and what staff put right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from recording import read_recording
from sim.library_folder import truth_of
from sim.library_life import GONE, LENT, SHELF, TABLE, TROLLEY, Habits, LibraryLife
from sim.order import movable, standing
from sim.radio import Radio
from sim.record import record

QUIET = Habits(
    misplaced_near=0.0, misplaced_far=0.0, gone=0.0, not_checked_in=0.0, strangers=0.0, trouble=0.0
)


@pytest.fixture
def life():
    return LibraryLife(800, seed=5)


def whole(life):
    """Every copy is on one shelf or on none, as `where` says."""
    shelved = [c for row in life.rows for c in row]
    assert len(shelved) == len(set(shelved))
    assert sorted(shelved) == np.flatnonzero(life.where == SHELF).tolist()


def test_a_neglected_library_begins_as_asked(life):
    kinds = Counter(p.kind for p in life.library().planted)
    assert kinds["missing"] == 40 and kinds["wrong_shelf"] == 44
    assert abs(kinds["wrong_order"] - 44) <= 3 and kinds["dead_tag"] == 2
    assert int(np.sum(life.where == LENT)) == 64
    whole(life)


def test_days_keep_every_book_somewhere_and_make_as_much_trouble_as_asked():
    life = LibraryLife(800, seed=5, habits=replace(QUIET, trouble=0.001))
    for _ in range(60):
        life.check_in_early()
        life.pass_day()
        whole(life)
    # 0.8 a day; lending puts some of what was misplaced right.
    assert 20 < len(life.wrong_shelf()) + len(life.wrong_order()) + int(np.sum(life.where == GONE)) < 62
    assert 5 < int(np.sum(life.where == GONE)) < 28
    assert 30 < int(np.sum(life.where == LENT)) < 110


def test_the_system_lags_behind_as_in_life():
    life = LibraryLife(1500, seed=3, habits=replace(QUIET, in_house=0.02, loans=0.02, loan_days=3.0))
    seen = Counter()
    for _ in range(12):
        before = dict(enumerate(life.activity))
        life.pass_day()
        for c in range(life.books):
            item = life.item(life.barcodes[c])
            if life.where[c] == TABLE:
                seen["table"] += 1
                assert item.status == "available" and item.last_activity == before[c]
            elif life.where[c] == TROLLEY:
                seen["trolley"] += 1
                assert item.status == "available" and item.last_activity > before[c]
            elif life.where[c] == LENT:
                seen["lent"] += 1
                assert item.status == "loaned"
        assert life.holdings().by_barcode[life.barcodes[7]].status == life.status[7]
    assert min(seen["table"], seen["trolley"], seen["lent"]) > 20
    assert life.item("nothing") is None


def test_books_come_back_to_their_place():
    life = LibraryLife(600, seed=8, habits=QUIET)
    for _ in range(30):
        life.check_in_early()
        life.pass_day()
    assert not life.wrong_shelf() and not life.wrong_order()


def test_staff_put_every_book_right(life):
    for c in sorted(life.wrong_order()):
        before = len(life.wrong_order())
        assert life.put_right(c) and len(life.wrong_order()) < before
    for c in sorted(life.wrong_shelf()):
        assert life.put_right(c) and not life.put_right(c)
    assert not life.wrong_shelf() and not life.wrong_order()
    whole(life)
    dead = next(c for c in range(life.books) if life.dead[c])
    old = life.epcs[dead]
    life.retag(dead)
    assert life.holdings().by_barcode[life.barcodes[dead]].epc not in ("", old)
    gone = next(c for c in range(life.books) if life.where[c] == GONE)
    life.mark_missing(gone, life.morning)
    assert life.item(life.barcodes[gone]).status == "missing"
    assert life.barcodes[gone] not in {p.barcode for p in life.library().planted}


def test_dead_tags_are_there_and_never_heard(tmp_path):
    life = LibraryLife(150, seed=2, habits=Habits(dead=0.05))
    library = life.library()
    dead = {p.epc for p in library.planted if p.kind == "dead_tag"}
    truth = truth_of(library)
    assert len(dead) >= 6 and dead <= set(truth.epc[truth.present])
    heard = set(read_recording(record(library, tmp_path / "night", 1, 0.2)).readings.tags)
    assert not dead & heard
    assert len(heard) > 0.95 * (int(truth.present.sum()) - len(dead))


def test_a_tag_stays_what_it_is_when_its_book_is_moved():
    life = LibraryLife(300, seed=4)
    one = Radio(life.library())
    told = dict(zip(one.tags, one.tag_radio.sensitivity_dbm.tolist(), strict=True))
    phase = dict(zip(one.tags, one.tag_radio.phase_rad.tolist(), strict=True))
    for c in sorted(life.wrong_shelf()):
        life.put_right(c)
    for _ in range(3):
        life.pass_day()
    other = Radio(life.library())
    both = [(n, e) for n, e in enumerate(other.tags) if e in told]
    assert len(both) > 200 and other.tags != one.tags
    for n, epc in both:
        assert other.tag_radio.sensitivity_dbm[n] == told[epc] and other.tag_radio.phase_rad[n] == phase[epc]


def test_the_fewest_moves_by_hand():
    assert standing([1, 2, 9, 3, 4], [1] * 5) == [True, True, False, True, True]
    assert standing([2, 1], [0.9, 1.0]) == [False, True]
    assert movable([1, 2, 9, 3, 4]) == {9}
    assert movable([2, 1, 3]) == {1, 2}
    assert movable([1, 2, 3]) == set() == movable([])
