"""The pages of cases: what is to be put right, one story, and the form by which staff say what they did."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud_ingest import casebook
from cloud_ingest.database import Database
from cloud_ingest.models import Casebook
from cloud_ingest.settings import ServeSettings
from cloud_ingest.texts import storable
from cloud_ingest.web.case_views import list_cases, show_case
from cloud_ingest.web.exchange import body_of, many_of
from cloud_ingest.web.page_text import ACTS, W
from cloud_ingest.web.pages import Pages
from cloud_ingest.web.staff import logged_in, staff_only, who
from reports.ledger_book import LedgerError

CaseId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9+_-]{0,63}$")]
_States = Annotated[str, Query(pattern="^(todo|assigned|resolved|all)$")]
_Text = Annotated[str, Query(max_length=200)]
_Ids = Annotated[Sequence[str], Query(max_length=200)]

_MOST_LINES = 500
_MOST_BYTES = 100_000
_MOST_SHOWN_AGAIN = 50  # their ids stand in an address, which browsers and proxies bound


@dataclass(frozen=True, slots=True)
class Entered:
    """What a form holds: filled in again where it is refused."""

    site: str = ""
    cases: tuple[str, ...] = ()
    did: str = ""
    to: str = ""
    why: str = ""
    steps: str = ""
    listed: Mapping[str, str] | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Sequence[str]]) -> Entered:
        """Read the fields of a form."""

        def text(name: str) -> str:
            return storable(next(iter(fields.get(name, ())), "").strip())

        listed = {
            name: value
            for name, field in (
                ("site", "list_of"),
                ("kind", "list_kind"),
                ("text", "list_text"),
                ("state", "list_state"),
            )
            if (value := text(field))
        }
        one = text("steps")
        cases = tuple(dict.fromkeys(storable(case) for case in fields.get("case", ())))
        return cls(
            text("site"),
            cases,
            text("did"),
            text("to")[:100],
            text("why")[:1000],
            one,
            None if one else listed,
        )


class _RefusedError(Exception):
    """What cannot be recorded, as a sentence for who sent it."""

    def __init__(self, said: str, status: int = 422) -> None:
        super().__init__(said)
        self.said, self.status = said, status


def case_router(database: Database, pages: Pages, settings: ServeSettings) -> APIRouter:
    """Make the routes ``/cases`` and ``/cases/ID``: anybody sees, staff record."""
    routes = APIRouter()
    allowed = Depends(staff_only(settings.staff))

    @routes.get("/cases", response_class=HTMLResponse)
    def cases_page(
        request: Request,
        site: str | None = None,
        kind: str | None = None,
        text: _Text = "",
        state: _States = "todo",
        just: _Ids = (),
    ) -> HTMLResponse:
        return listing(request, site or None, kind or None, text, state, just=just)

    @routes.get("/cases/{finding_id}", response_class=HTMLResponse)
    def case_page(request: Request, finding_id: CaseId, site: str | None = None) -> HTMLResponse:
        return story(request, finding_id, site or None)

    @routes.post("/cases", response_class=HTMLResponse, dependencies=[allowed])
    async def record(request: Request) -> Response:
        body = await body_of(request, _MOST_BYTES, W.TOO_LONG)
        entered = Entered.of(many_of(request.headers.get("content-type", ""), body, 2 * _MOST_LINES))
        try:
            done = await run_in_threadpool(do, entered, who(request))
        except _RefusedError as err:
            return await run_in_threadpool(again, request, entered, err.said, err.status)
        except LedgerError as err:
            return await run_in_threadpool(again, request, entered, str(err), 422)
        if entered.listed is None:
            return RedirectResponse(f"/cases/{done[0]}?{urlencode({'site': entered.site})}", 303)
        just = [("just", case) for case in done[:_MOST_SHOWN_AGAIN]]
        return RedirectResponse(f"/cases?{urlencode([*entered.listed.items(), *just])}", 303)

    def do(entered: Entered, by: str) -> list[str]:
        """Record what was done; return the ids of the cases as they are called now."""
        if not entered.cases:
            raise _RefusedError(W.TICK_ONE)
        if entered.did not in ACTS:
            raise _RefusedError(W.CHOOSE_ONE)
        # The ledger keeps one name a step: of a case that is given away, it is theirs who have it now.
        name, why = by, entered.why
        if entered.did == "assign" and entered.to not in ("", by):
            name, why = entered.to, f"{why} ({by})".strip()
        with database.write() as session:
            if session.get(Casebook, entered.site) is None:
                raise _RefusedError(W.NAME_SITE)
            casebook.lock(session, entered.site, time.time_ns())
            ledger = casebook.load(session, entered.site, entered.cases)
            for finding_id in entered.cases:
                case = ledger.find(finding_id)
                if case is None:
                    raise _RefusedError(W.no_case(finding_id), 404)
                if entered.steps and entered.steps != str(len(case.history)):
                    raise _RefusedError(W.CHANGED, 409)
                if entered.did == "reopen" and not case.resolved:
                    raise _RefusedError(W.NOT_RESOLVED)
            done = casebook.act_on_all(
                session, entered.site, entered.cases, entered.did, who=name, why=why, at=time.time_ns()
            )
        return [case.id for case in done]

    def again(request: Request, entered: Entered, problem: str, status: int) -> HTMLResponse:
        """Show the page that a form was sent from, with what is wrong and what was filled in."""
        if entered.listed is None and entered.cases:
            return story(request, entered.cases[0], entered.site or None, entered, problem, status)
        of = entered.listed or {}
        state = of.get("state", "todo")
        return listing(
            request, of.get("site"), of.get("kind"), of.get("text", ""), state, (), entered, problem, status
        )

    def listing(
        request: Request,
        site: str | None,
        kind: str | None,
        text: str,
        state: str,
        just: Sequence[str] = (),
        entered: Entered | None = None,
        problem: str = "",
        status: int = 200,
    ) -> HTMLResponse:
        with database.read() as session:
            listed = list_cases(session, site, state, kind, text, 0, _MOST_LINES)
            sites = {case["site"] for case in listed["cases"]}
            one = site or (next(iter(sites)) if len(sites) == 1 else None)
            found = (show_case(session, one, name, notes=False) for name in just[:_MOST_SHOWN_AGAIN])
            recorded = [case for case in found if case is not None]
        return pages.html(
            "cases.html",
            one,
            status,
            listed=listed,
            site=site,
            kind=kind,
            text=text,
            state=state,
            just=recorded,
            tick=one if settings.staff else None,
            staffed=bool(settings.staff),
            who=logged_in(settings.staff, request),
            entered=entered or Entered(),
            problem=problem,
        )

    def story(
        request: Request,
        finding_id: str,
        site: str | None,
        entered: Entered | None = None,
        problem: str = "",
        status: int = 200,
    ) -> HTMLResponse:
        name = logged_in(settings.staff, request)
        with database.read() as session:
            found = show_case(session, site, finding_id, notes=name is not None)
            if found is not None:
                lang = pages.language(found["site"])
                found = show_case(session, found["site"], finding_id, notes=name is not None, say=lang)
        if found is None:
            raise HTTPException(404, W.no_case(finding_id))
        shown: dict[str, Any] = {
            "case": found,
            "staffed": bool(settings.staff),
            "who": name,
            "entered": entered or Entered(),
            "problem": problem,
        }
        return pages.html("case.html", found["site"], status, **shown)

    return routes
