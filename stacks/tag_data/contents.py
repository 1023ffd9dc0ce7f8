"""What a tag says, in one form whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

GRAI_96, SGTIN_96 = "grai-96", "sgtin-96"
OBJECTS, FIXED_BLOCK, UHF = "iso-28560-2", "iso-28560-3", "iso-28560-4"
UNIVERSITIES = "cn-university"
TEXT, DIGITS = "text", "digits"
FORMATS: Final = (GRAI_96, SGTIN_96, OBJECTS, FIXED_BLOCK, UHF, UNIVERSITIES, TEXT, DIGITS)

BAD_CRC, BLANK, FOREIGN, BROKEN = "bad CRC", "blank", "foreign", "broken"
AMBIGUOUS, CONTRADICTION, UNREAD = "ambiguous", "contradiction", "unread"
PROBLEMS: Final = {
    BAD_CRC: "it has a library's format, and its checksum is wrong",
    BLANK: "nobody has programmed it",
    FOREIGN: "it has no library's format that is known here",
    BROKEN: "it says it has a library's format, and its bytes do not follow it",
    AMBIGUOUS: "its bytes can be read in several ways",
    CONTRADICTION: "two things that it says do not agree",
    UNREAD: "only its number was read, and that says nothing of the copy",
}

PATRON_CARD: Final = "patron card"
USAGES: Final = (
    "acquisition",
    "circulation",
    "not for circulation",
    "local use",
    "local use",
    "future use",
    "unknown",
    "discarded",
    PATRON_CARD,
    "equipment",
)
"""Type of usage by its number, ISO 28560-1, table of the data element *type of usage*."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
"""Of a million tags without further elements one for all."""


@dataclass(frozen=True, slots=True)
class TagContents:
    """
    What a tag says.

    Attributes
    ----------
    format : str
        One of `FORMATS`; empty where none was recognised.
    item_id : str
        The primary item identifier, in most libraries the barcode; empty where the tag does not say it, or cannot be
        trusted with it.
    owner : str
        ISIL of the library it belongs to (or the Chinese university's code); empty where it does not say.
    identifier : str
        The whole identifier as its format writes it: an EPC URI, a UII; else empty.
    parts, part : int or None
        How many parts the item has, and which of them this is (from 1).
    usage : str
        One of `USAGES`; empty where it does not say.
    security : bool or None
        Whether a gate would sound; None where that is not known.
    lent : bool or None
        The lending flag of a format that has one.
    problem : str
        One of `PROBLEMS`; empty where there is none.
    notes : tuple of str
        What had to be forgiven or is worth knowing, such as ``bytes of blocks reversed``.
    fields : mapping of str to str
        Further data elements, by their names in `stacks.tag_data.objects.NAMES`.
    readings : tuple of TagContents
        Where `problem` is ``ambiguous``: what it would be, each way.
    """

    format: str = ""
    item_id: str = ""
    owner: str = ""
    identifier: str = ""
    parts: int | None = None
    part: int | None = None
    usage: str = ""
    security: bool | None = None
    lent: bool | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    readings: tuple[TagContents, ...] = ()

    @property
    def candidates(self) -> tuple[TagContents, ...]:
        """The readings that name an item: itself, or each way it can be read; a patron's card names none."""
        return tuple(r for r in (self.readings or (self,)) if r.item_id and not r.patron_card)

    @property
    def patron_card(self) -> bool:
        """Whether it is a patron's card, whose number says who that is."""
        return self.usage == PATRON_CARD


def usage_word(code: int) -> str:
    """Return the word of a type of usage; its number where the standard has none."""
    return USAGES[code] if code < len(USAGES) else f"future use {code:X}"


def printable(text: str) -> bool:
    """Whether a text can be an identifier: there, printable, without spaces at its ends."""
    return bool(text) and text.isprintable() and text == text.strip()
