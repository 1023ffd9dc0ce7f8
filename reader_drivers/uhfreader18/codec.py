"""Frames of the UHFReader18 and 288 families: ``length address command [status] data CRC``, CRC low byte first.

Sources: UHFReader18 User's Manual V2.0; UHFReader288MP User's Manual V1.14; frames of real readers in the tests of
wabson/chafon-rfid. The families differ in the inventory: the 18 tells EPCs alone, the 288 antenna and RSSI, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from reader_drivers.framing import CRC_8408_LSB, FrameFormat, Frames
from reader_drivers.framing.tags import TagColumns, number_tags

Dialect = Literal["18", "288"]

HEARTBEAT: Final = bytes.fromhex("56 00 00 00 00 00")
"""What network modules of these readers send when nothing else happens; no frame."""

COMMANDS: Final = FrameFormat(-1, 0, 1, extra=1, least=5, most=256, check=CRC_8408_LSB)
ANSWERS: Final = FrameFormat(-1, 0, 1, extra=1, least=6, most=256, check=CRC_8408_LSB, idle=HEARTBEAT)

BROADCAST: Final = 0xFF
TID_BYTES: Final = 12
RSSI_ZERO: Final = 129
"""What an RSSI of 0 dBm would be, where the 288's bytes count as those of R2000 boards with the same chip do."""

_WITH_TID: Final = 0x80


class Command(IntEnum):
    """Commands; their answers carry the same number."""

    ILLEGAL = 0x00
    INVENTORY = 0x01
    INFO = 0x21
    SET_BAND = 0x22
    SET_ADDRESS = 0x24
    SET_SCAN_TIME = 0x25
    SET_BAUD = 0x28
    SET_POWER = 0x2F
    SIGNAL = 0x33
    SET_WORK_MODE_18 = 0x35
    GET_WORK_MODE_18 = 0x36
    SET_WORK_MODE_288 = 0x76
    REPORT = 0xEE


class Status(IntEnum):
    """What an answer says of its command."""

    OK = 0x00
    COMPLETE = 0x01
    TIMEOUT = 0x02
    MORE = 0x03
    MEMORY = 0x04
    NOT_SAVED = 0x13
    POWER_NOT_SET = 0x14
    STATISTICS = 0x26
    HEARTBEAT = 0x28
    ANTENNA = 0xF8
    FAILED = 0xF9
    WEAK = 0xFA
    NO_TAG = 0xFB
    TAG_ERROR = 0xFC
    LENGTH = 0xFD
    ILLEGAL = 0xFE
    PARAMETER = 0xFF


_WORDS: Final[dict[int, str]] = {
    Status.MEMORY: "the reader's memory is full: it left tags out",
    Status.NOT_SAVED: "the setting cannot be saved",
    Status.POWER_NOT_SET: "the power cannot be set",
    Status.ANTENNA: "the antenna is missing",
    Status.FAILED: "the command failed",
    Status.WEAK: "the tag can hardly be heard",
    Status.NO_TAG: "no tag answers",
    Status.TAG_ERROR: "the tag reports an error",
    Status.LENGTH: "the command has a wrong length",
    Status.ILLEGAL: "no such command, or its CRC is wrong",
    Status.PARAMETER: "a parameter is wrong",
}


def status_words(status: int) -> str:
    """Return what a status means."""
    return _WORDS.get(status, f"status {status:02X}")


MODELS: Final[dict[int, tuple[str, Dialect]]] = {
    0x03: ("RRU9803M", "18"),
    0x08: ("RRU9803M", "18"),
    0x09: ("UHFReader18", "18"),
    0x0C: ("UHFReader288M", "288"),
    0x0F: ("UHFReader86", "288"),
    0x10: ("UHFReader86", "288"),
    0x16: ("RRU9883M", "288"),
    0x20: ("UHFReader288MP", "288"),
    0x8B: ("UHFReader288ADV", "288"),
}
"""Types that `Command.INFO` tells: name, and how the reader speaks."""


@dataclass(frozen=True, slots=True)
class Band:
    """Frequencies: number, first kHz, step kHz, how many."""

    number: int
    first_khz: int
    step_khz: int
    count: int

    def khz(self, index: int) -> int:
        """Return the centre of a channel."""
        return self.first_khz + self.step_khz * index

    @property
    def frequencies_khz(self) -> tuple[int, ...]:
        """Return the centres of all channels."""
        return tuple(map(self.khz, range(self.count)))


