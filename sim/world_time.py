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
import logging
import math
import time
from typing import Final

import numpy as np

from recording import AntennaMount
from robot.base_link import STOP_AFTER_S, Flags, PoseReport
from sim.air import Reads, RobotPose
from sim.base_server import BaseServer
from sim.errors import SimError
from sim.gen2 import inventory
from sim.hf_presets import HfParameters
from sim.hf_radio import HfRadio
from sim.model import Library
from sim.motion import Base, Drift
from sim.radio import Radio
from sim.record import OVERRUN_M, START_NS, heading_along
from sim.world_hf import HfSource
from sim.world_source import WorldSource

log = logging.getLogger("nightstack.sim.world")

_PATIENCE_S: Final = 20.0
_IDLE_S: Final = 0.002


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
    hf : HfParameters, optional
        Of the field of mounts whose air is ``iso15693``.

    Attributes
    ----------
    base : Base
        The base's true state.
    server : BaseServer
    sources : dict of str to WorldSource or HfSource
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
        hf: HfParameters | None = None,
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
        self.server = BaseServer(library.robot)
        mounts = library.robot.mounts if mounts is None else mounts
        self.sources = self._make_sources(mounts, seed, hf or HfParameters())
        uhf = tuple(mount for mount in mounts if mount.air == "gen2")
        uhf = tuple(mount for mount in uhf if mount.reader == uhf[0].reader)
        if uhf and not inventory.signatures:
            # Kernels are compiled at their first use; a client that waits must not take that for a dead reader.
            here = self.base.pose
            Radio(library, uhf).read(started_ns, started_ns + self._step_ns, here, here)
        self._seq = 0
        self.steps = 0
        self.ended = asyncio.Event()

    def _make_sources(
        self, mounts: tuple[AntennaMount, ...], seed: int, hf: HfParameters
    ) -> dict[str, WorldSource | HfSource]:
        made: dict[str, WorldSource | HfSource] = {}
        near = tuple(mount for mount in mounts if mount.air == "iso15693")
        field = HfRadio(self.library, hf, near) if near else None
        for n, name in enumerate(dict.fromkeys(mount.reader for mount in mounts)):
            own = tuple(mount for mount in mounts if mount.reader == name)
            seeded, virtual = seed + 7919 * n, not self.real_time
            if len({mount.air for mount in own}) > 1:
                raise SimError(
                    f"reader {name} has antennas of two airs; give HF and UHF antennas readers of their own"
                )
            if field is not None and own[0].air == "iso15693":
                made[name] = HfSource(field, own, seeded, self.true_time_ns, virtual)
            else:
                made[name] = WorldSource(Radio(self.library, own, seeded), self.true_time_ns, virtual)
        return made

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

    def _hear(self, until_ns: int | None = None) -> list[tuple[WorldSource | HfSource, Reads, int, int]]:
        """Move the base on by one step and let every listening reader hear meanwhile."""
        t0 = self._now_ns
        if until_ns is not None and until_ns - t0 > 1_000_000_000:
            # The machine slept or was busy: nothing moved and nobody listened meanwhile.
            t0 = until_ns - self._step_ns
        t1 = t0 + self._step_ns if until_ns is None else max(until_ns, t0 + 1_000_000)
        before = self.base.pose
        after = self.base.step((t1 - t0) * 1e-9)
        self._now_ns = t1
        self.steps += 1
        return [
            (source, source.hear(t0, t1, before, after), t0, t1)
            for source in self.sources.values()
            if source.listening is not None
        ]

    @staticmethod
    def _hand_over(heard: list[tuple[WorldSource | HfSource, Reads, int, int]]) -> None:
        for source, reads, t0, t1 in heard:
            source.hand_over(reads, t0, t1)

    def _report(self) -> PoseReport:
        error = self._drift.step(self._step_ns * 1e-9)
        pose, robot = self.base.pose, self.library.robot
        behind_m = self.base.v_mps * robot.pose_lag_s
        return PoseReport(
            seq=self._seq,
            t_us=self._now_ns // 1000,
            x_m=pose.x_m - behind_m * math.cos(pose.yaw_rad) + error.x_m,
            y_m=pose.y_m - behind_m * math.sin(pose.yaw_rad) + error.y_m,
            yaw_rad=pose.yaw_rad - self.base.w_radps * robot.pose_lag_s + error.yaw_rad,
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
