"""Mail that does not reach somebody: told on the page, by the API, and in the next mail to the site's others."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest.models import Bounce, OutboxMail

_NS = 1_000_000_000
_DAYS = 14
_TRIES = 3  # greylisting answers "later" once or twice; from then on it is worth a word


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Somebody's last mail that did not arrive.

    Attributes
    ----------
    site, recipient, run_id
        Whose it was, and about which run.
    what
        ``refused`` (for good), ``waiting`` (tried again and again) or ``bounced`` (taken, and came back).
    error
        What the mail server said, one line.
    at
        When the mail was written, nanoseconds UTC.
    message_id
        Which mail.
    """

    site: str
    recipient: str
    run_id: str | None
    what: str
    error: str
    at: int
    message_id: str


_WHAT = {"failed": "refused", "bounced": "bounced", "pending": "waiting", "sending": "waiting"}


def undelivered(session: Session, now: int, site: str | None = None) -> list[Undelivered]:
    """Return each recipient whose newest mail of the last two weeks did not arrive, sites and recipients in order."""
    wanted = (
        select(
            OutboxMail.site, OutboxMail.recipient, OutboxMail.run_id, OutboxMail.state, OutboxMail.attempts,
            OutboxMail.error, OutboxMail.created_at, OutboxMail.message_id,
        )
        .where(OutboxMail.created_at >= now - _DAYS * 86_400 * _NS)
        .order_by(OutboxMail.id)
    )  # fmt: skip
    if site is not None:
        wanted = wanted.where(OutboxMail.site == site)
    last: dict[tuple[str, str], Undelivered | None] = {}
    for row in session.execute(wanted):
        key = (row.site, row.recipient)
        if row.state == "sent":
            last[key] = None
        elif row.state in ("failed", "bounced") or row.attempts >= _TRIES:
            last[key] = Undelivered(
                row.site, row.recipient, row.run_id, _WHAT[row.state], row.error or "", row.created_at,
                row.message_id,
            )  # fmt: skip
    return [told for _, told in sorted(last.items()) if told is not None]


def strays(session: Session, now: int) -> int:
    """Count messages in the Maildir of the last two weeks that are about no mail of ours."""
    since = now - _DAYS * 86_400 * _NS
    return len(session.scalars(select(Bounce.id).where(Bounce.mail_id.is_(None), Bounce.at >= since)).all())
