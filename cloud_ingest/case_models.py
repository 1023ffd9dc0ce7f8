"""The tables of what a site keeps from night to night: cases and what was done with them, staff's lists, nights."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Double, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloud_ingest.model_base import Base, CountedId


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
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
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
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
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


class WriteBack(Base):
    """Something a library system is to be told: that one copy is missing, or the date of the books a run heard."""

    __tablename__ = "write_backs"
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
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
