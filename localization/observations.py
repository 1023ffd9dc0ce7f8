"""Readings as observations: sorted by tag, placed in space, repeated readings of one spot put together.

An observation is what one antenna at one spot and frequency heard of one tag. A robot that stands still, or a
reader that reads fast, adds readings to an observation, not observations: the error is multipath, which a second
reading of the same spot shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.signal_model import thermal_phase_rad, wavenumber
from recording import Poses, Readings, RunInfo

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Readings of one tag, antenna and channel within this way of the robot are one observation: lambda/65 at UHF.
SPOT_M = 0.005


@dataclass(frozen=True, slots=True)
class Mounts:
    """Antenna mounts as arrays over all 256 antenna ids; unused ids are NaN.

    Attributes
    ----------
    position_m : float64 array, shape (256, 3)
        In the robot frame, phase centres corrected by the calibration.
    boresight : float64 array, shape (256, 3)
        Unit vectors in the robot frame.
    beamwidth_deg : float64 array, shape (256,)
    """

    position_m: Floats
    boresight: Floats
    beamwidth_deg: Floats

    @classmethod
    def of(cls, info: RunInfo, calibration: Calibration, beamwidth_deg: float) -> Mounts:
        """Collect the mounts of a run."""
        position = np.full((256, 3), np.nan)
        boresight = np.full((256, 3), np.nan)
        beamwidth = np.full(256, beamwidth_deg)
        for mount in info.antennas:
            position[mount.id] = mount.position_m
            position[mount.id, 0] += calibration.phase_centre_m.get(mount.id, 0.0)
            position[mount.id, 1] += calibration.phase_centre_left_m.get(mount.id, 0.0)
            yaw, pitch = np.radians(mount.boresight_deg)
            boresight[mount.id] = (np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch))
            if mount.beamwidth_deg:
                beamwidth[mount.id] = mount.beamwidth_deg
        return cls(position, boresight, beamwidth)

    def shifted(self, across_m: Floats, ahead_m: Floats) -> Mounts:
        """Return them with phase centres moved to the left of boresights and along them, horizontally; of (256,)."""
        level = self.boresight[:, :2] / np.hypot(self.boresight[:, 0], self.boresight[:, 1])[:, None]
        left = np.stack([-level[:, 1], level[:, 0]], axis=1)
        position = self.position_m.copy()
        shift = across_m[:, None] * left + ahead_m[:, None] * level
        position[:, :2] += np.where(np.isfinite(shift), shift, 0.0)
        return replace(self, position_m=position)

    def place(self, poses: Poses, antenna: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return where antennas were and where they looked, map frame: two arrays of shape (n, 3)."""
        ids = np.asarray(antenna)
        cos, sin = np.cos(poses.yaw_rad), np.sin(poses.yaw_rad)
        spot, look = self.position_m[ids], self.boresight[ids]
        where = np.stack(
            [
                poses.x_m + cos * spot[:, 0] - sin * spot[:, 1],
                poses.y_m + sin * spot[:, 0] + cos * spot[:, 1],
                spot[:, 2] if poses.mast_z_m is None else spot[:, 2] + np.nan_to_num(poses.mast_z_m),
            ],
            axis=1,
        )
        facing = np.stack(
            [cos * look[:, 0] - sin * look[:, 1], sin * look[:, 0] + cos * look[:, 1], look[:, 2]], axis=1
        )
        return where, facing


@dataclass(frozen=True, slots=True)
class Observations:
    """What was heard of the tags of one block; ``n`` observations sorted by tag, then time.

    Attributes
    ----------
    first : int64 array, shape (tags + 1,)
        Tag ``i`` of the block owns observations ``first[i]:first[i + 1]``.
    tag : int64 array, shape (tags,)
        Index into the recording's ``readings.tags``.
    t : int64 array, shape (n,)
    antenna : int64 array, shape (n,)
    position_m, look : float64 array, shape (n, 3)
        Antenna and boresight in the map frame.
    way_m : float64 array, shape (n,)
        Way the robot had driven, to tell one pass from the next.
    sigma_pose_m : float64 array, shape (n,)
        Position error of the pose; NaN where the recording states none.
    wavenumber : float64 array, shape (n,)
        Phase per metre of distance, times 2 where the reader's phase is known up to pi only.
    phase_rad : float64 array, shape (n,)
        Mean phase (times 2 likewise); NaN where there is none.
    variance : float64 array, shape (n,)
        Of ``phase_rad``, receiver noise only.
    rssi_dbm : float64 array, shape (n,)
        Mean RSSI.
    count : float64 array, shape (n,)
        Readings in the observation, by the reader's own count.
    heard : float64 array, shape (n,)
        Rows in the observation.
    doubled : bool array, shape (n,)
        The phase was taken twice.
    frequency_khz : int64 array, shape (n,)
    """

    first: Ints
    tag: Ints
    t: Ints
    antenna: Ints
    position_m: Floats
    look: Floats
    way_m: Floats
    sigma_pose_m: Floats
    wavenumber: Floats
    phase_rad: Floats
    variance: Floats
    rssi_dbm: Floats
    count: Floats
    heard: Floats
    doubled: npt.NDArray[np.bool_]
    frequency_khz: Ints

    def __len__(self) -> int:
        return len(self.t)


def driven_m(poses: Poses) -> Floats:
    """Way driven up to each pose, shape (n,)."""
    if len(poses.t) == 0:
        return np.zeros(0)
    return np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(poses.x_m), np.diff(poses.y_m)))])


