"""A ledger as JSON."""

from __future__ import annotations

from typing import Any

from reports.ledger_book import Ledger


def to_json(ledger: Ledger) -> dict[str, Any]:
    """Return an object for ``json.dumps``."""
    raise NotImplementedError


def from_json(obj: object, source: str = "ledger.json") -> Ledger:
    """Return the ledger of `to_json`'s object; raises LedgerError."""
    raise NotImplementedError
