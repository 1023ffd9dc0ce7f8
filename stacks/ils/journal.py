"""
The journal of writes: what was to be written back stands here before it is sent, and its outcome after.

One SQLite file that is only ever added to (the file itself refuses anything else). A write without an
outcome is of unknown outcome: the program was stopped, or the answer was lost. It is listed as such, and
is never sent again by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError

DONE, FAILED, UNKNOWN = "done", "failed", "unknown"
OUTCOMES = (DONE, FAILED, UNKNOWN)
_BEGUN = "begun"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    write_id INTEGER,
    at TEXT NOT NULL,
    step TEXT NOT NULL CHECK (step IN ('begun', 'done', 'failed', 'unknown')),
    kind TEXT NOT NULL, what TEXT NOT NULL, barcode TEXT NOT NULL, value TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS steps_by_write ON steps (write_id);
CREATE INDEX IF NOT EXISTS steps_by_barcode ON steps (barcode, what);
CREATE TRIGGER IF NOT EXISTS steps_are_kept BEFORE UPDATE ON steps
    BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END;
CREATE TRIGGER IF NOT EXISTS steps_are_never_lost BEFORE DELETE ON steps
    BEGIN SELECT RAISE(ABORT, 'the journal is only ever added to'); END;
"""
# A write's own row has no write_id; its seq is the write's id. The last of its outcomes counts, so that a
# person who has looked can settle one that was unknown.
_WRITES = """
SELECT b.seq, b.at, b.kind, b.what, b.barcode, b.value,
       coalesce(o.step, 'unknown'), coalesce(o.at, ''), coalesce(o.detail, 'no outcome was recorded')
FROM steps b LEFT JOIN steps o ON o.seq = (SELECT max(seq) FROM steps WHERE write_id = b.seq)
WHERE b.step = 'begun'
"""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """
    One write.

    Attributes
    ----------
    id : int
        Its number in the journal.
    at : datetime
        When it was about to be sent, UTC.
    kind, what, barcode, value : str
        To which system, what (``inventory_date`` or ``missing``), of which item, and the date or note.
    outcome : str
        ``done``, ``failed`` (certainly not done) or ``unknown``.
    settled_at : datetime or None
        When that became known.
    detail : str
        What the system said, or what went wrong.
    """

    id: int
    at: datetime
    kind: str
    what: str
    barcode: str
    value: str
    outcome: str
    settled_at: datetime | None
    detail: str


class Journal:
    """
    The journal in one file.

    Parameters
    ----------
    path : path
        The file; it is made with the first write.
    clock : Clock, optional
        Where times come from.

    Raises
    ------
    IlsError
        Of every method: the file cannot be read or written.
    """

    def __init__(self, path: str | Path, clock: Clock | None = None) -> None:
        self.path = Path(path)
        self._clock = clock or Clock()

    def begin(self, kind: str, what: str, barcode: str, value: str) -> int:
        """Note a write that is about to be sent, on disk before this returns, and give its number."""
        with self._open() as db:
            return self._add(db, None, _BEGUN, (kind, what, barcode, value), "")

    def end(self, write_id: int, outcome: str, detail: str = "") -> None:
        """Note the outcome of a write; raises IlsError if there is no such write."""
        if outcome not in OUTCOMES:
            raise IlsError(f"{outcome}: no outcome; it is one of {', '.join(OUTCOMES)}")
        with self._open() as db:
            row = db.execute(
                "SELECT kind, what, barcode, value FROM steps WHERE seq = ? AND step = 'begun'", (write_id,)
            ).fetchone()
            if row is None:
                raise IlsError(
                    f"{self.path}: has no write {write_id}; list them with: nightstack stacks journal"
                )
            self._add(db, write_id, outcome, tuple(row), detail)

    def entries(self, *, outcome: str | None = None, barcode: str | None = None) -> list[JournalEntry]:
        """Return the writes, oldest first: all of them, those of one outcome, those of one item."""
        if not self.path.exists():
            return []
        sql, values = _WRITES, list[str]()
        if barcode is not None:
            sql += " AND b.barcode = ?"
            values.append(barcode)
        with self._open() as db:
            found = [_entry(row) for row in db.execute(sql + " ORDER BY b.seq", values)]
        return [entry for entry in found if outcome in (None, entry.outcome)]

    def unknown(self, what: str, barcode: str) -> JournalEntry | None:
        """Return the last write of this kind to this item whose outcome nobody knows."""
        found = [e for e in self.entries(outcome=UNKNOWN, barcode=barcode) if e.what == what]
        return found[-1] if found else None

    def last_values(self, what: str, barcode: str | None = None) -> dict[str, str]:
        """Return for each item, or for one, the last value that was, or may have been, written."""
        found = self.entries(barcode=barcode)
        return {e.barcode: e.value for e in found if e.what == what and e.outcome != FAILED}

    def _add(
        self, db: sqlite3.Connection, write_id: int | None, step: str, what: Iterable[str], detail: str
    ) -> int:
        made = db.execute(
            "INSERT INTO steps (write_id, at, step, kind, what, barcode, value, detail) VALUES (?,?,?,?,?,?,?,?)",
            (write_id, self._clock.now().isoformat(timespec="milliseconds"), step, *what, detail[:500]),
        )
        db.commit()
        return int(made.lastrowid or 0)

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=30.0)) as db:
                db.execute("PRAGMA synchronous = FULL")
                db.executescript(_SCHEMA)
                yield db
        except sqlite3.Error as error:
            raise IlsError(
                f"{self.path}: the journal of writes cannot be used ({error}); nothing is written back without it"
            ) from None


def _entry(row: tuple[int, str, str, str, str, str, str, str, str]) -> JournalEntry:
    number, at, kind, what, barcode, value, outcome, settled, detail = row
    return JournalEntry(
        number,
        datetime.fromisoformat(at),
        kind,
        what,
        barcode,
        value,
        outcome,
        datetime.fromisoformat(settled) if settled else None,
        detail,
    )
