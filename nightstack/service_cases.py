"""The cases in a service's database, as the command line names them: whose they are, and which."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nightstack.errors import InputError
from nightstack.inputs import input_file
from nightstack.ledger_cases import FEWEST

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloud_ingest.database import Database


@contextmanager
def opened_service(data: Path | None, file: Path | None) -> Generator[Database]:
    """Open the service's database; the service may be running."""
    if file is not None:
        input_file(file, "docs/cloud_ingest.md shows one")
    from cloud_ingest.database import Database
    from nightstack.settings import read_serve_settings

    settings = read_serve_settings(file, data=data)
    if settings.database is None and not (settings.data / "nightstack.db").is_file():
        raise InputError(f"{settings.data}: no service has kept its data there; name its folder with --data")
    database = Database(settings)
    try:
        yield database
    finally:
        database.close()


def site_of_cases(session: Session, named: str | None) -> str:
    """Return the site that was named, or the only one there is.

    Raises
    ------
    InputError
        It has no cases, or there are several and none was named.
    """
    from sqlalchemy import select

    from cloud_ingest.models import Casebook

    there = sorted(session.scalars(select(Casebook.site)))
    if named is not None and named not in there:
        known = f"there are cases of {', '.join(there)}" if there else "no site has cases yet"
        raise InputError(f"--site: {named!r} has no cases; {known}")
    if named is None and len(there) != 1:
        which = f"name one with --site: {', '.join(there)}" if there else "no site has cases yet"
        raise InputError(f"--site: {which}")
    return named or there[0]


def case_id(session: Session, site: str, named: str) -> str:
    """Return the id of the case somebody named: by its id, or by the barcode of the book it is about."""
    from sqlalchemy import select

    from cloud_ingest.models import ArchivedCase, CaseRow

    if session.get(CaseRow, (site, named)) is not None:
        return named
    about = select(CaseRow).where(CaseRow.site == site, CaseRow.barcode == named.strip())
    found = session.scalars(about.order_by(CaseRow.seen_at.desc())).all()
    chosen = [row for row in found if row.state != "resolved"] or list(found)
    if len(chosen) > 1:
        ids = ", ".join(f"{row.finding_id} ({row.kind})" for row in chosen)
        raise InputError(f"{named}: this book has several cases; name one of {ids}")
    if chosen:
        return chosen[0].finding_id
    if len(named) >= FEWEST:
        begins = select(CaseRow.finding_id).where(
            CaseRow.site == site, CaseRow.finding_id.startswith(named, autoescape=True)
        )
        ids = sorted(session.scalars(begins))
        if len(ids) > 1:
            raise InputError(f"{named}: several cases begin so; name one of {', '.join(ids)}")
        if ids:
            return ids[0]
    away = select(ArchivedCase.finding_id).where(
        ArchivedCase.site == site, ArchivedCase.barcode == named.strip()
    )
    return session.scalar(away.order_by(ArchivedCase.seen_at.desc()).limit(1)) or named
