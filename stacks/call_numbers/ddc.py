"""
Shelving order of Dewey Decimal call numbers.

The class is three digits and decimals compared digit by digit (Dewey Decimal Classification, Introduction:
numbers file as decimals, 331.1 before 331.11 before 331.2); marks of segmentation (prime or slash) say
where a number may be cut and have no place in the order. Behind it stand the author's mark, a Cutter-
Sanborn number (compared as a decimal, A11 before A2) with work letters or the author's first letters, then
volumes, years and copies as numbers; in each place nothing before something.

A prefix (``REF``, ``J``, ``DVD``) is a sequence of its own behind the plain one. ``FIC``, ``E``, ``B`` and
the like may stand without a class number.
"""

import re
from collections.abc import Callable

from stacks.call_numbers.enumeration import MONTHS, POINTED_WORDS, SERIES, VOLUME_WORDS, prepared, series_part
from stacks.call_numbers.policy import DEFAULT, CallNumberPolicy
from stacks.call_numbers.prefixes import SIZES, Prefixes
from stacks.call_numbers.text import (
    CUTTER,
    DATE,
    LENGTHS,
    MAX_LENGTH,
    TEXT,
    fraction,
    normalize,
    number,
    part,
    word,
)

_CLASS = re.compile(
    r"(\d{1,3})(?!\d)\s?['/]*(?:\s?\.['/]*(\d[\d'/]*(?:\s['/]+\s?\d+|\s?['/]+\s\d+)*))?['/]*\.?"
)
_SPLIT = re.compile(r"[^\d]+")
_PREFIX = re.compile(r"\[?([A-Za-z]{1,12}(?:-[A-Za-z]{2,8})?|[+*]{1,3})\]?(?:\.?(?:\s+|$)|(\.?)(?=\d))")
_PARTS = re.compile(
    r"(?P<copyright>c(?=1[4-9]\d\d(?!\d)|20\d\d(?!\d)))"
    r"|(?P<date>\d+)(?P<suffix>[A-Za-z]*)"
    r"|:\s*(?P<translation>[A-Za-z]+)(?!\d)"
    r"|(?P<word>[^\W\d_]+)(?P<stop>\.?\s*)(?P<number>\d+)(?P<work>[A-Za-z]*)"
    r"|(?P<plain>[^\W\d_]+)"
    rf"|{SERIES}"
)
_AUTHOR = re.compile(
    r"[\s/]*(?!(?:VOLS?|VOLUME|BD|NOS?|PTS?|PART|COPY)\s*\d{1,3}(?![\dA-Za-z]))([A-Z]{2,12})(?![^\W_]|\.|\s?')"
)
"""
A word of capitals directly behind the class: the author's letters, even where it means a volume or month elsewhere
(``813.54 TOM 1999``).
"""
_EDITION_NOTE = re.compile(r"(?<![^\W_])dc(?:1[89]|2[0-3])(?![^\W_])")
"""The edition of the classification, from cataloguing in publication (``306.7-dc20``)."""
_SLASHES = re.compile(r"\[?([A-Za-z]{1,12})\]?\s*/\s*(?=[A-Za-z])")
PREFIX = re.compile(
    r"R|REF|REFERENCE|J|JUV|JR|JF|JE|JB|JNF|JFIC|Y|YA|YR|YF|T|TEEN|A|AD|X|XX|K|KID|NF|ANF|GN|G|DVD|CD|VC|AV|LP|PB|BR|BB"
    r"|O|OV|OS|Q|QTO|FOL|FF|SP|SPA|FRE|GER|CHI|RES|RB|M|MAP|MP|MF|HIST|LOC|LH|LIT|PROF|[A-Z]{4,12}|[A-Z]{1,6}-[A-Z]{2,8}|[+*]{1,3}"
)
"""
Collections with a sequence of their own. A word of up to three letters that is not here may be a Library of
Congress class, and the whole then no Dewey number.
"""
WITHOUT_NUMBER = re.compile(r"FIC|FICTION|F|E|EASY|B|BIO|BIOG|BIOGRAPHY|SC|STORY|PB?")
"""Classes that are a word: fiction, picture books, biography."""
GENRES = re.compile(
    r"JE|JB|JF|JP|JFIC|YF|YAF|YAFIC|AF|EF|MYS|MYST|MYSTERY|SF|SCIFI|FAN|FANTASY|SS|WES|WEST|WESTERN|ROM|ROMANCE"
    r"|HOR|HORROR|GN|GRAPHIC"
)
"""Classes that are a word where no number follows; before one they are a collection, or no Dewey number."""


