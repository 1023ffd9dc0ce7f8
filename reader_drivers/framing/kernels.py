"""The loop over a serial stream's bytes, compiled: where frames begin that are whole and right.

`Framer.feed`'s plain reference is `reference.scan`, in words as the loop here.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
#: Compiled, Python's int and numpy's int64 are one; the type checker knows them as two.
Int = Any

CRC_8408_LSB, CRC_8408_MSB, CRC_THINGMAGIC, SUM8, NEG8 = range(5)
"""How a frame is checked; see `reader_drivers.checksums`. LSB, MSB: which byte of the CRC is sent first."""

_8408 = np.zeros(256, np.int64)
_1021 = np.zeros(256, np.int64)
for _byte in range(256):
    _low, _high = _byte, _byte << 8
    for _ in range(8):
        _low = _low >> 1 ^ (0x8408 if _low & 1 else 0)
        _high = (_high << 1 ^ (0x1021 if _high & 0x8000 else 0)) & 0xFFFF
    _8408[_byte], _1021[_byte] = _low, _high


@numba.njit(cache=True, nogil=True)
def _right(data: Bytes, at: Int, length: Int, kind: Int, start: Int, trail: Int) -> bool:
    """Whether the check of the frame at `at` is right; `start` bytes before and `trail` behind are not covered."""
    first = at + start
    if kind in (SUM8, NEG8):
        place = at + length - 1 - trail
        total = 0
        for i in range(first, place):
            total += np.int64(data[i])
        wanted = total & 0xFF if kind == SUM8 else -total & 0xFF
        return wanted == data[place]
    place = at + length - 2 - trail
    if kind == CRC_THINGMAGIC:
        # Bits come in at the low end and no zeros follow: the last two bytes are only exclusive-or-ed.
        crc = np.int64(0x1D0F)
        for i in range(first, place - 2):
            crc = ((crc << 8) & 0xFFFF) ^ _1021[(crc >> 8) ^ np.int64(data[i])]
        crc ^= np.int64(data[place - 2]) << 8 | np.int64(data[place - 1])
        return crc == (np.int64(data[place]) << 8 | np.int64(data[place + 1]))
    crc = np.int64(0xFFFF)
    for i in range(first, place):
        crc = (crc >> 8) ^ _8408[(crc ^ np.int64(data[i])) & 0xFF]
    low, high = (place, place + 1) if kind == CRC_8408_LSB else (place + 1, place)
    return crc == (np.int64(data[high]) << 8 | np.int64(data[low]))


@numba.njit(cache=True, nogil=True)
def scan(data: Bytes, layout: Ints, final: bool) -> tuple[Ints, Ints, int, int, int]:
    """Find frames; return `(offset, length, end, garbage bytes, frames with a wrong check)`.

    Parameters
    ----------
    data : uint8[n]
    layout : int64[9]
        As `FrameFormat.layout` has it.
    final
        True: a frame that is not whole will not become so.
    """
    head, length_at, width, extra, least, most, kind, start, tail = layout
    size = len(data)
    offsets = np.empty(size // max(least, 1) + 1, np.int64)
    lengths = np.empty(len(offsets), np.int64)
    count = at = garbage = wrong = 0
    trail = 1 if tail >= 0 else 0
    while at < size:
        if head >= 0 and data[at] != head:
            at += 1
            garbage += 1
            continue
        if at + length_at + width > size:
            if not final:
                break
            at += 1
            garbage += 1
            continue
        value = np.int64(data[at + length_at])
        if width == 2:
            value = value << 8 | np.int64(data[at + length_at + 1])
        length = value + extra
        if length < least or length > most:
            at += 1
            garbage += 1
            continue
        if at + length > size:
            if not final:
                break
            at += 1
            garbage += 1
            continue
        if tail >= 0 and data[at + length - 1] != tail:
            at += 1
            garbage += 1
            continue
        if not _right(data, at, length, kind, start, trail):
            at += 1
            garbage += 1
            wrong += 1
            continue
        offsets[count], lengths[count] = at, length
        count += 1
        at += length
    return offsets[:count], lengths[:count], at, garbage, wrong
