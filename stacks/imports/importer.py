"""A file of any known kind into holdings, with everything that was odd about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.errors import HoldingsError
from stacks.holdings import Holdings
from stacks.imports.builder import BAD_TEXT, Batch, Builder
from stacks.imports.faults import Place
from stacks.imports.header import names_of
from stacks.imports.keys import Unreadable, unreadable
from stacks.imports.mapping import Mapped, resolve
from stacks.imports.marc import MarcSource, choose_profile
from stacks.imports.marc_profiles import profile_of
from stacks.imports.marc_records import is_iso2709, is_marcxml
from stacks.imports.names import HOLDINGS_HEADERS
from stacks.imports.refusal import check_rows
from stacks.imports.table import Table, open_table
from stacks.imports.tags import join_tags, read_tags

Tell = Callable[[float, str], None]
FORMATS = ("table", "marc")


@dataclass(frozen=True)
class Imported:
    """
    What a file gave.

    Attributes
    ----------
    holdings : Holdings
    rows : int
        Rows or copies of the file, those left out among them.
    left_out : tuple of str
        The first rows or records left out, and why.
    left_out_count : int
    unreadable : mapping of str to Unreadable
        By scheme.
    notes : tuple of str
        How the file was read, and what was odd, a sentence each.
    """

    holdings: Holdings
    rows: int
    left_out: tuple[str, ...]
    left_out_count: int
    unreadable: Mapping[str, Unreadable]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all but the holdings."""
        return {
            "rows": self.rows,
            "copies": len(self.holdings),
            "left_out": self.left_out_count,
            "left_out_examples": list(self.left_out),
            "call_numbers": {
                scheme: {
                    "copies": found.copies, "empty": found.empty, "unreadable": found.unreadable,
                    "examples": list(found.examples), "ordered": found.ordered,
                }
                for scheme, found in self.unreadable.items()
            },
            "duplicates": {
                "barcodes": len(self.holdings.duplicate_barcodes), "epcs": len(self.holdings.duplicate_epcs),
            },
            "notes": [*self.notes, *self.holdings.notes],
        }  # fmt: skip


def import_holdings(
    path: str | Path,
    mapped: Mapped | None = None,
    *,
    kind: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    profile: str | None = None,
    tags: str | Path | None = None,
    bad_text: str = "refuse",
    most_bad: float = 0.01,
    barcode_width: int | None = None,
    tell: Tell | None = None,
) -> Imported:
    """
    Read holdings from a file of another system; nothing is written.

    Parameters
    ----------
    path : path
        CSV, TSV, XLSX, XLS, ODS, MARC (ISO 2709) or MARCXML; its first bytes tell which.
    mapped : Mapped, optional
        The site's own words.
    kind : {"table", "marc"}, optional
        Instead of what the first bytes look like.
    encoding, delimiter, sheet, profile : str, optional
        Instead of what the file looks like.
    tags : path, optional
        A table of barcodes and EPCs, for a catalogue without these.
    bad_text : {"refuse", "skip", "keep"}
        What becomes of texts once read in a wrong encoding.
    most_bad : float
        The largest share of rows that may be left out.
    barcode_width : int, optional
        Barcodes of digits alone are filled with zeros to this width.
    tell : callable, optional
        Told the share done and what is being done.

    Raises
    ------
    HoldingsError
        One line naming the file, the place, what is wrong and what to do; `stacks.imports.faults.RowsError` where
        it is refused for its rows, with all that is wrong with them.
    """
    mapped, file = mapped or Mapped(), Path(path)
    tell = tell or (lambda _share, _what: None)
    if bad_text not in BAD_TEXT:
        raise HoldingsError(f"--bad-text: {bad_text[:20]!r} is none of {', '.join(BAD_TEXT)}")
    if kind is not None and kind not in FORMATS:
        raise HoldingsError(f"--format: {kind[:20]!r} is none of {', '.join(FORMATS)}")
    builder = Builder(str(file), mapped, bad_text=bad_text, barcode_width=barcode_width)
    marc: MarcSource | None = None
    if kind == "marc" or (kind is None and _looks_marc(file)):
        name, why = str(mapped.marc.get("profile", "")) or profile or "", ""
        if profile is not None:
            name = profile
        if not name and "field" in mapped.marc:
            name = str(mapped.marc["field"])
        if not name:
            name, why = choose_profile(file, encoding)
        marc = MarcSource(file, profile_of(name, mapped.marc), encoding)
        notes, batches = [why or f"copies from field {name}"], marc.batches()
    else:
        table = open_table(
            file,
            encoding=encoding,
            delimiter=delimiter,
            sheet=sheet,
            names=names_of(HOLDINGS_HEADERS, mapped),
        )
        builder.header = table.header
        notes, batches = _table_batches(table, mapped)
    last = 0.0
    try:
        for batch in batches:
            builder.add(batch)
            last = max(last, batch.share)
            tell(0.6 * last, f"reading, {builder.rows:,} copies")
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be read ({e.strerror or e})") from None
    check_rows(builder, most_bad, marc.records if marc else 0)
    columns = builder.finished()
    if not columns["barcode"]:
        raise HoldingsError(f"{file}: has no copy at all; is it the right file, and the right {_part(marc)}?")
    notes += [*(marc.notes() if marc else ()), *builder.notes()]
    if "title" not in builder.columns:
        notes.append("there are no titles (--map title=HEADER)")
    if tags is not None:
        tell(0.65, "joining tags")
        found, said = read_tags(tags)
        notes += [*said, *join_tags(columns, found, str(tags))]
    elif "epc" not in builder.columns:
        notes.append(
            "there are no EPCs, so no copy can be heard: name a column with --map epc=HEADER, or a file with --tags"
        )
    tell(0.7, "checking")
    bad = unreadable(
        columns["scheme"],
        columns["call_number"],
        lambda share: tell(0.7 + 0.2 * share, "reading call numbers"),
    )
    tell(0.9, "counting")
    return Imported(
        Holdings.of_columns(columns, str(file)),
        builder.rows,
        tuple(builder.left_out),
        builder.left_out_count,
        bad,
        tuple(notes),
    )


