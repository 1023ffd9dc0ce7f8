"""The lines of the PDFs as tables: a face's name and the columns' heads come again on every page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, Flowable, LongTable, PageBreak, Paragraph, TableStyle

from reports import fonts
from reports.headings import P
from reports.layout_parts import COLOURS, Layout, Line, Stop, Stretch
from reports.pdf_parts import CheckBox, Pill, ShelfStrip, TargetStrip
from reports.pdf_style import (
    BODY,
    FACE,
    HEAD,
    HEAD_RIGHT,
    INK,
    PALE,
    RIGHT,
    RULE,
    SHELF,
    SMALL,
    SMALL_RIGHT,
    WIDTH,
    flowing,
    marked,
    text,
)
from reports.text import centimetres

_COLUMNS = tuple(w * mm for w in (5.5, 7.5, 24.5, 60.5, 16, 53, 17))
_PICK_COLUMNS = tuple(w * mm for w in (6, 7.5, 8, 36, 36, 25, 18, 47.5))
_PLACE = ParagraphStyle("place", BODY, fontSize=7.8, leading=9.6)
_NUMBERS = ParagraphStyle("numbers", BODY, fontSize=8, leading=10, textColor=HexColor("#3c4753"))
_MOST_LINES = 120
_GUTTER = 3 * mm  # between columns of running text, which would else be read as one line
_STYLE = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 1.5),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]


def stretch_parts(stretch: Stretch, room: float) -> Iterator[tuple[Stretch, Flowable]]:
    """Cut a face with very many lines, each part on pages of its own: a table's time grows with its square.

    Parameters
    ----------
    stretch
        The face.
    room
        How much of the page the first part needs at least: its heads, a shelf and a line.

    Yields
    ------
    part : Stretch
    before : Flowable
        Goes before the part's table.
    """
    part: list[Stop] = []
    count, before = 0, CondPageBreak(room)
    for stop in stretch.stops:
        for first in range(0, len(stop.lines), _MOST_LINES):
            lines = stop.lines[first : first + _MOST_LINES]
            if part and count + len(lines) > _MOST_LINES:
                yield replace(stretch, stops=tuple(part)), before
                part, count, before = [], 0, PageBreak()
            part.append(replace(stop, lines=lines) if len(lines) < len(stop.lines) else stop)
            count += len(lines)
    yield replace(stretch, stops=tuple(part)), before


def stretch_table(stretch: Stretch, layout: Layout, count: int) -> Flowable:
    """Set the lines of one face, a strip only where it shows more than the words."""
    table = _Rows(stretch.heading, _heads(layout), layout.lang(P.findings(count)))
    for stop in stretch.stops:
        table.shelf(stop)
        drawn = stop.strip is not None and stop.strip.helps
        if stop.strip is not None and drawn:
            table.strip(ShelfStrip(stop.strip, WIDTH - 3 * mm, layout.lang))
        for line in stop.lines:
            table.line(*_row(line, layout, drawn=drawn))
    return table.made(_COLUMNS, (3, 5))


def lines_table(lines: Sequence[Line], layout: Layout) -> Flowable:
    """Set lines that stand under no shelf."""
    table = _Rows("", _heads(layout), "")
    for line in lines:
        table.line(*_row(line, layout, on_shelf=True))
    return table.made(_COLUMNS, (3, 5))


def pick_table(stretch: Stretch, layout: Layout, count: int) -> Flowable:
    """Set one face of the pick list: what to take and where it goes, without the reasons."""
    lang = layout.lang
    names = (P.CENTIMETRES, P.CALL_NUMBER, P.TITLE, P.BARCODE, P.KIND, P.COLUMNS[4])
    heads: list[Any] = ["", text("", HEAD), text(lang(names[0]), HEAD_RIGHT, bold=True)]
    heads += [text(lang(name), HEAD, bold=True) for name in names[1:]]
    table = _Rows(stretch.heading, heads, lang(P.findings(count)))
    for stop in stretch.stops:
        table.shelf(stop)
        for line in stop.lines:
            table.line(
                [
                    CheckBox(),
                    text(str(line.number), SMALL),
                    text(
                        "" if line.stands_m is None or not line.stands else f"{line.stands_m * 100:.0f}",
                        RIGHT,
                    ),
                    text(line.finding.call_number, BODY, bold=True, limit=70),
                    text(line.title, BODY, limit=62),
                    text(line.barcode, SMALL, limit=60),
                    text(line.kind, SMALL, limit=60),
                    [text(t, SMALL, limit=110) for t in (line.belongs, line.asked_for) if t] or "",
                ]
            )
    return table.made(_PICK_COLUMNS, (3, 7))


class _Rows:
    """Gathers a table's rows and what belongs together in them."""

    def __init__(self, heading: str, heads: list[Any], count: str) -> None:
        self.rows: list[list[Any]] = []
        self.style: list[tuple[Any, ...]] = list(_STYLE)
        self.columns = len(heads)
        if heading:
            cells: list[Any] = [""] * self.columns
            cells[0], cells[-2] = text(heading, FACE, bold=True), text(count, SMALL_RIGHT)
            self.rows.append(cells)
            self.style += [
                ("SPAN", (0, 0), (-3, 0)),
                ("SPAN", (-2, 0), (-1, 0)),
                ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
                ("LINEBELOW", (0, 0), (-1, 0), 1.1, INK),
            ]
        self.rows.append(heads)
        self.repeated = len(self.rows)
        self.kept_from = -1

    def shelf(self, stop: Stop) -> None:
        """Add a shelf's heading, which stays with what follows it."""
        if not stop.heading:
            return
        at = self._spanning(_shelf_heading(stop))
        self.style += [("BACKGROUND", (0, at), (-1, at), PALE), ("TOPPADDING", (0, at), (-1, at), 1.2)]
        self.style.append(("BOTTOMPADDING", (0, at), (-1, at), 1.8))
        self.kept_from = at

    def strip(self, drawing: Flowable) -> None:
        """Add a drawing of the whole width, which stays with what follows it."""
        at = self._spanning(drawing)
        self.style += [("TOPPADDING", (0, at), (-1, at), 1), ("BOTTOMPADDING", (0, at), (-1, at), 0)]
        self.kept_from = self.kept_from if self.kept_from >= 0 else at

    def line(self, cells: list[Any], below: Any = None) -> None:
        """Add a line; `below` stands under it, as wide as its columns of words."""
        first = len(self.rows)
        self.rows.append(cells)
        if below is not None:
            at = len(self.rows)
            self.rows.append(["", "", "", below, *[""] * (self.columns - 4)])
            self.style += [
                ("SPAN", (3, at), (-1, at)),
                ("TOPPADDING", (0, at), (-1, at), 0),
                ("BOTTOMPADDING", (0, first), (-1, first), 0.6),
            ]
        last = len(self.rows) - 1
        self.style.append(("LINEBELOW", (0, last), (-1, last), 0.4, RULE))
        start = first if self.kept_from < 0 else self.kept_from
        if start < last:
            self.style.append(("NOSPLIT", (0, start), (-1, last)))
        self.kept_from = -1

    def _spanning(self, content: Any) -> int:
        at = len(self.rows)
        self.rows.append([content, *[""] * (self.columns - 1)])
        self.style.append(("SPAN", (0, at), (-1, at)))
        return at

    def made(self, widths: Sequence[float], gutters: tuple[int, int]) -> Flowable:
        """Return the table; columns from the first gutter to the last keep a distance from the next."""
        style = [*self.style[: len(_STYLE)], ("RIGHTPADDING", (gutters[0], 0), (gutters[1], -1), _GUTTER)]
        style += self.style[len(_STYLE) :]
        return LongTable(self.rows, colWidths=widths, repeatRows=self.repeated, style=TableStyle(style))


