"""Readings straight to short cells of track: what the fast path fits instead of single observations.

A tag's readings by one antenna within a few centimetres of track share their multipath and nearly their geometry. Each
is turned back by the phase of a place about where the tag was heard best, and the phasors are added: a subaperture
(Soumekh, Synthetic Aperture Radar Signal Processing, 1999, section 2.7). All channels of an antenna go into one sum, as
the cable's part of their phases is known. One compiled pass does what ``observe`` and ``find_candidates`` do together;
its numpy reference is in ``cells_reference``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.cells_kernels import COLUMNS, MOST_FACES, gather, looked_at_from
from localization.faces import Candidates, Frames
from localization.observations import Mounts, Observations
from localization.signal_model import CORRELATION_M, wavenumber
from recording import Poses

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Length of a cell: within it a tag 0.3 m from the place that phases are turned back to loses a hundredth.
CELL_M = 0.04


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings sorted by tag, then time; columns of shape (n,).

    Attributes
    ----------
    first : int64 array, shape (tags + 1,)
        Tag ``i`` owns rows ``first[i]:first[i + 1]``; none is empty.
    tag : int64 array, shape (tags,)
        Index into the recording's ``readings.tags``.
    seen_count : float32 array
        Empty where the recording has none.
    """

    first: Ints
    tag: Ints
    t: Ints
    antenna: npt.NDArray[np.uint8]
    frequency_khz: npt.NDArray[np.uint32]
    rssi_dbm: npt.NDArray[np.float32]
    phase_rad: npt.NDArray[np.float32]
    seen_count: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, slots=True)
class Track:
    """The run's way, ready to look antennas up in; ``p`` poses, ``a`` antennas.

    Attributes
    ----------
    t : int64 array, shape (p,)
    pose : float64 array, shape (p, 7)
        x, y, cosine and sine of the yaw, height of the mast, way driven, sigma (NaN: none stated).
    facing : int16 array, shape (p, a, MOST_FACES)
        The faces that an antenna looks at from a pose; -1: no more.
    column : int64 array, shape (256,)
        Column of an antenna id; -1: no such mount.
    mount : float64 array, shape (256, 6)
        Position and boresight in the robot's frame.
    """

    t: Ints
    pose: Floats
    facing: npt.NDArray[np.int16]
    column: Ints
    mount: Floats

    @classmethod
    def of(cls, poses: Poses, way_m: Floats, mounts: Mounts, frames: Frames) -> Track:
        """Prepare the way; faces are looked for once a pose and antenna, not once a reading.

        ``way_m`` is the way driven to each pose, shape (poses,).
        """
        n = len(poses)
        mast = np.zeros(n) if poses.mast_z_m is None else np.nan_to_num(poses.mast_z_m.astype(np.float64))
        sigma = np.full(n, np.nan) if poses.sigma_xy_m is None else poses.sigma_xy_m.astype(np.float64)
        pose = np.stack(
            [poses.x_m, poses.y_m, np.cos(poses.yaw_rad), np.sin(poses.yaw_rad), mast, way_m, sigma], axis=1
        )
        ids = np.flatnonzero(np.isfinite(mounts.position_m[:, 0]))
        column = np.full(256, -1, np.int64)
        column[ids] = np.arange(len(ids))
        mount = np.concatenate([mounts.position_m, mounts.boresight], axis=1)
        facing = np.full((n, max(len(ids), 1), MOST_FACES), -1, np.int16)
        looked_at_from(
            pose, mount[ids], frames.origin_m, frames.direction, frames.normal, frames.length_m,
            frames.tag_depth_m, facing,
        )  # fmt: skip
        return cls(poses.t, pose, facing, column, mount)


def gather_cells(
    rows: Rows,
    track: Track,
    frames: Frames,
    doubled: npt.NDArray[np.bool_],
    delay_m: Floats,
    latency_ns: int,
    reference_per_m: float,
    cell_m: float = CELL_M,
) -> tuple[Observations, Candidates]:
    """Turn readings into cells, one observation a cell and face, and the candidates they belong to.

    Parameters
    ----------
    doubled : bool array, shape (256,)
    delay_m : float64 array, shape (256,)
        Electrical length of each antenna's cable.
    reference_per_m : float
        The wavenumber that cables' phases are told at, any of the run's.
    """
    room = len(rows) + 64
    while True:
        columns = np.empty((len(COLUMNS), room))
        whole = np.empty((6, room), np.int64)
        owner = np.empty((2, room), np.int64)
        start = np.empty(room + 1, np.int64)
        cells, candidates = gather(
            rows.first, rows.t, rows.antenna, rows.frequency_khz, rows.rssi_dbm, rows.phase_rad, rows.seen_count,
            latency_ns, track.t, track.pose, track.facing, track.column, track.mount, frames.origin_m,
            frames.direction, frames.normal, frames.tag_depth_m, doubled, delay_m, reference_per_m,
            float(wavenumber(1.0)), cell_m, CORRELATION_M, columns, whole, owner, start,
        )  # fmt: skip
        if cells >= 0:
            break
        room *= 2
    column = {name: columns[number, :cells] for number, name in enumerate(COLUMNS)}
    t, antenna, group, cell, frequency, is_doubled = (line[:cells] for line in whole)
    tag, face = owner[0, :candidates], owner[1, :candidates]
    start = start[: candidates + 1].copy()
    # Observations by tag: the cells of all its candidates, one after the other.
    heard_by_face, which = np.unique(tag, return_index=True)
    first = np.concatenate([start[which], [cells]])
    look = np.stack([column["look_along"], column["look_out"], column["look_up"]], axis=1)
    position = np.stack([column["x"], column["y"], column["z"]], axis=1)
    observations = Observations(
        first=first.astype(np.int64),
        tag=rows.tag[heard_by_face],
        t=t,
        antenna=antenna,
        position_m=position,
        look=look,
        way_m=column["way"],
        sigma_pose_m=column["sigma"],
        wavenumber=column["wavenumber"],
        phase_rad=column["phase"],
        variance=column["variance"],
        rssi_dbm=column["rssi"],
        count=column["count"],
        heard=column["heard"],
        doubled=is_doubled.astype(np.bool_),
        frequency_khz=frequency,
    )
    return observations, Candidates(
        tag=np.searchsorted(heard_by_face, tag).astype(np.int64),
        face=face.copy(),
        start=start,
        observation=np.arange(cells),
        u=column["u"],
        h=column["h"],
        z=column["z"],
        look=look,
        group=group,
        cell=cell,
        density=column["density"],
    )
