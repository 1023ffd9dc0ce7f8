"""One case: the story of one trouble with one book, from the night that found it until it is put right.

A finding is what one night says. A case is what becomes of it: nights that see it again, staff who take it on and say
what they found, a later night that sees the book right. The kinds that one book's whereabouts go through (out of order,
then on another shelf; missing, then found elsewhere) are one story; `subject` says which findings belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reports.findings import Finding

State = Literal["open", "assigned", "resolved"]
STATES: tuple[State, ...] = ("open", "assigned", "resolved")

BY_STAFF = ("found", "reshelved", "checked_in", "marked_missing", "retagged", "false_alarm")
"""How staff resolve a case; each is also what `act` calls it."""

BY_SCAN = ("seen_right", "no_longer_expected")
"""How a later night or the catalogue resolves one."""

RESOLUTIONS = ("", *BY_STAFF, *BY_SCAN)

_PLACES = ("wrong_shelf", "wrong_order", "wrong_location", "missing", "low_confidence", "dead_tag", "listed")
_STATUSES = ("found", "on_shelf_loaned", "on_shelf_status")
WHEREABOUTS = frozenset((*_PLACES, *_STATUSES))
"""Kinds that say where one copy is; a book has one case for all of them."""

SCANNER = "scan"
"""Who did the steps that no person did."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a case.

    Attributes
    ----------
    at : datetime
        UTC.
    who : str
        The person, or `SCANNER`.
    did : str
        ``opened``, ``became`` (another kind), ``reopened``, ``assigned``, ``noted``, or one of `RESOLUTIONS`.
    why : str
        In words; a run's id where a scan did it.
    kind : str
        What the case was about just then: one of `reports.findings.KINDS`.
    confidence : float
        How sure the case was just then; what `reports.feedback` compares with the outcome.
    """

    at: datetime
    who: str
    did: str
    why: str = ""
    kind: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """The life of one exception.

    Attributes
    ----------
    finding : Finding
        What the last night that saw the trouble said. Its `finding_id` is the case's own, whatever kinds the story
        has gone through, and its `confidence` is the case's.
    state : {"open", "assigned", "resolved"}
    resolution : str
        How it was resolved, one of `RESOLUTIONS`; empty while it is not.
    opened_at : datetime
    opened_run : str
        The night that opened it (the last time, if it was reopened).
    seen_at : datetime
    seen_run : str
        The last night that saw the trouble.
    nights : int
        Nights that saw it since it was opened.
    confidence : float
        Chance that the trouble is real, all nights together.
    mailed_at : datetime or None
        When it was last mailed since it was opened; None: never.
    quiet : bool
        Not to be mailed as a line of its own: a doubt, a false alarm, a dead tag that was shown already.
    assigned_to : str
    history : tuple of Step
        Oldest first; nothing is ever taken out.
    also : tuple of str
        Finding ids of the other kinds this story went through; `Ledger.find` knows them.
    looked_at : datetime or None
        The last night that looked for the book at all.
    heard_on : str
        The shelf it was heard on that night.
    llr : float
        Log-likelihood ratio, wrong against right, of that look; 0: it said nothing.
    absent : int
        Nights in a row that looked and no longer saw the trouble, nor saw it right.
    tag_worked : bool
        A night before it was missed heard its tag: it is no tag that never worked.
    silent : int
        Nights in a row on which its tag was silent although its shelf was scanned.
    dead_tag : bool
        Staff found it on its shelf although it was silent.
    """

    finding: Finding
    state: State
    opened_at: datetime
    opened_run: str
    seen_at: datetime
    seen_run: str
    resolution: str = ""
    nights: int = 1
    confidence: float = 0.0
    mailed_at: datetime | None = None
    quiet: bool = False
    assigned_to: str = ""
    history: tuple[Step, ...] = ()
    also: tuple[str, ...] = ()
    looked_at: datetime | None = None
    heard_on: str = ""
    llr: float = 0.0
    absent: int = 0
    tag_worked: bool = False
    silent: int = 0
    dead_tag: bool = False

    @property
    def id(self) -> str:
        """The case's name: the id of the finding that opened it first."""
        return self.finding.finding_id

    @property
    def resolved(self) -> bool:
        """Whether nothing is left to do."""
        return self.state == "resolved"

    @property
    def acted_at(self) -> datetime | None:
        """When a person last said something of it; None: nobody has."""
        return next((s.at for s in reversed(self.history) if s.who != SCANNER), None)


def subject(finding: Finding) -> str:
    """Return what a case is about: one copy's whereabouts, else the trouble's own id."""
    if finding.kind in WHEREABOUTS and (finding.barcode or finding.epc):
        return f"{finding.barcode}\x1f{finding.epc.upper()}"
    return finding.finding_id
