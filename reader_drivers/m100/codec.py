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
from reader_drivers.framing.tags import TagColumns, number_tags

FRAMES: Final = FrameFormat(0xBB, 3, 2, extra=7, least=7, most=7 + 512, check=SUM8, check_from=1, tail=0x7E)

COMMAND, RESPONSE, NOTICE = 0x00, 0x01, 0x02
"""Types of frames."""

_EPC_AT = 8  # of a notice: BB 02 22 PL PL RSSI PC PC EPC ... CRC CRC sum 7E
_ENDS = 12  # its bytes that are no EPC


class Command(IntEnum):
    """Commands; their answers carry the same number."""

    INFO = 0x03
    REGION = 0x07
    GET_REGION = 0x08
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


_FAILED: Final[dict[int, str]] = {
    Failure.READ: "reading failed: no tag answers, or not this one",
    Failure.WRITE: "writing failed",
    Failure.KILL: "killing failed",
    Failure.LOCK: "locking failed",
    Failure.NO_TAG: "no tag answers",
    Failure.PASSWORD: "wrong access password",
    Failure.COMMAND: "no such command, or its parameters are wrong",
    Failure.HOPPING: "every channel it may use is taken",
}
_OF_TAG: Final = {0xA: "reading", 0xB: "writing", 0xC: "locking", 0xD: "killing"}
_GEN2: Final = {
    0x0: "unknown fault of the tag",
    0x3: "there is no such memory",
    0x4: "the memory is locked",
    0xB: "the tag has too little power",
    0xF: "the tag does not say why",
}

NO_MEMORY: Final = 0xA3
"""The tag's memory ends before what was to be read."""


def failure_words(code: int) -> str:
    """Return what an error's number means: the module's own, or the tag's (EPC Gen2, annex I) behind what was done."""
    if code in _FAILED:
        return _FAILED[code]
    if code >> 4 in _OF_TAG and code & 0xF in _GEN2:
        return f"{_OF_TAG[code >> 4]} failed: {_GEN2[code & 0xF]}"
    return f"error {code:02X}"


REGIONS: Final = {
    "CN": (1, tuple(920_125 + 250 * n for n in range(20))),
    "US": (2, tuple(902_250 + 500 * n for n in range(52))),
    "EU": (3, tuple(865_100 + 200 * n for n in range(15))),
    "CN800": (4, tuple(840_125 + 250 * n for n in range(20))),
    "KR": (6, tuple(917_100 + 200 * n for n in range(32))),
}
"""Regions: number and channel centres, kHz."""


def region_of(number: int) -> str | None:
    """Return the name of a region; None: it is none of `REGIONS`."""
    return next((name for name, (known, _) in REGIONS.items() if known == number), None)


def encode(command: int, parameters: bytes = b"", kind: int = COMMAND) -> bytes:
    """Return a frame."""
    return FRAMES.seal(bytes([0xBB, kind, command]) + len(parameters).to_bytes(2, "big") + parameters)


def parameters(frame: bytes) -> bytes:
    """Return a frame's parameters."""
    return frame[5:-2]


def select_parameters(epc: bytes) -> bytes:
    """Return the parameters of `Command.SELECT` that name a tag: EPC memory from bit 32, as many bits as fit.

    The mask's length is one byte of bits, so of an EPC beyond 240 bits the beginning.
    """
    mask = epc[:30]
    return b"\x01" + (32).to_bytes(4, "big") + bytes([8 * len(mask), 0]) + mask


def read_parameters(bank: int, first: int, words: int, password: int = 0) -> bytes:
    """Return the parameters of `Command.READ`: memory bank (3: user), first word and how many, access password."""
    return password.to_bytes(4, "big") + bytes([bank]) + first.to_bytes(2, "big") + words.to_bytes(2, "big")


def decode_read(frame: bytes) -> tuple[bytes, bytes] | None:
    """Return EPC and data of an answer to `Command.READ`; None where its lengths contradict each other."""
    values = parameters(frame)
    if len(values) < 3 or not 2 <= values[0] <= len(values) - 1:
        return None
    return values[3 : 1 + values[0]], values[1 + values[0] :]


def encode_notice(rssi_dbm: int, pc: int, epc: bytes, crc: int) -> bytes:
    """Return a tag notice: RSSI (dBm), protocol control word, EPC, and the tag's CRC."""
    body = (rssi_dbm & 0xFF).to_bytes(1, "big") + pc.to_bytes(2, "big") + epc + crc.to_bytes(2, "big")
    return encode(Command.POLL, body, NOTICE)


@dataclass(frozen=True, slots=True)
class Notices(TagColumns):
    """Tag notices as columns, one row a read.

    Attributes
    ----------
    rssi_dbm : float32[n]
    bad : int
        Notices left out: their length and their protocol control word contradict each other.
    """

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
