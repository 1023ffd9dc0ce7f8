"""Call numbers sort as books stand; the lists are in benchmarks/call_number_lists.py with their sources."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.call_number_lists import LISTS as ALL
from stacks.call_numbers import SCHEMES, sort_key

LISTS = [(scheme, name, entries) for scheme, group in ALL.items() for name, entries in group.items()]


@pytest.mark.parametrize(("scheme", "name", "entries"), LISTS, ids=[f"{s}: {n}" for s, n, _ in LISTS])
def test_lists_written_from_the_rules_come_out_in_their_order(
    scheme: str, name: str, entries: list[str]
) -> None:
    keys = [sort_key(scheme, entry) for entry in entries]
    assert None not in keys
    for (before, a), (after, b) in pairwise(zip(entries, keys, strict=True)):
        assert a < b, f"{before} must stand before {after}"


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        ("lcc", "QA76.9 .D3 D38", "QA76.9.D3D38"),
        ("lcc", "QA76.9 .D3 D38", "QA\n76.9\n.D3\nD38"),
        ("lcc", "QA76.9 .D3", "ＱＡ７６．９　．Ｄ３"),
        ("lcc", "QA76.9 .D3", "qa76.9 .d3"),
        ("lcc", "QA76.9 .D3", "QA 76.90 .D30"),
        ("lcc", "PQ2605 .É5", "PQ2605 .E5"),
        ("lcc", "AP2 .C5 v.2", "AP2 .C5 vol.2"),
        ("lcc", "REF qa76 .p5 c7", "REF QA76 .P5 C7"),
        ("lcc", "AP2 .C5 p5", "AP2 .C5 p.5"),
        ("sudoc", "SSA 1.2:AG 8/U.K./996", "SSA 1.2:AG 8/UK/996"),
        ("sudoc", "I 29.21:M 75/2/1996", "I 29.21:M 75/2/996"),
        ("lcc", "+N6490 .A5", "N6490 .A5 +"),
        ("lcc", "+ N6490 .A5", "N6490 .A5+"),
        ("lcc", "f QA76 .A5", "F QA76 .A5"),
        ("ddc", "23", "023"),
        ("ddc", "813.54 ROW", "813.54 row"),
        ("ddc", "813′.54 ROW", "813.54 ROW"),
        ("ddc", "813.5′4 ROW", "813.54 ROW"),
        ("ddc", "813/.54/0924 ROW", "813.540924 ROW"),
        ("ddc", "813'.54 ROW", "813.54 ROW"),
        ("ddc", "８１３．５４　ＲＯＷ", "813.54 ROW"),
        ("ddc", "[Fic] ROW", "FIC ROW"),
        ("ddc", "R 030", "R030"),
        ("clc", "TP391.45/L123", "ＴＰ３９１．４５／Ｌ１２３"),
        ("clc", "TP391.45/L123", "TP391.45\nL123"),
        ("clc", "TP391.45/L123", "a TP391.45/L123"),
        ("clc", "TP391.45/L123", "{ns}TP391.45/L123"),
        ("clc", "TP391.45/L123", "(ns) TP391.45/L123"),
        ("clc", "TP391.45/L123", "tp391.45/l123"),
        ("clc", "R711（711）＝535", "R711(711)=535"),
        ("clc", "R711〈326〉", "R711<326>"),
        ("clc", "R711“3”", 'R711"3"'),
        ("clc", "D0—0/12：2", "D0-0/12:2"),
        ("clc", "[D035]/5", "D035/5"),
        ("sudoc", "Y 10.2: B 85 / 10", "Y10.2:B85/10"),
        ("sudoc", "PREX 3.10/4:AF 8", "PrEx 3.10/4:Af 8"),
        ("nlm", "WB 115", "WB115"),
        ("nlm", "W 1 AM123", "W1 AM123"),
    ],
)
def test_ways_of_writing_one_call_number_have_one_key(scheme: str, one: str, other: str) -> None:
    assert sort_key(scheme, one) == sort_key(scheme, other) is not None


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("lcc", ""),
        ("lcc", "   "),
        ("lcc", "813.54 ROW"),
        ("lcc", "ABCD 12"),
        ("lcc", "QA"),
        ("lcc", ".A5"),
        ("lcc", "QA" + "7" * 600),
        ("ddc", ""),
        ("ddc", "QA76.9"),
        ("ddc", "8135.4"),
        ("ddc", "in process"),
        ("ddc", "???"),
        ("clc", "QA76.9 .D3"),
        ("clc", "813.54 ROW"),
        ("clc", "L123"),
        ("clc", "TP312/" + "十" * 490),
        ("sudoc", "QA 11 .GA1 E53 2005"),
        ("sudoc", "A 1"),
        ("nlm", "616.5 A1"),
        ("local", "A 1"),
        ("nonsense", "QA76"),
    ],
)
def test_what_cannot_be_read_has_no_key(scheme: str, text: str) -> None:
    assert sort_key(scheme, text) is None


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@given(text=st.text(max_size=60))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_gives_a_plain_key_or_none(scheme: str, text: str) -> None:
    for candidate in (
        text,
        "QA76.9 " + text,
        "REF 813.54 " + text,
        "TP312/" + text,
        "A 1.2:" + text,
        "TP1" + text,
    ):
        key = sort_key(scheme, candidate)
        if key is not None:
            assert key.isascii()
            assert all(0x20 <= byte < 0x7F for byte in key)


_LABEL = st.builds(
    lambda cls, num, dec, cut, work, year, vol: f"{cls}{num}{dec} .{cut}{work} {year} {vol}",
    st.sampled_from(["A", "Q", "QA", "QAB", "Z"]),
    st.integers(1, 9999),
    st.one_of(st.just(""), st.integers(1, 999).map(lambda d: f".{d}")),
    st.builds(lambda c, n: f"{c}{n}", st.sampled_from("ABCXYZ"), st.integers(1, 9999)),
    st.sampled_from(["", "a", "m", "x"]),
    st.one_of(st.just(""), st.integers(1800, 2030).map(str)),
    st.one_of(st.just(""), st.integers(1, 200).map(lambda v: f"v.{v}")),
)


def _digits(number: int, width: int = 12) -> str:
    return str(number).rstrip("0").ljust(width, " ")


@given(
    a=st.tuples(*[st.integers(1, 9999)] * 2, st.integers(1, 200)),
    b=st.tuples(*[st.integers(1, 9999)] * 2, st.integers(1, 200)),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_lcc_orders_by_number_then_by_fraction_then_by_volume(
    a: tuple[int, int, int], b: tuple[int, int, int]
) -> None:
    def expected(number: int, cutter: int, volume: int) -> tuple[int, str, int]:
        return (number, _digits(cutter), volume)

    labels = [f"QA {n} .B{c} v.{v}" for n, c, v in (a, b)]
    keys = [sort_key("lcc", label) for label in labels]
    assert keys[0] is not None and keys[1] is not None
    assert (keys[0] < keys[1]) == (expected(*a) < expected(*b))
    assert (keys[0] == keys[1]) == (expected(*a) == expected(*b))


@given(label=_LABEL)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_more_on_a_label_never_sorts_before_less(label: str) -> None:
    key = sort_key("lcc", label)
    assert key is not None
    for more in (" .Z9", " 2001", " v.7", " c.2"):
        longer = sort_key("lcc", label + more)
        assert longer is not None
        assert longer > key
