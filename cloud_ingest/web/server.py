"""The HTTP listener: uvicorn in a thread, on a socket that is bound before anybody is told of it."""

from __future__ import annotations

import socket
import threading

import uvicorn
from fastapi import FastAPI

from cloud_ingest.errors import ServeError
from cloud_ingest.settings import split_host_port


class WebServer:
    """Serves an application.

    Parameters
    ----------
    app
        What to serve.
    listen
        ``host:port``; port 0 takes a free one.
    """

    def __init__(self, app: FastAPI, listen: str) -> None:
        host, port = split_host_port(listen, "http")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(128)
        except OSError as err:
            self._socket.close()
            raise ServeError(
                f"http: cannot listen on {listen} ({err.strerror or err}); name another host:port with --http"
            ) from err
        self.host, self.port = host, int(self._socket.getsockname()[1])
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    @property
    def url(self) -> str:
        """Its address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Serve in the background; connections are taken at once."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered and leave."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(10.0)
        self._socket.close()
