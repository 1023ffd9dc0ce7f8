"""What one night makes of one case."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from reports.case import BY_STAFF, SCANNER, WHEREABOUTS, Case, Step
from reports.findings import MOVES, Finding
from reports.ledger_belief import believe, bounded
from reports.ledger_looks import NOTHING, Look, Seen
from reports.ledger_policy import Life
from reports.ledger_text import L
from reports.listed_text import off_list, off_lists
from reports.night import NOT_LOOKED, SILENT, Night
from reports.phrases import Said
from reports.policy import Policy

_LOST = frozenset(("missing", "lost", "claimed_returned"))


@dataclass(frozen=True)
class Tonight:
    """A night and the rules by which cases are held against it."""

    night: Night
    seen: Seen
    policy: Policy
    life: Life

    def step(self, case: Case, did: str, why: Said) -> tuple[Step, ...]:
        """Return the case's history with one more step of the scan."""
        return (*case.history, Step(self.night.at, SCANNER, did, why, case.finding.kind, case.confidence))

    def close(self, case: Case, how: str, why: Said) -> Case:
        """Return the case resolved by the scan or the catalogue."""
        history = self.step(case, how, why)
        sure = (
            bounded(min(case.confidence, self.life.close_below)) if how == "seen_right" else case.confidence
        )
        # Who was to do it has nothing to do any more.
        return replace(
            case,
            state="resolved",
            resolution=how,
            history=history,
            confidence=sure,
            assigned_to="",
            quiet=False,
        )

    def looked(self, case: Case, look: Look, llr: float) -> Case:
        """Return the case with this night as the last that looked for its book."""
        return replace(case, looked_at=self.night.at, heard_on=look.shelf_id or case.heard_on, llr=llr)


def next_of(case: Case, found: Finding | None, tonight: Tonight) -> Case:
    """Return the case after a night that lists its trouble as `found`, or does not list it."""
    at = tonight.night.at
    if case.looked_at is not None and at <= case.looked_at:
        return case
    if (told := _told_at(case)) is not None and at <= told:
        return case  # a person has looked since this scan
    if case.finding.lists and not case.resolved and case.finding.barcode not in tonight.seen.on_lists:
        case = _off_lists(case, tonight)
    look = tonight.seen.look(found or case.finding)
    status = tonight.seen.settled(found or case.finding)
    if status is not None:
        return _settled(case, status, tonight)
    if found is not None and _elsewhere_unseen(case, found, tonight):
        return case
    if case.finding.kind == "weak_tag":
        return _weak(case, found, tonight)
    if case.finding.kind == "security_off" and found is None:
        return _security(case, tonight)
    if case.finding.kind not in WHEREABOUTS:
        return _listed(case, found, look, tonight) if found else _unlisted_trouble(case, tonight)
    if case.resolved:
        return _resolved(case, found, look, tonight)
    return _listed(case, found, look, tonight) if found else _unlisted(case, look, tonight)


def _off_lists(case: Case, tonight: Tonight) -> Case:
    """Return an open case whose copy no list names any more: a search is over, other trouble is as pressing as any."""
    if case.finding.kind == "listed":
        # Nobody looks for it any more; what else may be wrong with it opens the case anew.
        return tonight.close(case, "no_longer_expected", off_lists(tonight.night.run_id))
    return replace(case, finding=off_list(case.finding))


def _told_at(case: Case) -> datetime | None:
    """Return when a person last settled or reopened the case."""
    steps = (
        s for s in reversed(case.history) if s.did in BY_STAFF or (s.did == "reopened" and s.who != SCANNER)
    )
    step = next((s for s in steps if s.who != SCANNER), None)
    return None if step is None else step.at


def _settled(case: Case, status: str, tonight: Tonight) -> Case:
    if case.resolved:
        return case
    why = L.status_now(status) if status else L.not_in_catalogue()
    return tonight.close(case, "no_longer_expected", why)


def _elsewhere_unseen(case: Case, found: Finding, tonight: Tonight) -> bool:
    """Whether a book seen on a wrong shelf is silent at home only because that shelf was not scanned tonight."""
    f = case.finding
    was_seen_there = f.kind not in ("missing", "dead_tag", "low_confidence") and bool(f.shelf_id)
    gone = found.kind in ("missing", "dead_tag")
    return gone and not case.resolved and was_seen_there and f.shelf_id not in tonight.seen.scanned


