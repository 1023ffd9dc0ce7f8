"""A font for every character: the PDF shows titles in any script, and never a black box.

Latin text is set in Helvetica, one of the fonts every PDF reader has. What it lacks comes from a TrueType font of
this machine, of which only the glyphs used are embedded; Chinese, Japanese and Korean fall back to Adobe's
unembedded standard fonts, and a character no font here has is shown as a question mark.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

from reports.right_to_left import visual

REGULAR, BOLD, MONO = "Helvetica", "Helvetica-Bold", "Courier"

# reportlab reads TrueType outlines only; Noto CJK has PostScript ones and cannot be used.
_CJK_FILES = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/droid/DroidSansFallback.ttf",
    "/usr/share/fonts/google-droid-sans-fonts/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "/Library/Fonts/Arial Unicode.ttf",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)
_WIDE_FILES = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/System/Library/Fonts/Supplemental/Arial.ttf",
    "C:/Windows/Fonts/arial.ttf",
    "Vera.ttf",  # comes with reportlab
)
# Adobe's Asian fonts, and the encodings that say which characters each is sure to have.
_STANDARD_CJK = (
    ("STSong-Light", "gbk"),
    ("HeiseiMin-W3", "shift_jis"),
    ("HYSMyeongJo-Medium", "euc_kr"),
    ("MSung-Light", "big5"),
)

_CJK = "NightstackCJK"
_SHARED = "“”‘’…—·"  # in every Latin font, and of another width in Chinese

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\ufffe\uffff]"
)


def find_cjk_font() -> Path | None:
    """Return the TrueType font Chinese, Japanese and Korean titles are embedded from; None where there is none."""
    return _first_usable(_CJK_FILES)


def cjk_note_needed(text: str) -> bool:
    """Say whether a text needs a font that can only be named and not embedded on this machine."""
    return any(font in {name for name, _ in _STANDARD_CJK} for font, _ in runs(text))


def runs(text: str, *, bold: bool = False) -> list[tuple[str, str]]:
    """Cut a text into (font, characters) so that every character has a glyph.

    Parameters
    ----------
    text
        Anything; it is composed (Unicode NFC), and control and invisible characters become spaces or vanish.
    bold
        Set Latin characters bold; the fallback fonts have one weight.
    """
    clean = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    clean = _UNPRINTABLE.sub(lambda m: " " if m.group() in "\t\n\r\x0b\x0c\x85\u2028\u2029" else "", clean)
    clean = visual(clean)
    cut: list[tuple[str, str]] = []
    latin = BOLD if bold else REGULAR
    for character in clean:
        font = _font_of(character) or latin
        if character in _SHARED and cut and cut[-1][0] == _CJK and _has_cjk(character):
            font = _CJK  # quotation marks and dashes of a Chinese sentence are as wide as its characters
        shown = character if font != "?" else "?"
        font = latin if font == "?" else font
        if cut and cut[-1][0] == font:
            cut[-1] = (font, cut[-1][1] + shown)
        else:
            cut.append((font, shown))
    return cut


def markup(text: str, *, bold: bool = False) -> str:
    """Return a text as reportlab paragraph markup, escaped, every character in a font that has it."""
    return "".join(f'<font name="{font}">{escape(part)}</font>' for font, part in runs(text, bold=bold))


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a text is set, in points."""
    return sum(pdfmetrics.stringWidth(part, font, size) for font, part in runs(text, bold=bold))


def draw(canvas: Canvas, x: float, y: float, text: str, size: float, *, bold: bool = False) -> None:
    """Draw a text from a point on, every character in a font that has it."""
    for font, part in runs(text, bold=bold):
        canvas.setFont(font, size)
        canvas.drawString(x, y, part)
        x += canvas.stringWidth(part, font, size)


@lru_cache(maxsize=65536)
def _font_of(character: str) -> str:
    """Return the font of a character: empty for the Latin one, "?" for none."""
    try:
        character.encode("cp1252")
        return ""
    except UnicodeEncodeError:
        pass
    for name, has in _fallbacks():
        if has(character):
            return name
    return "?"


@lru_cache(maxsize=64)
def _has_cjk(character: str) -> bool:
    return any(name == _CJK and has(character) for name, has in _fallbacks())


@cache
def _fallbacks() -> tuple[tuple[str, Callable[[str], bool]], ...]:
    fonts: list[tuple[str, Callable[[str], bool]]] = []
    for name, files in (("NightstackWide", _WIDE_FILES), (_CJK, _CJK_FILES)):
        path = _first_usable(files)
        if path is not None:
            font = _load(name, str(path))
            pdfmetrics.registerFont(font)
            glyphs = font.face.charToGlyph
            fonts.append((name, lambda c, glyphs=glyphs: glyphs.get(ord(c), 0) != 0))
    for name, encoding in _STANDARD_CJK:
        pdfmetrics.registerFont(UnicodeCIDFont(name))
        fonts.append((name, lambda c, encoding=encoding: ord(c) < 0x10000 and _encodes(c, encoding)))
    return tuple(fonts)


@cache
def _first_usable(files: tuple[str, ...]) -> Path | None:
    for file in files:
        path = Path(file)
        if path.is_absolute() and not path.is_file():
            continue
        try:
            _load("NightstackProbe", file)
        except (TTFError, OSError):
            continue
        return path
    return None


def _load(name: str, file: str) -> TTFont:
    return TTFont(name, file, subfontIndex=0)


def _encodes(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