_OFTEN = (
    "R",
    "REF",
    "J",
    "JUV",
    "Y",
    "YA",
    "E",
    "F",
    "FIC",
    "B",
    "DVD",
    "CD",
    "Q",
    "FOL",
    "K",
    "T",
    "A",
    "X",
)
_FAST = re.compile(
    r"(?:([A-Z]{1,6}) )?(\d{3})(?:\.(\d+))?"
    r"(?: (?:\.?([A-Z][A-Za-z]{0,2})(\d+)([a-z]*)|([A-Z]{2,12})))?(?: ([A-Z])(\d+)([a-z]*))?"
    r"(?: (\d{4})([a-z]?))?(?: (v|no|pt|c)\. ?0*(\d+))?(?: (v|no|pt|c)\. ?0*(\d+))?(?=\Z| [A-Za-z\d(\[])"
)
"""The common shape, and where it ends; whatever differs takes the plain path, and a test holds the two equal."""


def maker(policy: CallNumberPolicy = DEFAULT, *, fast: bool = True) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under a policy; `fast` False: the plain path alone."""
    prefixes = Prefixes(policy, policy.ddc_prefixes, SIZES)
    work_kind = "1" if policy.ddc_work_letters == "before_rest" else "5"
    series = series_part(policy.series == "by_alphabet")
    biography = policy.ddc_92 == "biography"
    cased = policy.ddc_work_case == "lower_first"

    def work_letters(text: str) -> str:
        letters = "".join(word(c) + ("0" if c.islower() else "1") for c in text) if cased else word(text)
        return part(work_kind, letters) if text else ""

    def spelt_out(label: str) -> str | None:
        label = _SLASHES.sub(r"\1 ", label) if _SLASHES.match(label) else label
        words, rest, named = _split_prefix(label, prefixes.names)
        if named:
            # The class is a word; it counts even where collections are interfiled.
            return f"{prefixes.tag(words) or words[-1]}  {behind(rest, False)}"
        head = _CLASS.match(rest)
        if head is None:
            return None
        # 92 is no 092 that lost its zero but stands before 920, unless the policy says otherwise.
        whole = head[1] if biography and head[1] == "92" and not head[2] else head[1].zfill(3)
        made = f"{prefixes.tag(words)} {whole}{fraction(_SPLIT.sub('', head[2] or ''))} "
        return made + behind_class(rest[head.end() :])

    def behind_class(text: str) -> str:
        author = _AUTHOR.match(text)
        if author is None:
            return behind(text, False)
        return f"{CUTTER}{author[1]} " + behind(text[author.end() :], False)

    def behind(text: str, dated: bool) -> str:
        """Return what comes behind the class, or behind a part of it that ends in a date or volume."""
        made = ""
        if "dc" in text:
            text = _EDITION_NOTE.sub(" ", text)
        for found in _PARTS.findall(prepared(text)):
            if found[9]:
                made += series(found[9])
                continue
            made += _part(found, work_letters, dated)
            dated = dated or bool(found[1] or found[6])
        return made

    match_fast = _FAST.match
    tags: dict[str | None, str] = {name: prefixes.tag([name]) for name in _OFTEN} | {None: prefixes.tag([])}

    def common(text: str) -> str | None:
        match = match_fast(text)
        if match is None:
            return None
        (prefix, whole, dec, name, digits, work, letters, c2, d2, w2, year, mark, v1, n1, v2, n2) = (
            match.groups()
        )
        if prefix not in tags or (name and name.upper() in VOLUME_WORDS):
            return None
        made = f"{tags[prefix]} {whole}{dec.rstrip('0') if dec else ''} "
        if name:
            made += f"4{name.upper()}!{digits.rstrip('0')} {work_letters(work) if work else ''}"
        elif letters:
            made += f"4{letters} "
        if c2:
            if c2 in "CTV":
                return None
            made += f"4{c2}!{d2.rstrip('0')} {work_letters(w2) if w2 else ''}"
        if year:
            made += f"3{number(year)} {work_letters(mark) if mark else ''}"
        if v1:
            made += f"2{v1.upper()} {LENGTHS[len(n1)]}{n1} "
            if v2:
                made += f"2{v2.upper()} {LENGTHS[len(n2)]}{n2} "
        end = match.end()
        if end == len(text):
            return made
        # Digits may belong to the word before them, and a month to the date behind it.
        if letters and not year and not v1 and text[end + 1].isdigit():
            return None
        if not (name or letters or c2 or year or v1):
            return made + behind_class(text[end:])
        return made + behind(text[end:], bool(name or c2 or year or v1))

    def key(text: str) -> bytes | None:
        made = None
        if fast and text.isascii() and len(text) <= MAX_LENGTH and text.isprintable() and not text.islower():
            made = common(text)
        if made is None:
            label = normalize(text)
            if label is None:
                return None
            if label == label.lower():
                # Small letters mark volumes only where others are capitals.
                label = label.upper()
            if fast and label != text and label.isascii():
                made = common(label)
            if made is None:
                made = spelt_out(label)
        return None if made is None else made.encode("ascii")

    return key


def sort_key(text: str) -> bytes | None:
    """
    Key of a Dewey call number; see `stacks.call_numbers.sort_key`.

    Returns
    -------
    bytes or None
        None where there is neither a class number of one to three digits nor a word that stands for one.
    """
    return _default(text)


def _split_prefix(label: str, more: dict[str, str]) -> tuple[list[str], str, bool]:
    """Return the words in front, the rest, and whether the last word is the class itself."""
    words: list[str] = []
    while len(words) < 4:
        match = _PREFIX.match(label)
        if match is None or (match[2] and match[1].upper() in VOLUME_WORDS):
            break
        name = match[1].upper()
        known = name in more or PREFIX.fullmatch(name) or WITHOUT_NUMBER.fullmatch(name)
        if not known and not (GENRES.fullmatch(name) and label[match.end() :][:1].isalpha()):
            break
        words.append(name)
        label = label[match.end() :]
        if (WITHOUT_NUMBER.fullmatch(name) or GENRES.fullmatch(name)) and not _CLASS.match(label):
            return words, label, True
    return words, label, False


def _part(found: tuple[str, ...], work_letters: Callable[[str], str], dated: bool) -> str:
    """Return the key of one match of `_PARTS`: its groups, empty where they took no part."""
    copyrighted, date, suffix, translation, letters, stop, digits, work, plain, _ = found
    if date:
        return f"{DATE}{number(date)} {work_letters(suffix)}"
    if copyrighted:
        return ""
    if translation:
        return f"0{word(translation)} "
    if plain:
        name = word(plain)
        return f"{TEXT}!{MONTHS[name]} " if dated and name in MONTHS else f"{CUTTER}{name} "
    name = word(letters)
    if name in VOLUME_WORDS and (stop or letters.islower()):
        return f"{TEXT}{VOLUME_WORDS[name]} {number(digits)} {work_letters(work)}"
    if dated and name in MONTHS:
        return f"{TEXT}!{MONTHS[name]} {DATE}{number(digits)} {work_letters(work)}"
    if not stop:
        # Digits behind letters are a decimal; the mark between them stands behind the end of the letters.
        return f"{CUTTER}{name}!{fraction(digits)} {work_letters(work)}"
    if name in POINTED_WORDS and "." in stop and dated:
        return f"{TEXT}{POINTED_WORDS[name]} {number(digits)} {work_letters(work)}"
    return f"{CUTTER}{name} {DATE}{number(digits)} {work_letters(work)}"


_default = maker()
