"""The flusher: what the collector gathered goes into the spool, and with it how far the robot has come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from recording import PayloadError
from robot.clock import Clock
from robot.collector import Collector
from robot.driver import Driver
from robot.errors import SpoolError
from robot.spool import Columns, Spool

log = logging.getLogger("nightstack.robot")

_HOLD: Final = "spool"
_PIECE: Final = 16
_ROOM: Final = 0.8

Parts = list[tuple[str, Columns]]


class Flusher(threading.Thread):
    """Moves rows into the spool every `flush_s`, or as soon as a batch is full.

    While the spool takes nothing, the robot stands and what its readers go on to hear is left out: it stands before
    books that it hears again when it drives on.

    Parameters
    ----------
    run_id, spool, collector, driver, clock
        Where rows come from, where they go, and whose progress goes with them.
    flush_s
        Longest time a row waits.
    report
        Told of events: source, kind, one sentence.
    """

    def __init__(
        self,
        run_id: str,
        spool: Spool,
        collector: Collector,
        driver: Driver,
        clock: Clock,
        flush_s: float,
        report: Callable[[str, str, str], None],
    ) -> None:
        super().__init__(name="flusher", daemon=True)
        self.full = threading.Event()
        """Set while the spool takes nothing."""
        self._run_id = run_id
        self._spool = spool
        self._collector = collector
        self._driver = driver
        self._clock = clock
        self._flush_s = flush_s
        self._report = report
        self._ending = threading.Event()
        self._waiting: Parts = []

    def run(self) -> None:
        """Flush until `stop`."""
        while not self._ending.is_set():
            self._collector.ready.wait(self._flush_s)
            try:
                self.flush()
            except Exception:  # the thread that keeps the data must not die of one bad row
                log.exception("flusher: unexpected error")

    def stop(self, patience_s: float = 0.0) -> int:
        """End the thread and store what is left; return the rows that could not be stored within `patience_s`."""
        self._ending.set()
        self._collector.ready.set()
        if self.is_alive():
            self.join()
        until = time.monotonic() + patience_s
        self.flush()
        while self._waiting and time.monotonic() < until:
            time.sleep(0.1)
            self.flush()
        return sum(len(columns) for _, columns in self._waiting)

    def flush(self) -> None:
        """Store everything gathered so far, in one transaction."""
        # The progress is taken first: what was heard after it will be heard again after a crash, never left out.
        progress = asdict(self._driver.progress)
        parts = self._waiting = self._waiting + self._collector.take()
        together = _PIECE
        while parts:
            # In pieces, so that a spool that is nearly full takes what it can; the progress goes with the last.
            piece, rest = parts[:together], parts[together:]
            try:
                self._spool.add(self._run_id, piece, None if rest else progress, self._clock.now())
            except SpoolError as error:
                self._keep(parts, error)
                return
            except Exception as error:
                if together > 1:
                    # One batch that cannot be sent must not take others with it: it is found one by one.
                    together = 1
                    continue
                log.exception("flusher: a batch cannot be sent")
                self._report("spool", "batch_refused", f"{len(piece[0][1])} {piece[0][0]}: {error}")
            parts = self._waiting = rest
        if self.full.is_set() and (
            self._ending.is_set() or self._spool.used_bytes < _ROOM * self._spool.max_bytes
        ):
            self.full.clear()
            self._collector.discard(False)
            self._driver.release(_HOLD)
            self._report("spool", "spool_free", f"{self._collector.dropped_rows} rows were left out in all")

    def _keep(self, parts: Parts, error: SpoolError) -> None:
        """Keep the rows in memory, let the robot stand, and get the events out if at all possible."""
        self._waiting = parts
        if not self.full.is_set():
            self.full.set()
            self._driver.hold(_HOLD, f"spool: {error}")
            log.error("spool: %s", error)
            self._report("spool", "spool_full", str(error))
        elif self._driver.standing:
            # Only now: what is heard while the robot still rolls is heard once, and kept in memory.
            self._collector.discard(True)
        events = [part for part in parts if part[0] == "events"]
        if events:
            try:
                self._spool.add(self._run_id, events)
            except (SpoolError, PayloadError):
                return
            self._waiting = [part for part in parts if part[0] != "events"]
