"""The pace of a site's people: a page, the API, and the form that says how long a morning took."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from cloud_ingest import casebook
from cloud_ingest.database import Database
from cloud_ingest.models import Casebook
from cloud_ingest.settings import ServeSettings
from cloud_ingest.web.pace_views import show_pace
from cloud_ingest.web.staff import staff_only, who
from reports.ledger_book import LedgerError

_MOST_BYTES = 10_000
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
}


def add_pace(app: FastAPI, database: Database, pages: Environment, settings: ServeSettings) -> None:
    """Add the page ``/pace``, ``/api/v1/pace`` and ``/api/v1/mornings`` to the application."""
    allowed = Depends(staff_only(settings.staff))

    @app.get("/api/v1/pace")
    def pace(site: str | None = None) -> dict[str, Any]:
        with database.read() as session:
            return show_pace(session, _site(session, site), settings)

    @app.get("/pace", response_class=HTMLResponse)
    def pace_page(site: str | None = None) -> HTMLResponse:
        return _page(site, "")

    @app.post("/pace", response_class=HTMLResponse, dependencies=[allowed])
    async def say_on_page(request: Request) -> Response:
        form = {
            name: values[-1]
            for name, values in parse_qs((await _body(request)).decode("utf-8", "replace")).items()
        }
        site = form.get("site")
        try:
            minutes = float(form.get("minutes", "").replace(",", "."))
        except ValueError:
            return await run_in_threadpool(_page, site, "minutes: write a number, such as 45")
        try:
            await run_in_threadpool(
                _took, site, minutes, form.get("who", "") or who(request), form.get("what") == "recorded"
            )
        except LedgerError as err:
            return await run_in_threadpool(_page, site, str(err))
        return RedirectResponse(f"/pace?site={quote(site)}" if site else "/pace", 303)

    @app.post("/api/v1/mornings", status_code=201, dependencies=[allowed])
    async def say(request: Request) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise HTTPException(415, "send JSON: {site, minutes, who, recorded}")
        try:
            told: Any = json.loads(await _body(request))
            minutes, name, recorded = (
                told["minutes"],
                told.get("who", who(request)),
                told.get("recorded", False),
            )
            site = told.get("site")
            right = isinstance(minutes, int | float) and not isinstance(minutes, bool)
            if not (
                right
                and isinstance(name, str)
                and isinstance(recorded, bool)
                and isinstance(site, str | None)
            ):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            raise HTTPException(
                422, "send JSON: {site, minutes: number, who: name, recorded: true or false}"
            ) from None
        try:
            return await run_in_threadpool(_took, site, float(minutes), name, recorded)
        except LedgerError as err:
            raise HTTPException(422, str(err)) from None

    def _took(site: str | None, minutes: float, name: str, recorded: bool) -> dict[str, Any]:
        with database.write() as session:
            of = _site(session, site)
            told = casebook.took(session, of, minutes, who=name, at=time.time_ns(), recorded=recorded)
        return {"site": of, "who": told.who, "minutes": told.minutes, "lines": len(told.lines)}

    def _page(site: str | None, wrong: str) -> HTMLResponse:
        with database.read() as session:
            told = show_pace(session, _site(session, site), settings)
        page = pages.get_template("pace.html").render(pace=told, wrong=wrong)
        return HTMLResponse(page, 422 if wrong else 200, headers=_HEADERS)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "too long")
    return body


def _site(session: Session, named: str | None) -> str:
    there = sorted(session.scalars(select(Casebook.site)))
    if named is None and len(there) == 1:
        return there[0]
    if named is None or named not in there:
        raise HTTPException(404, f"name a site with cases: ?site= one of {', '.join(there) or 'none yet'}")
    return named
