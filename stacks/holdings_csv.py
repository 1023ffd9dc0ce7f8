"""
Text of ``holdings.csv`` into columns, fast where all is well, and row by row where the culprit must be named.

The fast way checks whole blocks of rows at once and gives up at the first doubt; the slow way then reads the
same text again and says which row it is. So both accept the same files, and only the slow one has messages.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter

from stacks.errors import HoldingsError
from stacks.holding import COLUMNS, SCHEMES, STATUSES, Holding

Columns = dict[str, list[str]]
_BLOCK = 20_000
MAX_FIELD = 1 << 16
"""Characters of one field; a longer one is no usable file."""
_HEX_DIGITS = "0123456789abcdefABCDEF"
_HEX = frozenset(_HEX_DIGITS)
_NOTHING: Mapping[str, str] = {}
_FEW_WORDS = ("scheme", "status", "home_location")
"""Columns whose values repeat: each is kept once in memory."""


def columns_of(lines: Iterable[str]) -> Columns | None:
    """
    Return the columns of a file, or None where anything about it is wrong.

    Parameters
    ----------
    lines : iterable of str
        The lines with their ends, as a file opened with ``newline=""`` gives them.

    Raises
    ------
    UnicodeDecodeError
        Where reading a line does.
    """
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        return _columns_of(csv.reader(lines, strict=True))
    except (csv.Error, HoldingsError):
        return None
    finally:
        csv.field_size_limit(limit)


def rows_of(text: str, source: str) -> list[Holding]:
    """
    Return the copies of a file's text, one after the other.

    Raises
    ------
    HoldingsError
        Naming `source`, the row (from 1 below the header) and the line.
    """
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = 0
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        header = [name.strip() for name in next(lines, [])]
        take = _taker(header, source)
        others = [(i, name) for i, name in enumerate(header) if name not in COLUMNS and name]
        rows: list[Holding] = []
        for fields in lines:
            if not any(fields):
                continue
            row += 1
            where = f"{source}: row {row} (line {lines.line_num})"
            if len(fields) != len(header):
                raise HoldingsError(f"{where}: has {len(fields)} fields where the header has {len(header)}")
            rows.append(_holding(fields, take, others, where))
    except csv.Error as e:
        raise HoldingsError(
            f"{source}: row {row + 1} (line {lines.line_num}): is no usable CSV ({e})"
        ) from None
    finally:
        csv.field_size_limit(limit)
    return rows


def check_columns(columns: Mapping[str, Sequence[str]], source: str) -> None:
    """Check whole columns as a file's are checked; raises HoldingsError naming the row."""
    _taker(list(columns), source)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise HoldingsError(f"{source}: its columns differ in length: {sorted(lengths)}")
    required = [columns[name] for name in COLUMNS]
    if not _fine(*(columns[name] for name in ("barcode", "epc", "scheme", "status"))):
        for i, fields in enumerate(zip(*required, strict=True), 1):
            _holding(fields, lambda row: tuple(row), (), f"{source}: row {i}")


def _columns_of(rows: Iterator[list[str]]) -> Columns | None:
    header = [name.strip() for name in next(rows, [])]
    _taker(header, "")
    width = len(header)
    made: Columns = {name: [] for name in COLUMNS} | {name: [] for name in header if name}
    once: dict[str, dict[str, str]] = {name: {} for name in _FEW_WORDS}
    while block := list(islice(rows, _BLOCK)):
        if any(len(fields) != width for fields in block) or not all(block):
            block = [fields for fields in block if any(fields)]
            if any(len(fields) != width for fields in block):
                return None
        taken = {
            name: list(values if name not in COLUMNS else map(str.strip, values))
            for name, values in zip(header, zip(*block, strict=True), strict=False)
            if name
        }
        if taken and "" in taken["barcode"]:
            # A row of separators alone is no row.
            kept = [i for i, fields in enumerate(block) if any(fields)]
            taken = {name: [values[i] for i in kept] for name, values in taken.items()}
        if not taken:
            continue
        if not _fine(taken["barcode"], taken["epc"], taken["scheme"], taken["status"]):
            return None
        taken["epc"] = list(map(str.upper, taken["epc"]))
        for name, known in once.items():
            taken[name] = [known.setdefault(value, value) for value in taken[name]]
        for name, values in taken.items():
            made[name].extend(values)
    return made


def _fine(
    barcodes: Sequence[str], epcs: Sequence[str], schemes: Sequence[str], statuses: Sequence[str]
) -> bool:
    return (
        all(barcodes)
        and not "".join(epcs).strip(_HEX_DIGITS)
        and not any(length % 2 for length in set(map(len, epcs)))
        and set(schemes) <= set(SCHEMES)
        and set(statuses) <= set(STATUSES)
    )


def _taker(header: Sequence[str], source: str) -> Callable[[Sequence[str]], tuple[str, ...]]:
    if not any(header):
        raise HoldingsError(f"{source}: is empty; its first line must name the columns {','.join(COLUMNS)}")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        found = " ".join(", ".join(header).split())[:200]
        raise HoldingsError(f"{source}: column {', '.join(missing)} is missing; it has {found}")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise HoldingsError(f"{source}: column {twice[:40]!r} is there twice")
    return itemgetter(*(header.index(name) for name in COLUMNS))


def _holding(
    fields: Sequence[str],
    take: Callable[[Sequence[str]], tuple[str, ...]],
    others: Sequence[tuple[int, str]],
    where: str,
) -> Holding:
    barcode, epc, call_number, scheme, title, home_location, status = map(str.strip, take(fields))
    if not barcode:
        raise HoldingsError(f"{where}: barcode is empty; each copy needs one")
    if len(epc) % 2 or not _HEX.issuperset(epc):
        raise HoldingsError(
            f"{where}: epc {epc[:40]!r} is no hexadecimal of whole bytes; leave it empty for no tag"
        )
    if scheme not in SCHEMES:
        raise HoldingsError(f"{where}: scheme {scheme[:40]!r} is none of {', '.join(SCHEMES)}")
    if status not in STATUSES:
        raise HoldingsError(f"{where}: status {status[:40]!r} is none of {', '.join(STATUSES)}")
    extra = {name: fields[i] for i, name in others} if others else _NOTHING
    return Holding(barcode, epc.upper(), call_number, scheme, title, home_location, status, extra)
