"""A board of tags drifting past one reader's antennas: enough of a world to try a reader client on, in real time.

Free-space two-way phase and path loss, a Gen2-limited rate shared by the tags in reach, hopping, and noise that grows
as the signal falls. The library simulation has the radio worth localizing in; here only the bytes matter.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.readers.source import Inventory, ReportSlice

_LIGHT_MM_KHZ = 299_792_458.0  # speed of light in mm * kHz

Region = Literal["FCC", "ETSI", "CN"]

CHANNELS_KHZ: dict[Region, tuple[int, ...]] = {
    "FCC": tuple(902_750 + 500 * n for n in range(50)),
    "ETSI": (865_700, 866_300, 866_900, 867_500),
    "CN": tuple(920_625 + 250 * n for n in range(16)),
}
"""Channel centres: FCC part 15.247, ETSI EN 302 208, China 920-925 MHz."""

_SLOT_NS = 10_000

_DWELL_NS = {"FCC": 200_000_000, "ETSI": 4_000_000_000, "CN": 2_000_000_000}


class SmallWorld:
    """Tags 25 mm apart on a board that swings to and fro before four antennas.

    Parameters
    ----------
    seed
        Of EPCs, offsets, hop order and noise.
    tags
        How many.
    region
        Which channels.
    virtual
        True: time advances by `slice_s` with every slice, without waiting.
    slice_s
        Length of a slice, s.
    reads_per_s
        What the air interface yields in all.
    t0_ns
        True time of the beginning, ns UTC; None: now.
    last_ns
        Length of the world in virtual time, ns; None: it does not end.
    antennas
        How many, 0.15 m apart.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        tags: int = 50,
        region: Region = "CN",
        virtual: bool = False,
        slice_s: float = 0.05,
        reads_per_s: float = 220.0,
        t0_ns: int | None = None,
        last_ns: int | None = None,
        antennas: int = 4,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self.region: Region = region
        self.frequencies_khz = CHANNELS_KHZ[region]
        self.ports = tuple(range(1, antennas + 1))
        self.virtual = virtual
        self.tags = tuple(
            bytes.fromhex(f"E2801170{seed & 0xFFFF:04X}") + self._rng.bytes(6) for _ in range(tags)
        )
        self.inventory: Inventory | None = None
        self.produced: list[ReportSlice] = []
        """Every slice handed over, when `keep` is set."""
        self.keep = False
        self._offset_rad = self._rng.uniform(
            0, 2 * np.pi, (antennas + 1, len(self.frequencies_khz) + 1, tags)
        )
        self._x_m = 0.025 * (np.arange(tags) - tags / 2)
        self._slice_ns = round(slice_s * 1e9)
        self._rate = reads_per_s
        self._t0 = time.time_ns() if t0_ns is None else t0_ns
        self._began = time.monotonic_ns()
        self._now = self._t0
        self._last = None if last_ns is None else self._t0 + last_ns

    def true_time_ns(self) -> int:
        """Return true time, ns UTC."""
        return self._now if self.virtual else self._t0 + time.monotonic_ns() - self._began

    def start(self, inventory: Inventory) -> None:
        """Begin an inventory; in real time what went by before is not heard."""
        self.inventory = inventory
        if not self.virtual:
            self._now = self.true_time_ns()

    def stop(self) -> None:
        """End the inventory."""
        self.inventory = None

    async def next_slice(self) -> ReportSlice | None:
        """Return the next slice; in real time once it has passed."""
        start, end = self._now, self._now + self._slice_ns
        if self._last is not None and start >= self._last:
            return None
        await asyncio.sleep(0 if self.virtual else max(0.0, (end - self.true_time_ns()) / 1e9))
        self._now = end
        heard = self._hear(start, end)
        if self.keep:
            self.produced.append(heard)
        return heard

    def position_m(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how far the board has swung along the wall at true times, m."""
        return 0.6 * np.sin((t_ns - self._t0) * (2 * np.pi / 20e9))

    def distance_m(
        self, t_ns: NDArray[np.int64], tag: NDArray[np.uint32], port: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Return the distance between tags and antennas at true times, m."""
        along = self._x_m[tag] + self.position_m(t_ns) - 0.15 * (port.astype(np.float64) - 2.5)
        return np.hypot(along, 0.4)

    def _hear(self, start: int, end: int) -> ReportSlice:
        asked = self.inventory
        n = (
            0
            if asked is None or not asked.ports
            else int(self._rng.poisson(self._rate * (end - start) / 1e9))
        )
        # No two reads at one time: the air interface carries one tag at a time.
        slots = (end - start) // _SLOT_NS
        n = min(n, slots)
        t = start + _SLOT_NS * np.sort(self._rng.choice(slots, n, replace=False)).astype(np.int64)
        tag = self._rng.integers(0, len(self.tags), n).astype(np.uint32)
        # The reader dwells on one antenna at a time and on one channel at a time.
        ports = np.array(asked.ports if asked and asked.ports else (1,), np.uint8)
        power = np.array(asked.power_dbm if asked and asked.ports else (0.0,))
        which = ((t // 100_000_000) % len(ports)).astype(np.int64)
        port = ports[which]
        allowed = np.array(
            asked.channels if asked and asked.channels else range(1, len(self.frequencies_khz) + 1)
        )
        hop = (t // _DWELL_NS[self.region]).astype(np.uint64) * np.uint64(11400714819323198485)
        channel = allowed[(hop >> np.uint64(40)) % np.uint64(len(allowed))].astype(np.uint16)
        d = self.distance_m(t, tag, port)
        wavelength_m = _LIGHT_MM_KHZ / np.array(self.frequencies_khz)[channel.astype(np.int64) - 1] / 1000
        # Two-way free-space loss, 6 dBi antennas, a pattern that falls off sideways, and 36 dB for backscatter and tag.
        rssi = (
            power[which]
            + 2 * (6 + 20 * np.log10(wavelength_m / (4 * np.pi * d)))
            - 36
            + 40 * np.log10(0.4 / d)
        )
        heard = rssi > -84.0
        sigma = 0.05 + 0.3 * np.clip((-50 - rssi) / 35, 0, 1) ** 2
        phase = (
            4 * np.pi * d / wavelength_m
            + self._offset_rad[port, channel, tag]
            + sigma * self._rng.normal(size=n)
        )
        return ReportSlice(
            start,
            end,
            t[heard],
            tag[heard],
            self.tags,
            port[heard],
            channel[heard],
            (rssi + self._rng.normal(0, 0.4, n)).astype(np.float32)[heard],
            phase.astype(np.float32)[heard],
            self._rng.normal(0, 3, n).astype(np.float32)[heard],
        )
