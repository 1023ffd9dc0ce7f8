"""The worker: one run, in a process of its own, from raw segments to documents and mails.

Started as ``python -m cloud_ingest.job_process`` by `cloud_ingest.jobs`. One line on standard input is the
`Task`; lines on standard output say how far it is and how it ended; when standard input closes, the one who
asked is gone and so is the worker. It touches neither the database nor the network: a crash, or memory that
runs out, costs this process and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud_ingest.assemble import assemble
from cloud_ingest.errors import ServeError
from cloud_ingest.findings_json import write_findings
from cloud_ingest.night_work import MEMORY, Judged, judge, policy_of, rules_of
from cloud_ingest.paths import write_durably
from cloud_ingest.pulse import Pulse
from cloud_ingest.remembered_tags import write_remembered
from cloud_ingest.tasks import ENDED, Document, Result, Task
from recording.run_info import RunInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localization import Coverage, Positions
    from recording.records import Recording
    from reports import Finding, RunReport
    from stacks.holdings import Holdings
    from stacks.plan import Plan
    from stacks.tag_data import TagContents

_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".pdf": "application/pdf",
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".parquet": "application/vnd.apache.parquet",
}


class NothingToPlaceError(ValueError):
    """A run that cannot be worked out however often it is tried."""


@dataclass
class _Run:
    """What is known of the run so far; a later step may fail, and the report tells the rest."""

    task: Task
    info: RunInfo
    notes: list[str] = field(default_factory=list[str])
    recording: Recording | None = None
    plan: Plan | None = None
    holdings: Holdings | None = None
    positions: Positions | None = None
    coverage: Coverage | None = None


def main() -> int:
    """Work out the run named on standard input; 0 when it ended as it should, also if the run failed."""
    task = Task.from_json(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Whatever a library prints must not be taken for our lines.
    lines, sys.stdout = sys.stdout, sys.stderr

    def say(**what: Any) -> None:
        lines.write(json.dumps(what) + "\n")
        lines.flush()

    work = Path(task.work)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with Pulse(say, sys.stderr) as pulse:
            result, failure = _work_out(task, work, pulse)
    except Exception as err:
        traceback.print_exc()
        say(failed=_one_line(err), final=isinstance(err, ValueError | ServeError))
        return 0
    (work / "result.json").write_text(result.to_json(), encoding="utf-8")
    say(**({"done": True} if failure is None else {"failed": failure, "final": True, "result": True}))
    return 0


def _work_out(task: Task, work: Path, pulse: Pulse) -> tuple[Result, str | None]:
    """Do every step; a step that the input makes impossible ends in a report that says so."""
    if task.info is None:
        raise ServeError(
            "run.json never came, so nobody knows where the antennas were; "
            "publish it on the run topic and the run is worked out again"
        )
    run = _Run(task, RunInfo.from_json(dict(task.info)))
    failure: str | None = None
    try:
        pulse.tell(0.0, "assembling the recording")
        _assemble(run)
        _read_expected(run)
        pulse.tell(0.05, "localizing")
        _localize(run, pulse)
    except ValueError as err:
        traceback.print_exc()
        failure = _one_line(err)
    pulse.tell(0.9, "writing the report", state="reporting")
    return _report(run, work, failure), failure


def _assemble(run: _Run) -> None:
    from recording import read_recording

    task, folder = run.task, Path(run.task.folder)
    paths = {kind: [Path(name) for name in names] for kind, names in task.segments.items()}
    made = assemble(
        folder / "recording",
        run.info,
        paths,
        plan=None if task.plan is None else Path(task.plan),
        holdings=None if task.holdings is None else Path(task.holdings),
    )
    run.notes += made.notes
    run.recording = read_recording(folder / "recording")
    run.notes += run.recording.notes
    for kind in ("readings", "poses"):
        if not len(getattr(run.recording, kind)):
            raise NothingToPlaceError(f"no {kind} came from the robot, so no book can be placed")


def _read_expected(run: _Run) -> None:
    """Read plan and holdings; a broken one counts as missing, and the report says so."""
    from stacks.holdings import read_holdings
    from stacks.plan import read_plan

    if run.task.plan is not None:
        try:
            run.plan = read_plan(run.task.plan)
        except ValueError as err:
            run.notes.append(f"The plan cannot be used: {_one_line(err)}.")
    if run.task.holdings is not None:
        try:
            run.holdings = read_holdings(run.task.holdings)
            run.notes += run.holdings.notes
        except ValueError as err:
            run.notes.append(f"The holdings cannot be used: {_one_line(err)}.")


def _localize(run: _Run, pulse: Pulse) -> None:
    from localization import localize, read_calibration, write_coverage, write_positions

    task, work = run.task, Path(run.task.work)
    assert run.recording is not None
    calibration = None if task.calibration is None else read_calibration(task.calibration)

    def progress(share: float, what: str) -> None:
        if what != "done":  # the report is still to come
            pulse.tell(0.05 + 0.85 * share, what)

    found = localize(run.recording, run.plan, calibration=calibration, jobs=task.jobs, progress=progress)
    run.positions, run.coverage = found.positions, found.coverage
    run.notes += found.notes
    write_positions(work / "positions.parquet", found.positions)
    write_coverage(work / "coverage.parquet", found.coverage)


def _report(run: _Run, work: Path, failure: str | None) -> Result:
    from reports import make_report, write_documents
    from reports.phrases import to_json
    from reports.tag_contents import contents_of

    task = run.task
    ended_at = _last_heard(run)
    facts: dict[str, Any] = {**task.facts, "ended_at": ended_at}
    state, reason = ("failed", failure) if failure else ("done", "")
    if failure is None and not facts["complete"]:
        state, reason = "aborted", str(facts["reason"])
    rules = rules_of(task)
    memories = None if run.recording is None else run.recording.tag_memories
    contents = contents_of(memories, rules.policy)
    judged = _judge(run, work, ended_at, contents) if failure is None else None
    lists = [of.said for of in judged.lists] if judged is not None else []
    nights = judged.nights if judged is not None else ()
    readings = None if run.recording is None else len(run.recording.readings)
    report = make_report(
        run.info,
        positions=run.positions,
        coverage=run.coverage,
        plan=run.plan,
        holdings=run.holdings,
        findings=None if judged is None else judged.findings,
        state=state,
        reason=reason or "",
        events=None if run.recording is None else run.recording.events,
        notes=[*facts["notes"], *run.notes],
        readings=readings,
        ended_at=datetime.fromtimestamp(ended_at / 1e9, UTC),
        time_zone=facts["time_zone"],
        link=task.base_url,
        policy=policy_of(task),
        lists=lists,
        nights=nights,
        contents=contents,
        owners=rules.owners,
        remembered=None if judged is None else judged.remembered,
    )
    # Letters are written later, of what is in the run's folder: what only this process knows must be there, too.
    facts |= {
        "revision": task.revision,
        "state": state,
        "end": reason or "",
        "said": [to_json(text) for text in report.notes],
        "troubles": [to_json(text) for text in report.troubles],
        "readings": readings,
        "lists": [to_json(text) for text in lists],
        "nights": [figures.to_json() for figures in nights],
        "tags": {} if task.night is None else dict(task.night.tags),
    }
    write_findings(Path(task.folder), report.findings)
    write_remembered(Path(task.folder), None if judged is None else judged.remembered)
    write_durably(Path(task.folder) / ENDED, json.dumps(facts, indent=1).encode())
    # Documents of a run are open to whoever may see the pages; notes of staff's lists are for their letters alone.
    report = replace(report, findings=tuple(map(_open_to_all, report.findings)))
    write_documents(report, work)
    return Result(
        documents=_publish(task, work),
        findings=_findings(report),
        notes=list(report.notes),
        positions=0 if run.positions is None else int(run.positions.placed.sum()),
        night=None if judged is None else judged.night,
        lists=[] if judged is None else [{**of.to_json(), "said": to_json(of.said)} for of in judged.lists],
    )


def _open_to_all(finding: Finding) -> Finding:
    from reports.listed_text import without_notes

    return replace(
        finding, evidence=without_notes(finding.evidence), asked_for=without_notes(finding.asked_for)
    )


def _judge(run: _Run, work: Path, ended_at: int, contents: Mapping[str, TagContents]) -> Judged | None:
    """Judge the run as a night of its site; what is wrong with ledger or memory costs neither findings nor report."""
    if run.positions is None:
        return None
    try:
        return judge(
            run.task,
            run.info.run_id,
            ended_at,
            run.positions,
            run.coverage,
            run.plan,
            run.holdings,
            run.notes,
            work,
            contents,
        )
    except Exception as err:
        traceback.print_exc()
        run.notes.append(f"This night could not be taken into the site's ledger: {_one_line(err)}.")
        return None


def _last_heard(run: _Run) -> int:
    """Return when the robot last wrote something down, by its own clock; else when it was last heard of."""
    heard = [] if run.recording is None else [run.recording.readings.t, run.recording.poses.t]
    return max((int(t[-1]) for t in heard if len(t)), default=int(run.task.facts["ended_at"]))


def _findings(report: RunReport) -> list[dict[str, Any]]:
    names = (
        *("kind", "finding_id", "epc", "barcode", "call_number", "title", "shelf_id", "offset_m"),
        *("belongs", "move_id", "confidence", "evidence"),
    )
    return [{name: getattr(finding, name) for name in names} for finding in report.findings]


def _publish(task: Task, work: Path) -> list[Document]:
    """Move what was made to its place in the run's folder; what a former attempt left there goes."""
    folder = Path(task.folder)
    made: list[Document] = []
    for path in sorted(work.iterdir()):
        if path.suffix not in _MEDIA or not path.is_file() or path.name == MEMORY:
            continue
        content = path.read_bytes()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(folder / path.name)
        made.append(
            Document(
                path.name, path.name, _MEDIA[path.suffix], len(content), hashlib.sha256(content).hexdigest()
            )
        )
    names = {document.name for document in made}
    for path in folder.iterdir():
        if path.is_file() and path.suffix in _MEDIA and path.name not in names:
            path.unlink()
    return made


def _leave_with_parent() -> None:
    sys.stdin.read()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)  # the processes of our pool, too
    os._exit(3)


def _one_line(err: BaseException) -> str:
    text = " ".join(str(err).split()) or type(err).__name__
    known = isinstance(err, ValueError | ServeError) and type(err) is not ValueError
    return text[:500] if known else f"{type(err).__name__}: {text}"[:500]


if __name__ == "__main__":
    sys.exit(main())
