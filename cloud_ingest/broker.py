"""A broker of our own, so that nothing has to be installed to try Nightstack: amqtt in a thread.

It speaks MQTT 3.1.1 and keeps neither sessions nor messages over a restart. That is enough, because a robot
keeps its batches until they have been acknowledged as stored; in production, Mosquitto by URL.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from cloud_ingest.errors import ServeError
from cloud_ingest.settings import split_host_port

_START_S = 30.0


class EmbeddedBroker:
    """An amqtt broker with an event loop and a thread of its own.

    Parameters
    ----------
    listen
        ``host:port``; port 0 takes a free one.

    Attributes
    ----------
    host, port
        Where it listens, once started.
    """

    def __init__(self, listen: str) -> None:
        self.host, self.port = split_host_port(listen, "broker_listen")
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    @property
    def url(self) -> str:
        """Its address for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Listen; returns when clients can connect, raises `ServeError` when they never will."""
        self._thread.start()
        if not self._ready.wait(_START_S):
            raise ServeError(f"broker: did not start within {_START_S:.0f} s on {self.host}:{self.port}")
        if self._error is not None:
            raise ServeError(
                f"broker: cannot listen on {self.host}:{self.port} ({_cause(self._error)}); "
                "name another broker_listen, or the running broker with --broker"
            ) from self._error

    def stop(self) -> None:
        """Disconnect everybody and end the thread."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(10.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as err:
            if self._ready.is_set():  # before that, `start` says why it does not listen
                logging.getLogger(__name__).error("broker stopped: %s", _cause(err))
            self._error = err
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from amqtt.broker import Broker

        # Its log tells every packet and every client; what matters of it, ingest says itself.
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        host = f"[{self.host}]" if ":" in self.host else self.host
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{host}:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        try:
            # The broker does not tell which port it was given.
            server: Any = broker._servers["default"].instance
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()
        finally:
            await broker.shutdown()


def _cause(err: BaseException) -> str:
    while err.__cause__ is not None:
        err = err.__cause__
    return str(err) or type(err).__name__
