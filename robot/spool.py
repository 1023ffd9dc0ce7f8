"""The spool: every batch is on disk before it is sent, and stays there until ingest says that it is stored.

One SQLite file in WAL mode with ``synchronous=FULL``: a commit that returned survives the death of the
process and of the machine. A batch, the numbers the next batches get, and how far the robot had come when
the batch was cut off are committed in one transaction, so that a restarted run goes on exactly behind what
it has kept. A number is never given to two contents: it is taken in the transaction that stores the first.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recording import Activity, Events, Poses, Readings, RunInfo, TagMemories
from recording.topics import End
from recording.wire import Batch, encode_batch
from robot.errors import SpoolError, SpoolFullError

Columns = Readings | Poses | Events | Activity | TagMemories

SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE run (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    info TEXT NOT NULL,
    route_key TEXT NOT NULL,
    progress TEXT NOT NULL,
    progress_t INTEGER NOT NULL,
    reason TEXT,
    left INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE next_seq (
    run_id TEXT NOT NULL, kind TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (run_id, kind)
) WITHOUT ROWID;
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL, kind TEXT NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL,
    UNIQUE (run_id, kind, seq)
);
"""


@dataclass(frozen=True, slots=True)
class RunState:
    """
    One run as the spool keeps it.

    Attributes
    ----------
    info : RunInfo
        What is published as run.json.
    route_key : str
        Fingerprint of the route; a run is only resumed on the same one.
    progress : dict
        How far the route was done when the last batch was cut off; empty at the start.
    progress_t : int
        When that was, nanoseconds UTC.
    batches : dict of str to int
        Batches made so far, by kind.
    reason : str or None
        Why the run ended; None while it is open.
    left : bool
        True: the agent that ended it left in good order, whatever still waits.
    """

    info: RunInfo
    route_key: str
    progress: dict[str, Any]
    progress_t: int
    batches: dict[str, int]
    reason: str | None
    left: bool = False

    def end(self) -> End:
        """Return what the `end` topic carries; only of an ended run."""
        return End(self.info.run_id, self.batches, self.reason or "open")


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """One batch as it is published; `id` grows in the order in which batches were made."""

    id: int
    run_id: str
    kind: str
    seq: int
    payload: bytes


