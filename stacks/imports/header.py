"""Which row of a table is its header: exports of library systems often have a title, filters or blank rows above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stacks.imports import values
from stacks.imports.mapping import Mapped
from stacks.imports.names import plain

HEADER_ROWS = 20
"""So many rows that are not blank are looked at."""
_SHOWN_ROWS, _SHOWN_TEXT = 3, 80
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\.?")
_LONG_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True, slots=True)
class Names:
    """
    The names of columns by which a header is known; `names_of` makes it.

    Attributes
    ----------
    known : mapping of str to tuple of (str, str)
        A name in `plain` form to our column, and to what is counted once (a column joined of two has two names).
    alone : tuple of str
        Columns of ours whose name makes a header by itself; else it takes two names.
    """

    known: Mapping[str, tuple[str, str]]
    alone: tuple[str, ...]

    def places(self, row: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Return the names that stand in a row, each once: our column, and where."""
        found: dict[str, tuple[str, int]] = {}
        for i, cell in enumerate(row):
            ours, once = self.known.get(plain(cell), ("", "")) if cell else ("", "")
            if ours:
                found.setdefault(once, (ours, i))
        return found

    def count(self, row: Iterable[str]) -> int:
        """Return how many names stand in a row; 0 where these do not make a header."""
        found = self.places(row)
        return len(found) if len(found) > 1 or any(ours in self.alone for ours, _ in found.values()) else 0


def names_of(
    known: Mapping[str, str], mapped: Mapped | None = None, alone: Sequence[str] = ("barcode",)
) -> Names:
    """
    Return the names that tell a header.

    Parameters
    ----------
    known : mapping of str to str
        Usual names in `plain` form to our columns.
    mapped : Mapped, optional
        The site's own; its columns, and those it keeps, count as well.
    alone : sequence of str
        Columns of ours whose name makes a header by itself.
    """
    made = {name: (ours, ours) for name, ours in known.items()}
    for ours, theirs in mapped.columns.items() if mapped else ():
        parts = [*theirs, *(theirs[0].split("+") if len(theirs) == 1 else ())]
        made |= {plain(part): (ours, f"{ours} {plain(part)}") for part in parts if plain(part)}
    for name in mapped.keep if mapped else ():
        made.setdefault(plain(name), (name, f"kept {name}"))
    return Names(made, tuple(alone))


def find_header(rows: Sequence[Sequence[str]], names: Names) -> int | None:
    """
    Return which row is the header: the one with the most names, of two the first; None where none is.

    A row of copies is never taken, not even where a title reads like a name: below the first row a header has no cell
    that is a number, a date or looks like a barcode, what stands below it in the column of barcodes are such, and no
    row of copies stands above it.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first rows of a table, from its top; what stands behind `HEADER_ROWS` serves to judge those.
    names : Names
        What is known.
    """
    best, place = 0, None
    for i, row in enumerate(rows[:HEADER_ROWS]):
        count = names.count(row)
        if count > best and (i == 0 or _may_be(rows, i, names)):
            best, place = count, i
    return place


def said_above(rows: Sequence[Sequence[str]]) -> str:
    """Return what stands in the rows above a header, in one line for people; empty where that is nothing."""
    texts = [" ".join(text for cell in row if (text := values.tidy(cell))) for row in rows]
    texts = [text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}..." for text in texts if text]
    more = len(texts) - _SHOWN_ROWS
    return " / ".join(texts[:_SHOWN_ROWS]) + (f" / and {more} more" if more > 0 else "")


def _may_be(rows: Sequence[Sequence[str]], place: int, names: Names) -> bool:
    row = rows[place]
    if any(map(_is_value, row)):
        return False
    at = next((i for ours, i in names.places(row).values() if ours == "barcode"), None)
    if at is None:
        return True
    below = [other[at] for other in rows[place + 1 :] if at < len(other) and other[at].strip()]
    if 2 * sum(any(map(str.isdigit, text)) for text in below) < len(below):
        return False
    filled = sum(map(bool, row))
    return not any(
        at < len(other) and _is_code(other[at].strip()) and 2 * sum(map(bool, other)) >= filled
        for other in rows[:place]
    )


def _is_value(cell: str) -> bool:
    """Whether a cell is what no column is called: a number (but for a year), a date, a barcode or an EPC."""
    text = cell.strip()
    return _DATE.fullmatch(text) is not None or _is_code(text)


def _is_code(text: str) -> bool:
    if not text or _YEAR.fullmatch(text) or " " in text:
        return False
    if _NUMBER.fullmatch(text):
        return _DATE.fullmatch(text) is None
    return any(not _YEAR.fullmatch(run) for run in _LONG_NUMBER.findall(text))
