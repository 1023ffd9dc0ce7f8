"""Series, volumes and issues in many languages: what holds in every scheme, whatever the numbers."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.call_number_lists import LISTS
from stacks.call_numbers import CallNumberPolicy, clc, ddc, lcc, nlm, sort_key, sort_keys, sudoc

BOOKS = {"lcc": "AP2 .A8", "nlm": "W1 ST935", "ddc": "051 YO", "clc": "Z62/8"}
MAKERS = {"lcc": lcc.maker, "ddc": ddc.maker, "clc": clc.maker, "sudoc": sudoc.maker, "nlm": nlm.maker}
WORDS = (
    "v.", "vol. ", "Bd.", "Bd. ", "Band ", "t.", "T. ", "tome ", "tomo ", "no.", "no ", "Nr.", "n° ", "nº", "№ ",
    "núm. ", "Heft ", "H.", "pt.", "Teil ", "partie ", "fasc.", "Lfg.", "Jg.", "Jahrg. ", "année ", "anno ",
    "č.", "том ", "т.", "вып.", "c.",
)  # fmt: skip
LATER = (
    "ser.2", "ser. 2", "2nd ser.", "2d ser.", "second series", "2. Folge", "Folge 2", "2. Serie", "2e sér.",
    "2ème série", "2a serie", "ser. II", "Ser.2", "2-я серия",
)  # fmt: skip
NEW = ("n.s.", "N.S.", "n. s.", "new ser.", "New series", "n. ser.", "N.F.", "Neue Folge", "nouv. sér.",
       "nouvelle série", "nuova serie", "новая серия")  # fmt: skip


def key(scheme: str, text: str) -> bytes:
    made = sort_key(scheme, text)
    assert made is not None, text
    return made


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("scheme", sorted(BOOKS))
@given(a=st.integers(0, 12_000), b=st.integers(0, 12_000))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_numbers_behind_words_of_all_languages_count_as_numbers(
    scheme: str, word: str, a: int, b: int
) -> None:
    one, other = (key(scheme, f"{BOOKS[scheme]} {word}{n}") for n in (a, b))
    assert (one < other) == (a < b)
    assert (one == other) == (a == b)


@pytest.mark.parametrize("scheme", sorted(BOOKS))
@pytest.mark.parametrize("word", ["Anno", "Jg.", "Jahrg.", "année", "roč.", "évf.", "årg."])
@pytest.mark.parametrize("of", ["v.", "Bd. ", "no.", "c.", "H."])
def test_a_volumes_number_stays_its_own_before_a_word_of_years(scheme: str, word: str, of: str) -> None:
    names = [f"{of}11", f"{of}12", f"{of}12 {word}", f"{of}13"]
    keys = [key(scheme, f"{BOOKS[scheme]} {name}") for name in names]
    assert keys == sorted(set(keys)), names
    years = [key(scheme, f"{BOOKS[scheme]} 1999 {name}") for name in names]
    assert years == sorted(set(years)), names


@pytest.mark.parametrize("scheme", ["lcc", "nlm", "ddc"])
def test_a_number_before_a_word_of_years_is_theirs(scheme: str) -> None:
    forms = ["Jg.3", "3. Jg.", "3. Jahrg.", "3e année", "3 Jg."]
    assert len({key(scheme, f"{BOOKS[scheme]} {form}") for form in forms}) == 1
    order = ["2. Jg.", "3. Jg.", "3/4. Jg.", "4. Jg."]
    keys = [key(scheme, f"{BOOKS[scheme]} {form}") for form in order]
    assert keys == sorted(set(keys))
    assert key(scheme, f"{BOOKS[scheme]} v.2 3. Jg.") == key(scheme, f"{BOOKS[scheme]} v.2 Jg.3")


@pytest.mark.parametrize("scheme", ["lcc", "nlm", "ddc"])
@pytest.mark.parametrize("word", ["v.", "vol. ", "Bd.", "t. ", "Band "])
@given(number=st.integers(1, 399))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_roman_figures_of_volumes_are_their_numbers(scheme: str, word: str, number: int) -> None:
    ones = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
    tens = ("", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC")
    roman = "C" * (number // 100) + tens[number // 10 % 10] + ones[number % 10]
    assert key(scheme, f"{BOOKS[scheme]} {word}{roman}") == key(scheme, f"{BOOKS[scheme]} {word}{number}")


@pytest.mark.parametrize("scheme", sorted(BOOKS))
@pytest.mark.parametrize("word", ["v. ", "v.", "vol. ", "Bd. ", "tome ", "T. ", "fasc. ", "Heft "])
def test_a_lone_l_or_c_behind_a_volumes_word_is_fifty_or_a_hundred(scheme: str, word: str) -> None:
    figures = ["I", "XLIX", "L", "LI", "XCIX", "C", "CI"]
    keys = [key(scheme, f"{BOOKS[scheme]} {word}{f}") for f in figures]
    assert keys == sorted(set(keys))
    for figure, n in (("L", 50), ("C", 100)):
        for behind in ("", " 1999", " pt. 2"):
            roman, arabic = (f"{BOOKS[scheme]} {word}{f}{behind}" for f in (figure, n))
            assert key(scheme, roman) == key(scheme, arabic)


@pytest.mark.parametrize("scheme", sorted(BOOKS))
def test_a_lone_c_of_a_part_or_before_a_copys_number_is_a_letter(scheme: str) -> None:
    for letter, n in (("C", 100), ("L", 50)):
        for word in ("pt. ", "pts. ", "part ", "Teil "):
            assert key(scheme, f"{BOOKS[scheme]} {word}{letter}") != key(scheme, f"{BOOKS[scheme]} {word}{n}")
    parts = [key(scheme, f"{BOOKS[scheme]} v.2 pt. {letter}") for letter in "BCDL"]
    assert parts == sorted(set(parts))
    for copy in ("c. 2", "C. 2", "c.2"):
        assert key(scheme, f"{BOOKS[scheme]} v. {copy}") != key(scheme, f"{BOOKS[scheme]} v. 100. 2")


@pytest.mark.parametrize("scheme", sorted(BOOKS))
@given(
    first=st.integers(1, 9999), later=st.integers(1, 9999), series=st.sampled_from(LATER + NEW),
    words=st.tuples(st.sampled_from(["v.", "Bd.", "t.", "no."]), st.sampled_from(["v.", "Bd.", "t.", "no."])),
)  # fmt: skip
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_volume_of_a_later_series_stands_behind_the_whole_first_one(
    scheme: str, first: int, later: int, series: str, words: tuple[str, str]
) -> None:
    book = BOOKS[scheme]
    volume = key(scheme, f"{book} {series} {words[1]}{later}")
    assert key(scheme, f"{book} {words[0]}{first}") < volume
    assert key(scheme, f"{book} {words[0]}{first} 1999") < volume
    assert volume < key(scheme, book.replace("8", "9").replace("ST935", "ST936").replace("YO", "YP"))


@pytest.mark.parametrize("scheme", sorted(BOOKS))
@pytest.mark.parametrize("forms", [LATER, NEW], ids=["second", "new"])
@pytest.mark.parametrize("policy", ["behind_first", "by_alphabet"])
def test_ways_of_writing_one_series_have_one_key(scheme: str, forms: tuple[str, ...], policy: str) -> None:
    texts = [f"{BOOKS[scheme]} {form} v.3" for form in forms]
    keys = sort_keys(scheme, texts, CallNumberPolicy(series=policy))
    assert None not in keys
    assert len(set(keys)) == 1, dict(zip(texts, keys, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "PZ7 .A1 Ser 1997", "AP2 .A8 no.5", "KF105 .S8 1950 v.2", "M3 .B4 K.2", "AP2 .A8 S5 v.2", "AP2 .A8 v.2 pt.C",
        "QA76 .S3 R4 1990", "AP2 .N8 F5 2001",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_series_is_none(text: str) -> None:
    one, other = (sort_key("lcc", text, CallNumberPolicy(series=s)) for s in ("behind_first", "by_alphabet"))
    assert one == other is not None


@given(a=st.integers(0, 9999), b=st.integers(0, 9999))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_numbers_of_a_numbered_series_count_as_numbers(a: int, b: int) -> None:
    series = ("A 1.9:{}", "a1.9: {}", "L 2.3:{}/REV.", "D 101.11:{}-2320-209")
    for form in (*series, "Y 4.J 89/2:S.HRG.108-{}", "Y 1.1/8:102-{}"):
        one, other = (key("sudoc", form.format(n)) for n in (a, b))
        assert (one < other) == (a < b), form
        assert (one == other) == (a == b), form


def test_years_of_a_numbered_series_stay_years() -> None:
    assert key("sudoc", "A 1.9:985/945") == key("sudoc", "A 1.9:985/1945")
    assert key("sudoc", "A 1.9:985/945") < key("sudoc", "A 1.9:985/2")


@pytest.mark.parametrize("scheme", sorted(LISTS))
def test_keys_are_the_same_whatever_was_asked_before(scheme: str) -> None:
    entries = [e for group in LISTS[scheme].values() for e in group]
    rng = random.Random(7)
    order = sorted(entries, key=lambda e: (key(scheme, e), e))
    for _ in range(3):
        rng.shuffle(entries)
        fresh = MAKERS[scheme]()
        assert [fresh(e) for e in entries] == sort_keys(scheme, entries)
        assert sorted(entries, key=lambda e: (key(scheme, e), e)) == order
