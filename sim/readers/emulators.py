"""Every reader that can be emulated, by protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Final

from sim.readers.emulate import serve_until_stopped

PROTOCOLS: Final = {
    "llrp": ("sim.readers.llrp:LlrpEmulator", "127.0.0.1:5084"),
    "mercury": ("sim.readers.mercury:MercuryEmulator", "pty"),
    "m100": ("sim.readers.m100:M100Emulator", "pty"),
    "r2000": ("sim.readers.r2000:R2000Emulator", "pty"),
    "uhfreader18": ("sim.readers.uhfreader18:UhfReader18Emulator", "pty"),
    "uhfreader288": ("sim.readers.uhfreader18:UhfReader288Emulator", "pty"),
    "chafon": ("sim.readers.chafon:ChafonEmulator", "127.0.0.1:2022"),
    "feig": ("sim.readers.feig:FeigEmulator", "127.0.0.1:10001"),
}
"""Protocol to its emulator and to where that listens unless told otherwise."""

_NO_PTY: Final = frozenset({"llrp"})
_OPTIONS: Final = {"mercury": "?region=PRC", "chafon": "?unproven=1"}
"""What the URL of a protocol's emulated reader needs for tags to be read."""

_SCHEMES: Final = {"uhfreader288": "uhfreader18"}
"""Protocols whose URLs begin otherwise."""

HF: Final = frozenset({"feig"})
"""Protocols of HF readers: their world is another one."""


def emulator_of(protocol: str) -> Callable[..., Any]:
    """Return the class of a protocol's emulator: called with a source and where to listen."""
    module, name = PROTOCOLS[protocol][0].split(":")
    made: Callable[..., Any] = getattr(import_module(module), name)
    return made


def url_of(protocol: str, address: str) -> str:
    """Return the URL that opens an emulated reader at an address, for `nightstack readers probe` and `watch`."""
    host, _, port = address.rpartition(":")
    if not address.startswith("/"):
        # What listens on every address of this machine is reached by one of them.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{_SCHEMES.get(protocol, protocol)}://{address}{_OPTIONS.get(protocol, '')}"


def main_emulate(protocol: str, listen: str | None = None, seed: int = 1, tags: int = 50) -> int:
    """Serve one reader on a small world of its own in real time, until interrupted.

    Prints ``listening ADDRESS``, and in a second line the URL that opens it.

    Parameters
    ----------
    protocol
        One of `PROTOCOLS`.
    listen
        ``HOST:PORT``, ``pty`` or ``pty:PATH``; None: where its readers usually are.
    seed, tags
        Of the world.

    Returns
    -------
    int
        Exit status: 0 after an interrupt, 1 when the address cannot be listened on, 2 when it is none.
    """
    make = emulator_of(protocol)

    def serve(address: str) -> AbstractAsyncContextManager[Any]:
        if protocol in _NO_PTY and address.startswith("pty"):
            raise ValueError(f"{address}: {protocol} readers have no serial line; give HOST:PORT")
        return make(small_world(protocol, seed, tags), address)

    where = PROTOCOLS[protocol][1] if listen is None else listen
    return serve_until_stopped(where, serve, lambda address: f"open it as {url_of(protocol, address)}")


def small_world(protocol: str, seed: int, tags: int) -> Any:
    """Return a world of tags that readers of a protocol hear, some at every antenna at any time."""
    from sim.readers.hf_small_world import HfSmallWorld
    from sim.readers.small_world import SmallWorld

    if protocol in HF:
        # Loops reach 0.3 m only: a board that swings far would be away from the first one for seconds.
        return HfSmallWorld(seed, tags=tags, swing_m=0.1, cover=True)

    return SmallWorld(seed, tags=tags)
