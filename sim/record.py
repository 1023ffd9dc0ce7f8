"""A scan straight into a recording folder: the same radio as the world's, no sockets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from recording import Activity, Poses, Readings, Recording, RunInfo, write_recording
from sim.air import Listening, Reads, RobotPose
from sim.errors import SimError
from sim.library_folder import HoldingsText, truth_of
from sim.model import Library
from sim.motion import Drift
from sim.presets import preset as named_preset
from sim.radio import Radio
from stacks.plan import Face

STEP_S: Final = 0.05
OVERRUN_M: Final = 0.4
START_NS: Final = 1_772_402_400_000_000_000
"""2026-03-01 22:00 UTC, the night every scan starts in unless told otherwise."""

PHASE_STEP_RAD: Final = 2 * math.pi / 4096
RSSI_STEP_DB: Final = 0.5

Progress = Callable[[float, str], None]


def record(
    library: Library,
    out: str | Path,
    passes: int = 1,
    speed_mps: float = 0.1,
    preset: str | None = None,
    seed: int = 1,
    progress: Progress | None = None,
    *,
    standoff_m: float | None = None,
    overrun_m: float = OVERRUN_M,
    listening: Listening | None = None,
    started_ns: int = START_NS,
    faces: tuple[str, ...] = (),
    run_id: str | None = None,
    back_and_forth: bool = False,
) -> Path:
    """Scan a library into a recording folder.

    The robot drives along every face with the face on its right, at constant speed, and overruns both ends.

    Parameters
    ----------
    library : Library
    out : path
        The folder; a recording that is there is replaced.
    passes : int
        How often each face is driven along.
    speed_mps : float
    preset : str, optional
        A radio preset instead of the library's own.
    seed : int
        Of noise, drift and path; the library's metal stays its own.
    progress : callable, optional
        Told the share done and the face.
    standoff_m : float, optional
        From the base's centre to the face's line, instead of the robot's own.
    overrun_m : float
        How far the robot drives beyond both ends.
    listening : Listening, optional
        The reader's settings.
    started_ns : int
        When the scan starts, ns UTC.
    faces : tuple of str
        Faces to scan; empty: all.
    run_id : str, optional
    back_and_forth : bool
        Whether every second pass is driven backward, as the robot's own route has it; else all go the same way.

    Returns
    -------
    Path
        The folder: run.json, readings, poses, activity, truth, plan.json and holdings.csv.

    Raises
    ------
    SimError
        When an argument makes no scan.
    """
    if passes < 1 or not 0.005 <= speed_mps <= library.robot.max_v_mps:
        raise SimError(
            f"{passes} passes at {speed_mps} m/s make no scan; "
            f"take at least one, at 0.005 to {library.robot.max_v_mps} m/s"
        )
    known = {face.id for face in library.faces()}
    if missing := [face for face in faces if face not in known]:
        raise SimError(f"no face {missing[0]!r} in the plan; there are {', '.join(sorted(known))}")
    if preset is not None:
        library = replace(library, radio=named_preset(preset), radio_preset=preset)
    radio = Radio(library, seed=seed)
    path_rng, drift_rng = (np.random.default_rng([seed, n]) for n in (2, 3))
    drift = Drift(library.robot, drift_rng)
    t_ns = started_ns
    poses: list[tuple[int, float, float, float, str]] = []
    reads: list[Reads] = []
    tour = [
        (f, face, back_and_forth and number % 2 == 1)
        for number in range(passes)
        for f, face in _tour(library)
        if not faces or face.id in faces
    ]
    for n, (floor, face, backward) in enumerate(tour):
        if progress:
            progress(n / len(tour), f"face {face.id}")
        floor_id = library.plan.floors[floor].id
        way = _path(path_rng, face, floor, speed_mps, standoff_m or library.robot.standoff_m, overrun_m)
        if backward:
            way.reverse()
        behind_m = speed_mps * library.robot.pose_lag_s * (-1.0 if backward else 1.0)
        for step, pose in enumerate(way):
            error = drift.step(STEP_S)
            poses.append(
                (
                    t_ns,
                    pose.x_m - behind_m * math.cos(pose.yaw_rad) + error.x_m,
                    pose.y_m - behind_m * math.sin(pose.yaw_rad) + error.y_m,
                    pose.yaw_rad + error.yaw_rad,
                    floor_id,
                )
            )
            if step + 1 < len(way):
                end = t_ns + round(STEP_S * 1e9)
                reads.append(radio.read(t_ns, end, pose, way[step + 1], listening))
                t_ns = end
        t_ns += 8_000_000_000  # turning round and driving to the next face, not listening
        for _ in range(8):
            drift.step(1.0)
    mounts = tuple(
        replace(m, phase_ambiguity="none") if not radio.parameters.pi_flips else m
        for m in library.robot.mounts
    )
    info = RunInfo(
        run_id=run_id or f"sim-{seed}-{datetime.fromtimestamp(started_ns // 10**9, UTC):%Y%m%d-%H%M}",
        site=library.plan.site,
        started_at=datetime.fromtimestamp(started_ns // 10**9, UTC),
        robot_id=library.robot.id,
        antennas=mounts,
        extra={"simulated": {"library_seed": library.seed, "seed": seed, "radio": library.radio_preset}},
    )
    out = Path(out)
    recording = Recording(
        info=info,
        readings=_readings(radio, reads),
        poses=_poses(poses, library),
        activity=_activity(radio, reads, listening or Listening()),
        truth=truth_of(library),
    )
    write_recording(out, recording, plan=library.plan.to_json(), holdings=HoldingsText(library))
    if progress:
        progress(1.0, f"{sum(map(len, reads))} readings")
    return out


def _tour(library: Library) -> list[tuple[int, Face]]:
    return [(n, face) for n, floor in enumerate(library.plan.floors) for face in floor.faces]


def heading_along(face: Face) -> float:
    """Return the heading (rad) with the face on the robot's right: against the growing offset."""
    return math.radians(face.normal_deg) - math.pi / 2


