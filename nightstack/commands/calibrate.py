"""``nightstack calibrate``: from scans of one robot in one site to a calibration file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.shared import AsJson, Jobs, cores, say_notes
from nightstack.errors import InputError
from nightstack.inputs import REFERENCES_HAVE, calibration_file, input_file, plan_file, recording_folder
from nightstack.outputs import output_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization.calibrate import Learnt
    from recording import Recording, Truth
    from stacks.plan import Plan


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(calibrate)


def calibrate(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            help="Recording folders of one robot in one site. Two speeds tell latency from phase centres.",
            metavar="RECORDING",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The calibration file to write. Default: that of --update, else calibration.json.",
            metavar="FILE",
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="plan.json to use; default: the one in the first folder.", metavar="FILE"),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Tags whose places are known: a CSV of epc, x_m, y_m and optionally z_m, map frame. Default: the "
            "recordings' truth.parquet. The plan's shelf labels count as well where it says where they hang; without "
            "any of them only what the scans teach of themselves is learnt.",
            metavar="FILE.csv",
        ),
    ] = None,
    reference_tags: Annotated[
        int | None,
        typer.Option(
            help="Use only so many tags of each face: shelf labels of the plan first, then the truth's, spread along "
            "it. 0: none.",
            min=0,
            metavar="N",
        ),
    ] = None,
    update: Annotated[
        Path | None,
        typer.Option(
            help="A calibration file to go on from: what its nights said is learnt from as well, the older the less. "
            "It is replaced unless --out names another.",
            metavar="FILE",
        ),
    ] = None,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Learn latency, antennas' phase centres and faces' shifts from scans; writes calibration.json for `localize`."""
    if reference is not None and reference_tags is not None:
        raise InputError("--reference and --reference-tags both choose the references; give one of them")
    for folder in recordings:
        recording_folder(folder)
    plan = plan_file(plan)
    if reference is not None:
        input_file(reference, REFERENCES_HAVE)
    calibration_file(update, "--update")
    target = output_file(
        out if out is not None else update if update is not None else Path("calibration.json"), "calibration"
    )
    # What costs a second to import comes after everything that can be wrong with the arguments.
    from localization.calibrate import calibrate as learn
    from localization.calibration import read_calibration, write_calibration
    from recording import read_recording

    before = read_calibration(update) if update is not None else None
    heard = [read_recording(folder) for folder in recordings]
    the_plan = _plan(heard, recordings, plan)
    known = _known(heard, the_plan, reference, reference_tags)
    with progress("calibrate", quiet=as_json, computing=True) as tell:
        learnt = learn(
            heard,
            the_plan,
            known,
            jobs=cores(jobs),
            progress=tell,
            before=before,
            source=str(update),
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_calibration(target, learnt.calibration)
    if as_json:
        typer.echo(json.dumps(_summary(target, learnt), indent=2))
        return
    say_notes(learnt.notes, as_json)
    for line in _table(learnt):
        typer.echo(line)
    typer.echo(f"calibration: {target}")


def _plan(heard: list[Recording], folders: list[Path], named: Path | None) -> Plan:
    from stacks.plan import read_plan

    file = named if named is not None else heard[0].plan_path
    if file is None:
        raise InputError(f"{folders[0]}: no plan.json in the folder; name one with --plan FILE")
    plan = read_plan(file)
    if not plan.faces:
        raise InputError(
            f"{file}: the plan has no faces, so nothing can be calibrated; name another with --plan"
        )
    return plan


def _known(heard: list[Recording], plan: Plan, file: Path | None, per_face: int | None) -> Truth | None:
    """Return the tags whose places are known; None: there are none."""
    from localization.witness import reference_tags, with_labels
    from nightstack.references import read_references, same_everywhere

    if file is not None:
        return with_labels(read_references(file), plan)
    if per_face == 0:
        return None
    surveyed = [recording.truth for recording in heard if recording.truth is not None]
    truth = with_labels(same_everywhere(surveyed) if surveyed else None, plan)
    if truth is None and per_face is not None:
        raise InputError(
            "--reference-tags chooses from truth.parquet and from the plan's shelf labels, and there are none; use "
            "--reference"
        )
    return truth if per_face is None or truth is None else reference_tags(truth, plan, per_face)


def _table(learnt: Learnt) -> list[str]:
    """Return the estimates, one a line: lengths in centimetres, deviations beside them."""
    lines = [f"{'':28}{'estimate':>10}{'+/-':>8}"]
    for one in learnt.estimates:
        scale, unit, digits = (100.0, "cm", 2) if one.unit == "m" else (1.0, one.unit, 3)
        deviation = f"{scale * one.sigma:8.{digits}f}" if math.isfinite(one.sigma) else " " * 8
        lines.append(f"{one.name:28}{scale * one.value:10.{digits}f}{deviation} {unit}")
    return lines


def _summary(target: Path, learnt: Learnt) -> dict[str, object]:
    return {
        "calibration": str(target),
        "estimates": [
            {"name": one.name, "value": one.value, "unit": one.unit}
            | ({"sigma": one.sigma} if math.isfinite(one.sigma) else {})
            for one in learnt.estimates
        ],
        "notes": list(learnt.notes),
    }
