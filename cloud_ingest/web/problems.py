"""What is told of what went wrong: people who look at a page get a page, programs get JSON."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_ingest.web.page_text import PROBLEMS, W
from cloud_ingest.web.pages import Pages

_LOG = logging.getLogger(__name__)


def tell_problems(app: FastAPI, pages: Pages) -> None:
    """Make an application tell of every refusal and every fault in the way that who asks can read."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if not _wants_page(request):
            return await http_exception_handler(request, error)
        said = error.detail
        if said == HTTPStatus(error.status_code).phrase:  # "Not Found" says nothing more than the heading
            said = W.ADDRESS
        return _page(pages, request, error.status_code, said, error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if not _wants_page(request):
            return await request_validation_exception_handler(request, error)
        names = dict.fromkeys(str(one["loc"][-1]) for one in error.errors())
        return _page(pages, request, 422, W.wrong_fields(", ".join(names)))

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_middleware(_Faults, pages=pages)


class _Faults:
    """Logs what nobody foresaw, once and with its number, and tells who asked no more than that number."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if scope["type"] != "http":
                raise
            number = secrets.token_hex(4)
            _LOG.exception("%s: %s %s failed in an unforeseen way", number, scope["method"], scope["path"])
            if begun:  # it cannot be taken back; the connection is cut, so that nobody takes it for whole
                raise
            await self._answer(Request(scope), number)(scope, receive, send)

    def _answer(self, request: Request, number: str) -> Response:
        said = W.problem_number(number)
        if not _wants_page(request):
            return JSONResponse({"detail": str(said)}, 500)
        return _page(self._pages, request, 500, said)


def _wants_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _page(pages: Pages, request: Request, status: int, said: str, headers: Any = None) -> Response:
    heading = PROBLEMS.get(status, W.REFUSED)
    site = request.query_params.get("site") or None
    return pages.html("problem.html", site, status, headers, heading=heading, problem=said)
