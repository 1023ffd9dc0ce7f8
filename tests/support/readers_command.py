"""``nightstack readers`` as a process of its own: run to its end, at a terminal, and emulating a reader."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

from tests.robot.harness import ROOT

NIGHTSTACK = [sys.executable, "-m", "nightstack"]


def run(*arguments):
    done = subprocess.run(
        [*NIGHTSTACK, "readers", *map(str, arguments)], capture_output=True, text=True, timeout=90, cwd=ROOT
    )
    return done.returncode, done.stdout, done.stderr


def on_terminal(columns, *arguments):
    """Run a command on a terminal so wide; return its status and what it showed."""
    pid, terminal = pty.fork()
    if not pid:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.chdir(ROOT)
        # Without what readline put into this process's own environment: a width.
        os.execve(NIGHTSTACK[0], [*NIGHTSTACK, "readers", *map(str, arguments)], dict(os.environ))
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so of a terminal whose program has ended
        while more := os.read(terminal, 65536):
            shown += more
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def emulating(protocol, *options):
    """Begin to emulate a reader; returns the process, which has not said anything yet."""
    return subprocess.Popen(
        [*NIGHTSTACK, "readers", "emulate", protocol, *map(str, options)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
