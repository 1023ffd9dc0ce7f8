"""How far each run's batches are stored without a gap, kept in memory and rebuilt from the database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest.models import Batch
from recording.topics import Ack

MAX_MISSING = 64
"""Most gaps named in one acknowledgement; the rest follows when these are filled."""

_KEPT_RUNS = 64


@dataclass(slots=True)
class Watermark:
    """The batches of one kind of one run: all up to `upto`, and those in `beyond`."""

    upto: int = -1
    beyond: set[int] = field(default_factory=set[int])

    def add(self, seqs: Iterable[int]) -> None:
        """Count batches as stored."""
        self.beyond.update(seq for seq in seqs if seq > self.upto)
        while self.upto + 1 in self.beyond:
            self.upto += 1
            self.beyond.discard(self.upto)

    def missing(self, announced: int | None = None) -> tuple[int, ...]:
        """Return the first gaps, up to the highest batch seen or announced; at most `MAX_MISSING`."""
        last = max(self.beyond, default=self.upto)
        if announced is not None:
            last = max(last, announced - 1)
        gaps: list[int] = []
        seq = self.upto + 1
        while seq <= last and len(gaps) < MAX_MISSING:
            if seq not in self.beyond:
                gaps.append(seq)
            seq += 1
        return tuple(gaps)

    def covers(self, announced: int) -> bool:
        """Whether every one of so many batches is stored."""
        return self.upto >= announced - 1


class Watermarks:
    """The watermarks of the runs heard of lately. Used by one thread at a time."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, dict[str, Watermark]] = OrderedDict()

    def of(self, session: Session, run_id: str) -> dict[str, Watermark]:
        """Watermarks of a run by kind; read from the database at the first time."""
        marks = self._runs.get(run_id)
        if marks is None:
            marks = {}
            rows = session.execute(
                select(Batch.kind, Batch.seq).where(Batch.run_id == run_id).order_by(Batch.kind, Batch.seq)
            )
            for kind, seq in rows:
                marks.setdefault(kind, Watermark()).add((seq,))
            self._runs[run_id] = marks
            while len(self._runs) > _KEPT_RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(run_id)
        return marks

    def add(self, batches: Iterable[tuple[str, str, int]]) -> None:
        """Count batches as stored: run, kind and seq of each. A run that is not in memory is read when asked for."""
        for run_id, kind, seq in batches:
            marks = self._runs.get(run_id)
            if marks is not None:
                marks.setdefault(kind, Watermark()).add((seq,))

    def forget(self, run_ids: Iterable[str]) -> None:
        """Read runs anew at the next time."""
        for run_id in run_ids:
            self._runs.pop(run_id, None)


def acks(run_id: str, marks: Mapping[str, Watermark], announced: Mapping[str, int] | None) -> list[Ack]:
    """Acknowledgements of a run, one a kind; a kind nothing came of is acknowledged with -1."""
    counts = announced or {}
    kinds = sorted({*marks, *counts})
    return [
        Ack(run_id, kind, mark.upto, mark.missing(counts.get(kind)))
        for kind in kinds
        for mark in (marks.get(kind, Watermark()),)
    ]
