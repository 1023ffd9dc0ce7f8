"""``report.pdf``: A4 sheets to take along the shelves."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from reports import fonts
from reports.headings import P
from reports.layout import COLOURS, Layout, Line, Stop
from reports.pdf_parts import CheckBox, Pill, ShelfStrip
from reports.report import RunReport
from reports.text import T

_INK, _QUIET, _RULE, _PALE = (
    HexColor("#1d2733"),
    HexColor("#5b6673"),
    HexColor("#d5dbe1"),
    HexColor("#f4f6f8"),
)
_WARN, _WARN_PALE = HexColor("#b45309"), HexColor("#fdf5ea")
_LEFT, _TOP, _BOTTOM = 16 * mm, 18 * mm, 17 * mm
_WIDTH = A4[0] - 2 * _LEFT
_CJK = (0x2E80, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF)

_BODY = ParagraphStyle(
    "body", fontName=fonts.REGULAR, fontSize=8.5, leading=11.2, textColor=_INK, splitLongWords=1
)
_SMALL = ParagraphStyle("small", _BODY, fontSize=7.4, leading=9.6, textColor=_QUIET)
_TITLE = ParagraphStyle("title", _BODY, fontName=fonts.BOLD, fontSize=21, leading=26)
_FACE = ParagraphStyle("face", _BODY, fontName=fonts.BOLD, fontSize=13, leading=17)
_SHELF = ParagraphStyle("shelf", _BODY, fontName=fonts.BOLD, fontSize=9.6, leading=13)
_FIGURE = ParagraphStyle("figure", _BODY, fontName=fonts.BOLD, fontSize=17, leading=21)
_HEAD = ParagraphStyle("head", _SMALL, fontName=fonts.BOLD, fontSize=7)
_HEAD_RIGHT = ParagraphStyle("head-right", _HEAD, alignment=TA_RIGHT)
_RIGHT = ParagraphStyle("right", _BODY, alignment=TA_RIGHT)

_COLUMNS = tuple(w * mm for w in (6, 7.5, 26, 57, 31, 39.5, 11))
_GUTTER = 3 * mm  # between columns of running text, which would else be read as one line


def pdf_bytes(report: RunReport, layout: Layout) -> bytes:
    """Return the document; the same report gives the same bytes."""
    out = io.BytesIO()
    title = T.title(report.info.site)
    document = BaseDocTemplate(
        out,
        pagesize=A4,
        leftMargin=_LEFT,
        rightMargin=_LEFT,
        topMargin=_TOP,
        bottomMargin=_BOTTOM,
        title=_plain(title),
        author="Nightstack",
        subject=_plain(layout.when),
        lang="en",
        invariant=1,
    )
    frame = Frame(_LEFT, _BOTTOM, _WIDTH, A4[1] - _TOP - _BOTTOM, 0, 0, 0, 0)
    document.addPageTemplates([PageTemplate("page", [frame])])
    footer = f"{report.info.site}, {layout.when}"
    document.build(_story(report, layout), canvasmaker=partial(_Numbered, footer=footer))
    return out.getvalue()


def _story(report: RunReport, layout: Layout) -> list[Flowable]:
    story: list[Flowable] = [
        _text(T.title(report.info.site), _TITLE, bold=True),
        _text(P.run(layout.when, report.info.run_id, report.info.robot_id), _SMALL),
        Spacer(0, 5 * mm),
        _figures(layout),
        Spacer(0, 5 * mm),
        *_quality(report, layout),
        *_counts(layout),
    ]
    if not layout.stretches:
        story += [Spacer(0, 6 * mm), _text(P.NOTHING if report.state != "failed" else P.NOTHING_KNOWN, _BODY)]
    for stretch in layout.stretches:
        heading = Table(
            [[_text(stretch.heading, _FACE, bold=True), _text(P.findings(stretch.count), _RIGHT)]],
            colWidths=(_WIDTH * 0.75, _WIDTH * 0.25),
            style=TableStyle(
                [
                    ("LINEBELOW", (0, 0), (-1, 0), 1.1, _INK),
                    ("LEFTPADDING", (0, 0), (-1, -1), 0),
                    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                    ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
                ]
            ),
        )
        story.append(Spacer(0, 7 * mm))
        for number, stop in enumerate(stretch.stops):
            story += _stop(stop, [heading, Spacer(0, 3 * mm)] if number == 0 else [])
    if layout.doubts:
        story += [CondPageBreak(45 * mm), Spacer(0, 7 * mm), _text(P.DOUBTS, _FACE, bold=True)]
        story += [_text(P.DOUBTS_NOTE, _SMALL), Spacer(0, 2 * mm), _lines(layout.doubts)]
    story += _notes(report)
    return story


def _figures(layout: Layout) -> Flowable:
    cells = [[_text(value, _FIGURE, bold=True), _text(label, _SMALL)] for value, label in layout.figures]
    table = Table([cells], colWidths=[_WIDTH / len(cells)] * len(cells))
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), _PALE),
                ("LINEAFTER", (0, 0), (-2, -1), 3, white),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 8),
                ("TOPPADDING", (0, 0), (-1, -1), 7),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
            ]
        )
    )
    return table


def _quality(report: RunReport, layout: Layout) -> list[Flowable]:
    """Set what one must know before believing the rest: how the run went, and what it did not see."""
    parts: list[Flowable] = []
    for heading, texts in ((P.TROUBLES, report.troubles), (P.ZONES, layout.zones)):
        if not texts:
            continue
        rows = [[_text(heading, _SHELF, bold=True)], *[[_text(text, _BODY)] for text in texts]]
        style = [
            ("LINEBEFORE", (0, 0), (0, -1), 2.5, _WARN),
            ("BACKGROUND", (0, 0), (-1, -1), _WARN_PALE),
            ("LEFTPADDING", (0, 0), (-1, -1), 9),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ("TOPPADDING", (0, 0), (-1, 0), 6),
            ("BOTTOMPADDING", (0, -1), (-1, -1), 7),
        ]
        parts += [LongTable(rows, colWidths=[_WIDTH], style=TableStyle(style)), Spacer(0, 3.5 * mm)]
    return parts


def _counts(layout: Layout) -> list[Flowable]:
    if not layout.counts:
        return []
    rows: list[list[Any]] = []
    for tone, title, action, count in layout.counts:
        number = _text(f"{count:,}", ParagraphStyle("n", _RIGHT, fontName=fonts.BOLD), bold=True)
        rows.append([Pill("", COLOURS[tone]), _text(title, _BODY), _text(action, _SMALL), number])
    style = TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -2), 0.4, _RULE),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 2.2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 2),
        ]
    )
    return [Table(rows, colWidths=(6 * mm, 88 * mm, 62 * mm, 22 * mm), style=style, hAlign="LEFT")]


def _stop(stop: Stop, before: list[Flowable]) -> list[Flowable]:
    """Set one shelf; it may break between its lines, but never right after a heading."""
    head: list[Flowable] = []
    if stop.heading:
        shelf = (
            f'&nbsp;&nbsp;<font color="#5b6673" size="7.6">{fonts.markup(stop.shelf_id)}</font>'
            if stop.shelf_id
            else ""
        )
        head.append(Paragraph(fonts.markup(stop.heading, bold=True) + shelf, _SHELF))
    if stop.strip is not None:
        head += [Spacer(0, 1.2 * mm), ShelfStrip(stop.strip, _WIDTH), Spacer(0, 1 * mm)]
    first, rest = stop.lines[:2], stop.lines[2:]
    parts: list[Flowable] = [KeepTogether([*before, *head, _lines(first)])]
    if rest:
        parts.append(_lines(rest, header=False))
    return [*parts, Spacer(0, 5 * mm)]


def _lines(lines: tuple[Line, ...], *, header: bool = True) -> Flowable:
    rows: list[list[Any]] = []
    if header:
        names = [_text(t, _HEAD, bold=True) for t in P.COLUMNS[:-1]]
        rows.append(["", *names, _text(P.COLUMNS[-1], _HEAD_RIGHT, bold=True)])
    rows += [_row(line) for line in lines]
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (3, 0), (5, -1), _GUTTER),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.4),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE),
    ]
    if header:
        style += [("TOPPADDING", (0, 0), (-1, 0), 1), ("BOTTOMPADDING", (0, 0), (-1, 0), 1)]
    return LongTable(rows, colWidths=_COLUMNS, repeatRows=1 if header else 0, style=TableStyle(style))


def _row(line: Line) -> list[Any]:
    kind = [Pill(line.kind, COLOURS[line.tone]), _text(line.action, _SMALL)]
    if line.block:
        kind.append(_text(line.block, _SMALL))
    book = [_text(line.title, _BODY, bold=True, limit=170)]
    details = "\u00a0\u00a0\u00a0 ".join(t for t in (line.call_number, line.barcode) if t)
    if details:
        book.append(_text(details, _BODY, limit=120))
    book.append(_text(line.evidence, _SMALL, limit=320))
    return [
        CheckBox(),
        _text(str(line.number), _SMALL),
        kind,
        book,
        _text(line.stands, _BODY),
        _text(line.belongs, _BODY, limit=160),
        _text(line.sure, _RIGHT),
    ]


def _notes(report: RunReport) -> list[Flowable]:
    notes = list(report.notes)
    if any(fonts.cjk_note_needed(f.title) for f in report.findings):
        notes.append(P.FONT_NOTE)
    if not notes:
        return []
    return [
        CondPageBreak(30 * mm),
        Spacer(0, 8 * mm),
        _text(P.NOTES, _SHELF, bold=True),
        *[_text(note, _SMALL) for note in notes],
    ]


def _text(text: str, style: ParagraphStyle, *, bold: bool = False, limit: int = 2000) -> Paragraph:
    if len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    wide = sum(1 for c in text if any(a <= ord(c) <= b for a, b in _CJK))
    if wide * 4 > len(text):
        # Lines of Chinese, Japanese or Korean break between any two characters.
        style = ParagraphStyle(f"{style.name}-cjk", style, wordWrap="CJK")
    return Paragraph(fonts.markup(text, bold=bold) or "&nbsp;", style)


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


class _Numbered(Canvas):
    """A canvas that knows how many pages there are once it is saved."""

    def __init__(self, *args: Any, footer: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self._footer = footer
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 (reportlab's name)
        """Keep the page until the number of pages is known."""
        self._pages.append(dict(self.__dict__))
        self._startPage()  # pyright: ignore[reportAttributeAccessIssue] (reportlab's own, untyped)

    def save(self) -> None:
        """Put the footer on every page and write the file."""
        pages = self._pages
        for number, page in enumerate(pages, start=1):
            self.__dict__.update(page)
            self._draw_footer(number, len(pages))
            super().showPage()
        super().save()

    def _draw_footer(self, number: int, count: int) -> None:
        y = 9.5 * mm
        self.setStrokeColor(_RULE)
        self.setLineWidth(0.4)
        self.line(_LEFT, y + 4 * mm, A4[0] - _LEFT, y + 4 * mm)
        self.setFillColor(_QUIET)
        x = _LEFT
        for font, part in fonts.runs(self._footer):
            self.setFont(font, 7.2)
            self.drawString(x, y, part)
            x += self.stringWidth(part, font, 7.2)
        self.setFont(fonts.REGULAR, 7.2)
        self.drawRightString(A4[0] - _LEFT, y, P.page(number, count))
