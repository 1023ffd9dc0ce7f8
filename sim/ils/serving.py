"""Runs an emulated system on a socket, in a thread of its own."""

from __future__ import annotations

import json
import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from sim.errors import SimError
from sim.ils.stock import Stock
from sim.ils.trouble import Trouble, Troubled
from sim.listen import host_port

_START_S = 30.0
_EVENTS = ("lend", "give_back", "ask_for")


class _Server(uvicorn.Server):
    """Says when it has started, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class HttpEmulator(ABC):
    """
    A library system over HTTP: a context manager that serves while it is entered.

    Parameters
    ----------
    stock : Stock
        What it knows.
    listen : str
        ``HOST:PORT``; port 0 is a free one.
    certificate, key : str, optional
        PEM files; HTTPS then.

    Attributes
    ----------
    address, url : str
        Where it listens.
    trouble : Trouble
        What shall go wrong. From outside: ``POST /_sim/trouble {"what": "429", "times": 2}``, and
        ``POST /_sim/lend {"barcode": "..."}`` (or ``give_back``, ``ask_for``, ``put`` with ``state``).
    """

    def __init__(
        self,
        stock: Stock,
        listen: str = "127.0.0.1:0",
        certificate: str | None = None,
        key: str | None = None,
    ) -> None:
        self.stock = stock
        self.trouble = Trouble()
        self._host, self._port = host_port(listen)
        self._tls = (certificate, key)
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @abstractmethod
    def routes(self, app: FastAPI) -> None:
        """Add what this system answers; each system has its own."""

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self._host}:{self._port}"

    @property
    def url(self) -> str:
        """Its address as a URL."""
        return f"{'https' if self._tls[0] else 'http'}://{self.address}"

    def __enter__(self) -> Self:
        self._socket = socket.create_server((self._host, self._port))
        self._port = self._socket.getsockname()[1]
        app = FastAPI(openapi_url=None)
        self.routes(app)
        self._control(app)
        config = uvicorn.Config(
            Troubled(app, self.trouble),  # pyright: ignore[reportArgumentType]
            log_level="critical",
            access_log=False,
            lifespan="off",
            ssl_certfile=self._tls[0],
            ssl_keyfile=self._tls[1],
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name=f"ils {self.address}",
            daemon=True,
        )
        self._thread.start()
        if not self._server.ready.wait(_START_S):
            raise SimError(f"{self.address}: the emulated system did not start in {_START_S:.0f} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        assert self._socket is not None
        self._server.should_exit = True
        self._thread.join(_START_S)
        self._socket.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _control(self, app: FastAPI) -> None:
        async def control(what: str, request: Request) -> Response:
            try:
                given: dict[str, Any] = json.loads(await request.body() or b"{}")
                if what == "trouble":
                    self.trouble.add(given["what"], int(given.get("times", 1)), str(given.get("method", "")))
                elif what in _EVENTS:
                    getattr(self.stock, what)(given["barcode"])
                elif what == "put":
                    self.stock.put(given["barcode"], given["state"])
                else:
                    return JSONResponse({"error": f"no such switch: {what}"}, 404)
            except (KeyError, ValueError, TypeError, RecursionError) as error:
                return JSONResponse({"error": str(error)}, 400)
            return JSONResponse({"ok": True})

        app.add_api_route("/_sim/{what}", control, methods=["POST"])
