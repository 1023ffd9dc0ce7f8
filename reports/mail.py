"""The morning's mail, and the plain notices when there is no report to send."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path

from reports.documents import Documents
from reports.html import mail_html
from reports.layout import lay_out
from reports.plain import plain_text
from reports.report import RunReport
from reports.text import T

ATTACHMENT_CAP = 8_000_000
"""Bytes of attachments from which on they stay behind and the mail says where they are."""


class AddressError(ValueError):
    """An address or header that cannot be put into a mail."""


@dataclass(frozen=True, slots=True)
class _Attachment:
    name: str
    subtype: str
    maintype: str
    data: bytes


def build_mail(
    report: RunReport,
    documents: Documents | None,
    recipient: str,
    sender: str,
    *,
    message_id: str | None = None,
    date: datetime | None = None,
    attachment_cap: int = ATTACHMENT_CAP,
    documents_at: str = "",
) -> EmailMessage:
    """Build the mail of a run for one recipient.

    Parameters
    ----------
    report, documents
        What `make_report` and `write_documents` made; without documents nothing is attached.
    recipient, sender
        ``name@host`` or ``Name <name@host>``.
    message_id
        None: made of run and recipient, so that a mail sent twice is recognised as one (RFC 5322, section 3.6.4).
    date
        None: now.
    attachment_cap
        Attachments that are larger in all stay behind, the largest first, and the mail names where they are.
    documents_at
        That place: a link, or a folder. Empty: the report's own link, else the documents' folder.

    Raises
    ------
    AddressError
        An address, or a header, that holds a line break or is none.
    """
    attached, left = _attachments(documents, attachment_cap)
    where = documents_at or report.link or (str(documents.folder) if documents else "")
    left_behind = T.left_behind([a.name for a in left], where) if left else ""
    subject = T.subject(report.info.site, report.state, report.summary.counts, report.summary.to_act_on)
    message = _message(
        subject, recipient, sender, report.info.site, date, message_id, f"run {report.info.run_id}"
    )
    layout = lay_out(report)
    message.set_content(plain_text(report, left_behind, layout), cte="quoted-printable")
    message.add_alternative(mail_html(report, left_behind, layout), subtype="html", cte="quoted-printable")
    for a in attached:
        message.add_attachment(a.data, maintype=a.maintype, subtype=a.subtype, filename=a.name)
    return message


def build_notice(
    site: str,
    subject: str,
    lines: Sequence[str],
    recipient: str,
    sender: str,
    *,
    about: str = "",
    message_id: str | None = None,
    date: datetime | None = None,
) -> EmailMessage:
    """Build a plain mail: no run came, a run failed, a robot is lost.

    Parameters
    ----------
    site, subject
        The subject line becomes ``Site: subject``.
    lines
        Paragraphs of the text, each as one line.
    about
        What makes this notice the same one when it is sent again (a run, a date); empty: its subject and lines.
    recipient, sender, message_id, date
        As for `build_mail`.
    """
    unique = about or "\n".join((subject, *lines))
    message = _message(f"{site}: {subject}", recipient, sender, site, date, message_id, f"notice {unique}")
    body = "\n\n".join(" ".join(line.split()) for line in lines)
    message.set_content(f"{body}\n\n-- \n{T.signature(site)}\n", cte="quoted-printable")
    return message


def stable_message_id(site: str, about: str, recipient: str, sender: str) -> str:
    """Return a Message-ID that is the same whenever the same mail is built for the same recipient."""
    digest = hashlib.sha256("\x1f".join((site, about, recipient)).encode("utf-8", "replace")).hexdigest()[:32]
    host = re.sub(r"[^A-Za-z0-9.-]", "", parseaddr(sender)[1].rpartition("@")[2]) or "localhost"
    return f"<nightstack.{digest}@{host}>"


def _message(
    subject: str,
    recipient: str,
    sender: str,
    site: str,
    date: datetime | None,
    message_id: str | None,
    about: str,
) -> EmailMessage:
    when = (date or datetime.now(UTC)).astimezone(UTC)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = _header("subject", " ".join(_clean(subject).split()))
    message["From"] = _address("sender", sender)
    message["To"] = _address("recipient", recipient)
    message["Date"] = format_datetime(when)
    identity = message_id or stable_message_id(site, about, recipient, sender)
    if not re.fullmatch(r"<[^<>\s@]+@[^<>\s@]+>", identity):
        raise AddressError(f"message id {identity!r} is none; it looks like <something@host>")
    message["Message-ID"] = identity
    message["Auto-Submitted"] = "auto-generated"
    message["Precedence"] = "bulk"
    message["List-Id"] = _list_id(site)
    return message


def _list_id(site: str) -> str:
    label = re.sub(r"[^a-z0-9-]+", "-", site.lower()).strip("-")
    if not label:
        label = "site-" + hashlib.sha256(site.encode()).hexdigest()[:12]
    return f"<{label[:60]}.nightstack.localhost>"  # RFC 2919, section 3: localhost for lists without a domain


def _header(name: str, text: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise AddressError(f"{name} {text!r} holds a control character; take it out")
    return text


def _address(name: str, text: str) -> Address:
    _header(name, text)
    try:
        parsed = SMTP.header_factory("To", text)
        addresses, broken = parsed.addresses, bool(parsed.defects)
    except (
        HeaderParseError,
        IndexError,
    ):  # the parser of the standard library trips over some half addresses
        addresses, broken = (), True
    if broken or len(addresses) != 1 or not (addresses[0].username and addresses[0].domain):
        raise AddressError(f"{name} {text!r} is not one mail address; write name@host or Name <name@host>")
    return addresses[0]


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _attachments(documents: Documents | None, cap: int) -> tuple[list[_Attachment], list[_Attachment]]:
    if documents is None:
        return [], []
    kinds = (
        (documents.pdf, "application", "pdf"),
        (documents.xlsx, "application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (documents.csv, "text", "csv"),
    )
    kept = [_Attachment(Path(p).name, subtype, main, Path(p).read_bytes()) for p, main, subtype in kinds]
    left: list[_Attachment] = []
    while kept and sum(len(a.data) for a in kept) > cap:
        largest = max(kept, key=lambda a: len(a.data))
        kept.remove(largest)
        left.append(largest)
    return kept, left
