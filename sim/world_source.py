"""One reader's view of a world: what its emulator asks for, slice by slice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from sim.air import Listening, Reads, RobotPose, join
from sim.hf_radio import is_uid
from sim.radio import Radio
from sim.readers.source import Inventory, ReportSlice

_KEPT_SLICES: Final = 40


class WorldSource:
    """One reader's view of the world, as `sim.readers.source.ReadSource` asks for it.

    Parameters
    ----------
    radio : Radio
        With this reader's antennas.
    true_time_ns : callable
        The world's clock.
    virtual : bool
        Whether it is virtual.
    """

    def __init__(self, radio: Radio, true_time_ns: Callable[[], int], virtual: bool) -> None:
        self._now = true_time_ns
        self._virtual = virtual
        self.radio = radio
        self._tags = tuple(bytes.fromhex(epc) for epc in radio.tags)
        # HF tags are deaf to UHF.
        self._deaf = np.array([is_uid(epc) for epc in radio.tags], np.bool_)
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
        return self._virtual

    @property
    def listening(self) -> Listening | None:
        """What the client asked for; None while no inventory runs."""
        return self._listening

    def true_time_ns(self) -> int:
        """Return true time now, ns UTC."""
        return self._now()

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

    def hear(self, t0_ns: int, t1_ns: int, pose0: RobotPose, pose1: RobotPose) -> Reads:
        """Let the reader listen for one step; without a port in use it hears nothing."""
        if self._listening is None or not self._listening.ports:
            return join([], ())
        reads = self.radio.read(t0_ns, t1_ns, pose0, pose1, self._listening)
        return reads.select(~self._deaf[reads.tag]) if self._deaf.any() else reads

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
