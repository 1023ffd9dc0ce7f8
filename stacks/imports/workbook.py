"""
Tables from XLSX, XLS and ODS, with what a spreadsheet did to their cells.

A spreadsheet turns what looks like a number into one: leading zeros go, the sixteenth digit and those behind
it become zeros; what looks like a date becomes a day. The cells' types still tell so, and the table says it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from stacks.errors import HoldingsError
from stacks.imports.extent import check_extent
from stacks.imports.header import HEADER_ROWS, Names
from stacks.imports.table import OTHER_SHEETS, Block, Table, headed, header_of

_BLOCK = 20_000
_EXACT = 10**15
"""Spreadsheets keep fifteen digits."""


def open_workbook(file: Path, sheet: str | None = None, names: Names | None = None) -> Table:
    """
    Open one sheet of a workbook: the one named, else the first that is not hidden and has rows.

    Its header is found as `stacks.imports.table.open_table` says.

    Raises
    ------
    HoldingsError
        It cannot be read, or has no such sheet.
    """
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    check_extent(file)
    try:
        book = CalamineWorkbook.from_path(str(file))
    except Exception as e:
        what = "is locked with a password" if "assword" in str(e) else f"is no readable workbook ({e})"
        raise HoldingsError(f"{file}: {what}; save it as XLSX without a password, or as CSV") from None
    seen = [
        about.name for about in book.sheets_metadata if about.visible == SheetVisibleEnum.Visible
    ] or book.sheet_names
    if sheet is not None and sheet not in book.sheet_names:
        raise HoldingsError(
            f"{file}: has no sheet {sheet[:40]!r}; it has {', '.join(book.sheet_names)[:200]}"
        )
    try:
        for name in (sheet,) if sheet is not None else seen:
            taken = book.get_sheet_by_name(name)
            if taken.height:
                break
        else:
            raise HoldingsError(f"{file}: has no sheet with rows; it needs a header and a row for each copy")
        start, rows, height = taken.start, taken.iter_rows(), taken.height
    except CalamineError as e:
        raise HoldingsError(f"{file}: cannot be read ({e}); save it anew, or as CSV") from None
    blocks = _blocks(file, rows, start[0] if start else 0, height, names)
    first = next(blocks)
    notes = [f"form: workbook, sheet {taken.name!r}"]
    others = [name for name in seen if name != taken.name]
    if others and sheet is None:
        notes.append(f"{OTHER_SHEETS}: {', '.join(others)[:200]} (--sheet)")
    return headed(file, "workbook", first.fields, first.line, notes, blocks)


def _blocks(
    file: Path, rows: Iterator[list[Any]], above: int, height: int, names: Names | None
) -> Iterator[Block]:
    """Yield what stands above the header and it as a block of its own, then the rows."""
    made = Block([], [], [])
    filled = _filled(file, rows, above)
    first = list(islice(filled, 1 if names is None else 2 * HEADER_ROWS))
    if not first:  # all its cells are blank
        yield made
        return
    at = header_of([texts for _, texts, _ in first], names) + 1
    width = len(first[at - 1][1])
    yield Block([texts for _, texts, _ in first[:at]], [0] * at, [line for line, _, _ in first[:at]])
    for row, (line, texts, odd) in enumerate(chain(first[at:], filled), 1):
        texts += [""] * (width - len(texts))
        for column, what in odd.items():
            made.odd[len(made.fields), column] = what
        made.fields.append(texts[:width])
        made.number.append(row)
        made.line.append(line)
        if len(made.fields) == _BLOCK:
            made.share = min(1.0, (line - above) / height)
            yield made
            made = Block([], [], [])
    if made.fields:
        made.share = 1.0
        yield made


def _filled(
    file: Path, rows: Iterator[list[Any]], above: int
) -> Iterator[tuple[int, list[str], dict[int, str]]]:
    """Yield the rows that are not blank: where each stands, its texts, and what is odd about them by column."""
    line = above
    try:
        for cells in rows:
            line += 1
            texts: list[str] = []
            odd: dict[int, str] = {}
            for column, cell in enumerate(cells):
                if type(cell) is str:
                    texts.append(cell)
                    continue
                text, what = _text(cell)
                texts.append(text)
                if what:
                    odd[column] = what
            if any(text.strip() for text in texts):
                yield line, texts, odd
    except Exception as e:  # the reader's own errors have no common class
        raise HoldingsError(f"{file}: row {line + 1} cannot be read ({e}); save it anew, or as CSV") from None


def _text(cell: Any) -> tuple[str, str]:
    """Return a cell that is no text as text, and what is odd about it."""
    if cell is None:
        return "", ""
    if isinstance(cell, bool):
        return ("TRUE" if cell else "FALSE"), ""
    if isinstance(cell, int | float):
        if isinstance(cell, float) and not cell.is_integer():
            return repr(cell), "number"
        return str(int(cell)), "rounded" if abs(cell) >= _EXACT else "number"
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time()
        return (cell.date() if midnight else cell).isoformat(), "date"
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat(), "date"
    return str(cell), "date" if isinstance(cell, dt.timedelta) else ""
