"""``nightstack readers list``: the drivers that are installed, and which of them are broken."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from nightstack.commands.shared import AsJson


def list_drivers(as_json: AsJson = False) -> None:
    """List the URL schemes that can be opened, and the package and version of each driver.

    A driver of another package that cannot be used is listed with what is wrong with it.
    """
    from reader_drivers import drivers

    found = drivers()
    if as_json:
        typer.echo(json.dumps([asdict(driver) for driver in found], indent=2))
        return
    for driver in found:
        note = "" if driver.used else "  (not used: another driver has this scheme)"
        if driver.broken:
            note = f"  (broken: {driver.broken})"
        typer.echo(f"{driver.scheme:12} {driver.package} {driver.version}".rstrip() + note)
