"""Faces as geometry, and which of them an observation can belong to.

An antenna that looks at a face from its aisle hears the tags of that face directly. It also hears tags behind it
and, through the rack, tags of the next aisle; to place those, the pass that faces their own side is used alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.faces_in_view import looked_at, within_reach
from localization.observations import Observations
from localization.signal_model import RANGE_M
from stacks.plan import Face, Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A face is left again when the robot drove this far without hearing the tag before it.
PASS_M = 1.0
#: Where no plan says the depth: what may lie between an antenna and a tag.
UNKNOWN_DEPTH_M = (0.2, 1.6)


@dataclass(frozen=True, slots=True)
class Frames:
    """Every face as a plane; ``f`` faces.

    Attributes
    ----------
    ids : tuple of str or None
        None: the plane was laid beside the robot's own track, for want of a plan.
    faces : tuple of Face or None
    origin_m, direction, normal : float64 array, shape (f, 2)
    length_m, tag_depth_m : float64 array, shape (f,)
        The plane of the tags lies ``tag_depth_m`` behind the face's line, as the robot's frame has it.
    moved_m : float64 array, shape (f,) or None
        Of that, what the run's frame is off the plan; places are told without it. NaN: not known.
    along_m : float64 array, shape (f,) or None
        How far along itself each face lies in the run's frame; ``origin_m`` has it, places are told without it.
    """

    ids: tuple[str | None, ...]
    faces: tuple[Face | None, ...]
    origin_m: Floats
    direction: Floats
    normal: Floats
    length_m: Floats
    tag_depth_m: Floats
    moved_m: Floats | None = None
    along_m: Floats | None = None

    @classmethod
    def of_plan(cls, plan: Plan) -> Frames:
        """Lay the planes of a plan."""
        faces: Sequence[Face] = list(plan.faces)
        along = np.radians([face.direction_deg for face in faces])
        out = np.radians([face.normal_deg for face in faces])
        return cls(
            ids=tuple(face.id for face in faces),
            faces=tuple(faces),
            origin_m=np.array([face.origin_m for face in faces], np.float64).reshape(-1, 2),
            direction=np.stack([np.cos(along), np.sin(along)], axis=1),
            normal=np.stack([np.cos(out), np.sin(out)], axis=1),
            length_m=np.array([face.length_m for face in faces], np.float64),
            tag_depth_m=np.array([face.tag_depth_m for face in faces], np.float64),
        )

    def moved_back(self, depth_m: Floats) -> Frames:
        """Return the faces that much farther from the track, m, shape (faces,); NaN: not known, left where it is."""
        return dataclasses.replace(
            self, tag_depth_m=self.tag_depth_m + np.nan_to_num(depth_m), moved_m=depth_m.copy()
        )

    def moved_farther(self, more_m: Floats) -> Frames:
        """Return the faces that much farther from the track than they are taken to be, m, shape (faces,)."""
        before = np.full(len(self.ids), np.nan) if self.moved_m is None else self.moved_m
        moved = np.where(more_m != 0.0, np.nan_to_num(before) + more_m, before)
        return dataclasses.replace(self, tag_depth_m=self.tag_depth_m + more_m, moved_m=moved)

    def moved_along(self, along_m: Floats) -> Frames:
        """Return the faces that much farther along themselves, m, shape (faces,)."""
        before = np.zeros(len(self.ids)) if self.along_m is None else self.along_m
        origin = self.origin_m + along_m[:, None] * self.direction
        return dataclasses.replace(self, origin_m=origin, along_m=before + along_m)

    def registered(self, face: int) -> bool:
        """Tell whether the face's distance from the track was learnt from the run."""
        return self.moved_m is not None and bool(np.isfinite(self.moved_m[face]))

    def to_map(self, face: Ints, offset_m: Floats, depth_shift_m: Floats) -> tuple[Floats, Floats]:
        """Return map x and y, m, of places in the tags' plane (moved back by ``depth_shift_m``); all of shape (n,)."""
        moved = np.zeros(len(self.ids)) if self.moved_m is None else np.nan_to_num(self.moved_m)
        back = (self.tag_depth_m - moved)[face] + depth_shift_m
        along = offset_m if self.along_m is None else offset_m - self.along_m[face]
        where = (
            self.origin_m[face] + along[:, None] * self.direction[face] - back[:, None] * self.normal[face]
        )
        return where[:, 0], where[:, 1]


