"""
An emulated FOLIO: sign-in, inventory items, marking missing, open requests.

Written from mod-inventory's ramls/item.json and MissingTargetItemStatusValidator, mod-inventory-storage's
item.json, and mod-login's login-with-expiry, independently of our client.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from sim.ils import folio_schema
from sim.ils import schema as s
from sim.ils.serving import HttpEmulator
from sim.ils.stock import Copy, Stock

_SPACE = uuid.UUID("5f0d1c1e-8f5f-4c3c-9a57-27f5e07b6c11")
_SAYS = {
    "available": "Available",
    "loaned": "Checked out",
    "on_hold": "Awaiting pickup",
    "in_transit": "In transit",
    "in_process": "In process",
    "missing": "Missing",
    "lost": "Declared lost",
    "claimed_returned": "Claimed returned",
    "withdrawn": "Withdrawn",
}
_TYPES = {
    "lcc": "95467209-6d7b-468b-94df-0f5d7ad2747d",
    "ddc": "03dd64d0-5626-4ecd-8ece-4531e0069f35",
    "nlm": "054d460d-d6b9-4469-9e37-7a78a2266655",
    "sudoc": "fc388041-6cd0-4806-8a74-ebe3b9ab4c6e",
}
#: The one item note type there is, besides FOLIO's own.
INVENTORY_NOTE_TYPE = "3f5f8a5e-44a5-4b5b-8b9e-6d7f21f1c0aa"
_CLAUSE = re.compile(r'\s*([\w.]+)\s*(==|>=|>|=)\s*(?:"((?:[^"\\]|\\.)*)"|(\S+))\s*\Z')


class FolioEmulator(HttpEmulator):
    """
    FOLIO.

    Attributes
    ----------
    tenant, user, password : str
        What it accepts.
    permissions : set of str
        What the account may do.
    """

    def __init__(self, stock: Stock, listen: str = "127.0.0.1:0", **tls: Any) -> None:
        super().__init__(stock, listen, **tls)
        self.tenant, self.user, self.password = "diku", "nightstack", "folio-password"
        self.token_s = 600
        self.permissions = {
            "inventory.items.collection.get",
            "inventory.items.item.get",
            "inventory.items.item.put",
            "inventory.items.item.mark-missing.post",
            "request-storage.requests.collection.get",
        }
        self._tokens: dict[str, int] = {}
        self._by_id = {_id(copy): copy for copy in stock}
        self._ids = sorted(self._by_id)

    def routes(self, app: FastAPI) -> None:
        """Add FOLIO's paths."""
        app.add_api_route("/authn/login-with-expiry", self._login, methods=["POST"], response_model=None)
        app.add_api_route("/authn/logout", self._logout, methods=["POST"], response_model=None)
        app.add_api_route("/inventory/items", self._items, methods=["GET"], response_model=None)
        app.add_api_route("/inventory/items/{item_id}", self._item, methods=["GET"], response_model=None)
        app.add_api_route("/inventory/items/{item_id}", self._put, methods=["PUT"], response_model=None)
        app.add_api_route(
            "/inventory/items/{item_id}/mark-missing", self._missing, methods=["POST"], response_model=None
        )
        app.add_api_route("/request-storage/requests", self._requests, methods=["GET"], response_model=None)

    async def _login(self, request: Request) -> Response:
        body: dict[str, Any] = json.loads(await request.body() or b"{}")
        if request.headers.get("x-okapi-tenant") != self.tenant:
            return PlainTextResponse(f"No such Tenant {request.headers.get('x-okapi-tenant')}", 400)
        if (body.get("username"), body.get("password")) != (self.user, self.password):
            return _errors("Password does not match", "password.incorrect")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.trouble.expired
        ends = datetime.now(UTC) + timedelta(seconds=self.token_s)
        moment = ends.isoformat(timespec="seconds").replace("+00:00", "Z")
        answer = JSONResponse({"accessTokenExpiration": moment, "refreshTokenExpiration": moment}, 201)
        answer.set_cookie("folioAccessToken", token, httponly=True, samesite="none")
        answer.set_cookie("folioRefreshToken", secrets.token_urlsafe(8), httponly=True, path="/authn")
        return answer

    def _logout(self, request: Request) -> Response:
        self._tokens.pop(request.cookies.get("folioAccessToken", ""), None)
        return Response(status_code=204)

    def _refused(self, request: Request, permission: str) -> Response | None:
        if self._tokens.get(request.cookies.get("folioAccessToken", "")) != self.trouble.expired:
            return PlainTextResponse("Invalid token", 401)
        if request.headers.get("x-okapi-tenant") != self.tenant:
            return PlainTextResponse("X-Okapi-Tenant header does not match the token", 403)
        if permission not in self.permissions:
            return PlainTextResponse(f"Access for user '{self.user}' requires permission: {permission}", 403)
        return None

    def _items(self, request: Request) -> Response:
        if (refused := self._refused(request, "inventory.items.collection.get")) is not None:
            return refused
        try:
            tests, limit = _cql(request.query_params.get("query", "cql.allRecords=1")), _limit(request)
        except ValueError as error:
            return PlainTextResponse(f"Query parse error: {error}", 400)
        after = max((v for f, op, v in tests if (f, op) == ("id", ">")), default="")
        rest = [t for t in tests if t[:2] != ("id", ">")]
        made: list[dict[str, Any]] = []
        for item_id in self._ids[bisect_right(self._ids, after) :]:
            copy = self._by_id[item_id]
            if all(_holds(copy, *test) for test in rest):
                made.append(self._shown(copy))
                if len(made) == limit:
                    break
        body = json.dumps({"items": made, "totalRecords": len(self._ids)}, ensure_ascii=False)
        return Response(body, media_type="application/json")

    def _item(self, item_id: str, request: Request) -> Response:
        if (refused := self._refused(request, "inventory.items.item.get")) is not None:
            return refused
        copy = self._by_id.get(item_id)
        return PlainTextResponse("Not Found", 404) if copy is None else JSONResponse(self._shown(copy))

    async def _put(self, item_id: str, request: Request) -> Response:
        if (refused := self._refused(request, "inventory.items.item.put")) is not None:
            return refused
        copy = self._by_id.get(item_id)
        if copy is None:
            return PlainTextResponse("Not Found", 404)
        try:
            body: Any = json.loads(await request.body())
        except ValueError:
            return PlainTextResponse("Json content error", 400)
        what = s.wrong(body, folio_schema.ITEM, folio_schema.REQUIRED) or self._notes_wrong(body)
        if not what and body["status"].get("name") not in folio_schema.STATUS_NAMES:
            what = f"status: Undefined status: {body['status'].get('name')}"
        if what:
            return _errors(what)
        if body.get("_version") != copy.version:
            return PlainTextResponse(
                f"ERROR: Cannot update record {item_id} because it has been changed (optimistic locking): "
                f"Stored _version is {copy.version}, _version of request is {body.get('_version')} (23F09)",
                409,
            )
        copy.notes = [dict(note) for note in body.get("notes", [])]
        self.stock.touch(copy)
        return Response(status_code=204)

    def _notes_wrong(self, body: dict[str, Any]) -> str:
        for note in body.get("notes", []):
            what = s.wrong(note, folio_schema.NOTE)
            if not what and note.get("itemNoteTypeId") != INVENTORY_NOTE_TYPE:
                what = "Cannot set item.notes.itemNoteTypeId: it does not exist in item_note_type.id."
            if what:
                return what
        return ""

    async def _missing(self, item_id: str, request: Request) -> Response:
        if (refused := self._refused(request, "inventory.items.item.mark-missing.post")) is not None:
            return refused
        copy = self._by_id.get(item_id)
        if copy is None:
            return PlainTextResponse("Not Found", 404)
        if _SAYS[copy.state] not in folio_schema.MAY_GO_MISSING:
            return _errors(f'Item is not allowed to be marked as:"Missing"; status is {_SAYS[copy.state]}')
        copy.state = "missing"
        self.stock.touch(copy)
        return JSONResponse(self._shown(copy))

    def _requests(self, request: Request) -> Response:
        if (refused := self._refused(request, "request-storage.requests.collection.get")) is not None:
            return refused
        try:
            tests, limit = _cql(request.query_params.get("query", "cql.allRecords=1")), _limit(request)
        except ValueError as error:
            return PlainTextResponse(f"Query parse error: {error}", 400)
        made = sorted(
            (
                {
                    "id": str(uuid.uuid5(_SPACE, f"request {copy.number} {turn}")),
                    "itemId": _id(copy),
                    "requesterId": str(uuid.uuid5(_SPACE, f"reader {turn}")),
                    "requestType": "Hold",
                    "status": "Open - Not yet filled",
                }
                for copy in self.stock
                for turn in range(copy.requests)
            ),
            key=lambda r: r["id"],
        )
        for field, operator, value in tests:
            if (field, operator) == ("id", ">"):
                made = [r for r in made if r["id"] > value]
            elif field == "itemId":
                made = [r for r in made if r["itemId"] == value]
        return JSONResponse({"requests": made[:limit], "totalRecords": len(made)})

    def _shown(self, copy: Copy) -> dict[str, Any]:
        """Return an item as mod-inventory's item.json has it."""
        number = {
            "callNumber": copy.call_number,
            "typeId": _TYPES.get(copy.scheme, "6caca63e-5651-4db6-9247-3205156e9699"),
        }
        made: dict[str, Any] = {
            "id": _id(copy),
            "_version": copy.version,
            "hrid": f"it{copy.number:011d}",
            "holdingsRecordId": str(uuid.uuid5(_SPACE, f"holding {copy.number}")),
            "title": copy.title,
            "callNumber": copy.call_number,
            "effectiveCallNumberComponents": number,
            "contributorNames": [],
            "formerIds": [],
            "notes": copy.notes,
            "circulationNotes": [],
            "status": {"name": _SAYS[copy.state], "date": _moment(copy.updated)},
            "materialType": {"id": "1a54b431-2e4f-452d-9cae-9cee66c9a892", "name": "book"},
            "permanentLoanType": {"id": "2b94c631-fca9-4892-a730-03ee529ffe27", "name": "Can circulate"},
            "effectiveLocation": {"id": str(uuid.uuid5(_SPACE, copy.location)), "name": copy.location},
            "isBoundWith": False,
            "metadata": {
                "createdDate": "2026-01-01T08:00:00.000+00:00",
                "updatedDate": _moment(copy.updated),
            },
        }
        if copy.barcode:
            made["barcode"] = copy.barcode
        if copy.last_seen is not None:
            made["lastCheckIn"] = {"dateTime": _moment(copy.last_seen)}
        return made


