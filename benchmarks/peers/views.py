"""What every peer method is given: each tag as the antennas saw it while they passed its face.

The papers take for granted that a scan is one straight pass along one shelf. To give their methods a fair
chance on a robot's round, each tag's true face is told to them (our own estimator is not told), and only
the readings of that face's own aisle are handed on: taken in front of it, looking at it. They are told
the depth of the tag plane where the method asks for it, and whether phases flip by pi is found here from
the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from localization.evaluate import true_faces
from localization.positions import Positions
from recording import Recording
from stacks.plan import Face, Plan

Floats = npt.NDArray[np.float64]

SPEED_OF_LIGHT_MPS = 299_792_458.0
IN_FRONT_M = (0.05, 2.5)  # distance of the antenna from the tag plane
# Along the face from where the tag was heard best: the main lobe. On the measured robot the peers do best with it
# (`python -m benchmarks cut`), so that they are held against us at their strongest.
BESIDE_M = 0.7
ONE_SERIES = "one_series"  # key of run.json: cables taken off, so that an antenna's phases share one constant
FACING_DEG = 60.0  # between boresight and the way into the face
PASS_JUMP_M, PASS_GAP_NS = 0.5, 30_000_000_000  # between two readings of one tag: another pass
STILL_M = 0.021  # an antenna that moved less saw its phase change by less than 0.9 rad at 0.33 m wavelength
FLIP_SHARE = 0.1  # of steps over a quarter turn while still; above it phases flip by pi


@dataclass(frozen=True, slots=True)
class View:
    """One tag, seen from its aisle; arrays of shape (n,), in order of time.

    Attributes
    ----------
    epc : str
    face : Face
    along_m, away_m, height_m : float64 array
        The antenna: along the face from its origin, in front of the tag plane, above the floor.
    phase_rad : float64 array
        As the reader gave it, doubled where phases flip by pi.
    wavenumber : float64 array
        Radians of ``phase_rad`` per metre of distance: 4 pi / wavelength, doubled likewise.
    rssi_dbm : float64 array
    series : int64 array
        Numbers the (pass, antenna, channel) triples from 0; each has an unknown phase offset of its own.
    readings, antennas : int
        Of the whole run.
    rows : int64 array
        Which readings of the recording these are; empty where they are of none.
    """

    epc: str
    face: Face
    along_m: Floats
    away_m: Floats
    height_m: Floats
    phase_rad: Floats
    wavenumber: Floats
    rssi_dbm: Floats
    series: npt.NDArray[np.int64]
    readings: int
    antennas: int
    rows: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.along_m)

    def each_series(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the indices of each (pass, antenna, channel)."""
        order = np.argsort(self.series, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(self.series[order])) + 1)

    def heights_m(self) -> Floats:
        """Return the heights at which the tag may stand: the shelves' range, or a rack's.

        Antennas of one height over a face without shelves tell nothing of the height; the tag is then taken
        to be at theirs, as on a bench.
        """
        if self.face.shelves:
            low = min(shelf.board_z_m for shelf in self.face.shelves)
            high = max(shelf.board_z_m + (shelf.clear_m or 0.3) for shelf in self.face.shelves)
            return np.arange(low, high + 0.05, 0.1)
        if np.ptp(self.height_m) < 0.01:
            return self.height_m[:1].copy()
        return np.arange(0.2, 2.05, 0.1)

    def offsets_m(self, step_m: float) -> Floats:
        """Return the places along the face within a metre of where the tag was heard best."""
        centre = centroid(self)
        return np.arange(max(0.0, centre - 1.0), min(self.face.length_m, centre + 1.0) + step_m / 2, step_m)


def centroid(view: View) -> float:
    """Return the mean antenna place weighted by received power, metres along the face."""
    return weighted_place(view.along_m, view.rssi_dbm, view.face)


def weighted_place(along_m: Floats, rssi_dbm: npt.NDArray[np.floating], face: Face) -> float:
    """Return the mean of places along the face, weighted by received power and kept inside the face."""
    power = 10.0 ** ((rssi_dbm.astype(np.float64) - rssi_dbm.max()) / 10.0)
    return float(np.clip(np.sum(power * along_m) / np.sum(power), 0.0, face.length_m))


def phase_flips(recording: Recording) -> npt.NDArray[np.bool_]:
    """Tell for each mount id (shape (256,)) whether its phases flip by pi at random.

    A mount that says so is believed. Else successive phases of one tag on one antenna and channel between
    which the antenna hardly moved are compared: a step over a quarter turn is a flip.
    """
    r = recording.readings
    at = recording.poses.at(r.t)
    flips = np.zeros(256, np.bool_)
    for mount in recording.info.antennas:
        if mount.phase_ambiguity != "unknown":
            flips[mount.id] = mount.phase_ambiguity == "pi"
            continue
        rows = np.flatnonzero((r.antenna == mount.id) & np.isfinite(r.phase_rad))
        rows = rows[np.lexsort((r.t[rows], r.frequency_khz[rows], r.tag[rows]))]
        a, b = rows[:-1], rows[1:]
        still = np.hypot(at.x_m[b] - at.x_m[a], at.y_m[b] - at.y_m[a]) < STILL_M
        still &= (r.tag[a] == r.tag[b]) & (r.frequency_khz[a] == r.frequency_khz[b])
        step = (r.phase_rad[b] - r.phase_rad[a])[still].astype(np.float64)
        far = np.abs((step + np.pi) % (2 * np.pi) - np.pi) > np.pi / 2
        flips[mount.id] = bool(len(far)) and float(far.mean()) > FLIP_SHARE
    return flips


