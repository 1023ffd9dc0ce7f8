"""The agent: one run from its first leg to the last batch that ingest has stored.

Threads: the base's (answers every pose report), one for each reader, the flusher (rows into the spool), the uplink
(spool to broker), and the caller's, which starts them, watches over them, and ends the run.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from recording import Air
from robot.base import BaseRunner
from robot.clock import BaseClock, Clock, SystemClock
from robot.collector import Collector
from robot.driver import Driver, Progress
from robot.errors import BaseGoneError, ConfigError
from robot.flusher import Flusher
from robot.process import ending_signals, quick_threads
from robot.reader_absence import missed
from robot.reader_setup import check_readers, run_info
from robot.reading import ReaderRunner
from robot.route import Route, build_route
from robot.settings import RobotSettings
from robot.spool import RunState, Spool
from robot.uplink import Uplink
from stacks.plan import PlanError, read_plan

log = logging.getLogger("nightstack.robot")

_TICK_S: Final = 0.1
_ABORT_GRACE_S: Final = 5.0
_SPOOL_FULL_S: Final = 3600.0

Tell = Callable[[float, str], None]


class Agent:
    """Runs one night's stocktake, or goes on with the one that was cut off.

    Parameters
    ----------
    settings
        From `RobotSettings.read`.
    progress
        Told the share done (0..1) and what is being done.

    Raises
    ------
    ConfigError
        The plan cannot be read, the route does not fit it, or a reader's URL is one that no driver takes.
    """

    def __init__(self, settings: RobotSettings, *, progress: Tell | None = None) -> None:
        self._settings = settings
        self._tell = progress or _say_nothing
        try:
            plan = read_plan(settings.plan)
        except PlanError as error:
            raise ConfigError(str(error)) from None
        self._airs = check_readers(settings)
        self._route: Route = build_route(plan, settings.route, settings.mounts())
        self._clock: Clock = SystemClock() if settings.clock == "system" else BaseClock()
        self._collector = Collector(settings.uplink.batch_rows, self._route.floor_id)
        self._driver = Driver(settings, self._route, self._note)
        self._base = BaseRunner(settings, self._clock, self._collector, self._driver, self._note)
        self._readers = [
            ReaderRunner(
                table,
                settings.antennas_of(table.name),
                self._clock,
                self._collector,
                self._note,
                self._check_readers,
            )
            for table in settings.reader
        ]
        self._abort = ""
        self._run_id: str | None = None
        self._phase = "starting"
        self._stepped_said = False
        self._missed: tuple[str, ...] = ()
        self._run_before = False
        self._deaf_lock = threading.Lock()
        self._deaf_since: int | None = None
        self._uplink: Uplink | None = None

    @property
    def run_id(self) -> str | None:
        """The run being driven; None before it is known."""
        return self._run_id

    def abort(self, why: str) -> None:
        """End the run as soon as possible as ``aborted: why``; may be called from any thread."""
        if not self._abort:
            self._abort = why

    @property
    def readings_sent(self) -> int:
        """Readings that this agent put into its spool since it was started."""
        return self._collector.readings_heard - self._collector.dropped_readings

    @property
    def missed(self) -> tuple[str, ...]:
        """Which readers were not there in the run that ended, and for how long; one line each."""
        return self._missed

    @property
    def run_before(self) -> bool:
        """Whether nothing was driven, and only what a run before this start had left was delivered."""
        return self._run_before

    def run(self) -> int:
        """Drive, read and deliver.

        Returns
        -------
        int
            0 when the route is done and ingest has stored everything; 1 when the run was aborted, or batches still
            wait in the spool (the next start sends them first).

        Raises
        ------
        SpoolError
            The spool cannot be opened.
        BaseGoneError
            The base never answered; an unfinished run stays unfinished.
        """
        settings = self._settings
        with (
            closing(Spool(settings.spool, settings.spool_max_mb << 20)) as spool,
            ending_signals(self.abort),
            quick_threads(),
        ):
            self._keep_uplink(spool)
            try:
                reason = self._cut_off_delivery(spool) or self._scan(spool)
                self._phase = "delivering"
                self._deliver(spool)
            finally:
                self._base.stop()
                if self._uplink is not None:
                    self._uplink.stop()
            spool.leave()
            waiting = spool.waiting()
        if waiting:
            log.warning("%d batches wait in %s; the next start sends them first", waiting, settings.spool)
            self._tell(
                0.99, f"{reason}; {waiting} batches wait in {settings.spool}, the next start sends them first"
            )
            return 1
        self._tell(1.0, reason)
        return 0 if reason == "done" else 1

    def _keep_uplink(self, spool: Spool) -> None:
        """Start the uplink, or start it again should its thread have died."""
        if self._uplink is not None and self._uplink.is_alive():
            return
        self._uplink = Uplink(
            self._settings,
            spool,
            status=self._status,
            clock=self._clock.now,
            report=lambda kind, detail: self._note("uplink", kind, detail),
        )
        self._uplink.start()

    def _cut_off_delivery(self, spool: Spool) -> str:
        """Return the reason of a run that had ended when its agent died; it is delivered, and no new one begun.

        A service manager starts a killed agent again; that must not send the robot round once more in the morning.
        """
        state = next((run for run in reversed(spool.runs()) if run.reason is not None and not run.left), None)
        if state is None or state.reason is None or spool.open_run() is not None:
            return ""
        age_h = (self._clock.now() - state.progress_t) / 3.6e12
        if self._settings.clock == "system" and not -1.0 < age_h <= self._settings.resume_max_age_h:
            return ""
        self._run_id = state.info.run_id
        self._run_before = True
        return state.reason

    def _scan(self, spool: Spool) -> str:
        """Drive the route; return why the run ended."""
        self._base.start()
        self._await_base()
        state = self._resumable(spool)
        resumed = state is not None
        for reader in self._readers:
            reader.start()
        readers_there = self._await_readers()
        if state is None:
            now = self._clock.now()
            said = {reader.name_in_settings: reader.capabilities for reader in self._readers}
            state = spool.begin(run_info(self._settings, self._airs, said, now), self._route.key, now)
            self._note("agent", "run_started", f"{len(self._route.legs)} legs, {self._route.length_m:.1f} m")
        self._run_id = run_id = state.info.run_id
        airs: dict[int, Air] = {mount.id: mount.air for mount in state.info.antennas}
        for reader in self._readers:
            reader.recorded_as(airs)
        flusher = Flusher(
            run_id,
            spool,
            self._collector,
            self._driver,
            self._clock,
            self._settings.uplink.flush_s,
            self._note,
        )
        # The first flush is awaited: a run that is known to anybody has its first batch on disk.
        flusher.flush()
        flusher.start()
        reason = "aborted: the agent failed"
        try:
            if readers_there:
                self._phase = "scanning"
                began = self._clock.now()
                self._driver.start(self._resume_at(state))
                self._check_readers()
                reason = self._watch(spool, flusher)
                self._say_missed(began, whole=not resumed)
            else:
                reason = f"aborted: {self._abort or 'no reader answers'}"
        finally:
            self._driver.stop()
            self._stop_readers()
            self._note("agent", "run_ended", reason)
            self._base.stop()
            lost = flusher.stop(self._settings.uplink.grace_s)
            if lost:
                reason = f"aborted: the spool is full, {lost} rows were lost ({reason})"
            spool.end(run_id, reason)
        return reason

    def _await_base(self) -> None:
        until = time.monotonic() + self._settings.drive.base_wait_s
        self._tell(0.0, f"waiting for the base at {self._settings.base}")
        while not self._base.seen.wait(_TICK_S):
            if self._abort:
                raise BaseGoneError(f"{self._settings.base}: {self._abort} while waiting for the base")
            if time.monotonic() > until:
                raise BaseGoneError(
                    f"{self._settings.base}: no base answers ({self._base.last_error});"
                    " check that it is switched on, and `base` in the settings"
                )

    def _await_readers(self) -> bool:
        """Wait until every reader reads, or for the time set; return whether any does."""
        until = time.monotonic() + self._settings.drive.reader_wait_s
        while missing := [reader for reader in self._readers if not reader.started.is_set()]:
            if self._abort or time.monotonic() > until:
                break
            self._tell(0.0, f"waiting for reader {', '.join(reader.name_in_settings for reader in missing)}")
            missing[0].started.wait(_TICK_S)
        return any(reader.started.is_set() for reader in self._readers) and not self._abort

    def _resumable(self, spool: Spool) -> RunState | None:
        state = spool.open_run()
        if state is None:
            return None
        age_h = (self._clock.now() - state.progress_t) / 3.6e12
        run_id = state.info.run_id
        if state.route_key != self._route.key:
            spool.end(run_id, "aborted: the route was changed before the run was resumed")
        elif not -1.0 < age_h <= self._settings.resume_max_age_h:
            spool.end(run_id, f"aborted: not resumed within {self._settings.resume_max_age_h:g} h")
        else:
            self._note(
                "agent", "run_resumed", f"leg {state.progress.get('leg', 0) + 1} of {len(self._route.legs)}"
            )
            return state
        return None

    def _resume_at(self, state: RunState) -> Progress:
        leg, done_m = int(state.progress.get("leg", 0)), float(state.progress.get("done_m", 0.0))
        leg = min(max(leg, 0), len(self._route.legs))
        return Progress(leg, max(0.0, done_m - self._settings.route.resume_back_m))

    def _watch(self, spool: Spool, flusher: Flusher) -> str:
        full_since: float | None = None
        told = 0.0
        while not self._driver.finished.wait(_TICK_S):
            if self._abort:
                return f"aborted: {self._abort}"
            if self._base.silent_s > self._settings.drive.base_lost_s:
                return f"aborted: the base was lost for {self._base.silent_s:.0f} s ({self._base.last_error})"
            if not flusher.full.is_set():
                full_since = None
            elif full_since is None:
                full_since = time.monotonic()
            elif time.monotonic() - full_since > _SPOOL_FULL_S:
                return "aborted: the spool was full for an hour"
            self._keep_uplink(spool)
            self._check_clock()
            if time.monotonic() - told > 0.5:
                told = time.monotonic()
                self._tell(0.95 * self._driver.share, self._sentence())
        return f"aborted: {self._driver.failure}" if self._driver.failure else "done"

    def _check_readers(self) -> None:
        """Let the robot stand while not a single reader reads, and then drive again what nobody heard.

        Called by the readers' threads, at once: the robot must not drive on deaf.
        """
        with self._deaf_lock:
            reads = any(reader.reading for reader in self._readers)
            if not reads and self._deaf_since is None:
                now = self._clock.now()
                self._deaf_since = max(reader.deaf_since(now) for reader in self._readers)
                self._driver.hold("readers", "no reader reads")
            elif reads and self._deaf_since is not None:
                since, self._deaf_since = self._deaf_since, None
                self._driver.drive_again_since(since)
                self._driver.release("readers")

    def _say_missed(self, began: int, *, whole: bool) -> None:
        """Tell at the end of the drive which readers were not there, and for how long."""
        now = self._clock.now()
        told = [
            one
            for reader in self._readers
            if (
                one := missed(
                    reader.name_in_settings, reader.absence, began, now, reader.complaints.last, whole=whole
                )
            )
        ]
        for one in told:
            self._note(one.reader, one.kind, one.detail)
        self._missed = tuple(map(str, told))

    def _check_clock(self) -> None:
        if (
            isinstance(self._clock, SystemClock)
            and not self._stepped_said
            and abs(self._clock.stepped_s()) > 1.0
        ):
            self._stepped_said = True
            self._note(
                "agent",
                "clock_stepped",
                f"the system's clock was set by {self._clock.stepped_s():+.1f} s; not followed",
            )

    def _sentence(self) -> str:
        leg = self._driver.leg
        what = f"face {leg.face_id}, pass {leg.pass_no}" if leg else "driving home"
        held = self._driver.held
        return f"{what}{f' (stands: {held})' if held else ''}, {self._collector.readings_heard} readings"

    def _stop_readers(self) -> None:
        for reader in self._readers:
            reader.ask_to_stop()
        for reader in self._readers:
            if reader.is_alive():
                reader.join(15.0)

    def _deliver(self, spool: Spool) -> None:
        """Wait until ingest has stored everything, or nothing moved for the grace period."""
        grace_s = self._settings.uplink.grace_s
        moved, least = time.monotonic(), sys.maxsize
        aborting = bool(self._abort)
        while True:
            left = spool.waiting() + sum(run.reason is not None for run in spool.runs())
            if left == 0:
                return
            if left < least:
                moved, least = time.monotonic(), left
                self._tell(0.97, f"delivering, {left} batches wait")
            if self._abort and not aborting:
                aborting, moved = True, time.monotonic()
            if time.monotonic() - moved > (min(grace_s, _ABORT_GRACE_S) if aborting else grace_s):
                return
            self._keep_uplink(spool)
            time.sleep(0.05)

    def _status(self) -> dict[str, Any]:
        leg = self._driver.leg
        return {
            "run_id": self._run_id,
            "phase": self._phase,
            "progress": round(self._driver.share, 4),
            "face": leg.face_id if leg and self._phase == "scanning" else None,
            "held": self._driver.held,
            "readings": self._collector.readings_heard,
            "readers": {reader.name_in_settings: reader.reading for reader in self._readers},
        }

    def _note(self, source: str, kind: str, detail: str) -> None:
        log.info("%s: %s: %s", source, kind, detail)
        self._collector.add_event(self._clock.now(), source, kind, detail)


def _say_nothing(_share: float, _text: str) -> None:
    """Report progress to nobody."""
