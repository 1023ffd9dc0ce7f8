"""One thing that ``nightstack doctor`` looked at, and whether something answers at an address."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from nightstack.errors import one_line

_CONNECT_S = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes
    ----------
    what
        The thing.
    state
        ``good``; ``absent``: not there and not needed; ``bad``: has to be mended.
    found
        What was found.
    mend
        The command or the edit that mends it, "" where there is nothing to do.
    """

    what: str
    state: Literal["good", "absent", "bad"]
    found: str
    mend: str = ""


def reachable(what: str, url: str, default_port: int, mend: str) -> Check:
    """Look whether something takes connections where a URL says."""
    parts = urlsplit(url)
    return takes_connections(what, parts.hostname or "", parts.port or default_port, mend)


def takes_connections(what: str, host: str, port: int, mend: str, found: str = "answers") -> Check:
    """Look whether something takes connections at a port; `found` is what that says of it."""
    from reader_drivers.targets import TcpTarget

    shown = TcpTarget(host, port)
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except (OSError, UnicodeError) as error:
        return Check(what, "bad", f"{shown} cannot be reached: {one_line(error)}", mend)
    return Check(what, "good", f"{shown} {found}")


def mend_driver(package: str) -> str:
    """Return what to do about a package (its name and version) whose reader driver is broken."""
    return (
        f"put another version in the place of {package}, or mend it: docs/writing_a_driver.md has the rules"
    )
