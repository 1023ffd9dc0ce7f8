"""What the service writes itself: when there is no report to send."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage

from cloud_ingest.mail_text import M
from reports import build_notice
from reports.failure_text import F

MAIL_POLICY = policy.SMTP
"""CRLF, and headers encoded where they are not ASCII."""


def failed_mail(
    site: str,
    run_id: str,
    reason: str,
    facts: list[str],
    url: str,
    recipient: str,
    sender: str,
    language: str = "en",
) -> EmailMessage:
    """Tell that a run could not be worked out, why, and what is there all the same."""
    lines = [M.failed(site, run_id, reason), F.unchecked(), F.earlier(), *facts, M.stored(url)]
    return build_notice(
        site,
        M.failed_subject(run_id),
        lines,
        recipient,
        sender,
        about=f"failed {run_id}",
        language=language,
    )


def morning_mail(
    site: str, date: str, lines: list[str], url: str, recipient: str, sender: str, language: str = "en"
) -> EmailMessage:
    """Tell by the morning hour why there is no report."""
    return build_notice(
        site,
        M.morning_subject(date),
        [M.no_report(site, date), *lines, url],
        recipient,
        sender,
        about=f"morning {date}",
        language=language,
    )


def plain_mail(
    site: str,
    run_id: str,
    error: str,
    outcome: str,
    url: str,
    recipient: str,
    sender: str,
    language: str = "en",
) -> EmailMessage:
    """Tell that a report is done where the mail that should carry it could not be written."""
    return build_notice(
        site,
        M.done_subject(run_id),
        [M.done(site, run_id, outcome), M.unwritten(error), M.documents_at(url)],
        recipient,
        sender,
        about=f"short {run_id}",
        language=language,
    )
