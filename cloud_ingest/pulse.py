"""A worker's signs of life: what it is doing, how far it is, and the processor time it has used."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

#: Seconds between signs of life while a step says nothing by itself, and between lines of the log within a step.
PULSE_S, LOG_S = 5.0, 10.0
_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +\d+ % .* \(\d+ s of processor time\)")


class Pulse:
    """Says every step to whoever asked for the work and writes it to the log; in between, that the work goes on.

    Processor time tells a step that takes long (a first compilation, a slow machine) from one that waits for
    what never comes: a hung process uses none.

    Parameters
    ----------
    say
        Takes ``step``, ``progress`` (0..1) and ``cpu_s``, and whatever else a step is told with.
    log
        Gets a line for every new step, and one every ``LOG_S`` within a step.
    every_s
        Seconds between signs of life.
    """

    def __init__(self, say: Callable[..., None], log: TextIO, every_s: float = PULSE_S) -> None:
        self._say = say
        self._log = log
        self._every_s = every_s
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._step, self._share = "starting", 0.0
        self._logged, self._logged_at = "", 0.0
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def tell(self, share: float, step: str, **more: Any) -> None:
        """Say what is being done now, and the share of the whole that is done."""
        with self._lock:
            self._step, self._share = step, share
            self._speak(**more)

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            with self._lock:
                self._speak()

    def _speak(self, **more: Any) -> None:
        used_s = processor_s()
        self._say(step=self._step, progress=self._share, cpu_s=round(used_s, 2), **more)
        now = time.monotonic()
        if self._step != self._logged or now - self._logged_at >= LOG_S:
            self._logged, self._logged_at = self._step, now
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            line = f"{at} {100 * self._share:3.0f} % {self._step} ({used_s:.0f} s of processor time)"
            print(line, file=self._log, flush=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


def processor_s() -> float:
    """Return the processor seconds that this process, all its threads, and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def is_pulse(line: str) -> bool:
    """Tell whether a line of a worker's log is one of a pulse, rather than something that went wrong."""
    return _LINE.fullmatch(line.strip()) is not None
