"""
Staff's own lists: copies to be searched for, or to be pulled from the shelves.

A list is a file as staff have it: CSV, TSV, a workbook, or plain barcodes one a line. It needs a column of barcodes
and may have a note and a last day for each row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

from stacks.errors import HoldingsError
from stacks.imports.header import names_of
from stacks.imports.names import HOLDINGS_HEADERS, plain
from stacks.imports.table import OTHER_SHEETS, Block, Table, open_table
from stacks.imports.values import SHORTENED, day, tidy

PURPOSES: Final[Mapping[str, str]] = {
    "wanted": "search",
    "claimed_returned": "search",
    "reported_missing": "search",
    "search": "search",
    "hold": "pull",
    "binding": "pull",
    "exhibition": "pull",
    "weeding": "pull",
    "pull": "pull",
}
"""What a list is for, and whether that is a search (the copy is not where it should be) or a pull (it is to go)."""

MOST_ROWS: Final = 100_000
MOST_NAME: Final = 80

_MOST_NOTES = 10
_MOST_TEXT = 300
_WORDS: Mapping[str, tuple[str, ...]] = {
    "note": (
        *("note", "notes", "remark", "remarks", "comment", "comments", "staff note"),
        *("bemerkung", "bemerkungen", "notiz", "hinweis", "备注", "附注", "说明", "備註"),
    ),
    "until": (
        *("until", "expires", "expiry", "expiry date", "expiration date", "valid until", "needed by"),
        *("bis", "gültig bis", "ablauf", "ablaufdatum", "有效期", "截止日期", "到期", "到期日", "有效期至"),
    ),
}
_HEADERS: Mapping[str, str] = {plain(word): ours for ours, words in _WORDS.items() for word in words}
_NAMES: Final = names_of(
    {**_HEADERS, **{word: ours for word, ours in HOLDINGS_HEADERS.items() if ours == "barcode"}}
)


@dataclass(frozen=True, slots=True)
class ListRow:
    """
    One copy on a list.

    Attributes
    ----------
    barcode : str
    note : str
        In staff's words; empty without.
    until : date or None
        The last day on which it is wanted; None: until the list is taken away.
    """

    barcode: str
    note: str = ""
    until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class ListNote:
    """
    How a file was read and what was left out of it, for people to be told in their language.

    Attributes
    ----------
    kind : {"header", "no_barcode", "fields", "twice", "more", "said"}
        Which row was taken for the header, where others stand above it; a row without a barcode; one with more fields
        than the header; rows whose barcode stands above already; further rows left out; in words, as older lists
        have it.
    row, line : int
        Which row, and on which line of a file of text (0: it is a workbook's).
    count, of : int
        Fields of the row and of the header; or how many rows.
    text : str
        The words of ``said``, or what stands above the header (empty: it is blank).
    """

    kind: str
    row: int = 0
    line: int = 0
    count: int = 0
    of: int = 0
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return an object for ``json.dumps``; what is as it is by default is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (0, "")}

    @classmethod
    def from_json(cls, obj: Any) -> ListNote:
        """Return the note of `to_json`'s object, or of the sentence that older lists have."""
        return cls("said", text=obj) if isinstance(obj, str) else cls(**obj)


@dataclass(frozen=True, slots=True)
class StaffList:
    """
    A list of copies that staff want found.

    Attributes
    ----------
    name : str
        As staff call it; one line.
    purpose : str
        One of `PURPOSES`.
    rows : tuple of ListRow
        Each barcode once.
    notes : tuple of ListNote
        What was left out of the file and why.
    at : datetime or None
        When staff put it where it is, with a time zone; None: not known.
    """

    name: str
    purpose: str
    rows: tuple[ListRow, ...]
    notes: tuple[ListNote, ...] = ()
    at: dt.datetime | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.purpose not in PURPOSES:
            raise HoldingsError(
                f"list {self.name}: purpose {self.purpose[:40]!r} is none of {', '.join(PURPOSES)}"
            )

    @property
    def search(self) -> bool:
        """Whether its copies are searched for rather than pulled."""
        return PURPOSES[self.purpose] == "search"

    def current(self, day: dt.date) -> tuple[ListRow, ...]:
        """Return the rows that still hold on a day."""
        return tuple(row for row in self.rows if row.until is None or day <= row.until)

    def to_json(self) -> dict[str, Any]:
        """Return an object for ``json.dumps``."""
        rows = [[r.barcode, r.note, None if r.until is None else r.until.isoformat()] for r in self.rows]
        notes = [note.to_json() for note in self.notes]
        made = {"name": self.name, "purpose": self.purpose, "rows": rows, "notes": notes}
        return made if self.at is None else {**made, "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> StaffList:
        """Return the list of `to_json`'s object."""
        rows = cast("list[list[Any]]", obj["rows"])
        made = (ListRow(b, n, None if u is None else dt.date.fromisoformat(u)) for b, n, u in rows)
        at = obj.get("at")
        return cls(
            str(obj["name"]),
            str(obj["purpose"]),
            tuple(made),
            tuple(map(ListNote.from_json, obj.get("notes", ()))),
            None if at is None else dt.datetime.fromisoformat(at),
        )


def check_name(name: str) -> str:
    """Return the name of a list; raises HoldingsError where it cannot be one."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MOST_NAME:
        raise HoldingsError(
            f"list {name[:MOST_NAME]!r}: a name is one line of 1 to {MOST_NAME} characters; give it another"
        )
    return name


def read_staff_list(path: str | Path, name: str, purpose: str = "search") -> StaffList:
    """
    Read a list from a file.

    Parameters
    ----------
    path : path
        CSV, TSV, XLSX, XLS or ODS with a column of barcodes, or barcodes alone, one a line. Columns for a note and for
        the last day are known by their usual English, German and Chinese names; others are passed over.
    name, purpose : str
        As of `StaffList`.

    Raises
    ------
    HoldingsError
        It cannot be read, has no barcodes or too many; one line.
    """
    table = open_table(path, pad=True, names=_NAMES)
    columns = _columns(table)
    rows: dict[str, ListRow] = {}
    said = (note.removesuffix(" (--sheet)") for note in table.notes if note.startswith(OTHER_SHEETS))
    notes = [ListNote("said", text=text) for text in said]
    if table.header_line:
        row, line = (table.header_line, 0) if table.kind == "workbook" else (0, table.header_line)
        notes.append(ListNote("header", row, line, text=table.above))
    twice = 0
    for (number, line), fields, odd in _rows(table, columns, notes):
        barcode, where = tidy(fields[columns["barcode"]]), table.place(number, line)
        if not barcode:
            notes.append(_left_out(table, "no_barcode", number, line))
            continue
        if odd == "rounded" or SHORTENED.fullmatch(barcode):
            raise HoldingsError(
                f"{path}: {where}: the spreadsheet has shortened the barcode to {barcode[:40]}; "
                "set the column as text and save it anew"
            )
        note = tidy(fields[columns["note"]])[:_MOST_TEXT] if "note" in columns else ""
        until = _day(fields[columns["until"]], path, where) if "until" in columns else None
        twice += barcode in rows
        rows.setdefault(barcode, ListRow(barcode, note, until))
        if len(rows) > MOST_ROWS:
            raise HoldingsError(f"{path}: has more than {MOST_ROWS:,} barcodes; split it")
    if not rows:
        raise HoldingsError(f"{path}: has no barcodes; it needs one a line, or a column named barcode")
    if len(notes) > _MOST_NOTES:
        notes = [*notes[:_MOST_NOTES], ListNote("more", count=len(notes) - _MOST_NOTES)]
    if twice:
        notes.append(ListNote("twice", count=twice))
    return StaffList(name, purpose, tuple(rows.values()), tuple(notes))


def _columns(table: Table) -> dict[str, int]:
    """Return where barcode, note and last day stand; a file of one column needs no header."""
    found: dict[str, int] = {}
    for i, header in enumerate(table.header):
        word = plain(header)
        ours = "barcode" if HOLDINGS_HEADERS.get(word) == "barcode" else _HEADERS.get(word)
        if ours is not None:
            found.setdefault(ours, i)
    if "barcode" in found:
        return found
    if len([header for header in table.header if header]) == 1 and not found:
        return {"barcode": next(i for i, header in enumerate(table.header) if header), "headless": 1}
    there = " ".join(", ".join(table.header).split())[:200]
    raise HoldingsError(f"{table.source}: no column is named barcode (there are {there}); name one so")


def _rows(
    table: Table, columns: Mapping[str, int], notes: list[ListNote]
) -> Iterator[tuple[tuple[int, int], Sequence[str], str]]:
    """Yield each row: its number and line, its fields, and what is odd about its barcode."""
    at = columns["barcode"]
    blocks = iter(table.blocks)
    if "headless" in columns:
        first = next(blocks, Block([], [], []))
        if not _is_header(table.header[at], first, at):
            yield (1, 1), table.header, ""
        blocks = chain([first], blocks)
    for block in blocks:
        notes.extend(
            _left_out(table, "fields", number, line, fields, len(table.header))
            for number, line, fields in block.broken
        )
        for i, fields in enumerate(block.fields):
            if any(fields):
                yield (block.number[i], block.line[i]), fields, block.odd.get((i, at), "")


def _is_header(first: str, block: Block, at: int) -> bool:
    """Whether the first line of a column of unknown name is that name: it has no digit, most below it have."""
    below = [fields[at] for fields in block.fields if fields[at]]
    numbered = sum(any(map(str.isdigit, text)) for text in below)
    return not any(map(str.isdigit, first)) and 2 * numbered > len(below)


def _left_out(table: Table, kind: str, number: int, line: int, count: int = 0, of: int = 0) -> ListNote:
    row = (line, 0) if table.kind == "workbook" else (number, line)
    return ListNote(kind, *row, count, of)


def _day(text: str, path: str | Path, where: str) -> dt.date | None:
    text = tidy(text)
    if not text:
        return None
    read = day(text)
    if read is None:
        raise HoldingsError(f"{path}: {where}: {text[:40]!r} is no day; write it as 2026-12-31")
    return read
