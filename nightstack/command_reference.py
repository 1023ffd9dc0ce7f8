"""Write docs/commands.md from the commands' own help: ``python -m nightstack.command_reference > docs/commands.md``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

os.environ["TERMINAL_WIDTH"] = os.environ["COLUMNS"] = (
    "100"  # read when typer is imported: the page is the same everywhere
)
os.environ["NO_COLOR"] = "1"

import typer.main

_HEAD = """# Commands

Every command prints this with `--help`. Exit status: 0 done, 1 the work failed, 2 the arguments, settings or input
files are wrong, 130 stopped by Ctrl-C (`serve`, `sim world` and `readers emulate` end with 0 then, `robot run` with 1:
its run is aborted). An error is one line on standard error. Progress goes to standard error, results to standard
output. The shell finds `nightstack` after `. .venv/bin/activate` ([README](../README.md#start)); the
[glossary](glossary.md) has the words.
"""


def pages() -> Iterator[tuple[str, str]]:
    """Yield each command with its help.

    Yields
    ------
    tuple of str
        The command as typed (``nightstack sim library``) and its help text.
    """
    from nightstack.cli import app

    yield from _walk(typer.main.get_command(app), "nightstack", None)


# Typer brings a copy of Click of its own, whose types it does not export.
def _walk(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(path, [], parent=parent, resilient_parsing=True)
    context.info_name = path if parent is None else path.rsplit(" ", 1)[-1]
    yield path, command.get_help(context)
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(child, f"{path} {name}", context)


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for path, text in pages():
        body = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"## `{path}`\n\n```\n{body}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
