"""Books not heard: missing, in a zone that was not scanned, or in one too poorly heard to say."""

from __future__ import annotations

import numpy as np

from reports import find_exceptions
from tests.reports.kinds import by_kind, only


def test_perfect_order_is_silent(library):
    assert library.findings() == []


def test_one_missing_book(library):
    gone = library.on("A-02-3")[5]
    left, right = library.on("A-02-3")[4], library.on("A-02-3")[6]
    calls = {h.epc: h.call_number for h in library.rows}
    del library.stands[gone]
    (f,) = only(library.findings(), "missing")
    assert f.epc == gone
    assert f.shelf_id == "A-02-3"
    assert f.belongs == f"A-02-3, between {calls[left]} and {calls[right]}"
    assert library.at(left)[1] < f.offset_m < library.at(right)[1]
    assert 0.5 <= f.confidence < 1.0


def test_loaned_book_off_the_shelf_is_not_missing(library):
    gone = library.on("A-02-3")[5]
    del library.stands[gone]
    library.set_status(gone, "loaned")
    assert library.findings() == []


def test_a_book_without_a_tag_is_never_missing(library):
    gone = library.on("A-02-3")[5]
    del library.stands[gone]
    library.change(gone, epc="")
    assert library.findings() == []


def test_silent_book_in_a_poorly_heard_place_is_not_called_missing(library):
    gone = library.on("A-02-3")[5]
    x = library.at(gone)[1]
    del library.stands[gone]
    library.p_heard = {("A-02-3", x - 0.3, x + 0.3): 0.8}
    assert [f for f in library.findings() if f.kind == "missing"] == []


def test_weak_neighbours_make_silence_weaker_evidence(library):
    gone = library.on("A-02-3")[5]
    del library.stands[gone]
    sure = library.findings()[0].confidence
    library.readings = dict.fromkeys(library.on("A-02-3"), 2)
    assert all(f.confidence < sure for f in library.findings() if f.kind == "missing")
    assert "missing" not in by_kind(library.findings())


def test_zone_that_was_not_scanned(library):
    silent = library.on("A-02-1") + library.on("A-02-2")
    for epc in silent:
        del library.stands[epc]
    library.p_heard = {("A-02-1", 0.9, 1.8): 0.05, ("A-02-2", 0.9, 1.8): 0.05}
    (f,) = only(library.findings(), "zone_not_scanned")
    assert "bay 2, levels 1 and 2" in f.evidence
    assert "24 books" in f.evidence
    assert (f.shelf_id, f.offset_m) == ("A-02-2", 0.9)


def test_part_of_a_shelf_that_was_not_scanned(library):
    library.p_heard = {("A-03-2", 1.8, 2.1): 0.2}
    (f,) = only(library.findings(), "zone_not_scanned")
    assert "0 to 30 cm" in f.evidence
    assert f.shelf_id == "A-03-2"


def test_a_zone_is_told_within_its_shelf(library):
    coverage = library.coverage()
    coverage.from_m[:] -= 0.02
    coverage.to_m[:] -= 0.02
    low = (coverage.shelf_id == "A-03-2") & (coverage.to_m < 2.1)
    coverage.p_heard[low] = 0.2
    found = find_exceptions(library.positions(), coverage, library.plan, library.holdings())
    (f,) = only(found, "zone_not_scanned")
    assert "level 2, 0 to 28 cm from its left end" in f.evidence


def test_a_face_out_of_reach_is_one_zone(build):
    world = build(faces=("A", "B"))
    for shelf in [s.id for s in world.plan.face("B").shelves]:
        for epc in world.on(shelf):
            del world.stands[epc]
        world.p_heard[shelf, 0.0, 99.0] = 0.0
    (f,) = only(world.findings(), "zone_not_scanned")
    assert "Face B, all of it" in f.evidence
    assert "144 books" in f.evidence
    assert world.findings(scanned=["A"]) == []


def test_no_coverage_means_nothing_is_missing(library):
    del library.stands[library.on("A-02-3")[5]]
    found = find_exceptions(library.positions(), None, library.plan, library.holdings())
    only(found, "zone_not_scanned")


def test_a_shelf_silent_as_a_whole_is_doubted_and_its_books_not_called_missing(library):
    for epc in library.on("A-01-2"):
        del library.stands[epc]
    (f,) = only(library.findings(), "zone_not_scanned")
    assert f.shelf_id == "A-01-2"
    assert "12 of 12" in f.evidence


def test_readings_that_come_in_pairs_are_counted_in_pairs(build):
    """Of tags answered twice in passing, those heard twice were heard once: more of them were not heard at all."""

    def confidence(seldom, usual):
        world = build(bays=6, per_shelf=30)
        epcs = sorted(world.stands)
        rng = np.random.default_rng(1)
        world.readings = {e: seldom if rng.random() < 0.06 else int(rng.choice(usual)) for e in epcs}
        gone = world.on("A-02-2")[7]
        del world.stands[gone]
        world.p_heard = {(s.id, 0.0, 99.0): 0.96 for s in world.plan.face("A").shelves}
        return next((f.confidence for f in world.findings() if f.epc == gone and f.kind == "missing"), 0.0)

    assert confidence(2, [12, 14, 16]) < confidence(3, [12, 13, 14, 15]) - 0.1
