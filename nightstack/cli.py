"""The ``nightstack`` command: its tree of commands, and what an error looks like from outside."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from nightstack import __version__
from nightstack.commands import (
    audit,
    calibrate,
    cases,
    demo,
    doctor,
    nights,
    readers,
    recordings,
    robot,
    serve,
    simulate,
    stacks,
)
from nightstack.errors import BAD_INPUT, DONE, FAILED, STOPPED, InputError, exit_status, one_line
from nightstack.lasting_output import silence

#: What the parser says of values, and how a reader would.
_PLAIN_WORDS = (
    (r"Input should be a valid integer.*", "it must be a whole number"),
    (r"Input should be a valid number.*", "it must be a number"),
    (r"Input should be greater than or equal to (\S+)", r"it must be \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"it must be \1 or less"),
    (r"Input should be greater than (\S+)", r"it must be more than \1"),
    (r"Input should be less than (\S+)", r"it must be less than \1"),
)

app = typer.Typer(
    name="nightstack",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Take stock of a library at night: where every book stands, what is misshelved, what is missing.",
    epilog=(
        "Exit status: 0 done, 1 the work failed, 2 the arguments, settings or input files are wrong, "
        "130 stopped by Ctrl-C."
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nightstack {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and leave.")
    ] = False,
) -> None:
    pass


demo.register(app)
serve.register(app)
cases.register(app)
robot.register(app)
recordings.register(app)
calibrate.register(app)
nights.register(app)
audit.register(app)
simulate.register(app)
readers.register(app)
stacks.register(app)
doctor.register(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        0 done, 1 the work failed, 2 the arguments, settings or input files are wrong, 130 stopped by Ctrl-C.
    """
    try:
        given = list(sys.argv[1:] if argv is None else argv)
        if "" in given:
            raise InputError(
                "an argument is empty; write what it is to be, or leave it out (`.` is the folder you are in)"
            )
        status = app(args=given, prog_name="nightstack", standalone_mode=False)
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its text is the help page
            print(error.format_message(), file=sys.stderr)
        else:
            _complain(_usage(error))
        return BAD_INPUT
    except (KeyboardInterrupt, Abort):
        _complain("stopped by the keyboard")
        return STOPPED
    except BrokenPipeError:  # the reader of our output left: `nightstack ... | head`
        silence(sys.stdout)
        return FAILED
    except Exception as error:
        return _report(error)
    if status == STOPPED:  # typer turns Ctrl-C into this status, without a word
        _complain("stopped by the keyboard")
    return status if isinstance(status, int) else DONE


def _usage(error: TyperException) -> str:
    """Return what is wrong with the arguments, in plain words, and which command tells more."""
    said = error.format_message().rstrip(".")
    for jargon, plain in _PLAIN_WORDS:
        said = re.sub(jargon, plain, said)
    path = getattr(getattr(error, "ctx", None), "command_path", None) or "nightstack"
    said = one_line(ValueError(said))
    return f"{said} (`{path} --help` lists what is known)"


def _report(error: Exception) -> int:
    status = exit_status(error)
    if status is None or os.environ.get("NIGHTSTACK_DEBUG"):
        if os.environ.get("NIGHTSTACK_DEBUG"):
            traceback.print_exc()
        else:
            _complain(
                f"this is a fault in nightstack itself: {type(error).__name__}: {one_line(error)} "
                "(set NIGHTSTACK_DEBUG=1 to see where)"
            )
            return FAILED
    _complain(one_line(error))
    return FAILED if status is None else status


def _complain(line: str) -> None:
    try:
        print(f"nightstack: {line}", file=sys.stderr, flush=True)
    except OSError:  # nobody is there to read it; the status tells
        silence(sys.stderr)
