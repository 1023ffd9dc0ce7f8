"""Frames of Chafon's `CF` readers: ``CF address command(2) length data CRC``, CRC high byte first.

Source: Chafon, UHF Prime Reader user manual, and frames that users of a CF reader wrote down; vectors in the tests. An
answer's data begin with a status. How a report of a read is laid out is in none of them with certainty; what is here is
one account of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers.framing import CRC_8408_MSB, FrameFormat, Frames
from reader_drivers.framing.tags import TagColumns, number_tags

FRAMES: Final = FrameFormat(0xCF, 4, 1, extra=7, least=7, most=262, check=CRC_8408_MSB)

BROADCAST: Final = 0xFF

PARAMETER_BYTES: Final = 25
_EPC_AT: Final = (
    11  # of a report: CF address command(2) length status RSSI(2) antenna channel size EPC CRC(2)
)
_ENDS: Final = 13  # its bytes that are no EPC


class Command(IntEnum):
    """Commands; their answers carry the same number."""

    INVENTORY = 0x0001
    STOP = 0x0002
    INIT = 0x0050
    REBOOT = 0x0052
    POWER = 0x0053
    PROTOCOL = 0x0059
    NETWORK = 0x0064
    INFO = 0x0070
    SET_PARAMETERS = 0x0071
    GET_PARAMETERS = 0x0072
    RELAY = 0x0077


class Status(IntEnum):
    """What an answer says of its command."""

    OK = 0x00
    BAD_PARAMETER = 0x01
    FAILED = 0x02
    INVENTORY_OVER = 0x12
    BAD_FRAME = 0x14


_WORDS: Final[dict[int, str]] = {
    Status.OK: "done",
    Status.BAD_PARAMETER: "a parameter is wrong",
    Status.FAILED: "the command failed",
    Status.INVENTORY_OVER: "the inventory is over",
    Status.BAD_FRAME: "the frame was not understood",
}


def status_words(status: int) -> str:
    """Return what a status means."""
    return _WORDS.get(status, f"status {status:02X}")


def encode(command: int, data: bytes = b"", address: int = BROADCAST) -> bytes:
    """Return a command's frame."""
    return FRAMES.seal(bytes([0xCF, address]) + command.to_bytes(2, "big") + bytes([len(data)]) + data)


def encode_answer(command: int, status: int, data: bytes = b"", address: int = 0) -> bytes:
    """Return an answer's frame."""
    return encode(command, bytes([status]) + data, address)


def command_of(frame: bytes) -> int:
    """Return a frame's command."""
    return int.from_bytes(frame[2:4], "big")


def data_of(frame: bytes) -> bytes:
    """Return a frame's data; an answer's begin with its status."""
    return frame[5:-2]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that can be set, as the reader keeps it.

    Parameters
    ----------
    raw
        All 25 bytes; what is not named below stays as it is.
    """

    raw: bytes

    @property
    def work_mode(self) -> int:
        """Return 0 (speaks when asked), 1 (reads by itself) or 2 (reads when triggered)."""
        return self.raw[2]

    @property
    def antennas(self) -> int:
        """Return the antennas in use, one bit each."""
        return self.raw[6]

    @property
    def frequencies_khz(self) -> tuple[int, ...]:
        """Return the channels: first MHz and kHz, step in kHz, and the last one's number."""
        first = 1000 * int.from_bytes(self.raw[8:10], "big") + int.from_bytes(self.raw[10:12], "big")
        step = int.from_bytes(self.raw[12:14], "big")
        return tuple(first + step * n for n in range(self.raw[14] + 1))

    @property
    def region(self) -> int:
        """Return the number of the region."""
        return self.raw[7]

    @property
    def power_dbm(self) -> int:
        """Return the power."""
        return self.raw[15]

    @property
    def q(self) -> int:
        """Return Gen2's slot-count exponent."""
        return self.raw[17]

    @property
    def session(self) -> int:
        """Return Gen2's session."""
        return self.raw[18]

    def to_read(self, *, antennas: int, power_dbm: int, session: int, q: int | None) -> Parameters:
        """Return these parameters for reading when asked, EPCs alone, every read told."""
        raw = bytearray(self.raw)
        raw[2], raw[6], raw[15], raw[16], raw[18], raw[21] = 0, antennas, power_dbm, 1, session, 0
        if q is not None:
            raw[17] = q
        return replace(self, raw=bytes(raw))


def decode_parameters(data: bytes) -> Parameters | None:
    """Return the parameters that data tell (without their status); None where they tell none."""
    return Parameters(data) if len(data) == PARAMETER_BYTES else None


def inventory_parameters(seconds: int) -> bytes:
    """Return the parameters of an inventory that ends after so many seconds."""
    return b"\x00" + seconds.to_bytes(4, "big")


def encode_report(rssi_dbm: float, antenna: int, channel: int, epc: bytes, address: int = 0) -> bytes:
    """Return the report of a read; its layout is not proven."""
    body = round(rssi_dbm * 10).to_bytes(2, "big", signed=True) + bytes([antenna, channel, len(epc)]) + epc
    return encode_answer(Command.INVENTORY, Status.OK, body, address)


@dataclass(frozen=True, slots=True)
class Reports(TagColumns):
    """Reports of reads as columns, one row a read.

    Attributes
    ----------
    rssi_dbm : float32[n]
    antenna, channel : int64[n]
        Antennas from 1, channels from 0.
    bad : int
        Reports left out: their lengths contradict each other, or there is no such antenna.
    over : int
        Status that ended the inventory, or -1.
    """

    rssi_dbm: NDArray[np.float32]
    antenna: NDArray[np.int64]
    channel: NDArray[np.int64]
    bad: int
    over: int


def decode_reports(frames: Frames) -> Reports:
    """Return the reports among the frames, in the layout that is not proven.

    Status, RSSI in 0.1 dBm (signed), antenna, channel, length of the EPC, EPC.
    """
    told = np.flatnonzero((frames.u16(2) == Command.INVENTORY) & (frames.byte(4) > 0))
    status = frames.select(told).byte(5)
    over = status[status != Status.OK]
    # The answer to the command itself is a status alone.
    rows = told[(status == Status.OK) & (frames.length[told] > 8)]
    long = rows[frames.length[rows] >= _ENDS]
    some = frames.select(long)
    length = some.length - _ENDS
    antenna = some.byte(8)
    fits = (some.byte(10) == length) & (antenna >= 1) & (antenna <= 8)
    some, length = some.select(fits), length[fits]
    tag, tags = number_tags(some.data, some.offset + _EPC_AT, length)
    return Reports(
        long[fits],
        tag,
        tags,
        (some.u16(6).astype(np.uint16).view(np.int16) / np.float32(10)).astype(np.float32),
        antenna[fits],
        some.byte(9),
        len(rows) - len(some),
        int(over[-1]) if len(over) else -1,
    )
