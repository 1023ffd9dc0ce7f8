"""``nightstack robot run``: the on-robot agent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.errors import FAILED, CommandError
from nightstack.inputs import input_file
from nightstack.lasting_output import lasting_output
from nightstack.progress import progress

if TYPE_CHECKING:
    from robot.settings import RobotSettings

_BEFORE = (
    "this is the run before; only what it had left was delivered, and nothing driven: start again to drive"
)

_app = typer.Typer(no_args_is_help=True, help="The on-robot agent.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(_app, name="robot")


@_app.command("run")
def run(
    settings: Annotated[
        Path,
        typer.Argument(help="The robot's settings (TOML; docs/robot.md lists them).", metavar="SETTINGS"),
    ] = Path("robot.toml"),
) -> int:
    """Drive the shelves, read, and stream to the ingest; resumes an unfinished run by itself.

    A terminal or pipe that is closed does not end the night; SIGTERM and Ctrl-C end it in good order.
    """
    input_file(settings, "name the robot's settings file; docs/robot.md shows one")
    from robot.settings import RobotSettings

    config = RobotSettings.read(settings)
    with lasting_output():
        return _drive(config)


def _drive(config: RobotSettings) -> int:
    from robot.agent import Agent

    said = ""
    with progress("robot") as tell:

        def hear(share: float, what: str, /) -> None:
            nonlocal said
            said = what
            tell(share, what)

        agent = Agent(config, progress=hear)
        status = agent.run()
        # Not by typer's echo, which writes past the stream to its file where the locale has no letters.
        for line in agent.missed:
            print(f"note: {line}", file=sys.stderr, flush=True)
        if agent.run_before:
            print(f"delivered run={agent.run_id}", flush=True)
            said = f"{_BEFORE} ({said})"
            if status != FAILED:
                print(f"note: run {agent.run_id}: {said}", file=sys.stderr, flush=True)
        elif agent.run_id is not None:
            how = "ended" if status == FAILED else "finished"
            print(f"{how} run={agent.run_id} readings={agent.readings_sent}", flush=True)
        if status == FAILED:
            raise CommandError(f"run {agent.run_id}: {said}" if agent.run_id is not None else said)
    return status
