"""
Shelving order of Library of Congress call numbers.

The rules are those of the Library of Congress, Classification and Shelflisting Manual, G 60 and G 63, as
libraries teach them: class letters by the alphabet (D before DA), the class number as a whole number, its
decimals and all Cutter numbers digit by digit, and in each place nothing before something: the end, work
letters of the Cutter number (``.A101m``), words and volumes, dates and ordinals as numbers (2nd before
20th), then the next Cutter number.

A bare word behind the class number (``BF1999 Aarons``) stands before Cutter numbers, ``K.173`` is an
opus and no Cutter number, and a Cutter letter may lack its digits (``M5 .L``). A collection prefix
(``REF``, ``OVERSIZE``) is a sequence of its own behind the plain one.
"""

import re

from stacks.call_numbers.text import (
    CUTTER,
    DATE,
    TEXT,
    VOLUME_WORDS,
    WORK,
    fraction,
    normalize,
    number,
    ordinals,
    part,
    word,
)

_CLASS = re.compile(r"([A-Za-z]{1,3})\s*(\d{1,9})(?:\s*\.(\d+))?(?!\d)")
_PREFIX = re.compile(
    r"(REF|REFERENCE|OVERSIZE|OVERSZ|FOLIO|FOL|FF?|QUARTO|Q|RARE|SPEC|RESERVE|RES|THESIS|MICROFILM|MICROFICHE"
    r"|DVD|CD|VIDEO|MAP|ATLAS|JUV|STACKS|STORAGE|LARGE|MINI)\.?\s+(?=[A-Z+*])|([+*]{1,3})\s*(?=[A-Z])",
    re.IGNORECASE,
)
"""Collections shelved apart from the plain sequence."""
_SIZE = re.compile(r"\s*([+*]{1,3})$")
_PARTS = re.compile(
    r"(?P<cutter>\.\s*[A-Za-z]\d+|[A-Z]\d+|[a-z]\d+)(?P<work>[A-Za-z]*)(?!\d)"
    r"|(?P<bare>\.\s*[A-Za-z])(?![A-Za-z0-9.])"
    r"|(?P<date>\d+)(?P<suffix>[A-Za-z]*)(?!\d)"
    r"|(?P<word>[^\W\d_]+)(?:(?P<stop>\.?\s*)(?P<number>\d+))?"
    r"|(?P<digits>\d+)"
)
_VOLUME_LETTERS = frozenset("vctp")


def sort_key(text: str) -> bytes | None:
    """
    Key of a Library of Congress call number; see `stacks.call_numbers.sort_key`.

    Returns
    -------
    bytes or None
        None where it does not begin with class letters and a class number.
    """
    label = normalize(text)
    if label is None:
        return None
    if not any(c.isupper() for c in label):
        # Small letters mark volumes only where others are capitals.
        label = label.upper()
    prefix, rest = _split_prefix(label)
    head = _CLASS.match(rest)
    if head is None:
        return None
    letters, whole, decimals = head.groups()
    parts = [f"{prefix} {word(letters)} {number(whole)}{fraction(decimals or '')} "]
    for match in _PARTS.finditer(ordinals(rest[head.end() :])):
        parts.extend(_parts(match))
    return "".join(parts).encode("ascii")


def _split_prefix(label: str) -> tuple[str, str]:
    words: list[str] = []
    size = _SIZE.search(label)
    if size is not None:
        # A mark of size stands in front of the number or behind it.
        words.append(size[1])
        label = label[: size.start()]
    while len(words) < 3:
        match = _PREFIX.match(label)
        if match is None:
            break
        words.append((match[1] or match[2]).upper())
        label = label[match.end() :]
    return "_".join(words), label


def _parts(match: re.Match[str]) -> list[str]:
    cutter, work = match["cutter"], match["work"]
    if cutter is not None:
        if cutter[0] in _VOLUME_LETTERS and not work:
            return [part(TEXT, VOLUME_WORDS[cutter[0].upper()] + " " + number(cutter[1:]))]
        bare = cutter.lstrip(". ")
        made = [part(CUTTER, word(bare[0]) + fraction(bare[1:]))]
        return [*made, part(WORK, word(work))] if work else made
    if match["bare"] is not None:
        return [part(CUTTER, word(match["bare"].lstrip(". ")))]
    if match["date"] is not None:
        made = [part(DATE, number(match["date"]))]
        return [*made, part(WORK, word(match["suffix"]))] if match["suffix"] else made
    if match["digits"] is not None:
        return [part(DATE, number(match["digits"]))]
    name, digits = word(match["word"]), match["number"]
    if digits is None:
        return [part(TEXT, name)]
    if name in VOLUME_WORDS or match["stop"].strip():
        return [part(TEXT, VOLUME_WORDS.get(name, name) + " " + number(digits))]
    if not match["stop"]:
        return [part(TEXT, name + " " + number(digits))]
    return [part(TEXT, name), part(DATE, number(digits))]
