"""What the Gen2 tags of an emulated world hold beside their EPC."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

IMPINJ_CHIP: Final = bytes.fromhex("E28011")
"""A TID of a chip of Impinj's: class identifier E2h, designer 801h (with the serial number bit), model."""


@dataclass(frozen=True, slots=True)
class TagMemory:
    """What a tag holds beside its EPC, in whole words; `user` is empty where the chip has no such bank."""

    tid: bytes
    user: bytes = b""


MemoryOf = Callable[[bytes], TagMemory]


def usual_memory(epc: bytes) -> TagMemory:
    """Return the memory of a tag with Impinj's chip: 96 bits of TID, 16 words of user memory, both from its EPC."""
    serial = hashlib.sha256(epc).digest()
    return TagMemory(IMPINJ_CHIP + b"\x60" + serial[:8], serial)
