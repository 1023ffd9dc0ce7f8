"""Shelf ranges from tables, what is wrong with them, and what a scan says of them."""

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.holdings import Holding, Holdings
from stacks.imports import Heard, apply_ranges, check_ranges, learn_ranges, read_ranges
from stacks.imports.range_file import next_version
from stacks.plan import Plan, PlanError

TABLE = "Shelf;Start call number;Order\ns0;QA 1;10\ns1;QA 20;20\ns2;QA 40;30\n"


def plan(n=4, *, numbered=False, **more):
    shelves = [
        {
            "id": f"s{i}",
            "bay": f"{i}",
            "level": 1,
            "from_m": i * 0.9,
            "to_m": (i + 1) * 0.9,
            "board_z_m": 0.1,
            "clear_m": 0.3,
        }
        | ({"sequence": i + 1} if numbered else {})
        | more.get(f"s{i}", {})
        for i in range(n)
    ]
    face = {
        "id": "A",
        "origin_m": [0, 0],
        "direction_deg": 0,
        "normal_deg": 270,
        "length_m": 100.0,
        "tag_depth_m": 0.05,
        "shelves": shelves,
    }
    return Plan.from_json(
        {
            "format": "nightstack-plan/1",
            "site": "x",
            "version": 4,
            "floors": [{"id": "1", "faces": [face]}],
            "kept": 1,
        }
    )


def books(*rows):
    return Holdings.of(
        Holding(f"b{i}", f"E2{i:06X}", call, scheme, "t", home, "available")
        for i, (call, scheme, home) in enumerate(rows)
    )


def kinds(found):
    return [(p.kind, p.shelf_id) for p in found.problems]


def write(path, text):
    path.write_text(text)
    return path


def test_a_table_becomes_the_plans_ranges(tmp_path):
    rows = read_ranges(write(tmp_path / "r.csv", TABLE))
    made, notes = apply_ranges(plan(), rows)
    assert [(s.range_start, s.sequence) for s in made.shelves] == [
        ("QA 1", 10),
        ("QA 20", 20),
        ("QA 40", 30),
        (None, None),
    ]
    assert made.version == 5 and made.extra == {"kept": 1} and notes == []
    assert Plan.from_json(made.to_json()) == made
    assert any("range_start = 'Start call number'" in note for note in rows.notes)


def test_a_workbook_with_locations(tmp_path):
    book = openpyxl.Workbook()
    for row in (
        ["架位号", "起始索书号", "馆藏地", "顺序号"],
        ["s0", "QA 1", "main", 1],
        ["s1", "QA 1", "annex", 2],
    ):
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    made, _ = apply_ranges(plan(), read_ranges(tmp_path / "r.xlsx"))
    assert [s.extra.get("location") for s in made.shelves] == ["main", "annex", None, None]
    assert kinds(check_ranges(made, "lcc")) == []  # the same start in two locations is no trouble


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("shelf_id,range_start\ns9,QA 1\n", r"row 1 \(line 2\): shelf 's9' is not in the plan"),
        ("shelf_id,range_start\ns0,QA 1\ns0,QA 2\n", r"row 2 \(line 3\): shelf 's0' is there twice"),
        ("shelf_id,range_start,sequence\ns0,QA 1,x\n", "sequence 'x' is no whole number"),
        ("shelf_id,range_start,sequence\ns0,QA 1,1\ns1,QA 2,1\n", "would both have the sequence 1"),
        ("shelf_id,range_start\n,QA 1\n", "has no shelf_id"),
        ("a,b\n1,2\n", "no column looks like shelf_id"),
        ("shelf_id,range_start\n", "has no row"),
        ("shelf_id,range_start\ns0\n", "has 1 field where"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, text, what):
    with pytest.raises(PlanError, match=what):
        apply_ranges(plan(), read_ranges(write(tmp_path / "r.csv", text)))


def test_versions_go_on():
    assert [next_version(v) for v in (1, "2026-09", "spring", "v9b")] == [2, "2026-10", "spring.2", "v10b"]


def test_starts_that_cannot_be_read_or_contradict_the_sequence():
    made = plan(
        numbered=True,
        s0={"range_start": "QA 1"},
        s1={"range_start": "ZA 1"},
        s2={"range_start": "QA 20"},
        s3={"range_start": "??"},
    )
    assert kinds(check_ranges(made, "lcc")) == [("unreadable_start", "s3"), ("sequence", "s1")]


def test_ends_overlap_strictly_and_may_touch_loosely(tmp_path):
    table = "shelf_id,range_start,range_end\ns0,QA 1,QA 30\ns1,QA 20,QA 40\ns2,QA 40,QA 39\ns3,QA 40,\n"
    rows = read_ranges(write(tmp_path / "r.csv", table))
    made, _ = apply_ranges(plan(), rows)
    assert sorted(kinds(check_ranges(made, "lcc", rows=rows))) == [
        ("overlap", "s0"), ("overlap", "s1"), ("overlap", "s2"), ("touch", "s3"),
    ]  # fmt: skip
    assert sorted(kinds(check_ranges(made, "lcc", rows=rows, loose=True))) == [
        ("overlap", "s0"),
        ("overlap", "s2"),
    ]


