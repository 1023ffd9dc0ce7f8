"""The command that holds positions against the truth: ``evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

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
from nightstack.inputs import calibration_file, input_file, plan_file, recording_folder
from nightstack.outputs import output_file


def evaluate(
    positions: Annotated[
        Path, typer.Argument(help="positions.parquet, or a folder that has one.", metavar="POSITIONS")
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            help="truth.parquet, or a folder that has one; or a surveyed-DATE.parquet that `audit` kept.",
            metavar="TRUTH",
        ),
    ],
    plan: PlanFile = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="EPC to leave out (may be given again).", metavar="EPC")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Draw errors, honesty, maps, shelves and tags into one HTML page.", metavar="FILE.html"
        ),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            help="For the page: the recording folder, which has the tags' phases. Default: the truth's folder.",
            metavar="FOLDER",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="For the page: the calibration the positions were made with.", metavar="FILE"),
    ] = None,
    tag: ShownTags = None,
    shelf: ShownShelves = None,
    as_json: AsJson = False,
) -> None:
    """Compare positions with the truth: errors, order, shelves, honesty of the error bars."""
    positions_file = input_file(
        positions / "positions.parquet" if positions.is_dir() else positions,
        "make it with: nightstack localize RECORDING",
    )
    truth_file = input_file(
        truth / "truth.parquet" if truth.is_dir() else truth, "name a truth.parquet, or a folder that has one"
    )
    plan = plan_file(plan)
    if page is not None:
        output_file(page, "page", "--page")
        if page.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"{page}: the page is HTML; name it .html with --page")
    elif tag or shelf or recording is not None or calibration is not None:
        raise InputError(
            "--recording, --calibration, --tag and --shelf are for the page: add --page FILE.html"
        )
    if recording is not None:
        recording_folder(recording)
    calibration_file(calibration)
    left_out = tuple(epc_of(text, "--exclude") for text in exclude or ())
    shown = [epc_of(text, "--tag") for text in tag or ()]
    # What costs a second to import comes after everything that can be wrong with the arguments.
    from localization.evaluate import evaluate as measure
    from localization.positions import read_coverage, read_positions
    from nightstack import looking
    from nightstack.provenance import strangers
    from recording import read_recording, read_truth
    from recording.surveyed import is_surveyed, read_surveyed
    from stacks.plan import read_plan

    if is_surveyed(truth_file):
        from localization.surveyed import evaluate_surveyed

        if page is not None or left_out:
            raise InputError(
                f"{truth_file}: a hand scan knows shelves and order alone; leave out --page and --exclude"
            )
        figures = evaluate_surveyed(read_positions(positions_file), read_surveyed(truth_file))
        typer.echo(json.dumps(figures.to_json(), indent=2) if as_json else figures.table())
        return
    if plan is None and truth_file.with_name("plan.json").exists():
        plan = truth_file.with_name("plan.json")
    places, true_places = read_positions(positions_file), read_truth(truth_file)
    the_plan = read_plan(plan) if plan is not None else None
    if (strange := strangers(places, true_places, positions_file)) is not None:
        say_notes((strange,), as_json)
    result = measure(places, true_places, the_plan, exclude=left_out)
    if page is not None:
        folder = recording
        if folder is None and truth_file.with_name("readings.parquet").exists():
            folder = truth_file.parent
        heard = read_recording(folder, truth=False) if folder is not None else None
        coverage_file = positions_file.with_name("coverage.parquet")
        name = heard.info.run_id if heard is not None else positions_file.stem
        album = looking.draw(
            f"Evaluation of {name}", places, plan=the_plan, evaluation=result, truth=true_places, recording=heard,
            coverage=read_coverage(coverage_file) if coverage_file.exists() else None,
            calibration=calibration_of(calibration), registration=None, labels=looking.labels_of(heard),
            notes=result.notes, tags=shown, shelves=shelf or (), quiet=as_json,
        )  # fmt: skip
        page.parent.mkdir(parents=True, exist_ok=True)
        album.write_page(page)
    typer.echo(json.dumps(result.to_json(), indent=2) if as_json else result.table())
    if page is not None and not as_json:
        typer.echo(f"page: {page}")
