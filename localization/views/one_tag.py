"""What was heard of one tag, and how well the place it was given explains that: worked out anew for a single tag.

Everything is judged at the offset that the positions name, so that a picture shows what is reported and not another
fit beside it. Depth and height, which a position tells loosely if at all, are fitted to the tag's phases at that
offset, near the place named.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from localization.ambiguity import find_ambiguity
from localization.calibration import Calibration
from localization.delays import find_delays
from localization.faces import Candidates, Frames, find_candidates, frames_beside_track
from localization.hf import is_hf
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, power_centre
from localization.observations import Mounts, Observations, driven_m, observe
from localization.placing import FEW_CELLS
from localization.positions import Positions
from localization.profile import SLACK_M, weigh
from localization.registration import Registration, register, sample
from localization.signal_model import BEAMWIDTH_DEG, CORRELATION_M
from localization.upright_posterior import Pinned
from localization.views.tag_likelihood import Heard, residual_scale, wrapped
from localization.views.tag_view import Pass, TagView, ViewError
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Offsets at which the posterior is worked out: that of a tag heard well is some 5 mm wide.
STEP_M = 0.0005
#: Points of a fitted curve.
CURVE_POINTS = 400
NO_PHASE = "No phase: it was placed by where it was heard, and how strongly."
HF_ONLY = "HF tells no phase: it was placed by the rounds it answered and those it did not."
TOO_LITTLE = "Heard over too little track for phases to tell: placed where it was loudest."


class TagLooker:
    """Looks at single tags of a recording; what belongs to the whole run is worked out once.

    Parameters
    ----------
    recording : Recording
    plan : Plan, optional
    calibration : Calibration, optional
        The one the positions were made with.
    registration : Registration, optional
        How the estimator found faces and antennas to lie (``Localizer.registration_``); learnt again without one.
    pinned : Pinned, optional
        What the uprights told it (``Localizer.pinned_``).
    """

    def __init__(
        self,
        recording: Recording,
        plan: Plan | None,
        calibration: Calibration | None = None,
        registration: Registration | None = None,
        pinned: Pinned | None = None,
    ) -> None:
        self._calibration = calibration or Calibration()
        self._latency_ns = round(self._calibration.latency_s * 1e9)
        self._mounts = Mounts.of(recording.info, self._calibration, BEAMWIDTH_DEG)
        self._poses = recording.poses
        self._way = driven_m(recording.poses)
        self._hf = is_hf(recording.info)
        self._tags = {epc: index for index, epc in enumerate(recording.readings.tags)}
        usable = recording.poses.covers(recording.readings.t - self._latency_ns)
        usable &= np.isfinite(self._mounts.position_m[recording.readings.antenna, 0])
        self._readings = recording.readings if usable.all() else recording.readings.select(usable)
        self._doubled = find_ambiguity(recording.info, recording.readings, recording.poses).doubled
        self._delays = find_delays(recording.readings, recording.poses, self._doubled)
        self._frames = Frames.of_plan(plan) if plan is not None and len(plan.faces) else None
        self._depth_m = self._frames.tag_depth_m if self._frames is not None else np.zeros(0)
        self._register(registration)
        if self._frames is not None and pinned is not None:
            self._frames, self._mounts = pinned.applied(self._frames, self._mounts)

    def look(self, positions: Positions, epc: str, truth_xy: tuple[float, float] | None = None) -> TagView:
        """Look at one tag.

        Parameters
        ----------
        positions : Positions
        epc : str
        truth_xy : tuple of float, optional
            Where it truly stood, map frame.

        Raises
        ------
        ViewError
            Positions or recording do not have it.
        """
        at = np.flatnonzero(positions.epc == epc)
        if not len(at) or epc not in self._tags:
            raise ViewError(f"tag {epc}: was not heard in this recording; name another with --tag")
        row = int(at[0])
        if not positions.placed[row]:
            return _blank(positions, row, "It was heard, but could not be placed.")
        rows = np.flatnonzero(self._readings.tag == self._tags[epc])
        observations = self._observe(rows)
        if len(observations) == 0:
            return _blank(positions, row, "No reading of it has both a pose and an antenna mount.")
        frames = self._frames or frames_beside_track(observations)
        candidates = find_candidates(observations, frames, CORRELATION_M)
        chosen = self._candidate(positions, row, frames, candidates)
        if chosen is None:
            return _blank(positions, row, "It was not heard from in front of the face it was placed on.")
        shift = self._calibration.face_shift_m.get(positions.face_id[row] or "", 0.0)
        depth = float(self._depth_m[candidates.face[chosen]]) if self._frames is not None else 0.0
        view = _view(positions, row, observations, candidates, frames, chosen, depth, shift, truth_xy)
        return replace(view, note=HF_ONLY) if self._hf[self._readings.antenna[rows]].all() else view

    def _observe(self, rows: Ints) -> Observations:
        return observe(
            self._readings,
            rows,
            self._poses,
            self._way,
            self._mounts,
            self._doubled,
            self._delays,
            self._latency_ns,
        )

    def _register(self, known: Registration | None) -> None:
        """Take faces and antennas where the estimator found them; if that is not known, by the same tags."""
        if self._frames is None or not len(self._readings):
            return
        found = known
        if found is None:
            found = register(self._observe(sample(self._readings)), self._frames)
        if found is not None:
            self._mounts, self._frames = found.mounts(self._mounts), found.frames(self._frames)

    def _candidate(
        self, positions: Positions, row: int, frames: Frames, candidates: Candidates
    ) -> int | None:
        """Return the candidate of the tag's own face; without a plan, the plane its place is nearest to."""
        if len(candidates.tag) == 0:
            return None
        if self._frames is not None:
            names = [frames.ids[face] for face in candidates.face]
            return names.index(positions.face_id[row]) if positions.face_id[row] in names else None
        place = np.array([positions.x_m[row], positions.y_m[row]])
        gap = place - frames.origin_m[candidates.face]
        along = (gap * frames.direction[candidates.face]).sum(axis=1)
        behind = -(gap * frames.normal[candidates.face]).sum(axis=1)
        on = (along > -1.0) & (along < frames.length_m[candidates.face] + 1.0) & (behind > 0.0)
        return int(np.where(on, behind, np.inf).argmin()) if on.any() else None


