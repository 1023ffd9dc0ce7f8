"""
Staff's own lists: copies to be searched for, or to be pulled from the shelves.

A list is a file as staff have it: CSV, TSV, a workbook, or plain barcodes one a line. It needs a column of barcodes
and may have a note and a last day for each row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from stacks.errors import HoldingsError
from stacks.imports.names import HOLDINGS_HEADERS, plain
from stacks.imports.table import OTHER_SHEETS, Block, Table, open_table
from stacks.imports.values import SHORTENED, moment, tidy

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
    notes : tuple of str
        What was left out of the file and why, one sentence each.
    """

    name: str
    purpose: str
    rows: tuple[ListRow, ...]
    notes: tuple[str, ...] = ()

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
        return {"name": self.name, "purpose": self.purpose, "rows": rows, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> StaffList:
        """Return the list of `to_json`'s object."""
        rows = cast("list[list[Any]]", obj["rows"])
        made = (ListRow(b, n, None if u is None else dt.date.fromisoformat(u)) for b, n, u in rows)
        return cls(str(obj["name"]), str(obj["purpose"]), tuple(made), tuple(obj.get("notes", ())))


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
    table = open_table(path)
    columns = _columns(table)
    rows: dict[str, ListRow] = {}
    notes = [note.removesuffix(" (--sheet)") for note in table.notes if note.startswith(OTHER_SHEETS)]
    twice = 0
    for where, fields, odd in _rows(table, columns, notes):
        barcode = tidy(fields[columns["barcode"]])
        if not barcode:
            notes.append(f"{where}: has no barcode, and is left out")
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
    if twice:
        notes.append(f"{twice} rows name a barcode that stands above already, and are left out")
    if len(notes) > _MOST_NOTES:
        notes = [*notes[:_MOST_NOTES], f"and {len(notes) - _MOST_NOTES} more like these"]
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
    table: Table, columns: Mapping[str, int], notes: list[str]
) -> Iterator[tuple[str, Sequence[str], str]]:
    """Yield each row: where it stands, its fields, and what is odd about its barcode."""
    at = columns["barcode"]
    if "headless" in columns:
        yield "row 1", table.header, ""
    for block in table.blocks:
        notes.extend(f"{table.place(n, line)}: {why}, and is left out" for n, line, why in block.broken)
        yield from _of_block(table, block, at)


def _of_block(table: Table, block: Block, at: int) -> Iterator[tuple[str, Sequence[str], str]]:
    for i, fields in enumerate(block.fields):
        if any(fields):
            yield table.place(block.number[i], block.line[i]), fields, block.odd.get((i, at), "")


def _day(text: str, path: str | Path, where: str) -> dt.date | None:
    text = tidy(text)
    if not text:
        return None
    read = moment(text)
    if read is None:
        raise HoldingsError(f"{path}: {where}: {text[:40]!r} is no day; write it as 2026-12-31")
    return dt.date.fromisoformat(read[:10])
