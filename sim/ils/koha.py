"""
An emulated Koha: ``/api/v1`` as its published definitions have it.

Written from Koha's api/v1/swagger (item.yaml, hold.yaml, paths/items.yaml) and Koha::REST::V1::Biblios
(`update_item`), independently of our client.
"""

from __future__ import annotations

import base64
import json
import secrets
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from sim.ils import schema as s
from sim.ils.serving import HttpEmulator
from sim.ils.stock import Copy, Stock

ITEM_FIELDS: dict[str, s.Types] = {
    **dict.fromkeys(
        ("item_id", "biblio_id", "not_for_loan_status", "effective_not_for_loan_status"), s.WHOLE
    ),
    **dict.fromkeys(("damaged_status", "lost_status", "withdrawn"), s.WHOLE),
    **dict.fromkeys(
        ("checkouts_count", "renewals_count", "localuse", "holds_count", "restricted_status"), s.WHOLE_OR_NULL
    ),
    **dict.fromkeys(
        ("bundle_items_lost_count", "bundle_items_not_lost_count", "analytics_count"), s.WHOLE_OR_NULL
    ),
    **dict.fromkeys(("purchase_price", "replacement_price", "shelving_control_number"), s.NUMBER_OR_NULL),
    **dict.fromkeys(("effective_bookable", "exclude_from_local_holds_priority"), s.FLAG),
    **dict.fromkeys(("bookable", "in_bundle"), s.FLAG_OR_NULL),
    **dict.fromkeys(
        [
            "external_id",
            "acquisition_date",
            "acquisition_source",
            "effective_home_library_id",
            "effective_holding_library_id",
            "home_library_id",
            "replacement_price_date",
            "last_checkout_date",
            "last_seen_date",
            "damaged_date",
            "lost_date",
            "withdrawn_date",
            "callnumber",
            "coded_location_qualifier",
            "public_notes",
            "internal_notes",
            "holding_library_id",
            "location",
            "permanent_location",
            "checked_out_date",
            "call_number_source",
            "call_number_sort",
            "collection_code",
            "effective_collection_code",
            "materials_notes",
            "uri",
            "item_type_id",
            "effective_item_type_id",
            "effective_location",
            "extended_subfields",
            "serial_issue_number",
            "copy_number",
            "inventory_number",
            "new_status",
        ],
        s.TEXT_OR_NULL,
    ),
    "timestamp": s.TEXT,
    "return_claims": s.LIST,
    **dict.fromkeys(("cover_image_ids", "_status"), s.LIST_OR_NULL),
    **dict.fromkeys(
        [
            "return_claim",
            "effective_home_library",
            "effective_holding_library",
            "home_library",
            "holding_library",
            "item_group_item",
            "serial_item",
            "biblio",
            "checkout",
            "transfer",
            "first_hold",
            "recall",
            "item_type",
            "bundle_host",
            "course_item",
            "_strings",
        ],
        s.OBJECT_OR_NULL,
    ),
}
_DATES = dict.fromkeys(
    ("acquisition_date", "replacement_price_date", "last_checkout_date", "checked_out_date"), s.DATE
)
_FORMATS = {
    **_DATES,
    **dict.fromkeys(("last_seen_date", "lost_date", "withdrawn_date", "timestamp"), s.MOMENT),
}
_LIST_PARAMETERS = {"external_id", "_match", "_order_by", "_page", "_per_page", "q"}
_EMBEDS = {"+strings", "active_display", "biblio", "effective_bookable"}
_LOST = {"missing": 4, "lost": 1, "claimed_returned": 1}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a is not None and a < b,
    ">": lambda a, b: a is not None and a > b,
    "<=": lambda a, b: a is not None and a <= b,
    ">=": lambda a, b: a is not None and a >= b,
}


