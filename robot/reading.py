"""One reader of the robot: a thread that keeps it reading and hands on what it heard, by mount."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from reader_drivers import Capabilities, Reader, ReaderBatch, ReaderError, open_reader
from recording import Activity, Air
from robot.clock import Clock
from robot.collector import Collector
from robot.complaints import Complaints
from robot.reader_absence import Absence
from robot.reader_setup import settings_of
from robot.settings import AntennaTable, ReaderTable
from robot.tag_memories import tag_memories

log = logging.getLogger("nightstack.robot")

_BACKOFF_S: Final = (0.5, 1.0, 2.0, 3.0)  # a reader that returns is to read within five seconds
_READ_S: Final = 0.25
_FIRST_READ_S: Final = 0.05
_SPAN_NS: Final = 10_000_000_000
_UNKNOWN_SESSION: Final = 2
_UNNOTICED: Final = 3
"""So many keep-alives may be missed before a reader counts as gone."""


class ReaderRunner(threading.Thread):
    """Keeps one reader connected and reading until `stop`; a reader that fails is opened anew, for ever.

    Parameters
    ----------
    table, antennas
        The reader's settings, and the antennas wired to it.
    clock, collector
        Whose time it is (handed to the driver as well), who takes what was heard.
    report
        Told of events: source, kind, one sentence.
    changed
        Called, in the reader's thread, whenever `reading` may have changed.
    """

    def __init__(
        self,
        table: ReaderTable,
        antennas: tuple[AntennaTable, ...],
        clock: Clock,
        collector: Collector,
        report: Callable[[str, str, str], None],
        changed: Callable[[], None],
    ) -> None:
        super().__init__(name=f"reader-{table.name}", daemon=True)
        self.started = threading.Event()
        """Set while the reader reads."""
        self._last_sign = 0
        self.capabilities: Capabilities | None = None
        self.absence = Absence()
        """When it did not read."""
        self.complaints = Complaints(lambda what: log.warning("reader %s: %s", table.name, what))
        self._table = table
        self._antennas = antennas
        self._settings = settings_of(table, antennas)
        self._recorded: Mapping[int, Air] = {}
        self._clock = clock
        self._collector = collector
        self._report = report
        self._changed = changed
        self._ending = threading.Event()
        self._gone = False
        self._away = False
        self._missing_said = False
        self._activity_from_driver = False
        self._listening_since: int | None = None
        self._ports = self._settings.ports
        self._mount = np.zeros(256, dtype=np.uint8)
        self._known = np.zeros(256, dtype=np.bool_)
        for antenna in antennas:
            self._mount[antenna.port] = antenna.id
            self._known[antenna.port] = True
        self._said: set[tuple[str, str]] = set()

    @property
    def name_in_settings(self) -> str:
        """The reader's name."""
        return self._table.name

    @property
    def reading(self) -> bool:
        """Whether the reader reads as far as anybody knows."""
        return self.started.is_set() and not self._away

    def deaf_since(self, now: int) -> int:
        """Return from when on it cannot be said that this reader listened, ns UTC; `now` is the host's time.

        A driver that tells when antennas listened says so to the moment. Of another nothing is known but its readings,
        and shelves may be empty: then it is not longer ago than a loss may go unnoticed.
        """
        if self._activity_from_driver:
            return self._last_sign
        return max(self._last_sign, now - int(_UNNOTICED * self._table.keepalive_s * 1e9))

    def ask_to_stop(self) -> None:
        """Let the reader stop; the thread ends when its last readings are handed on."""
        self._ending.set()

    def run(self) -> None:
        """Open, read, open again, until asked to stop."""
        failures = 0
        while not self._ending.is_set():
            reader: Reader | None = None
            try:
                reader = open_reader(self._table.url, clock=self._clock.now)
                self.capabilities = reader.connect()
                self._judge_air()
                reader.start(self._settings)
                since = self._clock.now()
                # A driver that cannot read has not begun.
                batch = reader.read(_FIRST_READ_S)
                failures = 0
                self._begin(since)
                self._take(batch)
                self._read(reader)
            except Exception as error:  # a driver's fault must cost this reader's connection, not the night
                why = str(error) or type(error).__name__
                if not isinstance(error, ReaderError):
                    why = f"unexpected {type(error).__name__}: {why}"
                    log.debug("reader %s", self._table.name, exc_info=True)
                self._fail(" ".join(why.split()))
                failures += 1
            finally:
                self._close(reader)
            if not self._ending.is_set():
                self._ending.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
        self.complaints.over()

    def recorded_as(self, airs: Mapping[int, Air]) -> None:
        """Learn which air interface the run's record gives each antenna, by mount id; a reader may come later."""
        self._recorded = airs
        self._judge_air()

    def _judge_air(self) -> None:
        """Tell where the reader has another air interface than the settings or the run's record say."""
        if self.capabilities is None:
            return
        air = self.capabilities.air
        for antenna in self._antennas:
            if antenna.air not in (None, air):
                self._report_once(
                    "air_differs",
                    f"antenna {antenna.id} is set to {antenna.air}, and the reader says {air}, which is recorded;"
                    " correct `air` in the settings, or leave it out",
                )
            if self._recorded.get(antenna.id, air) != air:
                self._report_once(
                    "air_differs",
                    f"antenna {antenna.id} is recorded as {self._recorded[antenna.id]}, and the reader, which was not"
                    f" there when the run began, says {air}; set `air` in the settings",
                )

    def _report_once(self, kind: str, detail: str) -> None:
        if (kind, detail) not in self._said:
            self._said.add((kind, detail))
            log.warning("reader %s: %s", self._table.name, detail)
            self._report(self._table.name, kind, detail)

    def _begin(self, since: int) -> None:
        self._listening_since = since
        self.absence.read_from(since)
        self.complaints.over()
        if self._missing_said or self._gone:
            self._report(self._table.name, "reader_back", self._table.url)
        self._missing_said = self._gone = self._away = False
        self.started.set()
        self._changed()

    def _fail(self, why: str) -> None:
        if self.started.is_set():
            self._gone = True
            self._end_span()
            self._report(self._table.name, "reader_gone", why)
        elif not self._missing_said:
            self._missing_said = True
            self._report(self._table.name, "reader_missing", why)
        self.started.clear()
        self.absence.away_from(self._clock.now())
        self._changed()
        self.complaints.say(why)

    def _read(self, reader: Reader) -> None:
        while not self._ending.is_set():
            self._take(reader.read(_READ_S))
        try:
            reader.stop()
        finally:
            # What was heard is handed on, though the reader may refuse to stop.
            for _ in range(200):
                batch = reader.read(0.05)
                # The last word of a reader may be that it listened, without a reading.
                self._take(batch)
                if not (len(batch.readings) or batch.events):
                    break
            self._end_span()

    def _close(self, reader: Reader | None) -> None:
        if reader is None:
            return
        try:
            reader.close()
        except Exception as error:
            log.warning("reader %s: cannot be closed: %r", self._table.name, error)

    def _take(self, batch: ReaderBatch) -> None:
        readings = batch.readings
        if len(readings):
            self._last_sign = max(self._last_sign, int(readings.t.max()))
            known = self._known[readings.antenna]
            if not known.all():
                for port in np.unique(readings.antenna[~known]).tolist():
                    self._report_once(
                        "unknown_antenna", f"port {port} reports tags, and no [[antenna]] is wired to it"
                    )
                readings = readings.select(known)
            self._collector.add_readings(replace(readings, antenna=self._mount[readings.antenna]))
        if batch.tags:
            self._collector.add_tags(tag_memories(batch.tags, self._mount, self._known))
        if batch.activity is not None:
            # Without a span, too: a driver that knows says so of antennas that do not listen.
            self._activity_from_driver = True
            self._last_sign = max(self._last_sign, int(batch.activity.t_end.max(initial=0)))
            known = self._known[batch.activity.antenna]
            spans = batch.activity.select(known)
            self._collector.add_activity(replace(spans, antenna=self._mount[spans.antenna]))
        elif self._listening_since is not None and self._clock.now() - self._listening_since > _SPAN_NS:
            self._end_span(go_on=True)
        # The events last: a loss is judged by what was heard before it.
        for event in batch.events:
            self._collector.add_event(event.t, self._table.name, event.kind, event.detail)
            if event.kind == "reader_gone":
                self._away = True
                self.absence.away_from(event.t)
                self._changed()
                self._end_span()
            elif event.kind == "reader_back":
                self._away = False
                self.absence.read_from(event.t)
                self._listening_since = event.t
                self._changed()

    def _end_span(self, *, go_on: bool = False) -> None:
        """Write down when every antenna of this reader listened, where the driver does not say it itself."""
        start, end = self._listening_since, self._clock.now()
        self._listening_since = end if go_on else None
        if start is None or end <= start or self._activity_from_driver:
            return
        n = len(self._ports)
        asked = self._settings
        power = [asked.port_power_dbm.get(port, asked.power_dbm) for port in self._ports]
        session = self._table.session if self._table.session is not None else _UNKNOWN_SESSION
        self._collector.add_activity(
            Activity(
                t_start=np.full(n, start, np.int64),
                t_end=np.full(n, end, np.int64),
                antenna=self._mount[list(self._ports)],
                power_dbm=np.array([np.nan if p is None else p for p in power], dtype=np.float32),
                session=np.full(n, session, np.uint8),
                rounds=np.zeros(n, np.uint32),
            )
        )
