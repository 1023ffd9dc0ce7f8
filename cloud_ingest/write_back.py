"""What is to be written back to a library system: planned in the transaction of what it tells about.

A row is a case that staff resolved as marked missing, or the inventory date of the books that one run heard. Whether
a site writes back at all is looked up when it is the row's turn (`cloud_ingest.writer`): the command line that
resolves cases need not know the library system.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest.models import Run, WriteBack
from cloud_ingest.paths import run_folder, write_durably
from cloud_ingest.settings import ServeSettings
from cloud_ingest.texts import storable
from reports.case import Case

if TYPE_CHECKING:
    from reports.night import Looks
    from stacks.holdings import Holdings

MISSING, INVENTORY = "missing", "inventory_date"
"""What is written, by the names of the setting ``writes``."""

PLANNED, DONE, FAILED, UNKNOWN, OFF = "planned", "done", "failed", "unknown", "off"
"""``unknown``: the answer was lost, and somebody must look. ``off``: not to be written after all."""

HEARD = "heard.json"
"""In the worker's folder: the date and the barcodes of the books it heard."""


def heard_books(looks: Looks, holdings: Holdings) -> list[str]:
    """Return the barcodes of copies that were surely heard and placed, each once, in the catalogue's order.

    Copies with a status to resolve are staff's to check in, and of two copies with one tag nobody knows which was
    heard. What was heard from behind a shelf nobody drove past has no place, and is left out.
    """
    from reports.night import RIGHT, WRONG

    epcs: dict[str, int] = {}
    here: set[str] = set()
    for copy in holdings:
        epcs[copy.epc.upper()] = epcs.get(copy.epc.upper(), 0) + 1
        if copy.status == "available":
            here.add(copy.barcode)
    found = (looks.what == RIGHT) | (looks.what == WRONG)
    heard = zip(looks.barcode[found].tolist(), looks.epc[found].tolist(), strict=True)
    return list(dict.fromkeys(b for b, epc in heard if b in here and epcs.get(epc.upper(), 0) == 1))


def plan_missing(session: Session, site: str, case: Case, now: int) -> None:
    """Plan that the library system is told of a case that was just resolved as marked missing."""
    if case.finding.barcode:
        barcode, note = storable(case.finding.barcode), f"Nightstack case {case.id}"
        session.add(_row(site, MISSING, case.id, barcode, note, None, now))


def plan_inventory(session: Session, settings: ServeSettings, run: Run, work: Path, now: int) -> None:
    """Plan that the books a run heard get its date; a run that is worked out again begins anew.

    What the journal of writes has already is not written twice.
    """
    if not (work / HEARD).is_file():
        return
    content = (work / HEARD).read_bytes()
    file = run_folder(settings.data, run.run_id) / HEARD
    write_durably(file, content)
    row = session.scalar(
        select(WriteBack)
        .where(WriteBack.site == run.site, WriteBack.what == INVENTORY, WriteBack.about == run.run_id)
        .with_for_update()
    )
    if row is None:
        row = _row(run.site, INVENTORY, run.run_id, "", "", None, now)
        session.add(row)
    row.value, row.file = json.loads(content)["date"], file.relative_to(settings.data).as_posix()
    row.state, row.next, row.attempts, row.error, row.done_at = PLANNED, 0, 0, None, None
    row.created_at = row.not_before = now  # what is under way on the former list counts no more


def _row(site: str, what: str, about: str, barcode: str, value: str, file: str | None, now: int) -> WriteBack:
    return WriteBack(
        site=site, what=what, about=about, barcode=barcode, value=value, file=file, next=0, state=PLANNED,
        attempts=0, not_before=now, created_at=now,
    )  # fmt: skip
