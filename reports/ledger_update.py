"""One more night taken into the ledger."""

from __future__ import annotations

from reports.ledger_book import Ledger
from reports.ledger_policy import Life
from reports.night import Night
from reports.policy import Policy
from stacks.holdings import Holdings


def update(
    ledger: Ledger,
    night: Night,
    holdings: Holdings | None,
    policy: Policy | None = None,
    *,
    life: Life | None = None,
) -> Ledger:
    """Take a night into the ledger: open, keep, close and reopen cases.

    Parameters
    ----------
    ledger
        As it was; the same night a second time changes nothing.
    night
        Its looks are about the holdings as they were when the run opened.
    holdings
        The catalogue as it is now: what was lent or withdrawn since is no longer expected.
    policy, life
        When to open, and when to close and to confirm.
    """
    raise NotImplementedError
