"""From a host's name to its addresses, and to a connection with one of them, within a time limit.

It holds, too, when the network's name server is gone.

The system's look-up has no limit of its own: without a name server it may take half a minute, for a reader that stands
where it stood before.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

SocketAddress = tuple[socket.AddressFamily, Any]
"""Family, and the address as sockets of it take it."""

KNOWN_WAIT_S = 0.5
"""A name whose addresses are known from before is looked up for so long."""

_known: dict[tuple[str, int], tuple[SocketAddress, ...]] = {}
_under_way: dict[tuple[str, int], _LookUp] = {}
_lock = threading.Lock()


class _LookUp:
    """One question to the system, on a thread of its own, which nothing can end."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.error: OSError | UnicodeError | None = None
        self.done = threading.Event()
        threading.Thread(target=self._run, name=f"look up {host}", daemon=True).start()

    def _run(self) -> None:
        key = self._host, self._port
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            _known[key] = tuple(dict.fromkeys((family, address) for family, _, _, _, address in found))
        except (OSError, UnicodeError) as error:
            self.error = error
        finally:
            with _lock:
                _under_way.pop(key, None)
            self.done.set()


def addresses(host: str, port: int, limit_s: float) -> tuple[SocketAddress, ...]:
    """Return where a host is.

    Parameters
    ----------
    host, port
    limit_s
        Most time for the look-up. One that takes longer goes on, and the next call has what it finds.

    Raises
    ------
    TimeoutError
        It took too long, and the name was never known.
    OSError, UnicodeError
        There is no such name, and never was.
    """
    key = host, port
    known = _known.get(key)
    with _lock:
        look_up = _under_way.get(key)
        if look_up is None:
            look_up = _under_way[key] = _LookUp(host, port)
    look_up.done.wait(limit_s if known is None else min(limit_s, KNOWN_WAIT_S))
    found = _known.get(key)
    if found is not None:
        return found
    if look_up.error is not None:
        raise look_up.error
    raise TimeoutError(f"its name could not be looked up within {limit_s:g} s")


def connect(host: str, port: int, limit_s: float) -> socket.socket:
    """Return a connection to the first of a host's addresses that answers.

    Parameters
    ----------
    host, port
    limit_s
        Most time for looking up and connecting, all addresses together.

    Raises
    ------
    OSError, UnicodeError
        There is no such name, or nothing answers there.
    """
    until = time.monotonic() + limit_s
    places = addresses(host, port, limit_s)
    refused: OSError | None = None
    for number, (family, address) in enumerate(places):
        left = max(0.05, until - time.monotonic()) / (len(places) - number)
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(left)
            connection.connect(address)
        except OSError as error:
            connection.close()
            refused = refused or error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise refused or OSError(f"{host}: no address")
