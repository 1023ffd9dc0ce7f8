"""How well the night went: what was found against what was planted, positions against the truth."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localization.evaluate import Evaluation

KINDS = ("missing", "wrong_shelf", "wrong_order", "on_shelf_loaned", "unknown_tag")
"""Kinds that are planted."""
DOUBTS = ("low_confidence",)
"""Kinds that are no claim, so never right or wrong: books of which the report says that it cannot tell."""


@dataclass(frozen=True, slots=True)
class KindScore:
    """Recall and precision of one kind of finding; neither of one that nobody plants, such as a doubt.

    Attributes
    ----------
    kind
        Kind as in exceptions.csv.
    planted, found, reported
        How many were planted; how many of those the report names; how many the report names in all.
    """

    kind: str
    planted: int
    found: int
    reported: int

    @property
    def recall(self) -> float | None:
        """Share of the planted that was found; None where none was planted."""
        return self.found / self.planted if self.planted else None

    @property
    def precision(self) -> float | None:
        """Share of the reported that was planted; None where none was reported, or the kind is never planted."""
        return self.found / self.reported if self.reported and self.kind in KINDS else None

    def to_json(self) -> dict[str, Any]:
        """Return the figures for scoreboard.json."""
        return {
            "planted": self.planted,
            "found": self.found,
            "reported": self.reported,
            "recall": self.recall,
            "precision": self.precision,
        }


def score_kinds(exceptions_csv: Path, planted_csv: Path) -> tuple[KindScore, ...]:
    """Compare the findings with the planted trouble, book by book.

    A finding counts as right when its kind and its tag (for a missing book: its barcode) are those of a planted one.

    Parameters
    ----------
    exceptions_csv
        What reports made.
    planted_csv
        What the simulator planted: columns ``kind``, ``epc``, ``barcode``.

    Returns
    -------
    tuple of KindScore
        One for each of ``KINDS`` and ``DOUBTS``, and for every other kind that is reported.
    """
    planted = _keys(planted_csv)
    reported = _keys(exceptions_csv)
    others = sorted({*reported} - {*KINDS, *DOUBTS})
    return tuple(
        KindScore(kind, len(planted[kind]), len(planted[kind] & reported[kind]), len(reported[kind]))
        for kind in (*KINDS, *DOUBTS, *others)
    )


def _keys(file: Path) -> dict[str, set[str]]:
    keys: dict[str, set[str]] = defaultdict(set)
    with file.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            # A zone has neither tag nor barcode: its place tells it from others.
            key = row["epc"] or row["barcode"] or f"{row.get('shelf_id')} {row.get('offset_m')}"
            keys[row["kind"]].add(key)
    return keys


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """The figures of one demo night.

    Attributes
    ----------
    books
        Books in the library's catalogue.
    positions
        Errors, order, shelves and the honesty of the error bars.
    kinds
        Recall and precision per kind.
    readings_sent, readings_stored
        What the robot put into its spool, and what the ingest stored.
    seconds
        Wall-clock seconds of the whole demo.
    night_s
        How long the same night takes a real robot.
    """

    books: int
    positions: Evaluation
    kinds: tuple[KindScore, ...]
    readings_sent: int
    readings_stored: int
    seconds: float
    night_s: float

    def to_json(self) -> dict[str, Any]:
        """Return scoreboard.json's content."""
        return {
            "books": self.books,
            "position_error_median_cm": self.positions.error.median_cm,
            "position_error_p90_cm": self.positions.error.p90_cm,
            "adjacent_order": self.positions.order.share,
            "positions": self.positions.to_json(),
            "kinds": {kind.kind: kind.to_json() for kind in self.kinds},
            "readings_sent": self.readings_sent,
            "readings_stored": self.readings_stored,
            "night_s": self.night_s,
            "seconds": self.seconds,
        }
