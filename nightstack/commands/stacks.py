"""``nightstack stacks ...``: what should be where; each command is a module of its own beside this one."""

from __future__ import annotations

import typer

from nightstack.commands import stacks_ils

_app = typer.Typer(
    no_args_is_help=True,
    help="What should be where: holdings and plan from files or a library system, call numbers sorted.",
    rich_markup_mode=None,
)
stacks_ils.add_to(_app)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    if _app.registered_commands:  # an empty group has no help to show
        app.add_typer(_app, name="stacks")
