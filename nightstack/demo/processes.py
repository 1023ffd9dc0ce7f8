"""The demo's programs: each a process of its own, as on a real night, stopped by its id when the demo ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from nightstack.errors import CommandError
from nightstack.stopping import handling

AGAIN_S = 3.0
"""A signal whose exception was lost on the way, as one raised within a destructor is, comes again after so long."""


class Signals:
    """What SIGINT, SIGTERM and SIGHUP do to the demo: they unwind the stack, and wait where that may not be cut short.

    Attributes
    ----------
    ending : bool
        Programs are being stopped: what comes now waits until that is through.
    """

    def __init__(self) -> None:
        self.ending = False
        self._held = False
        self._raised = False
        self._through = False
        self._came: int | None = None

    def come(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal (called by Python)."""
        if self._held or self.ending:
            self._came = number
            return
        self._raised = True
        self._came = number
        again = threading.Timer(AGAIN_S, self._again, (number,))
        again.daemon = True
        again.start()
        self._raise(number)

    def _raise(self, number: int) -> NoReturn:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def _again(self, number: int) -> None:
        if not (self.ending or self._through):
            os.kill(os.getpid(), number)

    @contextmanager
    def held(self) -> Generator[None]:
        """Let a signal wait until the block is through: a program just begun must be known to whoever stops it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came is not None:
            self.come(self._came, None)

    def ended(self, *, unwound: bool) -> None:
        """Let what came while programs were being stopped count now, unless an earlier one is what stopped them.

        Parameters
        ----------
        unwound : bool
            An exception ended the block. Without one, that of an earlier signal was lost, and counts now.
        """
        self._through, self.ending = True, False
        if self._came is not None and not (unwound and self._raised):
            self._raise(self._came)


@contextmanager
def ending_on_signals() -> Generator[Signals]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that no program of the demo outlives it.

    Yields
    ------
    Signals
        For blocks that no signal may cut in two.
    """
    signals = Signals()
    with handling(signals.come):
        yield signals


@contextmanager
def stopped_together() -> Generator[tuple[ExitStack, Signals]]:
    """Undo what the block put on a stack, whatever ends it; no signal cuts the undoing short.

    Yields
    ------
    ExitStack
        Takes what is to be stopped.
    Signals
        For blocks that no signal may cut in two.
    """
    with ending_on_signals() as signals:
        stack, unwound = ExitStack(), True
        try:
            try:
                yield stack, signals
                unwound = False
            finally:
                signals.ending = True
        finally:
            signals.ending = True  # a signal may have come just before it was
            stack.close()
            signals.ended(unwound=unwound)


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
    module
        What is run instead of the ``nightstack`` command.
    """

    def __init__(self, name: str, arguments: list[str], log: Path, module: str = "nightstack") -> None:
        self.name = name
        self.log = log
        self._said: dict[str, dict[str, str]] = {}
        self._newest = ""
        self._ended = False
        self._news = threading.Condition()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own module)
            [sys.executable, "-m", module, *arguments],
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
                words = line.split()
                with self._news:
                    if words:
                        self._newest = line.strip()
                        self._said[words[0]] = dict(word.split("=", 1) for word in words[1:] if "=" in word)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, word: str, timeout_s: float) -> dict[str, str]:
        """Wait for the line that begins with a word, such as the one that says the program is ready.

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
            The program ended without it, or did not say it in time.
        """
        with self._news:
            self._news.wait_for(lambda: word in self._said or self._ended, timeout_s)
            if word in self._said:
                return self._said[word]
            how = "ended" if self._ended else f"took more than {timeout_s:.0f} s"
        raise CommandError(f"{self.name} {how} before it was '{word}'; see {self.log}")

    def last_line(self) -> str:
        """Return the newest line the program printed, "" if none."""
        with self._news:
            return self._newest

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
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status
