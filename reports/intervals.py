"""Confidence intervals of a share that was counted on a few shelves, whose books are not alike.

Thirty books of one shelf say less than thirty books from anywhere: where one was not heard, its neighbours often were
not. The interval is that of E. L. Korn and B. I. Graubard ("Confidence intervals for proportions with small expected
number of positive counts estimated from survey data", Survey Methodology 24, 1998): the exact one of C. J. Clopper
and E. S. Pearson (Biometrika 26, 1934) for as many books as the counted ones are worth, which the scatter from shelf
to shelf tells (the linearized variance of a ratio), further widened by Student's t for how few shelves told it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, stdtrit

ASSUMED_EFFECT = 2.0
"""Design effect where one shelf alone was counted, which cannot tell it."""
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """A counted share with its intervals.

    Attributes
    ----------
    right, of : int
        Counted.
    value : float
        Their ratio; NaN of nothing.
    low, high : float
        The interval that knows of the shelves (Korn and Graubard).
    exact_low, exact_high : float
        The one of as many books from anywhere (Clopper and Pearson).
    drawn_low, drawn_high : float
        Percentiles of shelves drawn again with replacement; too narrow with few shelves.
    effect : float
        Design effect: by how much more the share scatters than that of as many books from anywhere; at least 1.
    shelves : int
        How many of them had anything to count.
    level : float
        Chance that an interval holds.
    """

    right: int
    of: int
    value: float
    low: float
    high: float
    exact_low: float
    exact_high: float
    drawn_low: float
    drawn_high: float
    effect: float
    shelves: int
    level: float = 0.95


def exact(right: float, of: float, level: float = 0.95) -> tuple[float, float]:
    """Return Clopper and Pearson's interval; the counts need not be whole."""
    if of <= 0.0:
        return 0.0, 1.0
    tail = (1.0 - level) / 2.0
    low = 0.0 if right <= 0.0 else float(betaincinv(right, of - right + 1.0, tail))
    high = 1.0 if right >= of else float(betaincinv(right + 1.0, of - right, 1.0 - tail))
    return low, high


def share_of(right: Sequence[int], of: Sequence[int], *, level: float = 0.95, seed: int = 1) -> Share:
    """Return a share counted shelf by shelf.

    Parameters
    ----------
    right, of : sequence of int, shape (shelves,)
        How many of each shelf's were right, and how many there were.
    level : float
        Chance that the interval is to hold.
    seed : int
        Of the shelves drawn again.
    """
    x, n = np.asarray(right, np.float64), np.asarray(of, np.float64)
    x, n = x[n > 0], n[n > 0]
    k, total = len(n), float(n.sum())
    if not total:
        return Share(0, 0, math.nan, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, math.nan, 0, level)
    value = float(x.sum() / total)
    plain = value * (1.0 - value) / total
    effect, narrower = ASSUMED_EFFECT, 1.0
    if k > 1:
        scatter = k / (k - 1) * float(np.sum((x - value * n) ** 2)) / total**2
        effect = max(scatter / plain, 1.0) if plain > 0.0 else 1.0
        tail = 1.0 - (1.0 - level) / 2.0
        narrower = float((stdtrit(max(total - 1.0, 1.0), tail) / stdtrit(k - 1.0, tail)) ** 2)
    worth = min(total / effect * narrower, total)
    low, high = exact(value * worth, worth, level)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, k, (_DRAWS, k))
    again = x[rows].sum(axis=1) / n[rows].sum(axis=1)
    drawn = np.quantile(again, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Share(
        int(x.sum()), int(total), value, low, high, *exact(x.sum(), total, level), float(drawn[0]), float(drawn[1]),
        effect, k, level,
    )  # fmt: skip
