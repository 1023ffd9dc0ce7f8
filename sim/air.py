"""What goes into a slice of the radio and what comes out: poses, the reader's settings, reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.propagation import Floats, Ints


@dataclass(frozen=True, slots=True)
class RobotPose:
    """Where the robot's base truly is.

    Attributes
    ----------
    x_m, y_m, yaw_rad : float
        Map frame.
    mast_z_m : float
        Added to every mount's height.
    floor : int
        Index of the floor in the plan.
    """

    x_m: float
    y_m: float
    yaw_rad: float
    mast_z_m: float = 0.0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Listening:
    """What the reader is set to.

    Attributes
    ----------
    ports : tuple of int
        In the order of the cycle; empty: all.
    power_dbm : tuple of float
        One per port; empty: the mounts' own.
    session : int
        Gen2 session, 0..3.
    search : {"dual", "single", "focus"}
    rf_mode : int
        Impinj's number of the mode.
    channels : tuple of int
        1-based indices into the radio's frequencies; empty: hop over all.
    """

    ports: tuple[int, ...] = ()
    power_dbm: tuple[float, ...] = ()
    session: int = 2
    search: Literal["dual", "single", "focus"] = "dual"
    rf_mode: int = 1000
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reads:
    """Exact reads of a span, in order of time.

    Attributes
    ----------
    t_ns : int64[n]
    tag : int32[n]
        Index into the radio's tags.
    port : uint8[n]
    channel : uint16[n]
        1-based index into the radio's frequencies.
    rssi_dbm, phase_rad : float64[n]
        Not quantised, the phase not wrapped and growing with distance.
    heard : tuple of (t_start_ns, t_end_ns, port, power_dbm)
        When each port listened.
    """

    t_ns: NDArray[np.int64]
    tag: Ints
    port: NDArray[np.uint8]
    channel: NDArray[np.uint16]
    rssi_dbm: Floats
    phase_rad: Floats
    heard: tuple[tuple[int, int, int, float], ...]

    def __len__(self) -> int:
        return len(self.t_ns)

    def select(self, rows: NDArray[np.bool_]) -> Reads:
        """Return some of the reads."""
        return Reads(
            self.t_ns[rows], self.tag[rows], self.port[rows], self.channel[rows], self.rssi_dbm[rows],
            self.phase_rad[rows], self.heard,
        )  # fmt: skip


def between(a: RobotPose, b: RobotPose, share: float) -> RobotPose:
    """Return the pose a share of the straight way from ``a`` to ``b``."""
    turn = math.remainder(b.yaw_rad - a.yaw_rad, 2 * math.pi)
    return RobotPose(
        a.x_m + share * (b.x_m - a.x_m),
        a.y_m + share * (b.y_m - a.y_m),
        a.yaw_rad + share * turn,
        a.mast_z_m + share * (b.mast_z_m - a.mast_z_m),
        a.floor,
    )


def join(
    pieces: list[tuple[NDArray[np.int64], Ints, int, int, Floats, Floats]],
    heard: tuple[tuple[int, int, int, float], ...],
) -> Reads:
    """Put pieces (times, tags, port, channel, RSSI, phase) together."""
    if not pieces:
        none = np.empty(0)
        return Reads(
            np.empty(0, np.int64),
            np.empty(0, np.int32),
            np.empty(0, np.uint8),
            np.empty(0, np.uint16),
            none,
            none,
            heard,
        )
    sizes = [piece[0].size for piece in pieces]
    return Reads(
        np.concatenate([piece[0] for piece in pieces]),
        np.concatenate([piece[1] for piece in pieces]),
        np.repeat(np.array([piece[2] for piece in pieces], np.uint8), sizes),
        np.repeat(np.array([piece[3] for piece in pieces], np.uint16), sizes),
        np.concatenate([piece[4] for piece in pieces]),
        np.concatenate([piece[5] for piece in pieces]),
        heard,
    )
