"""A world on its sockets: the base link and one reader per reader name, LLRP for UHF and FEIG for HF antennas."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recording import AntennaMount
from sim.errors import SimError
from sim.hf_presets import HF_PRESETS, HfParameters
from sim.hf_radio import is_uid
from sim.hf_record import hf_mounts
from sim.library import load_library
from sim.listen import host_port, stop_on_signals
from sim.model import Library
from sim.presets import preset as named_preset
from sim.readers.feig import FeigEmulator
from sim.readers.llrp import LlrpEmulator
from sim.world_hf import HfSource
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
    urls : dict of str to str
        The URL that opens each reader, by name.
    """

    base: str
    readers: dict[str, str]
    urls: dict[str, str] = field(default_factory=dict[str, str])

    def line(self) -> str:
        """Return the line a served world reports itself by.

        A single reader is called ``reader``; readers that do not speak LLRP are named by their URL.
        """
        readers = " ".join(
            f"reader{'' if n == 0 else '.' + name}={address}"
            for n, (name, address) in enumerate((self.readers | self._others()).items())
        )
        return f"listening {readers} base={self.base}"

    def _others(self) -> dict[str, str]:
        return {name: url for name, url in self.urls.items() if not url.startswith("llrp://")}


@contextlib.asynccontextmanager
async def serve(
    world: World,
    reader_listen: str = "127.0.0.1:0",
    base_listen: str = "127.0.0.1:0",
    reader: Callable[[WorldSource, str], Any] = LlrpEmulator,
    readers: Mapping[str, Callable[[WorldSource, str], Any]] | None = None,
) -> AsyncGenerator[Addresses]:
    """Serve a world: its base and one reader per reader name; time passes until the block ends.

    Readers with antennas of air ``iso15693`` speak FEIG's protocol, the others LLRP unless `readers` says otherwise.

    Parameters
    ----------
    world : World
    reader_listen : str
        ``host:port`` of the first reader; further ones take free ports of that host.
    base_listen : str
        ``host:port`` of the base.
    reader : callable
        Makes each UHF reader's emulator, an asynchronous context with `address` and `url`, of its source and where it
        listens.
    readers : mapping of str to callable, optional
        The same for single readers, by name.

    Yields
    ------
    Addresses
    """
    host = reader_listen.rpartition(":")[0]
    emulators = {
        name: _emulator(source, reader_listen if n == 0 else f"{host}:0", (readers or {}).get(name, reader))
        for n, (name, source) in enumerate(world.sources.items())
    }
    async with contextlib.AsyncExitStack() as stack:
        await world.server.start(base_listen)
        stack.push_async_callback(world.server.close)
        for emulator in emulators.values():
            await stack.enter_async_context(emulator)
        passing = asyncio.ensure_future(world.run())
        try:
            yield Addresses(
                world.server.address,
                {name: emulator.address for name, emulator in emulators.items()},
                {name: _url(emulator, world.sources[name]) for name, emulator in emulators.items()},
            )
        finally:
            passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing


def _emulator(source: WorldSource | HfSource, listen: str, uhf: Callable[[WorldSource, str], Any]) -> Any:
    return FeigEmulator(source, listen) if isinstance(source, HfSource) else uhf(source, listen)


def _url(emulator: Any, source: WorldSource | HfSource) -> str:
    # One antenna is used without being named; several are asked one after the other.
    ports = source.ports
    several = isinstance(source, HfSource) and (len(ports) > 1 or ports != (1,))
    return f"{emulator.url}?ant={max(ports)}" if several else emulator.url


def serve_world(
    library_folder: str | Path,
    reader_listen: str = "127.0.0.1:0",
    base_listen: str = "127.0.0.1:0",
    preset: str | None = None,
    seed: int = 1,
    real_time: bool = False,
) -> None:
    """Serve a library's world until SIGINT, SIGTERM or SIGHUP; prints ``listening reader=HOST:PORT base=HOST:PORT``.

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
    if preset is not None:
        library = replace(library, radio=named_preset(preset), radio_preset=preset)
    for listen in (reader_listen, base_listen):
        host_port(listen)
    try:
        asyncio.run(_serve_until_stopped(library, reader_listen, base_listen, seed, real_time))
    except OSError as error:
        raise SimError(
            f"cannot listen on {reader_listen} and {base_listen}: {error}; name other ports"
        ) from None


def _antennas(library: Library) -> tuple[tuple[AntennaMount, ...], HfParameters]:
    """Return the antennas that the library's tags need, where its robot has none of its own for HF tags."""
    parameters = HF_PRESETS.get(library.radio_preset, HF_PRESETS["ordinary"])
    mounts = library.robot.mounts
    uids = [is_uid(epc) for epc in library.tags.epc]
    if not any(uids) or any(mount.air == "iso15693" for mount in mounts):
        return mounts, parameters
    near = hf_mounts(library, parameters)
    return (near if all(uids) else (*mounts, *near)), parameters


async def _serve_until_stopped(
    library: Library, reader_listen: str, base_listen: str, seed: int, real_time: bool
) -> None:
    mounts, parameters = _antennas(library)
    world = World(library, mounts, seed=seed, real_time=real_time, hf=parameters)
    stopped = asyncio.Event()
    stop_on_signals(stopped)
    async with serve(world, reader_listen, base_listen) as addresses:
        sys.stdout.write(addresses.line() + "\n")
        sys.stdout.flush()
        waits = [asyncio.ensure_future(event.wait()) for event in (stopped, world.ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
