"""What staff do with a case."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from reports.case import BY_STAFF, Case, Step
from reports.ledger_book import Ledger, LedgerError

ACTS = ("assign", *BY_STAFF, "reopen", "note")
"""What `act` knows."""

_AFTER_DONE = 0.1  # how far to believe in the trouble still, after a person has said it is dealt with


def act(ledger: Ledger, finding_id: str, did: str, *, who: str, why: str = "", at: datetime) -> Ledger:
    """Record what a person did with a case.

    Parameters
    ----------
    ledger
        As it was.
    finding_id
        The case, by its own id or that of a kind it has outgrown.
    did
        One of `ACTS`. ``assign``: `who` takes it on. ``found``: of a missing book, it stands on its shelf although
        silent (its tag is dead: `Ledger.retag`); of others, it is as the line says and dealt with. ``reshelved``: put
        where it belongs. ``marked_missing``: searched for and not there. ``false_alarm``: it stood right; of a missing
        book the same as ``found``. ``reopen``: not dealt with after all. ``note``: `why` alone. The same
        outcome a second time changes nothing.
    who, why, at
        The person, the reason in words, and when (with a time zone).

    Raises
    ------
    LedgerError
        No such case or act, no name, a time without a zone, or a case to reopen that is open.
    """
    if did not in ACTS:
        raise LedgerError(f"{did!r} is nothing that can be done with a case; say one of {', '.join(ACTS)}")
    case = ledger.find(finding_id)
    if case is None:
        raise LedgerError(f"no case {finding_id!r} in the ledger; list the cases for their ids")
    if not who.strip():
        raise LedgerError(f"case {case.id}: nobody is named who did this; give a name")
    if at.tzinfo is None:
        raise LedgerError(f"case {case.id}: the time {at.isoformat()} has no time zone; give one")
    if did in BY_STAFF and case.state == "resolved" and case.resolution == did:
        return ledger  # said once already
    return _with(ledger, _after(case, did, who.strip(), why.strip(), at))


def mailed(ledger: Ledger, finding_ids: Collection[str], at: datetime) -> Ledger:
    """Record which cases a mail has shown; ids without a case (a zone) are passed over."""
    cases = dict(ledger.cases)
    for finding_id in finding_ids:
        case = ledger.find(finding_id)
        if case is not None:
            # A dead or weak tag is shown once; from then on it waits in the summary until the book is retagged.
            quiet = case.quiet or case.finding.kind in ("dead_tag", "weak_tag")
            cases[case.id] = replace(cases[case.id], mailed_at=at, quiet=quiet)
    return replace(ledger, cases=cases)


def _after(case: Case, did: str, who: str, why: str, at: datetime) -> Case:
    named = {"assign": "assigned", "reopen": "reopened", "note": "noted"}.get(did, did)
    step = Step(at, who, named, why, case.finding.kind, case.confidence)
    noted = replace(case, history=(*case.history, step))
    if did == "note":
        return noted
    if did == "assign":
        state = replace(noted, state="assigned", assigned_to=who)
        return replace(state, resolution="", quiet=False) if case.resolved else state
    if did == "reopen":
        if not case.resolved:
            raise LedgerError(
                f"case {case.id}: is {case.state} already; only a resolved case can be reopened"
            )
        sure = _before_resolved(case)
        return replace(
            noted, state="open", resolution="", quiet=False, confidence=sure, mailed_at=None, absent=0
        )
    dead = did in ("found", "false_alarm") and case.finding.kind in ("missing", "dead_tag")
    sure = case.confidence if did in ("marked_missing", "found") else min(case.confidence, _AFTER_DONE)
    return replace(
        noted,
        state="resolved",
        resolution=did,
        confidence=sure,
        assigned_to="",
        dead_tag=dead or (case.dead_tag and did not in ("retagged", "marked_missing")),
    )


def _before_resolved(case: Case) -> float:
    """Return how sure the case was when somebody last resolved it."""
    steps = (
        s
        for s in reversed(case.history)
        if s.did in BY_STAFF or s.did in ("seen_right", "no_longer_expected")
    )
    step = next(steps, None)
    return case.confidence if step is None else step.confidence


def _with(ledger: Ledger, case: Case) -> Ledger:
    return replace(ledger, cases={**ledger.cases, case.id: case})
