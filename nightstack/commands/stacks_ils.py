"""``nightstack stacks sync|status|journal``: what a library's own system says, and what was written back to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightstack.commands.shared import AsJson
from nightstack.errors import InputError
from nightstack.inputs import input_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from stacks.ils.items import IlsItem
    from stacks.ils.journal import JournalEntry
    from stacks.ils.sync import SyncReport

SettingsFile = Annotated[
    Path,
    typer.Option("--settings", help="ils.toml, or serve.toml with a table [site.NAME.ils].", metavar="FILE"),
]
Site = Annotated[
    str | None,
    typer.Option("--site", help="Which site of serve.toml; needed if it has several.", metavar="NAME"),
]


def add_to(group: typer.Typer) -> None:
    """Add these commands to ``nightstack stacks``."""
    group.command("sync")(sync)
    group.command("status")(status)
    group.command("journal")(journal)


def sync(
    holdings: Annotated[
        Path,
        typer.Argument(help="holdings.csv to bring up to date; made if it is not there.", metavar="HOLDINGS"),
    ],
    settings: SettingsFile = Path("ils.toml"),
    site: Site = None,
    full: Annotated[bool, typer.Option("--full", help="Pull everything, not only what changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that stays as the file has it, such as home_location (may be given again).",
            metavar="COLUMN",
        ),
    ] = None,
    allow_loss: Annotated[
        float,
        typer.Option(
            help="Percent of the copies that a full pull may lose.", min=0, max=100, metavar="PERCENT"
        ),
    ] = 5.0,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Where the time of the last pull is kept. [default: beside HOLDINGS]", metavar="FILE"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the holdings up to what the library's system says: everything, or what changed since the last time.

    EPCs and columns that only the file has are kept. Nothing is written back to the library's system.
    """
    from stacks.holdings import COLUMNS
    from stacks.ils.sync import sync as run

    wrong = next((name for name in keep or () if name not in COLUMNS), None)
    if wrong is not None:
        raise InputError(f"--keep: {wrong} is no column of holdings; there are {', '.join(COLUMNS)}")
    if holdings.is_dir():
        holdings = holdings / "holdings.csv"
    input_file(settings, "docs/ils.md shows one")
    with _opened(settings, site) as ils, progress("sync", quiet=as_json) as tell:
        made = run(
            ils,
            holdings,
            state=state,
            full=full,
            dry_run=dry_run,
            keep=keep or (),
            most_loss=allow_loss / 100.0,
            progress=lambda n: tell(0.0, f"{n} items"),
        )
    if as_json:
        from dataclasses import asdict

        shown = {**asdict(made), "difference": made.difference.to_json()}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _say_sync(made, holdings, dry_run)


def status(
    barcodes: Annotated[list[str], typer.Argument(help="Barcodes to ask about.", metavar="BARCODE...")],
    settings: SettingsFile = Path("ils.toml"),
    site: Site = None,
    as_json: AsJson = False,
) -> None:
    """Ask the library's system where single items are now."""
    input_file(settings, "docs/ils.md shows one")
    with _opened(settings, site) as ils:
        found = [(barcode, ils.item(barcode)) for barcode in barcodes]
    if as_json:
        typer.echo(
            json.dumps([_shown(barcode, item) for barcode, item in found], ensure_ascii=False, indent=2)
        )
        return
    for barcode, item in found:
        if item is None:
            typer.echo(f"{barcode}  unknown to the library's system")
            continue
        raw = f" ({item.raw_status})" if item.raw_status else ""
        waiting = f", {item.requests} waiting" if item.requests else ""
        typer.echo(f"{barcode}  {item.status}{raw}{waiting}  {item.call_number}  {item.title}".rstrip())


def journal(
    settings: SettingsFile = Path("ils.toml"),
    site: Site = None,
    outcome: Annotated[
        str | None,
        typer.Option(help="Only writes of this outcome: done, failed or unknown.", metavar="OUTCOME"),
    ] = None,
    settle: Annotated[
        int | None, typer.Option(help="Write of unknown outcome that you have looked up.", metavar="ID")
    ] = None,
    settled_as: Annotated[
        str | None, typer.Option("--as", help="What you found: done or failed.", metavar="OUTCOME")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what was written back to the library's system, or settle a write whose outcome was unknown."""
    from stacks.ils import Journal
    from stacks.ils.journal import OUTCOMES
    from stacks.ils.settings_file import read_ils_settings

    input_file(settings, "docs/ils.md shows one")
    if outcome is not None and outcome not in OUTCOMES:
        raise InputError(f"--outcome: {outcome} is none of {', '.join(OUTCOMES)}")
    if (settle is None) != (settled_as is None) or settled_as not in (None, "done", "failed"):
        raise InputError("--settle ID and --as done (or --as failed) go together")
    book = Journal(read_ils_settings(settings, site)["journal"])
    typer.echo(
        f"journal: {book.path.absolute()}{'' if book.path.exists() else ' (nothing was ever written back)'}",
        err=True,
    )
    if settle is not None and settled_as is not None:
        entry = next((e for e in book.entries() if e.id == settle), None)
        if entry is None or entry.outcome != "unknown":
            what = "there is no such write" if entry is None else f"its outcome is known ({entry.outcome})"
            raise InputError(f"--settle: {settle}: {what}; list the unknown ones with --outcome unknown")
        book.end(settle, settled_as, "settled by hand")
    entries = book.entries(outcome=outcome)
    if as_json:
        typer.echo(json.dumps([_entry(e) for e in entries], ensure_ascii=False, indent=2))
        return
    for e in entries:
        typer.echo(
            f"{e.id:>6}  {e.at:%Y-%m-%d %H:%M:%S}  {e.kind:5}  {e.what:14}  {e.barcode:16}  {e.outcome:7}  "
            f"{e.value}  {e.detail}".rstrip()
        )
    if not entries:
        typer.echo("nothing was written back")


def _opened(settings: Path, site: str | None) -> Any:
    from stacks.ils import open_ils
    from stacks.ils.settings_file import read_ils_settings

    return open_ils(read_ils_settings(settings, site))


def _say_sync(made: SyncReport, holdings: Path, dry_run: bool) -> None:
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    how = "everything" if made.full else "changes"
    typer.echo(f"{how}: {made.pulled} items told; {made.kept_epcs} EPCs kept")
    for line in made.difference.lines():
        typer.echo(line)
    if dry_run:
        typer.echo(f"dry run: {holdings} would have {made.rows} copies")
    else:
        typer.echo(f"{'written' if made.written else 'as it was'}: {holdings} ({made.rows} copies)")


def _shown(barcode: str, item: IlsItem | None) -> dict[str, Any]:
    if item is None:
        return {"barcode": barcode, "known": False}
    from dataclasses import asdict

    made = asdict(item)
    for name in ("last_activity", "updated_at"):
        made[name] = made[name].isoformat() if made[name] is not None else None
    return {"known": True, **made}


def _entry(entry: JournalEntry) -> dict[str, Any]:
    from dataclasses import asdict

    settled = entry.settled_at.isoformat() if entry.settled_at is not None else None
    return {**asdict(entry), "at": entry.at.isoformat(), "settled_at": settled}
