"""What an emulated library system knows: copies that are lent, asked for, returned and lost."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stacks.holdings import Holding, read_holdings

_BEFORE = datetime(2015, 1, 1, 8, 0, tzinfo=UTC)


@dataclass
class Copy:
    """
    One copy, in no vendor's words.

    Attributes
    ----------
    number : int
        Its place in the stock, from 1.
    barcode, call_number, scheme, title, location : str
        As in a holding; the barcode may be empty.
    state : str
        A holding's status, as everybody in the library sees it.
    loans, requests : int
        Loans in all; readers who wait.
    last_loan, last_seen, updated : datetime or None
        When it was last lent, last in somebody's hands, last changed.
    inventory_date : str
        As the system's own client wrote it.
    version : int
        Grows with every change.
    notes : list
        Item notes, where the system has them.
    hidden : str
        Subfields that the system keeps but its interface does not write.
    """

    number: int
    barcode: str
    call_number: str = ""
    scheme: str = "lcc"
    title: str = ""
    location: str = ""
    state: str = "available"
    loans: int = 0
    requests: int = 0
    last_loan: datetime | None = None
    last_seen: datetime | None = None
    updated: datetime = _BEFORE
    inventory_date: str = ""
    version: int = 1
    notes: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    hidden: str = ""


class Stock:
    """
    All copies, and what happens to them; safe among threads.

    Parameters
    ----------
    holdings : iterable of Holding
        What there is in the beginning. Their columns ``loans`` and ``requests`` count, where they are there.
    now : datetime, optional
        The time of the first change; every change is a second later than the one before, so that a run is the
        same every time.
    """

    def __init__(self, holdings: Iterable[Holding], now: datetime | None = None) -> None:
        self._lock = threading.RLock()
        self._now = now or datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
        self.copies = [
            Copy(
                number,
                row.barcode,
                row.call_number,
                row.scheme,
                row.title,
                row.home_location,
                row.status,
                _count(row.extra.get("loans")),
                _count(row.extra.get("requests")),
                updated=_BEFORE + timedelta(hours=number % 90_000),
            )
            for number, row in enumerate(holdings, 1)
        ]
        self._by_barcode = {copy.barcode: copy for copy in reversed(self.copies)}

    @classmethod
    def read(cls, holdings: str | Path) -> Stock:
        """Return the stock of a ``holdings.csv``; raises HoldingsError."""
        return cls(read_holdings(holdings))

    def __len__(self) -> int:
        return len(self.copies)

    def __iter__(self) -> Iterator[Copy]:
        return iter(self.copies)

    def find(self, barcode: str) -> Copy | None:
        """Return the copy with a barcode."""
        return self._by_barcode.get(barcode)

    def number(self, number: int) -> Copy | None:
        """Return the copy with a number."""
        return self.copies[number - 1] if 0 < number <= len(self.copies) else None

    def lend(self, barcode: str) -> None:
        """Lend a copy to somebody."""
        copy = self._changed(barcode)
        copy.state, copy.loans, copy.last_loan = "loaned", copy.loans + 1, copy.updated
        copy.last_seen = copy.updated

    def give_back(self, barcode: str) -> None:
        """Take a copy back."""
        copy = self._changed(barcode)
        copy.state, copy.last_seen = "available", copy.updated

    def ask_for(self, barcode: str) -> None:
        """Let one reader more wait for a copy."""
        self._changed(barcode).requests += 1

    def put(self, barcode: str, state: str) -> None:
        """Give a copy another state: ``missing``, ``in_transit`` ..."""
        self._changed(barcode).state = state

    def touch(self, copy: Copy) -> None:
        """Note that a copy was changed now."""
        with self._lock:
            self._now += timedelta(seconds=1)
            copy.updated = self._now
            copy.version += 1

    def _changed(self, barcode: str) -> Copy:
        copy = self._by_barcode[barcode]
        self.touch(copy)
        return copy


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() else 0
