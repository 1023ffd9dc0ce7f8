"""Exceptions and documents of a run once more, from what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightstack.errors import InputError
from nightstack.outputs import output_folder
from nightstack.progress import ProgressCallback

if TYPE_CHECKING:
    from reports import Documents
    from reports.known_tags import Remembered


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run is kept.

    Attributes
    ----------
    folder
        Where its positions and documents are.
    recording
        Its recording folder: below it in the service's data, the same elsewhere.
    """

    folder: Path
    recording: Path


def find_run(run: str, data: Path) -> RunPlace:
    """Find a run by its id in the service's data, or by its folder.

    Parameters
    ----------
    run
        Run id, folder of a run in ``DATA/runs``, recording folder, or a folder that ``combine`` wrote.
    data
        The service's data folder.

    Returns
    -------
    RunPlace
        Where it is.

    Raises
    ------
    InputError
        There is no such run.
    """
    known = sorted(entry.name for entry in (data / "runs").iterdir()) if (data / "runs").is_dir() else []
    for folder in (Path(run), *_kept(run, data, known)):
        if (folder / "recording" / "run.json").exists():
            return RunPlace(folder, folder / "recording")
        if (folder / "run.json").exists():
            return RunPlace(folder, folder)
    there = f"runs there: {', '.join(known[-5:])}" if known else "no run is there"
    raise InputError(f"{run}: no such run in {data}, and no recording folder of that name; {there}")


def _kept(run: str, data: Path, known: list[str]) -> tuple[Path, ...]:
    """Return the folder of a run in the service's data, where one of that name is there."""
    if run in known:
        return (data / "runs" / run,)
    if not any("%" in name for name in known):  # names that are no plain ones are encoded
        return ()
    from cloud_ingest.paths import run_folder

    return (run_folder(data, run),)


def report_again(
    place: RunPlace, out: Path, *, time_zone: str | None, language: str = "en", progress: ProgressCallback
) -> Documents:
    """Make exceptions and documents again; positions are taken as they are, or worked out where there are none.

    Parameters
    ----------
    place
        The run.
    out
        Folder for the documents.
    time_zone
        IANA zone of the times in them; None: the service's own, else UTC.
    language
        What they are written in.
    progress
        Told the share done.

    Returns
    -------
    Documents
        The files written.

    Raises
    ------
    InputError
        The zone is unknown, or there is no catalogue for the language.
    """
    from cloud_ingest.errors import ServeError
    from cloud_ingest.tag_settings import tag_rules
    from cloud_ingest.zones import check_zone
    from localization import localize
    from localization.positions import read_coverage, read_positions, write_coverage, write_positions
    from nightstack.combined import open_run
    from reports import make_report, write_documents
    from reports.languages import LanguageError
    from reports.languages import language as spoken
    from reports.tag_contents import contents_of
    from stacks.holdings import read_holdings
    from stacks.plan import read_plan

    ended = _how_it_ended(place.folder)
    if time_zone is None:  # the service took the run's own, whatever is taken today
        time_zone = str(ended.get("time_zone", "UTC"))
    else:
        try:
            check_zone("--time-zone", time_zone)
        except ServeError as error:
            raise InputError(str(error)) from None
    try:
        spoken(language)
    except LanguageError as error:
        raise InputError(f"--language: {error}") from None
    heard = open_run(place.recording)
    plan = read_plan(heard.plan_path) if heard.plan_path is not None else None
    holdings = read_holdings(heard.holdings_path) if heard.holdings_path is not None else None
    positions_file, coverage_file = (place.folder / f"{name}.parquet" for name in ("positions", "coverage"))
    output_folder(out).mkdir(parents=True, exist_ok=True)
    notes: tuple[str, ...] = ()
    if heard.recording is None or (positions_file.exists() and coverage_file.exists()):
        positions, coverage = read_positions(positions_file), read_coverage(coverage_file)
    else:
        found = localize(heard.recording, plan, progress=lambda share, what: progress(0.8 * share, what))
        positions, coverage, notes = found.positions, found.coverage, tuple(found.notes)
        write_positions(out / "positions.parquet", positions)
        write_coverage(out / "coverage.parquet", coverage)
    progress(0.8, "writing the documents")
    rules = tag_rules(ended.get("tags", {}))
    memories = None if heard.recording is None else heard.recording.tag_memories
    report = make_report(
        heard.info,
        positions=positions,
        coverage=coverage,
        plan=plan,
        holdings=holdings,
        state="done" if ended.get("complete", True) else "aborted",
        reason=str(ended.get("reason", "")),
        ended_at=datetime.fromtimestamp(ended["ended_at"] / 1e9, UTC) if "ended_at" in ended else None,
        events=heard.events,
        notes=[
            *ended.get("notes", ()),
            *heard.notes,
            *notes,
            *(holdings.notes if holdings is not None else ()),
        ],
        readings=heard.readings,
        time_zone=time_zone,
        language=language,
        contents=contents_of(memories, rules.policy),
        owners=rules.owners,
        remembered=_remembered(place.folder),
    )
    return write_documents(report, out)


def _remembered(folder: Path) -> Remembered | None:
    """Return what nights before had read of tags, as the service kept it beside the run."""
    from cloud_ingest.remembered_tags import KNOWN, read_remembered

    try:
        return read_remembered(folder)
    except ValueError as error:
        raise InputError(f"{folder / KNOWN}: {error}; remove it to report without it") from None


def _how_it_ended(folder: Path) -> Mapping[str, Any]:
    """Return what the service wrote down of the run's end; nothing for a recording that never came through it."""
    from cloud_ingest.tasks import ENDED

    file = folder / ENDED
    if not file.is_file():
        return {}
    try:
        said: Any = json.loads(file.read_bytes())
    except ValueError as error:
        raise InputError(f"{file}: is no JSON ({error}); remove it to report without it") from None
    if not isinstance(said, dict):
        raise InputError(f"{file}: is no JSON object; remove it to report without it")
    return said
