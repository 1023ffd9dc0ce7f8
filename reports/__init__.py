"""What staff read in the morning: exceptions, documents, and the mail that carries them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.documents import Documents, write_documents
    from reports.exceptions import find_exceptions
    from reports.exceptions_csv import ExceptionsError, read_exceptions, write_exceptions
    from reports.findings import KINDS, Finding, finding_id
    from reports.mail import build_mail
    from reports.memory import Memory
    from reports.night import Looks, Night, judge_night
    from reports.notice import AddressError, build_notice, check_address, stable_message_id
    from reports.policy import Policy
    from reports.report import RunReport, ShelfTally, Summary, make_report
    from reports.smtp import MailError, SmtpSettings, send_mail

__all__ = [
    "KINDS",
    "AddressError",
    "Documents",
    "ExceptionsError",
    "Finding",
    "Looks",
    "MailError",
    "Memory",
    "Night",
    "Policy",
    "RunReport",
    "ShelfTally",
    "SmtpSettings",
    "Summary",
    "build_mail",
    "build_notice",
    "check_address",
    "find_exceptions",
    "finding_id",
    "judge_night",
    "make_report",
    "read_exceptions",
    "send_mail",
    "stable_message_id",
    "write_documents",
    "write_exceptions",
]

_MODULES = {
    "documents": ("Documents", "write_documents"),
    "exceptions": ("find_exceptions",),
    "exceptions_csv": ("ExceptionsError", "read_exceptions", "write_exceptions"),
    "findings": ("KINDS", "Finding", "finding_id"),
    "mail": ("build_mail",),
    "memory": ("Memory",),
    "night": ("Looks", "Night", "judge_night"),
    "notice": ("AddressError", "build_notice", "check_address", "stable_message_id"),
    "policy": ("Policy",),
    "report": ("RunReport", "ShelfTally", "Summary", "make_report"),
    "smtp": ("MailError", "SmtpSettings", "send_mail"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a module when the first of its names is asked for: who only sends mail needs no compiler or PDF writer."""
    if name not in _HOME:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    return getattr(import_module(f"reports.{_HOME[name]}"), name)
