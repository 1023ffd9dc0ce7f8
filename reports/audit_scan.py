"""What staff scanned by hand: the barcodes of some shelves from left to right, as a reader or a spreadsheet wrote them.

Text has a barcode a line; a line before them says the shelf: ``shelf:ID``, the shelf's id alone, or the EPC of its
label. A table (comma, semicolon or TAB) has the columns ``shelf`` and ``barcode``. ``empty`` in place of barcodes
says that nothing stands there. Lines that begin with ``#`` are passed over. Readers beep twice, spreadsheets
spoil long numbers: what is odd is named, and put right only where there
is one way to.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reports.audit_text import S
from reports.text import several
from stacks.holdings import Holdings, HoldingsError
from stacks.imports.encodings import decode
from stacks.plan import Plan

_MARK = re.compile(r"\s*(?:shelf|架)\s*[:：]\s*(.*)", re.IGNORECASE)
_SPOILED = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")
_WHOLE = re.compile(r"(\d+)[.,]0+")
_EMPTY = ("empty", "leer", "空")
_SHELF_NAMES = ("shelf", "shelf_id", "shelf id")
_BARCODE_NAMES = ("barcode", "item", "item barcode", "item_barcode")


class AuditError(ValueError):
    """A hand scan that cannot be used: file, line, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class ScannedShelf:
    """One shelf.

    Attributes
    ----------
    shelf_id : str
    barcodes : tuple of str
        Of copies the catalogue knows, from left to right, each once.
    strange : tuple of str
        What else was scanned: unknown or spoiled barcodes.
    said_empty : bool
        A line ``empty`` says that nothing stands there.
    """

    shelf_id: str
    barcodes: tuple[str, ...]
    strange: tuple[str, ...] = ()
    said_empty: bool = False

    @property
    def unscanned(self) -> bool:
        """Whether there is neither a barcode nor a word that there is none."""
        return not (self.barcodes or self.strange or self.said_empty)


@dataclass(frozen=True, slots=True)
class Scan:
    """A hand scan.

    Attributes
    ----------
    shelves : tuple of ScannedShelf
        In the order scanned; one that is there with no books was scanned and empty.
    notes : tuple of str
        What was odd, a sentence each.
    """

    shelves: tuple[ScannedShelf, ...]
    notes: tuple[str, ...] = ()


def read_scan(path: str | Path, plan: Plan, holdings: Holdings) -> Scan:
    """Read a hand scan.

    Raises
    ------
    AuditError
        The file cannot be read, names a shelf that is not in the plan or one twice, or begins without a shelf.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AuditError(
            f"{path}: cannot be read ({error.strerror or error}); name the scan's file"
        ) from None
    return parse_scan(_text(data, path), plan, holdings, str(path))


def parse_scan(text: str, plan: Plan, holdings: Holdings, source: str = "scan") -> Scan:
    """Return a hand scan from its text; raises AuditError as `read_scan` does."""
    shelves = {shelf.id: shelf.id for floor in plan.floors for face in floor.faces for shelf in face.shelves}
    labels = {s.tag.upper(): s.id for floor in plan.floors for f in floor.faces for s in f.shelves if s.tag}
    known = _Barcodes(holdings)
    notes: list[str] = []
    order: list[str] = []
    found: dict[str, list[str]] = {}
    strange: dict[str, list[str]] = {}
    where: dict[str, int] = {}
    empty: set[str] = set()
    place = ""
    for line, shelf, cell in _cells(text, source):
        name = shelf if shelf is not None else _marked(cell, shelves, labels, known)
        if name is not None:
            named = shelves.get(name) or labels.get(name.upper())
            if named is None:
                raise AuditError(
                    f"{source}: line {line}: no shelf {name[:60]!r} in the plan; write its id as the plan has it"
                )
            # A mark may beep twice; barcodes between two of them are a second scan.
            if named != place or (shelf is None and (found[named] or strange[named])):
                if named in found:
                    raise AuditError(
                        f"{source}: line {line}: shelf {named} is scanned a second time (first in line "
                        f"{where[named]}); leave one of the two out"
                    )
                place, where[named] = named, line
                order.append(named)
                found[named], strange[named] = [], []
            if shelf is None:
                continue
        if not cell:
            continue
        if not place:
            raise AuditError(
                f"{source}: line {line}: a barcode before any shelf; begin with a line such as "
                f"shelf:{next(iter(shelves), 'ID')}"
            )
        if cell.lower() in _EMPTY and cell not in known.known:
            if found[place] or strange[place]:
                raise AuditError(
                    f"{source}: line {line}: {cell!r}, but barcodes of shelf {place} are above it"
                )
            empty.add(place)
            continue
        if place in empty:
            raise AuditError(
                f"{source}: line {line}: a barcode below the line that shelf {place} is empty; leave one of the two out"
            )
        barcode, note = known.read(cell)
        if note:
            notes.append(S.line(line, note))
        if barcode is None:
            strange[place].append(cell)
        elif found[place] and found[place][-1] == barcode:
            notes.append(S.line(line, S.double(barcode)))
        else:
            found[place].append(barcode)
    if not order:
        raise AuditError(
            f"{source}: has no shelf; write a line such as shelf:{next(iter(shelves), 'ID')} first"
        )
    times = Counter(b for row in found.values() for b in row)
    for barcode, n in times.items():
        if n > 1:
            at = [s for s in order if barcode in found[s]]
            notes.append(S.twice(barcode, n, several(at)))
    made: list[ScannedShelf] = []
    taken: set[str] = set()
    for s in order:
        row = [b for b in dict.fromkeys(found[s]) if b not in taken]
        taken.update(row)
        made.append(ScannedShelf(s, tuple(row), tuple(strange[s]), s in empty))
    return Scan(tuple(made), tuple(notes))


class _Barcodes:
    """The catalogue's barcodes, and what spreadsheets and readers make of them."""

    def __init__(self, holdings: Holdings) -> None:
        self.known: set[str] = set(holdings.column("barcode").tolist())
        self._upper = {b.upper(): b for b in self.known}
        self._bare: dict[str, set[str]] = {}
        for b in self.known:
            if b.isdecimal():
                self._bare.setdefault(b.lstrip("0"), set()).add(b)
        checked = sum(_luhn(b) for b in self.known if len(b) == 14 and b.isdecimal())
        self._check_digits = checked > 0.95 * max(len(self.known), 1)

    def read(self, cell: str) -> tuple[str | None, str]:
        """Return the barcode meant, None where it cannot be told, and what was odd about it."""
        text = cell.strip().strip("'\"").strip()
        # Code 39 readers may send its start and stop characters.
        bare = text.strip("*") or text
        for candidate in (text, bare):
            if candidate in self.known:
                return candidate, ""
            if candidate.upper() in self._upper:
                return self._upper[candidate.upper()], ""
        if _SPOILED.fullmatch(text):
            return None, S.spoiled(text)
        whole = _WHOLE.fullmatch(text)
        digits = whole.group(1) if whole else text
        if digits.isdecimal():
            meant = self._bare.get(digits.lstrip("0"), set())
            if len(meant) == 1:
                barcode = next(iter(meant))
                return barcode, S.put_right(text, barcode)
            if self._check_digits and len(digits) == 14 and not _luhn(digits):
                return None, S.check_digit(text)
        return None, S.unknown(text)


