"""The morning's mail: the report as text and HTML, its documents attached."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from reports.documents import Documents
from reports.html import mail_html
from reports.layout import lay_out
from reports.notice import new_message
from reports.plain import plain_text
from reports.report import RunReport
from reports.text import T

ATTACHMENT_CAP = 8_000_000
"""Bytes of attachments from which on they stay behind and the mail says where they are."""


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
    reply_to: str = "",
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
    reply_to
        Where answers go, an address; empty: to the sender.

    Raises
    ------
    AddressError
        An address, or a header, that holds a line break or is none.
    """
    attached, left = _attachments(documents, attachment_cap)
    where = documents_at or report.link or (str(documents.folder) if documents else "")
    layout = lay_out(report)
    lang = layout.lang
    left_behind = lang(T.left_behind([a.name for a in left], where)) if left else ""
    unsure = {f.finding_id for f in report.perhaps_missing}
    counts = Counter(f.kind for f in report.findings if f.finding_id not in unsure)
    to_act_on = sum(n for kind, n in counts.items() if kind not in ("zone_not_scanned", "low_confidence"))
    subject = lang(T.subject(report.info.site, report.state, counts, to_act_on, blank=layout.blank))
    about = f"run {report.info.run_id}"
    message = new_message(
        subject, recipient, sender, report.info.site, date, message_id, about, reply_to=reply_to
    )
    message.set_content(plain_text(report, left_behind, layout), cte="quoted-printable")
    message.add_alternative(mail_html(report, left_behind, layout), subtype="html", cte="quoted-printable")
    for a in attached:
        message.add_attachment(a.data, maintype=a.maintype, subtype=a.subtype, filename=a.name)
    message["Content-Language"] = lang.tag  # last: set_content would carry it into the first part
    return message


def _attachments(documents: Documents | None, cap: int) -> tuple[list[_Attachment], list[_Attachment]]:
    if documents is None:
        return [], []
    kinds = [
        (documents.pdf, "application", "pdf"),
        (documents.xlsx, "application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (documents.csv, "text", "csv"),
    ]
    if documents.picklist is not None:
        kinds.insert(1, (documents.picklist, "application", "pdf"))
    kept = [_Attachment(Path(p).name, subtype, main, Path(p).read_bytes()) for p, main, subtype in kinds]
    left: list[_Attachment] = []
    while kept and sum(len(a.data) for a in kept) > cap:
        largest = max(kept, key=lambda a: len(a.data))
        kept.remove(largest)
        left.append(largest)
    return kept, left
