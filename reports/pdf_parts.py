"""Small drawings of the PDF: check box, coloured label, and the shelf to scale."""

from __future__ import annotations

from reportlab.lib.colors import HexColor, white
from reportlab.lib.units import mm
from reportlab.platypus import Flowable

from reports import fonts
from reports.layout import COLOURS, Strip
from reports.text import centimetres

_RULE, _BOARD, _BOOK, _QUIET = (
    HexColor("#d5dbe1"),
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
        return min(aW, fonts.width(self.text, self.size, bold=True) + 3 * mm), 4.4 * mm

    def draw(self) -> None:
        """Draw the label."""
        self.canv.setFillColor(self.colour)
        if not self.text:
            self.canv.circle(1.3 * mm, 1.3 * mm, 1.2 * mm, stroke=0, fill=1)
            return
        across = fonts.width(self.text, self.size, bold=True) + 3 * mm
        self.canv.roundRect(0, 0.4 * mm, across, 3.8 * mm, 1 * mm, stroke=0, fill=1)
        self.canv.setFillColor(white)
        x = 1.5 * mm
        for font, part in fonts.runs(self.text, bold=True):
            self.canv.setFont(font, self.size)
            self.canv.drawString(x, 1.45 * mm, part)
            x += self.canv.stringWidth(part, font, self.size)


class ShelfStrip(Flowable):
    """A shelf from its left to its right end, every book heard a bar, findings in colour with their numbers."""

    _TALL, _LABEL, _ARC = 6.5 * mm, 3.4 * mm, 4.2 * mm

    def __init__(self, strip: Strip, across: float) -> None:
        super().__init__()
        self.strip, self.across = strip, across
        self.arcs = any(m.to_m is not None and m.at_m is not None for m in strip.marks)

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002 (reportlab's names)
        """Return the size: room for arrows only where a book moves on this shelf."""
        return self.across, self._TALL + self._LABEL + (self._ARC if self.arcs else 0.0) + 1.5 * mm

    def draw(self) -> None:
        """Draw board, books, marks, arrows and the scale."""
        c, base = self.canv, self._LABEL
        scale = (self.across - 14 * mm) / self.strip.length_m
        c.setFillColor(_BOOK)
        for book in self.strip.books_m:
            c.rect(self._x(book, scale) - 0.45, base, 0.9, self._TALL * 0.82, stroke=0, fill=1)
        c.setFillColor(_BOARD)
        c.rect(0, base - 0.9, self.strip.length_m * scale, 0.9, stroke=0, fill=1)
        c.setFont(fonts.REGULAR, 6)
        c.setFillColor(_QUIET)
        c.drawString(self.strip.length_m * scale + 1.5 * mm, base - 0.6, centimetres(self.strip.length_m))
        last = -1e9
        for mark in sorted(self.strip.marks, key=lambda m: -1.0 if m.at_m is None else m.at_m):
            if mark.at_m is None:
                continue
            x = self._x(mark.at_m, scale)
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
                c.drawCentredString(x, base - 7.2, label)
                last = x
            if mark.to_m is not None:
                self._arrow(x, self._x(mark.to_m, scale), base + self._TALL)

    def _x(self, at_m: float, scale: float) -> float:
        return min(max(at_m, 0.0), self.strip.length_m) * scale

    def _arrow(self, x: float, to: float, y: float) -> None:
        c, top = self.canv, y + self._ARC * 0.9
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
