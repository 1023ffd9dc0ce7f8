"""How a delimited file is written: what stands between its fields, and whether quotes are quotes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from stacks.imports.header import Names, find_header

_DELIMITERS = ",;\t|"
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LINES = 200


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    How the fields of a file are told apart.

    Attributes
    ----------
    delimiter : str
        One character.
    quoted : bool
        False: quotation marks are characters like any other.
    skip : int
        Lines before the header, such as Excel's ``sep=;``.
    sure : bool
        False: nothing told one delimiter from another.
    """

    delimiter: str
    quoted: bool = True
    skip: int = 0
    sure: bool = True

    @property
    def why(self) -> str:
        """What it is, for people."""
        said = _NAMES.get(self.delimiter, repr(self.delimiter)) + " between fields"
        return said if self.quoted else said + ", quotation marks as they stand"


def sniff_dialect(sample: str, named: str | None = None, names: Names | None = None) -> Dialect:
    """
    Tell the dialect from the beginning of a file.

    The delimiter is the one by which the most names of columns are found, and the most lines from the header on have as
    many fields as it, more than one: a title above it says nothing. Excel's own
    line ``sep=;`` is believed. Where reading quotation marks as such breaks more lines than leaving them, they
    are left: systems that write tabs rarely quote.

    Parameters
    ----------
    sample : str
        Whole lines from the beginning.
    named : str, optional
        The delimiter as somebody named it.
    names : Names, optional
        The names that tell the header; without them it is the first row.
    """
    skip = 0
    first = sample.split("\n", 1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5:
        skip, named = 1, named or first[4]
        sample = sample.split("\n", 1)[1] if "\n" in sample else ""
    best: tuple[tuple[int, float, int, int], Dialect] | None = None
    for delimiter in (named,) if named else _DELIMITERS:
        for quoted in (True, False):
            known, fitting, width = _fit(sample, delimiter, quoted, names)
            if width < 2 and not named:
                continue
            found = Dialect(delimiter, quoted, skip)
            score = (known, round(fitting, 3), width, int(quoted))
            if best is None or score > best[0]:
                best = (score, found)
    if best is None:
        return Dialect(named or ",", True, skip, sure=named is not None)
    return best[1]


def _fit(sample: str, delimiter: str, quoted: bool, names: Names | None) -> tuple[int, float, int]:
    """Return how many names the header has, the share of rows that are as wide as it, and its width."""
    reader = csv.reader(
        io.StringIO(sample, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=quoted,
    )
    rows: list[Sequence[str]] = []
    fault = 0
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) >= _LINES:
                break
    except csv.Error:
        fault = _LINES // 4
    if not rows:
        return 0, 0.0, 0
    known = 0
    if names is not None:
        filled = [row for row in rows if any(field.strip() for field in row)]
        place = find_header(filled, names)
        if place is not None:
            known = names.count(filled[place])
            rows = rows[next(i for i, row in enumerate(rows) if row is filled[place]) :]
    width = len(rows[0])
    if (
        not quoted
        and '"' in sample
        and any(field.startswith('"') and field.endswith('"') for field in rows[0])
    ):
        fault = _LINES  # a quoted header: quotes are quotes
    fits = sum(len(row) == width or (len(row) > width and not any(row[width:])) for row in rows)
    return known, fits / (len(rows) + fault), width
