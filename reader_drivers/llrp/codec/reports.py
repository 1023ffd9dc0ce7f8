"""Tag reports as columns: RO_ACCESS_REPORT messages in, one row a TagReportData out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader_drivers.llrp.codec import _kernels
from reader_drivers.llrp.codec._kernels import NO_DOPPLER, NO_PHASE, NO_RSSI
from reader_drivers.llrp.codec.constants import IMPINJ
from reader_drivers.llrp.codec.errors import CodecError
from reader_drivers.llrp.codec.framing import HEADER_BYTES, FrameBatch
from reader_drivers.llrp.codec.parameters import walk

RO_ACCESS_REPORT = 61
PHASE_STEPS = 4096
"""Impinj reports the phase in 1/4096 of a turn."""

_REASONS = (
    "",
    "parameter cut off",
    "TV parameter of unknown size",
    "parameter length does not fit",
    "reserved bits set",
    "TagReportData without an EPC",
    "EPCData whose bit count does not fit",
    "Impinj value out of its range",
    "tag memory whose word count does not fit",
)


@dataclass(frozen=True, slots=True)
class Reports:
    """Tag reports, one row each, in stream order; what a report left out holds the column's own "none".

    Parameters
    ----------
    message : int32[n]
        Which of the decoded messages the report came in.
    tag : uint32[n]
        Index into `epcs`, numbered by first appearance.
    epcs
        EPC bytes; empty: a tag that nobody has given an EPC.
    antenna : uint16[n]
        AntennaID, 1-based; 0: none.
    channel : uint16[n]
        ChannelIndex, 1-based; 0: none.
    rssi_cdbm : int16[n]
        Impinj's PeakRSSI in 1/100 dBm, else the standard's whole dBm times 100; -32768: none.
    phase : uint16[n]
        Impinj's RFPhaseAngle, 0..4095, in the reader's own sign; 65535: none.
    doppler : int16[n]
        Impinj's RFDopplerFrequency in 1/16 Hz; -32768: none.
    first_utc_us, first_uptime_us, last_utc_us, last_uptime_us : uint64[n]
        The reader's clocks, microseconds; 0: none.
    seen : uint16[n]
        TagSeenCount; 0: none.
    rospec : uint32[n]
        ROSpecID; 0: none.
    memory_row : int64[k]
        Which report a piece of tag memory came in; a report may bring none or several.
    memory_op : uint16[k]
        OpSpecID of the C1G2Read it answers; 0: Impinj's SerializedTID, sent without being read.
    memory_result : uint8[k]
        `ReadResult`; 0: it was read.
    memory_at, memory_size : int64[k]
        Where its bytes stand in `stream`.
    stream
        The bytes that were decoded.
    bad
        `(index of the message, why)` of each message that was refused; a refused message leaves no rows.
    """

    message: NDArray[np.int32]
    tag: NDArray[np.uint32]
    epcs: tuple[bytes, ...]
    antenna: NDArray[np.uint16]
    channel: NDArray[np.uint16]
    rssi_cdbm: NDArray[np.int16]
    phase: NDArray[np.uint16]
    doppler: NDArray[np.int16]
    first_utc_us: NDArray[np.uint64]
    first_uptime_us: NDArray[np.uint64]
    last_utc_us: NDArray[np.uint64]
    last_uptime_us: NDArray[np.uint64]
    seen: NDArray[np.uint16]
    rospec: NDArray[np.uint32]
    memory_row: NDArray[np.int64]
    memory_op: NDArray[np.uint16]
    memory_result: NDArray[np.uint8]
    memory_at: NDArray[np.int64]
    memory_size: NDArray[np.int64]
    stream: bytes = b""
    bad: tuple[tuple[int, CodecError], ...] = ()

    def __len__(self) -> int:
        return len(self.message)

    def memory(self, index: int) -> bytes:
        """Return the bytes of one piece of tag memory."""
        at = int(self.memory_at[index])
        return self.stream[at : at + int(self.memory_size[index])]


def decode_reports(batch: FrameBatch, first: int = 0, last: int | None = None) -> Reports:
    """Decode the RO_ACCESS_REPORT frames `first` to `last` (one past) of a batch, compiled."""
    offset, length = batch.offset[first:last], batch.length[first:last]
    data = np.frombuffer(batch.data, np.uint8)
    columns, rest, memories = _kernels.scan_reports(data, offset, length)
    message, tag, antenna, channel, rssi, phase, doppler = columns
    times, seen, rospec, epc_at, epc_size, why, where = rest
    epcs = tuple(batch.data[a : a + n] for a, n in zip(epc_at.tolist(), epc_size.tolist(), strict=True))
    bad = tuple((int(i), _error(int(why[i]), int(where[i]))) for i in np.flatnonzero(why))
    first_utc, first_uptime, last_utc, last_uptime = times
    moments = (first_utc, first_uptime, last_utc, last_uptime)
    head = (message, tag, epcs, antenna, channel, rssi, phase, doppler)
    row, op, result, at, size = memories
    return Reports(*head, *moments, seen, rospec, row, op, result, at, size, batch.data, bad)


def decode_reports_reference(batch: FrameBatch, first: int = 0, last: int | None = None) -> Reports:
    """Decode as `decode_reports` does, one report at a time in plain Python: what the compiled decoder is held to."""
    rows: list[dict[str, Any]] = []
    memories: list[tuple[int, ...]] = []
    bad: list[tuple[int, CodecError]] = []
    for index in range(first, len(batch) if last is None else last):
        frame = batch.frame(index)
        start, start_memories = len(rows), len(memories)
        body_at = int(batch.offset[index]) + HEADER_BYTES
        try:
            for vendor, number, at, end in walk(frame.body, 0, len(frame.body)):
                if (vendor, number) == (0, 240):
                    row, found = _report(frame.body, at, end)
                    memories += [(len(rows), op, result, body_at + a, n) for op, result, a, n in found]
                    rows.append({"message": index - first, **row})
        except CodecError as error:
            del rows[start:], memories[start_memories:]
            bad.append((index - first, error))
    epcs = tuple(dict.fromkeys(row["epc"] for row in rows))
    numbers = {epc: i for i, epc in enumerate(epcs)}

    def column(name: str, none: int, dtype: type[np.integer[Any]]) -> NDArray[Any]:
        return np.array([row.get(name, none) for row in rows], dtype)

    memory = [np.array(part, np.int64) for part in zip(*memories, strict=True)] or [np.empty(0, np.int64)] * 5
    return Reports(
        message=column("message", 0, np.int32),
        tag=np.array([numbers[row["epc"]] for row in rows], np.uint32),
        epcs=epcs,
        antenna=column("antenna", 0, np.uint16),
        channel=column("channel", 0, np.uint16),
        rssi_cdbm=column("rssi", NO_RSSI, np.int16),
        phase=column("phase", NO_PHASE, np.uint16),
        doppler=column("doppler", NO_DOPPLER, np.int16),
        first_utc_us=column("first_utc", 0, np.uint64),
        first_uptime_us=column("first_uptime", 0, np.uint64),
        last_utc_us=column("last_utc", 0, np.uint64),
        last_uptime_us=column("last_uptime", 0, np.uint64),
        seen=column("seen", 0, np.uint16),
        rospec=column("rospec", 0, np.uint32),
        memory_row=memory[0],
        memory_op=memory[1].astype(np.uint16),
        memory_result=memory[2].astype(np.uint8),
        memory_at=memory[3],
        memory_size=memory[4],
        stream=batch.data,
        bad=tuple(bad),
    )


_UNSIGNED = {1: "antenna", 2: "first_utc", 3: "first_uptime", 4: "last_utc", 5: "last_uptime"} | {
    7: "channel",
    8: "seen",
    9: "rospec",
}


def _report(body: bytes, at: int, end: int) -> tuple[dict[str, Any], list[tuple[int, int, int, int]]]:
    """Return a report's fields, and `(op, result, byte, size)` of each piece of tag memory in it."""
    row: dict[str, Any] = {}
    memories: list[tuple[int, int, int, int]] = []
    fine: int | None = None
    for vendor, number, start, stop in walk(body, at, end):
        if vendor == 0 and number in _UNSIGNED:
            row[_UNSIGNED[number]] = int.from_bytes(body[start:stop], "big")
        elif vendor == 0 and number == 6:
            row["rssi"] = 100 * int.from_bytes(body[start:stop], "big", signed=True)
        elif vendor == 0 and number == 13:
            row["epc"] = body[start:stop]
        elif vendor == 0 and number == 241:
            size = (int.from_bytes(body[start : start + 2], "big") + 7) // 8
            if stop - start < 2 or start + 2 + size != stop:
                raise CodecError(f"{_REASONS[_kernels.BAD_EPC]} at byte {start}")
            row["epc"] = body[start + 2 : stop]
        elif (vendor, number) in ((0, 349), (IMPINJ, 55)):
            head = 3 if vendor == 0 else 0
            size = 2 * int.from_bytes(body[start + head : start + head + 2], "big")
            begins = start + head + 2
            # Impinj may append to its parameters; the standard's end where their words do.
            if begins > stop or begins + size > stop or (vendor == 0 and begins + size < stop):
                raise CodecError(f"{_REASONS[_kernels.BAD_MEMORY]} at byte {start}")
            op = int.from_bytes(body[start + 1 : start + 3], "big") if vendor == 0 else 0
            memories.append((op, body[start] if vendor == 0 else 0, begins, size))
        elif vendor == IMPINJ and number in (56, 57, 68):
            value = int.from_bytes(body[start : start + 2], "big", signed=number != 56)
            if stop - start < 2 or (number == 56 and value >= PHASE_STEPS):
                raise CodecError(f"{_REASONS[_kernels.BAD_FIELD]} at byte {start}")
            if number == 57:
                fine = value
            else:
                row["phase" if number == 56 else "doppler"] = value
    if "epc" not in row:
        raise CodecError(f"{_REASONS[_kernels.NO_EPC]} at byte {end}")
    if fine is not None:
        row["rssi"] = fine
    return row, memories


def _error(why: int, where: int) -> CodecError:
    return CodecError(f"{_REASONS[why]} at byte {where}")
