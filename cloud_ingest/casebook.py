"""A site's ledger in the database: a row a case, and the steps that staff and mails took, in order.

The ledger itself (`reports.ledger_book`) knows no database; what is here loads it, stores what changed, and writes
down each step, so that a night that is worked out again is followed by the same steps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, cast

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud_ingest.models import ArchivedCase, Casebook, CaseRow, CaseStep
from cloud_ingest.run_life import remember_site
from cloud_ingest.texts import storable
from cloud_ingest.write_back import plan_missing
from reports.case import Case
from reports.ledger_acts import act as act_on
from reports.ledger_acts import mailed
from reports.ledger_book import Ledger, LedgerError
from reports.ledger_json import (
    case_from_json,
    case_to_json,
    mornings_from_json,
    mornings_to_json,
    nights_from_json,
)
from reports.ledger_mornings import Took
from reports.ledger_mornings import took as took_by

MAILED = "mailed"
"""What a step that a mail did is called."""

TOOK = "took"
"""What a step is called that says how long a morning took; its `why` holds the minutes and what was worked."""

_NS = 1_000_000_000
_MANY = 500
_RECORDED, _LIST = "recorded", "list"


@dataclass(frozen=True, slots=True)
class Done:
    """One step of staff or of a mail."""

    finding_id: str
    did: str
    who: str
    why: str
    at: int


def load(session: Session, site: str, only: Collection[str] | None = None) -> Ledger:
    """Return the ledger of a site; an empty one where there is none.

    With `only`, cases of these ids alone, if each of them is a case's own: a few of many thousand are no reason to
    keep the database waiting. An id that a case has outgrown needs them all.
    """
    if session.get(Casebook, site) is None:
        return Ledger(site=site)
    wanted = select(CaseRow.finding_id, CaseRow.data, CaseRow.opened_at).where(CaseRow.site == site)
    stored: list[Any] = []
    if only is not None:
        names = list(only)
        for first in range(0, len(names), _MANY):
            some = CaseRow.finding_id.in_(names[first : first + _MANY])
            stored += session.execute(wanted.where(some)).all()
    if only is None or len(stored) < len(set(only)):
        stored = list(session.execute(wanted))
    stored.sort(key=lambda row: (row.opened_at, row.finding_id))
    cases = {name: case_from_json(data, f"case {name} of {site}") for name, data, _ in stored}
    return replace(head_of(session, site), cases=cases)


@dataclass(frozen=True)
class Changes:
    """What is to be written to make one ledger of another: rows by the ids of their cases."""

    new: dict[str, dict[str, Any]]
    changed: dict[str, dict[str, Any]]
    gone: set[str]
    archived: dict[str, dict[str, Any]]

    @classmethod
    def between(cls, before: Ledger, after: Ledger, site: str, archived: Iterable[Case] = ()) -> Changes:
        """Compare what is stored with what is to be; `archived` is what nothing needs any more."""
        rows = {name: _row(site, name, c) for name, c in after.cases.items() if before.cases.get(name) != c}
        return cls(
            {name: row for name, row in rows.items() if name not in before.cases},
            {name: row for name, row in rows.items() if name in before.cases},
            {name for name in before.cases if name not in after.cases},
            {case.id: _row(site, case.id, case) for case in archived},
        )

    def touch(self, site: str, name: str, case: Case) -> None:
        """Write one case as it is by now; somebody has touched it, so it is not put away."""
        self.gone.discard(name)
        self.archived.pop(name, None)
        (self.new if name in self.new else self.changed)[name] = _row(site, name, case)


def save(session: Session, site: str, ledger: Ledger, now: int, *, before: Ledger) -> None:
    """Store a ledger; `before` is what is stored, and rows that did not change are left alone."""
    write(session, site, Changes.between(before, ledger, site), ledger, now)


def write(session: Session, site: str, changes: Changes, head: Ledger, now: int) -> None:
    """Store what has changed, and of `head` all but the cases: the nights that are in it now, and the mornings."""
    book = lock(session, site, now)
    if changes.new:
        session.execute(insert(CaseRow), list(changes.new.values()))
    if changes.changed:
        session.execute(update(CaseRow), list(changes.changed.values()))
    gone = sorted(changes.gone)
    for first in range(0, len(gone), _MANY):
        some = CaseRow.finding_id.in_(gone[first : first + _MANY])
        session.execute(delete(CaseRow).where(CaseRow.site == site, some))
    book.head = {
        "runs": list(head.runs),
        "nights": [night.to_json() for night in head.nights],
        "mornings": _clean(mornings_to_json(head.mornings)),
    }
    book.version += 1
    session.flush()


def archive(session: Session, site: str, run_id: str, changes: Changes, now: int) -> None:
    """Put the cases away that a night has no more use for; a night that is worked out again puts its own away anew."""
    session.execute(delete(ArchivedCase).where(ArchivedCase.site == site, ArchivedCase.run_id == run_id))
    if changes.archived:
        more = {"run_id": run_id, "archived_at": now}
        session.execute(insert(ArchivedCase), [{**row, **more} for row in changes.archived.values()])


def forget_steps(session: Session, site: str, before_step: int, before: int) -> None:
    """Remove steps older than a time that no night can be followed by any more; the cases keep their whole story."""
    # The newest step of all stays, as numbers go on from it.
    old = (CaseStep.id < before_step) & (CaseStep.at < before)
    session.execute(delete(CaseStep).where(CaseStep.site == site, old))


def lock(session: Session, site: str, now: int) -> Casebook:
    """Return a site's book, held until the transaction ends; an empty one is begun where there is none."""
    book = session.get(Casebook, site, with_for_update=True)
    if book is None:
        remember_site(session, site, now)
        # Two may begin it at once: the second one waits here, and finds it.
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        begun = dialect.insert(Casebook).values(site=site, version=0, head={})
        session.execute(begun.on_conflict_do_nothing())
        book = session.get_one(Casebook, site, with_for_update=True)
    return book