def _resolved(case: Case, found: Finding | None, look: Look, tonight: Tonight) -> Case:
    """Reopen what is seen wrong again, unless it is what staff have dealt with already."""
    if found is None:
        if look.what == NOT_LOOKED:
            return case
        heard = look.what != SILENT
        llr = look.llr
        # A dead tag that is heard is not dead.
        return tonight.looked(replace(case, dead_tag=case.dead_tag and not heard), look, llr)
    same = _same_claim(case, found, tonight.life)
    if found.kind == "low_confidence" or (found.kind == "listed" and _dealt_with(case, found)):
        return tonight.looked(case, look, 0.0)
    if case.resolution == "false_alarm" and same and not _expired(case, tonight):
        return tonight.looked(case, look, 0.0)
    if found.kind in ("missing", "dead_tag"):
        if case.resolution == "marked_missing" or (case.dead_tag and found.kind == "missing"):
            return tonight.looked(case, look, 0.0)  # known: searched for, or its tag is dead
        return _reopen(case, found, found.confidence, look, 0.0, tonight)
    llr = look.llr
    if found.kind in MOVES and same and case.looked_at is not None:
        before = case.llr if case.resolution == "seen_right" else 0.0
        sure = believe(bounded(case.confidence), before, llr, mended=0.0, life=tonight.life)
        if sure < tonight.policy.accuse_from:
            return replace(tonight.looked(case, look, llr), confidence=sure)
        return _reopen(case, found, sure, look, llr, tonight)
    return _reopen(case, found, found.confidence, look, llr, tonight)


def _dealt_with(case: Case, found: Finding) -> bool:
    """Whether staff have settled that a copy is on these lists: a further one, or a newer of one name, asks again."""
    told = _told_at(case)
    newer = told is not None and found.listed_at is not None and found.listed_at > told
    return (
        case.finding.kind == "listed"
        and case.resolution in BY_STAFF
        and set(found.lists) <= set(case.finding.lists)
        and not newer
    )


def _weak(case: Case, found: Finding | None, tonight: Tonight) -> Case:
    """Hold the case of a weak tag against a night: it stays until the tag is another, or staff have settled it."""
    if found is not None and case.resolved and found.epc.upper() != case.finding.epc.upper():
        return _reopen(case, found, found.confidence, NOTHING, 0.0, tonight)
    if found is None or case.resolved:
        return case
    return replace(
        _about(case, found, found.confidence),
        seen_at=tonight.night.at,
        seen_run=tonight.night.run_id,
        nights=case.nights + 1,
        looked_at=tonight.night.at,
    )


def _security(case: Case, tonight: Tonight) -> Case:
    """Hold the case of a book whose security was off against a night: only reading it again tells that it is on."""
    if case.resolved or case.finding.epc.upper() not in tonight.seen.secured:
        return case
    return tonight.close(replace(case, looked_at=tonight.night.at), "seen_right", L.secured())


def _reopen(case: Case, found: Finding, sure: float, look: Look, llr: float, tonight: Tonight) -> Case:
    lost = case.resolution == "marked_missing" and found.kind != "missing"
    why = L.opened(tonight.night.run_id) if not lost else L.found_again()
    about = _about(case, found, sure)
    opened = replace(
        tonight.looked(about, look, llr),
        state="open",
        resolution="",
        opened_at=tonight.night.at,
        opened_run=tonight.night.run_id,
        seen_at=tonight.night.at,
        seen_run=tonight.night.run_id,
        nights=1,
        absent=0,
        mailed_at=None,
        quiet=False,
        tag_worked=case.tag_worked or look.tag_worked,
        silent=look.nights_silent,
        dead_tag=found.kind == "dead_tag",
    )
    return replace(opened, history=tonight.step(opened, "reopened", why))


def _listed(case: Case, found: Finding, look: Look, tonight: Tonight) -> Case:
    """Keep an open case that tonight sees again, perhaps as something else."""
    if case.resolved:
        if case.resolution == "false_alarm" and _same_claim(case, found, tonight.life):
            return (
                case
                if not _expired(case, tonight)
                else _reopen(case, found, found.confidence, look, 0.0, tonight)
            )
        return _reopen(case, found, found.confidence, look, 0.0, tonight)
    was = case.finding.kind
    doubt = found.kind == "low_confidence"
    if doubt and was in MOVES:
        return _weighed(case, look, tonight)  # not sure enough to accuse, not to acquit either
    if found.kind == "listed" and was in MOVES:
        weighed = _weighed(case, look, tonight)
        mended = weighed.confidence <= tonight.life.close_below or _moved(case, look)
        if not (look.right and mended):
            return weighed  # as stubborn as if nobody had listed it
    if found.kind in MOVES and was in (*MOVES, "low_confidence"):
        llr = look.llr
        moved = was == "low_confidence" or not _same_place(case, found, tonight.life)
        mended = _mended(case, tonight.life)
        sure = (
            bounded(found.confidence)
            if moved
            else believe(bounded(case.confidence), case.llr, llr, mended=mended, life=tonight.life)
        )
        nights = case.nights + 1
    else:
        sure, llr = found.confidence, 0.0
        if found.kind == "missing" and not math.isnan(look.p_missing):
            sure = look.p_missing
        nights = case.nights + 1 if found.kind == was else 1
    about = _about(case, found, sure)
    if about.finding.kind != was:
        about = replace(about, history=tonight.step(about, "became", L.became(tonight.night.run_id)))
        # A doubt that has become a claim is to be mailed; a claim that has become a doubt is not.
        about = replace(about, quiet=doubt, mailed_at=None if was == "low_confidence" else case.mailed_at)
    return replace(
        tonight.looked(about, look, llr),
        seen_at=tonight.night.at,
        seen_run=tonight.night.run_id,
        nights=nights,
        absent=0,
        tag_worked=case.tag_worked or look.tag_worked,
        silent=look.nights_silent,
        dead_tag=(case.dead_tag and found.kind != "listed") or found.kind == "dead_tag",
    )


