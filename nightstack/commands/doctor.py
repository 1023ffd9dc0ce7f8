"""``nightstack doctor``: what is set up, what is missing, and the command that mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nightstack.commands.shared import AsJson
from nightstack.errors import FAILED

_MARKS = {"good": "ok     ", "absent": "not set", "bad": "BROKEN "}


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(doctor)


def doctor(
    settings: Annotated[
        Path | None, typer.Option(help="serve.toml: look at the service's settings too.", metavar="FILE")
    ] = None,
    robot: Annotated[
        Path | None, typer.Option(help="robot.toml: look at a robot's settings too.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say what is set up, what is missing, and the command that mends it."""
    from nightstack.checkup import check_machine, check_service
    from nightstack.checkup_robot import check_robot

    checks = check_machine()
    if settings is not None:
        checks += check_service(settings)
    if robot is not None:
        checks += check_robot(robot)
    broken = [check for check in checks if check.state == "bad"]
    if as_json:
        typer.echo(json.dumps({"good": not broken, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        for check in checks:
            typer.echo(f"{_MARKS[check.state]}  {check.what}: {check.found}")
            if check.mend:
                typer.echo(f"         -> {check.mend}")
        typer.echo("")
        typer.echo(f"{len(broken)} to mend" if broken else "nothing to mend")
    return FAILED if broken else 0