def _id(copy: Copy) -> str:
    return str(uuid.uuid5(_SPACE, f"item {copy.number}"))


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def _limit(request: Request) -> int:
    limit = int(request.query_params.get("limit", 10))
    if not 0 <= limit <= 2_147_483_647:
        raise ValueError(f"limit {limit}")
    return limit


def _cql(query: str) -> list[tuple[str, str, str]]:
    """Return the conditions of a query of ours; raises ValueError for anything else."""
    text, _, order = query.partition(" sortBy ")
    if order not in ("", "id"):
        raise ValueError(f"sortBy {order}")
    made: list[tuple[str, str, str]] = []
    for clause in text.split(" and "):
        found = _CLAUSE.match(clause)
        if found is None or found[1] not in (
            "cql.allRecords",
            "id",
            "barcode",
            "metadata.updatedDate",
            "status",
            "itemId",
        ):
            raise ValueError(clause)
        value = found[4] if found[3] is None else re.sub(r"\\(.)", r"\1", found[3])
        if found[1] != "cql.allRecords":
            made.append((found[1], found[2], value))
    return made


def _holds(copy: Copy, field: str, operator: str, value: str) -> bool:
    if field == "barcode":
        return copy.barcode == value
    if field == "metadata.updatedDate" and operator == ">=":
        return copy.updated >= datetime.fromisoformat(value)
    raise ValueError(f"{field}{operator}")


def _errors(message: str, code: str = "") -> Response:
    return JSONResponse(
        {"errors": [{"message": message, "type": "1", "code": code, "parameters": []}], "total_records": 1},
        422,
    )
