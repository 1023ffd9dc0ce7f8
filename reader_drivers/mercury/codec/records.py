"""What a module sends while it reads: tag records, keep-alives and statuses, read as columns.

A record is a frame of opcode 22: ``[prefix] option flags(2) mask(2) type | fields | EPC``. The mask says which fields
there are, in ascending order of its bits; embedded data and the EPC have lengths of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers.framing import Frames
from reader_drivers.framing.tags import TagColumns, number_tags
from reader_drivers.mercury.codec.frames import GEN2, Op, Status, reply
from reader_drivers.mercury.codec.search import PREFIX, WITH_METADATA, Search

Ints = NDArray[np.int64]

_DATA_AT: Final = 5  # status ends here
_MOST_EPC: Final = 62  # 31 words
FAILED: Final = 0x8000
"""Stands for the length of embedded data where reading them failed; an error code of two bytes follows."""


class Metadata(IntFlag):
    """Fields of a record."""

    COUNT = 0x0001
    RSSI = 0x0002
    ANTENNA = 0x0004
    FREQUENCY = 0x0008
    STAMP = 0x0010
    PHASE = 0x0020
    PROTOCOL = 0x0040
    DATA = 0x0080
    GPIO = 0x0100
    Q = 0x0200
    LINK_FREQUENCY = 0x0400
    TARGET = 0x0800
    BRAND = 0x1000


LAST_FIXED: Final = Metadata.BRAND
# As plain numbers: a flag's operators are calls of Python functions.
_BEFORE: Final = tuple((int(which), width) for which, width in (
    (Metadata.COUNT, 1), (Metadata.RSSI, 1), (Metadata.ANTENNA, 1), (Metadata.FREQUENCY, 3), (Metadata.STAMP, 4),
    (Metadata.PHASE, 2), (Metadata.PROTOCOL, 1),
))  # fmt: skip
_BEHIND: Final = tuple((int(which), width) for which, width in (
    (Metadata.GPIO, 1), (Metadata.Q, 1), (Metadata.LINK_FREQUENCY, 1), (Metadata.TARGET, 1), (Metadata.BRAND, 2),
))  # fmt: skip
_DATA, _PROTOCOL, _BRAND, _STAMP = (
    int(which) for which in (Metadata.DATA, Metadata.PROTOCOL, Metadata.BRAND, Metadata.STAMP)
)
_READ_TAGS, _OK, _NO_TAGS = int(Op.READ_TAGS), int(Status.OK), int(Status.NO_TAGS)


class Kind(IntEnum):
    """What a frame is to somebody who listens to a stream."""

    OTHER = 0
    RECORD = 1
    KEEPALIVE = 2
    REPORT = 3
    END = 4
    FAULT = 5
    STRANGE = 6


def _number(data: NDArray[np.uint8], at: Ints, width: int) -> Ints:
    """Return the numbers of `width` bytes at `at`; behind the end of `data` stands its last byte."""
    last = len(data) - 1
    if width == 1:
        return data[np.minimum(at, last)].astype(np.int64)
    if len(at) == 1:
        # So it is where a line brings frame by frame.
        first = int(at[0])
        inside = data[first : first + width].tobytes()
        behind = data[last:].tobytes() * (width - len(inside))
        return np.array([int.from_bytes(inside + behind, "big")], np.int64)
    value = np.zeros(len(at), np.int64)
    for k in range(width):
        value = value << 8 | data[np.minimum(at + k, last)]
    return value


def kinds_of(frames: Frames) -> Ints:
    """Return the `Kind` of each frame, int64[frames]."""
    kind = np.zeros(len(frames), np.int64)
    if not len(frames):
        return kind
    status, empty = frames.u16(3), frames.byte(1) == 0
    stream = frames.byte(2) == _READ_TAGS
    _, _, kind_at = _heads(frames)
    whole = kind_at < frames.offset + frames.length - 2
    told = _number(frames.data, kind_at, 1)
    good = stream & (status == _OK)
    kind[good] = Kind.STRANGE
    kind[good & whole & (told == 1)] = Kind.RECORD
    kind[good & whole & (told == 2)] = Kind.REPORT
    kind[good & whole & (told == 0)] = Kind.END
    # Air protocols other than Gen2 tell an empty cycle without a status.
    kind[stream & ((status == _NO_TAGS) | (status == _OK) & empty)] = Kind.KEEPALIVE
    kind[stream & (status != _OK) & (status != _NO_TAGS)] = Kind.FAULT
    return kind


def _heads(frames: Frames) -> tuple[Ints, Ints, Ints]:
    """Return where the option stands, the mask, and where the type stands: one byte before the fields."""
    at = frames.offset + _DATA_AT
    at = at + ((_number(frames.data, at, 1) & PREFIX) > 0)
    metadata = (_number(frames.data, at, 1) & WITH_METADATA) > 0
    mask = np.where(metadata, _number(frames.data, at + 3, 2), 0)
    return at, mask, at + np.where(metadata, 5, 3)


def stamps_of(frames: Frames) -> Ints:
    """Return the stamp of keep-alives that carry one, ms; -1 for those that do not; int64[frames]."""
    _, mask, kind_at = _heads(frames)
    has = (mask == _STAMP) & (kind_at + 5 == frames.offset + frames.length - 2)
    return np.where(has, _number(frames.data, kind_at + 1, 4), -1)


@dataclass(frozen=True, slots=True)
class Records(TagColumns):
    """Tag records as columns, one row a read; -1 stands where the mask had no such field.

    Attributes
    ----------
    count, antenna, frequency_khz, stamp_ms, phase_deg : int64[n]
        As sent; `antenna` has the transmit port in its high nibble, the receive port in its low one.
    rssi_dbm : int64[n]
        Signed.
    data_at, data_length : int64[n]
        Embedded data in the frames' bytes; length 0: none, or reading them failed.
    bad : int
        Records left out: their lengths contradict each other, they are of another air protocol, or have fields that
        are not known here.
    """

    count: Ints
    rssi_dbm: Ints
    antenna: Ints
    frequency_khz: Ints
    stamp_ms: Ints
    phase_deg: Ints
    data_at: Ints
    data_length: Ints
    bad: int


@dataclass(slots=True)
class _Columns:
    """Fields of records of one mask."""

    rows: Ints
    values: dict[int, Ints] = field(default_factory=dict[int, Ints])

    def get(self, which: Metadata) -> Ints:
        found = self.values.get(int(which))
        return np.full(len(self.rows), -1, np.int64) if found is None else found


def decode_records(frames: Frames, rows: Ints) -> Records:
    """Return the records among the frames.

    Parameters
    ----------
    frames
        Frames of a stream.
    rows : int64[k]
        Those that are `Kind.RECORD`.
    """
    chosen = frames.select(rows)
    _, mask, kind_at = _heads(chosen)
    end = chosen.offset + chosen.length - 2
    # One layout a mask; a stream has one mask, or a few where its settings changed.
    pieces = [
        _decode(frames.data, rows[same], kind_at[same] + 1, end[same], m)
        for m in np.unique(mask).tolist()
        for same in (np.flatnonzero(mask == m),)
    ]
    if not pieces:
        pieces = [_decode(np.zeros(1, np.uint8), rows, kind_at, end, 0)]
    if len(pieces) == 1:
        columns = pieces[0]
    else:
        joined = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        order = np.argsort(joined[0])
        columns = tuple(column[order] for column in joined)
    row, epc_at, epc_length, *values = columns
    tag, tags = number_tags(frames.data, epc_at, epc_length)
    return Records(row, tag, tags, *values, bad=len(rows) - len(row))


def _decode(data: NDArray[np.uint8], rows: Ints, at: Ints, end: Ints, mask: int) -> tuple[Ints, ...]:
    """Return the columns of records of one mask: row, EPC's place and length, and the fields of `Records`."""
    columns = _Columns(rows)
    good = np.full(len(rows), mask < 2 * LAST_FIXED)
    for which, width in _BEFORE:
        if mask & which:
            columns.values[which] = _number(data, at, width)
            at = at + width
    data_at = data_length = np.zeros(len(rows), np.int64)
    if mask & _DATA:
        bits = _number(data, at, 2)
        failed = bits == FAILED
        data_at, data_length = at + 2, np.where(failed, 0, (bits + 7) >> 3)
        at = data_at + np.where(failed, 2, data_length)
    for which, width in _BEHIND:
        if mask & which:
            at = at + width
    size = (_number(data, at, 2) + 7) >> 3
    # Framing has checked the frame; what does not fill it exactly is not understood.
    good &= at + 2 + size == end
    if mask & _PROTOCOL:
        good &= columns.values[_PROTOCOL] == GEN2
    # The word XPC_W1 follows where protocol control says so, and XPC_W2 where XPC_W1 does.
    first = (_number(data, at + 2, 1) & 0x02) > 0
    second = first & ((_number(data, at + 4, 1) & 0x80) > 0)
    before = 2 + 2 * first + 2 * second
    length = size - before - 2 - (2 if mask & _BRAND else 0)
    good &= (length > 0) & (length <= _MOST_EPC)
    rssi = columns.get(Metadata.RSSI)
    rssi = np.where(rssi > 127, rssi - 256, rssi)
    out = (
        rows, at + 2 + before, length, columns.get(Metadata.COUNT), rssi, columns.get(Metadata.ANTENNA),
        columns.get(Metadata.FREQUENCY), columns.get(Metadata.STAMP), columns.get(Metadata.PHASE), data_at, data_length,
    )  # fmt: skip
    return out if good.all() else tuple(column[good] for column in out)