def _unlisted(case: Case, look: Look, tonight: Tonight) -> Case:
    """Hold an open case against a night that does not list its book."""
    run, kind = tonight.night.run_id, case.finding.kind
    if kind == "listed":
        return tonight.looked(case, look, 0.0)  # not heard tonight, and still asked for
    if look.right:
        if kind not in MOVES:
            return tonight.close(
                tonight.looked(replace(case, dead_tag=False), look, 0.0), "seen_right", L.seen_right(run)
            )
        weighed = _weighed(case, look, tonight)
        if weighed.confidence <= tonight.life.close_below or _moved(case, look):
            return tonight.close(weighed, "seen_right", L.seen_right(run))
        return replace(weighed, absent=0)
    if look.what == SILENT:
        if kind in ("missing", "dead_tag"):
            sure = case.confidence if math.isnan(look.p_missing) else look.p_missing
            return _sure(tonight.looked(case, look, 0.0), sure)
        return _absent(case, look, tonight) if case.finding.shelf_id in tonight.seen.scanned else case
    if look.what == NOT_LOOKED:
        looked_there = kind not in ("missing", "dead_tag") and case.finding.shelf_id in tonight.seen.scanned
        return _absent(case, look, tonight) if looked_there else case
    if kind in ("missing", "dead_tag"):
        return tonight.close(
            tonight.looked(replace(case, dead_tag=False), look, 0.0), "seen_right", L.heard(run)
        )
    return _absent(_weighed(case, look, tonight), look, tonight)


def _unlisted_trouble(case: Case, tonight: Tonight) -> Case:
    """Hold a case that is about no copy's whereabouts against a night that does not list it."""
    shelf = case.finding.shelf_id
    if case.resolved or (shelf and shelf not in tonight.seen.scanned):
        return case
    return _absent(case, tonight.seen.look(case.finding), tonight)


def _absent(case: Case, look: Look, tonight: Tonight) -> Case:
    absent = case.absent + 1
    counted = tonight.looked(replace(case, absent=absent), look, case.llr)
    if absent < tonight.life.absent_nights:
        return counted
    how = "no_longer_expected" if look.what in (NOT_LOOKED, SILENT) else "seen_right"
    return tonight.close(counted, how, L.not_seen(tonight.night.run_id, absent))


def _weighed(case: Case, look: Look, tonight: Tonight) -> Case:
    """Return a case of a misplaced book with tonight's chance weighed in."""
    if math.isnan(look.p_wrong):
        return tonight.looked(case, look, case.llr)
    llr = look.llr
    if _moved(case, look):
        sure = bounded(look.p_wrong)
    else:
        mended = _mended(case, tonight.life)
        sure = believe(bounded(case.confidence), case.llr, llr, mended=mended, life=tonight.life)
    return _sure(tonight.looked(case, look, llr), sure)


def _moved(case: Case, look: Look) -> bool:
    return bool(case.heard_on and look.shelf_id) and look.shelf_id != case.heard_on


def _mended(case: Case, life: Life) -> float:
    return life.mended_if_mailed if case.mailed_at is not None else life.mended_alone


def _sure(case: Case, sure: float) -> Case:
    return replace(case, confidence=sure, finding=replace(case.finding, confidence=sure))


def _about(case: Case, found: Finding, sure: float) -> Case:
    """Return the case about what tonight found, under its own name."""
    other = found.finding_id
    also = case.also if other in (case.id, *case.also) else (*case.also, other)
    finding = replace(found, finding_id=case.id, confidence=sure)
    return replace(case, finding=finding, confidence=sure, also=also)


def _same_place(case: Case, found: Finding, life: Life) -> bool:
    a, b = case.finding, found
    if a.shelf_id != b.shelf_id:
        return False
    return a.offset_m is None or b.offset_m is None or abs(a.offset_m - b.offset_m) <= life.same_place_m


def _same_claim(case: Case, found: Finding, life: Life) -> bool:
    return _same_place(case, found, life) and (
        found.kind == case.finding.kind or "low_confidence" in (found.kind, case.finding.kind)
    )


def _expired(case: Case, tonight: Tonight) -> bool:
    told = _told_at(case)
    return told is not None and tonight.night.at - told > tonight.life.false_alarm_for
