"""A call number's home shelf follows from where each shelf starts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.call_numbers import ShelfRanges, sort_key
from stacks.plan import Plan


def plan(*shelves: dict[str, object]) -> Plan:
    made = [
        {
            "id": f"s{i}",
            "bay": f"{i}",
            "level": 1,
            "from_m": i * 0.9,
            "to_m": (i + 1) * 0.9,
            "board_z_m": 0.1,
            "clear_m": 0.3,
        }
        | shelf
        for i, shelf in enumerate(shelves)
    ]
    face = {
        "id": "A",
        "origin_m": [0, 0],
        "direction_deg": 0,
        "normal_deg": 270,
        "length_m": 100.0,
        "tag_depth_m": 0.05,
    }
    floor = {"id": "1", "faces": [face | {"shelves": made}]}
    return Plan.from_json({"format": "nightstack-plan/1", "site": "x", "version": 1, "floors": [floor]})


def test_a_range_ends_before_the_next_start() -> None:
    ranges = ShelfRanges(
        plan({"range_start": "QA 1"}, {"range_start": "QA 76 .B3"}, {"range_start": "QC 1"}), "lcc"
    )
    assert [s.id for s in ranges.shelves] == ["s0", "s1", "s2"]
    homes = {
        "QA 1": "s0",
        "QA 76 .B29": "s0",
        "QA 76 .B3": "s1",
        "QA 76 .B3 1990": "s1",
        "QB 500": "s1",
        "QC 1": "s2",
        "Z 9": "s2",
    }
    found = {call: ranges.home(call) for call in homes}
    assert {call: shelf and shelf.id for call, shelf in found.items()} == homes
    assert ranges.home("B 1") is None
    assert ranges.home("no call number") is None
    assert ranges.range_of("s0") == (sort_key("lcc", "QA 1"), sort_key("lcc", "QA 76 .B3"))
    assert ranges.range_of("s2")[1] is None


def test_sequence_orders_shelves_and_call_numbers_do_where_there_is_none() -> None:
    starts = ["QC 1", "QA 1", "QB 1"]
    loose = ShelfRanges(plan(*[{"range_start": s} for s in starts]), "lcc")
    assert [s.id for s in loose.shelves] == ["s1", "s2", "s0"]
    numbered = ShelfRanges(
        plan(*[{"range_start": s, "sequence": n} for s, n in zip(starts, [30, 10, 20], strict=True)]), "lcc"
    )
    assert [s.id for s in numbered.shelves] == ["s1", "s2", "s0"]
    assert numbered.problems == ()


def test_one_start_against_the_sequence_is_named_and_takes_no_other_with_it() -> None:
    starts = ["QA 1", "ZA 1", "QA 20", "QA 30"]
    ranges = ShelfRanges(plan(*[{"range_start": s, "sequence": n} for n, s in enumerate(starts)]), "lcc")
    assert [s.id for s in ranges.shelves] == ["s0", "s2", "s3"]
    assert len(ranges.problems) == 1
    assert "'s1'" in ranges.problems[0]
    home = ranges.home("QA 25")
    assert home is not None and home.id == "s2"


def test_shelves_of_another_scheme_have_no_part_in_it() -> None:
    both = plan({"range_start": "QA 1"}, {"range_start": "813.54 A"}, {"range_start": "QB 1"})
    assert [s.id for s in ShelfRanges(both, "lcc").shelves] == ["s0", "s2"]
    assert [s.id for s in ShelfRanges(both, "ddc").shelves] == ["s1"]
    assert [s.id for s in ShelfRanges(both, "ddc").unreadable] == ["s0", "s2"]


def test_a_shelf_without_a_start_carries_the_range_on() -> None:
    shelves = [{"range_start": "QA 1"}, {}, {}, {"range_start": "QB 1"}]
    ranges = ShelfRanges(plan(*[s | {"sequence": n} for n, s in enumerate(shelves)]), "lcc")
    assert [s.id for s in ranges.homes("QA 5")] == ["s0", "s1", "s2"]
    assert [s.id for s in ranges.homes("QB 5")] == ["s3"]
    assert ranges.homes("A 1") == ()


def test_a_location_of_its_own_has_ranges_of_its_own() -> None:
    both = plan(
        {"range_start": "QA 1", "location": "main"},
        {"range_start": "QA 50", "location": "annex"},
        {"range_start": "QB 1", "location": "main"},
    )
    home = ShelfRanges(both, "lcc", "main").home("QA 60")
    assert home is not None and home.id == "s0"


@given(starts=st.lists(st.integers(1, 300), min_size=1, max_size=12, unique=True), asked=st.integers(1, 320))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_home_is_the_last_shelf_that_starts_at_or_before(starts: list[int], asked: int) -> None:
    ranges = ShelfRanges(plan(*[{"range_start": f"QA {s}"} for s in starts]), "lcc")
    before = [s for s in starts if s <= asked]
    home = ranges.home(f"QA {asked} .A5")
    assert (home.range_start if home else None) == (f"QA {max(before)}" if before else None)
