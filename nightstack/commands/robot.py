"""``nightstack robot run``: the on-robot agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightstack.errors import FAILED, CommandError
from nightstack.inputs import input_file
from nightstack.progress import progress

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
    """Drive the shelves, read, and stream to the ingest; resumes an unfinished run by itself."""
    input_file(settings, "name the robot's settings file; docs/robot.md shows one")
    from robot.agent import Agent
    from robot.settings import RobotSettings

    config = RobotSettings.read(settings)
    said = ""
    with progress("robot") as tell:

        def hear(share: float, what: str, /) -> None:
            nonlocal said
            said = what
            tell(share, what)

        agent = Agent(config, progress=hear)
        status = agent.run()
        if agent.run_id is not None:
            how = "ended" if status == FAILED else "finished"
            typer.echo(f"{how} run={agent.run_id} readings={agent.readings_sent}")
        if status == FAILED:
            raise CommandError(f"run {agent.run_id}: {said}" if agent.run_id is not None else said)
    return status