def frames_beside_track(observations: Observations, *, bend_deg: float = 20.0) -> Frames:
    """Lay planes beside the robot's track, one for every straight stretch and side it listened on.

    The plane runs through the antennas themselves; its tags' depth is left open (``UNKNOWN_DEPTH_M``).
    """
    look = observations.look[:, :2]
    across = np.hypot(look[:, 0], look[:, 1]) > 0.3
    if not across.any():
        return _frames([])
    yaw = np.arctan2(look[:, 1], look[:, 0])
    bins = np.round(np.degrees(yaw) / bend_deg).astype(np.int64)
    bins[bins == -round(180 / bend_deg)] = round(180 / bend_deg)
    planes: list[tuple[Floats, Floats, Floats, float]] = []
    for value in np.unique(bins[across]):
        chosen = across & (bins == value)
        mean = np.exp(1j * yaw[chosen]).mean()
        normal = -np.array([mean.real, mean.imag]) / max(abs(mean), 1e-9)
        direction = np.array([-normal[1], normal[0]])
        spots = observations.position_m[chosen, :2]
        out = spots @ normal
        # Tracks more than half an aisle apart are tracks along different faces.
        order = np.argsort(out)
        lane = np.concatenate([[0], np.cumsum(np.diff(out[order]) > 0.5)])
        for number in range(int(lane[-1]) + 1):
            members = order[lane == number]
            along = spots[members] @ direction
            low, high = float(along.min()) - 1.0, float(along.max()) + 1.0
            origin = low * direction + float(np.median(out[members])) * normal
            planes.append((origin, direction, normal, high - low))
    return _frames(planes)


