"""``exceptions.csv``: the findings as a table that any program and any spreadsheet can open.

UTF-8 without a byte order mark, comma separated, CR LF line ends and quotes as in RFC 4180, one header line.
A text cell that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``, their full-width
forms, TAB, CR or LF, whatever apostrophes precede it) gets one more apostrophe in front; `read_exceptions` takes
that one away again, so that what comes back is what went in. Numbers are written as numbers.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reports._files import write_atomically
from reports.findings import KINDS, Finding, finding_id

COLUMNS = (
    "kind",
    "epc",
    "barcode",
    "call_number",
    "title",
    "shelf_id",
    "offset_m",
    "belongs",
    "move_id",
    "confidence",
    "evidence",
)

# The last four are the full-width forms, which spreadsheets in East Asian languages read as the plain ones.
_FORMULA = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")


class ExceptionsError(ValueError):
    """An ``exceptions.csv`` that cannot be used: file, row, what is wrong, what to do."""


def safe_cell(text: str) -> str:
    """Return the text so that no spreadsheet reads it as a formula."""
    clean = text.replace("\x00", "")
    return "'" + clean if _FORMULA.match(clean) else clean


def plain_cell(cell: str) -> str:
    """Return what `safe_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def exceptions_csv(findings: Iterable[Finding]) -> bytes:
    """Return the file's bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for f in findings:
        offset = "" if f.offset_m is None or not math.isfinite(f.offset_m) else f"{f.offset_m:.3f}"
        texts = [safe_cell(t) for t in (f.kind, f.epc, f.barcode, f.call_number, f.title, f.shelf_id)]
        after = [safe_cell(f.belongs), safe_cell(f.move_id), f"{f.confidence:.3f}", safe_cell(f.evidence)]
        writer.writerow([*texts, offset, *after])
    return text.getvalue().encode("utf-8", "replace")


def write_exceptions(path: str | Path, findings: Iterable[Finding]) -> Path:
    """Write ``exceptions.csv``; the file appears whole or not at all."""
    return write_atomically(Path(path), exceptions_csv(findings))


def read_exceptions(path: str | Path) -> list[Finding]:
    """Read ``exceptions.csv``; finding ids are made again from what each row is about.

    Raises
    ------
    ExceptionsError
        The file is missing, not UTF-8, has other columns, or a row has a wrong kind or number.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ExceptionsError(
            f"{path}: no such file; make it with: nightstack exceptions RECORDING"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ExceptionsError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ExceptionsError(f"{path}: not a CSV file ({error})") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise ExceptionsError(f"{path}: row 1: the columns must be {','.join(COLUMNS)}")
    return number_findings(_finding(path, i, row) for i, row in enumerate(rows[1:], start=2))


def number_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Give every finding its stable id.

    It is made of the kind and of what the finding is about: the book (its barcode, else its EPC; both for a
    duplicate tag) or, for a zone, its shelf. Several of one kind about the same are counted in their order.
    """
    seen: dict[tuple[str, str], int] = {}
    numbered: list[Finding] = []
    for f in findings:
        book = f.barcode or f.epc
        about = f"{f.barcode}\x1e{f.epc}" if f.kind == "duplicate_tag" else book or f"shelf:{f.shelf_id}"
        nth = seen[f.kind, about] = seen.get((f.kind, about), 0) + 1
        numbered.append(replace(f, finding_id=finding_id(f.kind, about, *([str(nth)] if nth > 1 else []))))
    return numbered


def _finding(path: Path, row: int, cells: list[str]) -> Finding:
    where = f"{path}: row {row}"
    if len(cells) != len(COLUMNS):
        raise ExceptionsError(f"{where}: {len(cells)} cells, not {len(COLUMNS)}")
    value = dict(zip(COLUMNS, (plain_cell(c) for c in cells), strict=True))
    if value["kind"] not in KINDS:
        raise ExceptionsError(f"{where}: kind {value['kind']!r} is none of {', '.join(KINDS)}")
    offset = _number(where, "offset_m", value["offset_m"]) if value["offset_m"] else None
    confidence = _number(where, "confidence", value["confidence"])
    if not 0.0 <= confidence <= 1.0:
        raise ExceptionsError(f"{where}: confidence {value['confidence']} is not within 0..1")
    return Finding(
        kind=value["kind"],
        finding_id="",
        epc=value["epc"],
        barcode=value["barcode"],
        call_number=value["call_number"],
        title=value["title"],
        shelf_id=value["shelf_id"],
        offset_m=offset,
        belongs=value["belongs"],
        move_id=value["move_id"],
        confidence=confidence,
        evidence=value["evidence"],
    )


def _number(where: str, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ExceptionsError(f"{where}: {column} {text!r} is no number")
    return number
