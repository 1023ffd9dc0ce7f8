"""What staff found when they looked: which lines were true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reports.case import SCANNER, Case, Step

_PRESENT = frozenset(("found", "on_shelf_loaned", "on_shelf_status"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line that somebody has looked at.

    Attributes
    ----------
    kind : str
        What was claimed.
    confidence : float
        How sure we said we were.
    true : bool
        Whether it was so.
    at : datetime or None
    """

    kind: str
    confidence: float
    true: bool
    at: datetime | None = None


def outcomes(cases: Iterable[Case]) -> list[Outcome]:
    """Return what staff have said of the lines of these cases, one outcome for each time a case was settled by hand.

    A case that a scan closed says nothing: somebody may have put the book right and not told. Where one person takes
    back what another said (reopened, then settled anew, by hand and without a scan between), the last word counts.
    """
    made: list[Outcome] = []
    for case in cases:
        said: Step | None = None
        for step in case.history:
            if step.who == SCANNER:
                made.extend(_outcome(said))
                said = None
            elif step.did == "reopened":
                said = None
            elif _verdict(step) is not None:
                said = step
        made.extend(_outcome(said))
    return made


def _outcome(step: Step | None) -> list[Outcome]:
    verdict = None if step is None else _verdict(step)
    return [] if step is None or verdict is None else [Outcome(step.kind, step.confidence, verdict, step.at)]


def _verdict(step: Step) -> bool | None:
    """Return whether the claim was true by what was done about it; None: that does not tell."""
    if step.did == "false_alarm":
        return False
    if step.kind == "missing":
        # Found on its shelf: it was silent, but not missing. Found elsewhere and put back: it was.
        return {"found": False, "marked_missing": True, "reshelved": True}.get(step.did)
    if step.kind in _PRESENT:
        return True if step.did in ("found", "checked_in", "reshelved") else None
    return True if step.did in ("reshelved", "found", "retagged") else None