def test_books_before_the_first_start_elsewhere_and_too_many():
    made = plan(numbered=True, s0={"range_start": "QA 10"}, s1={"range_start": "QA 20"})
    thick = [(f"QA 11 .A{i}", "lcc", "") for i in range(200)]
    found = check_ranges(
        made, "lcc", books(("QA 1", "lcc", ""), ("QA 2", "lcc", ""), *thick, ("813 A", "ddc", ""))
    )
    assert kinds(found) == [("before_first", ""), ("too_full", "s0"), ("empty", "s1")]
    assert "2 books" in found.problems[0].said and "4.5 mm each on 0.90 m" in found.problems[1].said
    here = plan(numbered=True, s0={"range_start": "QA 1", "location": "main"})
    found = check_ranges(here, "lcc", books(("QA 5", "lcc", "main"), ("QA 5", "lcc", "annex")))
    assert kinds(found) == [("no_shelf", "")] and "'annex'" in found.problems[0].said


def scan(n_shelves, per_shelf, wrong=(), gone=()):
    """Books in order on shelves; `wrong` moves book i to a shelf, `gone` are not heard."""
    count = n_shelves * per_shelf
    holdings = books(*((f"QA {i + 1}", "lcc", "") for i in range(count)))
    shelf = {i: i // per_shelf for i in range(count)} | dict(wrong)
    heard = [i for i in range(count) if i not in gone]
    epc = np.array([holdings.rows[i].epc for i in heard], object)
    return holdings, Heard(epc, np.array([f"s{shelf[i]}" for i in heard], object))


def test_misshelved_books_do_not_move_a_learned_range():
    true = plan(6, numbered=True, **{f"s{i}": {"range_start": f"QA {i * 10 + 1}"} for i in range(6)})
    holdings, heard = scan(6, 10, wrong={3: 5, 55: 0, 20: 4, 31: 1, 44: 2}, gone={40})
    kept = learn_ranges(true, holdings, heard, scheme="lcc")
    assert [s.start for s in kept.shelves] == ["QA 1", "QA 11", "QA 21", "QA 31", "QA 41", "QA 51"]
    assert {s.apart for s in kept.shelves} == {0} and kept.apply(true) == true
    found = learn_ranges(plan(6, numbered=True), holdings, heard, scheme="lcc")
    assert [s.start for s in found.shelves] == ["QA 1", "QA 11", "QA 22", "QA 31", "QA 42", "QA 51"]
    assert found.shelves[4].between == 1 and not any(s.doubts for s in found.shelves)
    assert found.apply(plan(6, numbered=True)).shelves[1].range_start == "QA 11"
    assert "shelves in the plan's sequence" in found.notes[0]


def test_books_that_are_lent_move_no_start():
    """The first book of each shelf is lent: the plan stays, and the first shelf starts no later than before."""
    true = plan(4, numbered=True, **{f"s{i}": {"range_start": f"QA {i * 10 + 1}"} for i in range(4)})
    holdings, heard = scan(4, 10, gone={0, 10, 20, 30})
    assert learn_ranges(true, holdings, heard, scheme="lcc").apply(true) == true
    made = learn_ranges(plan(4, numbered=True), holdings, heard, scheme="lcc").apply(plan(4, numbered=True))
    assert made.shelves[0].range_start == "QA 1"
    assert "before_first" not in [kind for kind, _ in kinds(check_ranges(made, "lcc", holdings))]
    # A start behind books that were seen on the shelf, or before some of the one in front, does not stay.
    moved = plan(
        4, numbered=True, **{f"s{i}": {"range_start": f"QA {i * 10 + 4 - 6 * (i % 2)}"} for i in range(4)}
    )
    starts = [s.start for s in learn_ranges(moved, holdings, heard, scheme="lcc").shelves]
    assert starts == ["QA 1", "QA 12", "QA 22", "QA 32"]


def test_few_books_and_disorder_are_uncertain_and_not_written_unasked():
    holdings, heard = scan(3, 10, wrong=dict.fromkeys(range(5), 2), gone=set(range(12, 20)))
    found = learn_ranges(plan(3, numbered=True), holdings, heard, scheme="lcc")
    by = {s.shelf_id: s for s in found.shelves}
    assert by["s1"].doubts == ("only 2 of its books in order",)
    assert by["s2"].doubts == ("5 of 15 books out of order",)
    assert by["s0"].start == "QA 1" and not by["s0"].doubts
    assert [s.range_start for s in found.apply(plan(3)).shelves] == ["QA 1", None, None]
    assert [s.range_start for s in found.apply(plan(3), uncertain=True).shelves] == ["QA 1", "QA 11", "QA 21"]


def test_walking_order_is_said_to_be_a_guess():
    holdings, heard = scan(3, 10)
    found = learn_ranges(plan(3), holdings, heard, scheme="lcc")
    assert "which is a guess" in found.notes[0]
    assert [s.start for s in found.shelves] == ["QA 1", "QA 11", "QA 21"]


@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.12))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_learned_starts_stay_near_the_truth(seed, share):
    rng = np.random.default_rng(seed)
    n = 12 * 25
    moved = rng.choice(n, int(share * n), replace=False)
    holdings, heard = scan(12, 25, wrong={int(i): int(rng.integers(12)) for i in moved})
    true = plan(12, numbered=True, **{f"s{i}": {"range_start": f"QA {i * 25 + 1}"} for i in range(12)})
    found = learn_ranges(true, holdings, heard, scheme="lcc")
    # A start moves where its own first books were the ones taken away, or one from next door fits in.
    assert sum(abs(s.apart) > 2 for s in found.shelves) <= 1