BANDS: Final = {
    "CN": Band(1, 920_125, 250, 20),
    "US": Band(2, 902_750, 500, 50),
    "KR": Band(3, 917_100, 200, 32),
    "EU": Band(4, 865_100, 200, 15),
    "UA": Band(6, 868_000, 100, 7),
    "PE": Band(7, 916_200, 900, 12),
    "CN800": Band(8, 840_125, 250, 20),
    "EU3": Band(9, 865_700, 600, 4),
    "TW": Band(10, 922_250, 500, 12),
    "US3": Band(12, 902_000, 500, 53),
    "USER": Band(0, 902_600, 400, 63),
}


def band_of(number: int) -> str | None:
    """Return the name of a band; None: it is none of `BANDS`."""
    return next((name for name, band in BANDS.items() if band.number == number), None)


def encode_band(number: int, first: int, last: int) -> bytes:
    """Return the two bytes that tell a band and its channels: highest, lowest; the band's bits stand above them."""
    return bytes([number >> 2 << 6 | last, (number & 3) << 6 | first])


def decode_band(highest: int, lowest: int) -> tuple[int, int, int]:
    """Return number of the band, first and last channel."""
    return highest >> 6 << 2 | lowest >> 6, lowest & 0x3F, highest & 0x3F


def encode_command(command: int, data: bytes = b"", address: int = BROADCAST) -> bytes:
    """Return a command's frame."""
    return COMMANDS.seal(bytes([len(data) + 4, address, command]) + data)


def encode_answer(command: int, status: int, data: bytes = b"", address: int = 0) -> bytes:
    """Return an answer's frame."""
    return ANSWERS.seal(bytes([len(data) + 5, address, command, status]) + data)


def data_of(answer: bytes) -> bytes:
    """Return an answer's data."""
    return answer[4:-2]


@dataclass(frozen=True, slots=True)
class Info:
    """What `Command.INFO` tells.

    Parameters
    ----------
    version
    type
        A key of `MODELS`, or unknown.
    band, first, last
        Number of the band, and its channels in use.
    power_dbm
    scan
        How long an inventory may take, in 0.1 s.
    antennas
        Antennas in use, one bit each; 0: not told.
    long
        Whether the answer is that of the 288 family.
    """

    version: tuple[int, int]
    type: int
    band: int
    first: int
    last: int
    power_dbm: int
    scan: int
    antennas: int
    long: bool


def decode_info(data: bytes) -> Info | None:
    """Return what the data of an answer to `Command.INFO` tell; None where they are too short."""
    if len(data) < 8:
        return None
    band, first, last = decode_band(data[4], data[5])
    many = len(data) >= 12
    return Info(
        (data[0], data[1]), data[2], band, first, last, data[6], data[7], data[8] if many else 0, many
    )


def inventory_parameters(
    q: int, session: int, target: str, port: int, scan: int, *, fast_id: bool = False
) -> bytes:
    """Return the parameters of a 288's inventory: Q, session, an empty mask, target (A or B), port, 0.1 s."""
    return bytes([q | fast_id << 5, session, 1, 0, 0, 0, target == "B", 0x80 + port - 1, scan])


@dataclass(frozen=True, slots=True)
class Tags(TagColumns):
    """Reads as columns, one row a read.

    Attributes
    ----------
    antenna : uint8[n]
        1-based; of several that are told the first.
    rssi : uint8[n]
        As the reader has it; 0 in the 18 family, which has none.
    tids : tuple of (bytes, bytes, int)
        EPC, TID and antenna of the tags that told theirs, each once.
    bad : int
        Frames left out: their lengths contradict each other, or they name no antenna.
    """

    antenna: NDArray[np.uint8]
    rssi: NDArray[np.uint8]
    tids: tuple[tuple[bytes, bytes, int], ...]
    bad: int


