"""Staff's own lists in the database: put there, read when a run is judged, told what became of them, removed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud_ingest.list_process import read_apart
from cloud_ingest.models import Site, StaffListRow
from cloud_ingest.texts import one_line, storable
from stacks.errors import HoldingsError
from stacks.staff_lists import PURPOSES, ListRow, StaffList, check_name

MOST_BYTES = 8_000_000
"""Of an uploaded file."""

MOST_LISTS = 100
"""Of one site."""


def read_upload(content: bytes, name: str, purpose: str) -> StaffList:
    """
    Read an uploaded file, whatever it is called.

    Raises
    ------
    HoldingsError
        It is no list: one line.
    """
    if len(content) > MOST_BYTES:
        raise HoldingsError(f"the file has more than {MOST_BYTES // 1_000_000} MB; split it")
    check_name(name)
    if purpose not in PURPOSES:
        raise HoldingsError(f"purpose {purpose[:40]!r} is none of {', '.join(PURPOSES)}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(content)
        try:
            return read_apart(file, name, purpose)
        except HoldingsError as error:
            raise HoldingsError(str(error).replace(str(file), "the file")) from None


def put(session: Session, site: str, of: StaffList, who: str, at: int) -> None:
    """
    Store a list; one of the same name is replaced, unless it is the same list.

    Raises
    ------
    HoldingsError
        There is no such site, or it has too many lists.
    """
    known = sorted(session.scalars(select(Site.site)))
    if site not in known:
        raise HoldingsError(
            f"site {site[:80]!r} is not known here; there are {', '.join(known) or 'none yet'}"
        )
    row = session.get(StaffListRow, (site, of.name))
    if row is None:
        there = select(StaffListRow.name).where(StaffListRow.site == site)
        if len(session.scalars(there).all()) >= MOST_LISTS:
            raise HoldingsError(f"site {site} has {MOST_LISTS} lists; remove one first")
        # Two may begin it at once: the second one waits here, and replaces it.
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        empty = {"purpose": of.purpose, "size": 0, "who": "", "at": at, "data": {}}
        begun = dialect.insert(StaffListRow).values(site=site, name=of.name, **empty)
        session.execute(begun.on_conflict_do_nothing())
        row = session.get_one(StaffListRow, (site, of.name), with_for_update=True)
    clean = (ListRow(storable(r.barcode), storable(r.note), r.until) for r in of.rows)
    new = StaffList(of.name, of.purpose, tuple(clean), of.notes)
    kept = new.to_json()
    if row.data == kept:
        return  # sent again by a script: nobody asks anew for what was found
    row.purpose, row.size, row.who, row.at, row.data = of.purpose, len(of.rows), one_line(who), at, kept
    row.run_id, row.tally = None, None
    session.flush()


def remove(session: Session, site: str, name: str) -> bool:
    """Take a list away; its cases close with the next run. False: there is none of that name."""
    row = session.get(StaffListRow, (site, name))
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def lists_of(session: Session, site: str) -> list[dict[str, Any]]:
    """Return the lists of a site as a worker is given them (`StaffList.from_json`), and when each was put there."""
    rows = session.scalars(
        select(StaffListRow).where(StaffListRow.site == site).order_by(StaffListRow.at, StaffListRow.name)
    )
    return [{**row.data, "at": _since(row.at), "put_at": row.at} for row in rows]


def _since(at: int) -> str:
    """Return when a list was put there, as tasks carry it."""
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat()


def note_tallies(
    session: Session,
    site: str,
    run_id: str,
    given: Iterable[Mapping[str, Any]],
    tallies: Iterable[Mapping[str, Any]],
) -> None:
    """Write down what a run made of each list it was `given` (`lists_of`), where that is still the list there is."""
    at = {str(of["name"]): of.get("put_at") for of in given}
    for told in tallies:
        row = session.get(StaffListRow, (site, str(told["name"])))
        if row is not None and row.at == at.get(row.name):
            row.run_id, row.tally = run_id, dict(told)
    session.flush()
