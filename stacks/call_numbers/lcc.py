"""
Shelving order of Library of Congress call numbers, and of those of the National Library of Medicine.

The rules are those of the Library of Congress, Classification and Shelflisting Manual, G 60 and G 63, as
libraries teach them: class letters by the alphabet (D before DA), the class number as a whole number, its
decimals and all Cutter numbers digit by digit, and in each place nothing before something: the end, work
letters of the Cutter number (``.A101m``), words and volumes, dates and ordinals as numbers (2nd before
20th), then the next Cutter number. NLM's scheme (W, QS to QZ, beside LCC) is built alike; its serials
(``W1 JO456N``) and geographic numbers (``WA 11 AA1``) have Cutters of several letters.

``K.173`` is an opus and no Cutter number, and a Cutter letter may lack its digits (``M5 .L``).
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
    word,
)

_CLASS = re.compile(
    r"([A-Za-z]{1,3})\s*(\d{1,9})(?:\s*\.\s?(\d+))?(?!\d)((?<=\d)[A-Z](?![A-Za-z\d.]))?",
)
_PARTS = re.compile(
    r"(?P<copyright>c(?=1[4-9]\d\d(?!\d)|20\d\d(?!\d)))"
    r"|(?P<cutter>\.\s*[A-Za-z]\d+|[A-Z]\d+|[a-z]\d+)(?P<work>[A-Za-z]*)(?!\d)"
    r"|(?P<bare>\.\s*[A-Za-z])(?![A-Za-z0-9.])"
    r"|(?P<date>\d+)(?P<suffix>[A-Za-z]*)(?!\d)"
    r"|(?P<word>[^\W\d_]+)(?:(?P<stop>\.?\s*)(?P<number>\d+)(?P<tail>[A-Za-z]{1,3}(?![A-Za-z\d]))?)?"
    r"|(?P<digits>\d+)"
    rf"|{SERIES}|\x03(?P<place>\d+)"
)
_FIRST_MAP = 3160
"""From here to G 9999 stand globes and maps, with scales and parts of places."""
_SCALE = re.compile(r"(?<!\S)s(?=\d+(?!\w))")
_PART_OF_PLACE = re.compile(r"(?<![^\W_])([A-Z]\d+):(?=\d)")
_TITLE_AND_YEAR = re.compile(r"(?!(?i:jg|no|nr|vol))[A-Z][A-Za-z]{1,2} (?:1[5-9]|20)\d\d")
"""Letters of a title and a year (``PZ7 .A1 Tom 1999``), whatever the letters mean elsewhere."""
_PLACE = "7"
"""Behind all else that may stand in one place."""
_VOLUME_LETTERS = frozenset("vctp")
_NAMED = frozenset(VOLUME_WORDS) | {"INDEX", "IND", "ABSTRACTS", "GUIDE", "APP", "APPENDIX"}
_FAST = re.compile(
    r"([A-Z]{1,3}) ?0*(\d{1,9})(?:\.(\d+))?"
    r"(?: ?\.?([A-Z])(\d+)([a-z]*)(?: ?\.?([A-Z])(\d+)([a-z]*))?(?: ?\.?([A-Z])(\d+)([a-z]*))?)?"
    r"(?: (\d{4})([a-z]?))?(?: (v|no|pt|c)\. ?0*(\d+))?(?: (v|no|pt|c)\. ?0*(\d+))?"
    r"(?=\Z| [A-Za-z\d(\[]|[-/,;:])"
)
"""The common shape, and where it ends; whatever differs takes the plain path, and a test holds the two equal."""


def maker(policy: CallNumberPolicy = DEFAULT, *, fast: bool = True) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under a policy; `fast` False: the plain path alone."""
    prefixes = Prefixes(policy, policy.location_prefixes, SIZES)
    work_kind = "1" if policy.work_letters == "before_rest" else "5"
    bare_kind = TEXT if policy.lcc_bare_word == "before_cutter" else "6"
    series = series_part(policy.series == "by_alphabet")

    def split(text: str) -> tuple[str, str] | None:
        """Return what the key begins with and the class with all behind it; None where there is no text."""
        label = normalize(text)
        if label is None:
            return None
        words, rest = prefixes.split(label)
        # Small letters mark volumes only where others are capitals.
        return prefixes.tag(words), rest.upper() if rest == rest.lower() else rest

    def spelt_out(tag: str, rest: str) -> str | None:
        head = _CLASS.match(rest)
        if head is None:
            return None
        letters, whole, decimals, suffix = head.groups()
        made = f"{tag} {word(letters)} {number(whole)}{fraction(decimals or '')}{suffix or ''} "
        more = rest[head.end() :]
        if letters in ("G", "g") and int(whole) >= _FIRST_MAP:
            # s250 is a whole number (1:250,000); what a colon opens stands behind Z.
            more = _PART_OF_PLACE.sub("\\1 \x03", _SCALE.sub("s.", more))
        return made + behind(more, False)

    def behind(text: str, dated: bool) -> str:
        """Return what comes behind the class, or behind a part of it that ends in a date or volume."""
        made = ""
        for found in _PARTS.findall(prepared(text)):
            if found[11]:
                made += series(found[11])
                continue
            made += _part(found, work_kind, bare_kind, dated)
            dated = dated or bool(found[4] or found[8])
        return made

    def common(tag: str, text: str) -> str | None:
        match = match_fast(text)
        if match is None:
            return None
        (a, whole, dec, c1, d1, w1, c2, d2, w2, c3, d3, w3, year, letter, v1, n1, v2, n2) = match.groups()
        if a == "G" and (":" in text or " s" in text):
            return None
        made = f"{tag} {a} {LENGTHS[len(whole)]}{whole}{dec.rstrip('0') if dec else ''} "
        if c1:
            made += f"4{c1}{d1.rstrip('0')} "
            if w1:
                made += f"{work_kind}{w1.upper()} "
            if c2:
                made += f"4{c2}{d2.rstrip('0')} "
                if w2:
                    made += f"{work_kind}{w2.upper()} "
            if c3:
                made += f"4{c3}{d3.rstrip('0')} "
                if w3:
                    made += f"{work_kind}{w3.upper()} "
        if year:
            made += f"3{number(year)} "
            if letter:
                made += f"{work_kind}{letter.upper()} "
        if v1:
            made += f"2{v1.upper()} {LENGTHS[len(n1)]}{n1} "
            if v2:
                made += f"2{v2.upper()} {LENGTHS[len(n2)]}{n2} "
        end = match.end()
        return made if end == len(text) else made + behind(text[end:], year is not None or v1 is not None)

    match_fast = _FAST.match
    no_prefix = prefixes.tag([])

    def key(text: str) -> bytes | None:
        # A size behind the call number, which belongs in front of its key, does not end in a digit.
        if fast and text.isascii() and len(text) <= MAX_LENGTH and text[-1:].isdigit() and text.isprintable():
            made = common(no_prefix, text)
            if made is not None:
                return made.encode("ascii")
        pieces = split(text)
        if pieces is None:
            return None
        tag, rest = pieces
        made = common(tag, rest) if fast and rest.isascii() else None
        if made is None:
            made = spelt_out(tag, rest)
        return None if made is None else made.encode("ascii")

    return key


