"""The languages of documents and mail: gettext catalogues, and dates, numbers and lists as each writes them.

English is in the code. Every other language is one file, ``LANGUAGE/LC_MESSAGES/nightstack.po`` (or the ``.mo``
compiled of it), in the package's ``locale`` folder or in a folder that a site names in ``NIGHTSTACK_LOCALES``.
"""

from __future__ import annotations

import gettext
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from reports.phrases import in_language

DOMAIN = "nightstack"
FOLDERS_VARIABLE = "NIGHTSTACK_LOCALES"
"""Names folders with further languages, several apart as in PATH; they come before the package's own."""

_OWN = Path(__file__).parent / "locale"
_NAME = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_REGIONS = {"en": "en_GB", "zh": "zh_Hans_CN"}  # whose dates and numbers a language without a region uses


class LanguageError(ValueError):
    """A language that no catalogue is there for, or a catalogue that cannot be read."""


@dataclass(frozen=True)
class Language:
    """One language: says texts, and writes numbers, days and lists.

    Attributes
    ----------
    name : str
        As it was asked for, with an underscore: ``en``, ``zh_CN``.
    locale : babel.Locale
    catalogue : gettext.NullTranslations
    """

    name: str
    locale: Locale
    catalogue: gettext.NullTranslations

    @property
    def tag(self) -> str:
        """The language as HTML and PDF name it (BCP 47)."""
        region = f"-{self.locale.territory}" if self.locale.territory else ""
        return f"{self.locale.language}{region}"

    @property
    def rightwards(self) -> bool:
        """Whether it is written from the left to the right."""
        return self.locale.text_direction == "ltr"

    def __call__(self, text: str) -> str:
        """Say a text in this language."""
        return in_language(text, self)

    def gettext(self, message: str) -> str:
        """Return a template in this language."""
        return self.catalogue.gettext(message) if message else ""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the template of a count in this language."""
        return self.catalogue.ngettext(msgid1, msgid2, n)

    def number(self, value: float, spec: str = ",") -> str:
        """Write a number; ``spec`` is ``,`` (thousands apart), ``.1f`` (decimals) or both, else as Python has it."""
        if not re.fullmatch(r",?(\.\d+f)?", spec) or not spec:
            return format(value, spec)
        digits = int(spec.rpartition(".")[2][:-1]) if spec.endswith("f") else 0
        pattern = ("#,##0" if "," in spec else "0") + ("." + "0" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self.locale)

    def day(self, day: date) -> str:
        """Write a day of this year: 18 Nov."""
        return format_skeleton("MMMd", day, locale=self.locale)

    def weekday(self, day: date) -> str:
        """Write a day of the week."""
        return format_date(day, "EEEE", locale=self.locale)

    def long_day(self, day: date) -> str:
        """Write a day in full, with its weekday."""
        return format_date(day, "full", locale=self.locale)

    def time(self, moment: datetime) -> str:
        """Write the time of day, as staff read it from the library's clock."""
        return f"{moment:%H:%M}"

    def listed(self, texts: Sequence[str]) -> str:
        """Write a list: a, b and c."""
        return format_list([self(t) for t in texts], locale=self.locale)


def language(name: str) -> Language:
    """Return a language by its name: ``en``, ``zh``, ``zh_CN``, ``zh-Hans``; a region falls back to the language.

    Raises
    ------
    LanguageError
        There is no catalogue for it, or it cannot be read; names those there are.
    """
    return _language(name, os.environ.get(FOLDERS_VARIABLE, ""))


def languages() -> tuple[str, ...]:
    """Return the names of the languages there is a catalogue for, English first."""
    found = {path.parts[-3] for folder in _folders() for path in folder.glob(f"*/LC_MESSAGES/{DOMAIN}.[pm]o")}
    return ("en", *sorted(found - {"en"}))


def language_or_english(name: str) -> Language:
    """Return a language, or English where there is none of that name: a mail goes out in any case."""
    try:
        return language(name)
    except LanguageError:
        return language("en")


@lru_cache(maxsize=64)
def _language(name: str, _folders_named: str) -> Language:
    if not _NAME.fullmatch(name):
        raise LanguageError(f"language {name!r}: not a language's name; {_those_there_are()}")
    parts = name.replace("-", "_").split("_")
    try:
        locale = Locale.parse(_REGIONS.get(parts[0], parts[0]))
        if len(parts) > 1:
            locale = Locale.parse("_".join(parts), resolve_likely_subtags=True)
    except (UnknownLocaleError, ValueError):
        raise LanguageError(f"language {name!r}: unknown; {_those_there_are()}") from None
    if parts[0] == "zh" and (locale.script or "Hans") != "Hans":
        parts = ["_".join(("zh", *parts[1:]))]  # traditional characters need a catalogue of their own
    for count in range(len(parts), 0, -1):
        file = _catalogue_file("_".join(parts[:count]))
        if file is not None:
            return Language("_".join(parts), locale, _read(file))
    if parts[0] == "en":
        return Language("_".join(parts), locale, gettext.NullTranslations())
    raise LanguageError(f"language {name!r}: there is no catalogue for it; {_those_there_are()}")


def _those_there_are() -> str:
    return (
        f"there are {', '.join(languages())}; add LANGUAGE/LC_MESSAGES/{DOMAIN}.po in a folder that"
        f" {FOLDERS_VARIABLE} names"
    )


def _folders() -> list[Path]:
    named = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [*(Path(folder) for folder in named if folder), _OWN]


def _catalogue_file(name: str) -> Path | None:
    for folder in _folders():
        made = [folder / name / "LC_MESSAGES" / f"{DOMAIN}{suffix}" for suffix in (".mo", ".po")]
        there = [path for path in made if path.is_file()]
        if there:
            # A .po that was changed and not compiled counts for more than the .mo of before; in the package a
            # test holds them equal, and an installer may set any times.
            newer = len(there) == 2 and folder != _OWN and there[1].stat().st_mtime > there[0].stat().st_mtime
            return there[1] if newer else there[0]
    return None


def _read(file: Path) -> gettext.GNUTranslations:
    try:
        if file.suffix == ".mo":
            with file.open("rb") as compiled:
                return gettext.GNUTranslations(compiled)
        with file.open("rb") as source:
            catalogue = read_po(source, abort_invalid=True)
        made = io.BytesIO()
        write_mo(made, catalogue)
        made.seek(0)
        return gettext.GNUTranslations(made)
    except (OSError, PoFileError, ValueError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise LanguageError(
            f"{file}: cannot be read as a catalogue ({line}); mend it or take it away"
        ) from None
