"""Mail that came back: a Maildir is read, each notice matched with the mail it is about, and kept for the operator.

The mail server delivers to ``new/``. A notice is written down in a transaction first and moved to ``cur/`` (flag S,
seen) after it; a crash in between reads it once more, and its fingerprint tells that it is known.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest.database import Database
from cloud_ingest.models import Bounce, OutboxMail
from cloud_ingest.notices import Notice, Returned, read_notice
from cloud_ingest.texts import one_line, storable

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 1 << 20  # a notice tells what happened before it returns the mail; the rest is not needed
_DIGEST = re.compile(r"\.([0-9a-f]{32})@")


def return_address(address: str, message_id: str) -> str:
    """Return the address that one mail comes back to: ``name+token@host``, the token out of its Message-ID."""
    found = _DIGEST.search(message_id)
    if found is None:
        return address
    name, _, host = address.rpartition("@")
    return f"{name}+{found[1]}@{host}"


class Bounces:
    """Reads a Maildir; `tick` is called every few seconds.

    Parameters
    ----------
    database
        Where mails are.
    folder
        The Maildir: ``new`` and ``cur`` in it are looked at.
    clock
        Nanoseconds UTC.
    """

    def __init__(self, database: Database, folder: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._seen: set[str] = set()
        self.problem: str | None = None

    def tick(self) -> int:
        """Read what is new.

        Returns
        -------
        int
            Notices written down.
        """
        try:
            files = [
                path
                for name in ("new", "cur")
                for path in sorted((self._folder / name).iterdir())
                if path.name.partition(":")[0] not in self._seen and path.is_file()
            ]
        except OSError as err:
            self._complain(f"bounces {self._folder}: {err.strerror or err}; name a Maildir that can be read")
            return 0
        self.problem = None
        return sum(self._take(path) for path in files)

    def _complain(self, line: str) -> None:
        if line != self.problem:
            _LOG.error("%s", line)
        self.problem = line

    def _take(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES)
            notice = _read(data)
            with self._database.write() as session:
                new = self._write_down(session, path.name, data, notice)
            if path.parent.name == "new":
                path.rename(self._folder / "cur" / f"{path.name.partition(':')[0]}:2,S")
        except OSError as err:
            self._complain(f"bounces {path}: {err.strerror or err}; let the service read and move it")
            return False
        self._seen.add(path.name.partition(":")[0])
        return new

    def _write_down(self, session: Session, name: str, data: bytes, notice: Notice) -> bool:
        mail = _find(session, notice)
        about = notice.returned or (Returned("", "other", "", "no delivery status notification"),)
        new = False
        for told in about:
            text = b"\0".join((data, told.recipient.encode("utf-8", "replace")))
            fingerprint = hashlib.sha256(text).hexdigest()
            if session.scalar(select(Bounce.id).where(Bounce.fingerprint == fingerprint)) is not None:
                continue
            new = True
            session.add(
                Bounce(
                    fingerprint=fingerprint,
                    at=self._clock(),
                    mail_id=None if mail is None else mail.id,
                    recipient=told.recipient,
                    action=told.action,
                    status=told.status,
                    diagnostic=told.diagnostic,
                    file=storable(name)[:512],
                )
            )
            if mail is not None and told.action == "failed":
                mail.state = "bounced"
                mail.error = one_line(f"came back: {told.status} {told.diagnostic}")
                _LOG.error("mail %s to %s %s", mail.message_id, mail.recipient, mail.error)
            session.flush()
        return new


def _read(data: bytes) -> Notice:
    try:
        return read_notice(data)
    except Exception as err:  # a parser's own fault: the message is kept and told as one that says nothing
        _LOG.warning("a message in the Maildir cannot be read: %s: %s", type(err).__name__, err)
        return Notice((), (), ())


def _find(session: Session, notice: Notice) -> OutboxMail | None:
    """Find the mail a notice is about: by the Message-ID it returns, else by the address it came to."""
    for identity in notice.message_ids:
        row = session.scalar(select(OutboxMail).where(OutboxMail.message_id == identity).with_for_update())
        if row is not None:
            return row
    for token in notice.tokens:
        row = session.scalar(
            select(OutboxMail).where(OutboxMail.message_id.like(f"<nightstack.{token}@%")).with_for_update()
        )
        if row is not None:
            return row
    return None
