"""The fast path equals the plain one, keys are a total order of plain ASCII, and policies and rules do as they say."""

import random
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.call_number_lists import LISTS
from benchmarks.call_numbers import draw, peer
from stacks.call_numbers import (
    SCHEMES,
    CallNumberPolicy,
    LocalRules,
    RulesError,
    ShelfRanges,
    clc,
    ddc,
    lcc,
    nlm,
    policy_of,
    sort_key,
    sort_keys,
    sudoc,
)
from stacks.errors import PlanError
from stacks.plan import Plan
from tests.stacks.call_number_texts import random_text

MAKERS = {"lcc": lcc.maker, "ddc": ddc.maker, "clc": clc.maker, "sudoc": sudoc.maker, "nlm": nlm.maker}
POLICIES = [
    CallNumberPolicy(),
    CallNumberPolicy(
        work_letters="after_rest", lcc_bare_word="after_cutter", ddc_work_case="lower_first",
        clc_alpha_suffix="shortfirst", clc_book_suffix="letterwise", sudoc_three_digit_years="as_numbers",
        sudoc_marks="separators", prefix_order=("REF", ""), clc_aux_order='+:<="(-', series="by_alphabet",
        ddc_92="zero_lost", ddc_work_letters="before_rest", sudoc_letters="after_numbers",
    ),
    CallNumberPolicy(
        sudoc_three_digit_years="before_numbers", clc_author_digits="decimal", prefixes="interfiled",
        sudoc_year_alone="number", sudoc_senate_hearings="last", sudoc_marks="slash_first",
    ),
]  # fmt: skip
ENTRIES = [(s, e) for s, group in LISTS.items() for entries in group.values() for e in entries]
PIECES = st.sampled_from(
    [
        "QA",
        "QA76",
        "76.9",
        ".D3",
        "C67",
        "D3a",
        ".D3C67",
        "1985",
        "1985b",
        "v.2",
        "c.3",
        "no.04",
        "pt.1",
        "813",
        "813.54",
        "R884h",
        "ROW",
        "S6",
        "TP",
        "TP312",
        "TP391.45",
        "-43",
        "=2",
        "(2)",
        "/",
        "/L123",
        "/45",
        "L123A",
        ":2",
        "A",
        "1.2",
        "1.2:",
        ":C",
        "73",
        "/7",
        "/990",
        "/2003",
        "-2",
        "W1",
        "JO456N",
        "WB115",
        "V",
        "T",
        "vol.1",
        "C",
        "D5",
        "May",
        "JAN",
        "ed",
        ".",
        "c1985",
        "REF",
        "J",
        "p5",
        "t5",
        "Jan2b",
        "2nd",
        "K.173",
        "index",
        "+",
        "OVERSIZE",
        "FIC",
        "2003",
        "-747",
        "U.K.",
        "(",
        ",",
        "１９",
        "第二卷",
        "n.s.",
        "N.F.",
        "ns",
        "ser.2",
        "ser. A",
        "3d ser.",
        "2. Folge",
        "SER",
        "Bd.2",
        "vol. IX",
        "H.3",
        "n° 4",
        "3. Jahrg.",
        "197-",
        "G3824",
        "G1",
        ".S8:2A7",
        "s250",
        "s.2 t.1",
        "W4A",
        "O'BR",
        "TOM",
        "MAR",
        "92",
        "-dc20",
        "FIC/",
        "SF",
        "A 1.9:",
        "985",
        "Y 4.J 89/2:",
        "S.HRG.",
        "D 101.11:",
        "甲",
    ]
)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scheme", sorted(MAKERS))
@given(pieces=st.lists(PIECES, min_size=1, max_size=6), gap=st.sampled_from(["", " "]))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_the_fast_path_gives_what_the_plain_one_gives(
    scheme: str, policy: CallNumberPolicy, pieces: list[str], gap: str
) -> None:
    text = gap.join(pieces)
    assert MAKERS[scheme](policy)(text) == MAKERS[scheme](policy, fast=False)(text)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [("ddc", "813.54 c.2 Jahrg."), ("lcc", "QA1 .A1 v.2 Jg."), ("ddc", "993 3d"), ("nlm", "WB115 no.4 roč.")],
)
def test_both_paths_read_a_number_and_the_word_behind_it_alike(scheme: str, text: str) -> None:
    assert MAKERS[scheme]()(text) == MAKERS[scheme](fast=False)(text) is not None


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scheme", sorted(MAKERS))
def test_both_paths_agree_on_enumeration_of_all_languages(scheme: str, policy: CallNumberPolicy) -> None:
    rng = random.Random(f"{scheme} 5")
    texts = [random_text(scheme, rng) for _ in range(3_000)]
    plain = MAKERS[scheme](policy, fast=False)
    fast = MAKERS[scheme](policy)
    assert [(t, fast(t), plain(t)) for t in texts if fast(t) != plain(t)] == []


