"""``picklist.pdf``: the walk alone, each floor on sheets of its own, so that several people can share it."""

from __future__ import annotations

from itertools import groupby

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, PageBreak, Spacer

from reports.headings import P
from reports.layout_parts import Layout
from reports.pdf import build_pdf
from reports.pdf_list import pick_table, stretch_parts
from reports.pdf_style import BODY, LEAD, SMALL, text
from reports.report import RunReport


def picklist_bytes(report: RunReport, layout: Layout) -> bytes:
    """Return the document; the same report gives the same bytes."""
    lang = layout.lang
    title = lang(P.pick_list(report.info.site))
    story: list[Flowable] = []
    for _, on_floor in groupby(layout.stretches, key=lambda s: s.floor_id):
        if story:
            story.append(PageBreak())
        story += [text(title, LEAD, bold=True), text(layout.run, SMALL)]
        story += [text(line, SMALL) for line in layout.alarm[:2]]
        story += [text(line, SMALL) for line in layout.plan[:1]]
        for stretch in on_floor:
            story.append(Spacer(0, 3 * mm))
            for part, before in stretch_parts(stretch, 30 * mm):
                story += [before, pick_table(part, layout, stretch.count)]
    if layout.afterwards:
        story += [Spacer(0, 4 * mm), *[text(line, SMALL) for line in layout.afterwards]]
    if not story:
        story = [text(title, LEAD, bold=True), text(layout.run, SMALL), Spacer(0, 5 * mm)]
        story += [text(line, LEAD if n == 0 else BODY, bold=n == 0) for n, line in enumerate(layout.alarm)]
        if layout.nothing:
            story += [Spacer(0, 3 * mm), text(layout.nothing, BODY)]
    return build_pdf(layout, title, lang(P.dated(title, layout.when)), story)
