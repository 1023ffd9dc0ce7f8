"""What an emulated reader hears: the border between the simulated radio and a reader emulator.

The emulator knows protocols, clocks and quantisation and nothing of books; the source knows the radio and nothing of
protocols. A source hands over slices of reads in true time, with exact values; the emulator makes of them what a reader
would report.

The rhythm is pull: the emulator calls `ReadSource.start` when a client has started an inventory, then `next_slice`
again and again, and `stop` when the inventory ends or the client is gone. A second call of `next_slice` says that the
slice before has been delivered: in virtual time that every report of it has been acknowledged by the client (the
keepalive barrier), or, where a protocol has no answer to reports, that the client has read them (`sim.readers.taken`).

In real time `next_slice` returns when the slice's time has passed. In virtual time it returns as soon as the world has
computed the slice; the client's own clock must by then have reached `ReportSlice.t_end_ns` (a world that also plays
the robot base sends the base report of `t_end_ns` and awaits its answer before it hands over the slice), because a
driver maps the reader's clock to its own by the least delay between a read and its arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Search = Literal["dual", "single", "focus"]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the client asked the reader to do.

    Parameters
    ----------
    ports
        Antenna ports in use, 1-based, in the order in which the reader cycles through them.
    power_dbm
        Transmit power of each of `ports`.
    session
        Gen2 session, 0..3.
    search
        `dual`: A->B and B->A, every tag answers again and again; `single`: A only, a tag falls silent for its session's
        persistence; `focus`: A only and held in B (Impinj TagFocus).
    rf_mode
        The reader's mode number (Impinj: 0 FM0, 1 Miller 2, 2 Miller 4, 3 Miller 8, 4 Miller 4 fast, 1000.. automatic).
    channels
        1-based channel indices the client fixed; empty: the reader hops over all of them.
    """

    ports: tuple[int, ...]
    power_dbm: tuple[float, ...]
    session: int = 2
    search: Search = "dual"
    rf_mode: int = 1000
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSlice:
    """All reads of a span of true time, one row a read, in order of time.

    Parameters
    ----------
    t_start_ns, t_end_ns
        The span, int64 ns UTC of true time; every read lies in it.
    t_ns : int64[n]
        True time of each read.
    tag : uint32[n]
        Index into `tags`.
    tags
        EPC bytes of the tags (any whole number of 16 bit words); may hold more than this slice's tags, and the same
        tuple object may be handed over with every slice.
    port : uint8[n]
        Antenna port, 1-based.
    channel : uint16[n]
        1-based index into `ReadSource.frequencies_khz`.
    rssi_dbm : float32[n]
        Exact RSSI; the emulator quantises it.
    phase_rad : float32[n]
        Exact phase in radians, any real number, growing with distance; the emulator wraps, quantises and signs it.
    doppler_hz : float32[n], optional
        Doppler shift as the reader would estimate it.
    """

    t_start_ns: int
    t_end_ns: int
    t_ns: NDArray[np.int64]
    tag: NDArray[np.uint32]
    tags: tuple[bytes, ...]
    port: NDArray[np.uint8]
    channel: NDArray[np.uint16]
    rssi_dbm: NDArray[np.float32]
    phase_rad: NDArray[np.float32]
    doppler_hz: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.t_ns)


class ReadSource(Protocol):
    """The radio of one reader.

    Attributes
    ----------
    ports
        Antenna ports that have an antenna, 1-based.
    frequencies_khz
        Centre frequency of each channel, in channel order; channel index i is `frequencies_khz[i - 1]`.
    region
        `FCC`, `ETSI` or `CN`; what the reader says about its regulatory region.
    virtual
        True: time is virtual, and after each slice a barrier waits for the client.
    """

    @property
    def ports(self) -> tuple[int, ...]:
        """Return the ports that have an antenna."""
        ...

    @property
    def frequencies_khz(self) -> tuple[int, ...]:
        """Return the centre of each channel, kHz."""
        ...

    @property
    def region(self) -> Literal["FCC", "ETSI", "CN"]:
        """Return the regulatory region."""
        ...

    @property
    def virtual(self) -> bool:
        """Return whether time is virtual."""
        ...

    def true_time_ns(self) -> int:
        """Return true time now, ns UTC (virtual or real); the emulator's events are stamped from it."""
        ...

    def start(self, inventory: Inventory) -> None:
        """Begin: the client started an inventory, and slices will be asked for."""
        ...

    async def next_slice(self) -> ReportSlice | None:
        """Return the next slice of reads; None: this world has ended and there will be no more."""
        ...

    def stop(self) -> None:
        """End: no more slices are asked for until `start` is called again.

        A call of `next_slice` may have been cancelled before this.
        """
        ...
