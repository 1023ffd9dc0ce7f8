"""
Structured extension blocks of ISO 28560-3, behind the fixed block.

``length number(2, least significant byte first) checksum fields``; the exclusive or of all bytes of a block is zero. A
length of zero ends them. Proven, and therefore understood, is the library extension block (1): media format in one
byte, then item identifier and owner, texts with a zero between them. Of the others (2 acquisition, 3 library
supplement, 4 title, 5 interlibrary loan) the order of the fields is not verified: they are kept as they are.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import Final

from stacks.tag_data.errors import TagDataError

LIBRARY: Final = 1
NAMES: Final = {1: "library", 2: "acquisition", 3: "library supplement", 4: "title", 5: "interlibrary loan"}
_HEAD = 4


@dataclass(frozen=True, slots=True)
class Extension:
    """
    One extension block.

    Attributes
    ----------
    number : int
        Its data block id, 1 to 65535.
    data : bytes
        Its fields as they stand on the tag.
    """

    number: int
    data: bytes

    @property
    def texts(self) -> tuple[str, ...]:
        """Item identifier and owner of a library extension block, as far as they are there; none of another."""
        if self.number != LIBRARY:
            return ()
        return (
            tuple(part.decode(errors="replace") for part in self.data[1:].split(b"\0"))
            if self.data[1:]
            else ()
        )

    def to_bytes(self) -> bytes:
        """Return the block; raises TagDataError where it is too long or its number is none."""
        length = _HEAD + len(self.data)
        if not (0 < self.number <= 0xFFFF and length <= 255):
            raise TagDataError(
                f"extension block {self.number} of {length} bytes: at most 65535, and 255 bytes"
            )
        made = bytearray([length, *self.number.to_bytes(2, "little"), 0, *self.data])
        made[3] = functools.reduce(operator.xor, made)
        return bytes(made)


def library_extension(media: int = 0, item_id: str = "", owner: str = "") -> Extension:
    """Return a library extension block; what is empty at its end is left out."""
    texts = b"\0".join([item_id.encode(), owner.encode()]).rstrip(b"\0")
    return Extension(LIBRARY, bytes([media]) + texts)


def decode_extensions(data: bytes) -> tuple[tuple[Extension, ...], tuple[str, ...]]:
    """Return the blocks that are whole, and a note where one is not; what follows that one is not read."""
    found: list[Extension] = []
    at = 0
    while at < len(data) and data[at]:
        block = data[at : at + data[at]]
        number = int.from_bytes(block[1:3], "little")
        if data[at] < _HEAD or len(block) < data[at]:
            return tuple(found), (f"extension block at byte {at} is cut short",)
        if functools.reduce(operator.xor, block):
            return tuple(found), (f"extension block at byte {at} has a wrong checksum",)
        found.append(Extension(number, block[_HEAD:]))
        at += data[at]
    return tuple(found), ()
