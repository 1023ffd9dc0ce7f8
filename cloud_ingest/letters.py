"""Which mail is to be written when: planned with a run's result, taken up when it is due, superseded by a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest.mail_days import due
from cloud_ingest.models import REPORTING, Letter, Run
from cloud_ingest.settings import ServeSettings

PLANNED, POSTED, SUPERSEDED = "planned", "posted", "superseded"

_NS = 1_000_000_000


def plan(session: Session, settings: ServeSettings, run: Run, kind: str, reason: str, now: int) -> None:
    """Plan a run's letter to each recipient of its site, in the caller's transaction; at most one of a kind."""
    site = settings.site(run.site)
    here = datetime.fromtimestamp(now / _NS, site.zone)
    known = set(
        session.scalars(select(Letter.recipient).where(Letter.run_id == run.run_id, Letter.kind == kind))
    )
    for who in site.recipients:
        if who.address in known:
            continue
        last = session.scalar(
            select(Letter.done_at)
            .where(Letter.site == run.site, Letter.recipient == who.address, Letter.state == POSTED)
            .order_by(Letter.done_at.desc())
            .limit(1)
        )
        when = due(
            who.schedule,
            who.quiet_days,
            here,
            None if last is None else datetime.fromtimestamp(last / _NS, site.zone),
            settings.morning,
        )
        session.add(
            Letter(
                run_id=run.run_id,
                kind=kind,
                recipient=who.address,
                site=run.site,
                state=PLANNED,
                due_at=max(now, int(when.timestamp()) * _NS),
                attempts=0,
                not_before=now,
                reason=reason,
                created_at=now,
            )
        )


def is_failure(letter: Letter) -> bool:
    """Whether a letter tells that a run failed."""
    return letter.kind.startswith("failed")


def supersede(session: Session, now: int) -> int:
    """Give up letters that are due and say less than another one does: a newer report to the same recipient.

    Returns
    -------
    int
        How many.
    """
    waiting = session.scalars(
        select(Letter).where(Letter.state == PLANNED, Letter.due_at <= now).order_by(Letter.id)
    ).all()
    given_up = 0
    for letter in waiting:
        if is_failure(letter):
            continue
        newer = session.scalar(
            select(Letter)
            .where(
                Letter.site == letter.site,
                Letter.recipient == letter.recipient,
                Letter.id > letter.id,
                Letter.kind.not_like("failed%"),
                # A newer one that waits for a later hour is no reason to keep silent now.
                (Letter.state == POSTED) | ((Letter.state == PLANNED) & (Letter.due_at <= now)),
            )
            .limit(1)
        )
        if newer is not None:
            letter.state, letter.done_at = SUPERSEDED, now
            letter.error = f"what it had to say is in the mail about run {newer.run_id} ({newer.kind})"
            given_up += 1
    return given_up


def due_letters(session: Session, now: int) -> Sequence[Letter]:
    """Return the letters that can be written now, oldest first."""
    return session.scalars(
        select(Letter)
        .join(Run, Run.run_id == Letter.run_id)
        .where(
            Letter.state == PLANNED,
            Letter.due_at <= now,
            Letter.not_before <= now,
            Run.state != REPORTING,  # its documents are being replaced this moment
        )
        .order_by(Letter.id)
    ).all()
