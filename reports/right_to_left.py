"""Arabic and Hebrew for a PDF writer that sets characters in the order it gets them.

Joined forms come from Unicode's own table of presentation forms, which the fonts that have Arabic at all have, too;
runs from the right are then turned round. That is enough for a title (no embedded levels, no marks placed by the
font); in HTML the browser does all this itself.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_LETTERS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff"
_RIGHT = re.compile(f"[{_LETTERS}](?:[{_LETTERS}\\s\\-.,:;'\"()\u2013\u2014]*[{_LETTERS}][)\\]»]*)?")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_ISOLATED, _FINAL, _INITIAL, _MEDIAL = "<isolated>", "<final>", "<initial>", "<medial>"


def visual(text: str) -> str:
    """Return a text with its right-to-left runs joined and in the order in which they stand from the left.

    Examples
    --------
    >>> visual("\u05d0\u05d1\u05d2 1")
    '\u05d2\u05d1\u05d0 1'
    """
    return _RIGHT.sub(lambda found: _turned(found.group()), text) if _RIGHT.search(text) else text


def _turned(run: str) -> str:
    clusters: list[str] = []
    for character in _joined(run).translate(_MIRRORED):
        if clusters and unicodedata.combining(character):
            clusters[-1] += character  # a vowel point stays behind its letter
        else:
            clusters.append(character)
    return "".join(reversed(clusters))


def _joined(run: str) -> str:
    forms = _forms()
    made: list[str] = []
    letters = [i for i, c in enumerate(run) if not unicodedata.combining(c)]
    place = {at: n for n, at in enumerate(letters)}
    taken: set[int] = set()
    for at, character in enumerate(run):
        if at in taken:
            continue
        n = place.get(at)
        if n is None or character not in forms:
            made.append(character)
            continue
        before = run[letters[n - 1]] if n else ""
        after = run[letters[n + 1]] if n + 1 < len(letters) else ""
        both = character + after
        if after and both in forms and _FINAL in forms[both]:  # lam and alef are one sign
            taken.add(letters[n + 1])
            made.append(forms[both][_FINAL if _joins_on(before) else _ISOLATED])
            continue
        from_before, to_after = _joins_on(before), _joins_on(character) and _FINAL in forms.get(after, {})
        form = {(True, True): _MEDIAL, (True, False): _FINAL, (False, True): _INITIAL}.get(
            (from_before and _FINAL in forms[character], to_after), _ISOLATED
        )
        made.append(forms[character].get(form, character))
    return "".join(made)


def _joins_on(character: str) -> bool:
    """Whether a letter reaches to the one after it."""
    return character == "\u0640" or _INITIAL in _forms().get(character, {})


@cache
def _forms() -> dict[str, dict[str, str]]:
    """Return the shapes of each letter, and of lam with alef, by their position (Unicode's compatibility mappings)."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFBB2), *range(0xFBD3, 0xFC00), *range(0xFE80, 0xFEFD)):
        form, _, base = unicodedata.decomposition(chr(code)).partition(" ")
        letters = "".join(chr(int(c, 16)) for c in base.split())
        if (
            form in (_ISOLATED, _FINAL, _INITIAL, _MEDIAL)
            and letters
            and (len(letters) == 1 or letters[0] == "\u0644")
        ):
            forms.setdefault(letters, {}).setdefault(form, chr(code))
    return forms
