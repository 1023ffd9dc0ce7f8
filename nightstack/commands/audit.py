"""``nightstack audit``: a hand scan of some shelves against what a run said."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightstack.commands.shared import AsJson, PlanFile, plan_of, say_notes, time_of
from nightstack.errors import InputError
from nightstack.inputs import holdings_file, input_file, plan_file, recording_or_combined
from nightstack.outputs import output_file

if TYPE_CHECKING:
    from nightstack.combined import Opened
    from reports.audit import Audit
    from reports.audit_choice import Chosen
    from reports.findings import Finding
    from reports.intervals import Share
    from stacks.holdings import Holdings
    from stacks.plan import Plan


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(audit)


def audit(
    run: Annotated[
        Path,
        typer.Option(
            help="The run: a recording folder with plan, holdings and positions, or one that `combine` wrote.",
            metavar="RECORDING",
        ),
    ],
    scan: Annotated[
        Path | None,
        typer.Argument(
            help="What staff scanned: a line `shelf:ID`, then a barcode a line from left to right; or a table with the "
            "columns shelf and barcode.",
            metavar="[FILE]",
        ),
    ] = None,
    choose: Annotated[
        bool,
        typer.Option(
            "--choose",
            help="Choose shelves at random and print the list to scan by, instead of reading a scan.",
        ),
    ] = False,
    shelves: Annotated[int, typer.Option(help="How many shelves to choose.", min=1, max=1000)] = 10,
    seed: Annotated[int, typer.Option(help="The same seed chooses the same shelves.", min=0)] = 1,
    plan: PlanFile = None,
    holdings: Annotated[
        Path | None, typer.Option(help="holdings.csv; default: the one in the run's folder.", metavar="FILE")
    ] = None,
    positions: Annotated[
        Path | None,
        typer.Option(help="positions.parquet; default: the one in the run's folder.", metavar="FILE"),
    ] = None,
    exceptions: Annotated[
        Path | None,
        typer.Option(
            help="exceptions.csv; default: the one in the run's folder, else they are found now.",
            metavar="FILE",
        ),
    ] = None,
    scanned_at: Annotated[
        str,
        typer.Option(
            "--at",
            help="When staff scanned, such as 2026-03-02, 2026-03-02T08:30 or 2026-03-02T08:30+01:00; without a zone "
            "in this machine's own. Default: the file's own time.",
            metavar="TIME",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the scan is kept as surveyed truth (default: surveyed-DATE.parquet in the run's folder); with "
            "--choose where the list goes (default: printed).",
            metavar="FILE",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold a run against a hand scan of some shelves: read rate, shelves, order, false alarms, with intervals."""
    if choose == (scan is not None):
        raise InputError(
            "name the FILE staff scanned, or choose shelves to scan with --choose; one of the two"
        )
    recording_or_combined(run)
    plan = plan_file(plan)
    holdings_file(holdings)
    if scan is not None:
        input_file(
            scan, "name what the barcode reader wrote; `nightstack audit --choose` prints what to scan"
        )
    if positions is not None:
        input_file(positions, f"`nightstack localize {run}` makes it")
    if exceptions is not None:
        input_file(exceptions, f"`nightstack exceptions {run}` makes it")
    if out is not None:
        output_file(out, None if choose else "surveyed")
    when = _time_of(scanned_at, scan)
    # What costs a second to import comes after everything that can be wrong with the arguments.
    from nightstack.combined import open_run
    from stacks.holdings import read_holdings

    heard = open_run(run)
    the_plan = plan_of(heard, plan)
    if the_plan is None:
        raise InputError(f"{run}: no plan.json in the folder; name one with --plan FILE")
    catalogue = holdings if holdings is not None else heard.holdings_path
    if catalogue is None:
        raise InputError(f"{run}: no holdings.csv in the folder; name one with --holdings FILE")
    books = read_holdings(catalogue)
    if scan is None:
        _choose(the_plan, books, shelves, seed, run, out, as_json=as_json)
    else:
        _check(scan, run, heard, the_plan, books, positions, exceptions, when, out, as_json=as_json)


def _choose(
    plan: Plan, books: Holdings, shelves: int, seed: int, run: Path, out: Path | None, *, as_json: bool
) -> None:
    from recording.words import counted
    from reports.audit_choice import choose_shelves

    chosen = choose_shelves(plan, books, shelves, seed)
    if len(chosen) < shelves:
        held = counted(len(chosen), "shelf", "shelves")
        say_notes([f"only {held} of the plan should hold a book: all are on the list"], as_json)
    text = (
        json.dumps({"seed": seed, "shelves": [asdict(c) for c in chosen]}, indent=2)
        if as_json
        else _sheet(chosen, seed, run)
    )
    if out is None:
        typer.echo(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"list: {out}")


