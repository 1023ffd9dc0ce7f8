"""The ledger: every case of one site, opened, kept, closed and reopened from night to night.

This is the room's face of the life of exceptions; `ledger_update`, `ledger_acts`, `ledger_json` and `ledger_belief`
hold its parts. Nothing here knows a database or a file: a ledger goes in, a ledger comes out.
"""

from __future__ import annotations

from reports.case import BY_SCAN, BY_STAFF, RESOLUTIONS, STATES, Case, Step, subject
from reports.ledger_acts import ACTS, act, mailed
from reports.ledger_book import Ledger, LedgerError
from reports.ledger_json import from_json, to_json
from reports.ledger_mornings import Took, took
from reports.ledger_policy import Life, confirmed, due, waiting
from reports.ledger_update import update

__all__ = [
    "ACTS",
    "BY_SCAN",
    "BY_STAFF",
    "RESOLUTIONS",
    "STATES",
    "Case",
    "Ledger",
    "LedgerError",
    "Life",
    "Step",
    "Took",
    "act",
    "confirmed",
    "due",
    "from_json",
    "mailed",
    "subject",
    "to_json",
    "took",
    "update",
    "waiting",
]
