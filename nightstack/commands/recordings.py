"""Commands that work on a recording folder: ``localize``, ``exceptions``, ``evaluate``, ``replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.errors import InputError
from nightstack.outputs import output_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization.positions import Coverage, Positions
    from recording import Recording
    from stacks.plan import Plan

RecordingFolder = Annotated[Path, typer.Argument(help="A recording folder.", metavar="RECORDING")]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", help="plan.json to use; default: the one in the folder.", metavar="FILE"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(localize)
    app.command()(exceptions)
    app.command()(evaluate)
    app.command()(replay)


def localize(
    recording: RecordingFolder,
    plan: PlanFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where positions.parquet goes: a folder, or a .parquet file. Default: the recording folder.",
            metavar="PATH",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="A calibration file. Nothing saved is read unless named.", metavar="FILE"),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Cores to use; 0: all.", min=0)] = 1,
    as_json: AsJson = False,
) -> None:
    """Work out where each tag of a recording stands; writes positions.parquet and coverage.parquet."""
    from localization.positions import write_coverage, write_positions
    from recording import read_recording

    positions_file = _positions_file(out if out is not None else recording)
    heard = read_recording(recording, truth=False)
    _say_notes(heard.notes, as_json)
    positions, coverage, notes = _localize(heard, _plan_of(heard, plan), calibration, jobs, quiet=as_json)
    _say_notes(notes, as_json)
    positions_file.parent.mkdir(parents=True, exist_ok=True)
    write_positions(positions_file, positions)
    write_coverage(positions_file.with_name("coverage.parquet"), coverage)
    placed = int(positions.placed.sum())
    if as_json:
        summary = {
            "positions": str(positions_file),
            "coverage": str(positions_file.with_name("coverage.parquet")),
            "tags": len(positions),
            "placed": placed,
            "readings": len(heard.readings),
            "notes": [*heard.notes, *notes],
        }
        typer.echo(json.dumps(summary, indent=2))
    else:
        typer.echo(f"{len(positions)} tags heard, {placed} placed: {positions_file}")


def exceptions(
    recording: RecordingFolder,
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
    from recording import read_recording
    from reports import find_exceptions, write_exceptions
    from stacks.holdings import read_holdings

    heard = read_recording(recording, truth=False)
    target = output_file(out if out is not None else recording / "exceptions.csv")
    _say_notes(heard.notes, as_json)
    the_plan = _plan_of(heard, plan)
    if the_plan is None:
        raise InputError(f"{recording}: no plan.json in the folder; name one with --plan FILE")
    catalogue = holdings if holdings is not None else heard.holdings_path
    if catalogue is None:
        raise InputError(f"{recording}: no holdings.csv in the folder; name one with --holdings FILE")
    books = read_holdings(catalogue)
    _say_notes(books.notes, as_json)
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
    typer.echo(f"{len(findings)} findings: {target}")


def evaluate(
    positions: Annotated[
        Path, typer.Argument(help="positions.parquet, or a folder that has one.", metavar="POSITIONS")
    ],
    truth: Annotated[Path, typer.Argument(help="truth.parquet, or a folder that has one.", metavar="TRUTH")],
    plan: PlanFile = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="EPC to leave out (may be given again).", metavar="EPC")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare positions with the truth: errors, order, shelves, honesty of the error bars."""
    from localization.evaluate import evaluate as measure
    from localization.positions import read_positions
    from recording import read_truth
    from stacks.plan import read_plan

    truth_file = truth / "truth.parquet" if truth.is_dir() else truth
    if plan is None and truth_file.with_name("plan.json").exists():
        plan = truth_file.with_name("plan.json")
    result = measure(
        read_positions(positions / "positions.parquet" if positions.is_dir() else positions),
        read_truth(truth_file),
        read_plan(plan) if plan is not None else None,
        exclude=tuple(_epc(text) for text in exclude or ()),
    )
    typer.echo(json.dumps(result.to_json(), indent=2) if as_json else result.table())


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
    from nightstack.replay import replay_recording
    from recording import read_recording

    heard = read_recording(recording, truth=False)
    _say_notes(heard.notes, as_json)
    with progress("replay", quiet=as_json) as tell:
        outcome = replay_recording(heard, broker, speed=speed, timeout_s=timeout_s, progress=tell)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2))
    else:
        typer.echo(
            f"run {outcome.run_id}: {outcome.readings} readings and {outcome.poses} poses "
            f"in {outcome.batches} batches, all confirmed by the ingest"
        )


def _localize(
    heard: Recording, plan: Plan | None, calibration: Path | None, jobs: int, *, quiet: bool
) -> tuple[Positions, Coverage, tuple[str, ...]]:
    import os

    from localization import localize as work_out
    from localization import read_calibration

    settings = read_calibration(calibration) if calibration is not None else None
    with progress("localize", quiet=quiet) as tell:
        result = work_out(heard, plan, calibration=settings, jobs=jobs or os.cpu_count() or 1, progress=tell)
    return result.positions, result.coverage, tuple(result.notes)


def _positions_of(
    heard: Recording, plan: Plan, folder: Path, positions: Path | None, *, quiet: bool
) -> tuple[Positions, Coverage | None]:
    from localization.positions import read_coverage, read_positions

    file = positions if positions is not None else folder / "positions.parquet"
    if positions is None and not file.exists():
        found, coverage, _ = _localize(heard, plan, None, 1, quiet=quiet)
        return found, coverage
    if not file.is_file():
        raise InputError(f"{file}: no such file; `nightstack localize {folder}` makes it")
    coverage_file = file.with_name("coverage.parquet")
    if not coverage_file.exists():
        _say_notes((f"{coverage_file} is not there, so no book is called missing",), quiet)
        return read_positions(file), None
    return read_positions(file), read_coverage(coverage_file)


def _plan_of(heard: Recording, plan: Path | None) -> Plan | None:
    from stacks.plan import read_plan

    file = plan if plan is not None else heard.plan_path
    return read_plan(file) if file is not None else None


def _epc(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        text = ""
    if not text:
        raise InputError("--exclude: an EPC is hexadecimal of whole bytes, such as 3085E4A63B21779900000018")
    return text.upper()


def _positions_file(out: Path) -> Path:
    file = out if out.suffix == ".parquet" else out / "positions.parquet"
    return output_file(file)


def _say_notes(notes: tuple[str, ...] | list[str], as_json: bool) -> None:
    if not as_json:
        for note in notes:
            typer.echo(f"note: {note}", err=True)
