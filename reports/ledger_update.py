"""One more night taken into the ledger."""

from __future__ import annotations

from dataclasses import replace

from reports.case import SCANNER, Case, Step, subject
from reports.findings import Finding
from reports.ledger_book import Ledger
from reports.ledger_looks import Seen
from reports.ledger_next import Tonight, next_of
from reports.ledger_policy import Life
from reports.ledger_text import L
from reports.night import Night
from reports.policy import Policy
from reports.trend import figures_of, with_night
from stacks.holdings import Holdings

_RUNS_KEPT = 64


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

    Notes
    -----
    Zones that were not scanned are about a night, not about a book, and have no case.
    """
    if night.run_id in ledger.runs:
        return ledger
    seen = Seen(night, holdings, ledger.cases.values())
    tonight = Tonight(night, seen, policy or Policy(), life or Life())
    cases = {i: _retagged(c, tonight) for i, c in ledger.cases.items()}
    known = {subject(c.finding): i for i, c in cases.items()}
    listed: dict[str, Finding] = {}
    new: list[Finding] = []
    for f in night.findings:
        if f.kind == "zone_not_scanned":
            continue
        about = subject(f)
        at = known.get(about)
        if at is None:
            if seen.settled(f) is None:
                known[about] = f.finding_id
                new.append(f)
        else:
            listed.setdefault(at, f)
    cases = {i: next_of(c, listed.get(i), tonight) for i, c in cases.items()}
    for f in new:
        name = f.finding_id
        while name in cases:  # an id that another story went through or began with
            name += "+"
        cases[name] = _opened(replace(f, finding_id=name), tonight)
    runs = (*ledger.runs, night.run_id)[-_RUNS_KEPT:]
    nights = with_night(ledger.nights, figures_of(night, cases.values(), tonight.life))
    return replace(ledger, cases=cases, runs=runs, nights=nights)


def _opened(f: Finding, tonight: Tonight) -> Case:
    night = tonight.night
    look = tonight.seen.look(f)
    step = Step(night.at, SCANNER, "opened", L.opened(night.run_id), f.kind, f.confidence)
    return Case(
        finding=f,
        state="open",
        opened_at=night.at,
        opened_run=night.run_id,
        seen_at=night.at,
        seen_run=night.run_id,
        confidence=f.confidence,
        quiet=f.kind == "low_confidence",
        history=(step,),
        looked_at=night.at,
        heard_on=look.shelf_id,
        llr=look.llr,
        tag_worked=look.tag_worked,
        silent=look.nights_silent,
        dead_tag=f.kind == "dead_tag",
    )


def _retagged(case: Case, tonight: Tonight) -> Case:
    """Follow a copy to the new tag its record names; what was wrong with the old one is over."""
    epc = tonight.seen.new_epc(case.finding)
    if epc and case.finding.kind == "weak_tag":
        # What was weak was the tag: should the new one be weak, too, that is a case of its own.
        return case if case.resolved else tonight.close(case, "retagged", L.new_tag())
    if not epc or subject(case.finding) == case.id:
        return case
    moved = replace(case, finding=replace(case.finding, epc=epc), dead_tag=False, llr=0.0)
    if case.finding.kind != "dead_tag" or case.resolved:
        return moved
    return tonight.close(moved, "retagged", L.new_tag())