def tag_blocks(readings: Readings, block_readings: int) -> Iterator[tuple[Ints, Ints]]:
    """Cut the readings into blocks of whole tags.

    Yields
    ------
    tags : int64 array, shape (tags,)
    rows : int64 array
        The readings of those tags, sorted by tag and then as they stand (by time).
    """
    order = np.argsort(readings.tag, kind="stable")
    tag = readings.tag[order].astype(np.int64)
    ends = (
        np.concatenate([np.flatnonzero(np.diff(tag)) + 1, [len(tag)]]) if len(tag) else np.zeros(0, np.int64)
    )
    start = 0
    while start < len(tag):
        stop = ends[min(np.searchsorted(ends, start + block_readings), len(ends) - 1)]
        rows = order[start:stop]
        yield np.unique(tag[start:stop]), rows
        start = int(stop)


def observe(
    readings: Readings,
    rows: Ints,
    poses: Poses,
    way_m: Floats,
    mounts: Mounts,
    doubled: npt.NDArray[np.bool_],
    delay_m: Floats,
    latency_ns: int,
) -> Observations:
    """Turn the given readings (sorted by tag) into observations.

    Parameters
    ----------
    doubled : bool array, shape (256,)
        Antennas whose phase is known up to pi only.
    delay_m : float64 array, shape (256,)
        Electrical length of each antenna's cable, taken out of the differences between channels.
    """
    t = readings.t[rows] - latency_ns
    at = poses.at(t)
    antenna = readings.antenna[rows].astype(np.int64)
    tag = readings.tag[rows].astype(np.int64)
    frequency = readings.frequency_khz[rows].astype(np.int64)
    where, look = mounts.place(at, antenna)
    way = np.interp(t, poses.t, way_m)
    factor = np.where(doubled[antenna], 2.0, 1.0)
    k = wavenumber(frequency)
    phase = readings.phase_rad[rows].astype(np.float64)
    if len(k):
        phase = phase - (k - float(np.median(k))) * delay_m[antenna]
    phase = phase * factor
    seen = np.ones(len(rows)) if readings.seen_count is None else np.maximum(readings.seen_count[rows], 1.0)
    rssi = readings.rssi_dbm[rows].astype(np.float64)

    # One observation: the same tag, antenna and channel, the antenna within SPOT_M of where it was first.
    key = (tag * 256 + antenna) * 8_388_608 + frequency
    by_key = np.lexsort((t, key))
    first_of = _spots(key[by_key], where[by_key], SPOT_M)
    spot = np.cumsum(first_of) - 1
    n = int(spot[-1]) + 1 if len(spot) else 0
    lead = by_key[first_of]
    has_phase = np.isfinite(phase[by_key])
    weight = seen[by_key] * has_phase
    unit = np.exp(1j * np.where(has_phase, phase[by_key], 0.0)) * weight
    total = np.bincount(spot, np.real(unit), n) + 1j * np.bincount(spot, np.imag(unit), n)
    heard = np.bincount(spot, weight, n)
    count = np.asarray(np.bincount(spot, seen[by_key], n), np.float64)
    mean_rssi = np.bincount(spot, rssi[by_key] * seen[by_key], n) / np.maximum(count, 1.0)
    mean_way = np.bincount(spot, way[by_key] * seen[by_key], n) / np.maximum(count, 1.0)
    mean_where = np.stack(
        [np.bincount(spot, where[by_key, i] * seen[by_key], n) / np.maximum(count, 1.0) for i in range(3)],
        axis=1,
    )
    # Readings of one spot that disagree (flips, a moving hand) carry less than their number says.
    agreement = np.clip(np.abs(total) / np.maximum(heard, 1e-9), 1e-3, 1.0)
    noise = (factor[lead] * thermal_phase_rad(mean_rssi)) ** 2 / np.maximum(heard, 1.0)
    spread = -2.0 * np.log(agreement) / np.maximum(heard, 1.0)
    sigma_pose = np.full(n, np.nan)
    if at.sigma_xy_m is not None:
        sigma_pose = at.sigma_xy_m[lead].astype(np.float64)

    order = np.lexsort((t[lead], tag[lead]))
    lead, at_tag = lead[order], tag[lead][order]
    tags, first = np.unique(at_tag, return_index=True)
    return Observations(
        first=np.append(first, n).astype(np.int64),
        tag=tags,
        t=t[lead],
        antenna=antenna[lead],
        position_m=mean_where[order],
        look=look[lead],
        way_m=mean_way[order],
        sigma_pose_m=sigma_pose[order],
        wavenumber=(k * factor)[lead],
        phase_rad=np.where(heard[order] > 0, np.angle(total[order]), np.nan),
        variance=(noise + spread)[order],
        rssi_dbm=mean_rssi[order],
        count=count[order],
        heard=np.bincount(spot, minlength=n)[order].astype(np.float64),
        doubled=doubled[antenna[lead]],
        frequency_khz=frequency[lead],
    )


@nb.njit(cache=True, nogil=True)
def _spots(key: Ints, where: Floats, spot_m: float) -> npt.NDArray[np.bool_]:
    """Mark the readings that begin a new spot; ``key`` and ``where`` are sorted by key and time."""
    n = len(key)
    begins = np.zeros(n, np.bool_)
    lead = 0
    for i in range(n):
        if i > 0 and key[i] == key[lead]:
            dx = where[i, 0] - where[lead, 0]
            dy = where[i, 1] - where[lead, 1]
            dz = where[i, 2] - where[lead, 2]
            if dx * dx + dy * dy + dz * dz <= spot_m * spot_m:
                continue
        begins[i] = True
        lead = i
    return begins
