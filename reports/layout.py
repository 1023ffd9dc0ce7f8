"""What every document shows, in what order: numbered lines under their shelves under their faces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from reports.findings import Finding
from reports.headings import KIND_ACTIONS, KIND_SHORT, KIND_TITLES
from reports.places import Place, Places
from reports.report import RunReport
from reports.text import T, percent, sure

TONES: dict[str, str] = {
    "wrong_shelf": "move",
    "wrong_order": "move",
    "wrong_location": "move",
    "missing": "missing",
    "found": "status",
    "on_shelf_loaned": "status",
    "on_shelf_status": "status",
}
"""Which of four colours a kind is drawn in; the others are "data"."""

COLOURS = {"move": "#b45309", "missing": "#a61e34", "status": "#1d5f8a", "data": "#5b6673"}
"""Dark enough on white for small type (WCAG 2.2, contrast of 4.5 to 1)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding as people read it."""

    number: int
    finding: Finding
    tone: str
    kind: str
    action: str
    title: str
    call_number: str
    barcode: str
    stands: str
    belongs: str
    sure: str
    evidence: str
    block: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One finding on a shelf strip: where it stands, and where on the same shelf it belongs (None: elsewhere)."""

    number: int
    tone: str
    at_m: float | None
    to_m: float | None


