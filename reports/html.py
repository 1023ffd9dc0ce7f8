"""``report.html`` for a browser or a phone among the shelves, and the mail's HTML body."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.figures import Trend
from reports.headings import PERHAPS_MISSING, P
from reports.languages import Language
from reports.layout import lay_out
from reports.layout_parts import COLOURS, Layout
from reports.phrases import Said
from reports.report import RunReport
from reports.strips import Strip, gap_labels
from reports.text import T, centimetres
from reports.trend import blocks, pieces

MAIL_LINES = 60
"""Findings the mail itself lists; the rest is in the attachments."""


def page_html(report: RunReport, layout: Layout) -> str:
    """Return the self-contained page: no script, no address it loads from."""

    def strip(of: Strip) -> Markup:
        return strip_svg(of, layout.lang)

    return _rendered("report.html", **_common(report, layout), strip_svg=strip, spark_svg=spark_svg)


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
        more=chosen.lang(P.more(more)) if more else "",
        unwalked=[chosen.lang(text) for text in unwalked(chosen)],
        left_behind=left_behind,
        zones_shown=chosen.zones[:12],
        zones_more=chosen.lang(P.more(len(chosen.zones) - 12)) if len(chosen.zones) > 12 else "",
        dropped_shown=chosen.dropped[:12],
        dropped_more=chosen.lang(P.more(len(chosen.dropped) - 12)) if len(chosen.dropped) > 12 else "",
    )


def unwalked(layout: Layout) -> list[Said]:
    """Say what the mail leaves to the attached report, because nobody is sent for it."""
    some = ((P.DOUBTS, layout.doubts), (PERHAPS_MISSING[0], layout.perhaps))
    return [P.more_of(what, len(lines)) for what, lines in some if lines]


def linked(words: str, address: str) -> Markup:
    """Return a text with an address in it to be followed."""
    if not address:
        return escape(words)
    link = Markup('<a href="{0}" style="color:#1d5f8a">{0}</a>').format(address)
    return link.join(escape(part) for part in words.split(address))


def _rendered(template: str, **values: Any) -> str:
    # A catalogue may hold half a surrogate pair, which no encoding of the page can carry.
    return _environment().get_template(template).render(**values).encode("utf-8", "replace").decode()


def strip_svg(strip: Strip, lang: Language) -> Markup:
    """Draw a shelf to scale: 1 m is 1000 units. A moved book has an arrow to its gap, and the gap its neighbours."""
    length = strip.length_m * 1000
    arcs = any(m.to_m is not None and m.at_m is not None for m in strip.marks)
    top = 46 if arcs else 4
    parts = [f'<rect class="board" x="0" y="{top + 86}" width="{length:.0f}" height="7"/>']
    dark = {m for mark in strip.marks for m in (mark.left_m, mark.right_m) if m is not None}
    for books, name in ((strip.books_m, "book"), (sorted(dark), "beside")):
        parts += [
            f'<rect class="{name}" x="{_at(book, strip) - 4:.0f}" y="{top + 14}" width="8" height="72"/>'
            for book in books
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
    labels = gap_labels(strip, lambda name: (_type_width(name) + 8) / 1000)
    for gap in labels:
        to, y = _at(gap.to_m, strip), top + 118 + 28 * gap.line
        parts.append(
            f'<line class="{gap.tone}" x1="{to:.0f}" y1="{top + 93}" x2="{to:.0f}" y2="{y}"/>'
            f'<text class="name" text-anchor="end" x="{to - 8:.0f}" y="{y}">{escape(gap.left)}</text>'
            f'<text class="name" text-anchor="start" x="{to + 8:.0f}" y="{y}">{escape(gap.right)}</text>'
        )
    tall = top + 124 + 28 * max((g.line for g in labels), default=0)
    label = lang(T.strip_label(centimetres(strip.length_m), len(strip.marks)))
    # Numbers, our own words and escaped call numbers only; the label is escaped, too.
    return Markup(  # noqa: S704 (see above)
        f'<svg viewBox="-8 0 {length + 16:.0f} {tall}" preserveAspectRatio="xMinYMid meet" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def spark_svg(trend: Trend) -> Markup:
    """Draw one figure over the last nights, with gaps where it is not known; the newest has a dot."""
    count, last = len(trend.heights), trend.heights[-1]
    step = 160 / max(count - 1, 1)
    path, dot = "", ""
    for piece in pieces(trend.heights):
        points = [(4 + step * i, 36 - 32 * h) for i, h in piece]
        if len(points) == 1:  # a night between two of which nothing is known
            points = [(points[0][0] - 1.5, points[0][1]), (points[0][0] + 1.5, points[0][1])]
        path += "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    if not math.isnan(last):
        x, y = 4 + step * (count - 1), 36 - 32 * last
        dot = f'<circle class="{trend.tone}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    # Numbers only, and our own words, escaped.
    return Markup(  # noqa: S704 (see above)
        f'<svg class="spark" viewBox="0 0 170 40" role="img" aria-label="{escape(trend.words)}">'
        f'<path class="{trend.tone}" d="{path}"/>{dot}</svg>'
    )


def _type_width(text: str) -> float:
    """Return about how wide a call number is set at 22 units: wide characters count full."""
    return sum(22.0 if c > "\u2e7f" else 12.5 for c in text)


def _at(at_m: float, strip: Strip) -> float:
    return min(max(at_m, 0.0), strip.length_m) * 1000


def _common(report: RunReport, layout: Layout) -> dict[str, Any]:
    return {
        "report": report,
        "layout": layout,
        "lang": layout.lang,
        "colours": COLOURS,
        "P": P,
        "PERHAPS": PERHAPS_MISSING[0],
        "columns": [layout.lang(name) for name in P.COLUMNS],
        "moved": layout.lang(P.COLUMNS[4]),
        "blocks": blocks,
        "linked": linked,
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
