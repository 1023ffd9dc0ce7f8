"""Every reader that can be emulated, by protocol."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from sim.errors import SimError
from sim.readers.emulate import serve_until_stopped


@dataclass(frozen=True, slots=True)
class Emulated:
    """A protocol that can be emulated.

    Parameters
    ----------
    made
        Module and class of the emulator.
    listen
        Where it listens unless told otherwise.
    scheme
        Of the URLs that open it.
    options
        What such a URL needs for tags to be read.
    pty
        Whether there are readers of it on serial lines.
    hf
        Whether it is of HF readers, whose world is another one.
    """

    made: str
    listen: str
    scheme: str
    options: str = ""
    pty: bool = True
    hf: bool = False


PROTOCOLS: Final = {
    "llrp": Emulated("sim.readers.llrp:LlrpEmulator", "127.0.0.1:5084", "llrp", pty=False),
    "mercury": Emulated("sim.readers.mercury:MercuryEmulator", "pty", "mercury", "?region=PRC"),
    "m100": Emulated("sim.readers.m100:M100Emulator", "pty", "m100"),
    "r2000": Emulated("sim.readers.r2000:R2000Emulator", "pty", "r2000"),
    "uhfreader18": Emulated("sim.readers.uhfreader18:UhfReader18Emulator", "pty", "uhfreader18"),
    "uhfreader288": Emulated("sim.readers.uhfreader18:UhfReader288Emulator", "pty", "uhfreader18"),
    "chafon": Emulated("sim.readers.chafon:ChafonEmulator", "127.0.0.1:2022", "chafon", "?unproven=1"),
    "feig": Emulated("sim.readers.feig:FeigEmulator", "127.0.0.1:10001", "feig", hf=True),
}


def emulator_of(protocol: str) -> Callable[..., Any]:
    """Return the class of a protocol's emulator: called with a source and where to listen."""
    module, name = PROTOCOLS[protocol].made.split(":")
    made: Callable[..., Any] = getattr(import_module(module), name)
    return made


def url_of(protocol: str, address: str) -> str:
    """Return the URL that opens an emulated reader at an address, for `nightstack readers probe` and `watch`."""
    emulated = PROTOCOLS[protocol]
    if not address.startswith("/"):
        host, _, port = address.rpartition(":")
        address = f"{_reached_by(host.strip('[]'))}:{port}"
    return f"{emulated.scheme}://{address}{emulated.options}"


def _reached_by(host: str) -> str:
    """Return the host of a URL that leads to what listens on one."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host  # a name
    if ip.is_unspecified:
        # What listens on every address of this machine is reached by one of them.
        host = "127.0.0.1" if ip.version == 4 else "::1"
    return f"[{host}]" if ip.version == 6 else host


def main_emulate(protocol: str, listen: str | None = None, seed: int = 1, tags: int = 50) -> int:
    """Serve one reader on a small world of its own in real time, until interrupted.

    Prints ``listening ADDRESS``, and in a second line the URL that opens it.

    Parameters
    ----------
    protocol
        One of `PROTOCOLS`.
    listen
        ``HOST:PORT``, ``pty`` or ``pty:/PATH``; None: where its readers usually are.
    seed, tags
        Of the world.

    Returns
    -------
    int
        Exit status: 0 after an interrupt, 1 when the address cannot be listened on, 2 when it is none.
    """
    emulated, make = PROTOCOLS[protocol], emulator_of(protocol)

    def serve(address: str) -> AbstractAsyncContextManager[Any]:
        if address.startswith("pty") and not emulated.pty:
            raise SimError(f"{address}: {protocol} readers have no serial line; give HOST:PORT")
        return make(small_world(protocol, seed, tags), address)

    where = emulated.listen if listen is None else listen
    return serve_until_stopped(where, serve, lambda address: f"open it as {url_of(protocol, address)}")


def small_world(protocol: str, seed: int, tags: int) -> Any:
    """Return a world of tags that readers of a protocol hear, some at every antenna at any time."""
    from sim.readers.hf_small_world import HfSmallWorld
    from sim.readers.small_world import SmallWorld

    if PROTOCOLS[protocol].hf:
        # Loops reach 0.3 m only: a board that swings far would be away from the first one for seconds.
        return HfSmallWorld(seed, tags=tags, swing_m=0.1, cover=True)

    return SmallWorld(seed, tags=tags)