def _path(
    rng: np.random.Generator, face: Face, floor: int, speed_mps: float, standoff_m: float, overrun_m: float
) -> list[RobotPose]:
    """Return true poses along a face, one per step, with the few millimetres a controller leaves sideways."""
    length = face.length_m + 2 * overrun_m
    n = max(2, math.ceil(length / (speed_mps * STEP_S)) + 1)
    offset = face.length_m + overrun_m - speed_mps * STEP_S * np.arange(n)
    # Two slow sine waves: smooth, so that the heading, which follows the path, turns no faster than a base can.
    sway = np.zeros(n)
    slope = np.zeros(n)
    for wave_m in (1.7, 4.3):
        amplitude, at = 0.004 * rng.standard_normal(), 2 * np.pi * rng.random()
        sway += amplitude * np.sin(2 * np.pi * offset / wave_m + at)
        slope += amplitude * 2 * np.pi / wave_m * np.cos(2 * np.pi * offset / wave_m + at)
    x, y = face.to_map(offset, -(standoff_m + sway))
    # d(sideways)/d(forward), sideways counted to the left, into the aisle; forward is -offset.
    yaw = heading_along(face) + np.arctan(-slope)
    return [
        RobotPose(float(a), float(b), math.remainder(float(c), 2 * math.pi), 0.0, floor)
        for a, b, c in zip(x, y, yaw, strict=True)
    ]


def _readings(radio: Radio, reads: list[Reads]) -> Readings:
    """Quantise as a reader does: phase in 4096 steps, RSSI in half decibels."""
    port_to_mount = np.zeros(256, np.uint8)
    for port in radio.ports:
        port_to_mount[port] = radio.mount(port).id
    frequencies = np.array(radio.frequencies_khz, np.uint32)

    def joined(name: str, dtype: str) -> np.ndarray:
        return (
            np.concatenate([getattr(r, name) for r in reads]).astype(dtype) if reads else np.empty(0, dtype)
        )

    steps = np.round(joined("phase_rad", "f8") / PHASE_STEP_RAD).astype(np.int64) % 4096
    tag, seen = joined("tag", "i8"), np.zeros(len(radio.tags), np.bool_)
    seen[tag] = True
    index = np.cumsum(seen) - 1
    return Readings(
        t=joined("t_ns", "i8"),
        tag=index[tag].astype(np.uint32),
        tags=tuple(np.array(radio.tags, object)[seen].tolist()),
        antenna=port_to_mount[joined("port", "i8")],
        frequency_khz=frequencies[joined("channel", "i8") - 1],
        rssi_dbm=(np.round(joined("rssi_dbm", "f8") / RSSI_STEP_DB) * RSSI_STEP_DB).astype(np.float32),
        phase_rad=(steps * PHASE_STEP_RAD).astype(np.float32),
    )


def _poses(rows: list[tuple[int, float, float, float, str]], library: Library) -> Poses:
    t, x, y, yaw, floor = (list(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return Poses(
        t=np.array(t, np.int64),
        x_m=np.array(x, np.float64),
        y_m=np.array(y, np.float64),
        yaw_rad=np.array(yaw, np.float64),
        sigma_xy_m=np.full(n, library.robot.sigma_xy_m, np.float32),
        sigma_yaw_rad=np.full(n, library.robot.sigma_yaw_rad, np.float32),
        floor_id=np.array(floor, object),
    )


def _activity(radio: Radio, reads: list[Reads], listening: Listening) -> Activity:
    """Join the spans in which a port listened without a break."""
    rows = np.array(
        [(a, b, radio.mount(port).id, round(power * 100)) for r in reads for a, b, port, power in r.heard],
        np.int64,
    ).reshape(-1, 4)
    if len(rows):
        fresh = np.ones(len(rows), np.bool_)
        fresh[1:] = (rows[1:, 0] != rows[:-1, 1]) | np.any(rows[1:, 2:] != rows[:-1, 2:], axis=1)
        first = np.flatnonzero(fresh)
        last = np.append(first[1:], len(rows)) - 1
        rows = np.column_stack([rows[first, 0], rows[last, 1], rows[first, 2:]])
    return Activity(
        t_start=rows[:, 0].copy(),
        t_end=rows[:, 1].copy(),
        antenna=rows[:, 2].astype(np.uint8),
        power_dbm=(rows[:, 3] / 100).astype(np.float32),
        session=np.full(len(rows), listening.session, np.uint8),
        rounds=np.zeros(len(rows), np.uint32),
    )
