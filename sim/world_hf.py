"""One HF reader's view of a world: inventories polled while the robot moves, and the memories of the tags it passes.

An inventory lasts longer than a step of the world, so it is played when it begins, with the field as it is then and as
it changes meanwhile, and handed over at the end of the step in which it ends. The client asks again at the next step's
begin, as if it had waited for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from recording import AntennaMount
from sim.air import Reads, RobotPose, join
from sim.hf_radio import HF_KHZ, NOT_POWERED_DB, HfRadio
from sim.hf_radio import Inventory as Played
from sim.readers.hf_tags import HfTag, book_tag
from sim.readers.source import Inventory, ReportSlice

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OWNER: Final = "DK-718500"
"""Whose items the books are, by their memories (an ISIL of the standard's examples)."""

_LOWEST_DBM: Final = -70.0
_STRONGEST_DB: Final = 40.0


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """An inventory that has begun."""

    begin_ns: int
    end_ns: int
    port: int
    played: Played
    strength_db: Floats


class HfSource:
    """One HF reader's view, as `sim.readers.hf_source.HfReadSource` has it, and as `sim.world_time.World` asks for it.

    Parameters
    ----------
    radio : HfRadio
        Of all HF antennas of the robot.
    mounts : tuple of AntennaMount
        This reader's.
    seed : int
        Of the answers.
    true_time_ns : callable
        The world's clock.
    virtual : bool
        Whether it is virtual.
    """

    frequencies_khz = (HF_KHZ,)

    def __init__(
        self,
        radio: HfRadio,
        mounts: tuple[AntennaMount, ...],
        seed: int,
        true_time_ns: Callable[[], int],
        virtual: bool,
    ) -> None:
        self.radio = radio
        self._mounts = {mount.port: mount for mount in mounts}
        self._rng = np.random.default_rng([seed, 0x15693])
        self._now = true_time_ns
        self._virtual = virtual
        self._uids = tuple(bytes.fromhex(epc) for epc in radio.library.tags.epc)
        self._row = {uid: n for n, uid in enumerate(self._uids)}
        self._chips: dict[bytes, HfTag] = {}
        self._books = {h.epc: h for h in radio.library.holdings if h.epc}
        self._listening: Inventory | None = None
        self._slices: deque[ReportSlice] = deque()
        self._filled, self._asked = asyncio.Event(), asyncio.Event()
        self._ended = self._stalled = False
        self._step: tuple[RobotPose, RobotPose] | None = None
        self._under_way: _UnderWay | None = None
        self._turn = 0
        self._owed_ns = 0
        self._seen: dict[int, tuple[RobotPose, Ints, Floats]] = {}
        self.reads = 0

    # What an emulator asks for

    @property
    def ports(self) -> tuple[int, ...]:
        """Antenna ports that have an antenna."""
        return tuple(self._mounts)

    @property
    def region(self) -> Literal["FCC", "ETSI", "CN"]:
        """Without meaning for HF."""
        return "CN"

    @property
    def virtual(self) -> bool:
        """Whether time is virtual."""
        return self._virtual

    def true_time_ns(self) -> int:
        """Return true time now, ns UTC."""
        return self._now()

    def start(self, inventory: Inventory) -> None:
        """Name the antennas that the next inventory asks by; one that is under way is given up."""
        self._listening = inventory
        self._under_way = None
        self._slices.clear()
        self._asked.clear()

    def stop(self) -> None:
        """End; the world waits for this reader no longer."""
        self._listening, self._under_way = None, None
        self._asked.set()

    async def next_slice(self) -> ReportSlice | None:
        """Return the next inventory, once the world has got so far; None when the world has ended."""
        self._asked.set()
        while not self._slices:
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()
        self._asked.clear()
        return self._slices.popleft()

    def tag(self, uid: bytes) -> HfTag | None:
        """Return a tag's chip: books by their barcode, secured unless they are on loan."""
        row = self._row.get(uid)
        if row is None or not self.radio.hf[row]:
            return None
        if uid not in self._chips:
            book = self._books.get(uid.hex().upper())
            item = f"{row:010d}" if book is None else book.barcode
            self._chips[uid] = book_tag(uid, item, OWNER, secured=book is None or book.status != "loaned")
        return self._chips[uid]

    def in_field(self, port: int) -> tuple[bytes, ...]:
        """Return the UIDs of the tags that an antenna powers where the robot was last."""
        if self._step is None or port not in self._mounts:
            return ()
        tags, excess = self._excess(port, self._step[1])
        return tuple(self._uids[k] for k in tags[excess > 0.0].tolist())

    def occupy(self, seconds: float) -> None:
        """Let the next inventory begin so much later."""
        self._owed_ns += round(1e9 * seconds)

    # What the world asks for

    @property
    def listening(self) -> Inventory | None:
        """What the client asked for; None while it polls nothing."""
        return self._listening

    def hear(self, t0_ns: int, t1_ns: int, pose0: RobotPose, pose1: RobotPose) -> Reads:  # noqa: ARG002
        """Note how the robot moved; the client may still be about to ask (`hand_over`)."""
        self._step = pose0, pose1
        return join([], ())

    async def wait_asked(self, patience_s: float) -> bool:
        """Wait until the client has asked again, or an inventory is under way; False when that takes too long."""
        if self._asked.is_set() or self._under_way is not None:
            self._stalled = False
            return True
        if self._listening is None or self._stalled:
            return True
        try:
            await asyncio.wait_for(self._asked.wait(), patience_s)
        except TimeoutError:
            # Once is enough: a client that hangs holds the world up no more until it asks again.
            self._stalled = True
            return False
        return True

    def hand_over(self, reads: Reads, t0_ns: int, t1_ns: int) -> None:  # noqa: ARG002 (nothing was heard before)
        """Play what the reader does in a step: begin an inventory that was asked for, and answer one that has ended."""
        if self._listening is None or self._step is None:
            return
        if self._under_way is None:
            if not self._asked.is_set() or self._slices:
                return
            if self._owed_ns >= t1_ns - t0_ns:
                self._owed_ns -= t1_ns - t0_ns
                return
            self._under_way = self._begin(t0_ns + self._owed_ns, (t1_ns - t0_ns) * 1e-9)
            self._owed_ns = 0
        if self._under_way.end_ns <= t1_ns:
            self._slices.append(self._finish(self._under_way))
            self._under_way = None
            self._filled.set()

    def end(self) -> None:
        """Say that no slice will come any more."""
        self._ended = True
        self._filled.set()

    def _begin(self, begin_ns: int, step_s: float) -> _UnderWay:
        assert self._listening is not None and self._step is not None
        ports = [port for port in self._listening.ports if port in self._mounts]
        if not ports:
            # A port without an antenna takes an empty inventory's time.
            nothing = Played(np.empty(0), np.empty(0, np.int64), 0.02)
            return _UnderWay(begin_ns, begin_ns + 20_000_000, 0, nothing, np.empty(0))
        port = ports[self._turn % len(ports)]
        self._turn += 1
        before, after = self._step
        tags0, excess0 = self._excess(port, before)
        tags1, excess1 = self._excess(port, after)
        tags, first, second = np.intersect1d(tags0, tags1, assume_unique=True, return_indices=True)
        start, end = excess0[first], excess1[second]
        near = np.minimum(start, end) > NOT_POWERED_DB
        tags, start, end = tags[near], start[near], end[near]
        played = self.radio.inventory(self._rng, tags, start, (end - start) / step_s)
        strength = 2.0 * start[np.searchsorted(tags, played.tag)]
        return _UnderWay(begin_ns, begin_ns + round(1e9 * played.seconds), port, played, strength)

    def _finish(self, done: _UnderWay) -> ReportSlice:
        n = len(done.played.tag)
        self.reads += n
        tag, number = np.unique(done.played.tag, return_inverse=True)
        return ReportSlice(
            t_start_ns=done.begin_ns,
            t_end_ns=done.end_ns,
            t_ns=done.begin_ns + np.round(1e9 * done.played.at_s).astype(np.int64),
            tag=number.astype(np.uint32),
            tags=tuple(self._uids[k] for k in tag.tolist()),
            port=np.full(n, done.port, np.uint8),
            channel=np.ones(n, np.uint16),
            rssi_dbm=(_LOWEST_DBM + np.clip(done.strength_db, 0.0, _STRONGEST_DB)).astype(np.float32),
            phase_rad=np.zeros(n, np.float32),
        )

    def _excess(self, port: int, pose: RobotPose) -> tuple[Ints, Floats]:
        """Return the HF tags near an antenna and the excess field in each; a place asked twice is reckoned once."""
        known = self._seen.get(port)
        if known is None or known[0] != pose:
            tags, excess = self.radio.excess_db(self._mounts[port], pose)
            order = np.argsort(tags)
            known = (pose, tags[order], excess[order])
            self._seen[port] = known
        return known[1], known[2]
