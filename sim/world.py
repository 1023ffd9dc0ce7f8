"""Robot base, readers and library in one world, in virtual or in real time.

In virtual time the world goes on one step when everybody has kept up: the base client has answered the report of the
step before, and every reader's client has acknowledged the slice before (the emulator then asks for the next one).
Within a step the base moves, the radio hears, the report of the step's end goes out and is answered, and only then the
slice is handed over, so that no client sees a read of a time its clock has not reached. Time stands while no base
client is connected; a reader nobody is connected to holds up nothing.

In real time nothing waits: the base reports by the wall clock, stops half a second after its last command, and reads
that nobody fetches are lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from recording import AntennaMount
from robot.base_link import STOP_AFTER_S, Flags, PoseReport
from sim.base_server import BaseServer
from sim.errors import SimError
from sim.library import load_library
from sim.model import Library
from sim.motion import Base, Drift
from sim.presets import preset as named_preset
from sim.radio import Listening, Radio, Reads, RobotPose
from sim.readers.llrp import LlrpEmulator
from sim.readers.source import Inventory, ReportSlice
from sim.record import OVERRUN_M, START_NS, heading_along

log = logging.getLogger("nightstack.sim.world")

_PATIENCE_S: Final = 20.0
_IDLE_S: Final = 0.002
_KEPT_SLICES: Final = 40


class WorldSource:
    """One reader's view of the world, as `sim.readers.source.ReadSource` asks for it.

    Parameters
    ----------
    world : World
    radio : Radio
        With this reader's antennas.
    """

    def __init__(self, world: World, radio: Radio) -> None:
        self._world = world
        self.radio = radio
        self._tags = tuple(bytes.fromhex(epc) for epc in radio.tags)
        self._listening: Listening | None = None
        self._slices: deque[ReportSlice] = deque(maxlen=_KEPT_SLICES)
        self._filled = asyncio.Event()
        self._asked = asyncio.Event()
        self._ended = False
        self._stalled = False
        self.reads = 0

    @property
    def ports(self) -> tuple[int, ...]:
        """Antenna ports that have an antenna."""
        return self.radio.ports

    @property
    def frequencies_khz(self) -> tuple[int, ...]:
        """Centre frequency of each channel."""
        return self.radio.frequencies_khz

    @property
    def region(self) -> Literal["FCC", "ETSI", "CN"]:
        """Always China's band."""
        return "CN"

    @property
    def virtual(self) -> bool:
        """Whether time is virtual."""
        return not self._world.real_time

    @property
    def listening(self) -> Listening | None:
        """What the client asked for; None while no inventory runs."""
        return self._listening

    def true_time_ns(self) -> int:
        """Return true time now, ns UTC."""
        return self._world.true_time_ns()

    def start(self, inventory: Inventory) -> None:
        """Begin an inventory."""
        self._listening = Listening(
            ports=inventory.ports,
            power_dbm=inventory.power_dbm,
            session=inventory.session,
            search=inventory.search,
            rf_mode=inventory.rf_mode,
            channels=inventory.channels,
        )
        self.radio.restart()
        self._slices.clear()
        self._filled.clear()
        self._asked.clear()

    def stop(self) -> None:
        """End the inventory; the world waits for this reader no longer."""
        self._listening = None
        self._asked.set()

    async def next_slice(self) -> ReportSlice | None:
        """Return the next slice, once the world has got so far; None when the world has ended."""
        self._asked.set()
        while not self._slices:
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()
        self._asked.clear()
        return self._slices.popleft()

    def end(self) -> None:
        """Say that no slice will come any more."""
        self._ended = True
        self._filled.set()

    async def wait_asked(self, patience_s: float) -> bool:
        """Wait until the slice before is delivered and the next is asked for; False when that takes too long."""
        if self._asked.is_set():
            self._stalled = False
        if self._asked.is_set() or self._listening is None or self._stalled:
            return True
        try:
            await asyncio.wait_for(self._asked.wait(), patience_s)
        except TimeoutError:
            # Once is enough: a client that hangs holds the world up no more until it asks again.
            self._stalled = True
            return False
        return True

    def hand_over(self, reads: Reads, t0_ns: int, t1_ns: int) -> None:
        """Give the reader what it heard; in real time the oldest slices are lost when nobody fetches them."""
        if self._listening is None:
            return
        self.reads += len(reads)
        # Only the tags of this slice: an emulator's work must not grow with the library.
        heard, tag = np.unique(reads.tag, return_inverse=True)
        self._slices.append(
            ReportSlice(
                t_start_ns=t0_ns,
                t_end_ns=t1_ns,
                t_ns=reads.t_ns,
                tag=tag.astype(np.uint32),
                tags=tuple(self._tags[i] for i in heard.tolist()),
                port=reads.port,
                channel=reads.channel,
                rssi_dbm=reads.rssi_dbm.astype(np.float32),
                phase_rad=np.remainder(reads.phase_rad, 2 * np.pi).astype(np.float32),
            )
        )
        self._filled.set()


