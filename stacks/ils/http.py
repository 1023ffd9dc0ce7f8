"""HTTP as the connections use it: bounded in time, size and tries, and never off to another host."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError, IlsSettingsError
from stacks.ils.settings import HttpSettings

_MOST_BYTES = 64 << 20
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 500, 502, 503, 504})


class _DailyLimitError(IlsError):
    """Trying again today only makes it worse."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: its status, headers and whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Http:
    """
    A session with one server.

    Parameters
    ----------
    settings : HttpSettings
        Where, how long, how often.
    clock : Clock
        Time and chance.
    auth : httpx.Auth, optional
        What signs requests in.
    headers : mapping, optional
        Sent with every request.
    """

    def __init__(
        self,
        settings: HttpSettings,
        clock: Clock,
        *,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base = settings.url.rstrip("/") + "/"
        self.name = f"{settings.kind} at {urlsplit(settings.url).netloc}"
        self._settings = settings
        self._clock = clock
        self._client = httpx.Client(
            auth=auth,
            headers={"Accept": "application/json", "User-Agent": "nightstack", **(headers or {})},
            timeout=settings.timeout_s,
            verify=tls_context(settings),
            follow_redirects=False,
            trust_env=False,  # a proxy or .netrc of the machine is no setting of ours
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        missing_ok: bool = False,
    ) -> Answer:
        """
        Fetch, trying again while the server is busy or the line is bad.

        Parameters
        ----------
        path : str
            Below the server's address, or a whole address of it.
        params, headers : mapping, optional
            As sent.
        missing_ok : bool
            Give a 4xx of "no such thing" (400, 404) back instead of raising.

        Raises
        ------
        IlsError
            It did not work in all tries, or the answer is a refusal.
        """
        attempt = 0
        while True:
            attempt += 1
            asked: float | None = None
            try:
                answer = self._once("GET", path, params, headers, None)
                if answer.status not in _BUSY:
                    return self._accept(answer, missing_ok)
                error = self.refusal(answer)
                asked = _retry_after(answer.headers, self._clock.now())
                if not error.temporary or isinstance(error, _DailyLimitError):
                    raise error
            except IlsError as e:
                if not e.temporary or isinstance(e, _DailyLimitError):
                    raise
                error = e
            if attempt > self._settings.retries:
                tries = f" after {attempt} tries" if attempt > 1 else ""
                raise IlsError(f"{error}{tries}", temporary=True) from None
            if asked is not None and asked > self._settings.longest_wait_s:
                raise IlsError(
                    f"{error}; it asks to wait {asked:.0f} s, more than longest_wait_s", temporary=True
                ) from None
            self._clock.sleep(
                self._clock.wait_s(attempt, self._settings.backoff_s, self._settings.longest_wait_s, asked)
            )

    def get_json(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        missing_ok: bool = False,
    ) -> tuple[Any, Answer]:
        """Fetch JSON, and again where it comes cut short; raises IlsError as `get` does."""
        for attempt in range(1, self._settings.retries + 2):
            answer = self.get(path, params, headers, missing_ok=missing_ok)
            if answer.status >= 400:
                return None, answer
            try:
                return self.json(answer), answer
            except IlsError as error:
                if not error.temporary or attempt > self._settings.retries:
                    raise
            self._clock.sleep(
                self._clock.wait_s(attempt, self._settings.backoff_s, self._settings.longest_wait_s)
            )
        raise AssertionError("the loop returns or raises")

    def send(self, method: str, path: str, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """
        Write, once.

        Raises
        ------
        IlsError
            With ``maybe_done`` where nobody knows whether it was carried out.
        """
        body = json.dumps(content, ensure_ascii=False).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        answer = self._once(method, path, None, sent, body)
        if answer.status == 401:  # turned away at the door, so it was not done; by now there is a new token
            answer = self._once(method, path, None, sent, body)
        return self._accept(answer, missing_ok=False)

    def json(self, answer: Answer) -> Any:
        """Return an answer's JSON; raises IlsError, temporary where it was cut short."""
        start = answer.body.lstrip()[:1]
        if start == b"<":
            raise IlsError(
                f"{self.name}: answered with a web page instead of JSON; is url right, or is a log-in page before it?"
            )
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise IlsError(
                f"{self.name}: answered with JSON that ends early or is none ({error})", temporary=True
            ) from None

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> Answer:
        url = urljoin(self.base, path)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._exchange(method, url, params, headers, body)
            if answer.status not in _REDIRECTS:
                return answer
            url = self._followed(answer, method)
            params = None
        raise IlsError(f"{self.name}: sends us in circles ({_MOST_REDIRECTS} redirections and more)")

    def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> Answer:
        writes = body is not None
        sent = dict(headers or {})
        content: Iterator[bytes] | None = None
        if body is not None:
            # From an iterator nobody on the way can send it twice; its length is known all the same.
            content = iter((body,))
            sent["Content-Length"] = str(len(body))
        ends = self._clock.monotonic() + 4.0 * self._settings.timeout_s
        try:
            with self._client.stream(method, url, params=params, headers=sent, content=content) as response:
                parts: list[bytes] = []
                size = 0
                for part in response.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > _MOST_BYTES:
                        raise IlsError(
                            f"{self.name}: answers with over {_MOST_BYTES >> 20} MiB; set page_size lower",
                            maybe_done=writes,
                        )
                    if self._clock.monotonic() > ends:
                        raise IlsError(
                            f"{self.name}: takes too long to answer", temporary=True, maybe_done=writes
                        )
                return Answer(response.status_code, response.headers, b"".join(parts), str(response.url))
        except httpx.ConnectTimeout:
            raise IlsError(
                f"{self.name}: cannot be reached in {self._settings.timeout_s:g} s", temporary=True
            ) from None
        except httpx.ConnectError as error:
            raise self._unreachable(error) from None
        except httpx.TimeoutException:
            raise IlsError(
                f"{self.name}: did not answer in {self._settings.timeout_s:g} s",
                temporary=True,
                maybe_done=writes,
            ) from None
        except httpx.HTTPStatusError as error:  # raised by a sign-in that was refused
            raise self.refusal(_of(error.response)) from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            if isinstance(error, IlsError):
                raise
            raise IlsError(
                f"{self.name}: the connection broke ({error})", temporary=True, maybe_done=writes
            ) from None
        except httpx.InvalidURL as error:
            raise IlsError(f"{self.name}: {error}") from None

    def _followed(self, answer: Answer, method: str) -> str:
        there = urljoin(answer.url, answer.headers.get("location", ""))
        old, new = urlsplit(answer.url), urlsplit(there)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise IlsError(
                f"{self.name}: sends us to {new.scheme}://{new.netloc}, which is not the server that was named; "
                "nothing was sent there; set url to it if it is right"
            )
        if method != "GET":
            raise IlsError(f"{self.name}: sends a write elsewhere ({new.path}); set url to where it belongs")
        return there

    def _accept(self, answer: Answer, missing_ok: bool) -> Answer:
        if answer.status < 300 or (missing_ok and answer.status in (400, 404)):
            return answer
        raise self.refusal(answer)

    def refusal(self, answer: Answer) -> IlsError:
        """Return what a refusal says, in words, with what the server said itself."""
        said = _said(answer.body)
        if answer.status == 429 and b"DAILY_THRESHOLD" in answer.body:
            return _DailyLimitError(
                f"{self.name}: the institution's requests of today are used up; go on tomorrow",
                temporary=True,
            )
        text = f"{self.name}: {_WORDS.get(answer.status, f'answered {answer.status}')}{f' ({said})' if said else ''}"
        busy = answer.status in _BUSY
        # 429 turns a request away before it is worked on; after another 5xx nobody knows.
        return IlsError(text, temporary=busy or answer.status == 409, maybe_done=answer.status >= 500)

    def _unreachable(self, error: httpx.ConnectError) -> IlsError:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return IlsError(
                    f"{self.name}: its certificate is not accepted ({cause.verify_message or cause.reason}); "
                    "if a CA of your own signed it, name its PEM file in ca_file"
                )
            if isinstance(cause, ssl.SSLError):
                return IlsError(f"{self.name}: no TLS there ({cause.reason}); is it http, or another port?")
            cause = cause.__cause__ or cause.__context__
        return IlsError(f"{self.name}: cannot be reached ({error})", temporary=True)


_ERROR_KEYS = ("error", "errorList", "errors", "errorMessage", "message")
_WORDS = {
    400: "refuses the request as wrong",
    401: "does not accept our name and password or key",
    403: "says we may not do this; give the account the permission (docs/ils.md)",
    404: "has nothing there; is url right?",
    409: "says somebody else changed it meanwhile",
    422: "refuses what was written",
    429: "has had enough of our requests for now",
}


def tls_context(settings: HttpSettings) -> ssl.SSLContext:
    """Return what checks certificates; raises IlsSettingsError."""
    return certificate_context(None if settings.ca_file is None else str(settings.ca_file))


def certificate_context(ca_file: str | None) -> ssl.SSLContext:
    """Return what checks certificates, by the machine's own list or one file; raises IlsSettingsError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise IlsSettingsError(
            f"ils.ca_file: {ca_file}: is no PEM file of certificates ({error.strerror or error})"
        ) from None


def _of(response: httpx.Response) -> Answer:
    try:
        body = response.content
    except httpx.ResponseNotRead:
        body = b""
    return Answer(response.status_code, response.headers, body, str(response.url))


def _said(body: bytes) -> str:
    """Return the words of an error body, at most a line; of a web page nothing."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = "" if body.lstrip()[:1] == b"<" else body.decode("utf-8", "replace")
    for _ in range(8):  # they wrap their words in lists and objects, a few deep
        if isinstance(value, str):
            return " ".join(value.split())[:200]
        if isinstance(value, list):
            value = next(iter(value), None)  # pyright: ignore[reportUnknownVariableType]
        elif isinstance(value, dict):
            found: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            value = next((found[key] for key in _ERROR_KEYS if found.get(key)), None)
    return ""


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return max((when - now).total_seconds(), 0.0)
