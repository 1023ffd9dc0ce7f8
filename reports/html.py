"""``report.html`` for a browser or a phone among the shelves, and the mail's HTML body."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.headings import P
from reports.layout import COLOURS, Layout, Strip, lay_out
from reports.report import RunReport
from reports.text import T, centimetres

MAIL_LINES = 60
"""Findings the mail itself lists; the rest is in the attachments."""


def page_html(report: RunReport, layout: Layout) -> str:
    """Return the self-contained page: no script, no address it loads from."""
    return _rendered("report.html", **_common(report, layout), strip_svg=strip_svg)


def mail_html(report: RunReport, left_behind: str = "", layout: Layout | None = None) -> str:
    """Return the mail's body: tables and inline styles, as mail readers understand them.

    Parameters
    ----------
    report
        The run.
    left_behind
        A sentence on attachments that were too large; empty without.
    layout
        Of the report, where it has been made already.
    """
    chosen = layout or lay_out(report)
    shown = 0
    stretches: list[tuple[str, list[Any]]] = []
    for stretch in chosen.stretches:
        stops: list[Any] = []
        for stop in stretch.stops:
            lines = stop.lines[: max(0, MAIL_LINES - shown)]
            shown += len(lines)
            if lines:
                stops.append((stop, lines))
        if stops:
            stretches.append((stretch.heading, stops))
    more = sum(s.count for s in chosen.stretches) - shown
    return _rendered(
        "mail.html",
        **_common(report, chosen),
        shown=stretches,
        more=P.more(more) if more else "",
        left_behind=left_behind,
        zones_shown=chosen.zones[:12],
        zones_more=P.more(len(chosen.zones) - 12) if len(chosen.zones) > 12 else "",
    )


def _rendered(template: str, **values: Any) -> str:
    # A catalogue may hold half a surrogate pair, which no encoding of the page can carry.
    return _environment().get_template(template).render(**values).encode("utf-8", "replace").decode()


def strip_svg(strip: Strip) -> Markup:
    """Draw a shelf to scale: 1 m is 1000 units; numbers only, so nothing is to be escaped."""
    length = strip.length_m * 1000
    arcs = any(m.to_m is not None and m.at_m is not None for m in strip.marks)
    top = 46 if arcs else 4
    parts = [f'<rect class="board" x="0" y="{top + 86}" width="{length:.0f}" height="7"/>']
    parts += [
        f'<rect class="book" x="{_at(book, strip) - 4:.0f}" y="{top + 14}" width="8" height="72"/>'
        for book in strip.books_m
    ]
    last = -1e9
    for mark in sorted(strip.marks, key=lambda m: -1.0 if m.at_m is None else m.at_m):
        if mark.at_m is None:
            continue
        x = _at(mark.at_m, strip)
        parts.append(f'<rect class="{mark.tone}" x="{x - 6:.0f}" y="{top}" width="12" height="86"/>')
        if x - last > 14 * len(str(mark.number)) + 8:
            parts.append(f'<text class="{mark.tone}" x="{x:.0f}" y="{top + 118}">{mark.number}</text>')
            last = x
        if mark.to_m is not None:
            to = _at(mark.to_m, strip)
            parts.append(
                f'<path class="{mark.tone}" d="M{x:.0f} {top - 3}C{x:.0f} 2 {to:.0f} 2 {to:.0f} {top}"/>'
            )
            parts.append(
                f'<polygon class="{mark.tone}" '
                f'points="{to - 9:.0f},{top - 6} {to + 9:.0f},{top - 6} {to:.0f},{top + 12}"/>'
            )
    box = f"-8 0 {length + 16:.0f} {top + 124}"
    label = T.strip_label(centimetres(strip.length_m), len(strip.marks))
    # Numbers and our own words only; the label is escaped all the same.
    return Markup(  # noqa: S704 (see above)
        f'<svg viewBox="{box}" preserveAspectRatio="xMinYMid meet" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _at(at_m: float, strip: Strip) -> float:
    return min(max(at_m, 0.0), strip.length_m) * 1000


def _common(report: RunReport, layout: Layout) -> dict[str, Any]:
    return {
        "report": report,
        "layout": layout,
        "title": T.title(report.info.site),
        "run_line": P.run(layout.when, report.info.run_id, report.info.robot_id),
        "colours": COLOURS,
        "P": P,
        "nothing": P.NOTHING if report.state != "failed" else P.NOTHING_KNOWN,
        "signature": T.signature(report.info.site),
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
