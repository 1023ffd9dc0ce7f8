"""Which tag is in which copy, from a table beside the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stacks.errors import HoldingsError
from stacks.imports import values
from stacks.imports.mapping import Mapped, resolve
from stacks.imports.names import HOLDINGS_HEADERS
from stacks.imports.table import open_table


def read_tags(path: str | Path) -> dict[str, str]:
    """
    Read a table of barcodes and EPCs, CSV or a workbook.

    Returns
    -------
    dict of str to str
        Barcode to EPC, upper-case hexadecimal. Of a barcode that stands twice the last counts.

    Raises
    ------
    HoldingsError
        Naming the file, the row and what is wrong.
    """
    table = open_table(path)
    known = {name: ours for name, ours in HOLDINGS_HEADERS.items() if ours in ("barcode", "epc")}
    places, _ = resolve(table.header, Mapped(), known, table.source)
    for name in ("barcode", "epc"):
        if name not in places:
            raise HoldingsError(
                f"{table.source}: no column looks like {name}; it needs the columns barcode and epc"
            )
    (barcode_at,), (epc_at,) = places["barcode"], places["epc"]
    made: dict[str, str] = {}
    for block in table.blocks:
        for n, line, fields in block.broken:
            raise HoldingsError(f"{table.source}: row {n} (line {line}): {table.misfit(fields)}")
        for fields, n, line in zip(block.fields, block.number, block.line, strict=True):
            barcode, text = values.tidy(fields[barcode_at]), values.tidy(fields[epc_at])
            if not barcode or not text:
                continue
            epc = values.epc(text)
            if epc is None:
                raise HoldingsError(
                    f"{table.source}: row {n} (line {line}): epc {text[:40]!r} is no hexadecimal of whole bytes"
                )
            made[barcode] = epc
    return made


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