def _looks_marc(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
    except FileNotFoundError:
        raise HoldingsError(f"{file}: is missing; name a file to import") from None
    except OSError as e:
        raise HoldingsError(f"{file}: cannot be read ({e.strerror or e})") from None
    return is_marcxml(head) or is_iso2709(head)


def _part(marc: MarcSource | None) -> str:
    return "field (--profile)" if marc else "sheet"


def _table_batches(table: Table, mapped: Mapped) -> tuple[list[str], Iterator[Batch]]:
    places, notes = resolve(table.header, mapped, HOLDINGS_HEADERS, table.source)
    missing = [
        name for name in ("barcode", "call_number") if name not in places and name not in mapped.constants
    ]
    if missing:
        shown = ", ".join(name for name in table.header if name)[:300] or "no names at all"
        raise HoldingsError(
            f"{table.source}: no column looks like {' or '.join(missing)}; name it with --map "
            f"{missing[0]}=HEADER (the header must be among the first 20 rows); it has {shown}"
        )
    return [*table.notes, *notes], _batches(table, places)


def _batches(table: Table, places: Mapping[str, tuple[int, ...]]) -> Iterator[Batch]:
    for block in table.blocks:
        whole = list(zip(*block.fields, strict=True)) if block.fields else [()] * len(table.header)
        columns: dict[str, list[str]] = {}
        for ours, theirs in places.items():
            if len(theirs) == 1:
                columns[ours] = list(whole[theirs[0]])
            else:
                parts = zip(*(whole[place] for place in theirs), strict=True)
                columns[ours] = [" ".join(part.strip() for part in row if part.strip()) for row in parts]
        turned = {place: ours for ours, theirs in places.items() for place in theirs}
        odd: dict[str, dict[int, str]] = {}
        for (row, column), what in block.odd.items():
            if column in turned:
                odd.setdefault(turned[column], {})[row] = what
        number, line = block.number, block.line

        def where(i: int, number: list[int] = number, line: list[int] = line) -> Place:
            return table.at(number[i], line[i])

        broken = [("fields", table.at(n, at), table.misfit(width)) for n, at, width in block.broken]
        yield Batch(columns, where, odd, broken, block.share)
