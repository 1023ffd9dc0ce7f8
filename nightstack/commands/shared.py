"""What commands share: options, files that options name, EPCs, notes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.errors import InputError
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization import Calibration
    from localization.positions import Coverage, Positions
    from nightstack.combined import Opened
    from recording import Recording
    from stacks.plan import Plan

RecordingFolder = Annotated[Path, typer.Argument(help="A recording folder.", metavar="RECORDING")]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", help="plan.json to use; default: the one in the folder.", metavar="FILE"),
]
ShownTags = Annotated[
    list[str] | None,
    typer.Option("--tag", help="EPC of a tag to show as well (may be given again).", metavar="EPC"),
]
ShownShelves = Annotated[
    list[str] | None,
    typer.Option(
        "--shelf", help="Shelf, or face without shelves, to show as well (may be given again).", metavar="ID"
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", help="Cores to use, at most those there are; 0: all.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def cores(jobs: int) -> int:
    """Return how many cores ``--jobs`` means."""
    there = os.cpu_count() or 1
    return min(jobs or there, there)


def plan_of(heard: Recording | Opened, plan: Path | None) -> Plan | None:
    """Return the plan that an option names, else that of the folder; None: there is none."""
    from stacks.plan import read_plan

    file = plan if plan is not None else heard.plan_path
    return read_plan(file) if file is not None else None


def calibration_of(file: Path | None) -> Calibration | None:
    """Read a calibration, where one is named."""
    from localization import read_calibration

    return read_calibration(file) if file is not None else None


def epc_of(text: str, option: str) -> str:
    """Return an EPC named on the command line in the form recordings have it."""
    try:
        bytes.fromhex(text)
    except ValueError:
        text = ""
    if not text:
        raise InputError(f"{option}: an EPC is hexadecimal of whole bytes, such as 3085E4A63B21779900000018")
    return text.upper()


def say_notes(notes: tuple[str, ...] | list[str], as_json: bool) -> None:
    """Print notes, a line each, where no program reads along; empty ones are none."""
    if not as_json:
        for note in filter(None, notes):
            typer.echo(f"note: {note}", err=True)


def positions_of(
    heard: Opened, plan: Plan, folder: Path, positions: Path | None, *, quiet: bool
) -> tuple[Positions, Coverage | None]:
    """Return a run's positions and coverage: the file's, the folder's, or worked out now."""
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


At = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="When it was done, such as 2026-03-02T08:30, or 2026-03-02T08:30+01:00; without a zone in this "
        "machine's own. Default: now.",
        metavar="TIME",
    ),
]


def time_of(at: str | None) -> datetime:
    """Return the time that `At` names, now without one; without a zone it is meant in this machine's own.

    Raises
    ------
    InputError
        It is no time.
    """
    if at is None:
        return datetime.now(UTC)
    try:
        when = datetime.fromisoformat(at)
        return when if when.tzinfo is not None else when.astimezone()
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"--at: {at[:40]!r} is no time; write 2026-03-02T08:30, or with its zone 2026-03-02T08:30+01:00"
        ) from None
