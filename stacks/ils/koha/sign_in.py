"""Koha's OAuth2 client credentials: a token is fetched, kept until it ends, and renewed when it is refused."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError
from stacks.ils.reading import Record, record

_EARLY_S = 30.0


class _Token(Record):
    access_token: str
    expires_in: float = 3600.0


class ClientCredentials(httpx.Auth):
    """
    Sign every request in with a token (RFC 6749, 4.4).

    Parameters
    ----------
    url : str
        Where tokens are given.
    client_id, secret : str
        The API key of one patron, whose permissions count.
    clock : Clock
        Tells when a token ends.
    """

    def __init__(self, url: str, client_id: str, secret: str, clock: Clock) -> None:
        self._url = url
        self._id, self._secret = client_id, secret
        self._clock = clock
        self._token = ""
        self._ends = 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Fetch a token where there is none, send the request, and once more where the token is refused."""
        if not self._token or self._clock.monotonic() >= self._ends:
            self._take((yield self._asking(request)))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            self._token = ""
            if request.method == "GET":  # a write is sent again by the one who knows what was written
                self._take((yield self._asking(request)))
                request.headers["Authorization"] = f"Bearer {self._token}"
                yield request

    def _asking(self, request: httpx.Request) -> httpx.Request:
        form = {"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret}
        # A request that is made by hand has no time limit of its own: it takes that of the one it is for.
        limits = {"timeout": request.extensions["timeout"]} if "timeout" in request.extensions else {}
        headers = {"Accept": "application/json"}
        return httpx.Request("POST", self._url, data=form, headers=headers, extensions=limits)

    def _take(self, response: httpx.Response) -> None:
        response.read()
        if response.status_code >= 500 or response.status_code == 429:
            raise IlsError(f"koha: gives no token now (answered {response.status_code})", temporary=True)
        if response.status_code != 200:
            raise IlsError(
                f"koha: gives no token (answered {response.status_code}): look at client_id, client_secret and "
                "the system preference RESTOAuth2ClientCredentials"
            )
        try:
            value = response.json()
        except ValueError:
            raise IlsError("koha: the answer to the request for a token is no JSON; is url right?") from None
        token = record(_Token, value, "koha: token")
        self._token = token.access_token
        self._ends = self._clock.monotonic() + max(token.expires_in - _EARLY_S, 1.0)
