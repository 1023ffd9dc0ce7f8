"""What happens to runs while nobody asks: freezing, compaction, closing, opening again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud_ingest import expected
from cloud_ingest.compaction import Compactor
from cloud_ingest.database import Database
from cloud_ingest.models import CLOSING, FAILED, RECORDING, REPORTED, Batch, Job, Run
from cloud_ingest.run_life import enter
from cloud_ingest.settings import ServeSettings
from cloud_ingest.store import Store

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
_RETRY_S = 5.0


class Lifecycle:
    """Looks after open runs; `tick` is called every half second or so.

    Parameters
    ----------
    database, store, settings
        The service's.
    connected_at
        Since when messages have been coming in; None: they are not, and then no silence counts.
    clock
        Nanoseconds UTC.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        settings: ServeSettings,
        connected_at: Callable[[], int | None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._connected_at = connected_at
        self._clock = clock
        self._compactor = Compactor(database, settings.data, settings.segment_rows)
        self._frozen: set[str] = set()
        self._not_before: dict[str, float] = {}

    def tick(self) -> None:
        """Do whatever is due. One run's trouble is logged and does not hold up the others."""
        with self._database.read() as session:
            runs = list(session.scalars(select(Run).where(Run.state.in_((RECORDING, CLOSING)))))
            late = list(session.scalars(select(Run).where(Run.state.in_((REPORTED, FAILED)), Run.late > 0)))
        for run in runs + late:
            if time.monotonic() < self._not_before.get(run.run_id, 0.0):
                continue
            try:
                if run.state == RECORDING:
                    self._look_after(run)
                elif run.state == CLOSING:
                    self._finish(run)
                else:
                    self._open_again(run)
            except Exception:
                _LOG.exception("run %s cannot go on; trying again in %.0f s", run.run_id, _RETRY_S)
                self._not_before[run.run_id] = time.monotonic() + _RETRY_S

    def _look_after(self, run: Run) -> None:
        if run.run_id not in self._frozen:
            expected.freeze(self._settings, run.site, run.run_id, self._clock())
            self._frozen.add(run.run_id)
        self._compactor.compact(run.run_id, finish=False)
        why = self._why_close(run)
        if why is not None:
            self._close(run.run_id, *why)

    def _why_close(self, run: Run) -> tuple[bool, str] | None:
        """Whether every announced batch is stored and why the run ends now; None: it goes on."""
        if run.announced is not None and self._store.complete(run.run_id, run.announced):
            aborted = run.end_reason not in (None, "done")
            return (
                True,
                f"the robot ended it ({run.end_reason})" if aborted else "the robot ended it, all is stored",
            )
        connected_at = self._connected_at()
        if connected_at is None:
            return None
        now = self._clock()
        heard_at = max(run.heard_at, connected_at)
        silent_s = (now - heard_at) / _NS
        if run.offline_at is not None:
            gone_s = (now - max(run.offline_at, connected_at)) / _NS
            if gone_s >= self._settings.offline_s:
                return False, f"the robot has been gone for {_span(gone_s)}"
        if silent_s >= self._settings.silence_s:
            if run.announced is not None:
                return False, f"batches the robot announced did not come within {_span(silent_s)}"
            return False, f"the robot has been silent for {_span(silent_s)}"
        return None

    def _close(self, run_id: str, complete: bool, why: str) -> None:
        with self._database.write() as session:
            run = session.get_one(Run, run_id, with_for_update=True)
            if run.state != RECORDING:
                return
            run.complete = complete
            now = run.closed_at = self._clock()
            enter(session, run, CLOSING, why, now)
            said = ", ".join(_stored_counts(session, run_id))
        _LOG.info("run %s of %s ended: %s; %s", run_id, run.site, why, said or "nothing is stored")

    def _finish(self, run: Run) -> None:
        """Bring the rest into segments, then hand the run to a worker."""
        expected.freeze(self._settings, run.site, run.run_id, self._clock())
        notes = expected.fill_gaps(self._settings, run.site, run.run_id)
        self._compactor.compact(run.run_id, finish=True)
        with self._database.write() as session:
            now = self._clock()
            run = session.get_one(Run, run.run_id, with_for_update=True)
            waiting = session.scalar(
                select(func.count()).where(Batch.run_id == run.run_id, Batch.file.is_(None))
            )
            job = session.scalar(select(Job).where(Job.run_id == run.run_id, Job.revision == run.revision))
            if waiting or job is not None:  # one came in this moment, or this has been done
                return
            run.late = 0
            run.notes = notes
            session.add(
                Job(
                    run_id=run.run_id,
                    revision=run.revision,
                    state="queued",
                    attempts=0,
                    not_before=now,
                    progress="",
                    created_at=now,
                )
            )

    def _open_again(self, run: Run) -> None:
        with self._database.write() as session:
            run = session.get_one(Run, run.run_id, with_for_update=True)
            run.revision += 1
            why = f"{run.late} messages came after it had been closed; it is worked out again"
            run.late = 0
            run.complete = False
            run.heard_at = max(run.heard_at, self._clock())
            enter(session, run, RECORDING, why, self._clock())
        _LOG.info("run %s of %s begun again: %s", run.run_id, run.site, why)


def _stored_counts(session: Session, run_id: str) -> list[str]:
    """Say how much of each kind is stored of a run; a clause each."""
    rows = session.execute(
        select(Batch.kind, func.count(), func.sum(Batch.rows))
        .where(Batch.run_id == run_id)
        .group_by(Batch.kind)
        .order_by(Batch.kind)
    )
    return [f"{int(n):,} {kind} in {batches:,} batches" for kind, batches, n in rows]


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
