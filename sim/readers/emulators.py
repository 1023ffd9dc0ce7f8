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

HF: Final = frozenset({"feig"})
"""Protocols of HF readers: their world is another one."""


def emulator_of(protocol: str) -> Callable[..., Any]:
    """Return the class of a protocol's emulator: called with a source and where to listen."""
    module, name = PROTOCOLS[protocol][0].split(":")
    made: Callable[..., Any] = getattr(import_module(module), name)
    return made


def main_emulate(protocol: str, listen: str | None = None, seed: int = 1, tags: int = 50) -> int:
    """Serve one reader on a small world of its own in real time, until interrupted; prints ``listening ADDRESS``.

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
        return make(small_world(protocol, seed, tags), address)

    return serve_until_stopped(PROTOCOLS[protocol][1] if listen is None else listen, serve)


def small_world(protocol: str, seed: int, tags: int) -> Any:
    """Return a world of tags that readers of a protocol hear."""
    from sim.readers.hf_small_world import HfSmallWorld
    from sim.readers.small_world import SmallWorld

    if protocol in HF:
        return HfSmallWorld(seed, tags=tags)

    return SmallWorld(seed, tags=tags)
