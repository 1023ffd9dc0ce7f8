"""Trouble on order: what servers and the boxes in front of them do when they have a bad night."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

TROUBLES = {
    "429": "too many requests, come back in a second",
    "daily": "429: the requests of the day are used up (Alma)",
    "500": "an error of its own",
    "503": "under maintenance",
    "html": "a web page where JSON should be",
    "truncated": "an answer whose second half never comes",
    "broken": "JSON that ends in the middle",
    "slow": "an answer after `delay_s`",
    "redirect": "off to another host",
    "expire": "every token given so far is worthless",
    "repeat": "the same list as the time before",
    "die": "does what it is asked, then breaks without an answer",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Trouble:
    """
    A queue of trouble, one for each request to come.

    Attributes
    ----------
    delay_s : float
        How slow "slow" is.
    seen : list of str
        The requests so far, ``METHOD path``.
    expired : int
        How many times tokens were made worthless.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[str, str]] = deque()
        self.delay_s = 5.0
        self.seen: list[str] = []
        self.expired = 0

    def add(self, what: str, times: int = 1, method: str = "") -> None:
        """Order trouble for the next requests, or the next ones of a method."""
        if what not in TROUBLES:
            raise ValueError(f"{what}: no such trouble; there are {', '.join(TROUBLES)}")
        with self._lock:
            self._queue.extend([(what, method)] * times)

    def next(self, method: str, path: str) -> str:
        """Return the trouble of this request; empty: none."""
        with self._lock:
            self.seen.append(f"{method} {path}")
            if self._queue and self._queue[0][1] in ("", method):
                what = self._queue.popleft()[0]
                self.expired += what == "expire"
                return what
        return ""

    def count(self, start: str) -> int:
        """Return how many requests so far began so."""
        return sum(line.startswith(start) for line in self.seen)


class Troubled:
    """An ASGI application with trouble in front of it."""

    def __init__(self, app: App, trouble: Trouble) -> None:
        self._app, self._trouble = app, trouble
        self._last_list: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        what = self._trouble.next(scope["method"], scope["path"])
        if what == "repeat" and self._last_list:
            for message in self._last_list:
                await send(message)
            return
        if what in _REPLIES:
            status, headers, body = _REPLIES[what]
            await _reply(send, status, headers, body)
            return
        if what == "slow":
            await asyncio.sleep(self._trouble.delay_s)
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        body = b"".join(m.get("body", b"") for m in answer if m["type"] == "http.response.body")
        if what in ("truncated", "die"):
            # The length is promised, the bytes never come: the server closes the connection.
            await send(answer[0])
            await send(
                {
                    "type": "http.response.body",
                    "body": body[: len(body) // 2] if what == "truncated" else b"",
                    "more_body": True,
                }
            )
            raise ConnectionAbortedError("trouble was ordered")
        if what == "broken":
            await _reply(send, 200, [(b"content-type", b"application/json")], body[: len(body) // 2])
            return
        if scope["method"] == "GET" and body[:1] in b"[{":
            self._last_list = answer
        for message in answer:
            await send(message)


_JSON = (b"content-type", b"application/json")
_DAILY = (
    b'{"errorsExist":true,"errorList":{"error":[{"errorCode":"DAILY_THRESHOLD",'
    b'"errorMessage":"HTTP requests are more than allowed per day","trackingId":"E01"}]},"result":null}'
)
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
_REPLIES: dict[str, tuple[int, list[tuple[bytes, bytes]], bytes]] = {
    "429": (429, [_JSON, (b"retry-after", b"1")], b'{"error":"Too many requests"}'),
    "daily": (429, [_JSON], _DAILY),
    "500": (500, [_JSON], b'{"error":"Something went wrong, check the logs."}'),
    "503": (503, [_JSON], b'{"error":"System is under maintenance."}'),
    "html": (200, [(b"content-type", b"text/html")], _PAGE),
    "redirect": (302, [(b"location", b"http://elsewhere.example/api")], b""),
}


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    sized = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body})
