"""The two loops over bytes that run for every reading, compiled.

`scan_frames` cuts a stream at message headers; `scan_reports` turns RO_ACCESS_REPORT messages into columns. Their plain
references are `FrameReader`'s contract and `reports.decode_reports_reference`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Column = npt.NDArray[Any]
#: Compiled, Python's int and numpy's int64 are one; the type checker knows them as two.
Int = Any

# Why a message was refused; the texts are in reports.py, in this order.
OK, CUT_OFF, BAD_TV, BAD_LENGTH, RESERVED, NO_EPC, BAD_EPC, BAD_FIELD, BAD_MEMORY = range(9)

_LEAST_MEMORY_BYTES = 9
"""Bytes of the shortest parameter that carries tag memory: a C1G2ReadOpSpecResult without words."""

NO_RSSI = -32768
NO_PHASE = 0xFFFF
NO_DOPPLER = -32768

_TV_SIZE = np.zeros(128, np.int64)
for _number, _size in (
    *((1, 2), (2, 8), (3, 8), (4, 8), (5, 8), (6, 1), (7, 2), (8, 2), (9, 4), (10, 2)),
    *((11, 2), (12, 2), (13, 12), (14, 2), (15, 2), (16, 4), (17, 2), (18, 4), (19, 2), (20, 2)),
):
    _TV_SIZE[_number] = _size


@numba.njit(cache=True, nogil=True)
def _u16(data: Bytes, at: Int) -> Int:
    return (np.int64(data[at]) << 8) | np.int64(data[at + 1])


@numba.njit(cache=True, nogil=True)
def _u32(data: Bytes, at: Int) -> Int:
    return (_u16(data, at) << 16) | _u16(data, at + 2)


@numba.njit(cache=True, nogil=True)
def scan_frames(data: Bytes, max_bytes: Int) -> tuple[Ints, Ints, Ints, int, bool]:
    """Return `(offset, length, type, end of the last whole frame, header at end is impossible)`."""
    size = len(data)
    count = 0
    at = 0
    bad = False
    while at + 10 <= size:
        head = _u16(data, at)
        length = _u32(data, at + 2)
        version = head >> 10
        if version < 1 or version > 2 or length < 10 or length > max_bytes:
            bad = True
            break
        if at + length > size:
            break
        count += 1
        at += length
    end = at
    offset = np.empty(count, np.int64)
    lengths = np.empty(count, np.int64)
    kinds = np.empty(count, np.int64)
    at = 0
    for i in range(count):
        offset[i] = at
        lengths[i] = _u32(data, at + 2)
        kinds[i] = _u16(data, at) & 0x3FF
        at += lengths[i]
    return offset, lengths, kinds, end, bad


@numba.njit(cache=True, nogil=True)
def _step(data: Bytes, at: Int, end: Int) -> tuple[int, Int, Int, Int, Int]:
    """Return `(error, vendor, number, body start, body end)` of the parameter at `at`."""
    if data[at] & 0x80:
        number = np.int64(data[at] & 0x7F)
        size = _TV_SIZE[number]
        if size == 0:
            return BAD_TV, 0, 0, 0, 0
        if at + 1 + size > end:
            return CUT_OFF, 0, 0, 0, 0
        return OK, 0, number, at + 1, at + 1 + size
    if at + 4 > end:
        return CUT_OFF, 0, 0, 0, 0
    head = _u16(data, at)
    if head >> 10:
        return RESERVED, 0, 0, 0, 0
    length = _u16(data, at + 2)
    start = at + 12 if head == 1023 else at + 4
    if at + length > end or at + length < start:
        return BAD_LENGTH, 0, 0, 0, 0
    if head == 1023:
        return OK, _u32(data, at + 4), _u32(data, at + 8), start, at + length
    return OK, 0, head, start, at + length


@numba.njit(cache=True, nogil=True)
def _count(data: Bytes, offset: Ints, length: Ints) -> int:
    total = 0
    for i in range(len(offset)):
        at = offset[i] + 10
        end = offset[i] + length[i]
        while at < end:
            error, vendor, number, _, stop = _step(data, at, end)
            if error:
                break
            if vendor == 0 and number == 240:
                total += 1
            at = stop
    return total


@numba.njit(cache=True, nogil=True)
def scan_reports(
    data: Bytes, offset: Ints, length: Ints
) -> tuple[tuple[Column, ...], tuple[Column, ...], tuple[Column, ...]]:
    """Decode messages `offset[i]..offset[i] + length[i]` of `data`; see `reports.Reports` for the columns.

    A message with an error leaves no rows; `bad[i]` says why and `bad_at[i]` where.
    """
    n = _count(data, offset, length)
    message = np.empty(n, np.int32)
    tag = np.empty(n, np.uint32)
    antenna = np.zeros(n, np.uint16)
    channel = np.zeros(n, np.uint16)
    rssi = np.full(n, NO_RSSI, np.int16)
    phase = np.full(n, NO_PHASE, np.uint16)
    doppler = np.full(n, NO_DOPPLER, np.int16)
    times = np.zeros((4, n), np.uint64)
    seen = np.zeros(n, np.uint16)
    rospec = np.zeros(n, np.uint32)
    # Tag memory is rare and comes any number of times a report: a list of its own, as long as it can ever get.
    room = length.sum() // _LEAST_MEMORY_BYTES if len(length) else 0
    memory_row = np.empty(room, np.int64)
    memory_op = np.empty(room, np.uint16)
    memory_result = np.empty(room, np.uint8)
    memory_at = np.empty(room, np.int64)
    memory_size = np.empty(room, np.int64)
    memories = 0
    epc_at = np.empty(n, np.int64)
    epc_size = np.empty(n, np.int64)
    bad = np.zeros(len(offset), np.uint8)
    bad_at = np.zeros(len(offset), np.int64)
    row = 0
    for i in range(len(offset)):
        at = offset[i] + 10
        end = offset[i] + length[i]
        first = row
        first_memory = memories
        while at < end:
            error, vendor, number, start, stop = _step(data, at, end)
            if error == OK and vendor == 0 and number == 240:
                antenna[row] = 0
                channel[row] = 0
                rssi[row] = NO_RSSI
                phase[row] = NO_PHASE
                doppler[row] = NO_DOPPLER
                times[:, row] = 0
                seen[row] = 0
                rospec[row] = 0
                error, where, found, size, memories = _one_report(
                    data, start, stop, row, antenna, channel, rssi, phase, doppler, times, seen, rospec,
                    memories, memory_row, memory_op, memory_result, memory_at, memory_size,
                )  # fmt: skip
                if error:
                    at = where
                message[row] = i
                epc_at[row] = found
                epc_size[row] = size
                row += 1
            if error:
                bad[i] = error
                bad_at[i] = at - offset[i] - 10
                row = first
                memories = first_memory
                break
            at = stop
    tags = _number_tags(data, epc_at[:row], epc_size[:row], tag)
    return (
        (message[:row], tag[:row], antenna[:row], channel[:row], rssi[:row], phase[:row], doppler[:row]),
        (times[:, :row], seen[:row], rospec[:row], epc_at[tags], epc_size[tags], bad, bad_at),
        # Copies: what is sent on must not hold the room that was never used.
        (
            memory_row[:memories].copy(), memory_op[:memories].copy(), memory_result[:memories].copy(),
            memory_at[:memories].copy(), memory_size[:memories].copy(),
        ),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _one_report(
    data: Bytes, at: Int, end: Int, row: Int, antenna: Column, channel: Column, rssi: Column, phase: Column,
    doppler: Column, times: Column, seen: Column, rospec: Column, memories: Int, memory_row: Column,
    memory_op: Column, memory_result: Column, memory_at: Column, memory_size: Column,
) -> tuple[int, Int, Int, Int, Int]:  # fmt: skip
    """Decode one TagReportData into row `row`.

    Returns `(error, byte of the error, EPC start, EPC bytes, memories so far)`.
    """
    epc_at = -1
    epc_size = 0
    fine_rssi = False
    while at < end:
        error, vendor, number, start, stop = _step(data, at, end)
        if error:
            return error, at, 0, 0, memories
        if vendor == 0:
            if number == 1:
                antenna[row] = _u16(data, start)
            elif 2 <= number <= 5:
                high = np.uint64(_u32(data, start))
                times[number - 2, row] = (high << np.uint64(32)) | np.uint64(_u32(data, start + 4))
            elif number == 6:
                if not fine_rssi:
                    value = np.int64(data[start])
                    rssi[row] = (value - 256 if value > 127 else value) * 100
            elif number == 7:
                channel[row] = _u16(data, start)
            elif number == 8:
                seen[row] = _u16(data, start)
            elif number == 9:
                rospec[row] = _u32(data, start)
            elif number == 13:
                epc_at = start
                epc_size = 12
            elif number == 241:
                if stop - start < 2:
                    return BAD_EPC, at, 0, 0, memories
                size = (_u16(data, start) + 7) // 8
                if start + 2 + size != stop:
                    return BAD_EPC, at, 0, 0, memories
                epc_at = start + 2
                epc_size = size
            elif number == 349:
                # C1G2ReadOpSpecResult: result, OpSpecID, words behind their count.
                if stop - start < 5 or start + 5 + 2 * _u16(data, start + 3) != stop:
                    return BAD_MEMORY, at, 0, 0, memories
                memory_row[memories] = row
                memory_op[memories] = _u16(data, start + 1)
                memory_result[memories] = data[start]
                memory_at[memories] = start + 5
                memory_size[memories] = stop - start - 5
                memories += 1
        elif vendor == 25882 and (number == 56 or number == 57 or number == 68):
            if stop - start < 2:
                return BAD_FIELD, at, 0, 0, memories
            value = _u16(data, start)
            if number == 56:
                if value > 4095:
                    return BAD_FIELD, at, 0, 0, memories
                phase[row] = value
            else:
                signed = value - 65536 if value > 32767 else value
                if number == 57:
                    rssi[row] = signed
                    fine_rssi = True
                else:
                    doppler[row] = signed
        elif vendor == 25882 and number == 55:
            # SerializedTID: words behind their count.
            if stop - start < 2 or start + 2 + 2 * _u16(data, start) > stop:
                return BAD_MEMORY, at, 0, 0, memories
            memory_row[memories] = row
            memory_op[memories] = 0
            memory_result[memories] = 0
            memory_at[memories] = start + 2
            memory_size[memories] = 2 * _u16(data, start)
            memories += 1
        at = stop
    if epc_at < 0:
        return NO_EPC, end, 0, 0, memories
    return OK, 0, epc_at, epc_size, memories


@numba.njit(cache=True, nogil=True)
def _number_tags(data: Bytes, at: Ints, size: Ints, tag: Column) -> Ints:
    """Write numbers of the EPCs, in order of first appearance, into `tag`; return the rows of the first appearances."""
    n = len(at)
    slots = 16
    while slots < 2 * n:
        slots *= 2
    table = np.full(slots, -1, np.int64)
    first = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        # FNV-1a; the length is in it so that EPCs with leading zero bytes differ early.
        value = np.uint64(14695981039346656037) ^ np.uint64(size[i])
        for k in range(size[i]):
            value = (value ^ np.uint64(data[at[i] + k])) * np.uint64(1099511628211)
        slot = np.int64((value ^ (value >> np.uint64(29))) & np.uint64(slots - 1))
        while True:
            known = table[slot]
            if known < 0:
                table[slot] = count
                first[count] = i
                tag[i] = count
                count += 1
                break
            j = first[known]
            same = size[j] == size[i]
            k = 0
            while same and k < size[i]:
                same = data[at[j] + k] == data[at[i] + k]
                k += 1
            if same:
                tag[i] = known
                break
            slot = (slot + 1) & (slots - 1)
    return first[:count].copy()
