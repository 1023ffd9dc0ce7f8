"""Frames of the Mercury serial protocol, and the numbers in them.

A host's frame is ``FF length opcode data[length] CRC(2)``, a module's ``FF length opcode status(2) data[length]
CRC(2)``: the length counts the data alone. Numbers are sent most significant byte first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from reader_drivers.framing import CRC_THINGMAGIC, FrameFormat

REQUESTS: Final = FrameFormat(0xFF, 1, 1, extra=5, least=5, most=255, check=CRC_THINGMAGIC, check_from=1)
REPLIES: Final = FrameFormat(0xFF, 1, 1, extra=7, least=7, most=255, check=CRC_THINGMAGIC, check_from=1)

SPEEDS: Final = (115_200, 921_600, 9_600, 460_800, 230_400, 57_600, 38_400, 19_200)
"""Speeds at which a module may be, the usual ones first."""

GEN2: Final = 5
"""The air protocol's number."""

BOOTLOADER: Final = 1
"""The low two bits of `Op.CURRENT_PROGRAM`'s answer, while the bootloader runs; the application has 2."""


class Op(IntEnum):
    """Commands; an answer carries the number of its command."""

    VERSION = 0x03
    BOOT_FIRMWARE = 0x04
    SET_BAUD = 0x06
    BOOT_BOOTLOADER = 0x09
    CURRENT_PROGRAM = 0x0C
    READ_TAGS = 0x22
    READ_DATA = 0x28
    TAG_BUFFER = 0x29
    CLEAR_BUFFER = 0x2A
    MULTI = 0x2F
    GET_ANTENNA = 0x61
    GET_POWER = 0x62
    GET_PROTOCOL = 0x63
    GET_HOP_TABLE = 0x65
    GET_REGION = 0x67
    GET_CONFIG = 0x6A
    GET_GEN2 = 0x6B
    REGIONS = 0x71
    TEMPERATURE = 0x72
    SET_ANTENNA = 0x91
    SET_POWER = 0x92
    SET_PROTOCOL = 0x93
    SET_HOP_TABLE = 0x95
    SET_REGION = 0x97
    SET_CONFIG = 0x9A
    SET_GEN2 = 0x9B
    AUTONOMOUS = 0x9D


class Config(IntEnum):
    """Keys of `Op.SET_CONFIG`, which come behind an 01."""

    READ_FILTER = 0x0C


class Gen2(IntEnum):
    """Keys of `Op.SET_GEN2`, which come behind the air protocol's number."""

    SESSION = 0x00
    TARGET = 0x01
    Q = 0x12
    RF_MODE = 0x18


class Status(IntEnum):
    """What an answer, or a frame of a stream, says of its command."""

    OK = 0
    WRONG_LENGTH = 0x0100
    BAD_OPCODE = 0x0101
    POWER_TOO_HIGH = 0x0103
    BAD_PARAMETER = 0x0105
    POWER_TOO_LOW = 0x0106
    BAUD = 0x010A
    REGION = 0x010B
    NO_TAGS = 0x0400
    NO_PROTOCOL = 0x0401
    NO_DATA = 0x0404
    WRITE_FAILED = 0x0406
    TAG_ERROR = 0x040A
    MEMORY_OVERRUN = 0x0423
    LOCKED = 0x0424
    LITTLE_POWER = 0x042B
    CHANNEL_OCCUPIED = 0x0501
    NO_ANTENNA = 0x0503
    TOO_HOT = 0x0504
    RETURN_LOSS = 0x0505
    ANTENNA_CONFIG = 0x0507
    FEW_TAGS = 0x0600
    BUFFER_FULL = 0x0601
    ASSERT = 0x7F01


_WORDS: Final = {
    Status.WRONG_LENGTH: "wrong number of data bytes",
    Status.BAD_OPCODE: "it does not know this command",
    Status.POWER_TOO_HIGH: "power too high",
    Status.BAD_PARAMETER: "a value it does not take",
    Status.POWER_TOO_LOW: "power too low",
    Status.BAUD: "a speed it cannot go at",
    Status.REGION: "no such region, or none is set",
    Status.NO_PROTOCOL: "no air protocol is set",
    Status.CHANNEL_OCCUPIED: "the channel is occupied",
    Status.NO_ANTENNA: "no antenna is connected",
    Status.TOO_HOT: "too hot",
    Status.RETURN_LOSS: "high return loss",
    Status.ANTENNA_CONFIG: "antennas it cannot use",
    Status.BUFFER_FULL: "its tag buffer is full",
    Status.ASSERT: "its firmware failed",
}