def sort_key(text: str) -> bytes | None:
    """
    Key of a Library of Congress call number; see `stacks.call_numbers.sort_key`.

    Returns
    -------
    bytes or None
        None where it does not begin with class letters and a class number.
    """
    return _default(text)


def _part(found: tuple[str, ...], work_kind: str, bare_kind: str, dated: bool) -> str:
    """Return the key of one match of `_PARTS`: its groups, empty where they took no part."""
    copyrighted, cutter, work, bare, date, suffix, letters, stop, digits, tail, lone, _, place = found
    if cutter:
        if cutter[0] in _VOLUME_LETTERS and not work:
            name = cutter[0].upper()
            return f"{TEXT}{VOLUME_WORDS.get(name, name)} {number(cutter[1:])} "
        plain = cutter.lstrip(". ")
        made = f"{CUTTER}{plain[0].upper()}{fraction(plain[1:])} "
        return f"{made}{work_kind}{work.upper()} " if work else made
    if date:
        made = f"{DATE}{number(date)} "
        return f"{made}{work_kind}{suffix.upper()} " if suffix else made
    if copyrighted:
        return ""
    if bare:
        return f"{CUTTER}{bare.lstrip('. ').upper()} "
    if lone:
        return f"{DATE}{number(lone)} "
    if place:
        return f"{_PLACE}{number(place)} "
    name = word(letters)
    if dated and name in MONTHS:
        made = f"{TEXT}!{MONTHS[name]} " + (f"{DATE}{number(digits)} " if digits else "")
    elif not digits:
        return f"{TEXT if name in _NAMED else bare_kind}{name} "
    elif (
        name in VOLUME_WORDS and not (stop == " " and _TITLE_AND_YEAR.fullmatch(f"{letters} {digits}"))
    ) or stop.strip():
        of = VOLUME_WORDS.get(name) or (POINTED_WORDS.get(name, name) if "." in stop else name)
        made = f"{TEXT}{of} {number(digits)} "
    elif not stop:
        # Cutters of several letters: ``W1 JO456``.
        made = f"{CUTTER}{name}!{fraction(digits)} "
        return f"{made}{work_kind}{tail.upper()} " if tail else made
    else:
        made = f"{bare_kind}{name} {DATE}{number(digits)} "
    return f"{made}{bare_kind}{tail.upper()} " if tail else made


_default = maker()
