"""The last look before mailing."""

from datetime import timedelta

import pytest

from reports.recheck import recheck
from stacks.ils.items import IlsItem
from tests.reports.nights import FIRST, found

NOW = FIRST + timedelta(hours=5)


def check(finding, item, **more):
    return recheck([finding], lambda _: item, now=NOW, seen=FIRST, **more)


def book(status="available", ago=None):
    return IlsItem("b1", status=status, last_activity=None if ago is None else NOW - ago)


@pytest.mark.parametrize(
    "kind", ["missing", "wrong_shelf", "wrong_order", "low_confidence", "lying", "dead_tag"]
)
def test_a_book_lent_since_goes(kind):
    made = check(found(kind, 1), book("loaned", timedelta(hours=1)))
    assert made.kept == [] and made.asked == 1 and not made.failed
    assert "b1" in made.dropped[0][1] and "loan" in made.dropped[0][1]


def test_a_book_used_in_the_last_days_is_on_its_way():
    assert check(found("missing", 1), book(ago=timedelta(days=2))).dropped[0][1].count("on its way") == 1
    assert check(found("missing", 1), book(ago=timedelta(days=4))).kept
    assert check(found("missing", 1), book(ago=timedelta(days=4)), recent_days=5.0).dropped
    assert check(found("missing", 1), book()).kept


def test_a_misplaced_book_used_since_the_scan_stands_there_no_more():
    assert check(found("wrong_shelf", 1), book(ago=timedelta(hours=2))).dropped
    assert check(found("wrong_shelf", 1), book(ago=timedelta(hours=12))).kept


@pytest.mark.parametrize(
    ("was", "status", "kind"),
    [
        ("wrong_shelf", "missing", "found"),
        ("wrong_shelf", "withdrawn", "on_shelf_status"),
        ("on_shelf_loaned", "lost", "found"),
        ("found", "withdrawn", "on_shelf_status"),
        ("found", "lost", "found"),
        ("on_shelf_loaned", "loaned", "on_shelf_loaned"),
    ],
)
def test_a_status_that_changed_changes_the_kind(was, status, kind):
    made = check(found(was, 1), book(status)).kept[0]
    assert made.kind == kind and made.finding_id == found(was, 1).finding_id
    assert ("now says" in made.evidence) == (was != kind)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("missing", "missing"),
        ("missing", "withdrawn"),
        ("found", "available"),
        ("on_shelf_loaned", "available"),
    ],
)
def test_what_the_library_knows_already_goes(kind, status):
    assert check(found(kind, 1), book(status)).kept == []


def test_lent_out_again_after_the_scan_is_no_finding():
    assert check(found("on_shelf_loaned", 1), book("loaned", timedelta(hours=1))).dropped
    assert check(found("on_shelf_loaned", 1), book("loaned", timedelta(days=9))).kept


def test_an_item_without_a_record():
    assert check(found("missing", 1), None).dropped
    made = check(found("wrong_shelf", 1, belongs="A-01-1"), None).kept[0]
    assert made.kind == "unknown_tag" and made.belongs == ""


def test_data_troubles_stay_whatever_the_status():
    for kind in ("bad_call_number", "duplicate_tag", "unknown_tag"):
        assert check(found(kind, 1), book("loaned")).kept == [found(kind, 1)]


def test_a_system_that_is_down_lets_the_list_go_out_unverified_and_says_so():
    calls = []

    def down(barcode):
        calls.append(barcode)
        raise ConnectionError("koha.example: no answer\nin 10 s")

    lines = [found("missing", n) for n in range(50)]
    made = recheck(lines, down, now=NOW)
    assert made.kept == lines and made.asked == 0 and len(calls) == 3
    assert made.failed.startswith("50 lines were not checked") and "no answer in 10 s" in made.failed


def test_one_failure_costs_one_line_only():
    def ask(barcode):
        if barcode == "b3":
            raise TimeoutError("slow")
        return IlsItem(barcode, status="loaned")

    made = recheck([found("missing", n) for n in range(6)], ask, now=NOW)
    assert [f.barcode for f in made.kept] == ["b3"] and len(made.dropped) == 5
    assert made.failed.startswith("1 line was not checked")


def test_only_so_many_are_asked_and_those_that_a_status_decides_first():
    asked = []

    def ask(barcode):
        asked.append(barcode)
        return IlsItem(barcode)

    lines = [
        found("lying", 0),
        found("wrong_shelf", 1),
        found("missing", 2),
        found("found", 3),
        found("missing", 2),
    ]
    made = recheck(lines, ask, now=NOW, most=2)
    assert sorted(asked) == ["b2", "b3"]
    assert [f.kind for f in made.kept] == ["lying", "wrong_shelf", "missing", "missing"]
    assert made.failed.startswith("2 lines were not checked")


def test_what_has_no_barcode_is_not_asked_for():
    from reports.findings import Finding

    zone = Finding("zone_not_scanned", "fz", shelf_id="A-01-1")
    made = recheck([zone], lambda _: pytest.fail("asked"), now=NOW)
    assert made.kept == [zone] and not made.failed
