"""FOLIO's sign-in and token renewal, by folioclient, at the first request."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import httpx
from folioclient import FolioClient
from folioclient.exceptions import FolioError

from stacks.ils.errors import IlsError
from stacks.ils.folio.settings import FolioSettings
from stacks.ils.http import tls_context
from stacks.ils.settings import reveal


class FolioSignIn(httpx.Auth):
    """
    Sign requests in as folioclient does: a token that is renewed before it ends and when it is refused.

    Only its sign-in is used: its requests would follow no limits of ours, and repeat writes.
    """

    def __init__(self, settings: FolioSettings) -> None:
        self._settings = settings
        self._client: FolioClient | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Sign in where nobody has, and let folioclient sign the request."""
        try:
            if self._client is None:
                self._client = self._signed_in()
            yield from self._client.folio_auth.sync_auth_flow(request)
        except ValueError as error:  # no token in the answer, or an answer that is no JSON
            raise IlsError(f"folio: the sign-in gave no token ({error}); is url the gateway's?") from None

    def close(self) -> None:
        """Sign out, where FOLIO still listens."""
        if self._client is not None:
            with contextlib.suppress(httpx.HTTPError, FolioError, OSError, ValueError):
                self._client.logout()
            self._client = None

    def _signed_in(self) -> FolioClient:
        given = self._settings
        try:
            return FolioClient(
                given.url.rstrip("/"),
                given.tenant,
                given.user,
                reveal(given.password),
                ssl_verify=tls_context(given),
                timeout=given.timeout_s,
            )
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status >= 500 or status == 429:
                raise IlsError(f"folio: cannot sign us in now (answered {status})", temporary=True) from None
            raise IlsError(
                f"folio: does not sign us in (answered {status}): look at tenant, user and password"
            ) from None
