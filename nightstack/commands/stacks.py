"""``nightstack stacks ...``: what should be where; each command is a module of its own beside this one."""

from __future__ import annotations

import typer

from nightstack.commands import stacks_ils, stacks_import, stacks_ranges, stacks_sort, stacks_tag

_app = typer.Typer(
    no_args_is_help=True,
    help="What should be where: holdings and plan from files or a library system, call numbers sorted, tags read.",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    stacks_import.register(_app)
    stacks_ils.add_to(_app)
    stacks_ranges.register(_app)
    stacks_sort.register(_app)
    stacks_tag.register(_app)
    app.add_typer(_app, name="stacks")
