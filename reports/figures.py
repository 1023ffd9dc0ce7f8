"""The report in a few figures: what tonight comes to, and how the last nights went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from reports.findings import MOVES, Finding
from reports.headings import P
from reports.languages import Language
from reports.phrases import Said
from reports.report import RunReport
from reports.text import T, percent, several
from reports.trend import heights, shown

UNWALKED = ("zone_not_scanned", "low_confidence")
"""Kinds that nobody goes to a shelf for."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over the last nights.

    Attributes
    ----------
    label : str
    first, last : str
        Its value on the first and the last of the nights.
    heights : tuple of float
        How high each night is drawn, 0..1, oldest first; NaN: not at all.
    values, words : str
        All values, for those who see no drawing; and these as a sentence.
    tone : str
    """

    label: str
    first: str
    last: str
    heights: tuple[float, ...]
    values: str
    words: str
    tone: str


def figures(report: RunReport, counted: Mapping[str, int], lang: Language) -> Iterator[tuple[str, Said]]:
    """Yield the few figures that come first: value and label."""
    s = report.summary
    moves, missing = sum(counted.get(k, 0) for k in MOVES), counted.get("missing", 0)
    other = sum(n for kind, n in counted.items() if kind not in UNWALKED) - moves - missing
    yield lang.number(moves), T.figure("moves")
    yield lang.number(missing), T.figure("missing")
    yield lang.number(other), T.figure("other")
    if unsure := len(report.perhaps_missing) + report.put_off:
        yield lang.number(unsure), T.figure("perhaps")
    if report.first_seen is not None:
        walked = (f for f in report.findings if f.kind not in UNWALKED)
        fresh = sum(first_day(report, f) is None for f in walked if f not in report.perhaps_missing)
        yield lang.number(fresh), T.figure("new")
    heard = lang(percent(s.expected_heard / s.expected)) if s.expected else "–"
    scanned = lang(percent(s.coverage_share)) if np.isfinite(s.coverage_share) else "–"
    yield heard, T.figure_heard(s.expected_heard, s.expected)
    yield scanned, T.figure("scanned")


def trends(report: RunReport, lang: Language) -> Iterator[Trend]:
    """Yield what is drawn of the last nights; a night of which a figure is not known leaves a gap in it."""
    nights = shown(report.nights)
    if not nights:
        return
    columns: list[tuple[Said, str, list[float]]] = [
        (P.TRENDS[0], "missing", [n.missing for n in nights]),
        (P.TRENDS[1], "move", [n.misplaced for n in nights]),
        (P.TRENDS[2], "data", [n.rate for n in nights]),
    ]
    for label, tone, values in columns:
        if not np.isfinite(values).any():
            continue
        rate = tone == "data"
        said = ["–" if np.isnan(v) else percent(v) if rate else lang.number(v) for v in values]
        yield Trend(
            lang(label),
            lang(said[0]),
            lang(said[-1]),
            heights(values, rate=rate),
            lang(several(said)),
            lang(P.trend(label, several(said), len(values))),
            tone,
        )


def first_day(report: RunReport, f: Finding) -> date | None:
    """Return the day a finding was first made, as the library counts days; None: tonight."""
    at = (report.first_seen or {}).get(f.finding_id)
    if isinstance(at, datetime):
        return None if at >= report.info.started_at else local(at, report.time_zone).date()
    return at


def local(moment: datetime, time_zone: str) -> datetime:
    """Return a moment in a zone; in UTC where the zone is not known here."""
    try:
        return moment.astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        return moment.astimezone(ZoneInfo("UTC"))
