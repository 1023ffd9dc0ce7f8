"""The longest chain of keys that never goes back: what is in order where single ones are not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


def longest_rising(keys: Sequence[bytes]) -> set[int]:
    """
    Return the indices of a longest non-decreasing subsequence (Fredman 1975): one wrong key takes no others with it.

    Parameters
    ----------
    keys : sequence of bytes
        Of `sort_key`.
    """
    tails: list[bytes] = []
    ends: list[int] = []
    before = [-1] * len(keys)
    for i, key in enumerate(keys):
        place = bisect_right(tails, key)
        before[i] = ends[place - 1] if place else -1
        if place == len(tails):
            tails.append(key)
            ends.append(i)
        else:
            tails[place], ends[place] = key, i
    chain: set[int] = set()
    i = ends[-1] if ends else -1
    while i >= 0:
        chain.add(i)
        i = before[i]
    return chain
