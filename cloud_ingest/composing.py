"""Letters of one run: each recipient's list for the morning, held against the library system, as mail and documents."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cloud_ingest.compose_tasks import ComposeTask, LetterTask, Written
from cloud_ingest.findings_json import read_findings
from cloud_ingest.mails import MAIL_POLICY
from cloud_ingest.paths import NOTES
from cloud_ingest.remembered_tags import read_remembered
from cloud_ingest.tag_settings import TagRules, tag_rules
from cloud_ingest.tasks import ENDED
from recording.run_info import RunInfo
from recording.tag_memories import read_tag_memories
from reports import RunReport, build_mail, make_report, write_documents
from reports.case import Case
from reports.delivery_text import no_such_floor, not_delivered
from reports.failure import tells_nothing
from reports.feedback import learn
from reports.findings import Finding
from reports.ledger_book import Ledger
from reports.listed_text import without_notes
from reports.outcomes import outcomes
from reports.pace import ByHand, Pace
from reports.pace_learning import Learnt, study_pace
from reports.phrases import from_json
from reports.recheck import recheck
from reports.tag_contents import contents_of
from reports.text import several
from reports.trend import NightFigures
from reports.worklist import Worklist, make_worklist
from stacks.holdings import Holdings
from stacks.ils import Ils, IlsError, IlsItem, open_ils
from stacks.plan import Plan
from stacks.tag_data import TagContents

_TAGS = "tags.parquet"
_NS = 1_000_000_000
_ROUNDS = 4  # lines that went make room for others, which are asked for in their turn
_IN_A_ROW = 3  # failures after which a library system counts as down
_ZONE = "zone_not_scanned"


@dataclass
class Asking:
    """The library system, asked once for each item, no longer than there is time, and not at all once it is down.

    Parameters
    ----------
    settings
        As `stacks.ils.open_ils` takes them; empty: there is none.
    seconds
        Time for all of it.
    clock
        Seconds.
    """

    settings: Mapping[str, Any]
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _ils: Ils | None = None
    _known: dict[str, IlsItem | None] = field(default_factory=dict[str, "IlsItem | None"])
    _until: float | None = None
    _down: IlsError | None = None
    _failures: int = 0  # in a row

    def __call__(self, barcode: str) -> IlsItem | None:
        """Return an item as it is now; raises `IlsError` where it cannot be known."""
        if barcode in self._known:
            return self._known[barcode]
        if self._down is not None:
            raise self._down
        if self._until is None:
            self._until = self.clock() + self.seconds
        try:
            if self.clock() > self._until:
                raise IlsError(f"it took longer than recheck_s ({self.seconds:.0f} s)", temporary=True)
            if self._ils is None:
                self._ils = open_ils(self._patient())
            self._known[barcode] = self._ils.item(barcode)
        except IlsError as err:
            self._failures += 1
            if self._ils is None or self._failures >= _IN_A_ROW or self.clock() > self._until:
                self._down = err
            raise
        self._failures = 0
        return self._known[barcode]

    def _patient(self) -> dict[str, Any]:
        """Return the settings with no more patience than there is time: whoever reads the mail waits for it."""
        wanted = dict(self.settings)
        for name, most in (
            ("timeout_s", max(self.seconds / 6, 0.5)),
            ("longest_wait_s", 2.0),
            ("backoff_s", 0.5),
        ):
            wanted[name] = min(float(wanted.get(name, most)), most)
        wanted["retries"] = min(int(wanted.get("retries", 1)), 1)
        return wanted

    def close(self) -> None:
        """End the connection."""
        if self._ils is not None:
            self._ils.close()


@dataclass(frozen=True)
class LetterNight:
    """What all letters of a run have in common."""

    report: RunReport
    plan: Plan | None
    holdings: Holdings | None
    cases: list[Case]
    zones: list[Finding]
    at: datetime
    mail_from: Mapping[str, float]
    pace: Learnt = field(default_factory=lambda: Learnt(Pace()))
    earlier: list[Case] = field(default_factory=list[Case])  # open ones, where this night tells nothing


def compose(task: ComposeTask) -> list[Written]:
    """Write every letter of a task into its work folder, and its documents where they belong."""
    night = night_of(task)
    asking = Asking(task.ils, task.recheck_s)
    try:
        return [_compose_one(task, letter, night, asking) for letter in task.letters]
    finally:
        asking.close()


def _compose_one(task: ComposeTask, letter: LetterTask, night: LetterNight, asking: Asking) -> Written:
    now = datetime.fromtimestamp(task.now / _NS, UTC)
    listed, dropped, asked, failed = _list(task, letter, night, asking, now)
    troubles: list[str] = [not_delivered(*told) for told in letter.undelivered]
    known = [] if night.plan is None else [floor.id for floor in night.plan.floors]
    troubles += [no_such_floor(f, several(known)) for f in letter.floors if known and f not in known]
    if failed:
        troubles.append(failed)
    shown = Counter(f.kind for f in listed.findings)
    zone = ZoneInfo(task.time_zone)
    report = replace(
        night.report,
        findings=listed.findings,
        summary=replace(night.report.summary, counts=dict(shown)),
        troubles=(*night.report.troubles, *troubles),
        language=letter.language,
        minutes=listed.minutes,
        minutes_asked=letter.minutes,
        backlog=listed.backlog,
        first_seen={name: at.astimezone(zone).date() for name, at in listed.first_seen.items()},
        perhaps=listed.perhaps,
        paced=night.pace.mornings,
        put_off=0 if letter.minutes is None else len(listed.waiting),
        dropped=tuple(dropped),
        still_open=_still_open(letter, night),
        checked_at=now if asked and not failed else None,  # else the trouble says how far that went
    )
    Path(letter.folder).mkdir(parents=True, exist_ok=True)
    if any(without_notes(text) != text for f in listed.findings for text in (f.evidence, f.asked_for)):
        (Path(letter.folder) / NOTES).touch()
    else:
        (Path(letter.folder) / NOTES).unlink(missing_ok=True)
    documents = write_documents(report, letter.folder)
    mail = build_mail(
        report,
        documents,
        letter.recipient,
        task.sender,
        attachment_cap=task.attachment_bytes,
        documents_at=task.link,
        date=now,
    )
    file = Path(task.work) / f"{letter.id}.eml"
    file.write_bytes(mail.as_bytes(policy=MAIL_POLICY))
    lines = [f.finding_id for f in listed.findings if f.kind != _ZONE and f.finding_id not in listed.perhaps]
    return Written(letter.id, file.name, lines, asked, failed)


def _still_open(letter: LetterTask, night: LetterNight) -> int | None:
    """Count the lines that earlier lists of this reader still have, where this night tells nothing of them."""
    if not night.earlier:
        return None
    listed = make_worklist(
        night.earlier,
        night.plan,
        night.holdings,
        minutes=None,
        kinds=letter.kinds or None,
        floors=letter.floors or None,
        mail_from=night.mail_from,
    )
    return sum(f.kind != "low_confidence" and f.finding_id not in listed.perhaps for f in listed.findings)


def _list(
    task: ComposeTask, letter: LetterTask, night: LetterNight, asking: Asking, now: datetime
) -> tuple[Worklist, list[str], int, str]:
    """Return the list, what the library system took off it, how many items it was asked for, and why not for all."""

    def choose(cases: list[Case]) -> Worklist:
        return make_worklist(
            cases,
            night.plan,
            night.holdings,
            minutes=letter.minutes,
            kinds=letter.kinds or None,
            floors=letter.floors or None,
            zones=night.zones,
            new_run=task.run_id,
            mail_from=night.mail_from,
            pace=night.pace.pace,
        )

    cases, dropped = list(night.cases), list[str]()
    listed = choose(cases)
    if not task.ils:
        return listed, dropped, 0, ""
    checked = recheck(listed.findings, asking, now=now, seen=night.at)
    for left in reversed(range(_ROUNDS)):
        dropped += [why for _, why in checked.dropped]
        gone = {f.finding_id for f, _ in checked.dropped}
        if not gone or checked.failed or not left:
            break
        cases = [case for case in cases if case.id not in gone]
        listed = choose(cases)
        checked = recheck(listed.findings, asking, now=now, seen=night.at)
    return replace(listed, findings=tuple(checked.kept)), dropped, checked.asked, checked.failed


def night_of(task: ComposeTask) -> LetterNight:
    """Return what there is of the run that letters are about."""
    from localization.positions import read_coverage, read_positions
    from stacks.holdings import read_holdings
    from stacks.plan import read_plan

    folder = Path(task.folder)
    ended: dict[str, Any] = json.loads((folder / ENDED).read_bytes())
    plan = _maybe(lambda: read_plan(task.plan) if task.plan else None)
    holdings = _maybe(lambda: read_holdings(task.holdings) if task.holdings else None)
    positions, coverage = folder / "positions.parquet", folder / "coverage.parquet"
    at = datetime.fromtimestamp(ended["ended_at"] / 1e9, UTC)
    findings = read_findings(folder)
    info, rules = RunInfo.from_json(dict(task.info)), tag_rules(ended.get("tags", {}))
    report = make_report(
        info,
        positions=read_positions(positions) if positions.is_file() else None,
        coverage=read_coverage(coverage) if coverage.is_file() else None,
        plan=plan,
        holdings=holdings,
        findings=findings,
        state=ended.get("state", "done"),
        reason=str(ended.get("end", "")),
        notes=[from_json(text) for text in ended.get("said", ())],
        readings=ended.get("readings"),
        ended_at=at,
        time_zone=task.time_zone,
        link=task.link,
        lists=[from_json(text) for text in ended.get("lists", ())],
        nights=[NightFigures.from_json(row) for row in ended.get("nights", ())],
        contents=_maybe(lambda: _contents(folder, info, rules)),
        owners=rules.owners,
        remembered=_maybe(lambda: read_remembered(folder)),
    )
    if "troubles" in ended:  # said by whoever had the recording's events, too
        report = replace(report, troubles=tuple(from_json(text) for text in ended["troubles"]))
    mail_from: dict[str, float] = {}
    by_hand = ByHand(**task.pace)
    pace = Learnt(by_hand.over(Pace()))
    ledger = (
        None
        if task.ledger is None
        else Ledger.from_json(json.loads(Path(task.ledger).read_bytes()), task.ledger)
    )
    earlier: list[Case] = []
    if tells_nothing(report):
        cases: list[Case] = []  # what is known of the books is in no mail about a run that saw none
        if ledger is not None:
            earlier = ledger.open
            mail_from = learn(outcomes(ledger.cases.values())).mail_from()
    elif ledger is not None:
        cases = ledger.open
        mail_from = learn(outcomes(ledger.cases.values())).mail_from()
        pace = study_pace(ledger, plan, by_hand)
    else:
        cases = [_case_of(f, task.run_id, at) for f in findings if f.kind != _ZONE]
    return LetterNight(
        report, plan, holdings, cases, [f for f in findings if f.kind == _ZONE], at, mail_from, pace, earlier
    )


def _case_of(finding: Finding, run_id: str, at: datetime) -> Case:
    """Make a case of a finding that no ledger keeps."""
    return Case(
        finding=finding, state="open", opened_at=at, opened_run=run_id, seen_at=at, seen_run=run_id,
        confidence=finding.confidence, quiet=finding.kind == "low_confidence",
    )  # fmt: skip


def _contents(folder: Path, info: RunInfo, rules: TagRules) -> Mapping[str, TagContents]:
    """Return what the run's tags say beside their number; raises ValueError and OSError."""
    file = folder / "recording" / _TAGS
    mounts = {mount.id for mount in info.antennas}
    return contents_of(read_tag_memories(file, mounts, []) if file.is_file() else None, rules.policy)


def _maybe(read: Callable[[], Any]) -> Any:
    """Return what can be read; what cannot was said in the notes when the run was worked out."""
    try:
        return read()
    except (ValueError, OSError):
        return None