MODELS: Final = {0x18: "M6e", 0x19: "M6e-i", 0x20: "M6e Micro", 0x30: "M6e Nano", 0x38: "M7e", 0x80: "M3e"}
"""The first byte of the hardware's version."""

M7E: Final = 0x38

PORTS: Final = {0x18: 4, 0x19: 4, 0x20: 2, 0x30: 1, 0x38: 4}
"""Antenna ports by model, for modules that do not list theirs."""

REGIONS: Final = {
    "NA": 0x01, "EU": 0x02, "KR": 0x03, "IN": 0x04, "JP": 0x05, "PRC": 0x06, "EU2": 0x07, "EU3": 0x08, "KR2": 0x09,
    "PRC2": 0x0A, "AU": 0x0B, "NZ": 0x0C, "NA2": 0x0D, "NA3": 0x0E, "IS": 0x0F, "MY": 0x10, "ID": 0x11, "PH": 0x12,
    "TW": 0x13, "MO": 0x14, "RU": 0x15, "SG": 0x16, "JP2": 0x17, "JP3": 0x18, "VN": 0x19, "TH": 0x1A, "AR": 0x1B,
    "HK": 0x1C, "BD": 0x1D, "EU4": 0x1E, "UNIVERSAL": 0x1F, "IS2": 0x20, "NA4": 0x21, "OPEN_EXT": 0xFE, "OPEN": 0xFF,
}  # fmt: skip
"""Regions by ThingMagic's names (Mercury API for C, tmr_region.h)."""


def describe(status: int) -> str:
    """Return a status in words, with its number."""
    number = f"status {status:04X}"
    return f"{_WORDS[Status(status)]} ({number})" if status in _WORDS else number


@dataclass(frozen=True, slots=True)
class Reply:
    """A module's frame."""

    op: int
    status: int
    data: bytes


def request(op: int, data: bytes = b"") -> bytes:
    """Return a host's frame."""
    return REQUESTS.seal(bytes([0xFF, len(data), op]) + data)


def reply(op: int, status: int = 0, data: bytes = b"") -> bytes:
    """Return a module's frame."""
    return REPLIES.seal(bytes([0xFF, len(data), op]) + status.to_bytes(2, "big") + data)


def read_reply(frame: bytes) -> Reply:
    """Read a module's frame, of which framing has checked the length."""
    return Reply(frame[2], int.from_bytes(frame[3:5], "big"), frame[5:-2])


def wrap(op: int, data: bytes = b"") -> bytes:
    """Return a command as it is sent to a module that streams."""
    return request(Op.MULTI, bytes([0, 0, 4, len(data), op]) + data)


def unwrap(outer: Reply) -> Reply | None:
    """Return the answer to a command that was sent by `wrap`; None where this is none.

    Behind the 04 the inner answer follows as it would stand alone: length, opcode, status, data.
    """
    if outer.op != Op.MULTI or outer.data[:1] != b"\x04":
        return None
    inner = outer.data[1:]
    if outer.status or len(inner) < 4 or inner[0] != len(inner) - 4:
        # Refused as a whole, without saying what it answers.
        return Reply(inner[1] if len(inner) > 1 else 0, outer.status or Status.WRONG_LENGTH, b"")
    return Reply(inner[1], int.from_bytes(inner[2:4], "big"), inner[4:])


@dataclass(frozen=True, slots=True)
class Version:
    """What a module says about itself: `Op.VERSION`, and `Op.BOOT_FIRMWARE` when it has booted.

    Attributes
    ----------
    bootloader, hardware, date, firmware : bytes
        Four each.
    protocols : int
        Bit `p - 1`: air protocol `p`.
    """

    bootloader: bytes
    hardware: bytes
    date: bytes
    firmware: bytes
    protocols: int

    def encode(self) -> bytes:
        """Return the data of an answer."""
        parts = (self.bootloader, self.hardware, self.date, self.firmware, self.protocols.to_bytes(4, "big"))
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Version | None:
        """Read the data of an answer; None where it is too short."""
        if len(data) < 20:
            return None
        return cls(data[:4], data[4:8], data[8:12], data[12:16], int.from_bytes(data[16:20], "big"))