def _blank(positions: Positions, row: int, note: str) -> TagView:
    empty = np.zeros(0)
    return TagView(
        epc=str(positions.epc[row]),
        place=str(positions.shelf_id[row] or positions.face_id[row] or ""),
        offset_m=float(positions.offset_m[row]),
        truth_m=float("nan"),
        sigma_along_m=float(positions.sigma_along_m[row]),
        sigma_local_m=float(positions.sigma_local_m[row]),
        quality=float(positions.quality[row]),
        readings=int(positions.readings[row]),
        passes=(),
        doubled=False,
        has_phase=False,
        residual_rad=float("nan"),
        farther_m=float("nan"),
        grid_m=empty,
        posterior=empty,
        coherence=empty,
        interval_m=(float("nan"), float("nan")),
        note=note,
    )


def _view(
    positions: Positions, row: int, observations: Observations, candidates: Candidates, frames: Frames,
    chosen: int, depth_m: float, shift: float, truth_xy: tuple[float, float] | None,
) -> TagView:  # fmt: skip
    face = int(candidates.face[chosen])
    origin, direction, normal = frames.origin_m[face], frames.direction[face], frames.normal[face]
    if frames.along_m is not None:
        # Places are told in the plan's own coordinates.
        origin = origin - frames.along_m[face] * direction

    def along(x: float, y: float) -> float:
        return float((np.array([x, y]) - origin) @ direction)

    place = (float(positions.x_m[row]), float(positions.y_m[row]))
    offset = along(*place) - shift
    back = -float((np.array(place) - origin) @ normal) - depth_m
    height = float(positions.z_m[row])
    rows = slice(int(candidates.start[chosen]), int(candidates.start[chosen + 1]))
    index = candidates.observation[rows]
    weight = weigh(observations, candidates)[rows]
    phase = observations.phase_rad[index]
    heard = Heard(
        u=candidates.u[rows],
        out=candidates.h[rows] + back,
        up=candidates.z[rows] - height,
        k=observations.wavenumber[index],
        phase=np.nan_to_num(phase),
        weight=np.where(np.isfinite(phase), weight, 0.0),
        group=candidates.group[rows].astype(np.int64),
    )
    has_phase = bool(heard.weight.sum() > 0)
    live = heard.weight > 0
    cells = len(np.unique(np.stack([heard.group[live], candidates.cell[rows][live]]), axis=1).T)
    residual = np.full(len(index), np.nan)
    scale = farther = float("nan")
    grid = posterior = coherence = np.zeros(0)
    interval = (float("nan"), float("nan"))
    if has_phase:
        heard, farther = heard.settled(offset)
        residual = heard.residuals(np.array([offset]), np.zeros(1), np.zeros(1))[0][:, 0]
        scale = residual_scale(residual, heard.weight)
        residual[~np.isfinite(phase)] = np.nan
    if has_phase and cells >= FEW_CELLS:
        low = max(float(heard.u.min()) - 1.0, -SLACK_M)
        high = min(float(heard.u.max()) + 1.0, float(frames.length_m[face]) + SLACK_M)
        grid = np.arange(min(low, offset - 0.1), max(high, offset + 0.1), STEP_M)
        log_p, coherence = heard.log_likelihood(grid, np.zeros(len(grid)), np.zeros(len(grid)), scale)
        centre = float(power_centre(observations, candidates)[chosen])
        log_p += np.logaddexp(-0.5 * ((grid - centre) / CENTRE_SIGMA_M) ** 2, CENTRE_WRONG)
        posterior = np.exp(log_p - log_p.max())
        posterior /= posterior.sum() * STEP_M
        ends = np.interp([0.05, 0.95], np.cumsum(posterior) * STEP_M, grid + shift)
        interval = (float(ends[0]), float(ends[1]))
    return TagView(
        epc=str(positions.epc[row]),
        place=str(positions.shelf_id[row] or positions.face_id[row] or ""),
        offset_m=offset + shift,
        truth_m=_truth(truth_xy, origin, direction, normal, depth_m),
        sigma_along_m=float(positions.sigma_along_m[row]),
        sigma_local_m=float(positions.sigma_local_m[row]),
        quality=float(positions.quality[row]),
        readings=int(positions.readings[row]),
        passes=_passes(heard, residual, observations, index, offset, shift),
        doubled=bool(observations.doubled[index].any()),
        has_phase=has_phase,
        residual_rad=scale,
        farther_m=farther,
        grid_m=grid + shift,
        posterior=posterior,
        coherence=coherence,
        interval_m=interval,
        note=NO_PHASE if not has_phase else "" if len(grid) else TOO_LITTLE,
    )


