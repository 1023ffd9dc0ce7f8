"""Commands that work on a recording folder: ``localize``, ``exceptions``, ``evaluate``, ``replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.evaluation import evaluate
from nightstack.commands.localize import localize
from nightstack.commands.shared import AsJson, PlanFile, RecordingFolder, plan_of, say_notes
from nightstack.errors import InputError
from nightstack.inputs import holdings_file, input_file, plan_file, recording_folder, recording_or_combined
from nightstack.outputs import output_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization.positions import Coverage, Positions
    from nightstack.combined import Opened
    from stacks.plan import Plan


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(localize)
    app.command()(exceptions)
    app.command()(evaluate)
    app.command()(replay)


def exceptions(
    recording: Annotated[
        Path, typer.Argument(help="A recording folder, or one that `combine` wrote.", metavar="RECORDING")
    ],
    positions: Annotated[
        Path | None,
        typer.Option(
            help="positions.parquet; default: the one in the folder, else it is worked out now.",
            metavar="FILE",
        ),
    ] = None,
    plan: PlanFile = None,
    holdings: Annotated[
        Path | None, typer.Option(help="holdings.csv; default: the one in the folder.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Default: exceptions.csv in the recording folder.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what is misshelved, missing or not scanned; writes exceptions.csv."""
    recording_or_combined(recording)
    plan = plan_file(plan)
    holdings_file(holdings)
    if positions is not None:
        input_file(positions, f"`nightstack localize {recording}` makes it")
    target = output_file(out if out is not None else recording / "exceptions.csv", "exceptions")
    # What costs a second to import comes after everything that can be wrong with the paths.
    from nightstack.combined import open_run
    from recording.words import counted
    from reports import find_exceptions, write_exceptions
    from stacks.holdings import read_holdings

    heard = open_run(recording)
    say_notes(heard.notes, as_json)
    the_plan = plan_of(heard, plan)
    if the_plan is None:
        raise InputError(f"{recording}: no plan.json in the folder; name one with --plan FILE")
    catalogue = holdings if holdings is not None else heard.holdings_path
    if catalogue is None:
        raise InputError(f"{recording}: no holdings.csv in the folder; name one with --holdings FILE")
    books = read_holdings(catalogue)
    say_notes(books.notes, as_json)
    places, coverage = _positions_of(heard, the_plan, recording, positions, quiet=as_json)
    findings = find_exceptions(places, coverage, the_plan, books)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_exceptions(target, findings)
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + 1
    if as_json:
        typer.echo(json.dumps({"exceptions": str(target), "counts": counts}, indent=2))
        return
    for kind in sorted(counts):
        typer.echo(f"{kind:18} {counts[kind]}")
    typer.echo(f"{counted(len(findings), 'finding')}: {target}")


def replay(
    recording: RecordingFolder,
    broker: Annotated[
        str, typer.Option(help="The broker to play into.", metavar="URL")
    ] = "mqtt://127.0.0.1:1883",
    speed: Annotated[
        float,
        typer.Option(help="1: as fast as it was scanned; 10: ten times; 0: as fast as it goes.", min=0.0),
    ] = 0.0,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for the ingest to confirm more.", min=1.0)
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Play a recording into a broker as a robot would, until the ingest has confirmed every batch."""
    recording_folder(recording)
    from nightstack.replay import replay_recording
    from recording import read_recording
    from recording.words import counted

    heard = read_recording(recording, truth=False)
    say_notes(heard.notes, as_json)
    with progress("replay", quiet=as_json) as tell:
        outcome = replay_recording(heard, broker, speed=speed, timeout_s=timeout_s, progress=tell)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2))
    else:
        typer.echo(
            f"run {outcome.run_id}: {counted(outcome.readings, 'reading')} and {counted(outcome.poses, 'pose')} "
            f"in {counted(outcome.batches, 'batch', 'batches')}, all confirmed by the ingest"
        )


def _positions_of(
    heard: Opened, plan: Plan, folder: Path, positions: Path | None, *, quiet: bool
) -> tuple[Positions, Coverage | None]:
    from localization import localize as place_all
    from localization.positions import read_coverage, read_positions
    from nightstack.provenance import check_same_run

    file = positions if positions is not None else folder / "positions.parquet"
    if positions is None and not file.exists() and heard.recording is not None:
        with progress("localize", quiet=quiet, computing=True) as tell:
            found = place_all(heard.recording, plan, progress=tell)
        return found.positions, found.coverage
    if not file.is_file():
        raise InputError(f"{file}: no such file; `nightstack localize {folder}` makes it")
    places = read_positions(file)
    if heard.recording is not None:
        check_same_run(places, heard.recording, file)
    coverage_file = file.with_name("coverage.parquet")
    if not coverage_file.exists():
        say_notes((f"{coverage_file} is not there, so no book is called missing",), quiet)
        return places, None
    return places, read_coverage(coverage_file)
