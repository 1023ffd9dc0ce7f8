"""A world on its sockets: the base link and one LLRP reader per reader name."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.errors import SimError
from sim.hf_radio import is_uid
from sim.library import load_library
from sim.model import Library
from sim.presets import preset as named_preset
from sim.readers.llrp import LlrpEmulator
from sim.world_source import WorldSource
from sim.world_time import World

__all__ = ["Addresses", "World", "WorldSource", "serve", "serve_world"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a served world listens.

    Attributes
    ----------
    base : str
        ``host:port`` of the base link.
    readers : dict of str to str
        ``host:port`` of each reader, by name.
    """

    base: str
    readers: dict[str, str]

    def line(self) -> str:
        """Return the line a served world reports itself by; a single reader is called ``reader``."""
        readers = " ".join(
            f"reader{'' if n == 0 else '.' + name}={address}"
            for n, (name, address) in enumerate(self.readers.items())
        )
        return f"listening {readers} base={self.base}"


@contextlib.asynccontextmanager
async def serve(
    world: World,
    reader_listen: str = "127.0.0.1:0",
    base_listen: str = "127.0.0.1:0",
    reader: Callable[[WorldSource, str], Any] = LlrpEmulator,
) -> AsyncGenerator[Addresses]:
    """Serve a world: its base and one reader per reader name; time passes until the block ends.

    Parameters
    ----------
    world : World
    reader_listen : str
        ``host:port`` of the first reader; further ones take free ports of that host.
    base_listen : str
        ``host:port`` of the base.
    reader : callable
        Makes each reader's emulator, an asynchronous context with an `address`, of its source and where it listens.

    Yields
    ------
    Addresses
    """
    host = reader_listen.rpartition(":")[0]
    emulators = {
        name: reader(source, reader_listen if n == 0 else f"{host}:0")
        for n, (name, source) in enumerate(world.sources.items())
    }
    async with contextlib.AsyncExitStack() as stack:
        await world.server.start(base_listen)
        stack.push_async_callback(world.server.close)
        for emulator in emulators.values():
            await stack.enter_async_context(emulator)
        passing = asyncio.ensure_future(world.run())
        try:
            yield Addresses(world.server.address, {name: e.address for name, e in emulators.items()})
        finally:
            passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing


def serve_world(
    library_folder: str | Path,
    reader_listen: str = "127.0.0.1:0",
    base_listen: str = "127.0.0.1:0",
    preset: str | None = None,
    seed: int = 1,
    real_time: bool = False,
) -> None:
    """Serve a library's world until SIGINT or SIGTERM; prints ``listening reader=HOST:PORT base=HOST:PORT``.

    Parameters
    ----------
    library_folder : path
    reader_listen, base_listen : str
        ``host:port``; port 0 takes a free one.
    preset : str, optional
        A radio preset instead of the library's own.
    seed : int
        Of noise, hops and the base's drift.
    real_time : bool
        True: by the wall clock.

    Raises
    ------
    SimError
        When the library cannot be read or an address not be listened on.
    """
    library = load_library(library_folder)
    if any(is_uid(epc) for epc in library.tags.epc):
        raise SimError(
            f"{library_folder}: has HF tags, which its LLRP reader cannot hear; scan it with: nightstack sim record"
        )
    if preset is not None:
        library = replace(library, radio=named_preset(preset), radio_preset=preset)
    for listen in (reader_listen, base_listen):
        if not listen.rpartition(":")[2].isdecimal():
            raise SimError(f"{listen!r} is no HOST:PORT; write 127.0.0.1:0 for a free port")
    try:
        asyncio.run(_serve_until_stopped(library, reader_listen, base_listen, seed, real_time))
    except OSError as error:
        raise SimError(
            f"cannot listen on {reader_listen} and {base_listen}: {error}; name other ports"
        ) from None


async def _serve_until_stopped(
    library: Library, reader_listen: str, base_listen: str, seed: int, real_time: bool
) -> None:
    world = World(library, seed=seed, real_time=real_time)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with serve(world, reader_listen, base_listen) as addresses:
        sys.stdout.write(addresses.line() + "\n")
        sys.stdout.flush()
        waits = [asyncio.ensure_future(event.wait()) for event in (stopped, world.ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