@dataclass(frozen=True, slots=True)
class Strip:
    """A shelf drawn to scale: metres from its left end."""

    length_m: float
    books_m: tuple[float, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """One shelf to stop at."""

    heading: str
    shelf_id: str
    strip: Strip | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One face to walk along."""

    heading: str
    stops: tuple[Stop, ...]

    @property
    def count(self) -> int:
        """How many lines there are on it."""
        return sum(len(stop.lines) for stop in self.stops)


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole report, ready to be drawn.

    Attributes
    ----------
    when : str
        When the run started and ended, in the site's time.
    figures : tuple of (value, label)
        The few figures that come first.
    counts : tuple of (kind's tone, title, action, count)
    zones : tuple of str
        What was not scanned, one sentence each.
    stretches : tuple of Stretch
        What there is to do, in walking order.
    doubts : tuple of Line
        What may be wrong and needs no walk of its own.
    """

    when: str
    figures: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, str, str, int], ...]
    zones: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    doubts: tuple[Line, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every numbered line, by its number."""
        walked = (line for stretch in self.stretches for stop in stretch.stops for line in stop.lines)
        return (*walked, *self.doubts)


def lay_out(report: RunReport) -> Layout:
    """Lay a report out."""
    places = Places.of(report.plan)
    blocks = Counter(f.move_id for f in report.findings if f.move_id)
    zones = tuple(f.evidence for f in report.findings if f.kind == "zone_not_scanned")
    doubtful = [f for f in report.findings if f.kind == "low_confidence"]
    walked = [f for f in report.findings if f.kind not in ("zone_not_scanned", "low_confidence")]
    number = iter(range(1, len(report.findings) + 1))
    stretches = tuple(_stretches(walked, places, number, blocks, report))
    doubts = tuple(_line(f, places, next(number), blocks, on_shelf=True) for f in doubtful)
    counts = tuple(
        (TONES.get(kind, "data"), KIND_TITLES[kind], KIND_ACTIONS[kind], n)
        for kind, n in report.summary.counts.items()
    )
    return Layout(_when(report), _figures(report), counts, zones, stretches, doubts)


_CUTTER = re.compile(r" (?=\.[A-Za-z][0-9])")  # a class number and its cutter stay on one line


def _unbroken(call_number: str) -> str:
    return call_number.replace(" ", "\u00a0") if len(call_number) <= 28 else call_number


def local(moment: datetime, time_zone: str) -> datetime:
    """Return a moment in a zone; in UTC where the zone is not known here."""
    try:
        return moment.astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        return moment.astimezone(ZoneInfo("UTC"))


def _when(report: RunReport) -> str:
    start = local(report.info.started_at, report.time_zone)
    text = f"{start:%A} {start.day} {start:%B %Y, %H:%M}"
    if report.ended_at is not None:
        end = local(report.ended_at, report.time_zone)
        text += f" to {end:%H:%M}" if end.date() == start.date() else f" to {end:%A %H:%M}"
    return f"{text} {start.tzname() or 'UTC'}"


def _figures(report: RunReport) -> tuple[tuple[str, str], ...]:
    s = report.summary
    moves = sum(s.counts.get(k, 0) for k in ("wrong_shelf", "wrong_order", "wrong_location"))
    heard = percent(s.expected_heard / s.expected) if s.expected else "–"
    scanned = percent(s.coverage_share) if np.isfinite(s.coverage_share) else "–"
    return (
        (f"{moves:,}", T.figure("moves")),
        (f"{s.counts.get('missing', 0):,}", T.figure("missing")),
        (f"{s.to_act_on - moves - s.counts.get('missing', 0):,}", T.figure("other")),
        (heard, T.figure_heard(s.expected_heard, s.expected)),
        (scanned, T.figure("scanned")),
    )


def _stretches(
    findings: Iterable[Finding],
    places: Places,
    number: Iterator[int],
    blocks: Counter[str],
    report: RunReport,
) -> Iterator[Stretch]:
    books = _book_offsets(report)

    def place(f: Finding) -> Place | None:
        at = places.index.get(f.shelf_id)
        return None if at is None else places.rows[at]

    def face(f: Finding) -> tuple[str, str]:
        p = place(f)
        return ("", "") if p is None else (p.floor_id, p.face.id)

    for (floor_id, face_id), on_face in groupby(findings, key=face):
        stops: list[Stop] = []
        for shelf_id, on_shelf in groupby(on_face, key=lambda f: f.shelf_id):
            lines = tuple(_line(f, places, next(number), blocks) for f in on_shelf)
            at = place(lines[0].finding)
            heading = T.no_shelf() if at is None else T.bay_level(at.bay, at.level) if at.shelf else ""
            strip = _strip(at, lines, books.get(shelf_id, ())) if at is not None else None
            stops.append(Stop(heading, shelf_id if at is not None else "", strip, lines))
        yield Stretch(T.floor_face(floor_id, face_id) if face_id else T.no_place(), tuple(stops))


def _line(f: Finding, places: Places, number: int, blocks: Counter[str], *, on_shelf: bool = False) -> Line:
    """Lay out a finding; ``on_shelf`` names its shelf with it, for lines that stand under no shelf's heading."""
    at = places.index.get(f.shelf_id)
    stands = ""
    if at is not None and f.offset_m is not None and f.kind != "missing":
        stands = T.stands(max(0.0, f.offset_m - places.rows[at].from_m))
    if on_shelf and at is not None:
        stands = f"{f.shelf_id}: {stands}" if stands else f.shelf_id
    together = blocks[f.move_id] if f.move_id else 0
    return Line(
        number=number,
        finding=f,
        tone=TONES.get(f.kind, "data"),
        kind=KIND_SHORT[f.kind],
        action=KIND_ACTIONS[f.kind],
        title=f.title or (T.no_title() if f.barcode else T.tag(f.epc)),
        call_number=_unbroken(f.call_number),
        barcode=f.barcode,
        stands=stands,
        belongs=_CUTTER.sub("\u00a0", f.belongs),
        sure=sure(f.confidence),
        evidence=f.evidence,
        block=T.block(together) if together > 1 else "",
    )


def _book_offsets(report: RunReport) -> dict[str, tuple[float, ...]]:
    """Return the offsets of all tags on the shelves that have a finding."""
    p = report.positions
    if p is None or not len(p):
        return {}
    wanted = {f.shelf_id for f in report.findings}
    on: dict[str, list[float]] = {}
    for shelf, face, offset in zip(p.shelf_id, p.face_id, p.offset_m, strict=True):
        key = str(shelf if shelf is not None else face)
        if key in wanted and np.isfinite(offset):
            on.setdefault(key, []).append(float(offset))
    return {shelf: tuple(sorted(offsets)) for shelf, offsets in on.items()}


def _strip(at: Place, lines: tuple[Line, ...], books: tuple[float, ...]) -> Strip | None:
    if at.shelf is None:
        return None
    marks: list[Mark] = []
    for line in lines:
        f = line.finding
        here = None if f.offset_m is None else f.offset_m - at.from_m
        to = f.belongs_m - at.from_m if f.belongs_m is not None and f.belongs_shelf_id == at.id else None
        marks.append(Mark(line.number, line.tone, here, to if f.kind == "wrong_order" else None))
    marked = {round(m.at_m + at.from_m, 6) for m in marks if m.at_m is not None}
    others = tuple(b - at.from_m for b in books if round(b, 6) not in marked)
    if not any(m.at_m is not None for m in marks):
        return None
    return Strip(at.to_m - at.from_m, others, tuple(marks))
