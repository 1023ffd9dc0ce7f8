"""Type, colours and measures of the PDFs, and text set so that every character has a glyph."""

from __future__ import annotations

from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from reports import fonts

INK, QUIET, RULE, PALE = HexColor("#1d2733"), HexColor("#5b6673"), HexColor("#d5dbe1"), HexColor("#f1f4f6")
WARN, WARN_PALE = HexColor("#b45309"), HexColor("#fdf5ea")
ALERT, ALERT_PALE = HexColor("#a61e34"), HexColor("#fbeef0")
LEFT, TOP, BOTTOM = 13 * mm, 12 * mm, 14 * mm
WIDTH = A4[0] - 2 * LEFT
_CJK = (0x2E80, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF)

BODY = ParagraphStyle(
    "body", fontName=fonts.REGULAR, fontSize=8.3, leading=10.3, textColor=INK, splitLongWords=1
)
ALARM = ParagraphStyle("alarm", BODY, fontSize=9.5, leading=12.5)
SMALL = ParagraphStyle("small", BODY, fontSize=7, leading=8.7, textColor=QUIET)
TITLE = ParagraphStyle("title", BODY, fontName=fonts.BOLD, fontSize=19, leading=24)
LEAD = ParagraphStyle("lead", BODY, fontName=fonts.BOLD, fontSize=11, leading=15)
FACE = ParagraphStyle("face", BODY, fontName=fonts.BOLD, fontSize=12, leading=15)
SHELF = ParagraphStyle("shelf", BODY, fontName=fonts.BOLD, fontSize=9, leading=11.5)
FIGURE = ParagraphStyle("figure", BODY, fontName=fonts.BOLD, fontSize=15, leading=18)
HEAD = ParagraphStyle("head", SMALL, fontName=fonts.BOLD, fontSize=6.8)
RIGHT = ParagraphStyle("right", BODY, alignment=TA_RIGHT)
SMALL_RIGHT = ParagraphStyle("small-right", SMALL, alignment=TA_RIGHT)
HEAD_RIGHT = ParagraphStyle("head-right", HEAD, alignment=TA_RIGHT)


def text(words: str, style: ParagraphStyle, *, bold: bool = False, limit: int = 2000) -> Paragraph:
    """Set a text, cut where it is longer than the limit; wide characters count twice."""
    wide = [_is_wide(c) for c in words[:limit]]
    if len(words) + sum(wide) > limit:
        room, keep = limit - 1, 0
        for is_wide in wide:
            room -= 2 if is_wide else 1
            if room < 0:
                break
            keep += 1
        words = words[:keep].rstrip() + "…"
    return Paragraph(marked(words, bold=bold) or "&nbsp;", flowing(style, words))


def marked(words: str, *, bold: bool = False) -> str:
    """Return a text as markup; where Chinese, Japanese or Korean prevails all of it has their one weight."""
    return fonts.markup(words, bold=bold and not _mostly_wide(words))


def flowing(style: ParagraphStyle, words: str) -> ParagraphStyle:
    """Return the style in which a text's lines break: Chinese, Japanese and Korean between any two characters."""
    if not _mostly_wide(words):
        return style
    return ParagraphStyle(f"{style.name}-cjk", style, wordWrap="CJK")


def _mostly_wide(words: str) -> bool:
    return sum(map(_is_wide, words)) * 4 > len(words)


def _is_wide(character: str) -> bool:
    return character > "\u2e7f" and any(a <= ord(character) <= b for a, b in _CJK)


def encodable(words: str) -> str:
    """Return a text that can be put into the file's own description."""
    return words.encode("utf-8", "replace").decode()


class NumberedCanvas(Canvas):
    """A canvas that knows how many pages there are once it is saved.

    Parameters
    ----------
    footer
        What stands at the foot of every page, on the left.
    page_of
        Makes "page n of m".
    """

    def __init__(self, *args: Any, footer: str, page_of: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._footer, self._page_of = footer, page_of
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
        y = 7.5 * mm
        self.setStrokeColor(RULE)
        self.setLineWidth(0.4)
        self.line(LEFT, y + 3.6 * mm, A4[0] - LEFT, y + 3.6 * mm)
        self.setFillColor(QUIET)
        fonts.draw(self, LEFT, y, self._footer, 7)
        page = self._page_of(number, count)
        fonts.draw(self, A4[0] - LEFT - fonts.width(page, 7), y, page, 7)
