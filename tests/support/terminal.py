"""A terminal of a given size: what somebody in front of it sees of a program that draws with escape sequences."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])")


class Terminal:
    """Runs a program at a pseudo terminal and keeps what its screen shows; a context, at whose end it runs no more.

    Parameters
    ----------
    command
        The program and its arguments.
    columns, lines
        Size of the terminal.
    """

    def __init__(self, command, columns, lines, **options):
        self.columns, self.lines = columns, lines
        self._screen, self._row, self._column = [""] * lines, 0, 0
        self._told = b""
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm"} | {"COLUMNS": "", "LINES": ""}
        self.process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, env=environment, start_new_session=True, **options
        )
        os.close(far)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        os.close(self._near)

    @property
    def text(self):
        """All that the program wrote, with its escape sequences."""
        return self._told.decode("utf-8", "replace")

    @property
    def rows(self):
        """What stands on the screen, line by line."""
        return [row.rstrip() for row in self._screen]

    def wait_for(self, seen, seconds=30.0):
        """Go on until `seen(rows)`; raises AssertionError with the screen where it does not come."""
        deadline = time.monotonic() + seconds
        while not seen(self.rows):
            assert time.monotonic() < deadline, "\n".join(self.rows)
            if not self._read():
                break
        assert seen(self.rows), "\n".join(self.rows)

    def wait(self):
        """Go on until the program ends; return its exit status."""
        while self._read():
            pass
        return self.process.wait(20)

    def _read(self):
        if not select.select([self._near], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._near, 1 << 16)
        except OSError:  # Linux: nobody has the other end open any more
            return False
        self._told += data
        # A piece of UTF-8 that is cut in two spoils one character of a screen that is drawn again and again.
        for numbers, letter, back, feed, shown in _PIECE.findall(data.decode("utf-8", "replace")):
            if letter == "A":
                self._row = max(0, self._row - int(numbers or 1))
            elif letter == "K":
                self._screen[self._row] = ""
            elif back:
                self._column = 0
            elif feed:
                self._feed()
            elif shown:
                if self._column == self.columns:
                    self._column = 0
                    self._feed()
                row = self._screen[self._row].ljust(self.columns)
                self._screen[self._row] = row[: self._column] + shown + row[self._column + 1 :]
                self._column += 1
        return bool(data)

    def _feed(self):
        self._row += 1
        if self._row == self.lines:
            self._screen = [*self._screen[1:], ""]
            self._row -= 1
