"""
The copies the catalogue knows: ``holdings.csv``.

One row a copy, UTF-8 with or without a byte order mark, columns in any order, further columns kept. A
wrong row is refused with its number; a barcode or EPC that stands twice is the library's trouble and not
the file's: both rows stay, `Holdings.notes` and the `duplicate_` mappings say so, and `by_barcode` and
`by_epc` give the first.
"""

from __future__ import annotations

import csv
import io
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path

from stacks.errors import HoldingsError

COLUMNS = ("barcode", "epc", "call_number", "scheme", "title", "home_location", "status")
STATUSES = (
    "available",
    "loaned",
    "on_hold",
    "in_transit",
    "in_process",
    "missing",
    "lost",
    "claimed_returned",
    "withdrawn",
)
SCHEMES = ("lcc", "ddc", "clc", "sudoc", "nlm", "local")

__all__ = [
    "COLUMNS",
    "SCHEMES",
    "STATUSES",
    "Holding",
    "Holdings",
    "HoldingsError",
    "parse_holdings",
    "read_holdings",
    "write_holdings",
]

_MAX_FIELD = 1 << 16
_HEX = frozenset("0123456789abcdefABCDEF")
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Holding:
    """
    One copy.

    Attributes
    ----------
    barcode : str
        Its item number.
    epc : str
        EPC or UID of its tag, upper-case hexadecimal; empty where it has none.
    call_number : str
        As on the label; may be empty.
    scheme : str
        One of `SCHEMES`.
    title : str
        For people.
    home_location : str
        A shelf id where the library keeps one, else a location code; may be empty.
    status : str
        One of `STATUSES`.
    extra : mapping
        Further columns of the file.
    """

    barcode: str
    epc: str
    call_number: str
    scheme: str
    title: str
    home_location: str
    status: str
    extra: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Holdings:
    """
    All copies of a site.

    Attributes
    ----------
    rows : tuple of Holding
        In the order of the file.
    notes : tuple of str
        What is odd about them, one sentence each.
    """

    rows: tuple[Holding, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Holding]:
        return iter(self.rows)

    @cached_property
    def by_epc(self) -> Mapping[str, Holding]:
        """The first copy of each EPC; copies without a tag are left out."""
        return {epc: copies[0] for epc, copies in self._epcs.items()}

    @cached_property
    def by_barcode(self) -> Mapping[str, Holding]:
        """The first copy of each barcode."""
        return {barcode: copies[0] for barcode, copies in self._barcodes.items()}

    @cached_property
    def duplicate_epcs(self) -> Mapping[str, tuple[Holding, ...]]:
        """All copies of each EPC that stands more than once."""
        return {epc: tuple(copies) for epc, copies in self._epcs.items() if len(copies) > 1}

    @cached_property
    def duplicate_barcodes(self) -> Mapping[str, tuple[Holding, ...]]:
        """All copies of each barcode that stands more than once."""
        return {barcode: tuple(copies) for barcode, copies in self._barcodes.items() if len(copies) > 1}

    @cached_property
    def _epcs(self) -> dict[str, list[Holding]]:
        groups: dict[str, list[Holding]] = {}
        for row in self.rows:
            if row.epc:
                groups.setdefault(row.epc, []).append(row)
        return groups

    @cached_property
    def _barcodes(self) -> dict[str, list[Holding]]:
        groups: dict[str, list[Holding]] = {}
        for row in self.rows:
            groups.setdefault(row.barcode, []).append(row)
        return groups

    @classmethod
    def of(cls, rows: Iterable[Holding]) -> Holdings:
        """Return holdings of some copies, with the notes that reading them from a file would have made."""
        made = cls(tuple(rows))
        notes = [
            f"{what} {name} stands {len(copies)} times"
            for what, groups in (("barcode", made.duplicate_barcodes), ("EPC", made.duplicate_epcs))
            for name, copies in groups.items()
        ]
        if len(notes) > 20:
            notes = [*notes[:20], f"and {len(notes) - 20} more barcodes and EPCs that stand more than once"]
        return cls(made.rows, tuple(notes))

    def to_csv(self) -> str:
        """Return the text of ``holdings.csv``."""
        extra = list(dict.fromkeys(name for row in self.rows for name in row.extra))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*COLUMNS, *extra])
        for row in self.rows:
            writer.writerow([getattr(row, c) for c in COLUMNS] + [row.extra.get(name, "") for name in extra])
        return out.getvalue()


def read_holdings(path: str | Path) -> Holdings:
    """
    Read ``holdings.csv``, or the one of a folder.

    Raises
    ------
    HoldingsError
        One line naming the file and the row (counted from 1 below the header) with its line.
    """
    file = Path(path)
    try:
        file = file / "holdings.csv" if file.is_dir() else file
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HoldingsError(f"{file}: is missing") from None
    except UnicodeDecodeError as e:
        raise HoldingsError(f"{file}: byte {e.start} is not UTF-8; export it as UTF-8") from None
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be read ({e.strerror or e})") from None
    return parse_holdings(text, str(file))


def parse_holdings(text: str, source: str = "holdings.csv") -> Holdings:
    """Return holdings from the text of the file; raises HoldingsError as `read_holdings` does."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = 0
    limit = csv.field_size_limit(_MAX_FIELD)
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
    return Holdings.of(rows)


def write_holdings(path: str | Path, holdings: Holdings) -> None:
    """Write ``holdings.csv``: the old file or the new one is there, never half of it; raises HoldingsError."""
    file = Path(path)
    temp = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with temp.open("wb") as handle:
            handle.write(holdings.to_csv().encode())
            handle.flush()
            os.fsync(handle.fileno())
        temp.replace(file)
    except OSError as e:
        temp.unlink(missing_ok=True)
        raise HoldingsError(f"{file}: cannot be written ({e.strerror or e})") from e


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
