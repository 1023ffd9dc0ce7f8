"""Accepting messages: any number of them in one transaction, each batch exactly once.

A batch is named by ``(run_id, kind, seq)``. The same batch again with the same bytes changes nothing; with
other bytes it goes to quarantine and what is stored stays. Only what this module has committed may be
acknowledged to anybody.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cloud_ingest.database import Database
from cloud_ingest.messages import (
    Arrival,
    BatchMessage,
    EndMessage,
    Message,
    Rejected,
    RunMessage,
    Sender,
    StatusMessage,
    read_message,
)
from cloud_ingest.models import FAILED, RECORDING, Batch, Run
from cloud_ingest.quarantine import Quarantine
from cloud_ingest.run_life import enter, note, remember_site
from cloud_ingest.settings import ServeSettings
from cloud_ingest.texts import one_line
from cloud_ingest.watermarks import Watermarks, acks
from recording.topics import KINDS, Ack

_LOG = logging.getLogger(__name__)
_MOST_SAID = 5  # refused messages of one transaction that the log names: a robot gone wild sends thousands
_MOST_HEARD_OF = 256  # a broker keeps one run.json a robot; who makes up robots must not fill the memory

Identity = tuple[str, str, int]


@dataclass(slots=True)
class Outcome:
    """What one transaction did.

    Attributes
    ----------
    stored, rows, duplicates, quarantined
        Batches stored and the rows in them, batches that were there already, messages put aside.
    acks
        What to tell which robot, now that it is committed.
    """

    stored: int = 0
    rows: int = 0
    duplicates: int = 0
    quarantined: int = 0
    acks: list[tuple[Sender, Ack]] = field(default_factory=list[tuple[Sender, Ack]])


class Store:
    """The log of batches, and the runs they belong to.

    Parameters
    ----------
    database
        Where it is kept.
    settings
        Bounds of the quarantine.
    """

    def __init__(self, database: Database, settings: ServeSettings) -> None:
        self._database = database
        self._quarantine = Quarantine(settings.data, settings.quarantine_files, settings.quarantine_bytes)
        self._marks = Watermarks()
        # run.json of runs nothing else has been heard of since we subscribed: a retained message may be old.
        self._heard_of: dict[str, RunMessage] = {}
        self._lock = threading.RLock()
        self.totals = Outcome()

    def accept(self, arrivals: Sequence[Arrival]) -> Outcome:
        """Store messages in one transaction; when it returns, they are committed.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            Nothing was stored.
        """
        messages = [read_message(arrival) for arrival in arrivals]
        with self._lock:
            try:
                with self._database.write() as session:
                    group = _Group(session, self._quarantine, self._heard_of)
                    group.look_up(messages)
                    for arrival, message in zip(arrivals, messages, strict=True):
                        group.take(arrival, message)
                    group.insert()
            except BaseException:
                # A commit can fail on its way there or on its way back: only the database knows what it holds.
                self._marks.forget({m.run_id for m in messages if m is not None and m.run_id is not None})
                raise
            self._marks.add(group.new)
            for run_id in group.touched_runs:
                self._heard_of.pop(run_id, None)
            self._remember(group.heard_of)
            group.outcome.acks = self._acks_of(group)
            self._count(group.outcome)
        for run in group.begun:
            _LOG.info("run %s of %s begun by robot %s", run.run_id, run.site, run.robot)
        _say_refused(group.refused)
        return group.outcome

    def reject(self, arrival: Arrival, reason: str) -> Outcome:
        """Put one message aside that could not be stored."""
        with self._lock:
            with self._database.write() as session:
                new = self._quarantine.put(session, arrival, Rejected(reason))
            outcome = Outcome(quarantined=1)
            self._count(outcome)
        _say_refused([(arrival.topic, Rejected(reason))] if new else [])
        return outcome

    def acks(self, run_id: str) -> list[tuple[Sender, Ack]]:
        """Everything there is to acknowledge of a run."""
        with self._lock, self._database.read() as session:
            run = session.get(Run, run_id)
            if run is None:
                return []
            sender = Sender(run.site, run.robot)
            return [(sender, ack) for ack in acks(run_id, self._marks.of(session, run_id), run.announced)]

    def complete(self, run_id: str, announced: dict[str, int]) -> bool:
        """Whether every announced batch of a run is stored."""
        with self._lock, self._database.read() as session:
            marks = self._marks.of(session, run_id)
            return all(kind in marks and marks[kind].covers(n) for kind, n in announced.items() if n > 0)

    def _remember(self, heard_of: dict[str, RunMessage]) -> None:
        self._heard_of.update(heard_of)
        while len(self._heard_of) > _MOST_HEARD_OF:
            self._heard_of.pop(next(iter(self._heard_of)))

    def _acks_of(self, group: _Group) -> list[tuple[Sender, Ack]]:
        made: list[tuple[Sender, Ack]] = []
        for run_id, (sender, kinds) in group.to_acknowledge.items():
            run = group.runs.get(run_id)
            if run is None:  # a robot asks for a run of which nothing is stored
                made += [(sender, Ack(run_id, kind, -1)) for kind in KINDS]
                continue
            with self._database.read() as session:
                every = acks(run_id, self._marks.of(session, run_id), run.announced)
            made += [(sender, ack) for ack in every if not kinds or ack.kind in kinds]
        return made

    def _count(self, outcome: Outcome) -> None:
        self.totals.stored += outcome.stored
        self.totals.rows += outcome.rows
        self.totals.duplicates += outcome.duplicates
        self.totals.quarantined += outcome.quarantined


class _Group:
    """The messages of one transaction on their way into the database."""

    def __init__(self, session: Session, quarantine: Quarantine, heard_of: dict[str, RunMessage]) -> None:
        self._session = session
        self._quarantine = quarantine
        self._before = heard_of
        self._known: dict[Identity, bytes] = {}
        self._rows: list[dict[str, Any]] = []
        self.runs: dict[str, Run | None] = {}
        self.heard_of: dict[str, RunMessage] = {}
        self.new: list[Identity] = []
        self.to_acknowledge: dict[str, tuple[Sender, set[str]]] = {}
        self.outcome = Outcome()
        # Said once they are committed.
        self.begun: list[Run] = []
        self.refused: list[tuple[str, Rejected]] = []

    @property
    def touched_runs(self) -> set[str]:
        """Runs of this group that are in the database."""
        return {run_id for run_id, run in self.runs.items() if run is not None}

    def look_up(self, messages: Sequence[Message | None]) -> None:
        """Fetch the runs and the batches already stored, a query a run and kind and not a query a message."""
        wanted: dict[tuple[str, str], list[int]] = defaultdict(list)
        for message in messages:
            if isinstance(message, BatchMessage):
                wanted[message.run_id, message.kind].append(message.seq)
        run_ids = {m.run_id for m in messages if m is not None and m.run_id is not None}
        self.runs = dict.fromkeys(run_ids)
        wanted_runs = select(Run).where(Run.run_id.in_(run_ids)).order_by(Run.run_id).with_for_update()
        for run in self._session.scalars(wanted_runs):
            self.runs[run.run_id] = run
        for (run_id, kind), seqs in wanted.items():
            if self.runs[run_id] is not None:
                rows = self._session.execute(
                    select(Batch.seq, Batch.sha256).where(
                        Batch.run_id == run_id, Batch.kind == kind, Batch.seq.in_(seqs)
                    )
                )
                self._known.update({(run_id, kind, seq): sha for seq, sha in rows})

    def take(self, arrival: Arrival, message: Message | None) -> None:
        """Take one message."""
        if isinstance(message, Rejected):
            self._reject(arrival, message)
        elif isinstance(message, BatchMessage):
            self._take_batch(arrival, message)
        elif isinstance(message, RunMessage):
            self._take_run(arrival, message)
        elif isinstance(message, EndMessage):
            self._take_end(arrival, message)
        elif isinstance(message, StatusMessage):
            self._take_status(arrival, message)

    def insert(self) -> None:
        """Write the new batches, past the ORM."""
        if self._rows:
            self._session.flush()
            self._session.connection().execute(insert(Batch.metadata.tables[Batch.__tablename__]), self._rows)

    def _take_batch(self, arrival: Arrival, message: BatchMessage) -> None:
        identity = (message.run_id, message.kind, message.seq)
        run = self._open(arrival, message)
        if run is None:
            return
        self._acknowledge(message.sender, message.run_id, message.kind)
        known = self._known.get(identity)
        if known == message.sha256:
            run.duplicates += 1
            self.outcome.duplicates += 1
            return
        if known is not None:
            why = "the same run, kind and seq is stored with other bytes; the stored batch stays"
            self._reject(arrival, Rejected(why, message.sender.site, *identity))
            return
        self._known[identity] = message.sha256
        self.new.append(identity)
        self._rows.append(
            {
                "run_id": message.run_id,
                "kind": message.kind,
                "seq": message.seq,
                "rows": message.rows,
                "sha256": message.sha256,
                "received_at": arrival.at,
                "payload": message.payload,
                "file": None,
            }
        )
        self._heard(run, arrival)
        if run.state != RECORDING:
            run.late += 1
        self.outcome.stored += 1
        self.outcome.rows += message.rows

    def _take_run(self, arrival: Arrival, message: RunMessage) -> None:
        if arrival.retained and self.runs.get(message.run_id) is None:
            self.heard_of[message.run_id] = message
            return
        run = self._open(arrival, message)
        if run is None:
            return
        if run.info is None:
            run.info = dict(message.info)
            if run.state == FAILED:
                run.late += 1
        elif run.info != dict(message.info):
            why = "run.json differs from the one this run was opened with; the first one stays"
            self._reject(arrival, Rejected(why, message.sender.site, message.run_id))
            return
        if not arrival.retained:
            self._heard(run, arrival)
            self._acknowledge(message.sender, message.run_id)

    def _take_end(self, arrival: Arrival, message: EndMessage) -> None:
        if arrival.retained and self.runs.get(message.run_id) is None:
            return  # a run of long ago; a robot that still has batches of it says its end again
        run = self._open(arrival, message)
        if run is None:
            return
        self._acknowledge(message.sender, message.run_id)
        counts = dict(message.batches)
        if (run.announced, run.end_reason) == (counts, message.reason):
            return
        # A robot that took up its run again ends it anew, with more batches.
        if any(counts.get(kind, 0) < n for kind, n in (run.announced or {}).items()):
            why = "this end announces fewer batches than an earlier one; the earlier one stays"
            self._reject(arrival, Rejected(why, message.sender.site, message.run_id))
            return
        run.announced, run.end_reason = counts, message.reason
        if run.state != RECORDING:
            said = ", ".join(f"{n} of {kind}" for kind, n in sorted(counts.items()))
            note(
                self._session,
                run,
                f"the robot's end came after the run had been closed; batches: {said}",
                arrival.at,
            )
        self._heard(run, arrival)

    def _take_status(self, arrival: Arrival, message: StatusMessage) -> None:
        if message.run_id is None:
            return
        run = self.runs.get(message.run_id)
        if run is not None and (run.site, run.robot) != (message.sender.site, message.sender.robot):
            self._reject(arrival, _foreign(run, message))
            return
        if message.online and not arrival.retained:
            if run is not None and run.announced is None:
                self._heard(run, arrival)
            self._acknowledge(message.sender, message.run_id)
        elif not message.online and run is not None and run.offline_at is None:
            run.offline_at = arrival.at

    def _open(self, arrival: Arrival, message: BatchMessage | RunMessage | EndMessage) -> Run | None:
        """Find the message's run; a new one where there is none, None where it is another robot's."""
        run = self.runs.get(message.run_id)
        if run is None:
            early = self.heard_of.pop(message.run_id, None) or self._before.get(message.run_id)
            info = message if isinstance(message, RunMessage) else early
            if info is not None and info.sender != message.sender:
                info = None
            run = Run(
                run_id=message.run_id,
                site=message.sender.site,
                robot=message.sender.robot,
                info=None if info is None else dict(info.info),
                opened_at=arrival.at,
                heard_at=arrival.at,
                complete=False,
                late=0,
                duplicates=0,
                revision=0,
                notes=[],
            )
            remember_site(self._session, run.site, arrival.at)
            self._session.add(run)
            why = "run.json came" if info is not None else "its first message came, run.json has not come yet"
            enter(self._session, run, RECORDING, why, arrival.at)
            self._session.flush()
            self.runs[run.run_id] = run
            self.begun.append(run)
            return run
        if (run.site, run.robot) != (message.sender.site, message.sender.robot):
            self._reject(arrival, _foreign(run, message))
            return None
        return run

    def _heard(self, run: Run, arrival: Arrival) -> None:
        run.heard_at = max(run.heard_at, arrival.at)
        run.offline_at = None

    def _acknowledge(self, sender: Sender, run_id: str, kind: str | None = None) -> None:
        """Note what to acknowledge; without a kind, every kind."""
        if kind is None:
            self.to_acknowledge[run_id] = (sender, set())
        elif run_id not in self.to_acknowledge:
            self.to_acknowledge[run_id] = (sender, {kind})
        elif self.to_acknowledge[run_id][1]:
            self.to_acknowledge[run_id][1].add(kind)

    def _reject(self, arrival: Arrival, why: Rejected) -> None:
        if self._quarantine.put(self._session, arrival, why):
            self.refused.append((arrival.topic, why))
        self.outcome.quarantined += 1


def _say_refused(refused: Sequence[tuple[str, Rejected]]) -> None:
    """Log what was put aside and why; of many at once the first ones and how many more."""
    for topic, why in refused[:_MOST_SAID]:
        batch = "" if why.seq is None else f", batch {why.kind} {why.seq} of run {why.run_id}"
        _LOG.warning("refused a message on %s%s: %s", one_line(topic, 200), batch, one_line(why.reason))
    more = len(refused) - _MOST_SAID
    if more > 0:
        _LOG.warning("refused %d more messages; /api/v1/quarantine shows them", more)


def _foreign(run: Run, message: BatchMessage | RunMessage | EndMessage | StatusMessage) -> Rejected:
    why = f"run {run.run_id} belongs to robot {run.robot} at {run.site}"
    return Rejected(why, message.sender.site, run.run_id)
