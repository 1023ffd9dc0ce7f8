"""Random texts from what labels are made of: classes, and words of enumeration of all languages with numbers."""

import random

from stacks.call_numbers.enumeration import MONTHS, POINTED_WORDS, VOLUME_WORDS

CLASSES = {
    "lcc": ("QA1", "QA1 .A1", "QA76.9 .D3a C67", "G3824 .S8", "QA1 .A1 1999", "REF AP2 .A8 B3", "ap2 .a8"),
    "nlm": ("W1 ST935", "WB115", "W1 JO456N", "WA 11 AA1", "WB115 .A2 1990"),
    "ddc": ("813.54", "813.54 ROW", "993", "051 Y6a", "813 R884h 1990", "92", "FIC", "FIC ROW", "REF 030", "051 yo"),
    "clc": ("Z62/8", "TP391.45/L123", "I247.5/S62", "TP3"),
    "sudoc": ("A 1.9:985", "Y 4.J 89/2:", "A 1.35:R 42", "Y 1.1/8:102-5"),
}  # fmt: skip
_WORDS = (*VOLUME_WORDS, *POINTED_WORDS)
_COMMON = (
    "v",
    "vol",
    "Bd",
    "t",
    "c",
    "no",
    "pt",
    "Jg",
    "Jahrg",
    "anno",
    "année",
    "roč",
    "évf",
    "årg",
    "ser",
    "год",
)
_MONTHS = tuple(MONTHS)
_BEHIND = ("st", "nd", "rd", "th", "d", "D", "ND", "-", "--", "/2", "-3", "b", "a", "e", ".")
_DATES = ("197-", "19--", "20-", "2001-2005", "1990/91", "c1985", "[1990]", "1999?", "—", "–2003")
_SERIES = (
    "n.s.",
    "N.F.",
    "ns",
    "ser.2",
    "ser. A",
    "3d ser.",
    "2. Folge",
    "o.s.",
    "Neue Folge",
    "second series",
)
_ROMAN = ("I", "v", "IX", "X", "XL", "XLIX", "L", "LI", "C", "CI")
_OTHER = (
    ".D3",
    "C67",
    "D3a",
    "R884h",
    "ROW",
    "TOM",
    "MAR",
    "x",
    "index",
    "H.3",
    "N.2",
    "K.173",
    "O'BR",
    "第二卷",
)
_MARKS = (".", ",", "-", ":", "/", "(", "(2)", "+", "'", " ")


def random_text(scheme: str, rng: random.Random) -> str:
    """Return a class of a scheme with one to four tokens behind it, most of them of enumeration."""
    gap = rng.choice(("", " ", " ", " ", " ", "  "))
    return gap.join([rng.choice(CLASSES[scheme]), *(_token(rng) for _ in range(rng.randint(1, 4)))])


def _token(rng: random.Random) -> str:
    word = rng.choice(_WORDS if rng.random() < 0.6 else _COMMON)
    word = rng.choice((word.lower(), word, word.capitalize()))
    number = rng.choice(
        (
            str(rng.randint(0, 12)),
            str(rng.randint(0, 130)),
            str(rng.randint(1400, 2050)),
            f"0{rng.randint(0, 9)}",
        )
    )
    kind = rng.randrange(12)
    if kind < 3:
        return word + rng.choice((".", ". ", " ", "")) + number
    if kind < 5:
        return number + rng.choice((". ", " ", "e ", "a ", "", ".")) + word + rng.choice((".", ""))
    if kind == 5:
        return word + rng.choice((".", ""))
    if kind == 6:
        return number + rng.choice(("", *_BEHIND))
    if kind == 7:
        return (
            rng.choice((rng.choice(_MONTHS).lower(), rng.choice(_MONTHS)))
            + rng.choice(("", " ", ". "))
            + number
        )
    if kind == 8:
        return word + rng.choice((". ", " ", ".")) + rng.choice(_ROMAN)
    return rng.choice((_DATES, _SERIES, _OTHER + _MARKS)[kind - 9])
