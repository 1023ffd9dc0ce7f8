"""Who may change something through HTTP: staff with a key of their own, by HTTP Basic authentication (RFC 7617)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from hmac import compare_digest
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from cloud_ingest.web.page_text import W

_ASK = {"WWW-Authenticate": 'Basic realm="Nightstack", charset="UTF-8"'}


def staff_only(keys: Mapping[str, str]) -> Callable[[Request], None]:
    """Return a dependency that lets staff pass, whose name `who` gives then, and refuses everybody else.

    Parameters
    ----------
    keys
        Each one's name and key; none: nobody may.
    """

    def check(request: Request) -> None:
        if not keys:
            raise HTTPException(403, W.NOBODY_MAY)
        name = logged_in(keys, request)
        if name is None:
            raise HTTPException(401, W.LOG_IN, headers=_ASK)
        if request.method not in ("GET", "HEAD") and _from_elsewhere(request):
            raise HTTPException(403, W.FROM_ELSEWHERE)
        request.state.staff = name

    return check


def logged_in(keys: Mapping[str, str], request: Request) -> str | None:
    """Return the name of the member of staff who asks; None: a stranger."""
    name, key = _credentials(request.headers.get("authorization", ""))
    # A stranger's answer takes as long as a colleague's.
    good = compare_digest(key.encode(), keys.get(name, "").encode()) and name in keys
    return name if good else None


def who(request: Request) -> str:
    """Return the name of the member of staff who asks."""
    return str(request.state.staff)


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, key = base64.b64decode(coded, validate=True).decode().partition(":")
    except ValueError:  # no base64, no UTF-8, or letters beyond ASCII
        return "", ""
    return name, key


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page sent this: it would send the key along, whoever asks."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