def head_of(session: Session, site: str) -> Ledger:
    """Return all of a site's ledger but its cases: the nights that are in it, and the mornings."""
    book = session.get(Casebook, site)
    if book is None:
        return Ledger(site=site)
    runs = tuple(cast("list[str]", book.head.get("runs", [])))
    nights = nights_from_json(book.head.get("nights", []), f"casebook of {site}")
    mornings = mornings_from_json(book.head.get("mornings", []), f"mornings of {site}")
    return Ledger({}, site, runs, nights, mornings)


def runs_of(session: Session, site: str) -> tuple[str, ...]:
    """Return the nights that a site's ledger has, oldest first."""
    return head_of(session, site).runs


def act(session: Session, site: str, finding_id: str, did: str, *, who: str, why: str = "", at: int) -> Case:
    """Do something with one case in the caller's transaction, as `act_on_all` does."""
    return act_on_all(session, site, [finding_id], did, who=who, why=why, at=at)[0]


def act_on_all(
    session: Session, site: str, finding_ids: Iterable[str], did: str, *, who: str, why: str = "", at: int
) -> list[Case]:
    """Do one thing with cases in the caller's transaction; return them as they are then.

    Raises
    ------
    LedgerError
        It cannot be done with one of them: one line. The caller's transaction is to be given up.
    """
    lock(session, site, at)
    finding_ids = list(finding_ids)
    before = ledger = load(session, site, finding_ids)
    who, why = storable(who), storable(why)
    done: list[Case] = []
    for finding_id in finding_ids:
        ledger = act_on(ledger, finding_id, did, who=who, why=why, at=_time(at))
        case = ledger.find(finding_id)
        assert case is not None, "the ledger has acted on it"
        done.append(case)
        session.add(CaseStep(site=site, finding_id=case.id, at=at, who=who, did=did, why=why))
        if did == "marked_missing":
            plan_missing(session, site, case, at)
    save(session, site, ledger, at, before=before)
    return done


def took(session: Session, site: str, minutes: float, *, who: str, at: int, recorded: bool = False) -> Took:
    """Write down how long a morning's work took (`reports.ledger_mornings.took`), in the caller's transaction.

    Raises
    ------
    LedgerError
        It makes no sense: one line. The caller's transaction is to be given up.
    """
    lock(session, site, at)
    who = storable(who)
    ledger = took_by(
        _of_morning(session, site, at, recorded), minutes, who=who, at=_time(at), recorded=recorded
    )
    why = f"{minutes!r} {_RECORDED if recorded else _LIST}"
    session.add(CaseStep(site=site, finding_id="", at=at, who=who.strip(), did=TOOK, why=why))
    write(session, site, Changes({}, {}, set(), {}), ledger, at)
    return ledger.mornings[-1]


