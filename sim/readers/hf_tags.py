"""HF book tags: what their chips hold, as libraries write it.

Sources: ISO 28560-3 (fixed block of 34 bytes); chips as NXP's ICODE SLIX: 28 blocks of four bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from reader_drivers.checksums import crc_ccitt_false

DANISH: Final = 0x3E
"""DSFID of ISO 28560-3."""

SECURED: Final = 0x07
GENERAL: Final = 0xC2
"""AFI of a library's secured items; of library items at large, on loan or not secured (ISO 28560-1, ISO/IEC 15961)."""

_SLIX_IC: Final = 0x02


@dataclass(slots=True)
class HfTag:
    """A tag's chip.

    Attributes
    ----------
    uid
    memory
        User memory, block after block.
    dsfid, afi
    eas
        None: the chip has no such bit.
    block_bytes, ic
    locked
        Numbers of blocks that cannot be written.
    """

    uid: bytes
    memory: bytearray
    dsfid: int = DANISH
    afi: int = SECURED
    eas: bool | None = True
    block_bytes: int = 4
    ic: int = _SLIX_IC
    locked: set[int] = field(default_factory=set[int])

    @property
    def blocks(self) -> int:
        """Return how many blocks there are."""
        return len(self.memory) // self.block_bytes


def danish_block(item: str, owner: str = "", *, parts: int = 1, part: int = 1, usage: int = 1) -> bytes:
    """Return the 34 bytes of ISO 28560-3's fixed block.

    Parameters
    ----------
    item
        Primary item identifier, at most 16 bytes.
    owner
        ISIL; its first hyphen is left out.
    parts, part
        Of an item of several pieces.
    usage
        1: for circulation.

    Raises
    ------
    ValueError
        Item or owner are too long.
    """
    name, isil = item.encode(), owner.replace("-", "", 1).encode()
    if len(name) > 16 or len(isil) > 13:
        raise ValueError(f"{item!r} of {owner!r} does not fit an ISO 28560-3 block; it has 16 and 13 bytes")
    head = bytes([0x10 | usage, parts, part]) + name.ljust(16, b"\0")
    tail = isil.ljust(13, b"\0")
    return head + crc_ccitt_false(head + tail).to_bytes(2, "little") + tail


def book_tag(uid: bytes, item: str, owner: str = "", *, secured: bool = True, blocks: int = 28) -> HfTag:
    """Return the tag of a book, as ISO 28560-3 has it; EAS on chips of NXP (UID E004) only."""
    memory = bytearray(danish_block(item, owner).ljust(4 * blocks, b"\0"))
    eas = secured if uid[1] == 0x04 else None
    return HfTag(uid, memory, afi=SECURED if secured else GENERAL, eas=eas)
