"""Standard and advanced protocol frames, control bytes and status bytes.

A standard frame is ``LEN COM-ADR CONTROL [STATUS] data CRC(2)``, an advanced one ``02 LEN(2) COM-ADR CONTROL [STATUS]
data CRC(2)``; the length counts everything, the status is in answers only, and the CRC's low byte comes first. No
standard frame is two bytes long, so the first byte tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from reader_drivers.framing import CRC_8408_LSB, FrameFormat

BROADCAST: Final = 0xFF
"""The address that every reader answers to, by its own (0 as delivered)."""


class Control(IntEnum):
    """Control bytes; answers carry the same."""

    READ_BUFFER = 0x22
    BUFFER_INFO = 0x31
    CLEAR_BUFFER = 0x32
    INIT_BUFFER = 0x33
    BAUD_DETECTION = 0x52
    CPU_RESET = 0x63
    SYSTEM_RESET = 0x64
    SOFTWARE_VERSION = 0x65
    READER_INFO = 0x66
    RF_RESET = 0x69
    RF_ON_OFF = 0x6A
    DIAGNOSTIC = 0x6E
    SET_OUTPUT = 0x72
    READ_CONFIGURATION = 0x80
    WRITE_CONFIGURATION = 0x81
    SET_TIMER = 0x85
    GET_TIMER = 0x86
    LOGIN = 0xA0
    ISO = 0xB0
    CUSTOM = 0xB1


class Status(IntEnum):
    """Status bytes of answers; the names of 0F to 18 and of 80 to 93 differ from manual to manual."""

    OK = 0x00
    NO_TRANSPONDER = 0x01
    DATA_FALSE = 0x02
    WRITE_ERROR = 0x03
    ADDRESS_ERROR = 0x04
    WRONG_TYPE = 0x05
    READ_ERROR = 0x06
    BUSY = 0x0F
    EEPROM_FAILURE = 0x10
    PARAMETER_RANGE = 0x11
    LOGIN_REQUEST = 0x13
    LOGIN_ERROR = 0x14
    READ_PROTECT = 0x15
    WRITE_PROTECT = 0x16
    FIRMWARE_ACTIVATION = 0x17
    WRONG_FIRMWARE = 0x18
    UNKNOWN_COMMAND = 0x80
    LENGTH_ERROR = 0x81
    NOT_AVAILABLE = 0x82
    RF_COMMUNICATION = 0x83
    RF_WARNING = 0x84
    BUFFER_OVERFLOW = 0x85
    NO_VALID_DATA = 0x92
    DATA_BUFFER_OVERFLOW = 0x93
    MORE_DATA = 0x94
    ISO_ERROR = 0x95
    HARDWARE_WARNING = 0xF1
    INITIALIZATION_WARNING = 0xF2


_TEXTS: Final = {
    Status.NO_TRANSPONDER: "no tag in the field",
    Status.DATA_FALSE: "a tag's answer had a wrong CRC",
    Status.WRITE_ERROR: "the tag did not take what was written",
    Status.ADDRESS_ERROR: "the tag has no such address",
    Status.WRONG_TYPE: "the tag does not know this command",
    Status.READ_ERROR: "the tag could not be read",
    Status.BUSY: "the reader is busy",
    Status.EEPROM_FAILURE: "the reader's EEPROM fails, or its parameters' checksum is wrong",
    Status.PARAMETER_RANGE: "a parameter is out of range",
    Status.LOGIN_REQUEST: "the reader's configuration asks for a password",
    Status.LOGIN_ERROR: "wrong password",
    Status.READ_PROTECT: "reading is not allowed there",
    Status.WRITE_PROTECT: "writing is not allowed there",
    Status.FIRMWARE_ACTIVATION: "the firmware must be activated first",
    Status.WRONG_FIRMWARE: "firmware and hardware do not fit",
    Status.UNKNOWN_COMMAND: "the reader does not know this command",
    Status.LENGTH_ERROR: "the reader does not take a request of this length",
    Status.NOT_AVAILABLE: "the command is not available now",
    Status.RF_COMMUNICATION: "reader and tag disturbed each other",
    Status.RF_WARNING: "RF warning: check antenna, cables, tuning and noise",
    Status.BUFFER_OVERFLOW: "the reader's buffer ran over",
    Status.NO_VALID_DATA: "no valid data in the buffer",
    Status.DATA_BUFFER_OVERFLOW: "the reader's data buffer ran over",
    Status.MORE_DATA: "more data are there",
    Status.ISO_ERROR: "the tag answered with an error",
    Status.HARDWARE_WARNING: "the RF part does not work properly",
    Status.INITIALIZATION_WARNING: "the reader fell back to default settings",
}


def status_text(status: int) -> str:
    """Return a status byte in words, with its number."""
    try:
        words = _TEXTS.get(Status(status), "done")
    except ValueError:
        words = "unknown status"
    return f"{words} (status {status:02X})"


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame from the reader, taken apart."""

    address: int
    control: int
    status: int
    data: bytes


@dataclass(frozen=True)
class Layout:
    """One of the two kinds of frames.

    Attributes
    ----------
    name
    frames
        As the framer needs it.
    address_at
        Where the address stands; control, status and data follow.
    """

    name: str
    frames: FrameFormat
    address_at: int

    @property
    def data_at(self) -> int:
        """Return where an answer's data begin."""
        return self.address_at + 3

    @property
    def most_data(self) -> int:
        """Return how many bytes of data an answer can carry."""
        return self.frames.most - self.data_at - 2

    def _seal(self, body: bytes) -> bytes:
        length = len(body) + self.address_at + 2
        if length > self.frames.most:
            raise ValueError(f"{length} bytes are too many for a frame of the {self.name} protocol")
        head = bytes([length]) if self.address_at == 1 else b"\x02" + length.to_bytes(2, "big")
        return self.frames.seal(head + body)

    def request(self, control: int, data: bytes = b"", address: int = BROADCAST) -> bytes:
        """Return a host's frame."""
        return self._seal(bytes([address, control]) + data)

    def answer(self, control: int, status: int, data: bytes = b"", address: int = 0) -> bytes:
        """Return a reader's frame."""
        return self._seal(bytes([address, control, status]) + data)

    def read(self, frame: bytes) -> Answer | None:
        """Take a reader's frame apart; None where it is too short to be one."""
        at = self.address_at
        if len(frame) < at + 5:
            return None
        return Answer(frame[at], frame[at + 1], frame[at + 2], frame[at + 3 : -2])

    def read_request(self, frame: bytes) -> tuple[int, int, bytes]:
        """Take a host's frame apart: address, control, data."""
        at = self.address_at
        return frame[at], frame[at + 1], frame[at + 2 : -2]


STANDARD: Final = Layout("standard", FrameFormat(-1, 0, 1, 0, 5, 255, CRC_8408_LSB), 1)
ADVANCED: Final = Layout("advanced", FrameFormat(0x02, 1, 2, 0, 7, 16_384, CRC_8408_LSB), 3)
