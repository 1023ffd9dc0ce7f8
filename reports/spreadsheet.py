"""``report.xlsx``: the findings to sort and filter, the shelves in figures, and the run."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import xlsxwriter

from reports.figures import local
from reports.headings import KIND_ACTIONS, KIND_TITLES, PERHAPS_MISSING, P, X
from reports.layout_parts import Layout
from reports.places import Places
from reports.report import RunReport
from reports.text import T
from reports.trend import shown

_MAX_CELL = 32_767  # characters Excel takes in one cell
_INK, _LINE, _HEAD = "#1d2733", "#d5dbe1", "#eef2f5"


def xlsx_bytes(report: RunReport, layout: Layout) -> bytes:
    """Return the workbook; text stays text, whatever it begins with."""
    out = io.BytesIO()
    options: dict[str, Any] = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(out, options)
    moment = (report.ended_at or report.info.started_at).astimezone(UTC).replace(tzinfo=None, microsecond=0)
    book.set_properties({"title": layout.title, "author": "Nightstack", "created": moment})
    style = {
        "head": book.add_format(
            {
                "bold": True,
                "bg_color": _HEAD,
                "font_color": _INK,
                "bottom": 1,
                "bottom_color": _LINE,
                "valign": "top",
            }
        ),
        "text": book.add_format({"valign": "top", "text_wrap": True}),
        "plain": book.add_format({"valign": "top"}),
        "share": book.add_format({"valign": "top", "num_format": "0 %"}),
        "number": book.add_format({"valign": "top", "num_format": "0.0"}),
        "count": book.add_format({"valign": "top", "num_format": "#,##0"}),
    }
    if layout.blank:  # what opens first says why there is no finding
        _run(book, style, report, layout)
    _findings(book, style, report, layout)
    _shelves(book, style, report, layout)
    _nights(book, style, report, layout)
    if not layout.blank:
        _run(book, style, report, layout)
    book.close()
    return out.getvalue()


def _findings(book: Any, style: dict[str, Any], report: RunReport, layout: Layout) -> None:
    places, lang = Places.of(report.plan), layout.lang
    rows: list[Sequence[object]] = []
    # Numbered, and in the order, as the mail and the other documents have them; zones have no number and come last.
    lines = {id(line.finding): line for line in layout.lines}
    numbers = {key: line.number for key, line in lines.items() if line.number}
    last = len(report.findings) + 1
    unsure = {f.finding_id for f in report.perhaps_missing}
    for f in sorted(report.findings, key=lambda f: numbers.get(id(f), last)):
        at = places.index.get(f.shelf_id)
        place = None if at is None else places.rows[at]
        stands = None if place is None or f.offset_m is None else (f.offset_m - place.from_m) * 100.0
        rows.append(
            (
                numbers.get(id(f), ""),
                lang(PERHAPS_MISSING[0] if f.finding_id in unsure else KIND_TITLES[f.kind]),
                lines[id(f)].action if id(f) in lines else lang(KIND_ACTIONS[f.kind]),
                f.title,
                f.call_number,
                f.barcode,
                place.floor_id if place else "",
                place.face.id if place else "",
                place.bay if place else "",
                place.level if place and place.level else "",
                f.shelf_id,
                stands,
                lang(f.belongs),
                lang(f.asked_for),
                f.move_id,
                f.confidence,
                lines[id(f)].since if id(f) in lines else "",
                lang(f.evidence),
                f.epc,
                f.finding_id,
            )
        )
    widths = (6, 26, 20, 42, 24, 16, 8, 8, 8, 8, 14, 12, 44, 30, 12, 8, 14, 60, 28, 20)
    formats = [
        "count",
        *["text"] * 3,
        *["plain"] * 7,
        "number",
        *["text"] * 2,
        "plain",
        "share",
        "plain",
        "text",
        "plain",
        "plain",
    ]
    _sheet(
        book,
        lang(X.FINDINGS),
        [lang(name) for name in X.FINDING_COLUMNS],
        widths,
        rows,
        style,
        formats,
        frozen=4,
    )


def _shelves(book: Any, style: dict[str, Any], report: RunReport, layout: Layout) -> None:
    places = Places.of(report.plan)
    rows: list[Sequence[object]] = []
    for tally in report.summary.shelves:
        place = places.rows[places.index[tally.shelf_id]]
        share = tally.heard / tally.expected if tally.expected else None
        where = (place.floor_id, place.face.id, place.bay, place.level or "", tally.shelf_id)
        more = (tally.on_shelf, tally.in_order, tally.filled)
        rows.append((*where, tally.expected, tally.heard, share, *more))
    formats = [*["plain"] * 5, "count", "count", *["share"] * 4]
    widths = (8, 8, 8, 8, 14, 12, 12, 12, 12, 12, 12)
    _sheet(
        book,
        layout.lang(X.SHELVES),
        [layout.lang(n) for n in X.SHELF_COLUMNS],
        widths,
        rows,
        style,
        formats,
        frozen=0,
    )


def _nights(book: Any, style: dict[str, Any], report: RunReport, layout: Layout) -> None:
    rows: list[Sequence[object]] = [
        (
            layout.lang.day(local(n.at, report.time_zone).date()),
            n.missing,
            n.misplaced,
            n.expected,
            n.heard,
            n.rate,
        )
        for n in shown(report.nights)
    ]
    if rows:
        formats = ["plain", *["count"] * 4, "share"]
        titles = [layout.lang(name) for name in X.NIGHT_COLUMNS]
        widths = (14, 12, 12, 18, 18, 12)
        _sheet(book, layout.lang(X.NIGHTS), titles, widths, rows, style, formats, frozen=0)


def _run(book: Any, style: dict[str, Any], report: RunReport, layout: Layout) -> None:
    s = report.summary

    def figure(value: float | None) -> float | None:
        return None if layout.blank and not value else value

    rows: list[tuple[str, object]] = [
        *((X.TROUBLE, text) for text in layout.alarm),
        (X.SITE, report.info.site),
        (X.RUN, report.info.run_id),
        (X.ROBOT, report.info.robot_id),
        (X.WHEN, layout.when),
        (X.STATE, layout.lang(T.state(report.state))),
        (X.COPIES, figure(s.copies)),
        (X.EXPECTED, figure(s.expected)),
        (X.HEARD, figure(s.expected_heard)),
        (X.TAGS, figure(s.tags_heard)),
        (X.READINGS, figure(s.readings)),
        (X.SCANNED, figure(s.coverage_share)),
        *((X.TROUBLE, text) for text in layout.troubles),
        *((X.NOTE, text) for text in layout.notes),
        *((P.ZONES, text) for text in layout.zones),
        *((P.LISTS, text) for text in layout.lists),
        *((X.DROPPED, text) for text in layout.dropped),
        *((X.PLAN, text) for text in layout.plan),
        *((c.title, c.here) for c in layout.counts),
        *((layout.lang(P.waits(c.title)), c.waiting) for c in layout.counts if c.waiting),
    ]
    sheet = book.add_worksheet(layout.lang(X.RUN_SHEET)[:31])
    sheet.set_column(0, 0, 46, style["plain"])
    sheet.set_column(1, 1, 90, style["text"])
    for i, (label, value) in enumerate(rows):
        _cell(sheet, i, 0, layout.lang(label), style["plain"])
        _cell(sheet, i, 1, value, style["share"] if label is X.SCANNED else style["text"])


def _sheet(
    book: Any,
    name: str,
    columns: Sequence[str],
    widths: Sequence[float],
    rows: Sequence[Sequence[object]],
    style: Mapping[str, Any],
    formats: Sequence[str],
    *,
    frozen: int,
) -> None:
    sheet = book.add_worksheet(name[:31])
    styles = [style[f] for f in formats]
    for j, (title, width) in enumerate(zip(columns, widths, strict=True)):
        sheet.set_column(j, j, width, styles[j])
        sheet.write_string(0, j, title, style["head"])
    for i, row in enumerate(rows, start=1):
        for j, value in enumerate(row):
            _cell(sheet, i, j, value, styles[j])
    sheet.freeze_panes(1, frozen)
    sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _cell(sheet: Any, row: int, column: int, value: object, style: Any) -> None:
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        sheet.write_blank(row, column, None, style)
    elif isinstance(value, (int, float)):
        sheet.write_number(row, column, value, style)
    else:
        text = str(value).encode("utf-8", "replace").decode()
        sheet.write_string(row, column, text[:_MAX_CELL], style)