@dataclass(frozen=True, slots=True)
class Record:
    """One read as a module reports it; fields as in `Records`, those outside the mask are not sent.

    Parameters
    ----------
    pc
        Protocol control word, and the XPC words behind it where there are.
    crc
        The tag's own.
    data
        Embedded data; an int is the error with which reading them failed.
    """

    pc: bytes
    epc: bytes
    crc: int
    count: int = 1
    rssi_dbm: int = -60
    antenna: int = 0x11
    frequency_khz: int = 0
    stamp_ms: int = 0
    phase_deg: int = 0
    data: bytes | int = b""
    gpio: int = 0


def encode_record(search: Search, record: Record) -> bytes:
    """Return the frame of one record of a search."""
    mask = search.mask
    values: dict[int, int] = {
        Metadata.COUNT: record.count,
        Metadata.RSSI: record.rssi_dbm & 0xFF,
        Metadata.ANTENNA: record.antenna,
        Metadata.FREQUENCY: record.frequency_khz,
        Metadata.STAMP: record.stamp_ms & 0xFFFFFFFF,
        Metadata.PHASE: record.phase_deg,
        Metadata.PROTOCOL: GEN2,
        Metadata.GPIO: record.gpio,
    }
    body = search.head() + mask.to_bytes(2, "big") + b"\x01"
    body += b"".join(values[which].to_bytes(width, "big") for which, width in _BEFORE if mask & which)
    if mask & Metadata.DATA:
        if isinstance(record.data, int):
            body += FAILED.to_bytes(2, "big") + record.data.to_bytes(2, "big")
        else:
            body += (8 * len(record.data)).to_bytes(2, "big") + record.data
    body += b"".join(values.get(which, 0).to_bytes(width, "big") for which, width in _BEHIND if mask & which)
    block = record.pc + record.epc + (b"\0\0" if mask & Metadata.BRAND else b"")
    block += record.crc.to_bytes(2, "big")
    return reply(Op.READ_TAGS, 0, body + (8 * len(block)).to_bytes(2, "big") + block)