class Spool:
    """Batches and run state on disk; safe to use from several threads, and by one process at a time.

    Parameters
    ----------
    path
        The SQLite file; made where it is not there.
    max_bytes
        Payload bytes from which readings, poses and activity are refused. Events pass until a tenth above it,
        so that the reason still fits.

    Raises
    ------
    SpoolError
        The file is in use by another agent, is no spool, or cannot be written.
    """

    def __init__(self, path: Path, max_bytes: int = 2 << 30) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._held = path.with_name(path.name + ".lock").open("w")
        except OSError as error:
            raise SpoolError(
                f"{path}: cannot be opened ({error.strerror}); choose another place for the spool"
            ) from None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            raise SpoolError(
                f"{path}: another agent is using this spool; stop it, or give this robot its own"
            ) from None
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._open()
        except sqlite3.Error as error:
            self._held.close()
            raise SpoolError(
                f"{path}: cannot be used as spool ({error}); move it away, a new one will be made"
            ) from None
        self._used = int(
            self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM batch").fetchone()[0]
        )

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"version {version}, this agent knows {SCHEMA_VERSION}")

    @property
    def used_bytes(self) -> int:
        """Payload bytes waiting."""
        return self._used

    def close(self) -> None:
        """Close the file and let another process have it."""
        with self._lock:
            self._db.close()
            self._held.close()

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                if "full" in str(error):
                    raise SpoolFullError(f"{self.path}: the disk is full; free some space") from None
                raise SpoolError(f"{self.path}: cannot be written ({error})") from None
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def begin(self, info: RunInfo, route_key: str, t: int) -> RunState:
        """Open a new run."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO run (run_id, info, route_key, progress, progress_t) VALUES (?, ?, ?, '{}', ?)",
                (info.run_id, json.dumps(info.to_json()), route_key, t),
            )
        return RunState(info, route_key, {}, t, {}, None)

    def runs(self) -> list[RunState]:
        """Return every run that is open or has batches waiting, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT run_id, info, route_key, progress, progress_t, reason, left FROM run ORDER BY ordinal"
            ).fetchall()
            counts: dict[str, dict[str, int]] = {}
            for run_id, kind, following in self._db.execute("SELECT run_id, kind, next FROM next_seq"):
                counts.setdefault(run_id, {})[kind] = following
        return [
            RunState(
                RunInfo.from_json(json.loads(info), f"{self.path}: run {run_id}"),
                route_key,
                json.loads(progress),
                t,
                counts.get(run_id, {}),
                reason,
                bool(left),
            )
            for run_id, info, route_key, progress, t, reason, left in rows
        ]

    def open_run(self) -> RunState | None:
        """Return the run that was never ended, if there is one."""
        return next((run for run in self.runs() if run.reason is None), None)

    def add(
        self,
        run_id: str,
        parts: Sequence[tuple[str, Columns]],
        progress: dict[str, Any] | None = None,
        t: int = 0,
    ) -> list[tuple[str, int]]:
        """Store batches, and with them how far the run has come, in one transaction.

        Parameters
        ----------
        run_id
            An open run.
        parts
            Kind and columns of each batch, in the order in which they are to be sent.
        progress, t
            New progress and its time; None leaves it as it is.

        Returns
        -------
        list of (kind, seq)
            The identities given.

        Raises
        ------
        SpoolFullError
            The size limit is reached or the disk is full; nothing was stored.
        SpoolError
            The file cannot be written; nothing was stored.
        """
        with self._transaction() as db:
            following = dict(
                db.execute("SELECT kind, next FROM next_seq WHERE run_id = ?", (run_id,)).fetchall()
            )
            rows: list[tuple[str, str, int, bytes]] = []
            for kind, columns in parts:
                seq = int(following.get(kind, 0))
                following[kind] = seq + 1
                rows.append((run_id, kind, seq, encode_batch(Batch(run_id, kind, seq, columns))))
            size = sum(len(row[3]) for row in rows)
            bulky = any(kind != "events" for kind, _ in parts)
            limit = self.max_bytes if bulky else self.max_bytes + self.max_bytes // 10
            if self._used + size > limit:
                raise SpoolFullError(
                    f"{self.path}: {self._used / 1e6:.1f} MB wait, {limit / 1e6:.1f} MB are allowed; "
                    "the broker or ingest is not taking them"
                )
            db.executemany("INSERT INTO batch (run_id, kind, seq, payload) VALUES (?, ?, ?, ?)", rows)
            db.executemany(
                "INSERT INTO next_seq VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                [(run_id, kind, count) for kind, count in following.items()],
            )
            if progress is not None:
                db.execute(
                    "UPDATE run SET progress = ?, progress_t = ? WHERE run_id = ?",
                    (json.dumps(progress), t, run_id),
                )
        self._used += size
        return [(kind, seq) for _, kind, seq, _ in rows]

    def end(self, run_id: str, reason: str) -> None:
        """Close a run; nothing is added to it afterwards. A closed run keeps its first reason."""
        with self._transaction() as db:
            db.execute("UPDATE run SET reason = ? WHERE run_id = ? AND reason IS NULL", (reason, run_id))

    def leave(self) -> None:
        """Say that the agent leaves in good order: its ended runs need nobody but the uplink any more."""
        with self._transaction() as db:
            db.execute("UPDATE run SET left = 1 WHERE reason IS NOT NULL")

    def after(self, last_id: int, limit: int) -> list[SpooledBatch]:
        """Return up to `limit` waiting batches made after the one with id `last_id`, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, run_id, kind, seq, payload FROM batch WHERE id > ? ORDER BY id LIMIT ?",
                (last_id, limit),
            ).fetchall()
        return [SpooledBatch(*row) for row in rows]

    def get(self, run_id: str, kind: str, seq: int) -> SpooledBatch | None:
        """Return one waiting batch by its identity; None when it was dropped already."""
        with self._lock:
            row = self._db.execute(
                "SELECT id, run_id, kind, seq, payload FROM batch WHERE run_id = ? AND kind = ? AND seq = ?",
                (run_id, kind, seq),
            ).fetchone()
        return SpooledBatch(*row) if row else None

    def drop(self, run_id: str, kind: str, upto: int) -> int:
        """Drop what ingest has stored: the batches of a kind up to and including seq `upto`; return how many.

        A watermark above what was ever made of this run is not believed, and drops nothing.
        """
        with self._transaction() as db:
            row = db.execute(
                "SELECT next FROM next_seq WHERE run_id = ? AND kind = ?", (run_id, kind)
            ).fetchone()
            if row is None or upto >= row[0]:
                return 0
            size, count = db.execute(
                "SELECT coalesce(sum(length(payload)), 0), count(*) FROM batch"
                " WHERE run_id = ? AND kind = ? AND seq <= ?",
                (run_id, kind, upto),
            ).fetchone()
            if count:
                db.execute(
                    "DELETE FROM batch WHERE run_id = ? AND kind = ? AND seq <= ?", (run_id, kind, upto)
                )
        self._used -= size
        return int(count)

    def waiting(self, run_id: str | None = None) -> int:
        """Return the number of batches waiting, of one run or of all."""
        with self._lock:
            return int(
                self._db.execute(
                    "SELECT count(*) FROM batch WHERE ?1 IS NULL OR run_id = ?1", (run_id,)
                ).fetchone()[0]
            )

    def forget(self, run_id: str) -> bool:
        """Forget a run that has ended and of which nothing waits any more; return whether it was one."""
        with self._transaction() as db:
            gone = db.execute(
                "DELETE FROM run WHERE run_id = ?1 AND reason IS NOT NULL"
                " AND NOT EXISTS (SELECT 1 FROM batch WHERE run_id = ?1)",
                (run_id,),
            ).rowcount
            if gone:
                db.execute("DELETE FROM next_seq WHERE run_id = ?", (run_id,))
        return bool(gone)
