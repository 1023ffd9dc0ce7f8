"""``nightstack calibrate``: from scans of one robot in one site to a calibration file."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from nightstack.commands.shared import AsJson, Jobs, cores, say_notes
from nightstack.errors import InputError
from nightstack.outputs import output_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization.calibrate import Learnt
    from recording import Recording, Truth
    from stacks.plan import Plan

_NEEDED, _OPTIONAL = ("epc", "x_m", "y_m"), "z_m"
_FARTHEST_M = 1e5


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
    from localization.calibrate import calibrate as learn
    from localization.calibration import read_calibration, write_calibration
    from recording import read_recording

    before = read_calibration(update) if update is not None else None
    target = output_file(
        out if out is not None else update if update is not None else Path("calibration.json"), "calibration"
    )
    if reference is not None and reference_tags is not None:
        raise InputError("--reference and --reference-tags both choose the references; give one of them")
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

    if file is not None:
        return with_labels(_references(file), plan)
    if per_face == 0:
        return None
    surveyed = [recording.truth for recording in heard if recording.truth is not None]
    truth = with_labels(_same_everywhere(surveyed) if surveyed else None, plan)
    if truth is None and per_face is not None:
        raise InputError(
            "--reference-tags chooses from truth.parquet and from the plan's shelf labels, and there are none; use "
            "--reference"
        )
    return truth if per_face is None or truth is None else reference_tags(truth, plan, per_face)


def _same_everywhere(surveyed: list[Truth]) -> Truth:
    """Join the truths of several scans, less the tags that were moved between them."""
    from recording import Truth

    first: dict[str, tuple[int, int]] = {}
    moved: set[str] = set()
    for number, truth in enumerate(surveyed):
        for row, epc in enumerate(truth.epc.tolist()):
            if truth.present is not None and not truth.present[row]:
                moved.add(epc)
                continue
            run, place = first.setdefault(epc, (number, row))
            other = surveyed[run]
            if np.hypot(other.x_m[place] - truth.x_m[row], other.y_m[place] - truth.y_m[row]) > 1e-4:
                moved.add(epc)
    kept = [at for epc, at in first.items() if epc not in moved]

    def column(name: str) -> np.ndarray:
        return np.array([getattr(surveyed[run], name)[row] for run, row in kept])

    def names(name: str) -> np.ndarray:
        columns = [getattr(truth, name) for truth in surveyed]
        return np.array(
            [None if columns[run] is None else columns[run][row] for run, row in kept] or [], object
        )

    return Truth(
        epc=names("epc"), x_m=column("x_m").astype(np.float64), y_m=column("y_m").astype(np.float64),
        z_m=column("z_m").astype(np.float64), shelf_id=names("shelf_id"), face=names("face"),
    )  # fmt: skip


def _references(file: Path) -> Truth:
    """Read the places of reference tags.

    Raises
    ------
    InputError
        The file is missing or no CSV, or a row is wrong: which, and what it must look like.
    """
    from recording import Truth

    shape = f"it must have the columns {', '.join(_NEEDED)} and may have {_OPTIONAL}"
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
            columns = tuple(rows[0]) if rows else ()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; {shape}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as CSV ({error}); {shape}") from None
    if not rows:
        raise InputError(f"{file}: names no reference tag; {shape}")
    if missing := [name for name in _NEEDED if name not in columns]:
        raise InputError(f"{file}: no column {missing[0]}; {shape}")
    epcs: list[str] = []
    places: list[tuple[float, float, float]] = []
    for line, row in enumerate(rows, 2):
        epc = (row["epc"] or "").strip().upper()
        if not _is_hex(epc):
            raise InputError(f"{file}, row {line}: epc {epc!r} is not hexadecimal of whole bytes")
        if epc in epcs:
            raise InputError(f"{file}, row {line}: EPC {epc} is there twice; keep the right row")
        epcs.append(epc)
        height = (row.get(_OPTIONAL) or "").strip()
        places.append(
            (
                _metres(row["x_m"], file, line, "x_m"),
                _metres(row["y_m"], file, line, "y_m"),
                _metres(height, file, line, _OPTIONAL) if height else math.nan,
            )
        )
    x, y, z = np.array(places, np.float64).T.copy()
    return Truth(epc=np.array(epcs, object), x_m=x, y_m=y, z_m=z)


def _is_hex(epc: str) -> bool:
    try:
        return bool(bytes.fromhex(epc)) and " " not in epc
    except ValueError:
        return False


def _metres(text: str | None, file: Path, line: int, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) < _FARTHEST_M:
        raise InputError(f"{file}, row {line}: {name} is {text!r}, not a place in metres")
    return value


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
