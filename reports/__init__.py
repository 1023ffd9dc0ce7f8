"""What staff read in the morning: exceptions, documents, and the mail that carries them."""

from reports.documents import Documents, write_documents
from reports.exceptions import find_exceptions
from reports.exceptions_csv import ExceptionsError, read_exceptions, write_exceptions
from reports.findings import KINDS, Finding, finding_id
from reports.mail import AddressError, build_mail, build_notice, stable_message_id
from reports.policy import Policy
from reports.report import RunReport, ShelfTally, Summary, make_report
from reports.smtp import MailError, SmtpSettings, send_mail

__all__ = [
    "KINDS",
    "AddressError",
    "Documents",
    "ExceptionsError",
    "Finding",
    "MailError",
    "Policy",
    "RunReport",
    "ShelfTally",
    "SmtpSettings",
    "Summary",
    "build_mail",
    "build_notice",
    "find_exceptions",
    "finding_id",
    "make_report",
    "read_exceptions",
    "send_mail",
    "stable_message_id",
    "write_documents",
    "write_exceptions",
]
