"""What staff read in the morning: exceptions, documents, and the mail that carries them."""

from reports.exceptions import find_exceptions
from reports.exceptions_csv import ExceptionsError, read_exceptions, write_exceptions
from reports.findings import KINDS, Finding, finding_id
from reports.policy import Policy

__all__ = [
    "KINDS",
    "ExceptionsError",
    "Finding",
    "Policy",
    "find_exceptions",
    "finding_id",
    "read_exceptions",
    "write_exceptions",
]
