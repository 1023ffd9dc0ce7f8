"""What all schemes do with a label's text before they take it apart, and how keys are spelt."""

import re
import unicodedata

MAX_LENGTH = 500
"""Longer texts are no call numbers."""

_PRIMES = str.maketrans(dict.fromkeys("\u2032\u02b9\u2019\u2018\u00b4`\u02bc\u2033\u2035", "'"))
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_STOPS = str.maketrans({"\u3002": ".", "\u00b7": ".", "\u30fb": ".", "\uff61": "."})
_ORDINAL = re.compile(r"(?<![A-Za-z\d.])(\d+)(?:ST|ND|RD|TH|D)(?![A-Za-z])", re.IGNORECASE)

VOLUME_WORDS = {
    **dict.fromkeys(("V", "VOL", "VOLS", "VOLUME", "VOLUMES", "BD", "BAND", "T", "TOM", "TOME"), "V"),
    **dict.fromkeys(("NO", "NOS", "NR", "NUM", "NUMBER", "ISSUE"), "NO"),
    **dict.fromkeys(("PT", "PTS", "PART", "PARTS", "TEIL"), "PT"),
    **dict.fromkeys(("C", "COP", "COPY", "EX"), "C"),
    **dict.fromkeys(("SER", "SERIES"), "SER"),
    **dict.fromkeys(("SUPP", "SUPPL", "SUPPLEMENT"), "SUPPL"),
    **dict.fromkeys(("BK", "BOOK"), "BK"),
    **dict.fromkeys(("DISC", "DISK"), "DISC"),
    **dict.fromkeys(("ED", "EDITION"), "ED"),
    **dict.fromkeys(("OP", "OPUS"), "OP"),
}
"""Words before a number, which is then compared as a number: ``v.2`` before ``v.10``."""

END, WORK, TEXT, DATE, CUTTER = "", "1", "2", "3", "4"
"""What may stand in one place of a call number, in shelving order: nothing before something."""


def normalize(text: str) -> str | None:
    """
    Text in the compatibility form (full-width digits become plain ones), without accents, in one line.

    Case is kept, since a small ``v`` before a number is a volume where a capital is a Cutter letter. None
    where there is nothing, or far too much for a label.
    """
    if len(text) > MAX_LENGTH:
        return None
    # Before NFKC, which takes a spacing acute accent apart into a space and a combining one.
    plain = unicodedata.normalize("NFKC", text.translate(_PRIMES))
    plain = plain.translate(_PRIMES).translate(_DASHES).translate(_STOPS)
    bare = (c for c in unicodedata.normalize("NFKD", plain) if unicodedata.category(c) not in ("Mn", "Cf"))
    return " ".join("".join(_plain(c) for c in bare).split()) or None


def _plain(character: str) -> str:
    if not character.isprintable():
        return " "
    # Digits of all scripts match a regular expression's \\d, and only ASCII ones may reach a key.
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def number(digits: str) -> str:
    """Return a whole number so that text comparison is numeric: how many digits, then the digits."""
    plain = digits.lstrip("0") or "0"
    return f"{len(plain):03d}{plain}"


def fraction(digits: str) -> str:
    """Digits behind a point (or of a Cutter number): compared digit by digit, zeros at the end say nothing."""
    return digits.rstrip("0")


def word(text: str) -> str:
    """Return a word in upper-case ASCII; any other letter as ``~`` and its code point, behind Z."""
    made = text.upper()
    return made if made.isascii() else "".join(c if c.isascii() else f"~{ord(c):06X}" for c in made)


def part(kind: str, content: str) -> str:
    """One part of a key; the blank at its end sorts before anything that could go on."""
    return f"{kind}{content} "


def ordinals(text: str) -> str:
    """``2nd`` and ``20th`` as 2 and 20, so that they compare as numbers."""
    return _ORDINAL.sub(r"\1 ", text)
