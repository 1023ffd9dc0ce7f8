"""The HTTP side: what is stored, what became of it, and the documents; staff say what they want and what they did."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cloud_ingest.database import Database
from cloud_ingest.models import DocumentRow, Letter, Run
from cloud_ingest.paths import NOTES, letter_folder, run_folder
from cloud_ingest.settings import ServeSettings
from cloud_ingest.trouble import undelivered
from cloud_ingest.web import case_views, views
from cloud_ingest.web.case_pages import CaseId, case_router
from cloud_ingest.web.exchange import SAFE
from cloud_ingest.web.list_views import list_router
from cloud_ingest.web.pace_pages import pace_router
from cloud_ingest.web.page_text import W
from cloud_ingest.web.pages import Pages
from cloud_ingest.web.problems import tell_problems
from cloud_ingest.web.staff import logged_in, staff_only

RunId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Name = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")]
Limit = Annotated[int, Query(ge=1, le=1000)]


def make_app(
    database: Database, health: Callable[[], dict[str, Any]], settings: ServeSettings | None = None
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    database
        Where runs are.
    health
        What the service says of itself; its key ``ok`` decides between 200 and 503.
    settings
        Who of staff may change something, where sites' plans are, and what they set of their pace; None: as it is
        without settings, and nobody may.
    """
    known = settings or ServeSettings(data=database.data)
    staff = staff_only(known.staff)
    app = FastAPI(title="Nightstack", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    pages = Pages(known)

    def is_staff(request: Request) -> bool:
        return logged_in(known.staff, request) is not None

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        said = health()
        try:
            with database.read() as session:
                # Somebody's mailbox is no fault of the service, and who watches it wants to know all the same.
                said["undelivered"] = len(undelivered(session, time.time_ns()))
        except SQLAlchemyError as err:
            said = {**said, "ok": False, "database": str(err).splitlines()[0]}
        return JSONResponse(said, 200 if said["ok"] else 503)

    @app.get("/metrics")
    def metrics() -> PlainTextResponse:
        with database.read() as session:
            lines = [f"{name} {value}" for name, value in sorted(views.totals(session).items())]
        lines += [
            f"nightstack_{name} {int(value)}"
            for name, value in health().items()
            if isinstance(value, int | bool)
        ]
        return PlainTextResponse("\n".join(lines) + "\n")

    @app.get("/api/v1/runs")
    def runs(limit: Limit = 50, site: str | None = None) -> list[dict[str, Any]]:
        with database.read() as session:
            return views.list_runs(session, limit, site)

    @app.get("/api/v1/runs/{run_id}")
    def run(run_id: RunId) -> dict[str, Any]:
        with database.read() as session:
            return views.show_run(session, _run(session, run_id), database.data)

    @app.get("/api/v1/runs/{run_id}/documents/{name}")
    def document(run_id: RunId, name: Name) -> Response:
        with database.read() as session:
            row = session.get(DocumentRow, (_run(session, run_id).run_id, name))
        if row is None or not (database.data / row.file).is_file():
            raise HTTPException(404, f"run {run_id} has no document {name}")
        return FileResponse(database.data / row.file, media_type=row.media_type, headers=SAFE)

    @app.get("/api/v1/runs/{run_id}/positions")
    def positions(
        run_id: RunId,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
    ) -> dict[str, Any]:
        with database.read() as session:
            path = run_folder(database.data, _run(session, run_id).run_id) / "positions.parquet"
        if not path.is_file():
            raise HTTPException(404, f"run {run_id} has no positions (yet)")
        table = pq.read_table(path)
        rows = _with_short_times(table.slice(offset, limit)).to_pylist()
        return {
            "run_id": run_id,
            "total": table.num_rows,
            "offset": offset,
            "positions": [_plain(r) for r in rows],
        }

    @app.get("/api/v1/runs/{run_id}/letters/{letter_id}/{name}")
    def letter_document(
        request: Request, run_id: RunId, letter_id: Annotated[int, PathParameter(ge=1)], name: Name
    ) -> Response:
        with database.read() as session:
            letter = session.get(Letter, letter_id)
        if letter is not None and letter.run_id == run_id:
            folder = letter_folder(database.data, run_id, letter.kind, letter.recipient)
            if (folder / NOTES).exists():
                staff(request)
            if (folder / name).is_file():
                return FileResponse(folder / name, headers=SAFE)
        raise HTTPException(404, f"run {run_id} has no letter {letter_id} with {name}")

    @app.get("/api/v1/mail")
    def mail() -> dict[str, Any]:
        with database.read() as session:
            return views.list_trouble(session, time.time_ns())

    @app.get("/api/v1/cases")
    def cases(
        site: str | None = None,
        state: Annotated[str, Query(pattern="^(open|assigned|resolved|todo|all)$")] = "todo",
        kind: str | None = None,
        text: Annotated[str, Query(max_length=200)] = "",
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        with database.read() as session:
            return case_views.list_cases(session, site, state, kind, text, offset, limit)

    @app.get("/api/v1/cases/{finding_id}")
    def case(request: Request, finding_id: CaseId, site: str | None = None) -> dict[str, Any]:
        with database.read() as session:
            found = case_views.show_case(session, site, finding_id, notes=is_staff(request))
        if found is None:
            raise HTTPException(404, W.no_case(finding_id))
        return found

    @app.get("/api/v1/quarantine")
    def quarantine(limit: Limit = 100, run_id: str | None = None) -> dict[str, Any]:
        with database.read() as session:
            return views.list_quarantine(session, limit, run_id)

    @app.get("/", response_class=HTMLResponse)
    def index() -> HTMLResponse:
        with database.read() as session:
            shown: dict[str, Any] = {
                "runs": views.list_runs(session, 50, None),
                "cases": case_views.count_cases(session),
                "trouble": views.list_trouble(session, time.time_ns()),
            }
        return pages.html("index.html", None, health=health(), **shown)

    @app.get("/runs/{run_id}", response_class=HTMLResponse)
    def run_page(run_id: RunId) -> HTMLResponse:
        with database.read() as session:
            told = views.show_run(session, _run(session, run_id), database.data)
        return pages.html("run.html", told["site"], run=told)

    for made in (case_router, pace_router, list_router):
        app.include_router(made(database, pages, known))
    tell_problems(app, pages)
    return app


def _run(session: Session, run_id: str) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise HTTPException(404, W.no_run(run_id))
    return run


def _with_short_times(table: Any) -> Any:
    """Cut times to microseconds: a Python datetime holds no more, and pyarrow refuses to convert what it cannot."""
    fields = [
        pa.field(column.name, pa.timestamp("us", column.type.tz))
        if pa.types.is_timestamp(column.type)
        else column
        for column in table.schema
    ]
    return table.cast(pa.schema(fields), safe=False)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Make a row JSON can hold: no NaN, times as text."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        return value.isoformat() if hasattr(value, "isoformat") else value

    return {name: plain(value) for name, value in row.items()}