@pytest.mark.parametrize("policy", POLICIES)
def test_both_paths_agree_on_the_lists_and_on_drawn_call_numbers(policy: CallNumberPolicy) -> None:
    for scheme in MAKERS:
        mine = [e for s, e in ENTRIES if s == scheme] + draw(scheme, 2000)
        plain = MAKERS[scheme](policy, fast=False)
        assert sort_keys(scheme, mine, policy) == [plain(e) for e in mine]


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@given(text=st.text(alphabet="AQTP17./-:()＝（）é´\u1ffd′″ ０Ｑ\u0301\u3000vc", max_size=20))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_texts_of_one_compatibility_form_have_one_key(scheme: str, text: str) -> None:
    for front in ("", "QA76 .A5", "TP3/", "813 ", "A 1.2:"):
        keys = {
            sort_key(scheme, unicodedata.normalize(f, front + text)) for f in ("NFC", "NFD", "NFKC", "NFKD")
        }
        assert len(keys) == 1


def follows(scheme: str, before: str, after: str, **named: object) -> bool:
    keys = sort_keys(scheme, [before, after], CallNumberPolicy.from_json(named))
    assert None not in keys
    return keys[0] < keys[1]  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize(
    ("scheme", "before", "after", "named"),
    [
        ("lcc", "BF1999 .A63", "BF1999 Aarons", {"lcc_bare_word": "after_cutter"}),
        ("lcc", "PS1 .E6 Z5", "PS1 .E6a", {"work_letters": "after_rest"}),
        ("lcc", "AE 5", "REF AE 6", {"prefixes": "interfiled"}),
        ("lcc", "REF AE 6", "Z 5", {"prefixes": "interfiled"}),
        ("lcc", "FOLIO N 40", "N 41", {"oversize": "interfiled"}),
        ("lcc", "REF Z 5", "A 1", {"prefix_order": ["REF", ""]}),
        ("lcc", "KIDS A 1", "A 2", {"location_prefixes": {"KIDS": ""}}),
        ("lcc", "AP2 .A8 n.s. v.1", "AP2 .A8 v.1", {"series": "by_alphabet"}),
        ("lcc", "AP2 .A8 v.99", "AP2 .A8 n.s. v.1", {"series": "behind_first"}),
        ("lcc", "AP2 .A8 3d ser. v.1", "AP2 .A8 v.1", {"series": "by_alphabet"}),
        ("lcc", "AP2 .A8 o.s. v.1", "AP2 .A8 ser.1 v.1", {"series": "by_alphabet"}),
        ("ddc", "051 YO N.F. Bd.1", "051 YO Bd.1", {"series": "by_alphabet"}),
        ("nlm", "W1 ST935 ser.2 v.1", "W1 ST935 v.1", {"series": "by_alphabet"}),
        ("clc", "Z62/8 n.s. v.1", "Z62/8 v.1", {"series": "by_alphabet"}),
        ("clc", "Z62/8 v.99", "Z62/8 n.s. v.1", {"series": "behind_first"}),
        ("ddc", "813.54 S643 1990", "813.54 S643a", {"ddc_work_letters": "after_rest"}),
        ("ddc", "813.54 S643a", "813.54 S643 1990", {"ddc_work_letters": "before_rest"}),
        ("ddc", "92 LIN", "919.9", {"ddc_92": "zero_lost"}),
        ("ddc", "915 Wh46wy", "915 Wh46Ww", {"ddc_work_case": "lower_first"}),
        ("ddc", "FIC ROW", "001", {"prefix_order": ["FIC", ""]}),
        ("ddc", "ZZ 5", "600", {"ddc_prefixes": {"ZZ": ""}}),
        ("clc", "TP312X", "TP312AL", {"clc_alpha_suffix": "shortfirst"}),
        ("clc", "TP312AL", "TP312X", {}),
        ("clc", "R7(7)", "R7-6", {"clc_aux_order": '(-"=<:+'}),
        ("clc", "O1/S6-2", "O1/S6(2)", {"clc_book_aux_order": '-(:="<+'}),
        ("clc", "I2/A11", "I2/A2", {"clc_author_digits": "decimal"}),
        ("clc", "K8/Z7AA", "K8/Z7B", {"clc_book_suffix": "letterwise"}),
        ("sudoc", "A 1.35:R 42", "A 1.35:993", {"sudoc_three_digit_years": "before_numbers"}),
        ("sudoc", "ED 1.2:IN 8/2", "ED 1.2:IN 8/965", {"sudoc_three_digit_years": "as_numbers"}),
        ("sudoc", "A 1.2:98/52", "A 1.2:98-60", {"sudoc_marks": "separators"}),
        # Northwestern University Library's sample sequence.
        ("sudoc", "T 22.19/2:V 88/TEST/989", "T 22.19/2:V 88/TEST-2/988", {"sudoc_marks": "slash_first"}),
        ("sudoc", "T 22.19/2:V 88/TEST-2/988", "T 22.19/2:V 88/TEST/989", {"sudoc_marks": "ranked"}),
        # Morgan State University, after GPO: year, letter, number.
        ("sudoc", "A 1.35:999", "A 1.35:R 42", {"sudoc_year_alone": "year"}),
        ("sudoc", "A 1.35:R 42", "A 1.35:999", {"sudoc_year_alone": "number"}),
        # University of South Alabama: letters, numbers, years.
        ("sudoc", "A 1.35:321", "A 1.35:998", {"sudoc_year_alone": "number"}),
        ("sudoc", "A 1.35:R 42/989", "A 1.35:R 42/2", {"sudoc_year_alone": "number"}),
        ("sudoc", "C 13.46:799", "C 13.46:985", {"sudoc_numbered_series": ["C 13.46:"]}),
        ("sudoc", "C 13.46:985", "C 13.46:799", {}),
        ("sudoc", "c13.46:799", "C 13.46:985", {"sudoc_numbered_series": ["c 13.46"]}),
        ("sudoc", "A 1.9:985", "A 1.9:799", {"sudoc_numbered_series": []}),
        # State University of New York at Plattsburgh: letters behind the colon follow numbers.
        ("sudoc", "Y 4.C 73/7:104/24", "Y 4.C 73/7:AD 65", {"sudoc_letters": "after_numbers"}),
        ("sudoc", "L 37.S:5", "L 37.2:5", {"sudoc_letters": "after_numbers"}),
        # Humboldt and Wright State: hearings and prints of the Senate behind all else of the committee.
        ("sudoc", "Y 4.J 89/2:98/52", "Y 4.J 89/2:S.HRG.104-374", {"sudoc_senate_hearings": "last"}),
        ("sudoc", "Y 4.J 89/2:T 12", "Y 4.J 89/2:S. Hrg. 104-374", {"sudoc_senate_hearings": "last"}),
        ("sudoc", "Y 4.J 89/2:S.HRG.104-374", "Y 4.J 89/2:98/52", {"sudoc_senate_hearings": "by_letters"}),
    ],
)  # fmt: skip
def test_a_policy_decides_where_sources_disagree(
    scheme: str, before: str, after: str, named: dict[str, object]
) -> None:
    assert follows(scheme, before, after, **named)
    policy = CallNumberPolicy.from_json(named)
    assert CallNumberPolicy.from_json(policy.to_json()) == policy


