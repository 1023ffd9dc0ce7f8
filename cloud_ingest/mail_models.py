"""The tables of what is mailed, and of what came back."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud_ingest.model_base import Base, CountedId


class OutboxMail(Base):
    """One mail to one recipient, written in the transaction of what it tells about.

    ``about`` is ``run:<run_id>`` or ``morning:<site>:<date>``; `run_id` is null where there is no run.
    """

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
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
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
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
    id: Mapped[int] = mapped_column(CountedId, primary_key=True, autoincrement=True)
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


class Morning(Base):
    """The mornings whose mail has been seen to."""

    __tablename__ = "mornings"
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    date: Mapped[str] = mapped_column(String(10), primary_key=True)  # ISO 8601, in the settings' zone
    at: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(Text)
