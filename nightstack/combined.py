"""The folder that ``nightstack combine`` writes: several nights' positions with the newest night's plan and catalogue.

It has ``run.json`` (the newest night's, with the nights under ``combined``), ``positions.parquet``,
``coverage.parquet``, ``moved.csv``, and ``plan.json`` and ``holdings.csv`` where they are known: all that
``exceptions``, ``report`` and ``evaluate`` ask of a folder, but no readings.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightstack.errors import InputError
from recording.files import replacing

if TYPE_CHECKING:
    from localization.nights import Combined, Night
    from recording import Events, Recording, RunInfo

FORMAT = "nightstack-combined/1"
MOVED_COLUMNS = (
    "kind", "epc", "from_shelf_id", "from_offset_m", "to_shelf_id", "to_offset_m", "p", "last_there", "first_here",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opened:
    """What reports need of a recording, or of several nights combined.

    Attributes
    ----------
    info
        The run; of several nights the newest.
    plan_path, holdings_path
        Those files, where the folder has them.
    events
        What happened on the way.
    readings
        How many; None: as many as the positions say.
    notes
        What was forgiven.
    recording
        The recording itself; None for several nights combined.
    """

    info: RunInfo
    plan_path: Path | None
    holdings_path: Path | None
    events: Events | None
    readings: int | None
    notes: tuple[str, ...]
    recording: Recording | None


def is_combined(folder: Path) -> bool:
    """Say whether a folder is one that ``combine`` wrote."""
    return (folder / "run.json").is_file() and not (folder / "readings.parquet").exists() and (
        folder / "positions.parquet"
    ).is_file()  # fmt: skip


def open_run(folder: Path) -> Opened:
    """Open a recording folder, or one of several nights combined.

    Raises
    ------
    InputError
        ``run.json`` cannot be read; of a recording folder, what ``read_recording`` raises.
    """
    from recording import read_recording

    if not is_combined(folder):
        heard = read_recording(folder, truth=False)
        return Opened(
            heard.info, heard.plan_path, heard.holdings_path, heard.events, len(heard.readings), heard.notes, heard
        )  # fmt: skip
    plan, holdings = folder / "plan.json", folder / "holdings.csv"
    return Opened(
        read_info(folder), plan if plan.is_file() else None, holdings if holdings.is_file() else None, None, None,
        (), None,
    )  # fmt: skip


def read_info(folder: Path) -> RunInfo:
    """Read ``run.json`` of a folder."""
    from recording import RunInfo

    file = folder / "run.json"
    try:
        said: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{folder}: no run.json in it; name a recording folder") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as JSON ({error}); combine the nights again") from None
    return RunInfo.from_json(said, str(file))


def write_combined(
    folder: Path, nights: list[Night], combined: Combined, plan: Path, holdings: Path | None
) -> None:
    """Write the folder; each file appears whole or not at all."""
    from localization.positions import write_coverage, write_positions

    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(nights, key=lambda night: (night.info.started_at, night.info.run_id))
    newest = ordered[-1].info
    runs = [{"run_id": one.info.run_id, "started_at": one.info.to_json()["started_at"]} for one in ordered]
    info = replace(newest, extra={**newest.extra, "combined": {"format": FORMAT, "runs": runs}})
    write_positions(folder / "positions.parquet", combined.positions)
    write_coverage(folder / "coverage.parquet", combined.coverage)
    _write(folder / "moved.csv", _moved(combined))
    for source, name in ((plan, "plan.json"), (holdings, "holdings.csv")):
        if source is not None and source.resolve() != (folder / name).resolve():
            _write(folder / name, source.read_bytes())
    _write(folder / "run.json", (json.dumps(info.to_json(), ensure_ascii=False, indent=1) + "\n").encode())


def _moved(combined: Combined) -> bytes:
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(MOVED_COLUMNS)
    for move in combined.moves:
        writer.writerow(_text(getattr(move, name)) for name in MOVED_COLUMNS)
    return out.getvalue().encode()


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return "" if value is None else str(value)


def _write(file: Path, data: bytes) -> None:
    with replacing(file) as partial:
        partial.write_bytes(data)