def _frames(planes: list[tuple[Floats, Floats, Floats, float]]) -> Frames:
    return Frames(
        ids=(None,) * len(planes),
        faces=(None,) * len(planes),
        origin_m=np.array([p[0] for p in planes]).reshape(-1, 2),
        direction=np.array([p[1] for p in planes]).reshape(-1, 2),
        normal=np.array([p[2] for p in planes]).reshape(-1, 2),
        length_m=np.array([p[3] for p in planes], np.float64),
        tag_depth_m=np.zeros(len(planes)),
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """One tag before one face; ``c`` candidates, sorted by tag, with ``m`` observations in the face's frame.

    Attributes
    ----------
    tag : int64 array, shape (c,)
        Index into the block's tags.
    face : int64 array, shape (c,)
        Index into the frames.
    start : int64 array, shape (c + 1,)
        Candidate ``i`` owns rows ``start[i]:start[i + 1]`` below, sorted by group and time.
    observation : int64 array, shape (m,)
        Index into the observations.
    u, h, z : float64 array, shape (m,)
        Offset along the face, distance in front of the tags' plane, height.
    look_cos : float64 array, shape (m, 3)
        Boresight in the same axes (along, out, up).
    group : int64 array, shape (m,)
        Antenna and pass: what shares one unknown phase offset; numbered from 0 in each candidate.
    cell : int64 array, shape (m,)
        Track cell, numbered inside a group: observations of one cell share their multipath.
    density : float64 array, shape (m,)
        Observations of the group within half a correlation length either side (at least 1).
    """

    tag: Ints
    face: Ints
    start: Ints
    observation: Ints
    u: Floats
    h: Floats
    z: Floats
    look: Floats
    group: Ints
    cell: Ints
    density: Floats

    def select(self, chosen: Ints) -> Candidates:
        """Return the chosen candidates (ascending indices, shape (k,)) with their observations."""
        rows = rows_of(self.start, chosen)
        size = np.diff(self.start)[chosen]
        return Candidates(
            tag=self.tag[chosen],
            face=self.face[chosen],
            start=np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
            observation=self.observation[rows],
            u=self.u[rows],
            h=self.h[rows],
            z=self.z[rows],
            look=self.look[rows],
            group=self.group[rows],
            cell=self.cell[rows],
            density=self.density[rows],
        )

    def of_rows(self, keep: npt.NDArray[np.bool_]) -> Candidates:
        """Return the same candidates with the marked rows alone, shape (m,); each keeps one at least."""
        count = np.add.reduceat(keep.astype(np.int64), self.start[:-1]) if len(self.tag) else self.start[:0]
        return dataclasses.replace(
            self,
            start=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
            observation=self.observation[keep],
            u=self.u[keep],
            h=self.h[keep],
            z=self.z[keep],
            look=self.look[keep],
            group=self.group[keep],
            cell=self.cell[keep],
            density=self.density[keep],
        )


def find_candidates(
    observations: Observations, frames: Frames, correlation_m: float, most: int = 3
) -> Candidates:
    """Pair every tag with the faces it may stand on: those its observations look at, the strongest ``most``."""
    obs = observations
    virtual = bool(frames.ids) and frames.ids[0] is None
    nearest = -0.5 if virtual else 0.05
    pair_obs, pair_face = looked_at(
        obs.position_m, obs.look, frames.origin_m, frames.direction, frames.normal, frames.length_m,
        frames.tag_depth_m, nearest, RANGE_M, *within_reach(frames, nearest),
    )  # fmt: skip
    tag_of = np.repeat(np.arange(len(obs.first) - 1), np.diff(obs.first))
    # Which faces: by received power, the strongest observation of every stretch of track added up, as a robot
    # that stands still before the wrong side proves nothing by repeating itself.
    power = 10.0 ** (obs.rssi_dbm[pair_obs] / 10.0)
    faces = max(len(frames.ids), 1)
    key = tag_of[pair_obs] * faces + pair_face
    unique, inverse = np.unique(key, return_inverse=True)
    u, h = _in_frame(obs.position_m[pair_obs], frames, pair_face)
    stretch = (
        (inverse * 256 + obs.antenna[pair_obs]) * 65_536
        + np.floor(u / correlation_m).astype(np.int64)
        + 32_768
    )
    stretches, at = np.unique(stretch, return_inverse=True)
    loudest = np.zeros(len(stretches))
    np.maximum.at(loudest, at, power)
    strength = np.bincount(stretches // 65_536 // 256, loudest, len(unique))
    by_tag = np.lexsort((-strength, unique // faces))
    tag_sorted = unique[by_tag] // faces
    begins = (
        np.flatnonzero(np.append(True, np.diff(tag_sorted) != 0)) if len(by_tag) else np.zeros(0, np.int64)
    )
    place = np.arange(len(by_tag)) - np.repeat(begins, np.diff(np.append(begins, len(by_tag))))
    keep = np.zeros(len(unique), bool)
    keep[by_tag[place < most]] = True
    chosen = keep[inverse]
    pair_obs, pair_face, key, u, h = pair_obs[chosen], pair_face[chosen], key[chosen], u[chosen], h[chosen]
    look = np.stack(
        [
            (obs.look[pair_obs, :2] * frames.direction[pair_face]).sum(axis=1),
            (obs.look[pair_obs, :2] * frames.normal[pair_face]).sum(axis=1),
            obs.look[pair_obs, 2],
        ],
        axis=1,
    )
    order = np.lexsort((obs.t[pair_obs], obs.antenna[pair_obs], key))
    pair_obs, key = pair_obs[order], key[order]
    u, h, look = u[order], h[order], look[order]
    group, cell, density = _passes(key, obs.antenna[pair_obs], obs.way_m[pair_obs], u, correlation_m, PASS_M)
    unique, start = np.unique(key, return_index=True)
    return Candidates(
        tag=(unique // faces).astype(np.int64),
        face=(unique % faces).astype(np.int64),
        start=np.append(start, len(key)).astype(np.int64),
        observation=pair_obs,
        u=u,
        h=h,
        z=obs.position_m[pair_obs, 2],
        look=look,
        group=group,
        cell=cell,
        density=density,
    )


def rows_of(start: Ints, chosen: Ints) -> Ints:
    """List the rows ``start[c]:start[c + 1]`` of the chosen candidates, one after the other, shape (rows,)."""
    size = np.diff(start)[chosen]
    first = np.cumsum(size) - size
    return np.asarray(np.arange(int(size.sum())) - np.repeat(first - start[chosen], size), np.int64)


def _in_frame(position_m: Floats, frames: Frames, face: Ints) -> tuple[Floats, Floats]:
    gap = position_m[:, :2] - frames.origin_m[face]
    u = (gap * frames.direction[face]).sum(axis=1)
    h = (gap * frames.normal[face]).sum(axis=1) + frames.tag_depth_m[face]
    return u, h


@nb.njit(cache=True, nogil=True)
def _passes(
    key: Ints, antenna: Ints, way: Floats, u: Floats, correlation: float, pass_m: float
) -> tuple[Ints, Ints, Floats]:
    """Count the passes, the track cells and the crowding of observations; rows sorted by key, antenna, time."""
    n = len(key)
    group = np.zeros(n, np.int64)
    cell = np.zeros(n, np.int64)
    density = np.ones(n)
    first = 0
    for i in range(n):
        if i > 0:
            same = key[i] == key[i - 1]
            if not same:
                group[i], cell[i] = 0, 0
            elif antenna[i] != antenna[i - 1] or way[i] - way[i - 1] > pass_m:
                group[i], cell[i] = group[i - 1] + 1, 0
            else:
                group[i] = group[i - 1]
                cell[i] = int(np.floor((u[i] - u[first]) / correlation))
            if not same or group[i] != group[i - 1]:
                first = i
    first = 0
    for i in range(1, n + 1):
        if i == n or key[i] != key[first] or group[i] != group[first]:
            order = np.argsort(u[first:i])
            low = 0
            high = 0
            m = i - first
            for a in range(m):
                here = u[first + order[a]]
                while u[first + order[low]] < here - 0.5 * correlation:
                    low += 1
                while high < m and u[first + order[high]] <= here + 0.5 * correlation:
                    high += 1
                density[first + order[a]] = high - low
            first = i
    return group, cell, density
