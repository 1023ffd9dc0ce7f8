"""
What is forgiven in the rows of a recording, and how it is counted.

Radios, networks and clocks spoil rows. Rows that arrive late are sorted, rows equal in every column are
dropped, spoiled rows are left out; a UTC minute with over 5 % spoiled rows is left out as not scanned. An
antenna that mostly gives spoiled rows is left out itself instead, where others work.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recording.columns import Bool, Int64, UInt8

MINUTE_NS = 60_000_000_000
SPOILED_SHARE = 0.05
BROKEN_SHARE = 0.5
_HEX = frozenset("0123456789abcdefABCDEF")


def is_hex(text: str | None) -> bool:
    """Whether a text is hexadecimal of one or more whole bytes."""
    return text is not None and text != "" and len(text) % 2 == 0 and _HEX.issuperset(text)


def duplicates(t: Int64, others: Sequence[npt.NDArray[Any]]) -> Bool:
    """
    Rows equal in every column to an earlier row.

    Parameters
    ----------
    t : int64 (n,)
        Times; only rows of one time are compared further.
    others : sequence of arrays (n,)
        The other columns as numbers; NaN equals NaN.
    """
    n = len(t)
    drop = np.zeros(n, dtype=np.bool_)
    by_time = None if np.all(t[1:] >= t[:-1]) else np.argsort(t, kind="stable")
    times = t if by_time is None else t[by_time]
    shared = times[1:] == times[:-1]
    if not np.any(shared):
        return drop
    among = np.zeros(n, dtype=np.bool_)
    among[1:] |= shared
    among[:-1] |= shared
    rows = np.flatnonzero(among) if by_time is None else np.sort(by_time[among])
    keys = [bits(column[rows]) for column in (t, *others)]
    # lexsort is stable, so that of equal rows the one first in the file stays.
    by_value = np.lexsort(keys[::-1])
    equal = np.ones(len(rows) - 1, dtype=np.bool_)
    for key in keys:
        equal &= key[by_value][1:] == key[by_value][:-1]
    drop[rows[by_value[1:][equal]]] = True
    return drop


def bits(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats as the integers of their bits, every NaN alike, so that NaN equals NaN."""
    if values.dtype.kind != "f":
        return values
    plain = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return plain.view(f"i{values.dtype.itemsize}")


def spoiled_minutes(t: Int64, trusted: Bool, spoiled: Bool, counted: Bool) -> Int64:
    """
    UTC minutes in which over 5 % of the counted rows are spoiled, sorted.

    Parameters
    ----------
    t : int64 (n,)
        Times.
    trusted : bool (n,)
        Where the time can be believed; any other row counts in the minute of the trusted row before it in
        the file, or of the first one.
    spoiled, counted : bool (n,)
        Which rows are spoiled, and which ones count at all.
    """
    if not np.any(spoiled & counted):
        return np.empty(0, np.int64)
    minute = np.floor_divide(t, MINUTE_NS)
    if np.any(trusted) and not np.all(trusted):
        last = np.maximum.accumulate(np.where(trusted, np.arange(len(t)), -1))
        minute = minute[np.where(last < 0, int(np.argmax(trusted)), last)]
    names, index = np.unique(minute[counted], return_inverse=True)
    total = np.bincount(index, minlength=len(names))
    bad = np.bincount(index, weights=spoiled[counted], minlength=len(names))
    return names[bad > SPOILED_SHARE * total]


def broken_antennas(antenna: UInt8, spoiled: Bool, counted: Bool) -> tuple[int, ...]:
    """Antennas of which most counted rows are spoiled, as long as there is one of which most are not."""
    if not np.any(spoiled):
        return ()
    total = np.bincount(antenna[counted], minlength=256)
    bad = np.bincount(antenna[counted & spoiled], minlength=256)
    broken = bad > BROKEN_SHARE * total
    return tuple(np.flatnonzero(broken).tolist()) if np.any(~broken & (total > 0)) else ()


def spans(minute: Int64) -> tuple[tuple[int, int], ...]:
    """Sorted minutes as spans of nanoseconds, end exclusive, neighbouring minutes joined."""
    if not len(minute):
        return ()
    breaks = np.flatnonzero(np.diff(minute) > 1) + 1
    return tuple(
        (int(part[0]) * MINUTE_NS, (int(part[-1]) + 1) * MINUTE_NS) for part in np.split(minute, breaks)
    )


def within(t: Int64, spans_ns: Sequence[tuple[int, int]]) -> Bool:
    """Whether each time lies in one of the spans."""
    inside = np.zeros(len(t), dtype=np.bool_)
    for start, end in spans_ns:
        inside |= (t >= start) & (t < end)
    return inside


def not_advancing(t: Int64) -> Bool:
    """
    Rows to leave out so that times advance strictly in file order.

    As few rows as can be are left out (the longest strictly increasing subsequence stays), so that one
    stamp far in the future costs itself only and not the night behind it. Of two rows that could go, the
    later one goes.
    """
    n = len(t)
    drop = np.zeros(n, dtype=np.bool_)
    if n < 2 or np.all(t[1:] > t[:-1]):
        return drop
    # Where everything before is earlier than everything after, the parts on both sides can be judged alone.
    highest = np.maximum.accumulate(t)[:-1]
    lowest = np.minimum.accumulate(t[::-1])[::-1][1:]
    starts = np.concatenate(([0], np.flatnonzero(highest < lowest) + 1, [n]))
    for k in np.flatnonzero(np.diff(starts) > 1):
        start, end = int(starts[k]), int(starts[k + 1])
        drop[start:end] = True
        drop[start + _longest_increasing(t[start:end])] = False
    return drop


def _longest_increasing(t: Int64) -> npt.NDArray[np.int64]:
    """Return indices of the longest strictly increasing subsequence (patience sorting, Fredman 1975)."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = [-1] * len(t)
    # From the back, with signs turned: among equally long choices this keeps the earlier rows.
    for i, value in enumerate((-t[::-1]).tolist()):
        place = bisect_left(tails, value)
        before[i] = ends[place - 1] if place else -1
        if place == len(tails):
            tails.append(value)
            ends.append(i)
        else:
            tails[place], ends[place] = value, i
    chain: list[int] = []
    i = ends[-1]
    while i >= 0:
        chain.append(len(t) - 1 - i)
        i = before[i]
    return np.array(chain, dtype=np.int64)
