"""Which numbers of a row stand in rising order, and which would some fewest moves move; for rows as long as a shelf."""

from __future__ import annotations

from collections.abc import Sequence


def standing(row: Sequence[int], weights: Sequence[float]) -> list[bool]:
    """Return which members of the heaviest rising subsequence are in it, by the textbook recurrence.

    Parameters
    ----------
    row : sequence of int
        No number twice.
    weights : sequence of float
        What it counts to leave each where it stands.
    """
    best: list[float] = []
    before: list[int] = []
    for k, value in enumerate(row):
        chain, from_ = 0.0, -1
        for j in range(k):
            if row[j] < value and best[j] > chain:
                chain, from_ = best[j], j
        best.append(chain + weights[k])
        before.append(from_)
    stays = [False] * len(row)
    at = max(range(len(row)), key=best.__getitem__) if row else -1
    while at >= 0:
        stays[at] = True
        at = before[at]
    return stays


def movable(row: Sequence[int]) -> set[int]:
    """Return the numbers that are not in every longest rising subsequence: each may be among the fewest moved."""
    n = len(row)
    ending, starting = [1] * n, [1] * n
    for k in range(n):
        ending[k] = 1 + max((ending[j] for j in range(k) if row[j] < row[k]), default=0)
    for k in reversed(range(n)):
        starting[k] = 1 + max((starting[j] for j in range(k + 1, n) if row[j] > row[k]), default=0)
    longest = max(ending, default=0)
    at_level: dict[int, list[int]] = {}
    for k in range(n):
        if ending[k] + starting[k] - 1 == longest:
            at_level.setdefault(ending[k], []).append(k)
    always = {members[0] for members in at_level.values() if len(members) == 1}
    return {row[k] for k in range(n) if k not in always}
