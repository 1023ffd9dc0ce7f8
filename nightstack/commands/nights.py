"""``nightstack combine``: several nights of one site as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.shared import AsJson, Jobs, calibration_of, cores, say_notes
from nightstack.errors import InputError
from nightstack.inputs import calibration_file, holdings_file, plan_file
from nightstack.outputs import output_folder
from nightstack.progress import ProgressCallback, progress

if TYPE_CHECKING:
    from localization import Calibration
    from localization.nights import Night
    from stacks.plan import Plan


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(combine)


def combine(
    nights: Annotated[
        list[Path],
        typer.Argument(
            help="Recording folders of one site, or folders of runs, in any order. Positions that are beside a "
            "recording are taken as they are; else they are worked out now.",
            metavar="RECORDING",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.", metavar="FOLDER")],
    plan: Annotated[
        Path | None,
        typer.Option(
            help="plan.json to localize with; positions that are there must be of the same shelves. Default: the "
            "newest night's.",
            metavar="FILE",
        ),
    ] = None,
    holdings: Annotated[
        Path | None, typer.Option(help="holdings.csv; default: the newest night's.", metavar="FILE")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="A calibration file for nights that are localized now. Nothing saved is read unless named.",
            metavar="FILE",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Localize every night now, whatever positions are beside it.")
    ] = False,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Combine nights of one site: places, what was moved, what is gone; a folder for `exceptions` and `report`."""
    folders = [_recording(folder) for folder in nights]
    output_folder(out)
    plan = plan_file(plan)
    holdings_file(holdings)
    calibration_file(calibration)
    if out.resolve() in {folder.resolve() for folder, _ in folders}:
        raise InputError(f"{out}: is one of the nights; name another folder with --out")
    if (out / "readings.parquet").exists():
        raise InputError(
            f"{out}: is a recording, whose files would be lost; name a folder of its own with --out"
        )
    # What costs a second to import comes after everything that can be wrong with the arguments.
    from localization.nights import combine as join
    from nightstack.combined import read_info, write_combined
    from recording.words import counted
    from stacks.plan import read_plan

    infos = [read_info(folder) for folder, _ in folders]
    named = [info.run_id for info in infos]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(f"run {twice[0]} was named twice, which is no more evidence; name it once")
    newest = max(range(len(infos)), key=lambda n: (infos[n].started_at, infos[n].run_id))
    shelving = plan if plan is not None else folders[newest][0] / "plan.json"
    if plan is None and not shelving.is_file():
        raise InputError(f"{folders[newest][0]}: no plan.json in the folder; name one with --plan FILE")
    the_plan = read_plan(shelving)
    books = holdings if holdings is not None else folders[newest][0] / "holdings.csv"
    known = calibration_of(calibration)
    found: list[Night] = []
    with progress("combine", quiet=as_json, computing=True) as tell:
        for number, (recording, kept) in enumerate(folders):
            found.append(
                _night(
                    recording, kept, the_plan, known, cores(jobs), again,
                    _part(tell, number, len(folders), infos[number].run_id),
                )
            )  # fmt: skip
        tell(0.95, "putting the nights together")
        combined = join(found, the_plan)
        tell(1.0, "done")
    write_combined(out, found, combined, shelving, books if books.is_file() else None)
    moved, gone = (sum(move.kind == kind for move in combined.moves) for kind in ("moved", "gone"))
    if as_json:
        summary = {
            "positions": str(out / "positions.parquet"),
            "coverage": str(out / "coverage.parquet"),
            "moved": str(out / "moved.csv"),
            "nights": [info.run_id for info in sorted(infos, key=lambda i: (i.started_at, i.run_id))],
            "tags": len(combined.positions),
            "placed": int(combined.positions.placed.sum()),
            "tags_moved": moved,
            "tags_gone": gone,
            "new_every_night": combined.errors.own_share,
            "notes": list(combined.notes),
        }
        typer.echo(json.dumps(summary, indent=2))
        return
    say_notes(combined.notes, as_json)
    typer.echo(
        f"{counted(len(found), 'night')}, {counted(len(combined.positions), 'tag')}, {moved} moved, {gone} gone: {out}"
    )


def _recording(folder: Path) -> tuple[Path, Path]:
    """Return the recording folder, and the folder that may have its positions."""
    for recording in (folder / "recording", folder):
        if (recording / "run.json").is_file() and (recording / "readings.parquet").exists():
            return recording, folder
    raise InputError(f"{folder}: is no recording folder and no folder of a run; name those of the nights")


def _night(
    recording: Path, kept: Path, plan: Plan, calibration: Calibration | None, jobs: int, again: bool,
    tell: ProgressCallback,
) -> Night:  # fmt: skip
    """Return a night: positions that are there, else worked out now."""
    from localization import localize
    from localization.nights import Night
    from localization.positions import read_coverage, read_positions
    from nightstack.combined import read_info
    from recording import read_recording

    positions, coverage = (kept / f"{name}.parquet" for name in ("positions", "coverage"))
    if not again and positions.is_file() and coverage.is_file():
        tell(1.0, "positions are there")
        return Night(read_info(recording), read_positions(positions), read_coverage(coverage))
    heard = read_recording(recording, truth=False)
    placed = localize(heard, plan, calibration=calibration, jobs=jobs, progress=tell)
    return Night(heard.info, placed.positions, placed.coverage)


def _part(tell: ProgressCallback, number: int, count: int, name: str) -> ProgressCallback:
    def told(share: float, text: str) -> None:
        tell(0.95 * (number + share) / count, f"{name}: {text}")

    return told
