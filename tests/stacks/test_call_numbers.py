"""Call numbers sort as books stand; the lists are written from the rules named beside them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.call_numbers import SCHEMES, sort_key

# Library of Congress, Classification and Shelflisting Manual, G 60 and G 63, and what libraries teach of
# them: letters by the alphabet, class number whole, decimals and Cutters digit by digit, nothing before
# something; dates and ordinals as numbers.
LCC = {
    "class letters": ["D 5", "DA 1", "E 9", "Q 175", "QA 7", "QB 1", "Z 1", "ZA 1"],
    "class number is a whole number": ["QA 7", "QA 76", "QA 101", "QA 760", "QA 1000"],
    "decimals digit by digit": [
        "QA 76",
        "QA 76.15",
        "QA 76.5",
        "QA 76.55",
        "QA 76.6",
        "QA 76.73",
        "QA 76.9",
        "QA 77",
    ],
    "cutters digit by digit": ["QA76 .A1", "QA76 .A101", "QA76 .A11", "QA76 .A2", "QA76 .B12", "QA76 .B2"],
    "nothing before something": ["QA76", "QA76 .A5", "QA76 .A5 B3", "QA76 .A5 B3 1990"],
    "one place after the other": [
        "PS3545 .E6",
        "PS3545 .E6a",
        "PS3545 .E6 v.1",
        "PS3545 .E6 1951",
        "PS3545 .E6 Z5",
        "PS3545 .E61",
    ],
    "work letters": ["HF5549 .A101", "HF5549 .A101m", "HF5549 .A101 B2", "HF5549 .A1012"],
    "years": ["TK5105 .T36 1989", "TK5105 .T36 1996", "TK5105 .T36 1996b", "TK5105 .T36 2003"],
    "ordinals": ["KF 26 .A5 2nd", "KF 26 .A5 4th", "KF 26 .A5 20th", "KF 26 .A5 101st"],
    "years before cutters in the class": [
        "KF 26",
        "KF 26 1990",
        "KF 26 1990 .A34",
        "KF 26 1991",
        "KF 26 .A5",
    ],
    "cutter behind a date": ["KF 26 1990 .I31", "KF 26 1990 .I4"],
    "volumes": [
        "AP2 .C5 v.1",
        "AP2 .C5 v.2",
        "AP2 .C5 v.10",
        "AP2 .C5 v.10 c.2",
        "AP2 .C5 v.10 c.11",
        "AP2 .C5 v.11",
    ],
    "volumes spelt otherwise": ["AP2 .C5 v.1", "AP2 .C5 vol. 2", "AP2 .C5 v3", "AP2 .C5 Volume 10"],
    "words": ["BF 1999", "BF 1999 Aarons", "BF 1999 Zukav", "BF 1999 1985", "BF 1999 .A63"],
    "opus numbers are no cutters": ["M 1010 .M9 K.173", "M 1010 .M9 K.173D", "M 1010 .M9 K.504"],
    "cutter without digits": ["M 5 .L", "M 5 .L3", "M 5 .M"],
    "collections behind the plain sequence": ["ZA 4000", "+N 6490", "OVERSIZE N 40", "REF AE 5", "REF QA 76"],
}
# Dewey Decimal Classification, Introduction: numbers file as decimals; author marks: Cutter-Sanborn numbers
# are decimals, too.
DDC = {
    "decimals digit by digit": ["331", "331.1", "331.11", "331.12", "331.2", "332"],
    "leading zeros": ["001.42", "004", "023", "150", "813"],
    "cutters digit by digit": ["813.54 A11", "813.54 A2", "813.54 A21", "813.54 B1"],
    "work letters": ["813.54 S643", "813.54 S643a", "813.54 S643h", "813.54 S6431"],
    "author letters": ["813.54 ROW", "813.54 ROWE", "813.54 ROY", "813.54 SAL", "813.54 TOM", "813.54 VAN"],
    "nothing before something": ["813.54", "813.54 ROW", "813.54 ROW v.1", "813.54 ROW 1999"],
    "volumes and copies": [
        "720 FLE v.1",
        "720 FLE v.2",
        "720 FLE v.2 c.2",
        "720 FLE v.2 c.10",
        "720 FLE v.10",
    ],
    "years": ["338 WOR 1999", "338 WOR 2008", "338 WOR 2019"],
    "editions": ["616 HAR 2nd ed.", "616 HAR 9th ed.", "616 HAR 20th ed."],
    "collections and classes that are words": [
        "999",
        "B LIN",
        "DVD 800.1",
        "FIC ROW",
        "FIC ROW v.2",
        "J 398.2",
        "REF 030",
    ],
}
LISTS = [("lcc", name, entries) for name, entries in LCC.items()]
LISTS += [("ddc", name, entries) for name, entries in DDC.items()]


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
        ("clc", "I247.57/23"),
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
    for candidate in (text, "QA76.9 " + text, "REF 813.54 " + text):
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
