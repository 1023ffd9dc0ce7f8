"""The numbered lines of a report under their shelves under their faces, and the shelves drawn beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from reports.figures import first_day
from reports.findings import MOVES, Finding
from reports.headings import KIND_ACTIONS, KIND_SHORT, PERHAPS_MISSING, P
from reports.languages import Language
from reports.layout_parts import TONES, Line, Stop, Stretch
from reports.listed_text import LIST_ACTIONS
from reports.phrases import blanks_of
from reports.places import Place, Places
from reports.report import RunReport
from reports.strips import Mark, Strip, neighbours
from reports.text import T, sure

_CUTTER = re.compile(r" (?=\.[A-Za-z][0-9])")  # a class number and its cutter stay on one line


def _unbroken(call_number: str) -> str:
    return call_number.replace(" ", "\u00a0") if len(call_number) <= 28 else call_number


class Lines:
    """Makes the lines of one report, numbered as they are made."""

    def __init__(self, report: RunReport, lang: Language) -> None:
        self._report, self._lang = report, lang
        self._places = Places.of(report.plan)
        self._blocks = Counter(f.move_id for f in report.findings if f.move_id)
        self._books = _book_offsets(report)
        self._made = 0

    def _place(self, shelf_id: str) -> Place | None:
        at = self._places.index.get(shelf_id)
        return None if at is None else self._places.rows[at]

    def stretches(self, findings: Iterable[Finding]) -> Iterator[Stretch]:
        """Yield the faces of findings in walking order, with their shelves and lines; numbers go on from the last."""

        def face(f: Finding) -> tuple[str, str]:
            p = self._place(f.shelf_id)
            return ("", "") if p is None else (p.floor_id, p.face.id)

        lang = self._lang
        for (floor_id, face_id), on_face in groupby(findings, key=face):
            stops: list[Stop] = []
            for shelf_id, on_shelf in groupby(on_face, key=lambda f: f.shelf_id):
                lines = tuple(self.line(f) for f in on_shelf)
                at = self._place(lines[0].finding.shelf_id)
                heading = T.no_shelf() if at is None else T.bay_level(at.bay, at.level) if at.shelf else ""
                strip = _strip(at, lines, self._books.get(shelf_id, ())) if at is not None else None
                stops.append(Stop(lang(heading), shelf_id if at is not None else "", strip, lines))
            title = T.floor_face(floor_id, face_id) if face_id else T.no_place()
            yield Stretch(lang(title), tuple(stops), floor_id)

    def line(self, f: Finding, *, on_shelf: bool = False, numbered: bool = True) -> Line:
        """Lay out a finding.

        ``on_shelf`` names its shelf with it, for lines that stand under no shelf's heading; a line that is not
        `numbered` is no errand.
        """
        at, lang = self._place(f.shelf_id), self._lang
        stands, stands_m = "", None
        if at is not None and f.offset_m is not None:
            stands_m = max(0.0, f.offset_m - at.from_m)
            if f.kind != "missing":
                stands = lang(T.stands(stands_m))
        if on_shelf and at is not None:
            stands = lang(P.at(f.shelf_id, stands)) if stands else f.shelf_id
        together = self._blocks[f.move_id] if f.move_id else 0
        first = None if self._report.first_seen is None else first_day(self._report, f)
        new = self._report.first_seen is not None and first is None
        since = lang(P.NEW) if new else lang(P.since(lang.day(first))) if first is not None else ""
        belongs, target = lang(f.belongs), None
        goal = self._place(f.belongs_shelf_id)
        if f.kind in MOVES and goal is not None and goal.shelf is not None and f.belongs_m is not None:
            belongs = lang(P.with_gap(f.belongs, f.belongs_m - goal.from_m))
            target = self._target(f, goal)
        name, action, tone = KIND_SHORT[f.kind], KIND_ACTIONS[f.kind], TONES.get(f.kind, "data")
        if f.kind == "missing" and f.finding_id in self._report.perhaps:
            name, action, tone = *PERHAPS_MISSING, "data"
        if f.purpose and f.kind == "listed":
            action = LIST_ACTIONS[f.purpose]
        elif f.lists:
            action = P.also_listed(action, "; ".join(f.lists))
        self._made += numbered
        return Line(
            number=self._made if numbered else 0,
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
        books = self._books.get(goal.id, ())
        here = f.offset_m - goal.from_m if goal.id == f.shelf_id and f.offset_m is not None else None
        mark = _mark(self._made + 1, TONES[f.kind], f, goal, here, books)
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
