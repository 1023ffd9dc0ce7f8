"""Tables from files: a header and blocks of rows, whether from CSV, TSV, XLSX, XLS or ODS."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from stacks.errors import HoldingsError
from stacks.imports.dialect import Dialect, sniff_dialect
from stacks.imports.encodings import sniff_encoding
from stacks.imports.faults import Place
from stacks.imports.header import HEADER_ROWS, Names, find_header, said_above

_BLOCK = 20_000
_MAX_FIELD = 1 << 17
_SAMPLE_CHARS = 1 << 20
_LOOKED_AT = 2 * HEADER_ROWS
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
    header_line : int
        The line of the header (of a workbook: its row there) where rows stand above it, else 0.
    above : str
        What stands in these, for people; empty where they are blank.
    """

    source: str
    kind: str
    header: list[str]
    notes: list[str]
    blocks: Iterator[Block]
    header_line: int = 0
    above: str = ""

    def place(self, number: int, line: int) -> str:
        """Return the name of a row for people: of a workbook, as its program counts them."""
        return f"row {line}" if self.kind == "workbook" else f"row {number} (line {line})"

    def at(self, number: int, line: int) -> Place:
        """Return the place of a row, for people and for programs."""
        return Place(self.place(number, line), *((line, 0) if self.kind == "workbook" else (number, line)))

    @property
    def header_note(self) -> str:
        """Which row was taken for the header and what stands above it, for people; empty where nothing does."""
        if not self.header_line:
            return ""
        what = "row" if self.kind == "workbook" else "line"
        above = f"above it stands {self.above!r}" if self.above else "what stands above it is blank"
        return f"header: {what} {self.header_line}; {above}"

    def misfit(self, fields: int) -> str:
        """Return why a row with so many fields is left out."""
        return f"has {fields} field{'' if fields == 1 else 's'} where the header has {len(self.header)}"


def open_table(
    path: str | Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    pad: bool = False,
    names: Names | None = None,
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
    names : Names, optional
        The names by which the header is found below titles (`stacks.imports.header.find_header`); without them, and
        where it is not found, it is the first row that is not blank.

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

            return open_workbook(file, sheet, names)
        if sheet is not None:
            raise HoldingsError(f"{file}: is no workbook, so --sheet means nothing; leave it out")
        return _open_text(file, encoding, delimiter, pad, names)
    except FileNotFoundError:
        raise HoldingsError(f"{file}: is missing; name a file to import") from None
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be read ({e.strerror or e})") from None


def headed(
    file: Path,
    kind: str,
    rows: Sequence[Sequence[str]],
    lines: Sequence[int],
    notes: list[str],
    blocks: Iterator[Block],
    *,
    top: int = 0,
) -> Table:
    """
    Return a table, its header the last of some rows.

    Parameters
    ----------
    file, kind, notes, blocks
        As of `Table`.
    rows : sequence of sequence of str
        What stands above the header, and it.
    lines : sequence of int
        The line in which each ends.
    top : int
        Lines before the first that may be a row.
    """
    header = [field.strip() for field in rows[-1]] if rows else []
    made = Table(str(file), kind, header, notes, blocks)
    blank = lines[-1] - top - 1 if rows else 0
    if kind != "workbook" and rows:  # of text it is the line in which the header ends
        blank -= sum(field.count("\n") for field in rows[-1])
    if len(rows) > 1 or blank > 0:
        made.header_line, made.above = lines[-1], said_above(rows[:-1])
        notes.append(made.header_note)
    return made


def header_of(rows: Sequence[Sequence[str]], names: Names | None) -> int:
    """Return which of the first rows is the header: by its names, else the first that is not blank."""
    found = find_header(rows, names) if names is not None else None
    if found is not None:
        return found
    return next((i for i, row in enumerate(rows) if any(field.strip() for field in row)), 0)


def _open_text(
    file: Path, encoding: str | None, delimiter: str | None, pad: bool, names: Names | None
) -> Table:
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
    dialect = sniff_dialect(sample, delimiter, names)
    notes = [f"encoding: {found.why}"]
    if dialect.sure:
        notes.append(f"form: {dialect.why}")
    else:
        notes.append(
            "form: one column only, or a delimiter that is none of comma, semicolon, tab and bar (--delimiter)"
        )
    blocks = _text_blocks(file, found.codec, dialect, size, pad, names)
    first = next(blocks)
    return headed(file, "csv", first.fields, first.line, notes, blocks, top=dialect.skip)


def _text_blocks(
    file: Path, codec: str, dialect: Dialect, size: int, pad: bool, names: Names | None
) -> Iterator[Block]:
    """Yield what stands above the header and it as a block of its own, then the rows."""
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
            took: list[list[str]] = []
            lines: list[int] = []
            for fields in reader:
                if any(field.strip() for field in fields):
                    took.append(fields)
                    lines.append(reader.line_num)
                    if names is None or len(took) == _LOOKED_AT:
                        break
            at = header_of(took, names) + 1
            width = len(took[at - 1]) if took else 0
            yield Block(took[:at], [0] * at, [line + dialect.skip for line in lines[:at]])
            took, lines = took[at:], lines[at:]
            while True:
                made = Block([], [], [])
                for fields in islice(reader, _BLOCK - len(took)):
                    took.append(fields)
                    lines.append(reader.line_num)
                if not took:
                    return
                made.share = min(1.0, raw.tell() / size) if size else 1.0
                if all(len(fields) == width for fields in took) and all(map(any, took)):
                    made.fields, made.line = took, lines
                    made.number = list(range(row + 1, row + 1 + len(took)))
                    row += len(took)
                else:
                    row = _fit(took, lines, width, row, made, pad)
                if dialect.skip:
                    made.line = [line + dialect.skip for line in made.line]
                yield made
                took, lines = [], []
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
