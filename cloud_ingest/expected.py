"""What a site expects to find: plan and holdings, frozen when a run opens.

The catalogue goes on changing while a robot drives. A run is judged by what stood in it when the run opened,
so both files are copied to ``DATA/runs/<run_id>/expected`` then, and only those copies are used.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

from cloud_ingest.paths import publish, snapshot_folder, write_durably
from cloud_ingest.settings import ServeSettings

PLAN, HOLDINGS = "plan.json", "holdings.csv"
_NOTE = "frozen.json"


def freeze(settings: ServeSettings, site: str, run_id: str, at: int) -> None:
    """Copy a site's plan and holdings, unless that has been done for this run."""
    folder = snapshot_folder(settings.data, run_id)
    if folder.exists():
        return
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    temporary.mkdir(parents=True)
    of = settings.site(site)
    note: dict[str, object] = {"at": at, "site": site}
    for name, source in ((PLAN, of.plan), (HOLDINGS, of.holdings)):
        note[name] = _copy(source, temporary / name)
    write_durably(temporary / _NOTE, json.dumps(note, indent=1).encode())
    publish(temporary, folder)


def fill_gaps(settings: ServeSettings, site: str, run_id: str) -> list[str]:
    """Copy what was missing when the run opened and is there now; say so.

    Returns
    -------
    list of str
        One sentence for each file that came later.
    """
    folder = snapshot_folder(settings.data, run_id)
    of = settings.site(site)
    notes: list[str] = []
    for name, source in ((PLAN, of.plan), (HOLDINGS, of.holdings)):
        if not (folder / name).exists() and _copy(source, folder / name):
            notes.append(f"{name} was not there when the run opened; the one found at its end is used.")
    return notes


def _copy(source: Path | None, target: Path) -> bool:
    if source is None or not source.is_file():
        return False
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source, temporary)
    publish(temporary, target)
    return True
