"""Tables from files: a header and blocks of rows, whether from CSV, TSV, XLSX, XLS or ODS."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from stacks.errors import HoldingsError
from stacks.imports.dialect import Dialect, sniff_dialect
from stacks.imports.encodings import sniff_encoding

_BLOCK = 20_000
_MAX_FIELD = 1 << 17
_SAMPLE_CHARS = 1 << 20
OTHER_SHEETS = "its other sheets were not read"
"""How a table's note about a workbook's other sheets begins."""
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(slots=True)
class Block:
    """
    Some rows of a table.

    Attributes
    ----------
    fields : list of list of str
        As many fields a row as the header has.
    number : list of int
        Each row's number, from 1 below the header; for people.
    line : list of int
        The line it ends in (of a workbook: its row there).
    odd : mapping of (int, int) to str
        What is odd about a cell of a workbook, by row of this block and column: ``number``, ``rounded``, ``date``,
        ``error``.
    broken : list of (int, int, int)
        Rows left out: number, line, how many fields they have; `Table.misfit` says why.
    share : float
        How much of the file has been read, 0 to 1.
    """

    fields: list[list[str]]
    number: list[int]
    line: list[int]
    odd: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    broken: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    share: float = 0.0


@dataclass(slots=True)
class Table:
    """
    A table that is read block by block.

    Attributes
    ----------
    source : str
        The file.
    kind : str
        ``csv`` or ``workbook``.
    header : list of str
        Stripped; may be empty texts.
    notes : list of str
        What was found out about the file, one sentence each.
    blocks : iterator of Block
        To be gone through once.
    """

    source: str
    kind: str
    header: list[str]
    notes: list[str]
    blocks: Iterator[Block]

    def place(self, number: int, line: int) -> str:
        """Return the name of a row for people: of a workbook, as its program counts them."""
        return f"row {line}" if self.kind == "workbook" else f"row {number} (line {line})"

    def misfit(self, fields: int) -> str:
        """Return why a row with so many fields is left out."""
        return f"has {fields} fields where the header has {len(self.header)}"


def open_table(
    path: str | Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    pad: bool = False,
) -> Table:
    """
    Open a table of any kind; the file's first bytes tell which.

    Parameters
    ----------
    path : path
        CSV, TSV, XLSX, XLS or ODS.
    encoding, delimiter, sheet : str, optional
        Instead of what the file looks like.
    pad
        Whether rows of text with fewer fields than the header are filled up, rather than left out.

    Raises
    ------
    HoldingsError
        It is no table; one line naming the file and what to do.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            head = opened.read(4)
        if head in WORKBOOKS:
            from stacks.imports.workbook import open_workbook

            return open_workbook(file, sheet)
        if sheet is not None:
            raise HoldingsError(f"{file}: is no workbook, so --sheet means nothing; leave it out")
        return _open_text(file, encoding, delimiter, pad)
    except FileNotFoundError:
        raise HoldingsError(f"{file}: is missing; name a file to import") from None
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be read ({e.strerror or e})") from None


def _open_text(file: Path, encoding: str | None, delimiter: str | None, pad: bool) -> Table:
    with file.open("rb") as opened:
        if opened.read(4) in (b"PAR1", b"SQLi", b"%PDF"):
            raise HoldingsError(
                f"{file}: is no table of text and no workbook; export it as CSV, XLSX or MARC"
            )
    found = sniff_encoding(file, encoding)
    size = file.stat().st_size
    try:
        with file.open(encoding=found.codec, newline="") as opened:
            sample = opened.read(_SAMPLE_CHARS)
    except UnicodeError as e:
        raise _undecodable(file, e) from None
    if not sample.strip():
        raise HoldingsError(f"{file}: is empty; it needs a header and a row for each copy")
    if "\0" in sample:
        raise HoldingsError(f"{file}: is no text (it has null bytes); export it as CSV, XLSX or MARC")
    if len(sample) == _SAMPLE_CHARS:
        sample = sample[: sample.rfind("\n") + 1]
    dialect = sniff_dialect(sample, delimiter)
    notes = [f"encoding: {found.why}"]
    if dialect.sure:
        notes.append(f"form: {dialect.why}")
    else:
        notes.append(
            "form: one column only, or a delimiter that is none of comma, semicolon, tab and bar (--delimiter)"
        )
    blocks = _text_blocks(file, found.codec, dialect, size, pad)
    first = next(blocks)
    header = first.fields.pop(0) if first.fields else []
    return Table(str(file), "csv", header, notes, blocks)


def _text_blocks(file: Path, codec: str, dialect: Dialect, size: int, pad: bool) -> Iterator[Block]:
    """Yield the header as a block of its own, then the rows."""
    row = 0
    limit = csv.field_size_limit(_MAX_FIELD)
    try:
        with file.open("rb") as raw, io.TextIOWrapper(raw, codec, newline="") as opened:
            for _ in range(dialect.skip):
                opened.readline()
            reader = csv.reader(
                opened,
                delimiter=dialect.delimiter,
                quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
            )
            header: list[str] = []
            for header in reader:
                if any(field.strip() for field in header):
                    break
            width = len(header)
            yield Block([[field.strip() for field in header]], [0], [reader.line_num + dialect.skip])
            while True:
                made = Block([], [], [])
                lines: list[int] = []
                took: list[list[str]] = []
                for fields in islice(reader, _BLOCK):
                    took.append(fields)
                    lines.append(reader.line_num)
                if not took:
                    return
                made.share = min(1.0, raw.tell() / size) if size else 1.0
                if all(len(fields) == width for fields in took):
                    made.fields, made.line = took, lines
                    made.number = list(range(row + 1, row + 1 + len(took)))
                    row += len(took)
                else:
                    row = _fit(took, lines, width, row, made, pad)
                if dialect.skip:
                    made.line = [line + dialect.skip for line in made.line]
                yield made
    except UnicodeError as e:
        raise _undecodable(file, e) from None
    except csv.Error as e:
        raise HoldingsError(f"{file}: row {row + 1} and on: is no usable table ({e})") from None
    finally:
        csv.field_size_limit(limit)


def _fit(took: list[list[str]], lines: list[int], width: int, row: int, made: Block, pad: bool) -> int:
    """Sort rows of another width out: blank lines go, empty fields at the end too, others are broken."""
    for fields, line in zip(took, lines, strict=True):
        if not any(fields):
            continue
        row += 1
        if len(fields) > width and not any(fields[width:]):
            fields = fields[:width]
        if pad:
            fields = fields + [""] * (width - len(fields))
        if len(fields) != width:
            made.broken.append((row, line, len(fields)))
            continue
        made.fields.append(fields)
        made.number.append(row)
        made.line.append(line)
    return row


def _undecodable(file: Path, error: UnicodeError) -> HoldingsError:
    said = f"byte {error.start} " if isinstance(error, UnicodeDecodeError) else ""
    codec = error.encoding if isinstance(error, UnicodeDecodeError) else "so"
    return HoldingsError(f"{file}: {said}cannot be read as {codec}; name another with --encoding")
