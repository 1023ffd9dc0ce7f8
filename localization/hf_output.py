"""HF's share of a run: which readings are its own, and its places and coverage in the run's tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from localization.calibration import Calibration
from localization.coverage import MOST_CERTAIN, _cells
from localization.faces import Frames, frames_beside_track
from localization.hf import HfResult, is_hf, place_hf
from localization.hf_footprint import CHANCE, REACH
from localization.hf_rounds import MARGIN_M, STEP_M
from localization.observations import Mounts, driven_m, observe
from localization.positions import HF_AIR, Coverage, Positions
from recording import Recording
from stacks.plan import Plan

Ints = npt.NDArray[np.int64]


def without_hf(recording: Recording) -> Recording:
    """Return the recording as its UHF antennas alone heard it; the same one where there are no others."""
    hf = is_hf(recording.info)
    if not hf.any():
        return recording
    activity = recording.activity
    return replace(
        recording,
        info=replace(recording.info, antennas=tuple(m for m in recording.info.antennas if not hf[m.id])),
        readings=recording.readings.select(~hf[recording.readings.antenna]),
        activity=None if activity is None else activity.select(~hf[activity.antenna]),
    )


def locate_hf(
    recording: Recording, plan: Plan | None, mounts: Mounts, calibration: Calibration, positions: Positions
) -> tuple[Coverage, tuple[str, ...]]:
    """Place the tags that HF antennas heard and that have no place yet, in the rows of ``positions``.

    Parameters
    ----------
    positions : Positions
        One row for every tag of ``recording.readings`` heard, in the order of its tags; written to.

    Returns
    -------
    Coverage
        Of the HF antennas; empty without a plan.
    notes : tuple of str
    """
    readings = recording.readings
    mine = is_hf(recording.info)[readings.antenna] & np.isfinite(mounts.position_m[readings.antenna, 0])
    rows = np.flatnonzero(mine)
    if len(recording.poses) == 0 or len(rows) == 0:
        return Coverage.empty(), ()
    latency_ns = round(calibration.latency_s * 1e9)
    rows = rows[recording.poses.covers(readings.t[rows] - latency_ns)]
    if len(rows) == 0:
        return Coverage.empty(), ("HF: no reading lies within the poses' time",)
    frames = _frames(recording, plan, mounts, rows, latency_ns)
    found = place_hf(recording, rows, frames, mounts, calibration)
    _fill(recording, found, frames, calibration, positions)
    return _coverage(found, frames), found.notes


def _frames(recording: Recording, plan: Plan | None, mounts: Mounts, rows: Ints, latency_ns: int) -> Frames:
    if plan is not None and len(plan.faces):
        return Frames.of_plan(plan)
    rows = rows[np.argsort(recording.readings.tag[rows], kind="stable")]
    return frames_beside_track(
        observe(
            recording.readings, rows, recording.poses, driven_m(recording.poses), mounts,
            np.zeros(256, np.bool_), np.zeros(256), latency_ns,
        )
    )  # fmt: skip


def _fill(
    recording: Recording, found: HfResult, frames: Frames, calibration: Calibration, positions: Positions
) -> None:
    places = found.places
    tags = recording.readings.tags
    row_of = np.cumsum(np.bincount(recording.readings.tag, minlength=len(tags)) > 0) - 1
    new = ~positions.placed[row_of[places.tag]] if len(places.tag) else np.zeros(0, np.bool_)
    at = np.flatnonzero(new)
    rows = row_of[places.tag[at]]
    face = places.face[at]
    shift = np.array([calibration.face_shift_m.get(frames.ids[f] or "", 0.0) for f in face], np.float64)
    offset = places.offset_m[at] + shift
    positions.x_m[rows], positions.y_m[rows] = frames.to_map(face, offset, np.zeros(len(at)))
    positions.z_m[rows] = places.height_m[at]
    positions.sigma_local_m[rows] = places.sigma_local_m[at]
    common = places.common_m[at] if calibration.sigma_m is None else np.full(len(at), calibration.sigma_m)
    positions.sigma_along_m[rows] = np.hypot(places.sigma_local_m[at], common)
    positions.quality[rows] = places.quality[at]
    for row, f, own, other, k in zip(
        rows.tolist(), face.tolist(), places.shelf[at].tolist(), places.alt_shelf[at].tolist(), at.tolist(),
        strict=True,
    ):  # fmt: skip
        known = frames.faces[f]
        if known is None:
            continue
        positions.face_id[row] = known.id
        positions.offset_m[row] = places.offset_m[k] + calibration.face_shift_m.get(known.id, 0.0)
        positions.shelf_id[row] = known.shelves[own].id if own >= 0 else None
        positions.p_shelf[row] = places.p[k]
        if other >= 0:
            positions.alt_shelf_id[row] = known.shelves[other].id
            positions.alt_offset_m[row] = places.alt_offset_m[k]
            positions.p_alt[row] = places.p_alt[k]


def _coverage(found: HfResult, frames: Frames) -> Coverage:
    """Return what a tag in each cell would have given: rounds before it times the footprint, over the tags' classes."""
    footprint, asked, levels = found.footprint, found.asked, found.levels
    if footprint is None or asked is None or levels is None or all(face is None for face in frames.faces):
        return Coverage.empty()
    face, level, shelf, from_m, to_m, _ = _cells(frames)
    chance = footprint.chance() - CHANCE
    chance[0] = 0.0
    chance[:, :, REACH] = 0.0
    share = np.exp(footprint.log_class)
    readings, missed = np.zeros(len(face)), np.ones(len(face))
    place = np.round((0.5 * (from_m + to_m) + MARGIN_M) / STEP_M).astype(np.int64)
    for f in np.unique(face).tolist():
        part = slice(int(asked.start[f]), int(asked.start[f + 1]))
        for k in range(int(levels.count[f])):
            at = np.flatnonzero((face == f) & ((level == levels.number[f, k]) | (levels.number[f, k] == 0)))
            expected = np.zeros((chance.shape[1], part.stop - part.start))
            silent = np.zeros_like(expected)
            for channel in np.flatnonzero(asked.rounds[:, part].any(axis=1)).tolist():
                p = chance[int(footprint.curve[f, k, channel])]
                both = np.concatenate([p[:, :0:-1], p], axis=1)
                n = asked.rounds[channel, part][None]
                expected += fftconvolve(n, both, axes=1)[:, REACH:-REACH]
                silent += fftconvolve(n, np.log1p(-both), axes=1)[:, REACH:-REACH]
            readings[at] = np.maximum(share @ expected[:, place[at]], 0.0)
            missed[at] = np.clip(share @ np.exp(np.minimum(silent[:, place[at]], 0.0)), 0.0, 1.0)
    ids = np.array([frames.ids[f] for f in face], object)
    return Coverage(ids, level, shelf, from_m, to_m, readings, MOST_CERTAIN * (1.0 - missed)).of_air(HF_AIR)
