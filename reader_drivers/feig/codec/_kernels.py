"""The loop over an inventory answer's data sets, compiled; `reference.walk` is the same in plain words."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
#: Compiled, Python's int and numpy's int64 are one; the type checker knows them as two.
Int = Any

COLUMNS = 8
"""Row, place and length of the identifier, transponder type, DSFID, antenna, RSSI byte, phase."""

HF_SET, ANTENNA, SHORTEST = 10, 7, 3
"""Bytes of a set of an HF tag (type, DSFID, UID), of an antenna's block, and of the shortest set there can be."""


@numba.njit(cache=True, nogil=True)
def walk(data: Bytes, start: Ints, end: Ints, ant: bool) -> tuple[Ints, Int]:
    """Find the data sets of inventory answers.

    Parameters
    ----------
    data : uint8[n]
    start, end : int64[frames]
        Where each answer's data begin (its number of sets) and end.
    ant
        Whether antenna blocks were asked for.

    Returns
    -------
    rows : int64[sets, COLUMNS]
        A row for each set and antenna; antenna 0 where none is named, -1 where there is no RSSI or phase.
    bad : int
        Sets left out: the lengths of their answer contradict each other, or its kind of tag is not known.
    """
    room = 0
    for i in range(len(start)):
        room += max(end[i] - start[i], 0) // SHORTEST + 1
    rows = np.empty((room, COLUMNS), np.int64)
    count = bad = 0
    for i in range(len(start)):
        if end[i] <= start[i]:
            continue
        sets = np.int64(data[start[i]])
        at = start[i] + 1
        begun = count
        good = True
        for _ in range(sets):
            if ant:
                at += 1
            if at + 3 > end[i]:
                good = False
                break
            kind = np.int64(data[at])
            if kind in (0x03, 0x00):
                dsfid, place, long = np.int64(data[at + 1]), at + 2, np.int64(8)
            elif kind & 0xC0 == 0x80:
                dsfid, place, long = np.int64(0), at + 3, np.int64(data[at + 2])
            else:
                good = False
                break
            at = place + long
            if at + (1 if ant else 0) > end[i]:
                good = False
                break
            seen = np.int64(0)
            if ant:
                seen = np.int64(data[at])
                at += 1
                if at + ANTENNA * seen > end[i]:
                    good = False
                    break
            if seen == 0:
                rows[count] = np.array([i, place, long, kind, dsfid, 0, -1, -1], np.int64)
                count += 1
            for _ in range(seen):
                rssi = np.int64(data[at + 2])
                phase = np.int64(data[at + 3]) << 8 | np.int64(data[at + 4])
                rows[count] = np.array([i, place, long, kind, dsfid, data[at], rssi, phase], np.int64)
                count += 1
                at += ANTENNA
        if not good or at != end[i]:
            count = begun
            bad += max(sets, 1)
    return rows[:count], bad
