"""Tells library systems what they are to be told: in the background, slowly, and each thing once.

What was begun and never ended (a crash between the library system's answer and our commit) is looked up in the
journal of writes, which is on disk before anything is sent. What may or may not have been written is never sent
again by itself.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from sqlalchemy import select

from cloud_ingest.database import Database
from cloud_ingest.models import CaseRow, WriteBack
from cloud_ingest.settings import ServeSettings
from cloud_ingest.texts import one_line
from cloud_ingest.write_back import DONE, FAILED, MISSING, OFF, PLANNED, UNKNOWN
from stacks.ils import Ils, IlsError, open_ils

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
_SLICE = 50  # books between two commits of how far it is
_IN_A_ROW = 20  # refusals after which it is not about the books
_PAUSE_S, _LONGEST_PAUSE_S = 30.0, 900.0
_LOOK_AGAIN_S = 3600.0  # whether somebody has settled a write of unknown outcome
_TIMEOUT_S = 30.0
_MS = 1_000_000


class Writer:
    """Writes what is due; `tick` is called every second or so, by one process at a time.

    Parameters
    ----------
    database, settings
        The service's.
    clock
        Nanoseconds UTC.
    """

    def __init__(
        self, database: Database, settings: ServeSettings, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._stopping = threading.Event()
        self._lists: tuple[int, int, list[str]] = (0, 0, [])  # of which row, of which day, barcodes

    def stop(self) -> None:
        """Begin nothing more; what is being written is waited for."""
        self._stopping.set()

    def tick(self) -> int:
        """Write a slice of what is due.

        Returns
        -------
        int
            Writes the library systems have taken.
        """
        written = 0
        for site, rows in self._due().items():
            on = [row for row in rows if self._is_on(row)]
            if not on or self._stopping.is_set():
                continue
            try:
                with open_ils(self._patient(site)) as ils:
                    for row in on:
                        if not self._stopping.is_set():
                            written += self._one(ils, row) if row.what == MISSING else self._some(ils, row)
            except IlsError as err:
                for row in on:
                    self._later(row, err)
        return written

    def _due(self) -> dict[str, list[WriteBack]]:
        with self._database.read() as session:
            rows: Sequence[WriteBack] = session.scalars(
                select(WriteBack)
                .where(WriteBack.state.in_((PLANNED, UNKNOWN)), WriteBack.not_before <= self._clock())
                .order_by(WriteBack.what.desc(), WriteBack.id)  # what staff said first
                .limit(_SLICE)
            ).all()
        due: dict[str, list[WriteBack]] = {}
        for row in rows:
            due.setdefault(row.site, []).append(row)
        return due

    def _is_on(self, row: WriteBack) -> bool:
        """Whether a row is still to be written; one that is not is closed."""
        if row.what not in self._settings.site(row.site).ils.get("writes", ()):
            self._end(row, OFF, "this site does not write it back")
            return False
        if row.what != MISSING:
            return True
        with self._database.read() as session:
            case = session.get(CaseRow, (row.site, row.about))
        if case is None or case.resolution != "marked_missing":
            self._end(row, OFF, "the case was opened again before it was written")
            return False
        return True

    def _patient(self, site: str) -> dict[str, object]:
        """Return a site's settings with no more patience than a service that is stopped has time."""
        given = dict(self._settings.site(site).ils)
        given["timeout_s"] = min(float(given.get("timeout_s", _TIMEOUT_S)), _TIMEOUT_S)
        given["longest_wait_s"] = min(float(given.get("longest_wait_s", 2.0)), 2.0)
        given["retries"] = min(int(given.get("retries", 1)), 1)
        return given

    def _one(self, ils: Ils, row: WriteBack) -> int:
        """Mark one copy missing."""
        last = next(
            (e for e in reversed(ils.journal.entries(barcode=row.barcode)) if e.what == MISSING), None
        )
        if last is not None and last.outcome == "unknown":
            self._end(row, UNKNOWN, f"write {last.id} of the journal: {last.detail}")
            return 0
        if (
            last is not None
            and last.outcome == "done"
            and last.at.timestamp() * 1000 >= row.created_at // _MS
        ):
            self._end(row, DONE)  # written, and then we died
            return 0
        try:
            ils.mark_missing(row.barcode, row.value)
        except IlsError as err:
            if err.maybe_done:
                self._end(row, UNKNOWN, str(err))
            elif err.temporary:
                self._later(row, err)
            else:
                self._end(row, FAILED, str(err))
            return 0
        self._end(row, DONE)
        self._rest()
        return 1

    def _some(self, ils: Ils, row: WriteBack) -> int:
        """Write the date of the next books of a run."""
        try:
            barcodes = self._barcodes(row)
        except (OSError, ValueError, LookupError) as err:
            self._end(row, FAILED, f"the list of its books cannot be read: {err}")
            return 0
        day = date.fromisoformat(row.value)
        written, in_a_row, why = 0, 0, row.error
        at = row.next
        for barcode in barcodes[at : at + _SLICE]:
            if self._stopping.is_set():
                break
            known = ils.journal.last_values(row.what, barcode).get(barcode, "")
            if known[:10] < row.value:
                try:
                    ils.record_inventory(barcode, day)
                    written, in_a_row = written + 1, 0
                except IlsError as err:
                    if err.temporary and not err.maybe_done:
                        self._far(row, at)
                        self._later(row, err)
                        return written
                    in_a_row, why = in_a_row + 1, str(err)
                    if in_a_row >= _IN_A_ROW:
                        self._far(row, at)
                        self._end(row, FAILED, f"{in_a_row} books in a row were refused: {why}")
                        return written
                self._rest()
            at += 1
        self._far(row, at, why)
        if at >= len(barcodes):
            self._end(row, DONE, why)
        return written

    def _barcodes(self, row: WriteBack) -> list[str]:
        if self._lists[:2] != (row.id, row.created_at) or row.next == 0:
            path: Path = self._settings.data / (row.file or "")
            told = json.loads(path.read_bytes())
            self._lists = (row.id, row.created_at, [str(barcode) for barcode in told["barcodes"]])
        return self._lists[2]

    def _rest(self) -> None:
        self._stopping.wait(60.0 / self._settings.writes_per_minute)

    def _far(self, row: WriteBack, at: int, error: str | None = None) -> None:
        """Note how far a run is, unless it was worked out again meanwhile and begins anew."""
        with self._database.write() as session:
            held = session.get_one(WriteBack, row.id, with_for_update=True)
            if held.created_at == row.created_at and held.state == PLANNED:
                held.next, held.attempts, held.error = at, 0, error and one_line(error)

    def _later(self, row: WriteBack, err: IlsError) -> None:
        pause_s = min(_PAUSE_S * 2 ** min(row.attempts, 10), _LONGEST_PAUSE_S)
        _LOG.warning("%s of %s: %s; again in %.0f s", row.what, row.about, one_line(str(err)), pause_s)
        with self._database.write() as session:
            held = session.get_one(WriteBack, row.id, with_for_update=True)
            if held.created_at == row.created_at and held.state in (PLANNED, UNKNOWN):
                held.attempts += 1
                held.not_before = self._clock() + int(pause_s * _NS)
                held.error = one_line(str(err))

    def _end(self, row: WriteBack, state: str, error: str | None = None) -> None:
        now = self._clock()
        if state in (FAILED, UNKNOWN):
            _LOG.error("%s of %s: %s", row.what, row.about, one_line(error or ""))
        with self._database.write() as session:
            held = session.get_one(WriteBack, row.id, with_for_update=True)
            if held.created_at != row.created_at or held.state not in (PLANNED, UNKNOWN):
                return
            held.state, held.error = state, error and one_line(error)
            held.done_at = None if state == UNKNOWN else now
            held.not_before = now + int(_LOOK_AGAIN_S * _NS) if state == UNKNOWN else held.not_before
