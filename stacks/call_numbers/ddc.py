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

_SEGMENTS = re.compile(r"(?<=[\d.])\s*['/]+\s*(?=[\d.])|(?<=\d)['/]+(?=\s|$)")
_CLASS = re.compile(r"(\d{1,3})(?:\.(\d+))?(?![\d])\.?")
_PREFIX = re.compile(r"\[?([A-Za-z]{1,12}|[+*]{1,3})\]?(?:\.?(?:\s+|$)|(\.?)(?=\d))")
_PARTS = re.compile(
    r"(?P<date>\d+)(?P<suffix>[A-Za-z]*)"
    r"|(?P<word>[^\W\d_]+)(?P<stop>\.?\s*)(?P<number>\d+)(?P<work>[A-Za-z]*)"
    r"|(?P<plain>[^\W\d_]+)"
)
PREFIX = re.compile(
    r"R|REF|REFERENCE|J|JUV|JR|JF|JE|JB|JNF|JFIC|Y|YA|YR|YF|T|TEEN|A|AD|X|XX|K|KID|NF|ANF|GN|G|DVD|CD|VC|AV|LP|PB|BR|BB"
    r"|O|OV|OS|Q|QTO|FOL|FF|SP|SPA|FRE|GER|CHI|RES|RB|M|MAP|MP|MF|HIST|LOC|LH|LIT|PROF|[A-Z]{4,12}|[+*]{1,3}"
)
"""
Collections with a sequence of their own. A word of up to three letters that is not here may be a Library of
Congress class, and the whole then no Dewey number.
"""
WITHOUT_NUMBER = re.compile(r"FIC|FICTION|F|E|EASY|B|BIO|BIOG|BIOGRAPHY|SC|STORY|PB?")
"""Classes that are a word: fiction, picture books, biography."""


def sort_key(text: str) -> bytes | None:
    """
    Key of a Dewey call number; see `stacks.call_numbers.sort_key`.

    Returns
    -------
    bytes or None
        None where there is neither a class number of one to three digits nor a word that stands for one.
    """
    label = normalize(text)
    if label is None:
        return None
    if not any(c.isupper() for c in label):
        # Small letters mark volumes only where others are capitals.
        label = label.upper()
    words, rest, named = _split_prefix(_SEGMENTS.sub("", label))
    prefix = "_".join(words)
    if named:
        made = [f"{prefix}  "]
    else:
        head = _CLASS.match(rest)
        if head is None:
            return None
        made = [f"{prefix} {head[1].zfill(3)}{fraction(head[2] or '')} "]
        rest = rest[head.end() :]
    for match in _PARTS.finditer(ordinals(rest)):
        made.extend(_parts(match))
    return "".join(made).encode("ascii")


def _split_prefix(label: str) -> tuple[list[str], str, bool]:
    """Return the words in front, the rest, and whether the last word is the class itself."""
    words: list[str] = []
    while len(words) < 4:
        match = _PREFIX.match(label)
        if match is None or (match[2] and match[1].upper() in VOLUME_WORDS):
            break
        if not (PREFIX.fullmatch(match[1].upper()) or WITHOUT_NUMBER.fullmatch(match[1].upper())):
            break
        words.append(match[1].upper())
        label = label[match.end() :]
        if WITHOUT_NUMBER.fullmatch(words[-1]) and not _CLASS.match(label):
            return words, label, True
    return words, label, False


def _parts(match: re.Match[str]) -> list[str]:
    if match["date"] is not None:
        made = [part(DATE, number(match["date"]))]
        return [*made, part(WORK, word(match["suffix"]))] if match["suffix"] else made
    if match["plain"] is not None:
        return [part(CUTTER, word(match["plain"]))]
    name, stop, digits, work = word(match["word"]), match["stop"], match["number"], match["work"]
    if name in VOLUME_WORDS and (stop or match["word"].islower()):
        made = [part(TEXT, VOLUME_WORDS[name] + " " + number(digits))]
    elif not stop:
        made = [part(CUTTER, name + " " + fraction(digits))]
    else:
        made = [part(CUTTER, name), part(DATE, number(digits))]
    return [*made, part(WORK, word(work))] if work else made
