"""The mail's plain text: the same report for terminals and for readers who want no HTML."""

from __future__ import annotations

from reports.headings import P
from reports.html import MAIL_LINES
from reports.layout import Layout, lay_out
from reports.report import RunReport
from reports.text import T


def plain_text(report: RunReport, left_behind: str = "", layout: Layout | None = None) -> str:
    """Return the report as text, one block a finding; long ones end with how many more there are."""
    chosen = layout or lay_out(report)
    out = [T.title(report.info.site), P.run(chosen.when, report.info.run_id, report.info.robot_id), ""]
    out += [f"{value}  {label}" for value, label in chosen.figures]
    if left_behind:
        out += ["", left_behind]
    for heading, texts in ((P.TROUBLES, report.troubles), (P.ZONES, chosen.zones[:12])):
        if texts:
            out += ["", heading, *[f"  * {text}" for text in texts]]
    if len(chosen.zones) > 12:
        out.append(f"  {P.more(len(chosen.zones) - 12)}")
    if chosen.counts:
        out += ["", *[f"{count:>7,}  {title} ({action})" for _, title, action, count in chosen.counts]]
    if not chosen.stretches:
        out += ["", P.NOTHING if report.state != "failed" else P.NOTHING_KNOWN]
    shown = 0
    for stretch in chosen.stretches:
        if shown >= MAIL_LINES:
            break
        out += ["", "", stretch.heading, "=" * min(len(stretch.heading), 70)]
        for stop in stretch.stops:
            lines = stop.lines[: max(0, MAIL_LINES - shown)]
            shown += len(lines)
            if lines and stop.heading:
                out += ["", f"{stop.heading} ({stop.shelf_id})" if stop.shelf_id else stop.heading]
            for line in lines:
                out += ["", f"[ ] {line.number}. {line.kind}: {line.action} ({line.sure})"]
                out.append(f"    {line.title}")
                out += [f"    {t}" for t in (f"{line.call_number}   {line.barcode}".strip(), line.block) if t]
                out += [f"    {P.COLUMNS[3]} {line.stands}"] if line.stands else []
                out += [f"    {P.COLUMNS[4]} {line.belongs}"] if line.belongs else []
    more = sum(s.count for s in chosen.stretches) - shown
    if more:
        out += ["", P.more(more)]
    if report.link:
        out += ["", report.link]
    text = "\n".join([*out, "", "-- ", T.signature(report.info.site), ""])
    return text.encode("utf-8", "replace").decode().replace("\r", " ")
