"""What every document shows, in what order: numbered lines under their shelves under their faces, in one language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

import numpy as np

from reports.figures import UNWALKED, Trend, figures, first_day, local, trends
from reports.findings import MOVES, Finding
from reports.headings import KIND_ACTIONS, KIND_SHORT, KIND_TITLES, PERHAPS_MISSING, P
from reports.languages import Language, language_or_english
from reports.listed_text import LIST_ACTIONS
from reports.phrases import Said, blanks_of
from reports.places import Place, Places
from reports.report import RunReport
from reports.strips import Mark, Strip, neighbours
from reports.text import T, sure

TONES: dict[str, str] = {
    "wrong_shelf": "move",
    "wrong_order": "move",
    "wrong_location": "move",
    "missing": "missing",
    "found": "status",
    "on_shelf_loaned": "status",
    "on_shelf_status": "status",
    "listed": "status",
}
"""Which of four colours a kind is drawn in; the others are "data"."""

COLOURS = {"move": "#b45309", "missing": "#a61e34", "status": "#1d5f8a", "data": "#5b6673"}
"""Dark enough on white for small type (WCAG 2.2, contrast of 4.5 to 1)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding as people read it.

    Attributes
    ----------
    number : int
        0: it is no errand.
    stands_m : float or None
        Metres from the left end of its shelf.
    since : str
        "new", or the day it was first found; empty where nobody keeps that.
    beside : str
        Of a copy on a staff list, between which books it stands.
    asked_for : str
        Of a copy to be fetched, for which list.
    target : Strip or None
        The shelf it belongs on, with the gap there; of a book that moves on its shelf, with the book, too.
    """

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
    stands_m: float | None = None
    since: str = ""
    new: bool = False
    target: Strip | None = None
    beside: str = ""
    asked_for: str = ""

    @property
    def stands_beside(self) -> str:
        """Where it stands, and between which books if that is not said elsewhere."""
        return ", ".join(words for words in (self.stands, self.beside) if words)


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
    floor_id: str = ""

    @property
    def count(self) -> int:
        """How many lines there are on it."""
        return sum(len(stop.lines) for stop in self.stops)


@dataclass(frozen=True, slots=True)
class Count:
    """How many findings of a kind are on this list, and how many wait for another morning."""

    tone: str
    title: str
    action: str
    here: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole report, ready to be drawn; every text is in the reader's language.

    Attributes
    ----------
    lang : Language
    title : str
    when : str
        When the run started and ended, in the site's time.
    run : str
        Which run, when, by which robot.
    plan : tuple of str
        How much there is to do this morning, and what was looked up since; nothing where nobody planned.
    figures : tuple of (value, label)
        The few figures that come first.
    counts : tuple of Count
    troubles, zones, dropped, notes : tuple of str
        How the run went, what was not scanned, what was taken off the list, what was forgiven; a sentence each.
    afterwards : tuple of str
        What to do where a line does not hold, and how to say what was done; nothing where there is nothing to do.
    stretches : tuple of Stretch
        What there is to do, in walking order.
    doubts : tuple of Line
        What may be wrong and needs no walk of its own.
    perhaps : tuple of Line
        Books perhaps missing, without numbers: nobody is sent for them.
    lists : tuple of str
        What became of staff's lists.
    trends : tuple of Trend
        Nothing before there are three nights.
    pace_page : str
        Where to say how long the morning took, as `afterwards` has it; empty where no service keeps that.
    """

    lang: Language
    title: str
    when: str
    run: str
    plan: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    counts: tuple[Count, ...]
    troubles: tuple[str, ...]
    zones: tuple[str, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    afterwards: tuple[str, ...]
    nothing: str
    signature: str
    stretches: tuple[Stretch, ...]
    doubts: tuple[Line, ...]
    lists: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()
    perhaps: tuple[Line, ...] = ()
    pace_page: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line: the numbered ones by their number, then those that are no errand."""
        walked = (line for stretch in self.stretches for stop in stretch.stops for line in stop.lines)
        return (*walked, *self.doubts, *self.perhaps)

    @property
    def waiting(self) -> bool:
        """Whether some findings wait for another morning."""
        return any(c.waiting for c in self.counts)


def lay_out(report: RunReport) -> Layout:
    """Lay a report out in its language."""
    lang = language_or_english(report.language)
    maker = _Lines(report, lang)
    zones = tuple(lang(f.evidence) for f in report.findings if f.kind == "zone_not_scanned")
    unsure = {f.finding_id for f in report.perhaps_missing}
    stretches = tuple(
        maker.stretches(f for f in report.findings if f.kind not in UNWALKED and f.finding_id not in unsure)
    )
    doubts = tuple(maker.line(f, on_shelf=True) for f in report.findings if f.kind == "low_confidence")
    perhaps = tuple(maker.line(f, on_shelf=True, numbered=False) for f in report.perhaps_missing)
    counted = Counter(f.kind for f in report.findings if f.finding_id not in unsure)
    counts = tuple(_counts(report, counted, lang))
    when = _when(report, lang)
    return Layout(
        lang=lang,
        title=lang(T.title(report.info.site)),
        when=when,
        run=lang(P.run(when, report.info.run_id, report.info.robot_id)),
        plan=tuple(lang(text) for text in _plan(report, sum(s.count for s in stretches), lang)),
        figures=tuple((value, lang(label)) for value, label in figures(report, counted, lang)),
        counts=counts,
        troubles=tuple(lang(text) for text in report.troubles),
        zones=zones,
        dropped=tuple(lang(text) for text in report.dropped),
        notes=tuple(lang(text) for text in report.notes),
        afterwards=tuple(lang(text) for text in _afterwards(report)) if stretches else (),
        nothing=lang(P.NOTHING if report.state != "failed" else P.NOTHING_KNOWN),
        signature=lang(T.signature(report.info.site)),
        stretches=stretches,
        doubts=doubts,
        lists=tuple(lang(text) for text in report.lists),
        trends=tuple(trends(report, lang)),
        perhaps=perhaps,
        pace_page=_pace_page(report) if report.link else "",
    )


def _counts(report: RunReport, counted: Mapping[str, int], lang: Language) -> Iterator[Count]:
    """Count each kind; the perhaps missing apart, after the missing."""
    put_off = Counter({"missing": report.put_off})
    for kind in KIND_TITLES:
        here, left = counted.get(kind, 0), max(0, report.backlog.get(kind, 0) - put_off[kind])
        if here or left:
            tone = TONES.get(kind, "data")
            yield Count(tone, lang(KIND_TITLES[kind]), lang(KIND_ACTIONS[kind]), here, left)
        if kind == "missing" and (here := len(report.perhaps_missing)) + report.put_off:
            yield Count("data", lang(PERHAPS_MISSING[0]), lang(P.WAIT), here, report.put_off)


_CUTTER = re.compile(r" (?=\.[A-Za-z][0-9])")  # a class number and its cutter stay on one line


def _unbroken(call_number: str) -> str:
    return call_number.replace(" ", "\u00a0") if len(call_number) <= 28 else call_number


def _when(report: RunReport, lang: Language) -> str:
    start = local(report.info.started_at, report.time_zone)
    until = ""
    if report.ended_at is not None:
        end = local(report.ended_at, report.time_zone)
        until = lang.time(end)
        if end.date() != start.date():
            until = f"{lang.weekday(end.date())} {until}"
    return lang(P.span(lang.long_day(start.date()), lang.time(start), until, start.tzname() or "UTC"))


def _plan(report: RunReport, lines: int, lang: Language) -> Iterator[Said]:
    waiting = sum(report.backlog.values())
    if report.minutes is not None or waiting:
        yield P.planned(lines, report.minutes, waiting)
    if report.put_off:
        yield P.put_off(report.put_off)
    if report.minutes_asked is not None:
        yield P.made_for(report.minutes_asked)
    if report.minutes is not None and report.paced:
        yield P.paced(report.paced)
    if report.checked_at is not None:
        yield P.checked(lang.time(local(report.checked_at, report.time_zone)), len(report.dropped))


def _pace_page(report: RunReport) -> str:
    """Return the service's page that asks how long a morning took; the report's own link is one of its runs."""
    return f"{report.link.rsplit('/runs/', 1)[0].rstrip('/')}/pace?site={quote(report.info.site, safe='')}"


def _afterwards(report: RunReport) -> Iterator[Said]:
    yield P.not_there()
    if report.link:  # a service keeps the cases
        yield P.say_so()
        if report.minutes_asked is not None:
            yield P.say_minutes(_pace_page(report))


class _Lines:
    """Makes the lines of one report, numbered as they are made."""

    def __init__(self, report: RunReport, lang: Language) -> None:
        self.report, self.lang = report, lang
        self.places = Places.of(report.plan)
        self.blocks = Counter(f.move_id for f in report.findings if f.move_id)
        self.books = _book_offsets(report)
        self.made = 0

    def place(self, shelf_id: str) -> Place | None:
        at = self.places.index.get(shelf_id)
        return None if at is None else self.places.rows[at]

    def stretches(self, findings: Iterable[Finding]) -> Iterator[Stretch]:
        def face(f: Finding) -> tuple[str, str]:
            p = self.place(f.shelf_id)
            return ("", "") if p is None else (p.floor_id, p.face.id)

        lang = self.lang
        for (floor_id, face_id), on_face in groupby(findings, key=face):
            stops: list[Stop] = []
            for shelf_id, on_shelf in groupby(on_face, key=lambda f: f.shelf_id):
                lines = tuple(self.line(f) for f in on_shelf)
                at = self.place(lines[0].finding.shelf_id)
                heading = T.no_shelf() if at is None else T.bay_level(at.bay, at.level) if at.shelf else ""
                strip = _strip(at, lines, self.books.get(shelf_id, ())) if at is not None else None
                stops.append(Stop(lang(heading), shelf_id if at is not None else "", strip, lines))
            title = T.floor_face(floor_id, face_id) if face_id else T.no_place()
            yield Stretch(lang(title), tuple(stops), floor_id)

    def line(self, f: Finding, *, on_shelf: bool = False, numbered: bool = True) -> Line:
        """Lay out a finding.

        ``on_shelf`` names its shelf with it, for lines that stand under no shelf's heading; a line that is not
        `numbered` is no errand.
        """
        at, lang = self.place(f.shelf_id), self.lang
        stands, stands_m = "", None
        if at is not None and f.offset_m is not None:
            stands_m = max(0.0, f.offset_m - at.from_m)
            if f.kind != "missing":
                stands = lang(T.stands(stands_m))
        if on_shelf and at is not None:
            stands = lang(P.at(f.shelf_id, stands)) if stands else f.shelf_id
        together = self.blocks[f.move_id] if f.move_id else 0
        first = None if self.report.first_seen is None else first_day(self.report, f)
        new = self.report.first_seen is not None and first is None
        since = lang(P.NEW) if new else lang(P.since(lang.day(first))) if first is not None else ""
        belongs, target = lang(f.belongs), None
        goal = self.place(f.belongs_shelf_id)
        if f.kind in MOVES and goal is not None and goal.shelf is not None and f.belongs_m is not None:
            belongs = lang(P.with_gap(f.belongs, f.belongs_m - goal.from_m))
            target = self._target(f, goal)
        name, action, tone = KIND_SHORT[f.kind], KIND_ACTIONS[f.kind], TONES.get(f.kind, "data")
        if f.kind == "missing" and f.finding_id in self.report.perhaps:
            name, action, tone = *PERHAPS_MISSING, "data"
        if f.purpose and f.kind == "listed":
            action = LIST_ACTIONS[f.purpose]
        elif f.lists:
            action = P.also_listed(action, "; ".join(f.lists))
        self.made += numbered
        return Line(
            number=self.made if numbered else 0,
            finding=f,
            tone=tone,
            kind=lang(name),
            action=lang(action),
            title=f.title or lang(T.no_title() if f.barcode else T.tag(f.epc)),
            call_number=_unbroken(f.call_number),
            barcode=f.barcode,
            stands=stands,
            belongs=_CUTTER.sub("\u00a0", belongs),
            sure=lang(sure(f.confidence)),
            evidence=lang(f.evidence),
            block=lang(T.block(together)) if together > 1 else "",
            stands_m=stands_m,
            since=since,
            new=new,
            target=target,
            beside=lang(f.beside),
            asked_for=lang(P.asked_for(f.asked_for)) if f.asked_for else "",
        )

    def _target(self, f: Finding, goal: Place) -> Strip:
        books = self.books.get(goal.id, ())
        here = f.offset_m - goal.from_m if goal.id == f.shelf_id and f.offset_m is not None else None
        mark = _mark(self.made + 1, TONES[f.kind], f, goal, here, books)
        taken = {mark.left_m, mark.right_m, mark.at_m}
        others = tuple(b - goal.from_m for b in books if b - goal.from_m not in taken)
        return Strip(goal.to_m - goal.from_m, others, (mark,))


def _book_offsets(report: RunReport) -> dict[str, tuple[float, ...]]:
    """Return the offsets of all tags on the shelves that have a finding, or that a book is to be carried to."""
    p = report.positions
    if p is None or not len(p):
        return {}
    wanted = {f.shelf_id for f in report.findings} | {f.belongs_shelf_id for f in report.findings}
    on: dict[str, list[float]] = {}
    for shelf, face, offset in zip(p.shelf_id, p.face_id, p.offset_m, strict=True):
        key = str(shelf if shelf is not None else face)
        if key in wanted and np.isfinite(offset):
            on.setdefault(key, []).append(float(offset))
    return {shelf: tuple(sorted(offsets)) for shelf, offsets in on.items()}


def _mark(number: int, tone: str, f: Finding, at: Place, here: float | None, books: Sequence[float]) -> Mark:
    """Mark a book that belongs into a gap of this shelf, between the two that stand there."""
    assert f.belongs_m is not None
    words = blanks_of(f.belongs)
    left, right = neighbours(f.belongs_m, [b for b in books if f.offset_m is None or b != f.offset_m])
    return Mark(
        number,
        tone,
        here,
        f.belongs_m - at.from_m,
        None if left is None else left - at.from_m,
        None if right is None else right - at.from_m,
        words.get("left", ""),
        words.get("right", ""),
    )


def _strip(at: Place, lines: tuple[Line, ...], books: tuple[float, ...]) -> Strip | None:
    if at.shelf is None:
        return None
    accused = {round(line.finding.offset_m, 6) for line in lines if line.finding.offset_m is not None}
    steady = [b for b in books if round(b, 6) not in accused]
    marks: list[Mark] = []
    for line in lines:
        f = line.finding
        here = None if f.offset_m is None else f.offset_m - at.from_m
        if f.kind == "wrong_order" and f.belongs_m is not None and f.belongs_shelf_id == at.id:
            marks.append(_mark(line.number, line.tone, f, at, here, steady))
        else:
            marks.append(Mark(line.number, line.tone, here))
    if not any(m.at_m is not None for m in marks):
        return None
    drawn = {round(m + at.from_m, 6) for mark in marks for m in (mark.left_m, mark.right_m) if m is not None}
    others = tuple(b - at.from_m for b in steady if round(b, 6) not in drawn)
    return Strip(at.to_m - at.from_m, others, tuple(marks))
