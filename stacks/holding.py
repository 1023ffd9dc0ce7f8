"""One copy of the catalogue, and the words its columns may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

COLUMNS = ("barcode", "epc", "call_number", "scheme", "title", "home_location", "status")
STATUSES = (
    "available",
    "loaned",
    "on_hold",
    "in_transit",
    "in_process",
    "missing",
    "lost",
    "claimed_returned",
    "withdrawn",
)
SCHEMES = ("lcc", "ddc", "clc", "sudoc", "nlm", "local")


@dataclass(frozen=True, slots=True)
class Holding:
    """
    One copy.

    Attributes
    ----------
    barcode : str
        Its item number.
    epc : str
        EPC or UID of its tag, upper-case hexadecimal; empty where it has none.
    call_number : str
        As on the label; may be empty.
    scheme : str
        One of `SCHEMES`.
    title : str
        For people.
    home_location : str
        A shelf id where the library keeps one, else a location code; may be empty.
    status : str
        One of `STATUSES`.
    extra : mapping
        Further columns of the file.
    """

    barcode: str
    epc: str
    call_number: str
    scheme: str
    title: str
    home_location: str
    status: str
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
