"""Staff's lists through HTTP: a page and an API to upload, see and remove them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud_ingest import staff_lists
from cloud_ingest.database import Database
from cloud_ingest.models import Site, StaffListRow
from cloud_ingest.settings import ServeSettings
from cloud_ingest.web.exchange import body_of, fields_of
from cloud_ingest.web.page_text import W
from cloud_ingest.web.pages import Pages
from cloud_ingest.web.staff import staff_only, who
from cloud_ingest.web.views import instant
from reports.listed_text import PURPOSE_WORDS, file_note
from reports.phrases import from_json
from stacks.errors import HoldingsError
from stacks.staff_lists import MOST_NAME, PURPOSES, ListNote, StaffList

_Text = Annotated[str, Query(min_length=1, max_length=128)]


def list_router(database: Database, pages: Pages, settings: ServeSettings) -> APIRouter:
    """Make the routes; every one of them is staff's alone."""
    routes = APIRouter(dependencies=[Depends(staff_only(settings.staff))])

    @routes.get("/api/v1/lists")
    def lists(site: str | None = None) -> list[dict[str, Any]]:
        with database.read() as session:
            return show_lists(session, site)

    @routes.get("/api/v1/lists/rows")
    def rows(site: _Text, name: _Text) -> dict[str, Any]:
        with database.read() as session:
            row = session.get(StaffListRow, (site, name))
            if row is None:
                raise HTTPException(404, f"site {site} has no list {name}")
            made = StaffList.from_json(row.data)
        kept = [
            {"barcode": r.barcode, "note": r.note, "until": None if r.until is None else r.until.isoformat()}
            for r in made.rows
        ]
        return {
            "site": site,
            "name": name,
            "purpose": made.purpose,
            "rows": kept,
            "notes": _words(made.notes),
        }

    @routes.put("/api/v1/lists")
    async def upload(request: Request, site: _Text, name: _Text, purpose: _Text = "search") -> dict[str, Any]:
        content = await _body(request)
        return await run_in_threadpool(_put, database, site, name, purpose, content, who(request))

    @routes.delete("/api/v1/lists")
    def remove(site: _Text, name: _Text) -> dict[str, Any]:
        with database.write() as session:
            if not staff_lists.remove(session, site, name):
                raise HTTPException(404, f"site {site} has no list {name}")
        return {"removed": name}

    @routes.get("/lists", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        return _page(database, pages, who(request))

    @routes.post("/lists", response_class=HTMLResponse)
    async def send(request: Request) -> Any:
        return await said_on_page(request, upload_form)

    @routes.post("/lists/remove", response_class=HTMLResponse)
    async def take_away(request: Request) -> Any:
        return await said_on_page(request, remove_form)

    async def said_on_page(request: Request, do: Callable[[Mapping[str, bytes], str], None]) -> Any:
        """Do what a form asks for, and go back to the page; what is wrong stands on it."""
        try:
            body = await _body(request)
            form = await run_in_threadpool(fields_of, request.headers.get("content-type", ""), body)
            await run_in_threadpool(do, form, who(request))
        except HTTPException as error:
            said = error.detail
            return await run_in_threadpool(_page, database, pages, who(request), said, error.status_code)
        return RedirectResponse("/lists", 303)

    def upload_form(form: Mapping[str, bytes], by: str) -> None:
        file = form.get("file", b"")
        content = file if file.strip() else form.get("barcodes", b"")
        _put(database, _text(form, "site"), _text(form, "name"), _text(form, "purpose"), content, by)

    def remove_form(form: Mapping[str, bytes], _by: str) -> None:
        remove(_text(form, "site"), _text(form, "name"))

    return routes


def show_lists(session: Session, site: str | None, say: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """Tell of all lists, site by site, the newest first; `say` puts sentences into a reader's language."""
    wanted = select(StaffListRow).order_by(StaffListRow.site, StaffListRow.at.desc(), StaffListRow.name)
    if site is not None:
        wanted = wanted.where(StaffListRow.site == site)
    return [
        {
            "site": row.site,
            "name": row.name,
            "purpose": row.purpose,
            "barcodes": row.size,
            "by": row.who,
            "at": instant(row.at),
            "notes": _words(map(ListNote.from_json, row.data.get("notes", ())), say),
            "run_id": row.run_id,
            "tally": row.tally and {key: value for key, value in row.tally.items() if key != "said"},
            "said": row.tally and say(from_json(row.tally["said"])),
        }
        for row in session.scalars(wanted)
    ]


def _words(notes: Iterable[ListNote], say: Callable[[str], str] = str) -> list[str]:
    return [say(file_note(note)) for note in notes]


def _put(database: Database, site: str, name: str, purpose: str, content: bytes, who: str) -> dict[str, Any]:
    try:
        made = staff_lists.read_upload(content, name, purpose)
        with database.write() as session:
            staff_lists.put(session, site, made, who, time.time_ns())
    except HoldingsError as error:
        raise HTTPException(422, str(error)) from None
    return {
        "site": site,
        "name": name,
        "purpose": purpose,
        "barcodes": len(made.rows),
        "notes": _words(made.notes),
    }


def _page(
    database: Database,
    pages: Pages,
    name: str,
    problem: str = "",
    status: int = 200,
) -> HTMLResponse:
    with database.read() as session:
        lists = show_lists(session, None, pages.language(None))
        sites = sorted(session.scalars(select(Site.site)))
    return pages.html(
        "lists.html",
        None,
        status,
        lists=lists,
        sites=sites,
        purposes=PURPOSES,
        purpose_words=PURPOSE_WORDS,
        most_name=MOST_NAME,
        problem=problem,
        who=name,
    )


async def _body(request: Request) -> bytes:
    most = staff_lists.MOST_BYTES
    return await body_of(request, most + 65536, W.split_list(most // 1_000_000))


def _text(form: Mapping[str, bytes], name: str) -> str:
    return form.get(name, b"").decode("utf-8", "replace").strip()
