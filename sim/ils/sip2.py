"""
An emulated SIP2 server: pysip2's, on a stock, in UTF-8.

Written from 3M's SIP2 2.00, messages 17/18, 19/20, 93/94 and 99/98, independently of our client.
"""

from __future__ import annotations

import functools
import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.from_thread
from anyio.abc import SocketAttribute
from pysip2 import (
    ITEM_INFORMATION,
    ITEM_STATUS_UPDATE,
    LOGIN,
    ItemInformationRequest,
    ItemInformationResponse,
    ItemStatusUpdateRequest,
    ItemStatusUpdateResponse,
    LoginRequest,
    LoginResponse,
    SIP2Server,
)

from sim.ils.stock import Stock
from sim.listen import host_port

_START_S = 30.0
_CODES = {
    "available": "03",
    "loaned": "04",
    "in_process": "06",
    "on_hold": "08",
    "in_transit": "10",
    "claimed_returned": "11",
    "lost": "12",
    "missing": "13",
    "withdrawn": "01",
}
_LONGEST = 255


class Sip2Emulator:
    """
    A SIP2 server: a context manager that serves while it is entered.

    Parameters
    ----------
    stock : Stock
        What it knows.
    listen : str
        ``HOST:PORT``; port 0 is a free one.
    encoding : str
        Of its text.

    Attributes
    ----------
    address : str
        Where it listens.
    user, password : str
        What it accepts.
    asked : int
        Items asked for so far.
    slow_s : float
        How long it thinks about each item.
    """

    def __init__(self, stock: Stock, listen: str = "127.0.0.1:0", encoding: str = "utf-8") -> None:
        self.stock = stock
        self._host, self.port = host_port(listen)
        self.user, self.password = "nightstack", "sip2-password"
        self.encoding = encoding
        self.asked = 0
        self.slow_s = 0.0
        self._ready = threading.Event()
        self._portal: Any = None
        self._stop: anyio.Event | None = None
        self._running: Any = None
        self._failed: OSError | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self._host}:{self.port}"

    def __enter__(self) -> Self:
        self._running = anyio.from_thread.start_blocking_portal()
        self._portal = self._running.__enter__()
        self._portal.start_task_soon(self._serve)
        self._ready.wait(_START_S)
        if self._failed is not None:
            self._running.__exit__(None, None, None)
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stop is not None
        self._portal.call(self._stop.set)
        self._running.__exit__(None, None, None)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    async def _serve(self) -> None:
        self._stop = anyio.Event()
        try:
            server = self._server()
            # Its own `start` leaves the listening socket open when it ends.
            async with (
                await server.listen(self._host, self.port) as listener,
                anyio.create_task_group() as tasks,
            ):
                self.port = int(listener.extra(SocketAttribute.local_port))  # noqa: S610 (no database)
                tasks.start_soon(listener.serve, server._handle_connection)
                self._ready.set()
                await self._stop.wait()
                tasks.cancel_scope.cancel()
        except OSError as error:
            self._failed = error
            self._ready.set()

    def _server(self) -> SIP2Server:
        server = SIP2Server(
            encoding=self.encoding,
            login_required=True,
            institution_id="CPL",
            library_name="City library",
            offline_ok=False,
        )
        server.route(LOGIN)(self._login)
        server.route(ITEM_INFORMATION)(self._information)
        server.route(ITEM_STATUS_UPDATE)(self._update)
        return server

    def _login(self, request: LoginRequest, _: Any) -> LoginResponse:
        good = (request.login_user_id, request.login_password) == (self.user, self.password)
        return LoginResponse(ok="1" if good else "0")

    async def _information(self, request: ItemInformationRequest, _: Any) -> ItemInformationResponse:
        self.asked += 1
        if self.slow_s:
            await anyio.sleep(self.slow_s)
        copy = self.stock.find(request.item_identifier)
        known = functools.partial(
            ItemInformationResponse,
            security_marker="01",
            fee_type="01",
            transaction_date=_moment(datetime.now()),
            item_identifier=request.item_identifier,
        )
        if copy is None:
            return known(circulation_status="01", title_identifier="", screen_message=("Item not found",))
        due = (copy.last_loan or copy.updated) + timedelta(days=28)
        return known(
            circulation_status=_CODES[copy.state],
            title_identifier=_cut(copy.title, self.encoding),
            hold_queue_length=str(copy.requests),
            due_date=_moment(due) if copy.state == "loaned" else None,
            permanent_location=_cut(copy.location, self.encoding),
            current_location=_cut(copy.location, self.encoding),
            item_properties=copy.inventory_date or None,
        )

    def _update(self, request: ItemStatusUpdateRequest, _: Any) -> ItemStatusUpdateResponse:
        copy = self.stock.find(request.item_identifier)
        if copy is not None:
            copy.inventory_date = request.item_properties
            self.stock.touch(copy)
        return ItemStatusUpdateResponse(
            item_properties_ok="0" if copy is None else "1",
            transaction_date=_moment(datetime.now()),
            item_identifier=request.item_identifier,
            title_identifier=None if copy is None else _cut(copy.title, self.encoding),
            screen_message=("Item not found",) if copy is None else (),
        )


def _moment(when: datetime) -> str:
    return f"{when:%Y%m%d    %H%M%S}"


def _cut(text: str, encoding: str) -> str:
    """Return what of a text SIP2 can carry in one field: 255 bytes, no bar, no line's end."""
    plain = " ".join(text.replace("|", " ").split())
    return plain.encode(encoding, "replace")[:_LONGEST].decode(encoding, "ignore")
