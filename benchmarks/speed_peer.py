"""The peer of the speed benchmark: one scipy least squares a tag, as one writes it in an afternoon."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from localization.signal_model import wavenumber
from recording import Recording, read_recording
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]

TAGS: Final = 60
#: Starts about the centroid of received power: the main lobes of a profile are some 8 cm apart.
STARTS_M: Final = tuple(0.06 * step for step in range(-4, 5))
CABLE_SPREAD_M: Final = 7.0
DEPTH_SIGMA_M: Final = 0.025


@dataclass(frozen=True, slots=True)
class Peer:
    """What it did, on one core."""

    tags: int
    starts: int
    seconds: float
    mean_cm: float

    @property
    def tags_per_s(self) -> float:
        """Tags a second."""
        return self.tags / self.seconds


def scipy_peer(folder: Path, tags: int = TAGS) -> Peer:
    """Place some tags of a recording by scipy, told each tag's face and height; reading the file is not counted."""
    recording, plan = read_recording(folder), read_plan(folder / "plan.json")
    truth = recording.truth
    assert truth is not None and truth.offset_m is not None and truth.face is not None
    row = {epc: number for number, epc in enumerate(truth.epc.tolist())}
    readings = recording.readings
    chosen = np.linspace(0, len(readings.tags) - 1, tags).astype(np.int64)
    rows = [np.flatnonzero(readings.tag == tag) for tag in chosen]
    errors: list[float] = []
    began = time.perf_counter()
    for tag, own in zip(chosen.tolist(), rows, strict=True):
        at = row[readings.tags[tag]]
        offset = _place(recording, plan, own, str(truth.face[at]), float(truth.z_m[at]))
        errors.append(abs(offset - float(truth.offset_m[at])))
    return Peer(tags, len(STARTS_M), time.perf_counter() - began, 100 * float(np.mean(errors)))


def _place(
    recording: Recording, plan: Plan, rows: npt.NDArray[np.int64], face_id: str, height_m: float
) -> float:
    readings, face = recording.readings, plan.face(face_id)
    poses = recording.poses.at(readings.t[rows])
    mounts = {mount.id: mount for mount in recording.info.antennas}
    spot = np.array([mounts[int(a)].position_m for a in readings.antenna[rows]])
    cos, sin = np.cos(poses.yaw_rad), np.sin(poses.yaw_rad)
    u, behind = face.to_face(
        poses.x_m + cos * spot[:, 0] - sin * spot[:, 1], poses.y_m + sin * spot[:, 0] + cos * spot[:, 1]
    )
    out, rise = face.tag_depth_m - behind, height_m - spot[:, 2]
    k = wavenumber(readings.frequency_khz[rows])
    phase = readings.phase_rad[rows].astype(np.float64) - (k - np.median(k)) * CABLE_SPREAD_M
    _, group = np.unique(readings.antenna[rows], return_inverse=True)
    power = 10.0 ** (readings.rssi_dbm[rows].astype(np.float64) / 10.0)
    centre = float((power * u).sum() / power.sum())

    def residual(state: Floats) -> Floats:
        d = np.sqrt((u - state[0]) ** 2 + (out + state[1]) ** 2 + rise**2)
        left = phase - k * d - state[2:][group]
        # Wrapped phases: the residual on the circle.
        return np.concatenate([np.sin(left), 1.0 - np.cos(left), [state[1] / DEPTH_SIGMA_M]])

    best, least = centre, np.inf
    for shift in STARTS_M:
        d = np.sqrt((u - centre - shift) ** 2 + out**2 + rise**2)
        left = phase - k * d
        first = np.arctan2(np.bincount(group, np.sin(left)), np.bincount(group, np.cos(left)))
        found = least_squares(residual, np.concatenate([[centre + shift, 0.0], first]), loss="soft_l1")
        if found.cost < least:
            best, least = float(found.x[0]), float(found.cost)
    return best