class KohaEmulator(HttpEmulator):
    """
    Koha.

    Attributes
    ----------
    client_id, client_secret, user, password : str
        What it accepts: an API key (OAuth2), or a name (Basic).
    permissions : set of str
        What the account may do: ``catalogue``, ``edit_items``, ``place_holds``.
    """

    def __init__(self, stock: Stock, listen: str = "127.0.0.1:0", **tls: Any) -> None:
        super().__init__(stock, listen, **tls)
        self.client_id, self.client_secret = "nightstack", "koha-client-secret"
        self.user, self.password = "nightstack", "koha-password"
        self.permissions = {"catalogue", "edit_items", "place_holds"}
        self.token_s = 3600
        self._tokens: dict[str, int] = {}

    def routes(self, app: FastAPI) -> None:
        """Add Koha's paths."""
        app.add_api_route("/api/v1/oauth/token", self._token, methods=["POST"], response_model=None)
        app.add_api_route("/api/v1/items", self._items, methods=["GET"], response_model=None)
        app.add_api_route("/api/v1/items/{item_id}", self._item, methods=["GET"], response_model=None)
        app.add_api_route(
            "/api/v1/biblios/{biblio_id}/items/{item_id}", self._put, methods=["PUT"], response_model=None
        )
        app.add_api_route("/api/v1/holds", self._holds, methods=["GET"], response_model=None)

    async def _token(self, request: Request) -> Response:
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "Unimplemented grant type"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return JSONResponse({"error": "unauthorized_client"}, 403)
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.trouble.expired
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.token_s})

    def _refused(self, request: Request, permission: str) -> Response | None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        basic = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        good = (
            self._tokens.get(value) == self.trouble.expired
            if kind == "Bearer"
            else (kind, value) == ("Basic", basic)
        )
        if not good:
            return JSONResponse({"error": "Authentication failure."}, 401)
        if permission not in self.permissions:
            needed = {"editcatalogue": permission} if permission == "edit_items" else {permission: "1"}
            text = "Authorization failure. Missing required permission(s)."
            return JSONResponse({"error": text, "required_permissions": needed}, 403)
        return None

    def _items(self, request: Request) -> Response:
        if (refused := self._refused(request, "catalogue")) is not None:
            return refused
        embeds = [e for e in request.headers.get("x-koha-embed", "").split(",") if e]
        if set(embeds) - _EMBEDS:
            return _bad(f"Embedding {sorted(set(embeds) - _EMBEDS)[0]} is not authorised.")
        return self._list(
            request, self.stock.copies, lambda c: c.number, lambda c: _shown(c, embeds), "item_id"
        )

    def _item(self, item_id: int, request: Request) -> Response:
        if (refused := self._refused(request, "catalogue")) is not None:
            return refused
        copy = self.stock.number(item_id)
        return (
            JSONResponse({"error": "Item not found"}, 404) if copy is None else JSONResponse(_shown(copy, []))
        )

    def _holds(self, request: Request) -> Response:
        if (refused := self._refused(request, "place_holds")) is not None:
            return refused
        return self._list(request, _holds(self.stock), lambda h: h["hold_id"], lambda h: h, "hold_id")

    def _list(
        self,
        request: Request,
        rows: list[Any],
        key: Callable[[Any], int],
        show: Callable[[Any], dict[str, Any]],
        id_field: str,
    ) -> Response:
        given = dict(request.query_params)
        unknown = sorted(set(given) - _LIST_PARAMETERS)
        if unknown:
            return JSONResponse(
                {"errors": [{"message": "Malformed query string.", "path": f"/{unknown[0]}"}], "status": 400},
                400,
            )
        try:
            page, per_page = int(given.get("_page", 1)), int(given.get("_per_page", 20))
            query = json.loads(given.get("q", "{}"))
            tests = _tests(query) if isinstance(query, dict) else None
        except ValueError:
            tests, page, per_page = None, 1, 20
        if page < 1 or per_page < -1:
            return JSONResponse(
                {"errors": [{"message": "Not in range.", "path": "/_page"}], "status": 400}, 400
            )
        if tests is None or given.get("_order_by", id_field).lstrip("+") != id_field:
            return JSONResponse({"error": "Invalid query", "error_code": "invalid_query"}, 400)
        if "external_id" in given:
            tests = [*tests, ("external_id", "=", given["external_id"])]
        # An index, as a database would use: what is asked most is "after this number".
        after = max((v for f, op, v in tests if f == id_field and op == ">"), default=0)
        first = bisect_right(rows, after, key=key)
        rest = [t for t in tests if not (t[0] == id_field and t[1] == ">")]
        found = rows[first:]
        if rest:
            shown = [(row, show(row)) for row in found]
            if any(field not in ITEM_FIELDS and field not in _HOLD for field, _, _ in rest):
                return JSONResponse({"error": "Invalid query", "error_code": "invalid_query"}, 400)
            found = [
                row
                for row, v in shown
                if all(_OPERATORS[op](_plain(f, v.get(f)), _plain(f, w)) for f, op, w in rest)
            ]
        part = found[(page - 1) * per_page : page * per_page] if per_page != -1 else found
        headers = {"X-Total-Count": str(len(found)), "X-Base-Total-Count": str(len(rows))}
        body = json.dumps([show(row) for row in part], ensure_ascii=False)
        return Response(body, 200, headers, "application/json")

    async def _put(self, biblio_id: int, item_id: int, request: Request) -> Response:
        if (refused := self._refused(request, "edit_items")) is not None:
            return refused
        copy = self.stock.number(item_id)
        if copy is None or _biblio(copy) != biblio_id:
            return JSONResponse({"error": "Item not found"}, 404)
        try:
            body: Any = json.loads(await request.body())
        except ValueError:
            return _bad("Malformed JSON.")
        what = s.wrong(body, ITEM_FIELDS, formats=_FORMATS)
        if what:
            return _bad(what)
        other = self.stock.find(body["external_id"]) if body.get("external_id") else None
        if other is not None and other is not copy:
            return JSONResponse({"error": "Duplicate barcode."}, 409)
        self._store(copy, body)
        return JSONResponse(_shown(copy, []))

    def _store(self, copy: Copy, body: dict[str, Any]) -> None:
        copy.hidden = ""  # update_item sets extended_subfields to nothing, whatever is sent
        if "lost_status" in body:
            found = {4: "missing", 0: "available"}
            copy.state = found.get(body["lost_status"], "lost")
        if body.get("withdrawn"):
            copy.state = "withdrawn"
        if "last_seen_date" in body:
            seen = body["last_seen_date"]
            copy.last_seen = datetime.fromisoformat(seen) if seen else None
        if "callnumber" in body:
            copy.call_number = body["callnumber"] or ""
        self.stock.touch(copy)


