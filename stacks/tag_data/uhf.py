"""
ISO/TS 28560-4 (GB/T 35660.3): the identifier of a UHF tag, in URN Code 40, and its protocol control word.

The identifier (UII) is ``owner.item.set``: the owner's ISIL and the set information may be missing. In the control word
bit 8 says that what follows is an AFI and not EPC's attributes; a library's is C2 or 07.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from stacks.tag_data.contents import printable
from stacks.tag_data.errors import TagDataError
from stacks.tag_data.isil import is_isil
from stacks.tag_data.urn_code_40 import encode_urn_code_40, words

_SET: Final = re.compile(r"(?:[0-9]{2}){1,3}")
# The first two words of an identifier that begins with a country's ISIL are CC- and more of it.
_COUNTRY: Final = re.compile(r"[A-Z]{2}-")


@dataclass(frozen=True, slots=True)
class ControlWord:
    """The protocol control word of a Gen2 tag (ISO/IEC 18000-63, 6.3.2.1.2.2): `words` of 16 bits follow it."""

    words: int
    user_memory: bool = False
    extended: bool = False
    iso: bool = False
    afi: int = 0

    @classmethod
    def of(cls, pc: int) -> ControlWord:
        """Return the parts of a control word; without `iso`, `afi` is what EPC calls attributes."""
        return cls(pc >> 11, bool(pc & 0x400), bool(pc & 0x200), bool(pc & 0x100), pc & 0xFF)

    def __int__(self) -> int:
        return self.words << 11 | self.user_memory << 10 | self.extended << 9 | self.iso << 8 | self.afi


def encode_uii(
    item_id: str, owner: str = "", *, parts: int = 0, part: int = 0, afi: int = 0xC2, user_memory: bool = True
) -> tuple[ControlWord, bytes]:
    """
    Return control word and UII of an item.

    Parameters
    ----------
    item_id, owner : str
        `owner` is an ISIL.
    parts, part : int
        Set information; 0: none.
    afi : int
    user_memory : bool
        Whether the tag has something in its user bank.

    Raises
    ------
    TagDataError
        A value does not fit, or could not be told apart when it is read.
    """
    if not printable(item_id) or "." in item_id or (owner and not is_isil(owner)):
        raise TagDataError(f"{owner!r} is to be an ISIL and {item_id!r} an identifier without full stop")
    text = f"{owner}.{item_id}" if owner else item_id
    if parts or part:
        if not owner:
            raise TagDataError(
                "set information needs the owner before it: without it, it cannot be told apart"
            )
        text += f".{set_text(parts, part)}"
    data = encode_urn_code_40(text)
    if len(data) > 62:
        raise TagDataError(f"{text!r} is {len(data)} bytes long, and 62 fit")
    return ControlWord(len(data) // 2, user_memory, False, True, afi), data


def set_text(parts: int, part: int) -> str:
    """Return set information as digits, half of them for each; raises TagDataError."""
    if not 1 <= part <= parts <= 999:
        raise TagDataError(f"part {part} of {parts} is none")
    half = len(str(parts))
    return f"{parts:0{half}d}{part:0{half}d}"


def read_set(text: str) -> tuple[int, int] | None:
    """Return parts and part of set information; None where it is none."""
    if not _SET.fullmatch(text):
        return None
    parts, part = int(text[: len(text) // 2]), int(text[len(text) // 2 :])
    return (parts, part) if 1 <= part <= parts else None


def split_uii(uii: str) -> list[tuple[str, str, str]]:
    """
    Return the ways to read an identifier: owner, item and set information; none where it is no library's.

    ``A.B`` without an ISIL at its front may be owner and item, or item and set information.
    """
    pieces = uii.split(".")
    if len(pieces) == 1:
        ways = [("", uii, "")]
    elif len(pieces) == 2:
        ways = [(pieces[0], pieces[1], "")]
        if not is_isil(pieces[0]) and read_set(pieces[1]):
            ways.append(("", pieces[0], pieces[1]))
    else:
        ways = [(pieces[0], pieces[1], pieces[2])] if len(pieces) == 3 and read_set(pieces[2]) else []
    return [way for way in ways if printable(way[1]) and (not way[0] or printable(way[0]))]


def begins_with_country(epc: bytes) -> bool:
    """Whether an EPC's first word is two letters and a hyphen, as a UII with an owner begins."""
    first = words()[int.from_bytes(epc[:2], "big")]
    return first is not None and _COUNTRY.fullmatch(first) is not None
