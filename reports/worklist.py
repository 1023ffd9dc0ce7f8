"""The best list for the minutes there are this morning, in the order of one walk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reports.case import Case
from reports.findings import Finding
from reports.pace import Pace
from stacks.holdings import Holdings
from stacks.plan import Plan


@dataclass(frozen=True, slots=True)
class Worklist:
    """What one person is to do this morning.

    Attributes
    ----------
    findings : tuple of Finding
        In walking order.
    minutes : float
        How long it will take: walking and handling.
    backlog : mapping of str to int
        By kind, open cases of this recipient that did not fit.
    first_seen : mapping of str to datetime
        By finding id, since when a trouble is known; those that are new tonight are not in it.
    waiting : tuple of Finding
        Perhaps missing: silent too few nights to be searched for; counted in `backlog` where they are not listed.
    quiet : mapping of str to int
        By kind, known troubles that are no longer shown line by line (dead tags, false alarms, doubts).
    """

    findings: tuple[Finding, ...]
    minutes: float
    backlog: Mapping[str, int] = field(default_factory=dict[str, int])
    first_seen: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    waiting: tuple[Finding, ...] = ()
    quiet: Mapping[str, int] = field(default_factory=dict[str, int])


def make_worklist(
    cases: Sequence[Case],
    plan: Plan | None,
    holdings: Holdings | None,
    *,
    minutes: float | None,
    kinds: Collection[str] | None = None,
    floors: Collection[str] | None = None,
    pace: Pace | None = None,
    zones: Sequence[Finding] = (),
    new_run: str = "",
) -> Worklist:
    """Choose the cases that put the most wanted books right in the minutes there are.

    Parameters
    ----------
    cases
        Open cases (`Ledger.open`); resolved ones are left out.
    plan, holdings
        For distances and for how wanted a book is (`requests`, `loans`, `last_activity`).
    minutes
        There are this morning; None: everything, in walking order.
    kinds, floors
        What this recipient wants; None: all. A case without a place is on every floor.
    pace
        How fast people walk and work.
    zones
        ``zone_not_scanned`` findings of the night, shown with the list; they take no time.
    new_run
        The night the mail is about: cases it opened are new and not in `first_seen`.
    """
    raise NotImplementedError
