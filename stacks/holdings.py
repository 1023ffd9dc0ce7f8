"""
The copies the catalogue knows: ``holdings.csv``.

One row a copy, UTF-8 with or without a byte order mark, columns in any order, further columns kept. A
wrong row is refused with its number; a barcode or EPC that stands twice is the library's trouble and not
the file's: both rows stay, `Holdings.notes` and the `duplicate_` mappings say so, and `by_barcode` and
`by_epc` give the first.

Holdings are columns; their rows are objects made when somebody asks for one. A million copies are read in
seconds, and who works on all of them takes `Holdings.column` and numpy rather than the rows.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from stacks.errors import HoldingsError
from stacks.holding import COLUMNS, SCHEMES, STATUSES, Holding
from stacks.holdings_csv import Columns, check_columns, columns_of, rows_of

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

Texts = npt.NDArray[np.object_]
_NOTHING: Mapping[str, str] = {}
_MOST_NOTES = 20


class Holdings:
    """
    All copies of a site.

    Parameters
    ----------
    rows : iterable of Holding
        In the order of the file.
    notes : sequence of str
        What is odd about them, one sentence each.

    Attributes
    ----------
    notes : tuple of str
        What is odd about them, one sentence each.
    """

    def __init__(self, rows: Iterable[Holding] = (), notes: Sequence[str] = ()) -> None:
        self.notes = tuple(notes)
        self._rows: tuple[Holding, ...] | None = tuple(rows)
        self._length = len(self._rows)
        self._extra = tuple(dict.fromkeys(name for row in self._rows for name in row.extra))
        self._columns: dict[str, Texts] = {}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Holding]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holdings) and self.notes == other.notes and self.rows == other.rows

    def __hash__(self) -> int:
        return hash((self.notes, self._length))

    def __repr__(self) -> str:
        return f"Holdings({self._length} copies)"

    @property
    def rows(self) -> tuple[Holding, ...]:
        """The copies in the order of the file; made when first asked for."""
        if self._rows is None:
            plain = [self._columns[name].tolist() for name in COLUMNS]
            if self._extra:
                others = zip(*(self._columns[name].tolist() for name in self._extra), strict=True)
                extras: Iterable[Mapping[str, str]] = (
                    dict(zip(self._extra, values, strict=True)) for values in others
                )
            else:
                extras = (_NOTHING for _ in range(self._length))
            self._rows = tuple(map(Holding, *plain, extras))
        return self._rows

    def row(self, index: int) -> Holding:
        """Return one copy by its place, without making all the others."""
        if self._rows is not None:
            return self._rows[index]
        extra = {name: self._columns[name][index] for name in self._extra} if self._extra else _NOTHING
        return Holding(**{name: self._columns[name][index] for name in COLUMNS}, extra=extra)

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Names of the further columns."""
        return self._extra

    def column(self, name: str) -> Texts:
        """
        Return one column of all copies; the same array every time, not to be written to.

        Parameters
        ----------
        name : str
            One of `COLUMNS`, or a further column. One that the file lacks is empty in every row.

        Returns
        -------
        object array of str, shape (n,)
        """
        made = self._columns.get(name)
        if made is None:
            if self._rows is None or (name not in COLUMNS and name not in self._extra):
                values: Sequence[str] = [""] * self._length
            elif name in COLUMNS:
                values = [getattr(row, name) for row in self._rows]
            else:
                values = [row.extra.get(name, "") for row in self._rows]
            made = self._columns[name] = _array(values)
        return made

    @cached_property
    def index_of_epc(self) -> Mapping[str, int]:
        """The place in `rows` of the first copy of each EPC; copies without a tag are left out."""
        made = _first(self.column("epc").tolist())
        made.pop("", None)
        return made

    @cached_property
    def index_of_barcode(self) -> Mapping[str, int]:
        """The place in `rows` of the first copy of each barcode."""
        return _first(self.column("barcode").tolist())

    @cached_property
    def by_epc(self) -> Mapping[str, Holding]:
        """The first copy of each EPC; copies without a tag are left out."""
        rows = self.rows
        return {epc: rows[i] for epc, i in self.index_of_epc.items()}

    @cached_property
    def by_barcode(self) -> Mapping[str, Holding]:
        """The first copy of each barcode."""
        rows = self.rows
        return {barcode: rows[i] for barcode, i in self.index_of_barcode.items()}

    @cached_property
    def duplicate_epcs(self) -> Mapping[str, tuple[Holding, ...]]:
        """All copies of each EPC that stands more than once."""
        groups = _repeated(self.column("epc").tolist())
        return {epc: tuple(self.rows[i] for i in copies) for epc, copies in groups.items()}

    @cached_property
    def duplicate_barcodes(self) -> Mapping[str, tuple[Holding, ...]]:
        """All copies of each barcode that stands more than once."""
        groups = _repeated(self.column("barcode").tolist())
        return {barcode: tuple(self.rows[i] for i in copies) for barcode, copies in groups.items()}

    @classmethod
    def of(cls, rows: Iterable[Holding]) -> Holdings:
        """Return holdings of some copies, with the notes that reading them from a file would have made."""
        made = cls(rows)
        made.notes = made._duplicates_said()
        return made

    @classmethod
    def of_columns(cls, columns: Mapping[str, Sequence[str]], source: str = "holdings") -> Holdings:
        """
        Return holdings of whole columns, with the same checks and notes as a file.

        Parameters
        ----------
        columns : mapping of str to sequence of str
            Each of `COLUMNS`, and further ones; all of one length.
        source : str
            What to call them in an error.

        Raises
        ------
        HoldingsError
            A column is missing or of another length, or a row is wrong: its number and what is wrong.
        """
        check_columns(columns, source)
        return cls._trusted({name: _array(values) for name, values in columns.items()})

    @classmethod
    def _trusted(cls, columns: Mapping[str, Texts]) -> Holdings:
        made = cls()
        made._rows = None
        made._length = len(columns["barcode"])
        made._extra = tuple(name for name in columns if name not in COLUMNS)
        made._columns = dict(columns)
        made.notes = made._duplicates_said()
        return made

    def _duplicates_said(self) -> tuple[str, ...]:
        notes = [
            f"{what} {name} stands {len(places)} times"
            for what, column in (("barcode", "barcode"), ("EPC", "epc"))
            for name, places in _repeated(self.column(column).tolist()).items()
        ]
        if len(notes) > _MOST_NOTES:
            more = len(notes) - _MOST_NOTES
            notes = [*notes[:_MOST_NOTES], f"and {more} more barcodes and EPCs that stand more than once"]
        return tuple(notes)

    def to_csv(self) -> str:
        """Return the text of ``holdings.csv``."""
        out = io.StringIO()
        self._write(out)
        return out.getvalue()

    def _write(self, out: IO[str]) -> None:
        names = [*COLUMNS, *self._extra]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*(self.column(name).tolist() for name in names), strict=True))


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
        try:
            with file.open(encoding="utf-8-sig", newline="") as handle:
                columns = columns_of(handle)
            if columns is not None:
                return _of(columns)
        except UnicodeDecodeError:
            pass
        # Something is wrong with it: read again, row by row, for the first culprit.
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HoldingsError(f"{file}: is missing") from None
    except UnicodeDecodeError as e:
        raise HoldingsError(f"{file}: byte {e.start} is not UTF-8; export it as UTF-8") from None
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be read ({e.strerror or e})") from None
    return Holdings.of(rows_of(text, str(file)))


