"""From the batch log to Parquet segments.

A segment ends with the batch that brings it to `segment_rows` rows, so where segments begin and end depends on
the batches alone and never on when this ran. The steps are: write and sync the file, give it its name, then in
one transaction point the batches to it and clear their payloads. A crash between any two of them leaves the
payloads in the log; the next pass first removes files nothing points to and then writes the same bytes again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloud_ingest.database import Database
from cloud_ingest.models import Batch, Run
from cloud_ingest.paths import raw_folder
from cloud_ingest.raw_store import segment_name, write_segment
from recording.files import sync
from recording.wire import decode_batch

_LOG = logging.getLogger(__name__)
_MOST_BATCHES = 20_000  # in one segment, however few rows they have


class Compactor:
    """Moves the payloads of one run after the other into segments.

    Parameters
    ----------
    database
        Where the batch log is.
    data
        The data folder.
    segment_rows
        Rows after which a segment ends.
    """

    def __init__(self, database: Database, data: Path, segment_rows: int) -> None:
        self._database = database
        self._data = data
        self._segment_rows = segment_rows
        self._swept: set[str] = set()

    def compact(self, run_id: str, *, finish: bool) -> int:
        """Write the segments of a run that are full; with `finish`, the rest, too.

        Until it is finished, a gap holds back what lies behind it: the missing batch may still come.

        Returns
        -------
        int
            Segments written.
        """
        with self._database.read() as session:
            run = session.get(Run, run_id)
            if run is None:
                return 0
            kinds = list(
                session.scalars(
                    select(Batch.kind)
                    .where(Batch.run_id == run_id, Batch.file.is_(None))
                    .group_by(Batch.kind)
                )
            )
        written = 0
        for kind in kinds:
            folder = raw_folder(self._data, run.site, run_id, kind)
            if run_id not in self._swept:
                self._sweep(run_id, kind, folder)
            while (segment := self._next_segment(run_id, kind, finish)) is not None:
                self._write(run_id, kind, folder, *segment)
                written += 1
        self._swept.add(run_id)
        return written

    def _next_segment(self, run_id: str, kind: str, finish: bool) -> tuple[int, int] | None:
        """First and last batch of the next segment to write."""
        with self._database.read() as session:
            waiting = session.execute(
                select(Batch.seq, Batch.rows)
                .where(Batch.run_id == run_id, Batch.kind == kind, Batch.file.is_(None))
                .order_by(Batch.seq)
                .limit(_MOST_BATCHES)
            ).all()
            if not waiting:
                return None
            first: int = waiting[0].seq
            if not finish and first != self._first_wanted(session, run_id, kind):
                return None
        rows, last = 0, first - 1
        for seq, count in waiting:
            if seq != last + 1:
                break
            last = seq
            rows += count
            if rows >= self._segment_rows or last - first + 1 == _MOST_BATCHES:
                return first, last
        return (first, last) if finish else None

    def _first_wanted(self, session: Session, run_id: str, kind: str) -> int:
        """Return the batch behind the last segment that follows without a gap from the run's beginning."""
        rows = session.execute(
            select(func.min(Batch.seq), func.max(Batch.seq))
            .where(Batch.run_id == run_id, Batch.kind == kind, Batch.file.is_not(None))
            .group_by(Batch.file)
            .order_by(func.min(Batch.seq))
        )
        wanted = 0
        for first, last in rows:
            if first > wanted:
                break
            wanted = last + 1
        return wanted

    def _write(self, run_id: str, kind: str, folder: Path, first: int, last: int) -> None:
        path = folder / segment_name(first, last)
        name = path.relative_to(self._data).as_posix()
        span = (Batch.run_id == run_id, Batch.kind == kind, Batch.seq >= first, Batch.seq <= last)
        with self._database.read() as session:
            payloads = session.scalars(select(Batch.payload).where(*span).order_by(Batch.seq)).all()
        batches = [decode_batch(payload) for payload in payloads if payload is not None]
        assert len(batches) == last - first + 1, f"{name}: the log has {len(batches)} of its batches"
        write_segment(path, batches)
        with self._database.write() as session:
            session.execute(update(Batch).where(*span).values(file=name, payload=None))
        _LOG.debug("wrote %s", name)

    def _sweep(self, run_id: str, kind: str, folder: Path) -> None:
        """Remove what a crash left: files that no batch points to, whose batches are all in the log."""
        if not folder.is_dir():
            return
        with self._database.read() as session:
            known = set(
                session.scalars(
                    select(Batch.file)
                    .where(Batch.run_id == run_id, Batch.kind == kind, Batch.file.is_not(None))
                    .distinct()
                )
            )
        stale = [path for path in folder.iterdir() if path.relative_to(self._data).as_posix() not in known]
        for path in stale:
            path.unlink()
        if stale:
            sync(folder)
