"""``nightstack readers ...``: look at a reader, or be one."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nightstack.commands.shared import AsJson
from nightstack.errors import InputError

_app = typer.Typer(no_args_is_help=True, help="Look at a reader, or be one.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(_app, name="readers")


@_app.command("probe")
def probe(
    url: Annotated[str, typer.Argument(help="For example llrp://192.168.1.20", metavar="URL")],
    as_json: AsJson = False,
) -> None:
    """Say what a reader is and what it can do."""
    from dataclasses import asdict

    from reader_drivers import open_reader

    _check_url(url)
    reader = open_reader(url)
    try:
        capabilities = asdict(reader.connect())
    finally:
        reader.close()
    if as_json:
        typer.echo(json.dumps({"url": url, **capabilities}, indent=2, default=list))
        return
    for name, value in capabilities.items():
        shown = (
            f"{value[0]} .. {value[-1]} ({len(value)})"
            if isinstance(value, tuple) and len(value) > 4
            else value
        )
        typer.echo(f"{name:16} {shown}")


@_app.command("emulate")
def emulate(
    protocol: Annotated[str, typer.Argument(help="llrp", metavar="PROTOCOL")],
    listen: Annotated[str, typer.Option(help="Where to listen.", metavar="HOST:PORT")] = "127.0.0.1:5084",
    seed: Annotated[int, typer.Option(help="Seed of its small world.")] = 1,
) -> int:
    """Be a reader on a small world of its own, in real time; prints `listening HOST:PORT`."""
    if protocol != "llrp":
        raise InputError(f"{protocol}: no such emulator; there is: llrp")
    from sim.readers.llrp import main_emulate

    return main_emulate(listen, seed)


def _check_url(url: str) -> None:
    """Refuse a URL that no reader can have: a mistake in the arguments, where a reader that is off is not."""
    from urllib.parse import urlsplit

    from reader_drivers import schemes

    known = ", ".join(f"{name}://HOST" for name in schemes())
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (reading it checks it)
    except ValueError:
        raise InputError(f"{url}: the port is no number from 1 to 65535") from None
    if parts.scheme not in schemes() or "://" not in url:
        raise InputError(f"{url}: no driver for such a URL; write {known}")
    if not parts.hostname:
        raise InputError(f"{url}: names no host; write {known}")
