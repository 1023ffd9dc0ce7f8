"""What the service writes itself: when there is no report to send."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage

from reports import build_notice

MAIL_POLICY = policy.SMTP
"""CRLF, and headers encoded where they are not ASCII."""


def failed_mail(
    site: str, run_id: str, reason: str, facts: list[str], url: str, recipient: str, sender: str
) -> EmailMessage:
    """Tell that a run could not be worked out, why, and what is there all the same."""
    lines = [
        f"The stocktake {run_id} of {site} could not be worked out: {reason}",
        *facts,
        f"What the robot sent is stored and stays stored. The run's state and data: {url}",
    ]
    return build_notice(
        site, f"stocktake {run_id} failed", lines, recipient, sender, about=f"failed {run_id}"
    )


def morning_mail(
    site: str, date: str, lines: list[str], url: str, recipient: str, sender: str
) -> EmailMessage:
    """Tell by the morning hour why there is no report."""
    said = [f"There is no stocktake report of {site} for the night to {date}.", *lines, url]
    subject = f"no stocktake report this morning ({date})"
    return build_notice(site, subject, said, recipient, sender, about=f"morning {date}")


def plain_mail(
    site: str, run_id: str, error: str, outcome: str, url: str, recipient: str, sender: str
) -> EmailMessage:
    """Tell that a report is done where the mail that should carry it could not be written."""
    lines = [
        f"The report of the stocktake {run_id} of {site} is done: {outcome}.",
        f"This mail could not be written in full: {error or 'for a reason the log knows'}.",
        f"The report and its documents: {url}",
    ]
    return build_notice(
        site, f"stocktake {run_id} is done", lines, recipient, sender, about=f"short {run_id}"
    )
