"""``report.pdf``: how the run went, then A4 sheets to take along the shelves."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from reportlab.lib.colors import Color, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    LongTable,
    PageTemplate,
    Spacer,
    Table,
    TableStyle,
)

from reports import fonts
from reports.headings import PERHAPS_MISSING, P
from reports.layout_parts import COLOURS, Layout
from reports.pdf_list import lines_table, stretch_parts, stretch_table
from reports.pdf_parts import Pill, Spark
from reports.pdf_style import (
    ALARM,
    ALERT,
    ALERT_PALE,
    BODY,
    BOTTOM,
    FACE,
    FIGURE,
    LEAD,
    LEFT,
    PALE,
    RIGHT,
    RULE,
    SHELF,
    SMALL,
    SMALL_RIGHT,
    TITLE,
    TOP,
    WARN,
    WARN_PALE,
    WIDTH,
    NumberedCanvas,
    encodable,
    text,
)
from reports.report import RunReport

_ZONES, _DROPPED = 12, 8
"""How many of them the first page names; the rest is in the spreadsheet."""


def pdf_bytes(report: RunReport, layout: Layout) -> bytes:
    """Return the document; the same report gives the same bytes."""
    footer = layout.lang(P.dated(report.info.site, layout.when))
    return build_pdf(layout, layout.title, footer, _story(report, layout))


def build_pdf(layout: Layout, title: str, footer: str, story: list[Flowable]) -> bytes:
    """Set a story on numbered A4 pages."""
    out = io.BytesIO()
    document = BaseDocTemplate(
        out,
        pagesize=A4,
        leftMargin=LEFT,
        rightMargin=LEFT,
        topMargin=TOP,
        bottomMargin=BOTTOM,
        title=encodable(title),
        author="Nightstack",
        subject=encodable(layout.when),
        lang=layout.lang.tag,
        invariant=1,
    )
    frame = Frame(LEFT, BOTTOM, WIDTH, A4[1] - TOP - BOTTOM, 0, 0, 0, 0)
    document.addPageTemplates([PageTemplate("page", [frame])])

    def page_of(number: int, count: int) -> str:
        return layout.lang(P.page(number, count))

    document.build(story, canvasmaker=partial(NumberedCanvas, footer=footer, page_of=page_of))
    return out.getvalue()


def _story(report: RunReport, layout: Layout) -> list[Flowable]:
    lang = layout.lang
    story: list[Flowable] = [text(layout.title, TITLE, bold=True), text(layout.run, SMALL)]
    story += _alarm(layout)
    if layout.plan:
        story += [Spacer(0, 3 * mm), text(layout.plan[0], LEAD, bold=True)]
        story += [text(line, BODY) for line in layout.plan[1:]]
    story += [Spacer(0, 3.5 * mm), _figures(layout)] if layout.figures else []
    story.append(Spacer(0, 3.5 * mm))
    story += _warnings(layout)
    story += _counts(layout)
    story += _trends(layout)
    if layout.lists:
        story += [Spacer(0, 3 * mm), text(lang(P.LISTS), SHELF, bold=True)]
        story += [text(line, BODY) for line in layout.lists]
    if layout.dropped:
        story += [Spacer(0, 3 * mm), text(lang(P.DROPPED), SHELF, bold=True)]
        story += [text(line, SMALL) for line in layout.dropped[:_DROPPED]]
        if len(layout.dropped) > _DROPPED:
            story.append(text(lang(P.and_more(len(layout.dropped) - _DROPPED)), SMALL))
    if layout.nothing and not layout.stretches:
        story += [Spacer(0, 6 * mm), text(layout.nothing, BODY)]
    for stretch in layout.stretches:
        story.append(Spacer(0, 4.5 * mm))
        for part, before in stretch_parts(stretch, 38 * mm):
            story += [before, stretch_table(part, layout, stretch.count)]
    if layout.doubts:
        story += [CondPageBreak(45 * mm), Spacer(0, 6 * mm), text(lang(P.DOUBTS), FACE, bold=True)]
        story += [text(lang(P.DOUBTS_NOTE), SMALL), Spacer(0, 1 * mm), lines_table(layout.doubts, layout)]
    if layout.perhaps:
        story += [CondPageBreak(45 * mm), Spacer(0, 6 * mm), text(lang(PERHAPS_MISSING[0]), FACE, bold=True)]
        story += [text(lang(P.PERHAPS_NOTE), SMALL), Spacer(0, 1 * mm), lines_table(layout.perhaps, layout)]
    story += _notes(report, layout)
    return story


def _alarm(layout: Layout) -> list[Flowable]:
    """Set what stands first of a run that failed, was cut short or heard nothing."""
    if not layout.alarm:
        return []
    heading, *lines = layout.alarm
    rows = [[text(heading, FACE, bold=True)], *[[text(line, ALARM)] for line in lines]]
    return [Spacer(0, 3 * mm), _boxed(rows, ALERT, ALERT_PALE)]


def _boxed(rows: list[list[Any]], colour: Color, pale: Color) -> Flowable:
    style = [
        ("LINEBEFORE", (0, 0), (0, -1), 2.5, colour),
        ("BACKGROUND", (0, 0), (-1, -1), pale),
        ("LEFTPADDING", (0, 0), (-1, -1), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ("TOPPADDING", (0, 0), (-1, 0), 4),
        ("BOTTOMPADDING", (0, -1), (-1, -1), 5),
    ]
    return LongTable(rows, colWidths=[WIDTH], style=TableStyle(style))


def _figures(layout: Layout) -> Flowable:
    cells = [[text(value, FIGURE, bold=True), text(label, SMALL)] for value, label in layout.figures]
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), PALE),
        ("LINEAFTER", (0, 0), (-2, -1), 3, white),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 7),
        ("TOPPADDING", (0, 0), (-1, -1), 4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    return Table([cells], colWidths=[WIDTH / len(cells)] * len(cells), style=TableStyle(style))


def _warnings(layout: Layout) -> list[Flowable]:
    """Set what one must know before believing the rest: how the run went, and what it did not see."""
    parts: list[Flowable] = []
    zones = list(layout.zones[:_ZONES])
    if len(layout.zones) > _ZONES:
        zones.append(layout.lang(P.and_more(len(layout.zones) - _ZONES)))
    for heading, texts in ((P.TROUBLES, layout.troubles), (P.ZONES, zones)):
        if not texts:
            continue
        rows = [[text(layout.lang(heading), SHELF, bold=True)], *[[text(t, BODY)] for t in texts]]
        parts += [_boxed(rows, WARN, WARN_PALE), Spacer(0, 2.5 * mm)]
    return parts


def _counts(layout: Layout) -> list[Flowable]:
    if not layout.counts:
        return []
    lang, rows = layout.lang, list[list[Any]]()
    bold = ParagraphStyle("n", RIGHT, fontName=fonts.BOLD)
    if layout.waiting:
        rows.append(["", "", "", text(lang(P.TODAY), SMALL_RIGHT), text(lang(P.WAITING), SMALL_RIGHT)])
    for c in layout.counts:
        row = [Pill("", COLOURS[c.tone]), text(c.title, BODY), text(c.action, SMALL)]
        row.append(text(lang.number(c.here), bold, bold=True))
        row.append(text(lang.number(c.waiting) if c.waiting else "", RIGHT))
        rows.append(row)
    style = TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -2), 0.4, RULE),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 1.2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.4),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
        ]
    )
    widths = [w * mm for w in (6, 82, 60, 18, 18)]
    if not layout.waiting:
        rows, widths = [row[:4] for row in rows], [*widths[:2], widths[2] + widths[4], widths[3]]
    return [Table(rows, colWidths=widths, style=style, hAlign="LEFT")]


def _trends(layout: Layout) -> list[Flowable]:
    """Draw the last nights; their values stand beside, for those who see no drawing."""
    if not layout.trends:
        return []
    right = ParagraphStyle("r", RIGHT, fontName=fonts.BOLD)
    rows = [
        [
            text(t.label, BODY),
            text(t.first, RIGHT),
            Spark(t.heights, COLOURS[t.tone]),
            text(t.last, right, bold=True),
            text(t.values, SMALL),
        ]
        for t in layout.trends
    ]
    style = TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 0.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0.5),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
        ]
    )
    widths = [42 * mm, 14 * mm, 38 * mm, 14 * mm, WIDTH - 108 * mm]
    heading = text(layout.lang(P.TREND), SHELF, bold=True)
    return [
        KeepTogether([Spacer(0, 3 * mm), heading, Table(rows, colWidths=widths, style=style, hAlign="LEFT")])
    ]


def _notes(report: RunReport, layout: Layout) -> list[Flowable]:
    notes = list(layout.notes)
    if any(fonts.cjk_note_needed(f.title) for f in report.findings) or fonts.cjk_note_needed(layout.title):
        notes.append(layout.lang(P.FONT_NOTE))
    parts: list[Flowable] = []
    if layout.afterwards:
        parts += [
            CondPageBreak(25 * mm),
            Spacer(0, 6 * mm),
            text(layout.lang(P.AFTERWARDS), SHELF, bold=True),
        ]
        parts += [text(line, SMALL) for line in layout.afterwards]
    if not notes:
        return parts
    return [
        *parts,
        CondPageBreak(25 * mm),
        Spacer(0, 6 * mm),
        text(layout.lang(P.NOTES), SHELF, bold=True),
        *[text(note, SMALL) for note in notes],
    ]
