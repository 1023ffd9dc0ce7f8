"""The demo's programs: each a process of its own, as on a real night, stopped by its id when the demo ends."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from nightstack.errors import CommandError


class Program:
    """One ``nightstack`` command running in the background.

    Parameters
    ----------
    name
        What the demo calls it in messages.
    arguments
        The command line after ``nightstack``.
    log
        File that takes everything the program prints.
    """

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._lines: queue.Queue[str | None] = queue.Queue()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own module)
            [sys.executable, "-m", "nightstack", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, name=f"{name} output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("w", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, word: str, timeout_s: float) -> dict[str, str]:
        """Wait for the line that says the program is ready.

        Parameters
        ----------
        word
            First word of that line.
        timeout_s
            Seconds to wait at most.

        Returns
        -------
        dict
            The ``key=value`` words of that line.

        Raises
        ------
        CommandError
            The program ended, or did not get ready in time.
        """
        while True:
            try:
                line = self._lines.get(timeout=timeout_s)
            except queue.Empty:
                raise CommandError(
                    f"{self.name} did not get ready in {timeout_s:.0f} s; see {self.log}"
                ) from None
            if line is None:
                raise CommandError(f"{self.name} ended before it was ready; see {self.log}")
            if line.split(maxsplit=1)[:1] == [word]:
                return dict(part.split("=", 1) for part in line.split() if "=" in part)

    def last_line(self) -> str:
        """Return the newest line the program printed since the last look, "" if none."""
        newest = ""
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return newest
            newest = line or newest

    def running(self) -> bool:
        """Tell whether the program still runs."""
        return self.process.poll() is None

    def stop(self, timeout_s: float = 10.0) -> int:
        """Ask the program to end, make it end if it does not, and return its exit status."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        status = self.process.wait()
        self._reader.join(timeout_s)
        return status
