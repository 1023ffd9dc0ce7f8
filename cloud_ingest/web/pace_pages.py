"""The pace of a site's people: a page, the API, and the form that says how long a morning took."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from cloud_ingest import casebook
from cloud_ingest.database import Database
from cloud_ingest.models import Casebook
from cloud_ingest.settings import ServeSettings
from cloud_ingest.web.exchange import body_of, fields_of
from cloud_ingest.web.pace_views import plan_time, show_pace
from cloud_ingest.web.page_text import W
from cloud_ingest.web.pages import Pages
from cloud_ingest.web.staff import staff_only, who
from reports.ledger_book import LedgerError

_MOST_BYTES = 10_000
_JSON = "{site, minutes: number, recorded: true or false}"


def pace_router(database: Database, pages: Pages, settings: ServeSettings) -> APIRouter:
    """Make the routes ``/pace``, ``/api/v1/pace`` and ``/api/v1/mornings``: anybody sees, staff say."""
    routes = APIRouter()
    allowed = Depends(staff_only(settings.staff))
    paces = _Paces(database, settings)

    @routes.get("/api/v1/pace")
    def pace(site: str | None = None) -> dict[str, Any]:
        return paces.of(site)

    @routes.get("/pace", response_class=HTMLResponse)
    def pace_page(site: str | None = None) -> HTMLResponse:
        return page(site, "")

    @routes.post("/pace", response_class=HTMLResponse, dependencies=[allowed])
    async def say_on_page(request: Request) -> Response:
        site: str | None = None
        try:
            body = await body_of(request, _MOST_BYTES, W.TOO_LONG)
            fields = fields_of(request.headers.get("content-type", ""), body)
            form = {name: value.decode("utf-8", "replace") for name, value in fields.items()}
            site = form.get("site") or None
            minutes = float(form.get("minutes", "").replace(",", "."))
            recorded = form.get("what") == "recorded"
            await run_in_threadpool(took, site, minutes, _name(request, form.get("who")), recorded)
        except LedgerError as err:
            return await run_in_threadpool(page, site, str(err))
        except ValueError:
            return await run_in_threadpool(page, site, W.WRITE_A_NUMBER)
        except HTTPException as err:
            if err.status_code == 404:
                raise
            return await run_in_threadpool(page, site, err.detail, err.status_code)
        return RedirectResponse(f"/pace?site={quote(site)}" if site else "/pace", 303)

    @routes.post("/api/v1/mornings", status_code=201, dependencies=[allowed])
    async def say(request: Request) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise HTTPException(415, f"send JSON: {_JSON}")
        site, minutes, name, recorded = _told(await body_of(request, _MOST_BYTES, "too long"))
        try:
            return await run_in_threadpool(took, site, minutes, _name(request, name), recorded)
        except LedgerError as err:
            raise HTTPException(422, str(err)) from None

    def took(site: str | None, minutes: float, name: str, recorded: bool) -> dict[str, Any]:
        with database.write() as session:
            of = _site(session, site)
            told = casebook.took(session, of, minutes, who=name, at=time.time_ns(), recorded=recorded)
        return {"site": of, "who": told.who, "minutes": told.minutes, "lines": len(told.lines)}

    def page(site: str | None, wrong: str, status: int = 422) -> HTMLResponse:
        pace = paces.of(site)
        return pages.html("pace.html", pace["site"], status if wrong else 200, pace=pace, wrong=wrong)

    return routes


class _Paces:
    """What is known of each site's pace, worked out once for each state of its ledger: strangers may ask for it."""

    def __init__(self, database: Database, settings: ServeSettings) -> None:
        self._database, self._settings = database, settings
        self._known: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
        self._one_at_a_time = threading.Lock()

    def of(self, named: str | None) -> dict[str, Any]:
        with self._one_at_a_time, self._database.read() as session:
            site = _site(session, named)
            state = (session.get_one(Casebook, site).version, plan_time(self._settings, site))
            known = self._known.get(site)
            if known is None or known[0] != state:
                known = self._known[site] = (state, show_pace(session, site, self._settings))
            return known[1]


def _told(body: bytes) -> tuple[str | None, float, str | None, bool]:
    """Return site, minutes, name and what was worked, as JSON says it."""
    try:
        told: Any = json.loads(body)
        minutes, name, recorded, site = (
            told["minutes"],
            told.get("who"),
            told.get("recorded", False),
            told.get("site"),
        )
        right = isinstance(minutes, int | float) and not isinstance(minutes, bool)
        texts = isinstance(name, str | None) and isinstance(site, str | None)
        if not (right and texts and isinstance(recorded, bool)):
            raise TypeError
        return site, float(minutes), name, recorded
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise HTTPException(422, f"send JSON: {_JSON}") from None


def _name(request: Request, given: str | None) -> str:
    """Return whose morning it was: theirs who are logged in, and nobody says it for another."""
    if given is not None and given.strip() not in ("", who(request)):
        raise HTTPException(422, W.not_for_others(who(request)))
    return who(request)


def _site(session: Session, named: str | None) -> str:
    there = sorted(session.scalars(select(Casebook.site)))
    if named is None and len(there) == 1:
        return there[0]
    if named is None or named not in there:
        raise HTTPException(404, W.name_site(", ".join(there)))
    return named