def test_book_numbers_of_the_other_kind_cannot_be_read() -> None:
    for kind, right, wrong in (("种次号", "I2/45", "I2/L5"), ("著者号", "I2/L5", "I2/45")):
        policy = CallNumberPolicy(clc_book_number=kind)
        assert sort_key("clc", right, policy) is not None
        assert sort_key("clc", wrong, policy) is None


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({"prefix": 1}, "'prefix' is no policy"),
        ({"prefixes": "behind"}, "call_numbers.prefixes is 'behind' and must be one of apart, interfiled"),
        ({"clc_aux_order": "-("}, "must have each of"),
        ({"prefix_order": "REF"}, "must be a list of texts"),
        ({"ddc_prefixes": ["REF"]}, "must be an object of words"),
        ({"local": {"part": []}}, "`part` is missing"),
        ([], "must be an object"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(obj: object, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        CallNumberPolicy.from_json(obj)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


RULES = """
separator = "[ /]*"
[[part]]
name = "room"
pattern = "[A-Z]+"
compare = "list"
order = ["HALL", "CELLAR"]
[[part]]
name = "shelf"
pattern = '\\d+'
compare = "number"
[[part]]
name = "point"
pattern = '\\.\\d+'
compare = "fraction"
optional = true
[[part]]
name = "author"
pattern = "[A-Z]+"
compare = "letters"
[[part]]
name = "rest"
pattern = ".*"
compare = "text"
"""


def test_a_local_scheme_sorts_by_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    rules = LocalRules.read(path)
    policy = CallNumberPolicy(local=rules)
    entries = [
        "HALL 2 ABE", "HALL 2 ABE v.2", "HALL 2 ABE v.10", "HALL 2 ABEL", "HALL 2.05 ABE", "HALL 2.5 A", "HALL 10 A",
        "CELLAR 1 A",
    ]  # fmt: skip
    keys = sort_keys("local", entries, policy)
    assert None not in keys
    for a, b in pairwise(keys):
        assert a < b  # pyright: ignore[reportOperatorIssue]
    assert sort_key("local", "ATTIC 1 A", policy) is None
    assert sort_key("local", "HALL", policy) is None
    assert sort_key("local", "HALL 2 ABE") is None
    assert LocalRules.from_json(rules.to_json()) == rules
    assert CallNumberPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    "text",
    ["", "[[part]]\nname='a'", "part = 1", "[[part]]\nname='a'\npattern='('\ncompare='text'", "=",
     "[[part]]\nname='a'\npattern='(a)'\ncompare='text'", "[[part]]\nname='a'\npattern='a'\ncompare='list'"],
)  # fmt: skip
def test_wrong_rules_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(RulesError) as caught:
        LocalRules.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ranges_use_the_policy_of_their_plan_and_take_many_keys_at_once() -> None:
    shelves = [
        {"id": f"s{i}", "bay": "1", "level": i + 1, "from_m": 0.0, "to_m": 0.9, "board_z_m": 0.1 + 0.4 * i,
         "clear_m": 0.3, "range_start": start}
        for i, start in enumerate(["TP312X", "TP312AL", "TP313"])
    ]  # fmt: skip
    face = {"id": "A", "origin_m": [0, 0], "direction_deg": 180, "normal_deg": 90, "length_m": 0.9,
            "tag_depth_m": 0.1, "shelves": shelves}  # fmt: skip
    obj = {"format": "nightstack-plan/1", "site": "x", "version": 1, "floors": [{"id": "1", "faces": [face]}],
           "call_numbers": {"clc_alpha_suffix": "shortfirst"}}  # fmt: skip
    plan = Plan.from_json(obj)
    ranges = ShelfRanges(plan, "clc")
    assert ranges.policy == policy_of(plan) == CallNumberPolicy(clc_alpha_suffix="shortfirst")
    assert [s.id for s in ranges.shelves] == ["s0", "s1", "s2"]
    texts = ["TP312Z", "TP312BA/3", "TP4", "A1", "???"]
    assert ranges.homes_of_keys(sort_keys("clc", texts, ranges.policy)).tolist() == [0, 1, 2, -1, -1]


def test_a_peer_sorts_the_lists_on_which_sources_agree_alike() -> None:
    agreed = ["class letters", "class number is a whole number", "decimals digit by digit", "double cutters"]
    for name in agreed:
        entries = LISTS["lcc"][name]
        ran = peer("Perl", entries)
        if ran is None:
            pytest.skip(
                "Perl's Library::CallNumber::LC is not installed (Debian: liblibrary-callnumber-lc-perl)"
            )
        theirs = sorted(range(len(entries)), key=lambda i, keys=ran[1]: keys[i] or "")
        assert theirs == list(range(len(entries)))
    sudoc = LISTS["sudoc"]["related series"]
    ran = peer("pycallnumber", sudoc)
    assert ran is not None
    assert sorted(ran[1], key=lambda k: k or "") == ran[1]