def parse_holdings(text: str, source: str = "holdings.csv") -> Holdings:
    """Return holdings from the text of the file; raises HoldingsError as `read_holdings` does."""
    columns = columns_of(io.StringIO(text, newline=""))
    return Holdings.of(rows_of(text, source)) if columns is None else _of(columns)


def write_holdings(path: str | Path, holdings: Holdings) -> None:
    """Write ``holdings.csv``: the old file or the new one is there, never half of it; raises HoldingsError."""
    file = Path(path)
    temp = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with temp.open("w", encoding="utf-8", newline="") as handle:
            holdings._write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        temp.replace(file)
    except UnicodeEncodeError as e:
        raise HoldingsError(f"{file}: cannot be written ({e.object[e.start : e.end]!r} is no text)") from None
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be written ({e.strerror or e})") from e
    finally:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)


def _of(columns: Columns) -> Holdings:
    return Holdings._trusted({name: _array(values) for name, values in columns.items()})


def _array(values: Sequence[str]) -> Texts:
    made = np.empty(len(values), object)
    made[:] = values
    return made


def _first(values: Sequence[str]) -> dict[str, int]:
    """Return each value's first place, in the order of the file."""
    made: dict[str, int] = dict.fromkeys(values, 0)
    made.update(zip(reversed(values), range(len(values) - 1, -1, -1), strict=True))
    return made


def _repeated(values: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each value that stands more than once, by the first; empty ones are none."""
    # Mostly nothing does, and then no index of a million is wanted, nor kept.
    distinct = set(values)
    if len(distinct) == len(values) - max(values.count("") - 1, 0):
        return {}
    del distinct
    first = _first(values)
    found: dict[str, list[int]] = {}
    for i, value in enumerate(values):
        if value and first[value] != i:
            found.setdefault(value, [first[value]]).append(i)
    return dict(sorted(found.items(), key=lambda item: item[1][0]))
