"""How a library does from night to night: a few figures a night, kept with its cases, and how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.case import Case
from reports.findings import MOVES
from reports.ledger_policy import Life, due

if TYPE_CHECKING:
    from reports.night import Night

LEAST, SHOWN, KEPT = 3, 14, 60
"""Nights from which on a trend is shown, that are shown at most, and that are kept."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_RATE_FROM = 0.9  # of the read rate the last tenth is drawn, unless a night was worse


@dataclass(frozen=True, slots=True)
class NightFigures:
    """One night in figures.

    Attributes
    ----------
    run_id : str
    at : datetime
    missing, misplaced : int
        Cases open after it: missing books due to be searched for, and books on another shelf, out of order or from
        elsewhere.
    expected, heard : int
        Copies that were due on the shelves the run was to scan, and those of them it heard.
    """

    run_id: str
    at: datetime
    missing: int
    misplaced: int
    expected: int
    heard: int

    @property
    def rate(self) -> float:
        """Share of the expected copies that were heard; NaN where none was expected."""
        return self.heard / self.expected if self.expected else math.nan

    def to_json(self) -> list[Any]:
        """Return a list for ``json.dumps``."""
        return [self.run_id, self.at.isoformat(), self.missing, self.misplaced, self.expected, self.heard]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> NightFigures:
        """Return what `to_json` was called on; raises ValueError, TypeError."""
        run_id, at, *counts = row
        missing, misplaced, expected, heard = (int(n) for n in counts)
        return cls(str(run_id), datetime.fromisoformat(str(at)), missing, misplaced, expected, heard)


def figures_of(night: Night, cases: Iterable[Case], life: Life) -> NightFigures:
    """Return a night's figures, with the cases as they are after it."""
    from reports.night import NOT_LOOKED, SILENT  # a ledger is read by who judges no night, too

    missing = misplaced = 0
    for case in cases:
        if case.resolved or case.quiet:
            continue
        missing += case.finding.kind == "missing" and due(case, life)
        misplaced += case.finding.kind in MOVES
    asked = np.isfinite(night.looks.p_heard)
    heard = asked & (night.looks.what != NOT_LOOKED) & (night.looks.what != SILENT)
    return NightFigures(
        night.run_id, night.at, missing, misplaced, int(np.count_nonzero(asked)), int(np.count_nonzero(heard))
    )


def with_night(nights: Sequence[NightFigures], new: NightFigures) -> tuple[NightFigures, ...]:
    """Return the nights with one more, oldest first; one older than the newest is left out.

    What cases a night left open is only known when it is taken in as the newest: later ones are in them already.
    """
    if nights and new.at < max(night.at for night in nights):
        return tuple(nights)
    return (*nights, new)[-KEPT:]


def shown(nights: Sequence[NightFigures]) -> tuple[NightFigures, ...]:
    """Return the nights a trend is drawn of, oldest first; none where there are too few."""
    return tuple(sorted(nights, key=lambda night: night.at)[-SHOWN:]) if len(nights) >= LEAST else ()


def heights(values: Sequence[float], *, rate: bool = False) -> tuple[float, ...]:
    """Return how high each value is drawn, 0..1: counts from nought, rates from nine tenths or the worst night.

    A value that is not known (NaN) has no height (NaN).
    """
    known = [value for value in values if not math.isnan(value)]
    low = min([_RATE_FROM, *known]) if rate else 0.0
    high = 1.0 if rate else max([1.0, *known])
    return tuple((value - low) / (high - low) for value in values)


def pieces(drawn: Sequence[float]) -> Iterator[list[tuple[int, float]]]:
    """Yield the stretches of heights without a gap: each night's number and its height."""
    known = ((i, height) for i, height in enumerate(drawn) if not math.isnan(height))
    for _, piece in groupby(enumerate(known), key=lambda entry: entry[1][0] - entry[0]):
        yield [point for _, point in piece]


def blocks(drawn: Sequence[float]) -> str:
    """Draw heights with block characters, for mail; a gap is a space that keeps its place."""
    most = len(_BLOCKS) - 1
    return "".join("\u00a0" if math.isnan(h) else _BLOCKS[min(most, int(h * len(_BLOCKS)))] for h in drawn)
