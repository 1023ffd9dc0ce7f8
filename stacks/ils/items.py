"""What every library system is asked for: one item, in Nightstack's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class IlsItem:
    """
    One item as the library's system knows it now.

    Attributes
    ----------
    barcode : str
        Its item number.
    item_id : str
        The system's own name for it; what writes are addressed to.
    call_number, scheme, title, home_location : str
        As in `stacks.holdings.Holding`.
    status : str
        One of `stacks.holdings.STATUSES`.
    raw_status : str
        The system's own word for it.
    epc : str
        Where the system keeps it; else empty.
    last_activity : datetime or None
        Last loan, return or use in the house, UTC; None where the system does not tell.
    requests : int
        Readers who wait for it.
    loans : int or None
        Loans in all, where the system tells.
    updated_at : datetime or None
        When the record was last changed, UTC.
    extra : mapping
        What else the system says and a library may want to keep.
    """

    barcode: str
    item_id: str = ""
    call_number: str = ""
    scheme: str = ""
    title: str = ""
    home_location: str = ""
    status: str = "available"
    raw_status: str = ""
    epc: str = ""
    last_activity: datetime | None = None
    requests: int = 0
    loans: int | None = None
    updated_at: datetime | None = None
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
