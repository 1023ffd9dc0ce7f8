"""The morning's list: what is on it, what waits, and in which order it is walked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reports.case import Case
from reports.findings import Finding
from reports.pace import Pace
from reports.places import Places
from reports.worklist import make_worklist
from stacks.holdings import Holdings
from tests.reports.conftest import make_plan
from tests.reports.nights import FIRST, found, holding

PLAN = make_plan(bays=6, faces=("A", "B", "C"))


def case(kind, n, shelf="A-01-1", at=0.4, p=0.95, **more):
    case_of = {k: more.pop(k) for k in list(more) if k in Case.__dataclass_fields__}
    made = Case(
        found(kind, n, shelf, at, p, **more),
        "open",
        FIRST,
        "run1",
        FIRST,
        "run1",
        confidence=p,
        nights=3,
        silent=3,
    )
    return replace(made, **case_of)


def listed(cases, minutes, books=(), **more):
    return make_worklist(cases, PLAN, Holdings.of(books), minutes=minutes, **more)


def barcodes(w):
    return [f.barcode for f in w.findings]


def many(n=300):
    shelves = [s.id for s in PLAN.walking_order]
    return [
        case(
            "wrong_shelf",
            i,
            shelves[i * 7 % len(shelves)],
            None,
            belongs_shelf_id=shelves[i * 11 % len(shelves)],
        )
        for i in range(n)
    ]


def test_without_minutes_everything_is_listed_in_walking_order():
    w = listed(many(60), None)
    order = Places.of(PLAN).index
    at = [order[f.shelf_id] for f in w.findings]
    assert len(at) == 60 and at == sorted(at) and w.backlog == {}


@pytest.mark.parametrize("minutes", [0, 5, 20, 60])
def test_the_list_fits_the_minutes_and_the_rest_is_counted(minutes):
    w = listed(many(), minutes)
    assert w.minutes <= minutes + 1e-6
    assert len(w.findings) + w.backlog.get("wrong_shelf", 0) == 300
    if minutes:
        assert w.minutes > 0.8 * minutes


def test_more_minutes_make_a_longer_list():
    lengths = [len(listed(many(), m).findings) for m in (5, 20, 60, None)]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1] == 300


def test_a_book_that_readers_wait_for_comes_first():
    books = [holding(n, requests="2" if n == 17 else "0") for n in range(300)]
    assert "b17" in barcodes(listed(many(), 4, books))
    used = [
        holding(n, last_activity=(FIRST - timedelta(days=3)).isoformat() if n == 17 else "")
        for n in range(300)
    ]
    same = [case("wrong_shelf", n, belongs_shelf_id="B-01-1") for n in range(300)]
    assert "b17" in barcodes(listed(same, 3, used))


def test_two_books_out_of_order_matter_less_than_one_in_another_bookcase():
    near = [case("wrong_order", n, belongs_shelf_id="A-01-1", belongs_m=0.43) for n in range(9)]
    far = [case("wrong_shelf", 10 + n, belongs_shelf_id="C-04-2", belongs_m=3.0) for n in range(2)]
    assert {"b10", "b11"} <= set(barcodes(listed([*near, *far], 4)))


def test_the_surer_line_is_chosen():
    doubtful = [case("wrong_shelf", n, p=0.5, belongs_shelf_id="A-01-2") for n in range(20)]
    sure = [case("wrong_shelf", 20 + n, p=0.99, belongs_shelf_id="A-01-2") for n in range(3)]
    assert set(barcodes(listed([*doubtful, *sure], 4))) >= {"b20", "b21", "b22"}


def test_books_moved_together_are_listed_together():
    block = [case("wrong_shelf", n, move_id="m1", belongs_shelf_id="B-02-2") for n in range(8)]
    w = listed([*block, *many()[20:]], 3)
    chosen = {f.barcode for f in w.findings if f.move_id}
    assert chosen == {f"b{n}" for n in range(8)}
    apart = listed([replace(c, finding=replace(c.finding, move_id="")) for c in block], None)
    assert listed(block, None).minutes < 0.5 * apart.minutes


def test_what_is_perhaps_missing_waits_for_a_night_unless_a_reader_waits_for_it():
    cases = [
        case("missing", 1, nights=1, silent=1),
        case("missing", 2, nights=1, silent=1),
        case("missing", 3),
    ]
    books = [holding(1), holding(2, requests="1"), holding(3)]
    w = listed(cases, 30, books)
    assert set(barcodes(w)) == {"b2", "b3"}
    assert [f.barcode for f in w.waiting] == ["b1"] and w.backlog == {"missing": 1}
    told = {f.barcode: f.evidence for f in w.findings}
    assert "a reader waits for it: look today" in told["b2"] and "Perhaps" not in told["b3"]
    assert w.perhaps == frozenset()
    everything = listed(cases, None, books)
    assert len(everything.findings) == 3
    assert everything.minutes == listed(cases[1:], None, books).minutes, "it is no errand"
    assert everything.perhaps == {f.finding_id for f in everything.findings if f.barcode == "b1"}


def test_nothing_waits_for_ever():
    """Every morning there is more that is worth more; the small old thing is listed all the same."""
    old = case("bad_call_number", 999, "C-06-1")
    for day in range(1, 120):
        now = FIRST + timedelta(days=day)
        new = [
            case("wrong_shelf", n, seen_at=now, opened_at=now, belongs_shelf_id="B-01-1", nights=1)
            for n in range(60)
        ]
        if "b999" in barcodes(listed([replace(old, seen_at=now), *new], 10)):
            break
    else:
        pytest.fail("never listed")
    shown = replace(old, mailed_at=now, seen_at=now)
    assert "b999" not in barcodes(listed([shown, *new], 10))


def test_recipients_get_their_floors_and_kinds():
    cases = [case("wrong_shelf", 1), case("missing", 2), case("unknown_tag", 3)]
    assert barcodes(listed(cases, None, kinds=["missing"])) == ["b2"]
    assert listed(cases, None, floors=["9"]).findings == ()
    assert len(listed(cases, None, floors=["1"]).findings) == 3


def test_quiet_and_resolved_cases_are_not_lines():
    cases = [
        case("low_confidence", 1, quiet=True),
        case("dead_tag", 2, quiet=True),
        case("missing", 3, state="resolved"),
    ]
    w = listed(cases, None)
    assert w.findings == () and w.quiet == {"low_confidence": 1, "dead_tag": 1} and w.backlog == {}


def test_known_lines_know_since_when_and_zones_come_along():
    zone = Finding("zone_not_scanned", "fz", shelf_id="B-01-1", offset_m=0.0, confidence=0.99)
    later = FIRST + timedelta(days=4)
    cases = [
        case("wrong_shelf", 1, seen_at=later, seen_run="run5"),
        case("wrong_shelf", 2, opened_run="run5"),
    ]
    w = listed(cases, 30, zones=[zone])
    assert w.first_seen == {cases[0].id: FIRST}
    assert zone in w.findings and len(w.findings) == 3


def test_lines_below_what_is_mailed_are_left_to_the_backlog():
    cases = [case("wrong_order", 1, p=0.85), case("wrong_order", 2, p=0.97)]
    w = listed(cases, 30, mail_from={"wrong_order": 0.9})
    assert barcodes(w) == ["b2"] and w.backlog == {"wrong_order": 1}


def test_a_case_without_a_place_and_a_library_without_a_plan_have_lists():
    cases = [case("unknown_tag", 1, shelf="", at=None), case("wrong_shelf", 2)]
    assert len(make_worklist(cases, None, None, minutes=10).findings) == 2
    assert len(listed(cases, 10).findings) == 2
    assert make_worklist([], PLAN, None, minutes=10).findings == ()


@pytest.mark.parametrize("minutes", [3, 30, 500])
def test_without_a_plan_the_list_still_fits_the_minutes(minutes):
    many_cases = [case("wrong_shelf", n, belongs_shelf_id="B-01-1") for n in range(60)]
    for plan in (None, replace(PLAN, floors=())):
        w = make_worklist(many_cases, plan, None, minutes=minutes)
        assert len(w.findings) == min(60, int(minutes / 1.05))
        assert w.minutes <= minutes
        assert len(w.findings) + sum(w.backlog.values()) == 60


def test_a_slower_pace_makes_a_shorter_list():
    quick = listed(many(), 20, pace=Pace(walk_mps=1.2))
    slow = listed(many(), 20, pace=Pace(walk_mps=0.05))
    assert len(slow.findings) < len(quick.findings)
    with pytest.raises(ValueError, match="walk_mps"):
        Pace(walk_mps=0.0)
