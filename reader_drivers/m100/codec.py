"""Frames of M100, QM100, YRM100 and R200 modules: ``BB type command length(2) parameters sum 7E``.

Source: Magicrf, M100 module communication protocol V2.1 (user manual); vectors in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers.framing import SUM8, FrameFormat, Frames
from reader_drivers.framing.tags import number_tags

FRAMES: Final = FrameFormat(0xBB, 3, 2, extra=7, least=7, most=7 + 512, check=SUM8, check_from=1, tail=0x7E)

COMMAND, RESPONSE, NOTICE = 0x00, 0x01, 0x02
"""Types of frames."""

_EPC_AT = 8  # of a notice: BB 02 22 PL PL RSSI PC PC EPC ... CRC CRC sum 7E
_ENDS = 12  # its bytes that are no EPC


class Command(IntEnum):
    """Commands; their answers carry the same number."""

    INFO = 0x03
    REGION = 0x07
    SELECT = 0x0C
    GET_QUERY = 0x0D
    SET_QUERY = 0x0E
    BAUD = 0x11
    SELECT_MODE = 0x12
    POLL = 0x22
    POLL_MANY = 0x27
    STOP = 0x28
    READ = 0x39
    CHANNEL = 0xAB
    HOPPING = 0xAD
    POWER = 0xB6
    GET_POWER = 0xB7
    ERROR = 0xFF


class Failure(IntEnum):
    """Why a command failed: the parameter of an answer `Command.ERROR`."""

    READ = 0x09
    WRITE = 0x10
    KILL = 0x12
    LOCK = 0x13
    NO_TAG = 0x15
    PASSWORD = 0x16
    COMMAND = 0x17
    HOPPING = 0x20


REGIONS: Final = {
    "CN": (1, tuple(920_125 + 250 * n for n in range(20))),
    "US": (2, tuple(902_250 + 500 * n for n in range(52))),
    "EU": (3, tuple(865_100 + 200 * n for n in range(15))),
    "CN800": (4, tuple(840_125 + 250 * n for n in range(20))),
    "KR": (6, tuple(917_100 + 200 * n for n in range(32))),
}
"""Regions: number and channel centres, kHz."""


def encode(command: int, parameters: bytes = b"", kind: int = COMMAND) -> bytes:
    """Return a frame."""
    return FRAMES.seal(bytes([0xBB, kind, command]) + len(parameters).to_bytes(2, "big") + parameters)


def parameters(frame: bytes) -> bytes:
    """Return a frame's parameters."""
    return frame[5:-2]


def encode_notice(rssi_dbm: int, pc: int, epc: bytes, crc: int) -> bytes:
    """Return a tag notice: RSSI (dBm), protocol control word, EPC, and the tag's CRC."""
    body = (rssi_dbm & 0xFF).to_bytes(1, "big") + pc.to_bytes(2, "big") + epc + crc.to_bytes(2, "big")
    return encode(Command.POLL, body, NOTICE)


@dataclass(frozen=True, slots=True)
class Notices:
    """Tag notices as columns, one row a read.

    Attributes
    ----------
    row : int64[n]
        The frame each came in.
    tag : uint32[n]
        Index into `tags`.
    tags : tuple of bytes
        EPCs.
    rssi_dbm : float32[n]
    bad : int
        Notices left out: their length and their protocol control word contradict each other.
    """

    row: NDArray[np.int64]
    tag: NDArray[np.uint32]
    tags: tuple[bytes, ...]
    rssi_dbm: NDArray[np.float32]
    bad: int


def decode_notices(frames: Frames) -> Notices:
    """Return the tag notices among the frames."""
    rows = np.flatnonzero((frames.byte(1) == NOTICE) & (frames.byte(2) == Command.POLL))
    long = rows[frames.length[rows] >= _ENDS]
    notices = frames.select(long)
    # The EPC's length stands in the first five bits of the protocol control word, in words of 16 bits.
    length = 2 * (notices.byte(6) >> 3)
    fits = notices.length == length + _ENDS
    notices, length = notices.select(fits), length[fits]
    tag, tags = number_tags(notices.data, notices.offset + _EPC_AT, length)
    rssi = notices.byte(5).astype(np.uint8).view(np.int8).astype(np.float32)
    return Notices(long[fits], tag, tags, rssi, len(rows) - len(notices))
