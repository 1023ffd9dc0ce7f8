"""``nightstack stacks import``: holdings.csv from a file of another system."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.shared import AsJson
from nightstack.errors import InputError
from nightstack.inputs import input_file
from nightstack.outputs import output_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from stacks.difference import Difference
    from stacks.imports import Imported

SHRINK = 0.2
"""An import that takes more than this share of the present copies away needs ``--allow-shrink``."""

MappingFile = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with [columns], [statuses], [schemes], [set], [marc] and keep.", metavar="FILE"
    ),
]
Encoding = Annotated[
    str | None, typer.Option(help="The file's encoding, instead of what it looks like.", metavar="NAME")
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="What stands between fields (`tab` for a tab), instead of what it looks like.",
        metavar="CHARACTER",
    ),
]
Sheet = Annotated[
    str | None, typer.Option(help="The workbook's sheet; default: the first with rows.", metavar="NAME")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="Our column is theirs; several of theirs joined by + (may be given again).",
        metavar="OURS=HEADER",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command to ``nightstack stacks``."""
    app.command("import")(import_)


def import_(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, XLSX, XLS, ODS, MARC or MARCXML.", metavar="FILE")],
    out: Annotated[
        Path,
        typer.Option(
            help="holdings.csv to write; what is there stays beside it as holdings.csv.former.",
            metavar="FILE",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")
    ] = False,
    map_: Columns = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="One value of our column for all copies, such as scheme=lcc (may be given again).",
            metavar="OURS=VALUE",
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="The site's word for a status of ours (may be given again).", metavar="WORD=STATUS"
        ),
    ] = None,
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            help="The site's word for a scheme of ours (may be given again).", metavar="WORD=SCHEME"
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A column of theirs to keep as it is (may be given again).", metavar="HEADER"),
    ] = None,
    mapping: MappingFile = None,
    tags: Annotated[
        Path | None,
        typer.Option(help="Table of barcodes and EPCs, for a catalogue without EPCs.", metavar="FILE"),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="table or marc, instead of what the file looks like.", metavar="KIND"),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Of MARC: the field with the copies, 852, 876, 949, 952 or 905; another with [marc] of --mapping.",
            metavar="FIELD",
        ),
    ] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    barcode_width: Annotated[
        int | None, typer.Option(help="Fill barcodes of digits with zeros to this width.", min=1, max=40)
    ] = None,
    bad_text: Annotated[
        str,
        typer.Option(
            help="Texts once read in a wrong encoding: refuse the file, skip these rows, or keep them."
        ),
    ] = "refuse",
    most_bad: Annotated[
        float, typer.Option(help="Largest share of rows or records that may be left out.", min=0, max=1)
    ] = 0.01,
    allow_shrink: Annotated[
        bool,
        typer.Option("--allow-shrink", help="Write even if over a fifth of the present copies would go."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make holdings.csv from a file of another system; says how it was read, what is odd and what changes."""
    input_file(file, "name the file that your library system exported")
    output_file(out, None)
    if mapping is not None:
        input_file(mapping, "name the mapping file with --mapping")
    if tags is not None:
        input_file(tags, "name the table of barcodes and EPCs with --tags")
    if out.exists() and out.samefile(file):
        raise InputError(f"{out}: is the file to import; name another with --out")
    from stacks.difference import compare, refuse_shrinking, replace_holdings
    from stacks.holdings import read_holdings
    from stacks.imports import Mapped, import_holdings, mapping_of, read_mapping

    words = read_mapping(mapping) if mapping is not None else Mapped()
    words = words.and_then(
        mapping_of(
            columns=map_ or (),
            statuses=status or (),
            schemes=scheme or (),
            constants=set_ or (),
            keep=keep or (),
        )
    )
    with _all_that_is_wrong(as_json), progress("import", quiet=as_json) as tell:
        made = import_holdings(
            file, words, kind=format_, encoding=encoding, delimiter=character(delimiter), sheet=sheet, profile=profile,
            tags=tags, bad_text=bad_text, most_bad=most_bad, barcode_width=barcode_width, tell=tell,
        )  # fmt: skip
        difference = None
        if out.exists():
            tell(0.92, "comparing with the present holdings")
            difference = compare(read_holdings(out), made.holdings)
        if not dry_run:
            if difference is not None and not allow_shrink:
                refuse_shrinking(difference, SHRINK, str(file))
            tell(0.95, "writing")
            former = replace_holdings(out, made.holdings)
        else:
            former = None
    if as_json:
        summary = made.to_json() | {"out": str(out), "written": not dry_run}
        summary["former"] = str(former) if former is not None else None
        summary["difference"] = difference.to_json() if difference is not None else None
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    for line in _lines(made, difference):
        typer.echo(line)
    if dry_run:
        if difference is not None and difference.shrinks > SHRINK:
            typer.echo(
                f"over {SHRINK:.0%} of the present copies would go: without --dry-run this needs --allow-shrink"
            )
        typer.echo("nothing was written (--dry-run)")
    else:
        typer.echo(
            f"{len(made.holdings):,} copies: {out}" + (f" (the former ones: {former})" if former else "")
        )


def character(text: str | None) -> str | None:
    """Return the delimiter that an option named; raises InputError where it is no single character."""
    named = {"tab": "\t", "\\t": "\t"}.get(text or "", text)
    if named is not None and (len(named) != 1 or named in '"\r\n'):
        raise InputError(f"--delimiter: {text!r} is not one character; such as ';' or tab")
    return named


@contextmanager
def _all_that_is_wrong(as_json: bool) -> Generator[None]:
    """Print what is wrong with the rows of a file that is refused for them, before the error's own line."""
    from stacks.imports import RowsError

    try:
        yield
    except RowsError as error:
        if as_json:
            typer.echo(json.dumps(error.to_json(), indent=2, ensure_ascii=False))
        else:
            for line in error.lines():
                typer.echo(line, err=True)
        raise


def _lines(made: Imported, difference: Difference | None) -> list[str]:
    lines = list(made.notes)
    if made.left_out_count:
        lines.append(f"left out: {made.left_out_count:,} of {made.rows:,}")
        lines += [f"  {what}" for what in made.left_out]
        if made.left_out_count > len(made.left_out):
            lines.append(f"  and {made.left_out_count - len(made.left_out):,} more")
    for scheme, found in made.unreadable.items():
        said = f"{scheme}: {found.copies:,} copies"
        if found.empty:
            said += f", {found.empty:,} without a call number"
        if not found.ordered:
            said += "; this scheme has no shelving order here"
        elif found.unreadable:
            shown = ", ".join(map(repr, found.examples[:3]))
            said += f", {found.unreadable:,} call numbers cannot be read, such as {shown}"
        lines.append(said)
    lines += made.holdings.notes[:5]
    if len(made.holdings.notes) > 5:
        twice, tags = len(made.holdings.duplicate_barcodes), len(made.holdings.duplicate_epcs)
        lines.append(f"{twice:,} barcodes and {tags:,} EPCs stand more than once")
    return lines + (difference.lines() if difference is not None else [])
