"""Frames of R2000 boards: ``A0 length address command data check``.

Source: Shenzhen Rodinbell / Invelion, UHF RFID Reader Serial Interface Protocol V3.7, and the makers' demonstration
programs, whose parsers show what tells tags from ends and errors. Vectors in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers.framing import NEG8, FrameFormat, Frames
from reader_drivers.framing.tags import TagColumns, number_tags

FRAMES: Final = FrameFormat(0xA0, 1, 1, extra=2, least=5, most=257, check=NEG8)

BROADCAST: Final = 0xFF
PHASE_STEPS: Final = 4096

_FRAME = 5  # bytes of a frame that are no data: head, length, address, command, check
_TAG = 4  # of a tag's data that are no EPC: frequency and antenna, PC, RSSI
_END = 7
RSSI_ZERO: Final = 129


class Command(IntEnum):
    """Commands; their answers carry the same number."""

    SET_DETECTOR = 0x62
    GET_DETECTOR = 0x63
    TEMPORARY_POWER = 0x66
    IDENTIFIER = 0x68
    SET_PROFILE = 0x69
    GET_PROFILE = 0x6A
    RESET = 0x70
    VERSION = 0x72
    SET_ANTENNA = 0x74
    GET_ANTENNA = 0x75
    SET_POWER = 0x76
    GET_POWER = 0x77
    SET_REGION = 0x78
    GET_REGION = 0x79
    BEEPER = 0x7A
    TEMPERATURE = 0x7B
    RETURN_LOSS = 0x7E
    REALTIME = 0x89
    FAST_SWITCH = 0x8A
    SESSION = 0x8B
    SET_POWER_8 = 0x97


INVENTORIES: Final = (Command.REALTIME, Command.FAST_SWITCH, Command.SESSION)


class Status(IntEnum):
    """What an answer says of its command, or a round of its end."""

    SUCCESS = 0x10
    FAILED = 0x11
    PROCESSOR_RESET = 0x20
    NO_CARRIER = 0x21
    ANTENNA_MISSING = 0x22
    FLASH_WRITE = 0x23
    FLASH_READ = 0x24
    POWER_NOT_SET = 0x25
    INVENTORY = 0x31
    READ = 0x32
    NO_TAG = 0x36
    ACCESS_TO_FOUND = 0x37
    BUFFER_EMPTY = 0x38
    ACCESS = 0x40
    BAD_PARAMETER = 0x41
    BAD_ADDRESS = 0x46
    BAD_ANTENNA = 0x47
    BAD_POWER = 0x48
    BAD_REGION = 0x49
    BAD_SPEED = 0x4A
    BAD_FREQUENCIES = 0x4F
    NO_HANDLE = 0x50
    NO_LOCK = 0x52
    CHIP_SILENT = 0x53
    POWER_NOT_REACHED = 0x54
    SPECTRUM = 0x56
    POWER_TOO_LOW = 0x57
    NO_RETURN_LOSS = 0xEE


_WORDS: Final[dict[int, str]] = {
    Status.SUCCESS: "done",
    Status.FAILED: "failed",
    Status.PROCESSOR_RESET: "the board's processor was reset",
    Status.NO_CARRIER: "the carrier cannot be switched on",
    Status.ANTENNA_MISSING: "the antenna is missing",
    Status.FLASH_WRITE: "flash cannot be written",
    Status.FLASH_READ: "flash cannot be read",
    Status.POWER_NOT_SET: "the power cannot be set",
    Status.INVENTORY: "the inventory failed",
    Status.READ: "reading a tag failed",
    Status.NO_TAG: "no tag answers",
    Status.ACCESS_TO_FOUND: "tags were found, but access to them failed",
    Status.BUFFER_EMPTY: "the buffer is empty",
    Status.ACCESS: "access failed, or the password is wrong",
    Status.BAD_PARAMETER: "a parameter is wrong",
    Status.BAD_ADDRESS: "there is no such address",
    Status.BAD_ANTENNA: "there is no such antenna",
    Status.BAD_POWER: "the power is out of range",
    Status.BAD_REGION: "there is no such region",
    Status.BAD_SPEED: "there is no such speed",
    Status.BAD_FREQUENCIES: "the frequencies are out of range",
    Status.NO_HANDLE: "the tag gave no handle",
    Status.NO_LOCK: "the synthesizer does not lock",
    Status.CHIP_SILENT: "the radio chip does not answer",
    Status.POWER_NOT_REACHED: "the power asked for is not reached",
    Status.SPECTRUM: "the spectrum is not allowed",
    Status.POWER_TOO_LOW: "the power is too low",
    Status.NO_RETURN_LOSS: "the return loss cannot be measured",
}


def error_words(status: int) -> str:
    """Return what a status means."""
    return _WORDS.get(status, f"error {status:02X}")


def frequency_khz(index: int) -> int:
    """Return the centre of a frequency of the board's own table, kHz: 0 to 6 from 865.0, 7 to 59 from 902.0 MHz."""
    return 865_000 + 500 * index if index < 7 else 902_000 + 500 * (index - 7)