_HOLD = {"hold_id", "biblio_id", "item_id", "status", "patron_id"}


def _holds(stock: Stock) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for copy in stock:
        for turn in range(copy.requests):
            held = turn == 0 and copy.state in ("on_hold", "in_transit")
            made.append(
                {
                    "hold_id": len(made) + 1,
                    "patron_id": 5000 + turn,
                    "biblio_id": _biblio(copy),
                    "item_id": copy.number if held else None,
                    "status": {"on_hold": "W", "in_transit": "T"}[copy.state] if held else None,
                    "priority": turn,
                    "suspended": False,
                }
            )
    return made


def _tests(query: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return a query's conditions, which all must hold; raises ValueError."""
    made: list[tuple[str, str, Any]] = []
    for name, value in query.items():
        conditions: dict[str, Any] = value if isinstance(value, dict) else {"=": value}
        for operator, wanted in conditions.items():
            if operator not in _OPERATORS:
                raise ValueError(operator)
            made.append((name, operator, wanted))
    return made


def _plain(field: str, value: Any) -> Any:
    """Return a value as the database compares it: a time as text without its zone."""
    return value.replace("T", " ")[:19] if field in _FORMATS and isinstance(value, str) else value


def _bad(message: str) -> Response:
    return JSONResponse({"errors": [{"message": message, "path": "/body"}], "status": 400}, 400)


def _biblio(copy: Copy) -> int:
    return 100_000 + copy.number


def _moment(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _shown(copy: Copy, embeds: list[str]) -> dict[str, Any]:
    """Return an item as item.yaml has it."""
    lost = _LOST.get(copy.state, 0)
    made = dict.fromkeys(ITEM_FIELDS)
    for name, types in ITEM_FIELDS.items():
        if types in (s.OBJECT_OR_NULL, s.LIST, s.LIST_OR_NULL):
            del made[name]  # embeds: there only where they are asked for
    made.update(
        item_id=copy.number,
        biblio_id=_biblio(copy),
        external_id=copy.barcode or None,
        callnumber=copy.call_number or None,
        call_number_source={"sudoc": "sudocs", "local": "z"}.get(copy.scheme, copy.scheme),
        home_library_id="CPL",
        holding_library_id="CPL",
        location="PROC" if copy.state == "in_process" else copy.location or None,
        permanent_location=copy.location or None,
        item_type_id="BK",
        effective_item_type_id="BK",
        not_for_loan_status=0,
        effective_not_for_loan_status=0,
        damaged_status=0,
        lost_status=lost,
        lost_date=_moment(copy.updated) if lost else None,
        withdrawn=1 if copy.state == "withdrawn" else 0,
        checked_out_date=str((copy.last_loan or copy.updated).date()) if copy.state == "loaned" else None,
        last_checkout_date=str(copy.last_loan.date()) if copy.last_loan else None,
        last_seen_date=_moment(copy.last_seen),
        checkouts_count=copy.loans or None,
        timestamp=_moment(copy.updated),
        effective_bookable=False,
        exclude_from_local_holds_priority=False,
        extended_subfields=copy.hidden or None,
    )
    if "biblio" in embeds:
        made["biblio"] = {"biblio_id": _biblio(copy), "title": copy.title, "subtitle": None, "author": None}
    if "+strings" in embeds:
        made["_strings"] = {"home_library_id": {"str": "City library", "type": "library"}}
    return made
