"""Sentences that remember how they were made, so that each reader gets them in a language of their own.

A finding is made once and read by people of several languages, on several mornings. Its evidence is therefore kept
as templates and values: as a string it reads in English (what ``exceptions.csv`` holds), and `in_language` says
it again in another language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Translations(Protocol):
    """What of ``gettext.NullTranslations`` is used here."""

    def gettext(self, message: str) -> str:
        """Return the message in the reader's language."""
        ...

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the form of the message for a count."""
        ...


@dataclass(frozen=True, slots=True)
class Phrase:
    """One template with its values; `many` is the template's plural and `count` what chooses between the two."""

    template: str
    values: Mapping[str, Any]
    many: str = ""
    count: int = 1


class Said(str):
    """A text in English that knows its phrases; adding texts to it keeps them."""

    __slots__ = ("phrases",)
    phrases: tuple[Phrase | str, ...]

    def __new__(cls, phrases: tuple[Phrase | str, ...]) -> Said:
        """Put the English text together."""
        made = super().__new__(cls, "".join(_english(p) for p in phrases))
        made.phrases = phrases
        return made

    def __add__(self, other: str) -> Said:
        return Said((*self.phrases, *_phrases(other)))

    def __radd__(self, other: str) -> Said:
        return Said((*_phrases(other), *self.phrases))

    def __reduce__(self) -> tuple[Any, ...]:
        return Said, (self.phrases,)


def say(template: str, /, **values: Any) -> Said:
    """Return a sentence: ``str.format`` of the template; values may themselves be `Said`."""
    return Said((Phrase(template, values),))


def say_n(one: str, many: str, count: int, /, **values: Any) -> Said:
    """Return the sentence of a count, which its templates know as ``{n}``."""
    return Said((Phrase(one, {"n": f"{count:,}", **values}, many, count),))


def in_language(text: str, to: Translations) -> str:
    """Say a text in another language; a text that knows no phrases stays as it is."""
    if not isinstance(text, Said):
        return text

    def one(phrase: Phrase) -> str:
        template = (
            to.ngettext(phrase.template, phrase.many, phrase.count)
            if phrase.many
            else to.gettext(phrase.template)
        )
        return _filled(template, phrase, lambda value: in_language(value, to))

    return "".join(p if isinstance(p, str) else one(p) for p in text.phrases)


def to_json(text: str) -> Any:
    """Return what `from_json` makes the same text of: a string, or a list of strings and templates."""
    if not isinstance(text, Said):
        return str(text)
    made: list[Any] = []
    for p in text.phrases:
        if isinstance(p, str):
            made.append(p)
            continue
        values = {k: {"said": to_json(v)} if isinstance(v, Said) else v for k, v in p.values.items()}
        made.append({"t": p.template, "v": values} | ({"m": p.many, "n": p.count} if p.many else {}))
    return made


def from_json(obj: Any) -> str:
    """Return the text `to_json` was given."""
    if isinstance(obj, str):
        return obj
    made: list[Phrase | str] = []
    for p in obj:
        if isinstance(p, str):
            made.append(p)
            continue
        values = {k: from_json(v["said"]) if isinstance(v, dict) else v for k, v in p["v"].items()}
        made.append(Phrase(p["t"], values, p.get("m", ""), p.get("n", 1)))
    return Said(tuple(made))


def _phrases(text: str) -> tuple[Phrase | str, ...]:
    return text.phrases if isinstance(text, Said) else (str(text),) if text else ()


def _english(phrase: Phrase | str) -> str:
    if isinstance(phrase, str):
        return phrase
    template = phrase.many if phrase.many and phrase.count != 1 else phrase.template
    return _filled(template, phrase, str)


def _filled(template: str, phrase: Phrase, of: Callable[[str], str]) -> str:
    return template.format(**{k: of(v) if isinstance(v, str) else v for k, v in phrase.values.items()})
