"""ISO 15693 host commands besides the inventory: blocks, AFI, DSFID, system information, EAS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

MOST_BLOCK: Final = 32
"""Greatest block, bytes (ISO/IEC 15693-3: five bits)."""


class Iso(IntEnum):
    """Commands within `Control.ISO`."""

    INVENTORY = 0x01
    STAY_QUIET = 0x02
    LOCK_BLOCKS = 0x22
    READ_BLOCKS = 0x23
    WRITE_BLOCKS = 0x24
    SELECT = 0x25
    RESET_TO_READY = 0x26
    WRITE_AFI = 0x27
    LOCK_AFI = 0x28
    WRITE_DSFID = 0x29
    LOCK_DSFID = 0x2A
    SYSTEM_INFO = 0x2B
    BLOCK_SECURITY = 0x2C


class Mode(IntEnum):
    """Whom a command is for, the low three bits of its MODE."""

    NON_ADDRESSED = 0
    ADDRESSED = 1
    SELECTED = 2


class IsoError(IntEnum):
    """A tag's own error, behind `Status.ISO_ERROR` (ISO/IEC 15693-3, table of error codes)."""

    NOT_SUPPORTED = 0x01
    NOT_RECOGNISED = 0x02
    OPTION_NOT_SUPPORTED = 0x03
    UNKNOWN = 0x0F
    NO_BLOCK = 0x10
    ALREADY_LOCKED = 0x11
    LOCKED = 0x12
    NOT_PROGRAMMED = 0x13
    NOT_LOCKED = 0x14


def iso_request(command: int, uid: bytes | None, more: bytes = b"", flags: int = 0) -> bytes:
    """Return the data of a request to one tag (None: to whichever is alone in the field)."""
    mode = (Mode.NON_ADDRESSED if uid is None else Mode.ADDRESSED) | flags
    return bytes([command, mode]) + (uid or b"") + more


def read_request(uid: bytes | None, first: int, count: int) -> bytes:
    """Return the data of a request for blocks."""
    return iso_request(Iso.READ_BLOCKS, uid, bytes([first, count]))


def write_request(uid: bytes | None, first: int, data: bytes, size: int = 4) -> bytes:
    """Return the data of a request to write whole blocks of `size` bytes."""
    return iso_request(Iso.WRITE_BLOCKS, uid, bytes([first, len(data) // size, size]) + data)


_NXP, _EAS_ALARM = 0x04, 0xA5


def eas_request(uid: bytes) -> bytes:
    """Return the data of a `Control.CUSTOM` request by which an NXP tag whose EAS bit is on answers.

    Unproven: the manuals at hand show maker, command, MODE and UID for commands A2 to A4; that A5, the chip's EAS
    alarm, goes the same way is concluded from there.
    """
    return bytes([_NXP, _EAS_ALARM, Mode.ADDRESSED]) + uid


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks as they were read.

    Attributes
    ----------
    size
        Bytes a block.
    data
        Block after block, each in the order in which the reader gave it.
    security
        A byte a block: 0 where it may be written.
    """

    size: int
    data: bytes
    security: bytes

    @property
    def count(self) -> int:
        """Return how many blocks there are."""
        return len(self.security)


def decode_blocks(data: bytes) -> Blocks | None:
    """Return the blocks of an answer to `read_request`: ``DB-N DB-SIZE {SEC-STATUS DB}``; None where it is none."""
    if len(data) < 2:
        return None
    count, size = data[0], data[1]
    if not 1 <= size <= MOST_BLOCK or len(data) != 2 + count * (1 + size):
        return None
    table = np.frombuffer(data, np.uint8, offset=2).reshape(count, 1 + size)
    return Blocks(size, table[:, 1:].tobytes(), table[:, 0].tobytes())


def encode_blocks(data: bytes, size: int = 4, security: bytes | None = None) -> bytes:
    """Return the data of an answer that brings whole blocks."""
    count = len(data) // size
    security = bytes(count) if security is None else security
    rows = (security[k : k + 1] + data[k * size : (k + 1) * size] for k in range(count))
    return bytes([count, size]) + b"".join(rows)


def reverse_blocks(data: bytes, size: int) -> bytes:
    """Turn round the bytes of each block, as some readers give them."""
    return np.frombuffer(data, np.uint8).reshape(-1, size)[:, ::-1].tobytes() if data else b""


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What a tag says about itself.

    Attributes
    ----------
    dsfid, afi, ic
        Data storage format, application family, and the chip's version.
    uid
    blocks, block_bytes
        Of the user memory.
    """

    dsfid: int
    uid: bytes
    afi: int
    blocks: int
    block_bytes: int
    ic: int


_INFO_LONG = 13


def decode_system_info(data: bytes) -> SystemInfo | None:
    """Return the answer ``DSFID UID(8) AFI MEM-SIZE(2) IC-REF``; None where it is none.

    Of MEM-SIZE the manuals at hand do not say which byte is the block's size (less one) and which the number of blocks
    (less one). Blocks are of four bytes, rarely of eight, so the byte that says so is the size.
    """
    if len(data) != _INFO_LONG:
        return None
    high, low = data[10], data[11]
    size, count = next(
        ((a, b) for usual in (3, 7) for a, b in ((high, low), (low, high)) if a == usual), (high, low)
    )
    if size >= MOST_BLOCK:
        size, count = count, size
    if size >= MOST_BLOCK:
        return None
    return SystemInfo(data[0], data[1:9], data[9], count + 1, size + 1, data[12])


def encode_system_info(info: SystemInfo) -> bytes:
    """Return the data of an answer."""
    return bytes([info.dsfid]) + info.uid + bytes([info.afi, info.block_bytes - 1, info.blocks - 1, info.ic])
