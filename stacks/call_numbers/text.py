"""What all schemes do with a label's text before they take it apart, and how keys are spelt."""

import unicodedata

MAX_LENGTH = 500
"""Longer texts are no call numbers."""

_SAME = str.maketrans(
    dict.fromkeys("\u2032\u02b9\u2019\u2018`\u02bc\u2035", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2500\u2501", "-")
    | dict.fromkeys("\u3002\u00b7\u30fb\uff61\u2022\u22c5\u2027", ".")
    | dict.fromkeys("\u201c\u201d\u201e\u301d\u301e\u301f", '"')
    | dict.fromkeys("\u3008\u300a\u2039\u00ab\u2329\u27e8", "<")
    | dict.fromkeys("\u3009\u300b\u203a\u00bb\u232a\u27e9", ">")
    | dict.fromkeys("\u3010\u3014\u3016", "[")
    | dict.fromkeys("\u3011\u3015\u3017", "]")
    | {"\u00b0": "o", "\u2044": "/", "\u2215": "/", "\u2236": ":", "\u3001": ",", "\u301c": "~"}
)
"""Typographic marks and those of other scripts, as the plain ones that labels are printed with."""
_ASCII = str.maketrans({**{chr(c): " " for c in (*range(32), 127)}, "`": "'"})
TEXT, DATE, CUTTER = "2", "3", "4"
"""What may stand in one place of a call number, in shelving order; work letters (1) before them by default."""
LENGTHS = tuple(str(n) if n < 10 else f":{n:04d}" for n in range(MAX_LENGTH + 1))
"""How many digits a whole number has, so that text comparison of number is numeric; ``:`` stands behind 9."""


def normalize(text: str) -> str | None:
    """
    Text in the compatibility form (full-width digits become plain ones), without accents, in one line.

    Case is kept, since a small ``v`` before a number is a volume where a capital is a Cutter letter. None
    where there is nothing, or far too much for a label. Texts of one compatibility form (NFKC) give one result.
    """
    if len(text) > MAX_LENGTH:
        return None
    if text.isascii():
        if not text.isprintable() or "`" in text:
            text = text.translate(_ASCII)
        return " ".join(text.split()) or None
    # A spacing acute accent, which stands for a prime, is a blank and a combining one in this form.
    plain = unicodedata.normalize("NFKC", text).replace(" \u0301", "'").translate(_SAME)
    if not plain.isascii():
        bare = (
            c for c in unicodedata.normalize("NFKD", plain) if unicodedata.category(c) not in ("Mn", "Cf")
        )
        plain = "".join(_plain(c) for c in bare).translate(_SAME)
    elif not plain.isprintable():
        plain = plain.translate(_ASCII)
    made = " ".join(plain.split())
    return made if 0 < len(made) <= MAX_LENGTH else None


def _plain(character: str) -> str:
    if not character.isprintable():
        return " "
    # Digits of all scripts match a regular expression's \\d, and only ASCII ones may reach a key.
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def number(digits: str) -> str:
    """Return a whole number so that text comparison is numeric: how many digits, then the digits."""
    plain = digits.lstrip("0") or "0"
    return LENGTHS[len(plain)] + plain


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
