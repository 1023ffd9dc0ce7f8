"""What one pass of a slide hears of a row of tags, as arrays and as a recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recording import AntennaMount, Poses, Readings, Recording, RunInfo, Truth
from sim.presets import CHINA_8_KHZ
from sim.propagation import Floats
from stacks.plan import Face, Floor, Plan

STOPS_M: Final = 0.02 * np.arange(1, 51, dtype=np.float64)
"""Where the antenna stood: 50 stops 2 cm apart."""

CHANNELS_KHZ: Final = np.array(CHINA_8_KHZ, np.int64)

FACE_FROM_M, FACE_LENGTH_M = -0.2, 1.4
STAND_NS, HEARD_FROM_NS, HEARD_TO_NS = 10_000_000_000, 1_000_000_000, 9_000_000_000
READS_A_CELL = 80


@dataclass(frozen=True, slots=True)
class Scan:
    """One pass of the slide along one row, or along several lines of tags one above the other.

    Attributes
    ----------
    along_m : float64[n]
        True places of the tags along the rail.
    away_m : float64[n]
        Shortest distance from the rail to each tag, as noted.
    line : int64[n]
        Which line each tag hangs in; adjacent tags are of one line.
    phase_rad, rssi_dbm : float64[n, 50, c]
        Per tag, stop and channel; the phase grows with distance. NaN where nothing was heard.
    frequency_khz : int64[c]
    """

    along_m: Floats
    away_m: Floats
    line: NDArray[np.int64]
    phase_rad: Floats
    rssi_dbm: Floats
    frequency_khz: NDArray[np.int64]

    @property
    def distance_m(self) -> Floats:
        """Distance from each stop to each tag, shape (n, 50)."""
        return np.hypot(STOPS_M[None, :] - self.along_m[:, None], self.away_m[:, None])

    @property
    def pairs(self) -> NDArray[np.int64]:
        """Adjacent tags of one line, left and right, shape (p, 2)."""
        order = np.lexsort((self.along_m, self.line))
        same = self.line[order[1:]] == self.line[order[:-1]]
        return np.stack([order[:-1][same], order[1:][same]], axis=1)

    @property
    def pitch_m(self) -> float:
        """Distance between neighbours, to the millimetre."""
        left, right = self.pairs.T
        return round(float(np.median(self.along_m[right] - self.along_m[left])), 3)


def to_recording(scan: Scan, name: str = "slide", *, one_face: bool = False) -> tuple[Recording, Plan]:
    """Return a scan as a recording with its truth, and the plan of its row: one face a line.

    Parameters
    ----------
    scan : Scan
    name : str
    one_face : bool
        All lines in one face, whose distance is that of the nearest line; the plan does not say how high tags hang.
        The farther lines' heights follow from their distances, the last line up and the others down.
    """
    n, stops, channels = scan.phase_rad.shape
    epc = np.array([f"5EED{i:020X}" for i in range(n)], object)
    tag, stop, channel = (
        a.ravel() for a in np.meshgrid(*map(np.arange, (n, stops, channels)), indexing="ij")
    )
    heard = np.isfinite(scan.phase_rad.ravel())
    tag, stop, channel = tag[heard], stop[heard], channel[heard]
    phase = np.remainder(scan.phase_rad.ravel()[heard], 2 * np.pi).astype(np.float32)
    each = (HEARD_TO_NS - HEARD_FROM_NS) // channels
    t = stop * STAND_NS + HEARD_FROM_NS + channel * each + (tag + 1) * each // (n + 1)
    readings = Readings(
        t=t.astype(np.int64),
        tag=tag.astype(np.uint32),
        tags=tuple(epc.tolist()),
        antenna=np.ones(t.size, np.uint8),
        frequency_khz=scan.frequency_khz[channel].astype(np.uint32),
        rssi_dbm=scan.rssi_dbm.ravel()[heard].astype(np.float32),
        phase_rad=np.where(phase >= np.float32(2 * np.pi), np.float32(0.0), phase),
        seen_count=np.full(t.size, READS_A_CELL, np.uint32),
    )
    still = np.arange(STOPS_M.size)[:, None] * STAND_NS + np.array([0, HEARD_TO_NS])
    poses = Poses(
        t=still.ravel().astype(np.int64),
        x_m=np.repeat(STOPS_M, 2),
        y_m=np.zeros(2 * STOPS_M.size),
        yaw_rad=np.zeros(2 * STOPS_M.size),
    )
    mount = AntennaMount(1, "slide", 1, "gen2", (0.0, 0.0, 0.0), (90.0, 0.0))
    away, height = scan.away_m, np.zeros(n)
    face_id = np.array(["rail" if one_face else f"line {line}" for line in scan.line], object)
    if one_face:
        away = np.full(n, scan.away_m.min())
        above = np.sqrt(np.maximum(scan.away_m**2 - away**2, 0.0))
        height = above * np.where(scan.line == scan.line.max(), 1.0, -1.0)
    faces = {
        str(name): Face(str(name), (FACE_FROM_M, float(out)), 0.0, 270.0, FACE_LENGTH_M, 0.0, ())
        for name, out in zip(face_id, away, strict=True)
    }
    return Recording(
        info=RunInfo(name, "simulated-slide", datetime(2026, 1, 1, tzinfo=UTC), "slide", (mount,)),
        readings=readings.sorted(),
        poses=poses,
        truth=Truth(epc=epc, x_m=scan.along_m.copy(), y_m=away.copy(), z_m=height, face=face_id),
    ), Plan("simulated-slide", 1, (Floor("1", tuple(faces.values())),))


def from_recording(recording: Recording) -> Scan:
    """Return the scan of a slide's recording: rail along x from the origin, antenna at height 0.

    Raises
    ------
    ValueError
        For a recording without truth or off the rail's stops.
    """
    truth, r = recording.truth, recording.readings
    if truth is None:
        raise ValueError(f"{recording.info.run_id}: no truth; a slide's statistics need the tags' places")
    at = recording.poses.at(r.t)
    stop = np.rint(at.x_m / 0.02).astype(np.int64) - 1
    if np.any((stop < 0) | (stop >= STOPS_M.size)) or np.any(np.abs(at.y_m) > 0.01):
        raise ValueError(f"{recording.info.run_id}: antenna off the rail's 50 stops; is this a slide?")
    order = tag_order(truth)
    row = {epc: i for i, epc in enumerate(truth.epc[order].tolist())}
    which = np.array([row.get(epc, -1) for epc in r.tags], np.int64)[r.tag]
    frequency, channel = np.unique(r.frequency_khz, return_inverse=True)
    known = which >= 0
    shape = (order.size, STOPS_M.size, frequency.size)
    phase, rssi = np.full(shape, np.nan), np.full(shape, np.nan)
    cell = which[known], stop[known], channel[known]
    phase[cell], rssi[cell] = r.phase_rad[known], r.rssi_dbm[known]
    return Scan(
        along_m=truth.x_m[order],
        away_m=np.hypot(truth.y_m, truth.z_m)[order],
        line=_lines(truth, order),
        phase_rad=phase,
        rssi_dbm=rssi,
        frequency_khz=frequency.astype(np.int64),
    )


def tag_order(truth: Truth) -> NDArray[np.int64]:
    """Return the rows of a truth in the order of a scan's tags: by height, depth, place along the rail, and EPC."""
    name = np.unique(truth.epc.astype(str), return_inverse=True)[1]
    return np.lexsort((name, truth.x_m, truth.y_m, truth.z_m))


def _lines(truth: Truth, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each tag's line: by face where the truth names one, else by place; no line holds two at one place."""
    if truth.face is not None:
        return np.unique(truth.face[order].astype(str), return_inverse=True)[1].astype(np.int64)
    places = np.round(np.stack([truth.z_m, truth.y_m, truth.x_m], axis=1)[order], 4)
    # Lines as far above the antenna as below have one distance from the rail: a survey of distances names them alike.
    same = np.all(places[1:] == places[:-1], axis=1)
    twin = np.zeros(order.size, np.int64)
    for i in range(1, order.size):
        twin[i] = twin[i - 1] + 1 if same[i - 1] else 0
    key = np.column_stack([places[:, :2], twin])
    return np.unique(key, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
