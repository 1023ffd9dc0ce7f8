"""The database's tables. Readings themselves are not in here: they are Parquet files, see `raw_store`.

Times are nanoseconds UTC, as everywhere in Nightstack. Every table that grows with the readings is keyed by
``(run_id, kind, seq)``, the identity a batch has on the robot, on the wire and here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

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

# SQLite only counts INTEGER PRIMARY KEY up by itself.
_Id = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """All tables; named constraints, so that later migrations can name them, too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


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
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), index=True)
    at: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[RunState] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)


class Job(Base):
    """Work on a closed run; who holds it, until when, and how often it was tried."""

    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
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


class OutboxMail(Base):
    """One mail to one recipient, written in the transaction of what it tells about.

    ``about`` is ``run:<run_id>`` or ``morning:<site>:<date>``; `run_id` is null where there is no run.
    """

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    about: Mapped[str] = mapped_column(String(300))
    report_kind: Mapped[str] = mapped_column(String(32))
    recipient: Mapped[str] = mapped_column(String(320))
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.run_id"))
    message_id: Mapped[str] = mapped_column(String(320), unique=True)
    message: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16), index=True)  # pending, sending, sent, failed, bounced
    attempts: Mapped[int] = mapped_column(Integer)
    not_before: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    sent_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (UniqueConstraint("about", "report_kind", "recipient"),)


class Letter(Base):
    """A mail that is to be written when it is due: one a run, kind and recipient; the outbox has it from then on."""

    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"))
    kind: Mapped[str] = mapped_column(String(32))  # report, update-1 ..., failed, failed-1 ...
    recipient: Mapped[str] = mapped_column(String(320))
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    state: Mapped[str] = mapped_column(String(16), index=True)  # planned, posted, superseded
    due_at: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    not_before: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)  # of a failed run: why
    created_at: Mapped[int] = mapped_column(BigInteger)
    done_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (UniqueConstraint("run_id", "kind", "recipient"), Index("ix_letters_site", "site"))


class Bounce(Base):
    """A notice that came back for a mail, or something else that lay in the Maildir."""

    __tablename__ = "bounces"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of the notice, recipient
    at: Mapped[int] = mapped_column(BigInteger)
    mail_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"))  # null: no mail of ours
    recipient: Mapped[str] = mapped_column(String(320))
    action: Mapped[str] = mapped_column(
        String(16)
    )  # RFC 3464, 2.3.3: failed, delayed ...; other: no such notice
    status: Mapped[str] = mapped_column(String(32))
    diagnostic: Mapped[str] = mapped_column(Text)
    file: Mapped[str] = mapped_column(String(512))  # its name in the Maildir


class WriteBack(Base):
    """Something a library system is to be told: that one copy is missing, or the date of the books a run heard."""

    __tablename__ = "write_backs"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    what: Mapped[str] = mapped_column(String(32))  # missing, inventory_date
    about: Mapped[str] = mapped_column(String(128))  # the case, or the run
    barcode: Mapped[str] = mapped_column(Text)  # of a case's copy
    value: Mapped[str] = mapped_column(Text)  # the note, or the date
    file: Mapped[str | None] = mapped_column(String(512))  # the run's books; relative to the data folder
    next: Mapped[int] = mapped_column(Integer)  # how many of them are seen to
    state: Mapped[str] = mapped_column(String(16), index=True)  # planned, done, failed, unknown, off
    attempts: Mapped[int] = mapped_column(Integer)
    not_before: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    done_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_write_backs_site", "site", "about"),)


class Casebook(Base):
    """What a site's ledger holds beside its cases."""

    __tablename__ = "casebooks"
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)  # one more with every change
    head: Mapped[dict[str, object]] = mapped_column(JSON)


class _CaseColumns:
    """What a case is looked for by, and the case itself."""

    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    resolution: Mapped[str] = mapped_column(String(32))
    quiet: Mapped[bool] = mapped_column(Boolean)
    assigned_to: Mapped[str] = mapped_column(Text)
    barcode: Mapped[str] = mapped_column(Text)
    call_number: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    shelf_id: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float] = mapped_column(Double)
    nights: Mapped[int] = mapped_column(Integer)
    opened_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)
    mailed_at: Mapped[int | None] = mapped_column(BigInteger)
    data: Mapped[dict[str, object]] = mapped_column(JSON)


class CaseRow(_CaseColumns, Base):
    """One case of a site's ledger: an exception with its life. `data` is the case, the columns are to look by."""

    __tablename__ = "cases"
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    finding_id: Mapped[str] = mapped_column(String(64), primary_key=True)

    __table_args__ = (Index("ix_cases_state", "site", "state"),)


class ArchivedCase(_CaseColumns, Base):
    """A case that was resolved years ago and that no ledger needs any more, as it was then."""

    __tablename__ = "archived_cases"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    finding_id: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(String(128))  # the night that put it away
    archived_at: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_archived_cases_finding", "site", "finding_id"),
        Index("ix_archived_cases_run", "site", "run_id"),
    )


class CaseStep(Base):
    """What staff or a mail did to a case: kept in order, so that a night worked out again is followed by it."""

    __tablename__ = "case_steps"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    finding_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[int] = mapped_column(BigInteger)
    who: Mapped[str] = mapped_column(Text)
    did: Mapped[str] = mapped_column(String(32))
    why: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_case_steps_site", "site", "id"),)


class StaffListRow(Base):
    """A list of copies that staff want found; `data` is the list, `tally` what its last run made of it."""

    __tablename__ = "staff_lists"
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(Integer)
    who: Mapped[str] = mapped_column(Text)
    at: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    run_id: Mapped[str | None] = mapped_column(String(128))
    tally: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class NightRow(Base):
    """What a run has added to its site's ledger and memory, and what both were before: files in the data folder."""

    __tablename__ = "nights"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), index=True)
    at: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(Integer)
    memory: Mapped[str | None] = mapped_column(String(512))
    memory_before: Mapped[str | None] = mapped_column(String(512))
    ledger_before: Mapped[str | None] = mapped_column(String(512))
    step_before: Mapped[int] = mapped_column(BigInteger)  # the last of the steps that ledger_before has


class Morning(Base):
    """The mornings whose mail has been seen to."""

    __tablename__ = "mornings"
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    date: Mapped[str] = mapped_column(String(10), primary_key=True)  # ISO 8601, in the settings' zone
    at: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(Text)


class QuarantineRow(Base):
    """A message that was not stored, and why."""

    __tablename__ = "quarantine"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
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