def _truth(
    truth_xy: tuple[float, float] | None, origin: Floats, direction: Floats, normal: Floats, depth_m: float
) -> float:
    """Return the truth's offset; NaN where it is unknown or far off the face's plane."""
    if truth_xy is None or not np.isfinite(truth_xy).all():
        return float("nan")
    gap = np.array(truth_xy) - origin
    beside = abs(-float(gap @ normal) - depth_m)
    # Without a plan the plane runs through the antennas, and tags stand up to a range behind it.
    return float(gap @ direction) if beside < (0.3 if depth_m > 0 else 2.0) else float("nan")


def _passes(
    heard: Heard, residual: Floats, observations: Observations, index: Ints, offset: float, shift: float
) -> tuple[Pass, ...]:
    antenna = observations.antenna[index]
    rssi = observations.rssi_dbm[index]
    reference = float(np.median(heard.k)) if len(heard.k) else 0.0
    found: list[Pass] = []
    count: dict[int, int] = {}
    for group in range(int(heard.group.max()) + 1):
        mine = np.flatnonzero(heard.group == group)
        mine = mine[np.argsort(heard.u[mine], kind="stable")]
        number = int(antenna[mine[0]])
        count[number] = count.get(number, 0) + 1
        u, across2 = heard.u[mine], heard.out[mine] ** 2 + heard.up[mine] ** 2
        nearest = float(np.sqrt(np.interp(offset, u, across2)))
        model = reference * (np.sqrt((u - offset) ** 2 + across2) - nearest)
        step = max(STEP_M, float(u[-1] - u[0]) / CURVE_POINTS)
        fine = np.arange(u[0], u[-1] + step, step)
        turn = reference * (np.sqrt((fine - offset) ** 2 + np.interp(fine, u, across2)) - nearest)
        found.append(
            Pass(
                antenna=number,
                number=count[number],
                u_m=u + shift,
                phase_rad=wrapped(residual[mine] + model),
                weight=heard.weight[mine],
                rssi_dbm=rssi[mine],
                curve_u_m=fine + shift,
                curve_rad=_broken(wrapped(turn)),
            )
        )
    return tuple(sorted(found, key=lambda p: (p.antenna, p.number)))


def _broken(phase: Floats) -> Floats:
    """Put NaN where a wrapped curve jumps, so that no line is drawn across."""
    out = phase.copy()
    out[1:][np.abs(np.diff(phase)) > np.pi] = np.nan
    return out