def decode_tags(frames: Frames, dialect: Dialect) -> Tags:
    """Return the reads among the frames: of inventories, and reports sent unasked.

    A frame of an inventory holds any number of records, each as long as it says. A frame counts only where its records
    fill it to the last byte.
    """
    command, status = frames.byte(2), frames.byte(3)
    report = (command == Command.REPORT) & (status == Status.OK) & (dialect == "288")
    told = report | ((command == Command.INVENTORY) & (status <= Status.MEMORY))
    rows = np.flatnonzero(told)
    report, some = report[rows], frames.select(rows)
    tail = 1 if dialect == "288" else 0  # bytes of a record behind the EPC: its RSSI
    end = some.length - 2
    head = 4 + tail  # where the number of records stands
    empty = end <= head
    at_head = np.where(empty, 0, head)
    left = np.where(empty, 0, np.where(report, 1, some.data[some.offset + at_head]))
    cursor = np.where(empty, end, np.where(report, head, head + 1))
    good = ~(empty & (end > 4)) & ~(report & empty)
    mask = some.data[some.offset + 4].astype(np.int64) if tail else np.ones(len(rows), np.int64)
    good &= (mask > 0) | empty
    frame: list[NDArray[np.int64]] = []
    place: list[NDArray[np.int64]] = []
    while len(active := np.flatnonzero(good & (left > 0))):
        here = cursor[active]
        inside = here < end[active]
        size = np.where(inside, some.data[some.offset[active] + np.where(inside, here, 0)], 0).astype(
            np.int64
        )
        if tail:
            inside &= (size & _WITH_TID == 0) | (size & ~_WITH_TID >= TID_BYTES)
            size &= ~_WITH_TID
        behind = here + 1 + size + tail
        inside &= behind <= end[active]
        good[active[~inside]] = False
        frame.append(active[inside])
        place.append(here[inside])
        cursor[active[inside]] = behind[inside]
        left[active[inside]] -= 1
    good &= cursor == end
    of, at = (np.concatenate(part) if part else np.empty(0, np.int64) for part in (frame, place))
    kept = good[of]
    of, at = of[kept], at[kept]
    order = np.lexsort((at, of))
    of, at = of[order], some.offset[of[order]] + at[order]
    size = some.data[at].astype(np.int64)
    has_tid = (size & _WITH_TID != 0) if tail else np.zeros(len(at), bool)
    size = size & ~_WITH_TID if tail else size
    length = size - np.where(has_tid, TID_BYTES, 0)
    tag, tags = number_tags(some.data, at + 1, length)
    bits = mask[of]
    antenna = (np.log2(bits & -bits) + 1).astype(np.uint8)
    return Tags(
        rows[of],
        tag,
        tags,
        antenna,
        some.data[at + 1 + size] if tail else np.zeros(len(at), np.uint8),
        _tids(some.data, at[has_tid] + 1, length[has_tid], antenna[has_tid]),
        int(np.count_nonzero(~good)),
    )


def _tids(
    data: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64], antenna: NDArray[np.uint8]
) -> tuple[tuple[bytes, bytes, int], ...]:
    number, both = number_tags(data, start, length + TID_BYTES)
    _, first = np.unique(number, return_index=True)
    return tuple(
        (each[:-TID_BYTES], each[-TID_BYTES:], port)
        for each, port in zip(both, antenna[first].tolist(), strict=True)
    )


def encode_tags(
    dialect: Dialect, status: int, tags: list[tuple[bytes, int]], antenna: int = 1, address: int = 0
) -> bytes:
    """Return an inventory's frame: EPCs, in the 288 family each with its RSSI as the reader has it."""
    if dialect == "18":
        body = bytes([len(tags)]) + b"".join(bytes([len(epc)]) + epc for epc, _ in tags)
    else:
        body = bytes([1 << antenna - 1, len(tags)])
        body += b"".join(bytes([len(epc)]) + epc + bytes([rssi]) for epc, rssi in tags)
    return encode_answer(Command.INVENTORY, status, body, address)


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends inventories: the frames, and the status of each."""

    row: NDArray[np.int64]
    status: NDArray[np.int64]


def decode_ends(frames: Frames) -> Ends:
    """Return the frames that end an inventory: all answers to it but those that announce more, and statistics."""
    command, status = frames.byte(2), frames.byte(3)
    end = (command == Command.INVENTORY) & (status != Status.MORE) & (status != Status.STATISTICS)
    end |= (command == Command.ILLEGAL) & (status == Status.ILLEGAL)
    rows = np.flatnonzero(end)
    return Ends(rows, status[rows])
