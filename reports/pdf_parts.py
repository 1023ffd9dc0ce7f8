"""Small drawings of the PDF: check box, coloured label, and the shelf to scale."""

from __future__ import annotations

import math

from reportlab.lib.colors import HexColor, white
from reportlab.lib.units import mm
from reportlab.platypus import Flowable

from reports import fonts
from reports.languages import Language
from reports.layout_parts import COLOURS
from reports.strips import Strip, gap_labels
from reports.text import centimetres
from reports.trend import pieces

_DARK, _BOARD, _BOOK, _QUIET = (
    HexColor("#1d2733"),
    HexColor("#8b96a2"),
    HexColor("#c3ccd5"),
    HexColor("#5b6673"),
)


class CheckBox(Flowable):
    """An empty box to tick."""

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002 (reportlab's names)
        """Return the size."""
        return 3.4 * mm, 3.6 * mm

    def draw(self) -> None:
        """Draw the box."""
        self.canv.setStrokeColor(_QUIET)
        self.canv.setLineWidth(0.8)
        self.canv.roundRect(0, 0.3 * mm, 3.1 * mm, 3.1 * mm, 0.5 * mm, stroke=1, fill=0)


class Pill(Flowable):
    """A label in the colour of its kind; a dot where it has no text."""

    def __init__(self, text: str, colour: str) -> None:
        super().__init__()
        self.text, self.colour, self.size = text, HexColor(colour), 7.0

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002 (reportlab's names)
        """Return the size, with smaller type where the label is too wide."""
        if not self.text:
            return 2.6 * mm, 2.6 * mm
        while self.size > 4.5 and fonts.width(self.text, self.size, bold=True) > aW - 3 * mm:
            self.size -= 0.25
        return min(aW, fonts.width(self.text, self.size, bold=True) + 3 * mm), 4 * mm

    def draw(self) -> None:
        """Draw the label."""
        self.canv.setFillColor(self.colour)
        if not self.text:
            self.canv.circle(1.3 * mm, 1.3 * mm, 1.2 * mm, stroke=0, fill=1)
            return
        across = fonts.width(self.text, self.size, bold=True) + 3 * mm
        self.canv.roundRect(0, 0.3 * mm, across, 3.5 * mm, 1 * mm, stroke=0, fill=1)
        self.canv.setFillColor(white)
        fonts.draw(self.canv, 1.5 * mm, 1.25 * mm, self.text, self.size, bold=True)


class Spark(Flowable):
    """One figure over the last nights, with gaps where it is not known; the newest has a dot."""

    _TALL = 5 * mm

    def __init__(self, heights: tuple[float, ...], colour: str) -> None:
        super().__init__()
        self.heights, self.colour, self.across = heights, HexColor(colour), 0.0

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002 (reportlab's names)
        """Return the size."""
        self.across = min(aW, 34 * mm)
        return self.across, self._TALL

    def draw(self) -> None:
        """Draw the line and its dot."""
        c, room = self.canv, 0.9 * mm
        step = (self.across - 2 * room) / max(len(self.heights) - 1, 1)
        tall = self._TALL - 2 * room
        c.setStrokeColor(self.colour)
        c.setFillColor(self.colour)
        c.setLineWidth(1.1)
        c.setLineJoin(1)
        path = c.beginPath()
        for piece in pieces(self.heights):
            points = [(room + step * i, room + tall * h) for i, h in piece]
            if len(points) == 1:  # a night between two of which nothing is known
                ((x, y),) = points
                points = [(x - 0.3 * mm, y), (x + 0.3 * mm, y)]
            path.moveTo(*points[0])
            for x, y in points[1:]:
                path.lineTo(x, y)
        c.drawPath(path, stroke=1, fill=0)
        if not math.isnan(self.heights[-1]):
            c.circle(
                room + step * (len(self.heights) - 1),
                room + tall * self.heights[-1],
                0.8 * mm,
                stroke=0,
                fill=1,
            )


class ShelfStrip(Flowable):
    """A shelf from its left to its right end, every book heard a bar, findings in colour with their numbers.

    A book that moves on this shelf has an arrow to its gap; the two books it belongs between are dark, and their
    call numbers stand below.
    """

    _TALL, _LABEL, _ARC, _NAMES = 4.6 * mm, 2.9 * mm, 2.6 * mm, 2.7 * mm
    _TYPE = 6.2

    def __init__(self, strip: Strip, across: float, lang: Language) -> None:
        super().__init__()
        self.strip, self.across, self.lang = strip, across, lang
        self.scale = (across - 14 * mm) / strip.length_m
        self.arcs = any(m.to_m is not None and m.at_m is not None for m in strip.marks)
        self.labels = gap_labels(strip, lambda name: (fonts.width(name, self._TYPE) + 3) / self.scale)
        self.foot = self._LABEL + self._NAMES * max((g.line for g in self.labels), default=0)

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002 (reportlab's names)
        """Return the size: room for arrows and names only where a book moves on this shelf."""
        return self.across, self._TALL + self.foot + (self._ARC if self.arcs else 0.0) + 0.5 * mm

    def draw(self) -> None:
        """Draw board, books, marks, arrows and the scale."""
        c, base, scale = self.canv, self.foot, self.scale
        c.setFillColor(_BOOK)
        for book in self.strip.books_m:
            c.rect(self._x(book) - 0.45, base, 0.9, self._TALL * 0.82, stroke=0, fill=1)
        c.setFillColor(_DARK)
        for book in {m for mark in self.strip.marks for m in (mark.left_m, mark.right_m) if m is not None}:
            c.rect(self._x(book) - 0.8, base, 1.6, self._TALL * 0.82, stroke=0, fill=1)
        c.setFillColor(_BOARD)
        c.rect(0, base - 0.9, self.strip.length_m * scale, 0.9, stroke=0, fill=1)
        c.setFillColor(_QUIET)
        length = self.lang(centimetres(self.strip.length_m))
        fonts.draw(c, self.strip.length_m * scale + 1.5 * mm, base - 0.6, length, 6)
        self._marks(base)
        self._names(base)

    def _marks(self, base: float) -> None:
        c, last = self.canv, -1e9
        for mark in sorted(self.strip.marks, key=lambda m: -1.0 if m.at_m is None else m.at_m):
            if mark.at_m is None:
                continue
            x = self._x(mark.at_m)
            c.setFillColor(HexColor(COLOURS[mark.tone]))
            c.setStrokeColor(HexColor(COLOURS[mark.tone]))
            if mark.tone == "missing":
                c.setLineWidth(0.6)
                c.setDash(1, 1)
                c.rect(x - 0.9, base, 1.8, self._TALL * 0.92, stroke=1, fill=0)
                c.setDash()
            else:
                c.rect(x - 0.9, base, 1.8, self._TALL, stroke=0, fill=1)
            label = str(mark.number)
            if x - last > c.stringWidth(label, fonts.BOLD, 6) + 2:
                c.setFont(fonts.BOLD, 6)
                c.drawCentredString(x, base - 6.6, label)
                last = x
            if mark.to_m is not None:
                self._arrow(x, self._x(mark.to_m), base + self._TALL)

    def _names(self, base: float) -> None:
        c = self.canv
        for gap in self.labels:
            x, y = self._x(gap.to_m), base - 6.6 - self._NAMES * gap.line
            c.setStrokeColor(HexColor(COLOURS[gap.tone]))
            c.setLineWidth(0.5)
            c.line(x, y - 0.5, x, base - 1)
            c.setFillColor(_DARK)
            fonts.draw(c, x - 2.5 - fonts.width(gap.left, self._TYPE), y, gap.left, self._TYPE)
            fonts.draw(c, x + 2.5, y, gap.right, self._TYPE)

    def _x(self, at_m: float) -> float:
        return min(max(at_m, 0.0), self.strip.length_m) * self.scale

    def _arrow(self, x: float, to: float, y: float) -> None:
        c, top = self.canv, y + self._ARC * 0.95
        path = c.beginPath()
        path.moveTo(x, y + 0.6)
        path.curveTo(x, top, to, top, to, y + 1.2)
        c.setLineWidth(0.8)
        c.drawPath(path, stroke=1, fill=0)
        head = c.beginPath()
        head.moveTo(to - 1.6, y + 2.2)
        head.lineTo(to, y - 0.4)
        head.lineTo(to + 1.6, y + 2.2)
        head.close()
        c.drawPath(head, stroke=0, fill=1)


class TargetStrip(Flowable):
    """The shelf a book belongs on, as wide as its column, to scale: the gap, the two books beside it, and itself."""

    _TALL, _ROOM = 2.5 * mm, 2 * mm

    def __init__(self, strip: Strip) -> None:
        super().__init__()
        self.strip, self.across = strip, 0.0

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002 (reportlab's names)
        """Return the size."""
        self.across = aW
        return aW, self._TALL + self._ROOM + 0.4 * mm

    def draw(self) -> None:
        """Draw the board, its books and the gap."""
        c, base, mark = self.canv, 0.4 * mm, self.strip.marks[0]
        c.setFillColor(_BOOK)
        for book in self.strip.books_m:
            c.rect(self._x(book) - 0.35, base, 0.7, self._TALL * 0.85, stroke=0, fill=1)
        c.setFillColor(_DARK)
        for book in (mark.left_m, mark.right_m):
            if book is not None:
                c.rect(self._x(book) - 0.6, base, 1.2, self._TALL * 0.85, stroke=0, fill=1)
        c.setFillColor(_BOARD)
        c.rect(0, base - 0.8, self.across, 0.8, stroke=0, fill=1)
        c.setFillColor(HexColor(COLOURS[mark.tone]))
        c.setStrokeColor(HexColor(COLOURS[mark.tone]))
        x, y = self._x(mark.to_m or 0.0), base + self._TALL
        if mark.at_m is not None:
            at = self._x(mark.at_m)
            c.rect(at - 0.75, base, 1.5, self._TALL, stroke=0, fill=1)
            c.setLineWidth(0.7)
            c.lines([(at, y, at, y + 4), (at, y + 4, x, y + 4), (x, y + 4, x, y + 3)])
        head = c.beginPath()
        head.moveTo(x - 1.8, y + 3.2)
        head.lineTo(x, y + 0.1)
        head.lineTo(x + 1.8, y + 3.2)
        head.close()
        c.drawPath(head, stroke=0, fill=1)

    def _x(self, at_m: float) -> float:
        length = self.strip.length_m
        return min(max(at_m, 0.0), length) / length * self.across
