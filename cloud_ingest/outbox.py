"""Mail that crashes neither lose nor double knowingly.

A mail is a row written in the same transaction as what it tells about, with its Message-ID fixed. To send it,
the row is first committed as `sending`, then handed to the mail server, then committed as `sent`. A crash
before the hand-over leaves `sending`: the mail is sent after the restart. A crash after the hand-over and
before the last commit leaves `sending`, too, and nobody can know that the server has it: it is sent again
with the same Message-ID, by which servers and readers drop the copy. E-mail has no stronger promise to give.
"""

from __future__ import annotations

import email
import logging
import smtplib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest.database import Database
from cloud_ingest.mails import MAIL_POLICY
from cloud_ingest.models import OutboxMail
from cloud_ingest.paths import run_folder, safe_name, site_folder, write_durably
from cloud_ingest.settings import ServeSettings
from reports import stable_message_id

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
_LONGEST_PAUSE_S = (
    900.0  # a mail server that comes back before breakfast still delivers before the morning hour
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    state: str
    error: str | None
    at: int
    not_before: int


def put(
    session: Session,
    *,
    about: str,
    report_kind: str,
    site: str,
    run_id: str | None,
    recipient: str,
    sender: str,
    mail: EmailMessage,
    at: int,
) -> bool:
    """Put a mail into the outbox in the caller's transaction.

    Returns
    -------
    bool
        False: this recipient already has this mail.
    """
    known = session.scalar(
        select(OutboxMail.id).where(
            OutboxMail.about == about,
            OutboxMail.report_kind == report_kind,
            OutboxMail.recipient == recipient,
        )
    )
    if known is not None:
        return False
    identity = stable_message_id(site, f"{about} {report_kind}", recipient, sender)
    del mail["Message-ID"]
    mail["Message-ID"] = identity
    if "Date" not in mail:
        mail["Date"] = format_datetime(datetime.fromtimestamp(at // _NS, UTC))
    session.add(
        OutboxMail(
            about=about,
            report_kind=report_kind,
            recipient=recipient,
            site=site,
            run_id=run_id,
            message_id=identity,
            message=mail.as_bytes(policy=MAIL_POLICY),
            state="pending",
            attempts=0,
            not_before=at,
            created_at=at,
        )
    )
    return True


class Outbox:
    """Sends what is due; `tick` is called every second or so, by one process at a time.

    Parameters
    ----------
    database, settings
        The service's.
    send
        Hands a mail to the mail server, as `reports.send_mail` does; None: mails are kept and not sent.
    clock
        Nanoseconds UTC.
    """

    def __init__(
        self,
        database: Database,
        settings: ServeSettings,
        send: Callable[[EmailMessage], None] | None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._settings = settings
        self._send = send
        self._clock = clock
        self._outcomes: dict[int, _Outcome] = {}  # not written down yet
        self._shown: set[int] = set()

    def recover(self) -> int:
        """Take up mails that were being handed over when the service died; call once at the start."""
        with self._database.write() as session:
            rows = session.scalars(select(OutboxMail).where(OutboxMail.state == "sending")).all()
            for row in rows:
                row.state = "pending"
                row.error = "the service stopped while sending it; sent again with the same Message-ID"
                _LOG.warning(
                    "mail %s may reach %s twice: the service stopped while sending it",
                    row.message_id,
                    row.recipient,
                )
            return len(rows)

    def tick(self) -> int:
        """Send every mail that is due.

        Returns
        -------
        int
            Mails the server has taken.
        """
        sent = 0
        self._write_down()
        with self._database.read() as session:
            due = list(
                session.scalars(
                    select(OutboxMail.id)
                    .where(OutboxMail.state == "pending", OutboxMail.not_before <= self._clock())
                    .order_by(OutboxMail.id)
                )
            )
        for mail_id in due:
            if self._send is not None:
                sent += self._deliver(mail_id)
            elif mail_id not in self._shown:
                self._show(mail_id)
        return sent

    def _show(self, mail_id: int) -> None:
        """Leave the copy of a mail that no server is there for, so that it can be read all the same."""
        with self._database.read() as session:
            row = session.get_one(OutboxMail, mail_id)
        self._keep_copy(row)
        self._shown.add(mail_id)
        _LOG.warning("mail to %s deferred, no mail server is set ([smtp]): %s", row.recipient, _about(row))

    def _keep_copy(self, row: OutboxMail) -> None:
        try:
            write_durably(mail_file(self._settings.data, row), row.message)
        except OSError as err:  # the copy is for whoever looks later; a full disk must not keep the mail back
            _LOG.error("no copy of mail %s is kept: %s", row.message_id, _one_line(err))

    def _deliver(self, mail_id: int) -> bool:
        assert self._send is not None
        with self._database.write() as session:
            row = session.get_one(OutboxMail, mail_id, with_for_update=True)
            if row.state != "pending":
                return False
            row.state = "sending"
            row.attempts += 1
            attempts, message = row.attempts, row.message
        self._keep_copy(row)
        try:
            self._send(email.message_from_bytes(message, policy=MAIL_POLICY))
        except Exception as err:
            self._outcomes[mail_id] = self._failure(row, attempts, err)
        else:
            self._outcomes[mail_id] = _Outcome("sent", None, self._clock(), row.not_before)
            _LOG.info("mail to %s sent: %s", row.recipient, _about(row))
        taken = self._outcomes[mail_id].state == "sent"
        self._write_down()
        return taken

    def _failure(self, row: OutboxMail, attempts: int, err: Exception) -> _Outcome:
        final = _is_final(err) or attempts >= self._settings.mail_attempts
        # The exponent is bounded, too: a float has no 2 to the 1024th.
        pause_s = min(self._settings.mail_retry_s * 2 ** min(attempts - 1, 60), _LONGEST_PAUSE_S)
        if final:
            _LOG.error("mail to %s failed: %s; %s", row.recipient, _about(row), _one_line(err))
        else:
            again = f"again in {pause_s:.0f} s"
            _LOG.warning("mail to %s deferred, %s: %s; %s", row.recipient, again, _about(row), _one_line(err))
        now = self._clock()
        state = "failed" if final else "pending"
        return _Outcome(state, _one_line(err), now, now + int(pause_s * _NS))

    def _write_down(self) -> None:
        """Write what became of mails; what the database does not take stays in memory until it does."""
        for mail_id, outcome in list(self._outcomes.items()):
            with self._database.write() as session:
                row = session.get_one(OutboxMail, mail_id, with_for_update=True)
                if row.state != "bounced":  # else it came back before we had written down that it was gone
                    row.state, row.error, row.not_before = outcome.state, outcome.error, outcome.not_before
                row.sent_at = outcome.at if outcome.state == "sent" else None
            del self._outcomes[mail_id]


def mail_file(data: Path, row: OutboxMail) -> Path:
    """Where the copy of a mail is kept: with its run, or with its site."""
    folder = site_folder(data, row.site) if row.run_id is None else run_folder(data, row.run_id)
    date = "" if row.run_id is not None else "-" + row.about.rpartition(":")[2]
    return folder / "mail" / f"{safe_name(row.report_kind)}{date}-{safe_name(row.recipient)}.eml"


def _is_final(err: Exception) -> bool:
    """Whether trying again is of no use: the server refuses this very mail (5yz, RFC 5321, section 4.2.1).

    A refused log-in or certificate is not final: somebody may mend the settings before the last try.
    """
    cause = err.__cause__
    refusals = smtplib.SMTPRecipientsRefused | smtplib.SMTPSenderRefused | smtplib.SMTPDataError
    return bool(getattr(err, "permanent", False)) and isinstance(cause, refusals)


def _about(row: OutboxMail) -> str:
    """Say which mail it is."""
    return f"{row.report_kind} of {row.site if row.run_id is None else f'run {row.run_id}'}"


def _one_line(err: Exception) -> str:
    return (" ".join(str(err).split()) or type(err).__name__)[:500]
