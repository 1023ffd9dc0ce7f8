"""``nightstack readers`` as a process of its own: run to its end, at a terminal, and emulating a reader."""

import subprocess
import sys

from tests.robot.harness import ROOT
from tests.support.processes import running
from tests.support.terminal import Terminal

NIGHTSTACK = [sys.executable, "-m", "nightstack"]


def run(*arguments):
    done = subprocess.run(
        [*NIGHTSTACK, "readers", *map(str, arguments)], capture_output=True, text=True, timeout=90, cwd=ROOT
    )
    return done.returncode, done.stdout, done.stderr


def at_terminal(columns, *arguments, lines=24):
    """Begin a command at a terminal; returns the terminal, to be used as a context."""
    return Terminal([*NIGHTSTACK, "readers", *map(str, arguments)], columns, lines, cwd=ROOT)


def on_terminal(columns, *arguments):
    """Run a command on a terminal so wide; return its status and what it showed."""
    with at_terminal(columns, *arguments) as terminal:
        return terminal.wait(), terminal.text


def emulating(protocol, *options):
    """Emulate a reader while the context lasts; gives the process, which has not said anything yet."""
    command = [*NIGHTSTACK, "readers", "emulate", protocol, *map(str, options)]
    return running(command, stdout=subprocess.PIPE, text=True)
