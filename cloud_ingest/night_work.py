"""The worker's part of a night: judged by the ones before it, and taken into the site's ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cloud_ingest.tag_settings import TagRules, tag_rules
from cloud_ingest.tasks import NightResult, Task
from cloud_ingest.write_back import HEARD, heard_books
from stacks.staff_lists import StaffList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localization import Coverage, Positions
    from reports import Finding, Policy
    from reports.known_tags import Remembered
    from reports.listed import ListTally
    from reports.trend import NightFigures
    from stacks.holdings import Holdings
    from stacks.plan import Plan
    from stacks.tag_data import TagContents

LEDGER, MEMORY = "ledger.json", "memory.parquet"
"""In the work folder: both after this night."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What judging a run gave.

    Attributes
    ----------
    findings
        Of this night.
    night
        That it is part of the site's ledger; None: it is not.
    lists
        What became of staff's lists.
    nights
        The last nights of the site in figures, this one included; none where it is not part of them.
    remembered
        What nights before read of tags; None: it was judged without.
    """

    findings: list[Finding]
    night: NightResult | None
    lists: tuple[ListTally, ...] = ()
    nights: tuple[NightFigures, ...] = ()
    remembered: Remembered | None = None


_SAME_NIGHT_NS = 12 * 3600 * 1_000_000_000


def policy_of(task: Task) -> Policy:
    """Return the thresholds a run is judged by."""
    from reports import Policy

    return Policy(**({} if task.night is None else task.night.policy))


def judge(
    task: Task,
    run_id: str,
    ended_at: int,
    positions: Positions,
    coverage: Coverage | None,
    plan: Plan | None,
    holdings: Holdings | None,
    notes: list[str],
    work: Path,
    contents: Mapping[str, TagContents] | None = None,
) -> Judged:
    """Find what is wrong, with what earlier nights taught, and write ledger and memory after it into `work`.

    Parameters
    ----------
    task
        What there is to judge by; without a ledger the run is judged by itself.
    run_id, ended_at
        Which night, and when it ended by the robot's clock (ns UTC).
    positions, coverage, plan, holdings
        What the run found, and what it was to find.
    notes
        What is to be told is added here.
    work
        The work folder.
    contents
        What was read of tags beside their number (`reports.tag_contents.contents_of`); None: nothing.
    """
    from reports.feedback import learn
    from reports.ledger import Ledger, update
    from reports.memory import Memory
    from reports.night import judge_night
    from reports.outcomes import outcomes
    from reports.tag_contents import security_of, unread_note
    from stacks.tag_data import TagTable

    policy = policy_of(task)
    lists = [StaffList.from_json(of) for of in task.lists]
    rules = rules_of(task)
    contents = TagTable.of(contents)
    armed, doubt = security_of(contents, positions.epc.tolist())
    notes += _sentences(doubt)
    at = _when(task, ended_at, notes)
    if task.night is None or task.night.ledger is None or at is None:
        when = datetime.fromtimestamp(ended_at / 1e9, UTC)
        alone = judge_night(
            run_id, when, positions, coverage, plan, holdings, policy=policy, lists=lists, day=_day(task, ended_at),
            security=armed or None, contents=contents, owners=rules.owners,
        )  # fmt: skip
        notes += _sentences(unread_note(alone.unread))
        return Judged(alone.findings, None, alone.lists)
    data = Path(task.data)
    before = data / task.night.ledger
    ledger = Ledger.from_json(json.loads(before.read_bytes()), str(before))
    # What staff found when they looked moves the thresholds: false alarms make us ask for more.
    policy = learn(outcomes(ledger.cases.values())).policy(policy)
    memory: Memory | None = None
    if task.night.memory is not None:
        try:
            memory = Memory.read(data / task.night.memory)
            if holdings is not None:
                memory = memory.sharing(holdings.column("barcode"), holdings.column("epc"))
        except (OSError, ValueError) as err:
            line = " ".join(str(err).split())
            notes.append(
                f"What earlier nights taught of the tags cannot be read, and is learnt anew: {line}."
            )
    night = judge_night(
        run_id,
        datetime.fromtimestamp(at / 1e9, UTC),
        positions,
        coverage,
        plan,
        holdings,
        memory=memory,
        retag=ledger.retag,
        policy=policy,
        lists=lists,
        day=_day(task, at),
        security=armed or None,
        contents=contents,
        owners=rules.owners,
    )
    notes += _sentences(unread_note(night.unread))
    after = update(ledger, night, _catalogue_now(task, holdings), policy)
    learnt = night.memory
    if holdings is not None:
        forget_before = night.at - timedelta(days=task.night.keep_days)
        learnt = learnt.without(holdings.column("barcode"), holdings.column("epc"), before=forget_before)
    learnt.to_parquet(work / MEMORY)
    (work / LEDGER).write_text(json.dumps(after.to_json()), encoding="utf-8")
    if task.inventory and holdings is not None:
        heard = {"date": _day(task, at).isoformat(), "barcodes": heard_books(night.looks, holdings)}
        (work / HEARD).write_text(json.dumps(heard), encoding="utf-8")
    return Judged(night.findings, NightResult(at), night.lists, after.nights, night.remembered)


def rules_of(task: Task) -> TagRules:
    """Return the site's rules of tags."""
    return tag_rules({} if task.night is None else task.night.tags)


def _sentences(*notes: str) -> list[str]:
    """Return notes as sentences; empty ones are none."""
    return [f"{note[:1].upper()}{note[1:]}." for note in notes if note]


def _day(task: Task, at: int) -> date:
    """Return the library's own date at a time."""
    return datetime.fromtimestamp(at / 1e9, ZoneInfo(task.facts["time_zone"])).date()


def _when(task: Task, ended_at: int, notes: list[str]) -> int | None:
    """Return when the night counts as having been; None: it is older than what the ledger has."""
    if task.night is None:
        return None
    newest = task.night.not_before
    at = min(ended_at, task.night.not_after)
    if task.night.ledger is None or (newest is not None and at < newest - _SAME_NIGHT_NS):
        notes.append(
            "A later night of this site has been taken into its ledger already: this report changes nothing there. "
            "If the robot's clock is wrong, set it."
        )
        return None
    # Two robots of one night end in any order; the ledger's nights follow one another.
    return at if newest is None else max(at, newest + 1_000_000_000)


def _catalogue_now(task: Task, frozen: Holdings | None) -> Holdings | None:
    """Return the catalogue as it is now, else as it was when the run opened."""
    from stacks.holdings import read_holdings

    if task.holdings_now is None or task.holdings_now == task.holdings:
        return frozen
    try:
        return read_holdings(task.holdings_now)
    except (OSError, ValueError):
        return frozen  # whoever keeps it is told when the next run opens