def _luhn(code: str) -> bool:
    """Say whether the last digit is the check digit of library barcodes (Luhn, modulus 10)."""
    if not code.isdecimal() or not code.isascii():
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(code))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _marked(cell: str, shelves: dict[str, str], labels: dict[str, str], known: _Barcodes) -> str | None:
    """Return the shelf a line of text names, None for a barcode."""
    marked = _MARK.fullmatch(cell)
    if marked:
        return marked.group(1).strip()
    if cell in known.known:
        return None
    return cell if cell in shelves or cell.upper() in labels else None


def _cells(text: str, source: str) -> Iterator[tuple[int, str | None, str]]:
    """Yield line number, shelf (None: the text has none of its own) and cell."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [
        (n, line.strip())
        for n, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    first = lines[0][1] if lines else ""
    split = next((c for c in ("\t", ";", ",") if c in first), None)
    if split is None:
        for n, line in lines:
            yield n, None, line
        return
    names = [c.lower() for c in _fields(first, split, f"{source}: line {lines[0][0]}")]
    at = next((i for i, c in enumerate(names) if c in _SHELF_NAMES), None)
    code = next((i for i, c in enumerate(names) if c in _BARCODE_NAMES), None)
    if at is None or code is None:
        raise AuditError(
            f"{source}: line {lines[0][0]}: a table needs the columns shelf and barcode; it has {first[:80]}"
        )
    shelf = ""
    for n, line in lines[1:]:
        row = _fields(line, split, f"{source}: line {n}")
        row += [""] * (max(at, code) + 1 - len(row))
        shelf = row[at] or shelf  # an empty cell carries the shelf above on, as merged cells do
        if not shelf:
            raise AuditError(f"{source}: line {n}: no shelf; fill in the column shelf")
        yield n, shelf, row[code]


def _fields(line: str, delimiter: str, where: str) -> list[str]:
    try:
        return [c.strip() for c in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error as error:
        raise AuditError(f"{where}: is no row of a table ({error})") from None


def _text(data: bytes, path: Path) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if data.startswith(b"PK\x03\x04"):
        raise AuditError(f"{path}: is a spreadsheet's own file; save it as CSV, the barcodes as text")
    try:
        return decode(data.removeprefix(b"\xef\xbb\xbf"), str(path))[0]
    except HoldingsError:
        return data.decode("latin-1")  # barcodes are ASCII, whatever else there is