def _heads(layout: Layout) -> list[Any]:
    names = [layout.lang(name) for name in P.COLUMNS]
    first, *rest = [text(name, HEAD, bold=True) for name in names[:-1]]
    return ["", first, *rest, text(names[-1], HEAD_RIGHT, bold=True)]


def _shelf_heading(stop: Stop) -> Paragraph:
    name = f'&nbsp;&nbsp;<font color="#5b6673" size="7.4">{fonts.markup(stop.shelf_id)}</font>'
    words = marked(stop.heading, bold=True) + (name if stop.shelf_id else "")
    return Paragraph(words, flowing(SHELF, stop.heading + stop.shelf_id))


def _row(
    line: Line, layout: Layout, *, drawn: bool = False, on_shelf: bool = False
) -> tuple[list[Any], Paragraph | None]:
    """Set a line, and the words under it.

    Parameters
    ----------
    line, layout
        The line, and the whole it is of.
    drawn
        Its shelf is drawn above it.
    on_shelf
        It stands under no shelf's heading, and names its place itself.
    """
    what: list[Any] = [Pill(line.kind, COLOURS[line.tone]), text(line.action, SMALL, limit=80)]
    if line.block:
        what.append(text(line.block, SMALL))
    book: list[Any] = [text(line.title, BODY, bold=True, limit=96)]
    details = "\u00a0\u00a0\u00a0 ".join(t for t in (line.call_number, line.barcode) if t)
    if details:
        book.append(text(details, _NUMBERS, limit=110))
    if line.asked_for:
        book.append(text(line.asked_for, BODY, limit=160))
    if on_shelf:
        book.append(text(line.stands, SMALL))
    belongs: list[Any] = [text(line.belongs, _PLACE, limit=130)] if line.belongs else []
    small = line.target is not None and not (drawn and line.target.marks[0].at_m is not None)
    if line.target is not None and small:
        belongs.append(TargetStrip(line.target))
    why = text(line.evidence, SMALL, limit=300) if line.evidence else None
    if why is not None and (small or not details):  # beside the drawing there is room
        book.append(why)
        why = None
    confidence: list[Any] = [text(line.sure, RIGHT)]
    if line.since:
        style = ParagraphStyle("new", SMALL_RIGHT, textColor=INK) if line.new else SMALL_RIGHT
        confidence.append(text(line.since, style, bold=line.new))
    number = text(str(line.number or ""), SMALL)
    box = CheckBox() if line.number else ""
    stands = "" if line.stands_m is None or not line.stands else layout.lang(centimetres(line.stands_m))
    return [box, number, what, book, text(stands, BODY), belongs or "", confidence], why