class World:
    """Library, radio and robot base with one clock.

    Parameters
    ----------
    library : Library
    mounts : tuple of AntennaMount, optional
        Instead of the library's robot's.
    seed : int
        Of noise, drift and hops.
    real_time : bool
        True: by the wall clock; False: as fast as the clients keep up.
    step_s : float
        Time between two base reports, 0.02 to 0.1.
    start : RobotPose, optional
        Where the robot truly starts; by default at the right end of the first face, in its aisle.
    started_ns : int, optional
        Virtual time at the start, ns UTC.
    base_listen : str
        ``host:port`` of the base.

    Attributes
    ----------
    base : Base
        The base's true state.
    server : BaseServer
    sources : dict of str to WorldSource
        By reader name.
    steps : int
        Steps done.
    ended : asyncio.Event
        Set when no more time passes.
    """

    def __init__(
        self,
        library: Library,
        mounts: tuple[AntennaMount, ...] | None = None,
        seed: int = 1,
        *,
        real_time: bool = False,
        step_s: float = 0.05,
        start: RobotPose | None = None,
        started_ns: int = START_NS,
        base_listen: str = "127.0.0.1:0",
    ) -> None:
        if not 0.02 <= step_s <= 0.1:
            raise SimError(
                f"a step of {step_s} s is not within 0.02 to 0.1; a base reports 10 to 50 times a second"
            )
        self.library, self.real_time = library, real_time
        self._step_ns = round(step_s * 1e9)
        self._now_ns = time.time_ns() if real_time else started_ns
        self.base = Base(library.robot, start or _first_place(library))
        self._drift = Drift(library.robot, np.random.default_rng([seed, 3]))
        self.server = BaseServer(library.robot, base_listen)
        mounts = library.robot.mounts if mounts is None else mounts
        names = list(dict.fromkeys(mount.reader for mount in mounts))
        self.sources = {
            name: WorldSource(
                self, Radio(library, tuple(m for m in mounts if m.reader == name), seed + 7919 * n)
            )
            for n, name in enumerate(names)
        }
        self._seq = 0
        self.steps = 0
        self.ended = asyncio.Event()

    def true_time_ns(self) -> int:
        """Return true time now, ns UTC."""
        return time.time_ns() if self.real_time else self._now_ns

    async def run(self) -> None:
        """Let time pass until cancelled."""
        try:
            await (self._run_real() if self.real_time else self._run_virtual())
        finally:
            self.ended.set()
            for source in self.sources.values():
                source.end()

    async def _run_virtual(self) -> None:
        while True:
            if not self.server.connected:
                # Coast to rest first: the base stops by itself, and time stands only then.
                await self._brake()
                await self.server.wait_connected()
            await self._step_virtual()

    async def _brake(self) -> None:
        self.base.brake()
        left_ns = round(STOP_AFTER_S * 1e9)
        while left_ns > 0 and (self.base.v_mps or self.base.w_radps):
            await self._readers_kept_up()
            slices = self._hear()
            self._hand_over(slices)
            left_ns -= self._step_ns

    async def _step_virtual(self) -> None:
        self.base.command(*self.server.command)
        heard = self._hear()
        # The clients work on the slice before while this one is computed; now they must have finished it.
        await self._readers_kept_up()
        self._seq += 1
        self.server.send(self._report())
        if not await self.server.wait_answer(self._seq, _PATIENCE_S) and self.server.connected:
            log.warning("base: no answer for %g s; the client is taken for dead", _PATIENCE_S)
            self.server.drop()
        self._hand_over(heard)
        if not any(source.listening for source in self.sources.values()):
            # Nobody listens to tags: do not race through hours while a client still connects to its reader.
            await asyncio.sleep(_IDLE_S)
        else:
            # Let the emulators put the slice on the wire before the next one is computed.
            for _ in range(3):
                await asyncio.sleep(0)

    async def _run_real(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._step_ns * 1e-9
            await asyncio.sleep(max(0.0, due - loop.time()))
            if loop.time() - due > 1.0:
                due = loop.time()
            if loop.time() - self.server.heard_at > STOP_AFTER_S or not self.server.connected:
                self.base.brake()
            else:
                self.base.command(*self.server.command)
            self._hand_over(self._hear(time.time_ns()))
            self._seq += 1
            self.server.send(self._report())

    async def _readers_kept_up(self) -> None:
        for name, source in self.sources.items():
            if not await source.wait_asked(_PATIENCE_S):
                log.warning(
                    "reader %s: its client acknowledges nothing for %g s; going on", name, _PATIENCE_S
                )

    def _hear(self, until_ns: int | None = None) -> list[tuple[WorldSource, Reads, int, int]]:
        """Move the base on by one step and let every listening reader hear meanwhile."""
        t0 = self._now_ns
        t1 = t0 + self._step_ns if until_ns is None else max(until_ns, t0 + 1_000_000)
        before = self.base.pose
        after = self.base.step((t1 - t0) * 1e-9)
        self._now_ns = t1
        self.steps += 1
        return [
            (source, source.radio.read(t0, t1, before, after, source.listening), t0, t1)
            for source in self.sources.values()
            if source.listening is not None
        ]

    @staticmethod
    def _hand_over(heard: list[tuple[WorldSource, Reads, int, int]]) -> None:
        for source, reads, t0, t1 in heard:
            source.hand_over(reads, t0, t1)

    def _report(self) -> PoseReport:
        error = self._drift.step(self._step_ns * 1e-9)
        pose, robot = self.base.pose, self.library.robot
        return PoseReport(
            seq=self._seq,
            t_us=self._now_ns // 1000,
            x_m=pose.x_m + error.x_m,
            y_m=pose.y_m + error.y_m,
            yaw_rad=pose.yaw_rad + error.yaw_rad,
            v_mps=self.base.v_mps,
            w_radps=self.base.w_radps,
            sigma_xy_m=robot.sigma_xy_m,
            sigma_yaw_rad=robot.sigma_yaw_rad,
            flags=Flags.NONE,
        )


def _first_place(library: Library) -> RobotPose:
    face = library.faces()[0]
    x, y = face.to_map(np.array([face.length_m + OVERRUN_M + 0.3]), -library.robot.standoff_m)
    return RobotPose(float(x[0]), float(y[0]), heading_along(face))


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
async def serve(world: World, reader_listen: str = "127.0.0.1:0") -> AsyncGenerator[Addresses]:
    """Serve a world: its base and one LLRP reader per reader name; time passes until the block ends.

    Parameters
    ----------
    world : World
    reader_listen : str
        ``host:port`` of the first reader; further ones take free ports of that host.

    Yields
    ------
    Addresses
    """
    host = reader_listen.rpartition(":")[0]
    emulators = {
        name: LlrpEmulator(source, reader_listen if n == 0 else f"{host}:0")
        for n, (name, source) in enumerate(world.sources.items())
    }
    async with contextlib.AsyncExitStack() as stack:
        await world.server.start()
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
    world = World(library, seed=seed, real_time=real_time, base_listen=base_listen)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with serve(world, reader_listen) as addresses:
        sys.stdout.write(addresses.line() + "\n")
        sys.stdout.flush()
        waits = [asyncio.ensure_future(event.wait()) for event in (stopped, world.ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
