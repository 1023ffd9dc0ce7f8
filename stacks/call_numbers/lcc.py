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

from stacks.call_numbers.policy import DEFAULT, CallNumberPolicy
from stacks.call_numbers.prefixes import SIZES, Prefixes
from stacks.call_numbers.text import (
    CUTTER,
    DATE,
    LENGTHS,
    MONTHS,
    TEXT,
    VOLUME_WORDS,
    chronology,
    fraction,
    normalize,
    number,
    ordinals,
    part,
    word,
)

_CLASS = re.compile(r"([A-Za-z]{1,3})\s*(\d{1,9})(?:\s*\.\s?(\d+))?(?!\d)")
_PARTS = re.compile(
    r"(?P<copyright>c(?=1[4-9]\d\d(?!\d)|20\d\d(?!\d)))"
    r"|(?P<cutter>\.\s*[A-Za-z]\d+|[A-Z]\d+|[a-z]\d+)(?P<work>[A-Za-z]*)(?!\d)"
    r"|(?P<bare>\.\s*[A-Za-z])(?![A-Za-z0-9.])"
    r"|(?P<date>\d+)(?P<suffix>[A-Za-z]*)(?!\d)"
    r"|(?P<word>[^\W\d_]+)(?:(?P<stop>\.?\s*)(?P<number>\d+)(?P<tail>[A-Za-z]{1,3}(?![A-Za-z\d]))?)?"
    r"|(?P<digits>\d+)"
)
_VOLUME_LETTERS = frozenset("vctp")
_NAMED = frozenset(VOLUME_WORDS) | {"INDEX", "IND", "ABSTRACTS", "GUIDE", "APP", "APPENDIX"}
_FAST = re.compile(
    r"([A-Z]{1,3}) ?0*(\d{1,9})(?:\.(\d+))?"
    r"(?: ?\.?([A-Z])(\d+)([a-z]*)(?: ?\.?([A-Z])(\d+)([a-z]*))?(?: ?\.?([A-Z])(\d+)([a-z]*))?)?"
    r"(?: (\d{4})([a-z]?))?(?: (v|no|pt|c)\. ?0*(\d+))?(?: (v|no|pt|c)\. ?0*(\d+))?"
)
"""The common shape; whatever differs takes the plain path, and a test holds the two equal."""


def maker(policy: CallNumberPolicy = DEFAULT, *, fast: bool = True) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under a policy; `fast` False: the plain path alone."""
    prefixes = Prefixes(policy, policy.location_prefixes, SIZES)
    work_kind = "1" if policy.work_letters == "before_rest" else "5"
    bare_kind = TEXT if policy.lcc_bare_word == "before_cutter" else "6"

    def plain(text: str) -> bytes | None:
        label = normalize(text)
        if label is None:
            return None
        if not any(c.isupper() for c in label):
            # Small letters mark volumes only where others are capitals.
            label = label.upper()
        words, rest = prefixes.split(label)
        head = _CLASS.match(rest)
        if head is None:
            return None
        letters, whole, decimals = head.groups()
        made = f"{prefixes.tag(words)} {word(letters)} {number(whole)}{fraction(decimals or '')} "
        dated = False
        for match in _PARTS.finditer(ordinals(chronology(rest[head.end() :]))):
            made += _part(match, work_kind, bare_kind, dated)
            dated = match["date"] is not None or match["number"] is not None or dated
        return made.encode("ascii")

    if not fast:
        return plain
    match_fast = _FAST.fullmatch
    tag = prefixes.tag([])

    def key(text: str) -> bytes | None:
        match = match_fast(text) if text.isascii() else None
        if match is None:
            return plain(text)
        (a, whole, dec, c1, d1, w1, c2, d2, w2, c3, d3, w3, year, letter, v1, n1, v2, n2) = match.groups()
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
        return made.encode()

    def guarded(text: str) -> bytes | None:
        return key(text) if len(text) <= 80 else plain(text)

    return guarded


def sort_key(text: str) -> bytes | None:
    """
    Key of a Library of Congress call number; see `stacks.call_numbers.sort_key`.

    Returns
    -------
    bytes or None
        None where it does not begin with class letters and a class number.
    """
    return _default(text)


def _part(match: re.Match[str], work_kind: str, bare_kind: str, dated: bool) -> str:
    if match["copyright"] is not None:
        return ""
    cutter, work = match["cutter"], match["work"]
    if cutter is not None:
        if cutter[0] in _VOLUME_LETTERS and not work:
            return part(TEXT, VOLUME_WORDS[cutter[0].upper()] + " " + number(cutter[1:]))
        bare = cutter.lstrip(". ")
        return part(CUTTER, word(bare[0]) + fraction(bare[1:])) + (
            part(work_kind, word(work)) if work else ""
        )
    if match["bare"] is not None:
        return part(CUTTER, word(match["bare"].lstrip(". ")))
    if match["date"] is not None:
        suffix = match["suffix"]
        return part(DATE, number(match["date"])) + (part(work_kind, word(suffix)) if suffix else "")
    if match["digits"] is not None:
        return part(DATE, number(match["digits"]))
    name, digits, tail = word(match["word"]), match["number"], match["tail"]
    if tail and not match["stop"] and name not in VOLUME_WORDS:
        return part(CUTTER, name + "!" + fraction(digits)) + part(work_kind, word(tail))
    behind = part(bare_kind, word(tail)) if tail else ""
    return _worded(match, name, digits, bare_kind, dated) + behind


def _worded(match: re.Match[str], name: str, digits: str | None, bare_kind: str, dated: bool) -> str:
    if dated and name in MONTHS:
        return part(TEXT, "!" + MONTHS[name]) + (part(DATE, number(digits)) if digits else "")
    if digits is None:
        return part(TEXT if name in _NAMED else bare_kind, name)
    if name in VOLUME_WORDS or match["stop"].strip():
        return part(TEXT, VOLUME_WORDS.get(name, name) + " " + number(digits))
    if not match["stop"]:
        # Cutters of several letters: ``W1 JO456``.
        return part(CUTTER, name + "!" + fraction(digits))
    return part(bare_kind, name) + part(DATE, number(digits))


_default = maker()
