"""The scoreboard as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from nightstack.demo.scoreboard import KINDS, Scoreboard
from nightstack.demo.typed import shown


def print_scoreboard(board: Scoreboard) -> None:
    """Print the night's figures.

    Parameters
    ----------
    board
        The figures.
    """
    console = Console()
    figures = board.positions
    night = Table(title=f"The night: {board.books} books", title_justify="left", show_header=False)
    night.add_column(style="bold")
    night.add_column(justify="right")
    night.add_row("readings sent by the robot", f"{board.readings_sent:,}")
    night.add_row("readings stored by the ingest", f"{board.readings_stored:,}")
    night.add_row("books placed", f"{figures.placed:,} of {figures.present:,} on the shelves")
    night.add_row("position error, median", f"{figures.error.median_cm:.1f} cm")
    night.add_row("position error, 90 % of books within", f"{figures.error.p90_cm:.1f} cm")
    night.add_row("adjacent books in the right order", _share(figures.order.share))
    night.add_row("right shelf", _share(figures.shelf_accuracy))
    night.add_row("true place inside the 90 % interval", _share(figures.coverage_along))
    night.add_row("the same night takes a robot", f"{board.night_s / 60:.0f} min")
    night.add_row("it took this machine", f"{board.seconds:.0f} s")
    console.print(night)

    kinds = Table(title="What was planted, what was found", title_justify="left")
    kinds.add_column("kind", style="bold")
    for head in ("planted", "found", "reported", "recall", "precision"):
        kinds.add_column(head, justify="right")
    for kind in board.kinds:
        kinds.add_row(
            kind.kind,
            str(kind.planted) if kind.kind in KINDS else "-",
            str(kind.found) if kind.kind in KINDS else "-",
            str(kind.reported),
            _share(kind.recall),
            _share(kind.precision),
        )
    console.print(kinds)


def print_mail(text: str, most: int = 40) -> None:
    """Print the morning's mail as staff read it, down to its first books.

    Parameters
    ----------
    text
        Subject and text.
    most
        Lines at most.
    """
    lines = text.rstrip().splitlines()
    typer.echo("The morning's mail:\n")
    for line in lines[:most]:
        typer.echo(f"  {line}".rstrip())
    if len(lines) > most:
        typer.echo(f"  ... and {len(lines) - most} lines more")
    typer.echo("")


def print_files(files: Sequence[tuple[Path, str]], next_steps: Sequence[str]) -> None:
    """Print what was left where, names and texts each in a column, and commands to go on with.

    Parameters
    ----------
    files
        Each file and what it is.
    next_steps
        Commands.
    """
    names = [str(shown(file)) for file, _ in files]
    width = max(len(name) for name in names)
    # Not through Rich, which would break a long name over two lines: it could not be copied.
    typer.echo("")
    for name, (_, what) in zip(names, files, strict=True):
        typer.echo(f"{name:{width}}  {what}")
    by_name = {file.name: name for name, (file, _) in zip(names, files, strict=True)}
    first = [by_name[name] for name in ("report.pdf", "mail.txt") if name in by_name]
    if first:
        typer.echo(f"\nFirst open {' and '.join(first)}.")
    typer.echo("\nTo go on:")
    for command in next_steps:
        typer.echo(f"  {command}")


def _share(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"
