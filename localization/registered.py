"""What several runs' registrations say together of antennas and face distances, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.estimator import Localizer
from localization.faces import Frames
from localization.observations import Mounts, driven_m, observe
from localization.registration import (
    DOUBT,
    REGISTER_READINGS,
    SURVEYED_SIGMA_M,
    Registration,
    register,
)
from localization.registration_solve import ACROSS_SIGMA_M, AHEAD_SIGMA_M
from localization.signal_model import BEAMWIDTH_DEG
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
#: Row of the antenna shifts: along the base's x axis (ahead) and y axis (left).
AHEAD, LEFT = 0, 1
NOT_TOLD = math.nan, math.nan
#: What antennas' shifts ahead and left and depths usually differ by from run to run, worth so many degrees of freedom.
USUAL_M, USUAL_FREEDOM = (0.003, 0.015, SURVEYED_SIGMA_M), 3.0


@dataclass(frozen=True, slots=True)
class Geometry:
    """Antennas against each other, and faces' distances.

    Attributes
    ----------
    shift_m, shift_sigma_m : mapping of antenna id to pairs of float
        Along the base's x axis and y axis; a deviation of NaN is not told.
    depth_m, depth_sigma_m : mapping of face id to float
    """

    shift_m: Mapping[int, tuple[float, float]]
    shift_sigma_m: Mapping[int, tuple[float, float]]
    depth_m: Mapping[str, float]
    depth_sigma_m: Mapping[str, float]

    def antenna(self, antenna: int) -> tuple[float, float, float, float]:
        """Return an antenna's shift and deviation along x, and along y; zeros for one that was not seen."""
        shift, sigma = self.shift_m.get(antenna, (0.0, 0.0)), self.shift_sigma_m.get(antenna, (0.0, 0.0))
        return shift[AHEAD], sigma[AHEAD], shift[LEFT], sigma[LEFT]

    def depths(self) -> dict[str, tuple[float, float]]:
        """Return each face's depth with its deviation."""
        return {face: (self.depth_m[face], self.depth_sigma_m[face]) for face in self.depth_m}


def geometry_of(recording: Recording, plan: Plan, fitted: Localizer, *, halves: bool) -> Geometry | None:
    """Return what a run's registration says; with ``halves`` also how far two halves of its tags agree.

    None where too few tags told anything.
    """
    whole = fitted.registration_
    if whole is None or not whole.tags:
        return None
    first = _said(whole, recording, plan)
    if not halves:
        return first
    number = np.arange(len(recording.readings.tags)) % 2
    parts = [
        _said(found, recording, plan)
        for half in (0, 1)
        if (found := _registered(recording, plan, fitted, number == half)) is not None
    ]
    if len(parts) < 2:
        return first
    # Each half has half of the evidence: the whole's variance is half of theirs, a quarter of their difference's. What
    # one half says nothing of has too few tags for what the others' halves differ by to hold of it.
    both = _with_sigma(first, _pooled_variance(parts) / 2.0)
    return Geometry(
        both.shift_m,
        {
            antenna: sigma if all(antenna in part.shift_m for part in parts) else NOT_TOLD
            for antenna, sigma in both.shift_sigma_m.items()
        },
        both.depth_m,
        {
            face: sigma if all(face in part.depth_m for part in parts) else math.nan
            for face, sigma in both.depth_sigma_m.items()
        },
    )


def combine(runs: Sequence[Geometry | None]) -> Geometry | None:
    """Return what several runs say together, shrunk by how far they disagree; None where none says anything."""
    told = [run for run in runs if run is not None]
    if not told:
        return None
    if len(told) == 1:
        return _shrunk(told[0], dict.fromkeys(told[0].shift_m, 1), dict.fromkeys(told[0].depth_m, 1))
    variance = _pooled_variance(told)
    shift = {
        antenna: (
            float(np.mean([run.shift_m[antenna][AHEAD] for run in told if antenna in run.shift_m])),
            float(np.mean([run.shift_m[antenna][LEFT] for run in told if antenna in run.shift_m])),
        )
        for antenna in sorted({antenna for run in told for antenna in run.shift_m})
    }
    depth = {
        face: float(np.mean([run.depth_m[face] for run in told if face in run.depth_m]))
        for face in sorted({face for run in told for face in run.depth_m})
    }
    return _shrunk(
        _with_sigma(Geometry(shift, {}, depth, {}), variance),
        {antenna: sum(antenna in run.shift_m for run in told) for antenna in shift},
        {face: sum(face in run.depth_m for run in told) for face in depth},
    )


def _said(found: Registration, recording: Recording, plan: Plan) -> Geometry:
    mounts = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG)
    moved = found.mounts(mounts).position_m - mounts.position_m
    shift = {int(a): (float(moved[a, 0]), float(moved[a, 1])) for a in found.antennas}
    names = [face.id for face in plan.faces]
    depth = {names[f]: float(found.depth_m[f]) for f in np.flatnonzero(np.isfinite(found.depth_m))}
    # One registration has only its own word: how far another would differ it cannot tell.
    return Geometry(shift, dict.fromkeys(shift, NOT_TOLD), depth, dict.fromkeys(depth, math.nan))


