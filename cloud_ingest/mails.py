"""Mails the service writes itself: when there is no report to send."""

from __future__ import annotations

import hashlib
from email import policy
from email.message import EmailMessage
from email.utils import parseaddr

MAIL_POLICY = policy.SMTP
"""CRLF, and headers encoded where they are not ASCII."""


def message_id(about: str, report_kind: str, recipient: str, sender: str) -> str:
    """Return the Message-ID of a mail: always the same for the same mail, so that a second copy can be told.

    RFC 5322, 3.6.4: left of the @ is unique within the domain on the right.
    """
    key = "\x1f".join((about, report_kind, recipient))
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def text_mail(subject: str, lines: list[str], recipient: str, sender: str) -> EmailMessage:
    """Make a small mail of plain text."""
    mail = EmailMessage(policy=MAIL_POLICY)
    mail["Subject"] = " ".join(subject.split())
    mail["From"] = sender
    mail["To"] = recipient
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice answers it
    mail.set_content("\n".join(lines) + "\n")
    return mail


def failed_mail(
    site: str, run_id: str, reason: str, facts: list[str], url: str, recipient: str, sender: str
) -> EmailMessage:
    """Tell that a run could not be worked out, why, and what is there all the same."""
    lines = [
        f"The stocktake {run_id} of {site} could not be worked out:",
        "",
        f"    {reason}",
        "",
        *facts,
        "",
        "What the robot sent is stored and stays stored. The run's state and data:",
        url,
    ]
    return text_mail(f"{site}: stocktake {run_id} failed", lines, recipient, sender)


def morning_mail(
    site: str, date: str, lines: list[str], url: str, recipient: str, sender: str
) -> EmailMessage:
    """Tell by the morning hour why there is no report."""
    text = [f"There is no stocktake report of {site} for the night to {date}.", "", *lines, "", url]
    return text_mail(f"{site}: no stocktake report this morning ({date})", text, recipient, sender)
