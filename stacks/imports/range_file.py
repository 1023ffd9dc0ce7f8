"""The shelves' ranges from a table: each shelf's first call number, its place in the sequence, its location."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from stacks.errors import PlanError
from stacks.holdings import HoldingsError
from stacks.imports import values
from stacks.imports.header import names_of
from stacks.imports.mapping import Mapped, resolve
from stacks.imports.names import RANGES_HEADERS
from stacks.imports.table import open_table
from stacks.plan import Plan, Shelf

RANGE_COLUMNS = ("shelf_id", "range_start", "range_end", "sequence", "home_location")


@dataclass(frozen=True, slots=True)
class RangeRow:
    """One shelf's row: empty texts and None where the table does not say."""

    where: str
    shelf_id: str
    start: str
    end: str = ""
    sequence: int | None = None
    location: str = ""


@dataclass(frozen=True)
class RangeRows:
    """
    A table of ranges.

    Attributes
    ----------
    rows : tuple of RangeRow
    notes : tuple of str
        How the file was read, and what of it does not fit the plan, a sentence each.
    """

    rows: tuple[RangeRow, ...]
    notes: tuple[str, ...] = field(default=())


def read_ranges(
    path: str | Path,
    mapped: Mapped | None = None,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> RangeRows:
    """
    Read a table of ranges, CSV, TSV or a workbook.

    Its columns are shelf_id and range_start, and may be sequence, location and range_end (the last call number of a
    shelf, as the sign at its end says).

    Raises
    ------
    PlanError
        Naming the file, the row and what is wrong.
    """
    try:
        table = open_table(
            path,
            encoding=encoding,
            delimiter=delimiter,
            sheet=sheet,
            names=names_of(RANGES_HEADERS, mapped, alone=()),
        )
        places, notes = resolve(table.header, mapped or Mapped(), RANGES_HEADERS, table.source)
        for name in ("shelf_id", "range_start"):
            if name not in places:
                shown = ", ".join(head for head in table.header if head)[:200]
                raise HoldingsError(
                    f"{table.source}: no column looks like {name}; name it with --map {name}=HEADER; it has {shown}"
                )
        rows: list[RangeRow] = []
        for block in table.blocks:
            for n, line, width in block.broken:
                raise HoldingsError(f"{table.source}: {table.place(n, line)}: {table.misfit(width)}")
            for i, fields in enumerate(block.fields):
                where = f"{table.source}: {table.place(block.number[i], block.line[i])}"
                odd = block.odd.get((i, places["range_start"][0]), "")
                if odd == "date":
                    raise HoldingsError(
                        f"{where}: range_start became a date in the workbook; format the column as text"
                    )
                rows.append(_row({name: fields[at[0]] for name, at in places.items()}, where))
    except HoldingsError as e:
        raise PlanError(str(e)) from None
    if not rows:
        raise PlanError(f"{table.source}: has no row; it needs a shelf_id and a range_start in each")
    return RangeRows(tuple(rows), (*table.notes, *notes))


def _row(raw: Mapping[str, str], where: str) -> RangeRow:
    texts = {name: values.tidy(value) for name, value in raw.items()}
    if not texts["shelf_id"]:
        raise HoldingsError(f"{where}: has no shelf_id")
    number = texts.get("sequence", "")
    sequence = values.count(number) if number else None
    if number and sequence is None:
        raise HoldingsError(f"{where}: sequence {number[:40]!r} is no whole number")
    return RangeRow(
        where,
        texts["shelf_id"],
        texts["range_start"],
        texts.get("range_end", ""),
        int(sequence) if sequence is not None else None,
        texts.get("home_location", ""),
    )


def apply_ranges(plan: Plan, rows: RangeRows, *, most_unknown: float = 0.0) -> tuple[Plan, list[str]]:
    """
    Return the plan with the ranges of a table, its one version up if any changes; shelves the table lacks stay.

    An empty range_start takes the shelf's away: it then carries on the range before it.

    Parameters
    ----------
    plan : Plan
        The shelving.
    rows : RangeRows
        The table.
    most_unknown : float
        The largest share of rows whose shelf the plan may lack; these are left out and named.

    Returns
    -------
    plan : Plan
    notes : list of str

    Raises
    ------
    PlanError
        A shelf stands twice, too many are unknown, or two shelves would have one sequence.
    """
    known = {shelf.id: shelf for shelf in plan.shelves}
    taken: dict[str, RangeRow] = {}
    unknown: list[RangeRow] = []
    for row in rows.rows:
        if row.shelf_id not in known:
            unknown.append(row)
        elif row.shelf_id in taken:
            raise PlanError(
                f"{row.where}: shelf {row.shelf_id!r} is there twice (before: {taken[row.shelf_id].where})"
            )
        else:
            taken[row.shelf_id] = row
    if len(unknown) > most_unknown * len(rows.rows):
        raise PlanError(
            f"{unknown[0].where}: shelf {unknown[0].shelf_id!r} is not in the plan of {plan.site} ({len(unknown)} of "
            f"{len(rows.rows)} rows name such); the plan's are like "
            f"{plan.shelves[0].id if plan.shelves else 'none'!r}; "
            "--most-unknown leaves some out"
        )
    notes = [f"{row.where}: shelf {row.shelf_id!r} is not in the plan; left out" for row in unknown[:10]]
    made: dict[str, Shelf] = {}
    for shelf_id, row in taken.items():
        shelf = known[shelf_id]
        extra = {**shelf.extra, "location": row.location} if row.location else shelf.extra
        made[shelf_id] = replace(
            shelf,
            range_start=row.start or None,
            sequence=shelf.sequence if row.sequence is None else row.sequence,
            extra=extra,
        )
    changed = with_shelves(plan, made)
    by_number: dict[int, str] = {}
    for shelf in changed.shelves:
        if shelf.sequence is not None:
            other = by_number.setdefault(shelf.sequence, shelf.id)
            if other != shelf.id:
                where = next((taken[i].where for i in (shelf.id, other) if i in taken), rows.rows[0].where)
                raise PlanError(
                    f"{where}: shelves {other!r} and {shelf.id!r} would both have the sequence {shelf.sequence}"
                )
    return changed, notes


def with_shelves(plan: Plan, made: Mapping[str, Shelf]) -> Plan:
    """Return a plan with some shelves replaced, by id, its version one higher; the same plan where nothing differs."""
    if all(made.get(shelf.id, shelf) == shelf for shelf in plan.shelves):
        return plan
    floors = tuple(
        replace(
            floor,
            faces=tuple(
                replace(face, shelves=tuple(made.get(shelf.id, shelf) for shelf in face.shelves))
                for face in floor.faces
            ),
        )
        for floor in plan.floors
    )
    return replace(plan, floors=floors, version=next_version(plan.version))


def next_version(version: int | str) -> int | str:
    """Return the edition after one: a count grows by one, and so does the last number of a text."""
    if isinstance(version, int):
        return version + 1
    found = re.search(r"(\d+)(\D*)$", version)
    if found is None:
        return f"{version}.2"
    return f"{version[: found.start()]}{int(found[1]) + 1:0{len(found[1])}d}{found[2]}"