TABLE_KHZ: Final = tuple(frequency_khz(index) for index in range(60))
"""Every frequency of the board's own table, kHz."""

REGIONS: Final = {"FCC": (1, 7, 59), "ETSI": (2, 0, 6), "CN": (3, 43, 53)}
"""Regions: number, first and last index into `TABLE_KHZ`."""

CUSTOM_REGION: Final = 4


def region_of(number: int) -> str | None:
    """Return the name of a region; None: it is none of `REGIONS`."""
    return next((name for name, (known, *_) in REGIONS.items() if known == number), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which frequencies a board may use: what `Command.GET_REGION` says.

    Parameters
    ----------
    region
        Its number.
    first, last
        Indices into `table`.
    table
        Frequency of each index that a tag's report may name, kHz.
    """

    region: int
    first: int
    last: int
    table: tuple[int, ...]


def encode(command: int, data: bytes = b"", address: int = BROADCAST) -> bytes:
    """Return a frame."""
    return FRAMES.seal(bytes([0xA0, len(data) + 3, address, command]) + data)


def data_of(frame: bytes) -> bytes:
    """Return a frame's data."""
    return frame[4:-1]


def encode_plan(plan: Plan) -> bytes:
    """Return the data that tell a plan."""
    if plan.region != CUSTOM_REGION:
        return bytes([plan.region, plan.first, plan.last])
    table = plan.table
    step = (table[-1] - table[0]) // max(1, len(table) - 1)
    return bytes([CUSTOM_REGION, step // 10, len(table)]) + table[0].to_bytes(3, "big")


def decode_plan(data: bytes) -> Plan | None:
    """Return the plan that data tell; None where they tell none.

    It is a region with two indices, or a table of the board's own: spacing in 10 kHz, count, first kHz.
    """
    if len(data) == 3 and data[0] in (1, 2, 3) and data[1] <= data[2] < len(TABLE_KHZ):
        return Plan(data[0], data[1], data[2], TABLE_KHZ)
    if len(data) == 6 and data[0] == CUSTOM_REGION and data[2]:
        start, step = int.from_bytes(data[3:], "big"), 10 * data[1]
        return Plan(CUSTOM_REGION, 0, data[2] - 1, tuple(start + step * n for n in range(data[2])))
    return None


def encode_tag(
    command: int,
    index: int,
    antenna: int,
    epc: bytes,
    rssi_dbm: int,
    *,
    pc: int | None = None,
    phase: int | None = None,
    address: int = 1,
) -> bytes:
    """Return the report of a read: frequency index, antenna (0 to 7; those above 3 on boards with eight), EPC, RSSI.

    Phase, in steps of 1/4096 turn, where the board tells it. Its place and that of the eighth antenna are not proven.
    """
    word = (len(epc) // 2 << 11 if pc is None else pc).to_bytes(2, "big")
    raw = rssi_dbm + RSSI_ZERO | antenna >> 2 << 7
    tail = b"" if phase is None else phase.to_bytes(2, "big")
    return encode(command, bytes([index << 2 | antenna & 3]) + word + epc + bytes([raw]) + tail, address)


def encode_end(antenna: int, rate: int, total: int, command: int, address: int = 1) -> bytes:
    """Return the end of a round of one antenna: how many tags a second, how many reads."""
    return encode(command, bytes([antenna]) + rate.to_bytes(2, "big") + total.to_bytes(4, "big"), address)


def encode_fast_end(total: int, duration_ms: int, address: int = 1) -> bytes:
    """Return the end of a round of several antennas."""
    return encode(Command.FAST_SWITCH, total.to_bytes(3, "big") + duration_ms.to_bytes(4, "big"), address)


@dataclass(frozen=True, slots=True)
class Tags(TagColumns):
    """Reports of reads as columns, one row a read.

    Attributes
    ----------
    antenna : uint8[n]
        1-based.
    index : int64[n]
        Into the board's table of frequencies.
    rssi_dbm : float32[n]
    phase : int64[n]
        In steps of 1/4096 turn; -1: none.
    bad : int
        Frames left out that are neither read nor end nor error.
    """

    antenna: NDArray[np.uint8]
    index: NDArray[np.int64]
    rssi_dbm: NDArray[np.float32]
    phase: NDArray[np.int64]
    bad: int


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends rounds: the frames, each with its error (`Status.SUCCESS`: none) and the antenna it names (0: none).

    An error with an antenna ends that antenna's turn alone: the round goes on.
    """

    row: NDArray[np.int64]
    error: NDArray[np.int64]
    antenna: NDArray[np.int64]


def decode_inventory(frames: Frames, *, phase: bool = False, eight: bool = False) -> tuple[Tags, Ends]:
    """Return reads and ends of rounds among the frames.

    The length tells them apart: an error has one byte of data (two, with the antenna, where antennas are switched), an
    end has seven; a read has four and its EPC, which is whole words: an even number, never seven. What a read says of
    its EPC's length must hold, too.

    Parameters
    ----------
    frames
    phase
        Whether reads may have two bytes of phase behind the RSSI (not proven).
    eight
        Whether the RSSI's first bit is the antenna's third (not proven).
    """
    command = frames.byte(3)
    size = frames.length - _FRAME
    told = np.isin(command, INVENTORIES)
    pair = (size == 2) & (command == Command.FAST_SWITCH)
    end = told & ((size == 1) | (size == _END) | pair)
    rows = np.flatnonzero(told & ~end & (size >= _TAG))
    reads = frames.select(rows)
    length = 2 * (reads.byte(5) >> 3)
    rest = reads.length - _FRAME - _TAG - length
    fits = (rest == 0) | ((rest == 2) & phase)
    rssi_at = reads.offset + np.where(fits, 7 + length, 0)
    raw = reads.data[rssi_at].astype(np.int64)
    # No tag comes in above -1 dBm: on a board with four antennas the bit is a fault.
    fits &= (raw < 0x80) | eight
    reads, rssi_at, raw = reads.select(fits), rssi_at[fits], raw[fits]
    length, rest = length[fits], rest[fits]
    tag, tags = number_tags(reads.data, reads.offset + 7, length)
    has = rest == 2
    at = np.where(has, rssi_at, reads.offset)
    steps = reads.data[at + 1].astype(np.int64) << 8 | reads.data[at + 2].astype(np.int64)
    place = reads.byte(4)
    found = Tags(
        rows[fits],
        tag,
        tags,
        ((place & 3) + 4 * (raw >> 7 & eight) + 1).astype(np.uint8),
        place >> 2,
        ((raw & 0x7F) - RSSI_ZERO).astype(np.float32),
        np.where(has, steps % PHASE_STEPS, -1),
        int(told.sum()) - int(end.sum()) - int(fits.sum()),
    )
    ends = np.flatnonzero(end)
    of_end = frames.select(ends)
    first, sizes = of_end.byte(4), of_end.length - _FRAME
    error = np.select([sizes == _END, sizes == 1], [Status.SUCCESS, first], of_end.byte(-2))
    return found, Ends(ends, error, np.where(sizes == 2, first + 1, 0))
