"""Which tag is in which copy, from a table beside the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from stacks.errors import HoldingsError
from stacks.imports import values
from stacks.imports.faults import Faults, refused
from stacks.imports.header import names_of
from stacks.imports.mapping import Mapped, resolve
from stacks.imports.names import HOLDINGS_HEADERS
from stacks.imports.table import open_table


def read_tags(path: str | Path) -> tuple[dict[str, str], list[str]]:
    """
    Read a table of barcodes and EPCs, CSV or a workbook.

    Returns
    -------
    tags : dict of str to str
        Barcode to EPC, upper-case hexadecimal. Of a barcode that stands twice the last counts.
    notes : list of str
        How the table was read where that is not plain, a sentence each.

    Raises
    ------
    HoldingsError
        Naming the file and what is wrong; `RowsError` with all rows that are wrong.
    """
    known = {name: ours for name, ours in HOLDINGS_HEADERS.items() if ours in ("barcode", "epc")}
    table = open_table(path, names=names_of(known))
    places, _ = resolve(table.header, Mapped(), known, table.source)
    for name in ("barcode", "epc"):
        if name not in places:
            raise HoldingsError(
                f"{table.source}: no column looks like {name}; it needs the columns barcode and epc"
            )
    (barcode_at,), (epc_at,) = places["barcode"], places["epc"]
    made: dict[str, str] = {}
    faults, rows, wrong = Faults(), 0, 0
    for block in table.blocks:
        rows += len(block.fields) + len(block.broken)
        wrong += len(block.broken)
        for n, line, width in block.broken:
            faults.add("fields", partial(table.at, n, line), partial(table.misfit, width))
        for fields, n, line in zip(block.fields, block.number, block.line, strict=True):
            barcode, text = values.tidy(fields[barcode_at]), values.tidy(fields[epc_at])
            if not barcode or not text:
                continue
            epc = values.epc(text)
            if epc is None:
                wrong += 1
                said = f"epc {text[:40]!r} is no hexadecimal of whole bytes"
                faults.add("epc", partial(table.at, n, line), lambda said=said: said)
            elif not wrong:
                made[barcode] = epc
    if wrong:
        first = min((faults.first(kind) for kind in faults.kinds), key=lambda fault: (fault.row, fault.line))
        what = f"{wrong:,} of {rows:,} rows cannot be used, the first: " if wrong > 1 else ""
        raise refused(
            f"{table.source}: {what}{first.where}: {first.said}; mend the table", rows, faults.groups()
        )
    return made, [f"tags: {table.header_note}"] if table.header_note else []


def join_tags(columns: dict[str, list[str]], tags: Mapping[str, str], source: str) -> list[str]:
    """
    Put each copy's EPC into the columns, where its barcode is among the tags; return what is odd, a sentence each.

    A copy that has an EPC already and another one in `tags` gets that of `tags`.
    """
    joined = other = 0
    epcs = columns["epc"]
    for i, barcode in enumerate(columns["barcode"]):
        epc = tags.get(barcode)
        if epc is None:
            continue
        joined += 1
        other += bool(epcs[i]) and epcs[i] != epc
        epcs[i] = epc
    known = set(columns["barcode"])
    notes = [f"tags: {joined:,} of {len(epcs):,} copies have theirs from {source}"]
    strangers = [barcode for barcode in tags if barcode not in known]
    if strangers:
        notes.append(f"tags: {len(strangers):,} barcodes of {source} are no copy's, such as {strangers[0]!r}")
    if other:
        notes.append(f"tags: {other:,} copies had another EPC in the catalogue; that of {source} was taken")
    bare = {barcode.lstrip("0") for barcode in known}
    near = sum(barcode.lstrip("0") in bare for barcode in strangers)
    if near:
        notes.append(f"tags: {near:,} of those would be, but for zeros at their beginning (--barcode-width)")
    return notes
