"""The last look before mailing: every line held against the library system as it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reports.findings import Finding
from stacks.ils.items import IlsItem

Ask = Callable[[str], IlsItem | None]


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What is left of a list.

    Attributes
    ----------
    kept : list of Finding
        In their order; a kind or evidence may have changed with the book's status.
    dropped : list of (Finding, str)
        Lines that went, each with a sentence that says why.
    asked : int
        Items the library system answered for.
    failed : str
        Why the rest could not be asked, one sentence; empty: all were. Lines not asked are kept as they were.
    """

    kept: list[Finding]
    dropped: list[tuple[Finding, str]]
    asked: int
    failed: str = ""


def recheck(
    findings: Sequence[Finding],
    ask: Ask,
    *,
    now: datetime,
    recent_days: float = 3.0,
    most: int = 500,
    seen: datetime | None = None,
) -> Rechecked:
    """Hold every line against the library system, which is only read.

    Parameters
    ----------
    findings
        The mailed lines, the most important first if there may be more than `most`.
    ask
        The item of a barcode as it is now; None: no such item. What it raises ends the asking, not the mail.
    now
        With a time zone.
    recent_days
        A silent book that was returned or used in the house within so many days is on its way, not missing.
    most
        Items to ask for at most.
    seen
        When the night was: what was lent or used since then is no longer where it was heard.
    """
    raise NotImplementedError
