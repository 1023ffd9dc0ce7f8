"""Books with HF tags on a board that swings past one to four loop antennas, in real or virtual time.

The field falls with the cube of distance, inventories take ISO 15693's time (`sim.hf_radio.play_inventory`);
neighbours do not detune each other here. Memories follow ISO 28560-3; every tenth book is not secured.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sim.hf_presets import HfParameters, hf_preset
from sim.hf_radio import HF_KHZ, nibbles_of, play_inventory
from sim.readers.hf_tags import HfTag, book_tag
from sim.readers.source import Inventory, ReportSlice

REACH_M: Final = 0.3
_AWAY_M, _APART_M, _PITCH_M = 0.10, 0.35, 0.025
_OWNER: Final = "DK-718500"


class HfSmallWorld:
    """Tags 25 mm apart on a board that swings to and fro before loops 0.35 m apart.

    Parameters
    ----------
    seed
        Of UIDs and answers.
    tags
        How many.
    antennas
        1 to 4.
    parameters
        Thresholds, losses and the host's share of time; None: a quick host.
    virtual
        True: time advances by each inventory, without waiting.
    t0_ns
        True time of the beginning, ns UTC; None: now.
    swing_s
        How long the board takes to and fro; 0: it stands.
    swing_m
        How far it swings to each side.
    cover
        True: the tags stand from the first loop to the last, further apart than 25 mm where they are few.

    Attributes
    ----------
    inventory
        What was asked last; None while no inventory runs.
    produced
        Every slice handed over, when `keep` is set.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        tags: int = 40,
        antennas: int = 4,
        parameters: HfParameters | None = None,
        virtual: bool = False,
        t0_ns: int | None = None,
        swing_s: float = 20.0,
        swing_m: float = 0.6,
        cover: bool = False,
    ) -> None:
        self._rng = np.random.default_rng([seed, 0x15693])
        self.parameters = parameters or replace(hf_preset("easy"), host_s=0.005)
        self.ports = tuple(range(1, antennas + 1))
        self.frequencies_khz = (HF_KHZ,)
        self.region: Literal["FCC", "ETSI", "CN"] = "CN"
        self.virtual = virtual
        self.uids = tuple(bytes.fromhex("E00401") + self._rng.bytes(5) for _ in range(tags))
        self.tags = {
            uid: book_tag(uid, f"{1_000_000_000 + 7919 * seed + n}", _OWNER, secured=n % 10 != 9)
            for n, uid in enumerate(self.uids)
        }
        self.inventory: Inventory | None = None
        self.keep = False
        self.produced: list[ReportSlice] = []
        self._nibbles = nibbles_of([uid.hex().upper() for uid in self.uids])
        self._threshold_db = self.parameters.threshold_sd_db * self._rng.standard_normal(tags)
        self._x_m = self._along_loops(tags) if cover else _PITCH_M * (np.arange(tags) - tags / 2)
        self._swing_s, self._swing_m = swing_s, swing_m
        self._t0 = time.time_ns() if t0_ns is None else t0_ns
        self._began = time.monotonic_ns()
        self._now = self._t0

    def true_time_ns(self) -> int:
        """Return true time, ns UTC."""
        return self._now if self.virtual else self._t0 + time.monotonic_ns() - self._began

    def start(self, inventory: Inventory) -> None:
        """Name the antennas that the next inventories ask by."""
        self.inventory = inventory

    def stop(self) -> None:
        """End."""
        self.inventory = None

    async def next_slice(self) -> ReportSlice | None:
        """Return one inventory by each antenna asked for; in real time once it is over."""
        asked = self.inventory
        begin = now = self.true_time_ns()
        t: list[NDArray[np.float64]] = [np.empty(0)]
        rssi: list[NDArray[np.float64]] = [np.empty(0)]
        tag: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        port: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        for number in asked.ports if asked else ():
            if number not in self.ports:
                continue
            start = self.excess_db(number, now)
            per_s = 10.0 * (self.excess_db(number, now + 100_000_000) - start)
            near = np.flatnonzero(start > -20.0)
            heard = play_inventory(self._rng, self._nibbles[near], self.parameters, start[near], per_s[near])
            t.append(now + 1e9 * heard.at_s)
            tag.append(near[heard.tag])
            port.append(np.full(len(heard.tag), number))
            rssi.append(-70.0 + np.clip(2.0 * start[near[heard.tag]], 0.0, 40.0))
            now += round(1e9 * heard.seconds)
        if self.virtual:
            self._now = max(now, begin + 1_000_000)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(max(0.001, (now - self.true_time_ns()) / 1e9))
        rows = np.concatenate(t)
        made = ReportSlice(
            t_start_ns=begin,
            t_end_ns=max(now, begin + 1),
            t_ns=rows.astype(np.int64),
            tag=np.concatenate(tag).astype(np.uint32),
            tags=self.uids,
            port=np.concatenate(port).astype(np.uint8),
            channel=np.ones(len(rows), np.uint16),
            rssi_dbm=np.concatenate(rssi).astype(np.float32),
            phase_rad=np.zeros(len(rows), np.float32),
        )
        if self.keep:
            self.produced.append(made)
        return made

    def excess_db(self, port: int, t_ns: int) -> NDArray[np.float64]:
        """Return how far an antenna's field exceeds each tag's threshold, dB, shape (tags,)."""
        swung = (
            self._swing_m * np.sin((t_ns - self._t0) * (2e-9 * np.pi / self._swing_s))
            if self._swing_s
            else 0.0
        )
        away = np.hypot(self._x_m + swung - self._loop_m(port), _AWAY_M)
        return np.asarray(60.0 * np.log10(REACH_M / away) - self._threshold_db, np.float64)

    def _loop_m(self, port: int) -> float:
        return _APART_M * (port - (len(self.ports) + 1) / 2)

    def _along_loops(self, tags: int) -> NDArray[np.float64]:
        """Return places from the first loop to the last; of fewer tags than loops, one before each of the first."""
        loops = np.array([self._loop_m(port) for port in self.ports])
        if tags <= len(loops):
            return loops[:tags]
        half = max(loops[-1], _PITCH_M * (tags - 1) / 2)
        return np.linspace(-half, half, tags)

    # Memories

    def tag(self, uid: bytes) -> HfTag | None:
        """Return a tag."""
        return self.tags.get(uid)

    def in_field(self, port: int) -> tuple[bytes, ...]:
        """Return the UIDs of the tags that an antenna powers now."""
        strong = np.flatnonzero(self.excess_db(port, self.true_time_ns()) > 0.0)
        return tuple(self.uids[k] for k in strong.tolist())

    def occupy(self, seconds: float) -> None:
        """Let virtual time pass while the reader does something else."""
        if self.virtual:
            self._now += round(1e9 * seconds)
