"""Sentences that remember how they were made, so that each reader gets them in a language of their own.

A finding is made once and read by people of several languages, on several mornings. Its evidence is therefore kept
as templates and values: as a string it reads in English (what ``exceptions.csv`` holds), and `in_language` says
it again in another language. What is no word goes into a template by its format: ``{n:,}`` is a whole number with
its thousands apart, ``{x:.1f}`` one with a decimal; each language writes them its own way.
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
    return Said((Phrase(template, _plain(values)),))


def say_n(one: str, many: str, count: int, /, **values: Any) -> Said:
    """Return the sentence of a count, which its templates know as ``{n}``."""
    return Said((Phrase(one, {"n": f"{count:,}", **_plain(values)}, many, int(count)),))


def blanks_of(text: str) -> dict[str, str]:
    """Return the texts a sentence was filled with, by their blanks; of the first phrase where several share one."""
    found: dict[str, str] = {}
    for phrase in text.phrases if isinstance(text, Said) else ():
        if isinstance(phrase, Phrase):
            for name, value in phrase.values.items():
                if isinstance(value, str):
                    found.setdefault(name, value)
    return found


def in_language(text: str, to: Translations) -> str:
    """Say a text in another language; a text that knows no phrases stays as it is.

    A translation with wrong blanks (a site's own file may hold one) is not used: English is better than no mail.
    Numbers are written by ``to.number(value, format)`` where `to` has it.
    """
    if not isinstance(text, Said):
        return text
    number: Callable[[float, str], str] | None = getattr(to, "number", None)

    def one(phrase: Phrase) -> str:
        template = (
            to.ngettext(phrase.template, phrase.many, phrase.count)
            if phrase.many
            else to.gettext(phrase.template)
        )
        values: dict[str, Any] = {}
        for name, value in phrase.values.items():
            if isinstance(value, str):
                values[name] = in_language(value, to)
            elif number is None or isinstance(value, bool):
                values[name] = value
            else:
                values[name] = _Number(value, number)
        if phrase.many and number is not None:
            values["n"] = number(phrase.count, ",")
        try:
            return template.format(**values)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            return _english(phrase)

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


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn numpy's numbers into Python's, which JSON and every format know."""
    return {k: v.item() if hasattr(v, "item") and not isinstance(v, str) else v for k, v in values.items()}


def _english(phrase: Phrase | str) -> str:
    if isinstance(phrase, str):
        return phrase
    template = phrase.many if phrase.many and phrase.count != 1 else phrase.template
    return template.format(**{k: str(v) if isinstance(v, str) else v for k, v in phrase.values.items()})


@dataclass(frozen=True, slots=True)
class _Number:
    """A number that ``str.format`` writes as a language does."""

    value: float
    write: Callable[[float, str], str]

    def __format__(self, spec: str) -> str:
        return self.write(self.value, spec)
