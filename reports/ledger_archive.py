"""What of a ledger is put away after years: a ledger is read whole every night, and books come and go for decades."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from reports.case import BY_SCAN, Case
from reports.ledger_book import Ledger
from reports.outcomes import outcomes

KEEP_DAYS = 730.0
"""How long a resolved case stays in the ledger, unless the settings say otherwise."""


def part(ledger: Ledger, now: datetime, keep: timedelta | None) -> tuple[Ledger, list[Case]]:
    """Part a ledger from the cases that nothing needs any more.

    Parameters
    ----------
    ledger
        As it is.
    now
        When this is (with a time zone).
    keep
        How long a resolved case stays; None: for ever.

    Returns
    -------
    tuple of Ledger and list of Case
        The ledger without them, and the cases to be put away. Put away is what a scan or the catalogue resolved longer
        ago than `keep`. Open cases stay, and those of which people said whether they were true: `reports.feedback`
        learns from them, a false alarm keeps its claim quiet, a dead tag its book out of the missing ones, and what
        was marked missing is not to be listed again. So do the lines of mornings whose minutes staff told:
        `reports.pace_learning` holds one against the other.

    Raises
    ------
    ValueError
        `keep` is no time.
    """
    if keep is None:
        return ledger, []
    if keep <= timedelta(0):
        raise ValueError(
            f"resolved cases: kept for {keep.total_seconds() / 86400:g} days; it must be above 0"
        )
    told = {line for took in ledger.mornings for line in took.lines}
    old = {
        name: case
        for name, case in ledger.cases.items()
        if _done_with(case, now - keep) and told.isdisjoint((name, *case.also))
    }
    if not old:
        return ledger, []
    kept = {name: case for name, case in ledger.cases.items() if name not in old}
    return replace(ledger, cases=kept), list(old.values())


def _done_with(case: Case, before: datetime) -> bool:
    if not case.resolved or case.resolution not in BY_SCAN or case.dead_tag:
        return False
    last = max((step.at for step in case.history), default=case.seen_at)
    return max(last, case.seen_at) < before and not outcomes([case])