def views(recording: Recording, plan: Plan, *, minimum: int = 5, beside_m: float | None = None) -> list[View]:
    """Return every surveyed tag that its own aisle heard at least ``minimum`` times with phase.

    Readings count within ``beside_m`` (``BESIDE_M``) along the face of where the tag was heard best. In a recording
    whose run says ``ONE_SERIES``, all phases of an antenna share one constant: channels and passes make one series,
    in order of place instead of time.
    """
    if recording.truth is None:
        raise ValueError(
            f"{recording.info.run_id}: no truth, and the peer methods must be told each tag's face"
        )
    faces = dict(zip(recording.truth.epc.tolist(), true_faces(recording.truth, plan).tolist(), strict=True))
    r = recording.readings
    at = recording.poses.at(r.t)
    x, y, z, look = np.zeros(len(r)), np.zeros(len(r)), np.zeros(len(r)), np.zeros(len(r))
    for mount in recording.info.antennas:
        rows = r.antenna == mount.id
        forward, left, up = mount.position_m
        yaw = at.yaw_rad[rows]
        x[rows] = at.x_m[rows] + forward * np.cos(yaw) - left * np.sin(yaw)
        y[rows] = at.y_m[rows] + forward * np.sin(yaw) + left * np.cos(yaw)
        z[rows] = up + (0.0 if at.mast_z_m is None else at.mast_z_m[rows])
        look[rows] = yaw + np.deg2rad(mount.boresight_deg[0])
    double = np.where(phase_flips(recording)[r.antenna], 2.0, 1.0)
    wavenumber = double * 4 * np.pi * r.frequency_khz * 1e3 / SPEED_OF_LIGHT_MPS
    phase = double * r.phase_rad.astype(np.float64)
    joined = bool(recording.info.extra.get(ONE_SERIES))
    channel = np.zeros_like(r.frequency_khz) if joined else r.frequency_khz
    _, series = np.unique(r.antenna.astype(np.int64) << 32 | channel, return_inverse=True)

    order = np.lexsort((r.t, r.tag))
    bounds = np.searchsorted(r.tag[order], np.arange(len(r.tags) + 1))
    found: list[View] = []
    for tag, epc in enumerate(r.tags):
        if epc not in faces:
            continue
        face = plan.face(faces[epc])
        mine = order[bounds[tag] : bounds[tag + 1]]
        along, depth = face.to_face(x[mine], y[mine])
        away = face.tag_depth_m - depth
        facing = np.cos(look[mine] - np.deg2rad(face.normal_deg + 180.0)) > np.cos(np.deg2rad(FACING_DEG))
        keep = facing & np.isfinite(phase[mine]) & (away > IN_FRONT_M[0]) & (away < IN_FRONT_M[1])
        if np.count_nonzero(keep) < minimum:
            continue
        best = weighted_place(along[keep], r.rssi_dbm[mine][keep], face)
        keep &= np.abs(along - best) < (BESIDE_M if beside_m is None else beside_m)
        if joined:
            by_place = np.argsort(along, kind="stable")
            mine, along, away, keep = mine[by_place], along[by_place], away[by_place], keep[by_place]
        rows = mine[keep]
        if len(rows) < minimum:
            continue
        new_pass = (np.abs(np.diff(along[keep])) > PASS_JUMP_M) | (np.diff(r.t[rows]) > PASS_GAP_NS)
        passes = np.concatenate([[0], np.cumsum(new_pass & (not joined))])
        _, number = np.unique(passes * (series.max() + 1) + series[rows], return_inverse=True)
        found.append(
            View(
                epc, face, along[keep], away[keep], z[rows], phase[rows], wavenumber[rows],
                r.rssi_dbm[rows].astype(np.float64), number, len(mine), len(np.unique(r.antenna[mine])),
                rows,
            )
        )  # fmt: skip
    return found


def to_positions(
    seen: list[View],
    offset_m: list[float],
    height_m: list[float] | None = None,
    depth_m: list[float] | None = None,
) -> Positions:
    """Return positions of the views from places along their faces; NaN where the method gives none.

    ``depth_m`` is counted from the plan's tag plane into the face.
    """
    n = len(seen)
    offset = np.array(offset_m, np.float64)
    z = np.full(n, np.nan) if height_m is None else np.array(height_m, np.float64)
    depth = np.zeros(n) if depth_m is None else np.array(depth_m, np.float64)
    out = Positions.empty(n)
    for row, view in enumerate(seen):
        place = view.face.to_map(offset[row : row + 1], depth[row : row + 1] + view.face.tag_depth_m)
        out.epc[row], out.face_id[row] = view.epc, view.face.id
        out.x_m[row], out.y_m[row] = place[0][0], place[1][0]
        out.readings[row], out.antennas[row] = view.readings, view.antennas
    out.z_m[:], out.offset_m[:] = z, offset
    return out
