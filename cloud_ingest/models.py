"""The database's tables. Readings themselves are not in here: they are Parquet files, see `raw_store`.

Times are nanoseconds UTC, as everywhere in Nightstack. Every table that grows with the readings is keyed by
``(run_id, kind, seq)``, the identity a batch has on the robot, on the wire and here.

Runs and what came with them stand here; cases in `case_models`, mails in `mail_models`. All are imported from here.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from cloud_ingest.case_models import (
    ArchivedCase,
    Casebook,
    CaseRow,
    CaseStep,
    NightRow,
    StaffListRow,
    WriteBack,
)
from cloud_ingest.mail_models import Bounce, Letter, Morning, OutboxMail
from cloud_ingest.model_base import Base, CountedId

RunState = str
RECORDING, CLOSING, LOCALIZING, REPORTING, REPORTED, FAILED = (
    "recording",
    "closing",
    "localizing",
    "reporting",
    "reported",
    "failed",
)
RUN_STATES = (RECORDING, CLOSING, LOCALIZING, REPORTING, REPORTED, FAILED)


class Site(Base):
    """A library that has settings, or that was heard of."""

    __tablename__ = "sites"
    site: Mapped[str] = mapped_column(String(128), primary_key=True)
    first_seen: Mapped[int] = mapped_column(BigInteger)


class Run(Base):
    """One night's stocktake of one site."""

    __tablename__ = "runs"
    run_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), index=True)
    robot: Mapped[str] = mapped_column(String(128))
    state: Mapped[RunState] = mapped_column(String(16), index=True)
    reason: Mapped[str] = mapped_column(Text)  # why it is in that state, one line
    info: Mapped[dict[str, object] | None] = mapped_column(JSON)  # run.json; null: it has not come yet
    opened_at: Mapped[int] = mapped_column(BigInteger)
    heard_at: Mapped[int] = mapped_column(BigInteger)  # the last sign that the robot is at work on this run
    offline_at: Mapped[int | None] = mapped_column(BigInteger)  # its last will came, and nothing since
    closed_at: Mapped[int | None] = mapped_column(BigInteger)
    announced: Mapped[dict[str, int] | None] = mapped_column(
        JSON
    )  # batches of each kind, by the robot's `end`
    end_reason: Mapped[str | None] = mapped_column(Text)  # done, or aborted: ...
    complete: Mapped[bool] = mapped_column(Boolean)  # every batch the robot counted is stored
    late: Mapped[int] = mapped_column(Integer)  # messages stored after the run had been closed
    duplicates: Mapped[int] = mapped_column(Integer)  # batches that came again, equal
    revision: Mapped[int] = mapped_column(Integer)  # 0, then one more each time late batches reopened it
    notes: Mapped[list[str]] = mapped_column(JSON)  # what localization and reports had to say


class Batch(Base):
    """One batch as received: its payload until it is in a Parquet segment, then the segment's name."""

    __tablename__ = "batches"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    rows: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    received_at: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    file: Mapped[str | None] = mapped_column(String(512))  # relative to the data folder

    __table_args__ = (Index("ix_batches_file", "run_id", "kind", "file"),)


class RunEvent(Base):
    """One step in a run's life, and why."""

    __tablename__ = "run_events"
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), index=True)
    at: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[RunState] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)


class Job(Base):
    """Work on a closed run; who holds it, until when, and how often it was tried."""

    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"))
    revision: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), index=True)  # queued, running, done, failed
    attempts: Mapped[int] = mapped_column(Integer)
    # Times its night was judged on a ledger that was no longer so: no failures, but they have an end, too.
    stale: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    worker: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[int | None] = mapped_column(BigInteger)
    not_before: Mapped[int] = mapped_column(BigInteger)
    progress: Mapped[str] = mapped_column(Text)
    cpu_s: Mapped[float | None] = mapped_column(Double)  # processor time its present worker has used
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (UniqueConstraint("run_id", "revision"),)


class FindingRow(Base):
    """One exception of a run's latest report, the columns of ``exceptions.csv``."""

    __tablename__ = "findings"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True)  # its place in the report's order
    finding_id: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    epc: Mapped[str | None] = mapped_column(Text)
    barcode: Mapped[str | None] = mapped_column(Text)
    call_number: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    shelf_id: Mapped[str | None] = mapped_column(Text)
    offset_m: Mapped[float | None] = mapped_column(Double)
    belongs: Mapped[str | None] = mapped_column(Text)
    move_id: Mapped[str | None] = mapped_column(String(64))
    confidence: Mapped[float | None] = mapped_column(Double)
    evidence: Mapped[str | None] = mapped_column(Text)


class DocumentRow(Base):
    """One file a run produced, by the name the API serves it under."""

    __tablename__ = "documents"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    file: Mapped[str] = mapped_column(String(512))  # relative to the data folder
    media_type: Mapped[str] = mapped_column(String(128))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class QuarantineRow(Base):
    """A message that was not stored, and why."""

    __tablename__ = "quarantine"
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
    at: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[int] = mapped_column(Integer)  # the same message on the same topic is one row
    topic: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    site: Mapped[str | None] = mapped_column(String(128))
    run_id: Mapped[str | None] = mapped_column(String(128), index=True)
    kind: Mapped[str | None] = mapped_column(String(16))
    seq: Mapped[int | None] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of topic, zero byte, payload
    file: Mapped[str | None] = mapped_column(String(512))  # relative to the data folder; null: none was kept


__all__ = [
    "ArchivedCase",
    "Base",
    "Batch",
    "Bounce",
    "CaseRow",
    "CaseStep",
    "Casebook",
    "DocumentRow",
    "FindingRow",
    "Job",
    "Letter",
    "Morning",
    "NightRow",
    "OutboxMail",
    "QuarantineRow",
    "Run",
    "RunEvent",
    "Site",
    "StaffListRow",
    "WriteBack",
]