def _registered(
    recording: Recording, plan: Plan, fitted: Localizer, tags: npt.NDArray[np.bool_]
) -> Registration | None:
    """Register by some of the tags only."""
    readings = recording.readings
    rows = np.flatnonzero(tags[readings.tag] & recording.poses.covers(readings.t))
    counts = np.bincount(readings.tag[rows], minlength=len(readings.tags))
    some = np.cumsum(counts) <= REGISTER_READINGS
    rows = rows[some[readings.tag[rows]]]
    rows = rows[np.argsort(readings.tag[rows], kind="stable")]
    if not len(rows):
        return None
    frames = Frames.of_plan(plan)
    mounts = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG)
    observations = observe(
        readings, rows, recording.poses, driven_m(recording.poses), mounts, fitted.ambiguity_.doubled,
        fitted.delays_m_, 0,
    )  # fmt: skip
    return register(observations, frames)


def _pooled_variance(parts: Sequence[Geometry]) -> Floats:
    """Return how antennas' shifts ahead and left, and depths, vary from part to part, pooled over all; shape (3,).

    The mean of the variance's posterior under a scaled inverse chi-square prior (Gelman et al., *Bayesian Data
    Analysis*, 3rd edition, section 2.6): two parts of one face that happen to agree do not make it sure.
    """

    def spread(values: Sequence[Sequence[float]], usual: float) -> float:
        many = [np.asarray(one) for one in values if len(one) > 1]
        freedom = sum(len(one) - 1 for one in many)
        if not freedom:
            return math.nan
        square = sum(float(((one - one.mean()) ** 2).sum()) for one in many)
        return (square + USUAL_FREEDOM * usual**2) / (freedom + USUAL_FREEDOM - 2.0)

    antennas = {antenna for part in parts for antenna in part.shift_m}
    faces = {face for part in parts for face in part.depth_m}
    return np.array(
        [
            spread([[p.shift_m[a][axis] for p in parts if a in p.shift_m] for a in antennas], USUAL_M[axis])
            for axis in (AHEAD, LEFT)
        ]
        + [spread([[p.depth_m[f] for p in parts if f in p.depth_m] for f in faces], USUAL_M[2])]
    )


def _with_sigma(geometry: Geometry, variance: Floats) -> Geometry:
    """Give every number of a kind the same deviation."""
    sigma = [float(value) for value in np.sqrt(variance)]
    return Geometry(
        geometry.shift_m,
        dict.fromkeys(geometry.shift_m, (sigma[AHEAD], sigma[LEFT])),
        geometry.depth_m,
        dict.fromkeys(geometry.depth_m, sigma[2]),
    )


def _shrunk(geometry: Geometry, heard: Mapping[int, int], seen: Mapping[str, int]) -> Geometry:
    """Shrink antennas' shifts by their uncertainty against what such errors usually are; doubt depths as a run does.

    ``heard`` and ``seen`` are in how many runs each antenna and each face told something.
    """

    def shrink(value: float, sigma: float, usual: float, runs: int) -> tuple[float, float]:
        # Where nothing told how far runs or halves differ, the registration has only its own word: it counts half.
        variance = usual**2 if math.isnan(sigma) else sigma**2 / runs
        share = usual**2 / (usual**2 + variance)
        return value * share, math.sqrt(variance * share)

    shift: dict[int, tuple[float, float]] = {}
    shift_sigma: dict[int, tuple[float, float]] = {}
    for antenna, value in geometry.shift_m.items():
        sigma, runs = geometry.shift_sigma_m[antenna], heard[antenna]
        ahead = shrink(value[AHEAD], sigma[AHEAD], ACROSS_SIGMA_M, runs)
        left = shrink(value[LEFT], sigma[LEFT], AHEAD_SIGMA_M, runs)
        shift[antenna], shift_sigma[antenna] = (ahead[0], left[0]), (ahead[1], left[1])

    def believed(value: float, sigma: float, runs: int) -> tuple[float, float]:
        # A face lies as surveyed unless it evidently does not, from night to night: one run cannot tell of others.
        sigma = math.hypot(sigma, SURVEYED_SIGMA_M) if runs == 1 else sigma / math.sqrt(runs)
        if math.isnan(sigma) or abs(value) <= DOUBT * sigma:
            return 0.0, SURVEYED_SIGMA_M
        return value * (1.0 - (DOUBT * sigma / value) ** 2), sigma

    depth = {
        face: believed(value, geometry.depth_sigma_m[face], seen[face])
        for face, value in geometry.depth_m.items()
    }
    return Geometry(
        shift, shift_sigma, {face: value for face, (value, _) in depth.items()},
        {face: sigma for face, (_, sigma) in depth.items()},
    )  # fmt: skip
