"""The mail's plain text: the same report for terminals and for readers who want no HTML."""

from __future__ import annotations

from reports.headings import P
from reports.html import MAIL_LINES, unwalked
from reports.layout import lay_out
from reports.layout_parts import Layout
from reports.report import RunReport
from reports.trend import blocks


def plain_text(report: RunReport, left_behind: str = "", layout: Layout | None = None) -> str:
    """Return the report as text, one block a finding; long ones end with how many more there are."""
    chosen = layout or lay_out(report)
    lang = chosen.lang
    out = [chosen.title, chosen.run, ""]
    if chosen.alarm:
        heading, *lines = chosen.alarm
        out += [heading, "=" * min(_columns(heading), 70), *[f"  * {line}" for line in lines]]
        out += [] if chosen.blank else [""]
    out += [*chosen.plan, ""] if chosen.plan else []
    out += [f"{value}  {label}" for value, label in chosen.figures]
    if left_behind:
        out += ["", left_behind]
    parts = (
        *((P.TROUBLES, chosen.troubles), (P.ZONES, chosen.zones)),
        *((P.LISTS, chosen.lists), (P.DROPPED, chosen.dropped)),
    )
    for heading, texts in parts:
        if texts:
            out += ["", lang(heading), *[f"  * {text}" for text in texts[:12]]]
        if len(texts) > 12:
            out.append(f"  {lang(P.more(len(texts) - 12))}")
    out += [""] if chosen.counts else []
    for c in chosen.counts:
        what = P.beside(c.title, c.action)
        what = P.also(what, P.waiting(c.waiting)) if c.waiting else what
        out.append(f"{lang.number(c.here):>7}  {lang(what)}")
    if chosen.trends:
        out += ["", lang(P.TREND), *[f"  {blocks(t.heights)}  {t.words}" for t in chosen.trends]]
    if chosen.nothing and not chosen.stretches:
        out += ["", chosen.nothing]
    shown = 0
    for stretch in chosen.stretches:
        if shown >= MAIL_LINES:
            break
        out += ["", "", stretch.heading, "=" * min(_columns(stretch.heading), 70)]
        for stop in stretch.stops:
            lines = stop.lines[: max(0, MAIL_LINES - shown)]
            shown += len(lines)
            if lines and stop.heading:
                out += ["", lang(P.beside(stop.heading, stop.shelf_id)) if stop.shelf_id else stop.heading]
            for line in lines:
                sure = P.dated(line.sure, line.since) if line.since else line.sure
                out += ["", f"[ ] {line.number}. {lang(P.to_do(line.kind, line.action, sure))}"]
                out.append(f"    {line.title}")
                out += [f"    {t}" for t in (f"{line.call_number}   {line.barcode}".strip(), line.block) if t]
                out += [f"    {lang(P.COLUMNS[3])} {line.stands_beside}"] if line.stands else []
                out += [f"    {lang(P.COLUMNS[4])} {line.belongs}"] if line.belongs else []
                out += [f"    {line.asked_for}"] if line.asked_for else []
    more = sum(s.count for s in chosen.stretches) - shown
    rest = [lang(P.more(more))] if more else []
    rest += [lang(text) for text in unwalked(chosen)]
    out += ["", *rest] if rest else []
    if chosen.afterwards:
        out += ["", lang(P.AFTERWARDS), *[f"  * {text}" for text in chosen.afterwards]]
    if report.link:
        out += ["", report.link]
    text = "\n".join([*out, "", "-- ", chosen.signature, ""])
    return text.encode("utf-8", "replace").decode().replace("\r", " ")


def _columns(text: str) -> int:
    return sum(2 if c > "\u2e7f" else 1 for c in text)
