"""``nightstack demo``: a whole simulated night, end to end, into one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nightstack.progress import progress


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(demo)


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for everything the night leaves; an earlier demo in it is replaced.")
    ] = Path("demo"),
    books: Annotated[int, typer.Option(help="How many books the library has.", min=50)] = 2000,
    seed: Annotated[
        int,
        typer.Option(
            help="The same seed makes the same library; two nights in it differ by when the robot sets out."
        ),
    ] = 1,
    preset: Annotated[str, typer.Option(help="How hard the radio is: easy, ordinary or harsh.")] = "ordinary",
    as_json: Annotated[bool, typer.Option("--json", help="Print the scoreboard as JSON.")] = False,
) -> None:
    """Take stock of a simulated library: robot, reader, broker, ingest, report and mail, all on this machine."""
    from nightstack.demo import DemoOptions, run_demo

    with progress("demo", quiet=as_json) as tell:
        result = run_demo(DemoOptions(out=out, books=books, seed=seed, preset=preset), progress=tell)
    if as_json:
        typer.echo(json.dumps(result.scoreboard.to_json(), indent=2))
        return
    from nightstack.demo.table import print_files, print_mail, print_scoreboard

    print_mail(result.mail)
    print_scoreboard(result.scoreboard)
    print_files(result.files, result.next_steps)
