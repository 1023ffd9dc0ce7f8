"""Commands that work on a recording folder: ``localize``, ``exceptions``, ``replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.evaluation import evaluate
from nightstack.commands.shared import (
    AsJson,
    PlanFile,
    ShownShelves,
    ShownTags,
    calibration_of,
    epc_of,
    say_notes,
)
from nightstack.errors import InputError
from nightstack.outputs import output_file, output_folder
from nightstack.progress import progress
from nightstack.provenance import check_same_run

if TYPE_CHECKING:
    from localization import Localizer
    from localization.evaluation import Evaluation
    from localization.positions import Coverage, Positions
    from nightstack.combined import Opened
    from recording import Recording, RecordingStream, Truth
    from stacks.plan import Plan

RecordingFolder = Annotated[Path, typer.Argument(help="A recording folder.", metavar="RECORDING")]


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
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Place each tag by itself, many times as fast: no neighbours, no joint fit. Needs a plan.",
        ),
    ] = False,
    joint: Annotated[
        bool,
        typer.Option(
            "--joint",
            help="With --fast: then fit each shelf's tags and metal together, a tenth as fast as --fast alone.",
        ),
    ] = False,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot",
            help="Draw the run, some shelves and tags: index.html and SVG files in `looking` beside the positions.",
        ),
    ] = False,
    plot_out: Annotated[
        Path | None, typer.Option(help="Draw into this folder instead; implies --plot.", metavar="DIR")
    ] = None,
    tag: ShownTags = None,
    shelf: ShownShelves = None,
    as_json: AsJson = False,
) -> None:
    """Work out where each tag of a recording stands; writes positions.parquet and coverage.parquet."""
    from localization.positions import write_coverage, write_positions
    from nightstack import looking
    from recording import read_recording

    positions_file = _positions_file(out if out is not None else recording)
    folder = plot_out if plot_out is not None else positions_file.parent / "looking" if plot else None
    if folder is not None:
        output_folder(folder, "--plot-out")
    elif tag or shelf:
        raise InputError("--tag and --shelf choose pictures: add --plot")
    streamed = None if folder is not None else _too_long(recording)
    heard = read_recording(recording, truth=False) if streamed is None else streamed.recording
    the_plan = _plan_of(heard, plan)
    if fast and the_plan is None:
        raise InputError("--fast needs a plan: name one with --plan, or leave --fast out")
    if joint and not fast:
        raise InputError(
            "--joint goes with --fast: add it, or leave it out: then shelves are fitted jointly anyway"
        )
    shown = [epc_of(text, "--tag") for text in tag or ()]
    looking.check(shown, shelf or (), heard.readings.tags, the_plan)
    truth = looking.truth_beside(recording) if folder is not None else None
    labels = looking.labels_of(heard) if folder is not None else {}
    say_notes(heard.notes, as_json)
    fitted = None
    if streamed is not None:
        fitted = _localize_long(streamed, the_plan, calibration, jobs, fast=fast, joint=joint, quiet=as_json)
        say_notes(streamed.notes, as_json)
    if fitted is None:
        heard = heard if streamed is None else read_recording(recording, truth=False)
        fitted = _localize(heard, the_plan, calibration, jobs, fast=fast, joint=joint, quiet=as_json)
    positions, notes = fitted.localization_.positions, fitted.localization_.notes
    say_notes(notes, as_json)
    positions_file.parent.mkdir(parents=True, exist_ok=True)
    write_positions(positions_file, positions)
    write_coverage(positions_file.with_name("coverage.parquet"), fitted.localization_.coverage)
    page = None
    if folder is not None:
        album = looking.draw(
            f"Run {heard.info.run_id}",
            positions,
            plan=the_plan,
            coverage=fitted.localization_.coverage,
            evaluation=_judged(positions, truth, the_plan),
            truth=truth,
            recording=heard,
            calibration=fitted.calibration,
            registration=fitted.registration_,
            pinned=fitted.pinned_,
            labels=labels,
            notes=(*heard.notes, *notes),
            tags=shown,
            shelves=shelf or (),
            quiet=as_json,
        )
        page = album.write(folder)[0]
    placed = int(positions.placed.sum())
    if as_json:
        summary = {
            "positions": str(positions_file),
            "coverage": str(positions_file.with_name("coverage.parquet")),
            **({"page": str(page)} if page is not None else {}),
            "tags": len(positions),
            "placed": placed,
            "readings": int(positions.readings.sum()) if streamed is not None else len(heard.readings),
            "notes": [*heard.notes, *notes],
        }
        typer.echo(json.dumps(summary, indent=2))
    else:
        typer.echo(f"{len(positions)} tags heard, {placed} placed: {positions_file}")
        if page is not None:
            typer.echo(f"pictures: {page}")


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
    from nightstack.combined import open_run
    from reports import find_exceptions, write_exceptions
    from stacks.holdings import read_holdings

    heard = open_run(recording)
    target = output_file(out if out is not None else recording / "exceptions.csv")
    say_notes(heard.notes, as_json)
    the_plan = _plan_of(heard, plan)
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
    typer.echo(f"{len(findings)} findings: {target}")


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
    say_notes(heard.notes, as_json)
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
    heard: Recording,
    plan: Plan | None,
    calibration: Path | None,
    jobs: int,
    *,
    fast: bool = False,
    joint: bool = False,
    quiet: bool,
) -> Localizer:
    import os

    from localization import Localizer

    settings = calibration_of(calibration)
    with progress("localize", quiet=quiet) as tell:
        estimator = Localizer(
            plan, calibration=settings, jobs=jobs or os.cpu_count() or 1, fast=fast, joint=joint
        )
        return estimator.fit(heard, progress=tell)


def _too_long(recording: Path) -> RecordingStream | None:
    """Return a stream of a recording too long to be held in memory; None where it is not."""
    from localization.estimator import LONG_ROWS
    from recording import RecordingStream

    return RecordingStream(recording) if RecordingStream.rows_of(recording) > LONG_ROWS else None


def _localize_long(
    stream: RecordingStream,
    plan: Plan | None,
    calibration: Path | None,
    jobs: int,
    *,
    fast: bool,
    joint: bool,
    quiet: bool,
) -> Localizer | None:
    """Localize a long recording piece by piece; None where it must be read whole after all, which is said."""
    import os

    from localization import Localizer
    from recording import StreamError

    settings = calibration_of(calibration)
    try:
        with progress("localize", quiet=quiet) as tell:
            estimator = Localizer(
                plan, calibration=settings, jobs=jobs or os.cpu_count() or 1, fast=fast, joint=joint
            )
            return estimator.fit_stream(stream, progress=tell)
    except StreamError as e:
        say_notes((str(e),), quiet)
        return None


def _positions_of(
    heard: Opened, plan: Plan, folder: Path, positions: Path | None, *, quiet: bool
) -> tuple[Positions, Coverage | None]:
    from localization.positions import read_coverage, read_positions

    file = positions if positions is not None else folder / "positions.parquet"
    if positions is None and not file.exists() and heard.recording is not None:
        found = _localize(heard.recording, plan, None, 1, quiet=quiet).localization_
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


def _plan_of(heard: Recording | Opened, plan: Path | None) -> Plan | None:
    from stacks.plan import read_plan

    file = plan if plan is not None else heard.plan_path
    return read_plan(file) if file is not None else None


def _judged(positions: Positions, truth: Truth | None, plan: Plan | None) -> Evaluation | None:
    """Hold positions against a truth that may have nothing to say of them."""
    from localization.evaluate import EvaluationError
    from localization.evaluate import evaluate as measure

    try:
        return measure(positions, truth, plan) if truth is not None else None
    except EvaluationError:
        return None


def _positions_file(out: Path) -> Path:
    file = out if out.suffix == ".parquet" else out / "positions.parquet"
    return output_file(file)
