"""
An emulated Alma: an item by its barcode, an item, a set's members.

Written from Alma's rest_item.xsd and its error and threshold pages, independently of our client. As Alma
does, a PUT empties what it does not name, and ignores what only Alma may say (process_type, base_status).
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from sim.ils import schema as s
from sim.ils.serving import HttpEmulator
from sim.ils.stock import Copy, Stock

_PROCESS = {
    "loaned": ("LOAN", "Loan"),
    "on_hold": ("HOLDSHELF", "On hold shelf"),
    "in_transit": ("TRANSIT", "In transit"),
    "in_process": ("WORK_ORDER_DEPARTMENT", "In process"),
    "missing": ("MISSING", "Missing"),
    "lost": ("LOST_LOAN", "Lost"),
    "claimed_returned": ("CLAIM_RETURNED_LOAN", "Claimed returned"),
    "withdrawn": ("TECHNICAL", "Technical - Migration"),
}
_NUMBER_TYPES = {"lcc": "0", "ddc": "1", "nlm": "2", "sudoc": "3"}
_CODED = (
    "physical_material_type policy provenance library location base_status process_type work_order_type "
    "work_order_at receiving_operator alternative_call_number_type physical_condition break_indicator pattern_type "
    "committed_to_retain retention_reason storage_location_category awaiting_reshelving_category"
)
_ITEM_DATA: dict[str, s.Types] = {
    **dict.fromkeys(
        [
            "pid",
            "barcode",
            "creation_date",
            "modification_date",
            "arrival_date",
            "expected_arrival_date",
            "issue_date",
            "year_of_issue",
            "enumeration_a",
            "enumeration_b",
            "enumeration_c",
            "enumeration_d",
            "enumeration_e",
            "enumeration_f",
            "enumeration_g",
            "enumeration_h",
            "chronology_i",
            "chronology_j",
            "chronology_k",
            "chronology_l",
            "chronology_m",
            "description",
            "receiving_number",
            "replacement_cost",
            "inventory_number",
            "inventory_date",
            "inventory_price",
            "receive_number",
            "weeding_number",
            "weeding_date",
            "retention_note",
            "alternative_call_number",
            "alt_number_source",
            "storage_location_id",
            "pages",
            "pieces",
            "public_note",
            "fulfillment_note",
            "internal_note_1",
            "internal_note_2",
            "internal_note_3",
            "statistics_note_1",
            "statistics_note_2",
            "statistics_note_3",
            "due_date",
            "po_line",
            "reshelving_time",
            "linking_number",
        ],
        s.TEXT,
    ),
    **dict.fromkeys(_CODED.split(), s.OBJECT),
    **dict.fromkeys(("is_magnetic", "requested", "awaiting_reshelving"), s.FLAG),
}
_HOLDING: dict[str, s.Types] = {
    **dict.fromkeys(
        [
            "holding_id",
            "link",
            "copy_id",
            "call_number",
            "accession_number",
            "temp_call_number",
            "due_back_date",
            "holding_suppress_from_publishing",
            "temp_call_number_source",
            "permanent_call_number",
        ],
        s.TEXT,
    ),
    **dict.fromkeys(
        [
            "call_number_type",
            "temp_library",
            "temp_location",
            "temp_call_number_type",
            "temp_policy",
            "permanent_call_number_type",
            "library",
            "location",
        ],
        s.OBJECT,
    ),
    "in_temp_location": s.FLAG,
}
_ITEM: dict[str, s.Types] = {
    "bib_data": s.OBJECT,
    "holding_data": s.OBJECT,
    "item_data": s.OBJECT,
    "link": s.TEXT,
}
_DATES: dict[str, re.Pattern[str]] = dict.fromkeys(
    ("inventory_date", "creation_date", "modification_date", "arrival_date", "weeding_date"), s.DATE
)
SET_ID = "7001"


class AlmaEmulator(HttpEmulator):
    """
    Alma.

    Attributes
    ----------
    api_key : str
        What it accepts.
    may_write : bool
        The key is one for reading and writing.
    left : int
        Requests that are left of the day.
    """

    def __init__(self, stock: Stock, listen: str = "127.0.0.1:0", **tls: Any) -> None:
        super().__init__(stock, listen, **tls)
        self.api_key = "l7xx-alma-api-key"
        self.may_write = True
        self.left = 100_000

    def routes(self, app: FastAPI) -> None:
        """Add Alma's paths."""
        item = "/almaws/v1/bibs/{mms_id}/holdings/{holding_id}/items/{pid}"
        app.add_api_route("/almaws/v1/items", self._by_barcode, methods=["GET"], response_model=None)
        app.add_api_route(item, self._item, methods=["GET"], response_model=None)
        app.add_api_route(item, self._put, methods=["PUT"], response_model=None)
        app.add_api_route(
            "/almaws/v1/conf/sets/{set_id}/members", self._members, methods=["GET"], response_model=None
        )

    def _refused(self, request: Request, writes: bool = False) -> Response | None:
        if request.headers.get("authorization") != f"apikey {self.api_key}":
            return _error(400, "UNAUTHORIZED", "API-key not defined or not configured to allow this API.")
        if writes and not self.may_write:
            return _error(403, "FORBIDDEN", "API-key has no write permission.")
        if self.left <= 0:
            return _error(429, "DAILY_THRESHOLD", "HTTP requests are more than allowed per day")
        self.left -= 1
        return None

    def _by_barcode(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        barcode = request.query_params.get("item_barcode", "")
        copy = self.stock.find(barcode)
        if not barcode or copy is None:
            return _error(400, "401689", f"No items found for barcode {barcode}.")
        return RedirectResponse(self._link(copy), 302)

    def _item(self, mms_id: str, holding_id: str, pid: str, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        copy = self._find(mms_id, holding_id, pid)
        if copy is None:
            return _error(
                400,
                "401683",
                f"No items found for MMS ID {mms_id}, holdings ID {holding_id} and item PID {pid}.",
            )
        return self._answer(copy)

    async def _put(self, mms_id: str, holding_id: str, pid: str, request: Request) -> Response:
        if (refused := self._refused(request, writes=True)) is not None:
            return refused
        copy = self._find(mms_id, holding_id, pid)
        if copy is None:
            return _error(400, "401683", "No items found.")
        try:
            body: Any = json.loads(await request.body())
        except ValueError:
            return _error(400, "60105", "JSON is not valid.")
        what = (
            s.wrong(body, _ITEM, ("item_data",))
            or s.wrong(body["item_data"], _ITEM_DATA, formats=_DATES)
            or s.wrong(body.get("holding_data", {}), _HOLDING)
        )
        if what:
            return _error(400, "60105", f"JSON is not valid. {what}")
        data = body["item_data"]
        if data.get("barcode") != copy.barcode and self.stock.find(data.get("barcode", "")) is not None:
            return _error(400, "401873", "Given barcode already exists.")
        copy.inventory_date = data.get("inventory_date", "")
        copy.hidden = data.get("internal_note_1", "")
        copy.barcode = data.get("barcode", "")
        self.stock.touch(copy)
        return self._answer(copy)

    def _members(self, set_id: str, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        if set_id != SET_ID:
            return _error(400, "60120", f"The set ID {set_id} is invalid.")
        asked: dict[str, int] = {}
        for name, usual, most in (("limit", 10, 100), ("offset", 0, 9_999_999)):
            given = request.query_params.get(name, str(usual))
            if not (given.isascii() and given.isdecimal()) or len(given) > 9 or int(given) > most:
                return _error(400, "40166411", f"Parameter {name} is not valid.")
            asked[name] = int(given)
        limit, offset = asked["limit"], asked["offset"]
        part = self.stock.copies[offset : offset + limit]
        made: dict[str, Any] = {"total_record_count": len(self.stock)}
        if part:  # Alma leaves the list out where it is empty
            made["member"] = [{"id": _pid(c), "description": c.title, "link": self._link(c)} for c in part]
        return JSONResponse(made, headers=self._left())

    def _find(self, mms_id: str, holding_id: str, pid: str) -> Copy | None:
        number = pid[2:-3]
        copy = self.stock.number(int(number)) if number.isdecimal() and len(number) < 10 else None
        return (
            copy
            if copy is not None and (_mms(copy), _holding(copy), _pid(copy)) == (mms_id, holding_id, pid)
            else None
        )

    def _link(self, copy: Copy) -> str:
        return f"{self.url}/almaws/v1/bibs/{quote(_mms(copy))}/holdings/{_holding(copy)}/items/{_pid(copy)}"

    def _left(self) -> dict[str, str]:
        return {"X-Exl-Api-Remaining": str(self.left)}

    def _answer(self, copy: Copy) -> Response:
        process = _PROCESS.get(copy.state)
        data: dict[str, Any] = {
            "pid": _pid(copy),
            "barcode": copy.barcode,
            "creation_date": "2026-01-01Z",
            "modification_date": _day(copy.updated),
            "base_status": {"value": "0", "desc": "Item not in place"}
            if process
            else {"value": "1", "desc": "Item in place"},
            "physical_material_type": {"value": "BOOK", "desc": "Book"},
            "policy": {"value": "", "desc": None},
            "library": {"value": "MAIN", "desc": "Main Library"},
            "location": {"value": copy.location, "desc": copy.location},
            "requested": copy.requests > 0,
            "internal_note_1": copy.hidden,
            "pages": "",
            "pieces": "",
        }
        if process:
            data["process_type"] = {"value": process[0], "desc": process[1]}
        else:
            data["process_type"] = {"value": "", "desc": None}
        if copy.inventory_date:
            data["inventory_date"] = copy.inventory_date
        body = {
            "bib_data": {
                "mms_id": _mms(copy),
                "title": copy.title,
                "author": None,
                "link": f"{self.url}/almaws/v1/bibs/{_mms(copy)}",
            },
            "holding_data": {
                "holding_id": _holding(copy),
                "call_number_type": {"value": _NUMBER_TYPES.get(copy.scheme, "8"), "desc": copy.scheme},
                "call_number": copy.call_number,
                "accession_number": "",
                "copy_id": "",
                "in_temp_location": False,
                "temp_library": {"value": None, "desc": None},
            },
            "item_data": data,
            "link": self._link(copy),
        }
        return Response(
            json.dumps(body, ensure_ascii=False), 200, self._left(), "application/json;charset=UTF-8"
        )


def _mms(copy: Copy) -> str:
    return f"99{copy.number}501"


def _holding(copy: Copy) -> str:
    return f"22{copy.number}501"


def _pid(copy: Copy) -> str:
    return f"23{copy.number}501"


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}Z"


def _error(status: int, code: str, message: str) -> Response:
    one = {"errorCode": code, "errorMessage": message, "trackingId": "E01-0000000000-SIM"}
    return JSONResponse({"errorsExist": True, "errorList": {"error": [one]}, "result": None}, status)