def _of_morning(session: Session, site: str, at: int, recorded: bool) -> Ledger:
    """Return the ledger with those cases alone that the last mail showed, or somebody has touched since."""
    last = session.scalar(
        select(func.max(CaseRow.mailed_at)).where(CaseRow.site == site, CaseRow.mailed_at <= at)
    )
    if last is None:
        return head_of(session, site)
    mailed_then = select(CaseRow.finding_id).where(CaseRow.site == site, CaseRow.mailed_at == last)
    names = set(session.scalars(mailed_then.limit(1) if recorded else mailed_then))
    if recorded:
        # A case of that time may have become another's by now: then its name leads `load` to it.
        acts = CaseStep.did.not_in((MAILED, TOOK))
        since = (CaseStep.site == site) & (CaseStep.at >= last) & (CaseStep.at <= at)
        names |= set(session.scalars(select(CaseStep.finding_id).where(since, acts)))
    return load(session, site, names)


def mark_mailed(session: Session, site: str, finding_ids: Collection[str], at: int) -> None:
    """Write down which cases a mail has shown, in the transaction that puts it into the outbox."""
    lock(session, site, at)
    ledger = load(session, site, finding_ids)
    shown = sorted({case.id for name in finding_ids if (case := ledger.find(name)) is not None})
    if not shown:
        return
    save(session, site, mailed(ledger, shown, _time(at)), at, before=ledger)
    session.execute(
        insert(CaseStep),
        [{"site": site, "finding_id": name, "at": at, "who": "", "did": MAILED, "why": ""} for name in shown],
    )


def last_step(session: Session, site: str) -> int:
    """Return the number of the last step; 0 where there is none."""
    return session.scalar(select(func.max(CaseStep.id)).where(CaseStep.site == site)) or 0


def steps_since(session: Session, site: str, step: int) -> list[Done]:
    """Return the steps after one of them, oldest first."""
    rows = session.scalars(
        select(CaseStep).where(CaseStep.site == site, CaseStep.id > step).order_by(CaseStep.id)
    )
    return [Done(row.finding_id, row.did, row.who, row.why, row.at) for row in rows]


def again(ledger: Ledger, steps: Iterable[Done]) -> tuple[Ledger, list[str]]:
    """Take steps into a ledger that was made without them.

    Returns
    -------
    tuple of Ledger and list of str
        The ledger, and one sentence for each step that no longer makes sense (its case is not there any more).
    """
    lost: list[str] = []
    for (by_mail, at), together in groupby(steps, key=lambda s: (s.did == MAILED, s.at)):
        if by_mail:  # a mail shows thousands at once, and each act makes the ledger anew
            ledger = mailed(ledger, [step.finding_id for step in together], _time(at))
            continue
        for step in together:
            try:
                if step.did == TOOK:
                    minutes, what = step.why.split()
                    ledger = took_by(
                        ledger, float(minutes), who=step.who, at=_time(step.at), recorded=what == _RECORDED
                    )
                    continue
                ledger = act_on(
                    ledger, step.finding_id, step.did, who=step.who, why=step.why, at=_time(step.at)
                )
            except LedgerError as err:
                lost.append(f"What {step.who} did ({step.did}) is not taken over: {err}.")
    return ledger, lost


def _row(site: str, name: str, case: Case) -> dict[str, Any]:
    of = case.finding
    return {
        "site": site,
        "finding_id": name,
        "kind": of.kind,
        "state": case.state,
        "resolution": case.resolution,
        "quiet": case.quiet,
        "assigned_to": storable(case.assigned_to),
        "barcode": storable(of.barcode),
        "call_number": storable(of.call_number),
        "title": storable(of.title),
        "shelf_id": storable(of.shelf_id),
        "confidence": float(case.confidence),
        "nights": case.nights,
        "opened_at": _ns(case.opened_at),
        "seen_at": _ns(case.seen_at),
        "mailed_at": None if case.mailed_at is None else _ns(case.mailed_at),
        "data": _clean(case_to_json(case)),
    }


def _clean(value: Any) -> Any:
    """Make every text one that each database can hold: titles are the catalogue's, whatever it holds."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): _clean(inner) for key, inner in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in cast("list[Any]", value)]
    return value


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at / _NS, UTC)


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * _NS
