"""``nightstack localize``: where each tag of a recording stands, in figures and in pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.shared import (
    AsJson,
    Jobs,
    PlanFile,
    RecordingFolder,
    ShownShelves,
    ShownTags,
    calibration_of,
    cores,
    epc_of,
    plan_of,
    say_notes,
)
from nightstack.errors import InputError
from nightstack.inputs import calibration_file, plan_file, recording_folder
from nightstack.outputs import is_coverage, output_file, output_folder
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization import Localizer
    from localization.evaluation import Evaluation
    from localization.positions import Positions
    from recording import RecordingStream, Truth
    from stacks.plan import Plan


def localize(
    recording: RecordingFolder,
    plan: PlanFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where positions.parquet goes: a folder, or a .parquet file; coverage.parquet goes beside it. "
            "Default: the recording folder.",
            metavar="PATH",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="A calibration file. Nothing saved is read unless named.", metavar="FILE"),
    ] = None,
    jobs: Jobs = 1,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Place each tag by itself, many times as fast, for a first look: no neighbours, no joint fit, no "
            "cross-checks (what is wrong with the clock or the map is not noticed), oddities or labels. Needs a plan.",
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
    recording_folder(recording)
    plan = plan_file(plan)
    calibration_file(calibration)
    if joint and not fast:
        raise InputError(
            "--joint goes with --fast: add it, or leave it out: then shelves are fitted jointly anyway"
        )
    positions_file = _positions_file(out if out is not None else recording)
    folder = plot_out if plot_out is not None else positions_file.parent / "looking" if plot else None
    if folder is not None:
        output_folder(folder, "--plot-out")
    elif tag or shelf:
        raise InputError("--tag and --shelf choose pictures: add --plot")
    shown = [epc_of(text, "--tag") for text in tag or ()]
    # What costs a second and more to import comes after everything that can be wrong with the arguments.
    from localization import Localizer
    from localization.positions import write_coverage, write_positions
    from nightstack import looking
    from recording import read_recording
    from recording.words import counted

    streamed = None if folder is not None else _too_long(recording)
    heard = read_recording(recording, truth=False) if streamed is None else streamed.recording
    the_plan = plan_of(heard, plan)
    if fast and the_plan is None:
        raise InputError("--fast needs a plan: name one with --plan, or leave --fast out")
    looking.check(shown, shelf or (), heard.readings.tags, the_plan)
    truth = looking.truth_beside(recording) if folder is not None else None
    labels = looking.labels_of(heard) if folder is not None else {}
    say_notes(heard.notes, as_json)
    known = calibration_of(calibration)
    if known is not None:
        say_notes((f"{calibration}: learnt from {counted(len(known.run_ids), 'run')}, applied",), as_json)
    estimator = Localizer(the_plan, calibration=known, jobs=cores(jobs), fast=fast, joint=joint)
    fitted = None
    if streamed is not None:
        fitted = _fit_stream(estimator, streamed, quiet=as_json)
        say_notes(streamed.notes, as_json)
    if fitted is None:
        heard = heard if streamed is None else read_recording(recording, truth=False)
        with progress("localize", quiet=as_json, computing=True) as tell:
            fitted = estimator.fit(heard, progress=tell)
    positions, notes = fitted.localization_.positions, fitted.localization_.notes
    say_notes(notes, as_json)
    positions_file.parent.mkdir(parents=True, exist_ok=True)
    write_positions(positions_file, positions)
    write_coverage(positions_file.with_name("coverage.parquet"), fitted.localization_.coverage)
    placed = int(positions.placed.sum())
    if not as_json:
        # Said before anything is drawn: the places are safe whatever becomes of the pictures.
        typer.echo(f"{counted(len(positions), 'tag')} heard, {placed} placed: {positions_file}")
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
    elif page is not None:
        typer.echo(f"pictures: {page}")


def _too_long(recording: Path) -> RecordingStream | None:
    """Return a stream of a recording too long to be held in memory; None where it is not."""
    from localization.estimator import LONG_ROWS
    from recording import RecordingStream

    return RecordingStream(recording) if RecordingStream.rows_of(recording) > LONG_ROWS else None


def _fit_stream(estimator: Localizer, stream: RecordingStream, *, quiet: bool) -> Localizer | None:
    """Localize a long recording piece by piece; None where it must be read whole after all, which is said."""
    from recording import StreamError

    try:
        with progress("localize", quiet=quiet, computing=True) as tell:
            return estimator.fit_stream(stream, progress=tell)
    except StreamError as e:
        say_notes((str(e),), quiet)
        return None


def _judged(positions: Positions, truth: Truth | None, plan: Plan | None) -> Evaluation | None:
    """Hold positions against a truth that may have nothing to say of them."""
    from localization.evaluate import EvaluationError
    from localization.evaluate import evaluate as measure

    try:
        return measure(positions, truth, plan) if truth is not None else None
    except EvaluationError:
        return None


def _positions_file(out: Path) -> Path:
    file = output_file(out if out.suffix == ".parquet" else out / "positions.parquet", "positions")
    beside = file.with_name("coverage.parquet")
    if beside.exists() and not is_coverage(beside):
        raise InputError(f"{beside}: is there and is no coverage file; name another place with --out")
    return file
