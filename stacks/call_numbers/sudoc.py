"""
Shelving order of Superintendent of Documents call numbers.

GPO's guidance for depository libraries: numbers are whole numbers and never decimals (A 1.2 before A 1.11);
the stem, up to the colon, counts first; a dash stands before a slash; in each place nothing stands before
something, and then years, letters, numbers. A year is of three digits before 2000 (``/989``) and of four
since (Superintendent of Documents Classification Guidelines, Additions to Book Numbers); behind a slash
``/1989`` is one, too, and behind a dash nothing is. The number of a numbered series (``A 1.9:985``, Farmers'
Bulletin 985) is no year, but only its stem tells: `sudoc_numbered_series`. A letter glued to a number stands
behind all marks, since it makes another Cutter number (N 21, N 21/5, N 21A). Guides differ in letters, marks,
years and the Senate's hearings: see the policies.
"""

import re
from collections.abc import Callable

from stacks.call_numbers.policy import DEFAULT, CallNumberPolicy
from stacks.call_numbers.prefixes import SIZES, Prefixes
from stacks.call_numbers.text import normalize, number

_STEM = re.compile(
    r"(?:[A-Z]{1,5}(?:\s?/\s?A)?\s*\d*\s*(?:(?<=\d)\s+[A-Z]{2,8}\s*)?\.\s*(?=[A-Z0-9])(?:[A-Z]+\s*)?\d*(?:\s*[/-]\s*[A-Z0-9]+(?:\s+\d+)?)*|XJ[HS]"
    r"|X/A)\s*",
)
_INITIALS = re.compile(r"(?<![A-Z\d])(?:[A-Z]\.){2,}(?![A-Z])")
"""``U.K.``, which stands beside ``UK``."""
_TOKEN = re.compile(r"([^A-Z0-9]*)(?:(\d+)|([A-Z]+))")
_SENATE = re.compile(r"\s*S\.?\s*(?:HRG|PRT)\b")
_FAST = re.compile(
    r"([A-Z][A-Za-z]{0,4}) ?(\d+)\.(?:(\d+)|([A-Z][A-Za-z]{0,4}) ?(\d+))(?:/(\d+)(?:-(\d+))?)?:"
    r"(?:([A-Z][A-Za-z]{0,6}) ?(\d+)|(\d+))?(?:([/-])(\d+))?(?:([/-])(\d+))?"
)
"""The common shape; whatever differs takes the plain path, and a test holds the two equal."""


def maker(policy: CallNumberPolicy = DEFAULT, *, fast: bool = True) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under a policy; `fast` False: the plain path alone."""
    prefixes = Prefixes(policy, policy.location_prefixes, SIZES)
    year_kind = {"before_letters": "1", "before_numbers": "3", "as_numbers": ""}[
        policy.sudoc_three_digit_years
    ]
    dash, slash, other = {"ranked": "#$%", "slash_first": "$#%", "separators": "!!!"}[policy.sudoc_marks]
    letter_kind = "2" if policy.sudoc_letters == "before_numbers" else "5"
    alone = policy.sudoc_year_alone == "year"
    senate_last = policy.sudoc_senate_hearings == "last"
    numbered = frozenset(_stem_of(stem) for stem in policy.sudoc_numbered_series)

    def figure(digits: str, mark: str = "") -> str:
        # Behind a dash stands a number: the hearing 115-989 is of no year.
        if year_kind and "-" not in mark and len(digits) in (3, 4):
            if len(digits) == 3 and digits[0] in "89":
                return f"{year_kind}1{digits}"
            if len(digits) == 4 and (digits[:2] == "20" or ("/" in mark and digits[:2] in ("18", "19"))):
                return f"{year_kind}{digits}"
        return "4" + number(digits)

    def first(digits: str, stem: str) -> str:
        """Return a number directly behind the colon, which may be that of a series."""
        return figure(digits) if alone and stem not in numbered else "4" + number(digits)

    def tokens(text: str, book_of: str | None) -> str:
        made: list[str] = []
        for mark, digits, letters in _TOKEN.findall(text):
            made.append(slash if "/" in mark else dash if "-" in mark else other)
            if letters:
                made.append(f"{'2' if book_of is None else letter_kind}{letters} ")
            elif book_of is None or len(digits) < 3:
                made.append("4" + number(digits))
            else:
                made.append(figure(digits, mark) if made[1:] or made[0] != other else first(digits, book_of))
        return "".join(made)

    def spelt_out(tag: str, rest: str) -> str | None:
        stem, colon, book = rest.partition(":")
        # Without a colon it is a stem alone; other schemes look like one only with more behind it.
        if _STEM.fullmatch(stem) is None or not (colon or "." in stem):
            return None
        if not book.isascii():
            book = "".join(c if c.isascii() else " " for c in book)
        if "." in book:
            book = _INITIALS.sub(_without_points, book)
        last = "~" if senate_last and stem.lstrip().startswith("Y") and _SENATE.match(book) else ""
        return f"{tag} {tokens(stem, None)} {last}{tokens(book, _stem_of(stem))}"

    match_fast = _FAST.fullmatch
    no_prefix = prefixes.tag([])

    def common(tag: str, text: str) -> str | None:
        match = match_fast(text) if len(text) <= 80 else None
        if match is None:
            return None
        agency, office, series, name, place, related, sub, letters, n1, lone, m2, n2, m3, n3 = match.groups()
        made = f"{tag} {other}2{agency.upper()} {other}4{number(office)}{other}"
        made += f"4{number(series)}" if series else f"2{name.upper()} {other}4{number(place)}"
        if related:
            made += f"{slash}4{number(related)}"
            if sub:
                made += f"{dash}4{number(sub)}"
        made += " "
        if letters:
            made += f"{other}{letter_kind}{letters.upper()} {other}{figure(n1)}"
        elif lone:
            stem = _stem_of(text[: text.index(":")]) if len(lone) in (3, 4) else ""
            made += other + first(lone, stem)
        if m2:
            made += (slash if m2 == "/" else dash) + figure(n2, m2)
            if m3:
                made += (slash if m3 == "/" else dash) + figure(n3, m3)
        return made

    def key(text: str) -> bytes | None:
        made = common(no_prefix, text) if fast and text.isascii() else None
        if made is None:
            label = normalize(text)
            if label is None:
                return None
            words, rest = prefixes.split(label.upper())
            tag = prefixes.tag(words)
            made = common(tag, rest) if fast and rest.isascii() else None
            if made is None:
                made = spelt_out(tag, rest)
        return None if made is None else made.encode("ascii")

    return key


def _stem_of(text: str) -> str:
    """Return a stem in capitals without blanks and colon."""
    return "".join(text.upper().split()).rstrip(":")


def _without_points(match: re.Match[str]) -> str:
    return match[0].replace(".", "")
