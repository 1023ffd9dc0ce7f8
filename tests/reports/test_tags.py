"""What a tag's number, its security bit and its record say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reports import find_exceptions
from reports.night import judge_night
from stacks.tag_data.blank import blank

BLANK = {
    "0" * 24: "zeros",
    "F" * 24: "ones",
    "AAAA" * 6: "repeats",
    "01234567" * 3: "repeats",
    "E28011700000020A7C5B3D11": "factory",
    "E2003412013502000D4A9C21": "factory",
    "E28068940000501C8B2F6A77": "factory",
}


@pytest.mark.parametrize(("epc", "why"), BLANK.items())
def test_a_tag_nobody_programmed_is_blank(library, epc, why):
    assert blank(epc) == why
    library.strangers[epc] = ("A-01-3", 0.4)
    (line,) = library.findings()
    assert (line.kind, line.epc, line.shelf_id) == ("blank_tag", epc, "A-01-3")
    assert line.evidence.startswith("Never programmed: it ")


@pytest.mark.parametrize(
    "epc",
    [
        "3034257BF7194E4000001A85",
        "E28ABF1C22D04A5500000001",
        "E004015012345678",
        "ABCD",
        "30" + "0" * 21 + "7",
    ],
)
def test_a_number_somebody_gave_is_unknown_and_not_blank(library, epc):
    assert blank(epc) == ""
    library.strangers[epc] = ("A-01-3", 0.4)
    assert [f.kind for f in library.findings()] == ["unknown_tag"]


def test_a_blank_looking_number_that_is_in_the_catalogue_is_a_book(library):
    epc = library.on("A-01-1")[3]
    library.stands["0" * 24] = library.stands.pop(epc)
    library.change(epc, epc="0" * 24)
    assert library.findings() == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        ("loaned", "on_shelf_loaned", "Check it in"),
        ("on_hold", "on_shelf_status", "hold shelf"),
        ("in_transit", "on_shelf_status", "on its way"),
        ("in_process", "on_shelf_status", "work room"),
        ("claimed_returned", "on_shelf_status", "clear the claim"),
        ("withdrawn", "on_shelf_status", "weeded"),
        ("missing", "found", "Check it in"),
        ("lost", "found", "billed"),
    ],
)
def test_each_status_says_what_to_do(library, status, kind, words):
    epc = library.on("A-01-1")[3]
    library.set_status(epc, status)
    (line,) = library.findings()
    assert (line.kind, line.epc) == (kind, epc)
    assert words in line.evidence


def test_security_is_only_spoken_of_where_somebody_read_it(
    library,
):
    off, lent, on = (library.on(s)[3] for s in ("A-01-1", "A-01-2", "A-01-3"))
    library.set_status(lent, "loaned")
    library.stands.pop(lent)

    def found(security):
        parts = library.positions(), library.coverage(), library.plan, library.holdings()
        return judge_night("r", datetime(2026, 1, 1, tzinfo=UTC), *parts, security=security).findings

    assert found(None) == []
    (line,) = found({off: False, on: True, lent: False})
    assert (line.kind, line.epc, line.shelf_id) == ("security_off", off, "A-01-1")


def test_two_tags_with_one_barcode_are_said_at_both_places(library):
    one, other = library.on("A-01-1")[3], library.on("A-03-1")[3]
    barcode = next(h.barcode for h in library.rows if h.epc == one)
    library.change(other, barcode=barcode)
    twice = [f for f in library.findings() if f.kind == "duplicate_tag"]
    assert sorted(f.epc for f in twice) == sorted([one, other])
    assert {f.shelf_id for f in twice} == {"A-01-1", "A-03-1"}
    assert len({f.finding_id for f in twice}) == 2


def test_one_number_heard_at_two_places_is_said_at_both(library):
    epc = library.on("A-01-1")[3]
    twin = "30" + "0" * 21 + "9"
    library.strangers[twin] = ("A-03-2", 2.2)
    positions = library.positions()
    positions.epc[positions.epc.tolist().index(twin)] = epc
    found = find_exceptions(positions, library.coverage(), library.plan, library.holdings())
    twice = [f for f in found if f.kind == "duplicate_tag"]
    assert [f.shelf_id for f in twice] == ["A-01-1", "A-03-2"]
    assert all(f.epc == epc and "two places 2." in f.evidence for f in twice)
