"""
International Standard Identifiers of Libraries (ISO 15511), and how ISO 28560-2 makes them short.

An ISIL is a country code of two letters, or another prefix of up to four, a hyphen, and letters, digits, ``/``, ``-``
and ``:``, sixteen characters in all: ``CN-110108-1-NLC`` has twelve behind its hyphen. Two that differ in capitals
alone are one library's. On a tag it is written in three alphabets (capitals, small letters: 5 bits; digits: 4 bits)
with values that change the alphabet for good (latch) or for one character (shift).
"""

from __future__ import annotations

import re
from typing import Final

from stacks.tag_data.errors import TagDataError

_ISIL: Final = re.compile(r"(?=.{3,16}$)[A-Za-z0-9]{1,4}-[A-Za-z0-9/:-]+")
_COUNTRY: Final = re.compile(r"[A-Z]{2}-[A-Za-z0-9/:-]{1,13}")
_UPPER = "-ABCDEFGHIJKLMNOPQRSTUVWXYZ:"
_ALPHABETS: Final = {"u": _UPPER, "l": "-abcdefghijklmnopqrstuvwxyz/", "d": "0123456789-:"}
_WIDTH: Final = {"u": 5, "l": 5, "d": 4}
_LATCH: Final = {"ul": 28, "ud": 30, "lu": 28, "ld": 30, "du": 12, "dl": 14}
_SHIFT: Final = {of: value + 1 for of, value in _LATCH.items()}
_LEAVES: Final = {
    alphabet: {
        value: (of[1], stays)
        for way, stays in ((_LATCH, True), (_SHIFT, False))
        for of, value in way.items()
        if of[0] == alphabet
    }
    for alphabet in "uld"
}


def is_isil(text: str, *, country: bool = False) -> bool:
    """Whether a text has the form of an ISIL; with `country`, one that begins with a country code."""
    return bool((_COUNTRY if country else _ISIL).fullmatch(text))


def compact_isil(text: str) -> bytes:
    """
    Return the bytes of an ISIL, ISO 28560-2, annex on its encoding.

    Raises
    ------
    TagDataError
        It has a character that no alphabet has.
    """
    bits, at = "", "u"
    for i, char in enumerate(text):
        homes = _homes(char)
        if not homes:
            raise TagDataError(f"{text!r} is no ISIL: {char!r} cannot be written")
        alphabet = at
        if at not in homes:
            alphabet = homes[0]
            back = i + 1 == len(text) or at in _homes(text[i + 1])
            way = (_SHIFT if back else _LATCH)[at + alphabet]
            bits += f"{way:0{_WIDTH[at]}b}"
            at = at if back else alphabet
        bits += f"{_ALPHABETS[alphabet].index(char):0{_WIDTH[alphabet]}b}"
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def expand_isil(data: bytes) -> str:
    """Return the ISIL of some bytes; any bytes are one, though not each of a library."""
    bits, at, made, i = "".join(f"{b:08b}" for b in data), "u", "", 0
    now = at
    while i + _WIDTH[now] <= len(bits):
        value = int(bits[i : i + _WIDTH[now]], 2)
        i += _WIDTH[now]
        if value in _LEAVES[now]:
            now, stays = _LEAVES[now][value]
            at = now if stays else at
        else:
            made += _ALPHABETS[now][value]
            now = at
    return made


def _homes(char: str) -> str:
    return "".join(alphabet for alphabet in "uld" if char in _ALPHABETS[alphabet])


def joined(isil: str) -> str:
    """
    Return an ISIL as ISO 28560-3 writes it: without the hyphen after its country code.

    Raises
    ------
    TagDataError
        It does not begin with a country code of two letters: the standard's way of writing others is not verified.
    """
    if not isil:
        return ""
    if not is_isil(isil, country=True):
        raise TagDataError(f"{isil!r} is no ISIL of a country code, a hyphen and up to 13 characters")
    return isil[:2] + isil[3:]


def parted(text: str) -> str:
    """Return the ISIL of what ISO 28560-3 writes; as it is where it does not begin with a country code."""
    made = f"{text[:2]}-{text[2:]}"
    return made if is_isil(made, country=True) and text[2] != "-" else text