def _sheet(chosen: list[Chosen], seed: int, run: Path) -> str:
    from recording.words import counted

    lines = [
        f"# Audit of {run.name}: {counted(len(chosen), 'shelf', 'shelves')} chosen at random (seed {seed}), "
        "every shelf that should hold",
        "# books with the same chance. Below each line `shelf:ID` scan its books from left to right, every one that",
        "# stands there; put nothing right before it is scanned. A shelf without books gets a line `empty`.",
        "# Then: nightstack audit THIS_FILE --run RECORDING",
    ]
    for c in chosen:
        lines += [
            "",
            f"# {c.shelf_id}: {counted(c.books, 'book')} due, {c.first} to {c.last}",
            f"shelf:{c.shelf_id}",
        ]
    return "\n".join(lines)


def _check(
    scan: Path,
    run: Path,
    heard: Opened,
    plan: Plan,
    books: Holdings,
    positions: Path | None,
    exceptions: Path | None,
    when: datetime,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from localization.positions import read_positions
    from recording.surveyed import write_surveyed
    from reports.audit import audit as hold
    from reports.audit_scan import AuditError, read_scan
    from reports.audit_text import S

    file = positions if positions is not None else run / "positions.parquet"
    input_file(file, f"`nightstack localize {run}` makes it")
    target = output_file(
        out if out is not None else _unused(run / f"surveyed-{when:%Y-%m-%d}.parquet"), "surveyed"
    )
    by_hand = read_scan(scan, plan, books)
    places = read_positions(file)
    try:
        result = hold(by_hand, places, _exceptions_of(run, exceptions, file, plan, books), plan, books)
    except AuditError as error:
        raise InputError(f"{scan}: {error}") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    write_surveyed(target, result.surveyed, when.isoformat())
    notes = list(result.notes)
    hours = (when - heard.info.started_at).total_seconds() / 3600
    if hours > 24:
        notes.append(S.moved_since(round(hours / 24)))
    if as_json:
        typer.echo(json.dumps(_json(result, notes, target), indent=2))
        return
    say_notes(notes, as_json)
    typer.echo(_table(result))
    typer.echo(f"surveyed: {target}")


def _unused(file: Path) -> Path:
    """Return a name that no earlier scan of that day has."""
    n, free = 1, file
    while free.exists():
        n += 1
        free = file.with_stem(f"{file.stem}-{n}")
    return free


def _exceptions_of(
    run: Path, exceptions: Path | None, positions: Path, plan: Plan, books: Holdings
) -> list[Finding]:
    from localization.positions import read_coverage, read_positions
    from reports import find_exceptions
    from reports.exceptions_csv import read_exceptions

    file = exceptions if exceptions is not None else run / "exceptions.csv"
    if file.is_file():
        return read_exceptions(file)
    coverage = positions.with_name("coverage.parquet")
    return find_exceptions(
        read_positions(positions), read_coverage(coverage) if coverage.exists() else None, plan, books
    )


def _time_of(text: str, scan: Path | None) -> datetime:
    if text:
        return time_of(text)
    return datetime.fromtimestamp(scan.stat().st_mtime, UTC) if scan is not None else datetime.now(UTC)


def _share_line(name: str, s: Share) -> str:
    if not s.of:
        return f"  {name:34} {'nothing to count':>16}"
    return (
        f"  {name:34} {f'{s.right}/{s.of}':>9}  {100 * s.value:5.1f} %   {100 * s.low:5.1f} to {100 * s.high:5.1f} %"
        f"   {s.effect:4.1f}   {100 * s.drawn_low:5.1f} to {100 * s.drawn_high:5.1f} %"
    )


def _table(result: Audit) -> str:
    from recording.words import counted

    head = (
        f"  {'':34} {'counted':>9}  {'share':>7}   {'95 % interval':>16}   {'d.e.':>4}   shelves drawn again"
    )
    lines = [f"audit of {counted(len(result.shelves), 'shelf', 'shelves')}", head]
    lines += [_share_line(name, s) for name, s in result.shares.items()]
    lines += [
        "findings about these shelves that are true",
        *(_share_line(n, s) for n, s in result.alarms.items()),
    ]
    lines += ["troubles by hand that were found", *(_share_line(n, s) for n, s in result.caught.items())]
    if result.books:
        lines.append("books to look at")
        lines += [
            f"  {b.shelf_id:14} {b.barcode:16} {b.call_number:28.28} {b.what}{': ' + b.detail if b.detail else ''}"
            for b in result.books[:60]
        ]
        if len(result.books) > 60:
            lines.append(f"  and {len(result.books) - 60} more (--json has them all)")
    return "\n".join(lines)


def _json(result: Audit, notes: list[str], target: Path) -> dict[str, Any]:
    def plain(shares: dict[str, Share]) -> dict[str, Any]:
        return {
            name: {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(s).items()}
            for name, s in shares.items()
        }

    return {
        "shares": plain(result.shares),
        "findings_true": plain(result.alarms),
        "troubles_found": plain(result.caught),
        "shelves": result.shelves,
        "books": [asdict(b) for b in result.books],
        "notes": [str(n) for n in notes],
        "surveyed": str(target),
    }
