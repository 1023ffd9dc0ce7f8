"""How large the sheets of a workbook are, before its reader makes room for them.

A reader lays a sheet out as a full rectangle from its first cell to its last. One cell with a blank in the last corner
makes a file of five kilobytes seventeen thousand million cells, which no machine has room for.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from stacks.errors import HoldingsError

MOST_CELLS = 50_000_000
"""Of one sheet's rectangle: a million rows of fifty columns."""

MOST_UNZIPPED = 2 << 30
"""Bytes of all parts of a workbook."""

_PIECE = 1 << 20
_MOST_TAG = 1 << 16
# Cells of SpreadsheetML that are no empty tags (ECMA-376-1, 18.3.1.4), whatever the prefix: where they say they stand.
_CELL = re.compile(
    rb"""<(?:\w+:)?c\s(?:[^<>]*?\s)??r\s*=\s*["']([A-Za-z]{1,3})([0-9]{1,7})["'][^<>]*(?<!/)>"""
)
# Those that do not say so stand behind the one before, in a row that may say where it is.
_PLACELESS = re.compile(rb"<(?:\w+:)?c(?=[\s>])(?![^<>]*\sr\s*=)")
_ROW = re.compile(rb"""<(?:\w+:)?row\s(?:[^<>]*?\s)??r\s*=\s*["']([0-9]{1,7})""")
# Rows and cells of OpenDocument (OASIS, part 3, 9.1), and how often each is repeated; what has a value says its type.
_ODF = re.compile(rb"<(/?)table:(table-row|table-cell|covered-table-cell|table)([\s/>][^<>]*)")
_TIMES = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["'](\d{1,9})""")


def check_extent(file: Path) -> None:
    """
    Refuse a workbook whose sheets no machine has room for.

    Parameters
    ----------
    file : Path
        A zip (XLSX, ODS); anything else is let pass.

    Raises
    ------
    HoldingsError
        One line naming the file, and what to do.
    """
    try:
        with zipfile.ZipFile(file) as parts:
            if sum(part.file_size for part in parts.infolist()) > MOST_UNZIPPED:
                raise _too_large(file, f"unpacks to more than {MOST_UNZIPPED >> 30} GiB")
            for name in parts.namelist():
                measure = _odf_cells if name == "content.xml" else _xlsx_cells
                if (cells := measure(_pieces(parts, name))) > MOST_CELLS:
                    raise _too_large(file, f"has a sheet of {cells:,} cells, most of them blank")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return  # the reader says what is wrong with it


def _too_large(file: Path, what: str) -> HoldingsError:
    return HoldingsError(
        f"{file}: {what}; delete blank rows and columns after the last one, or save the sheet as CSV"
    )


def _pieces(parts: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a part piece by piece, no tag cut in two."""
    rest = b""
    with parts.open(name) as opened:
        while read := opened.read(_PIECE):
            piece = rest + read
            cut = piece.rfind(b"<")
            whole = cut < 0 or len(piece) - cut > _MOST_TAG
            rest = b"" if whole else piece[cut:]
            yield piece if whole else piece[:cut]
    yield rest


def _xlsx_cells(pieces: Iterator[bytes]) -> int:
    """Return the cells of the rectangle that a sheet's cells span, but for empty tags; 0 for what is no sheet."""
    rows: set[int] = set()
    width = 0
    for piece in pieces:
        found = _CELL.findall(piece)
        # Columns count from the first: where cells do not say where they stand, they begin there.
        width = max(width, *(_column(letters) for letters in {letters for letters, _ in found}), 0)
        numbers = {int(number) for _, number in found}
        if _PLACELESS.search(piece):
            numbers |= {int(number) for number in _ROW.findall(piece)}
            width = max(width, *(len(_PLACELESS.findall(row)) for row in piece.split(b"row")))
        if numbers:
            rows |= {min(numbers), max(numbers)}
    return (max(rows) - min(rows) + 1) * width if rows else 0


def _column(letters: bytes) -> int:
    made = 0
    for letter in letters.upper():
        made = 26 * made + letter - 64
    return made


def _odf_cells(pieces: Iterator[bytes]) -> int:
    """Return the cells of the largest table's rectangle, up to the last row and the last column with a value."""
    most = height = width = blank_rows = 0
    times = row_width = at = 0
    for piece in pieces:
        for closing, what, rest in _ODF.findall(piece):
            if what == b"table":
                height = width = blank_rows = 0
            elif what == b"table-row":
                if not closing:
                    times, row_width, at = _times(rest), 0, 0
                if closing or rest.rstrip().endswith(b"/"):
                    blank_rows += times
                    if row_width:
                        height, width, blank_rows = height + blank_rows, max(width, row_width), 0
                        most = max(most, height * width)
            elif not closing:
                at += _times(rest)
                if b"value" in rest or b":formula" in rest:
                    row_width = at
    return most


def _times(attributes: bytes) -> int:
    found = _TIMES.search(attributes)
    return int(found[1]) if found else 1
