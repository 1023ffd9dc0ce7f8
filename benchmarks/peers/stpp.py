"""STPP's V-zone.

L. Shangguan et al., "Relative Localization of RFID Tags using Spatial-Temporal Phase Profiling", NSDI 2015. The
profile that a tag at the plan's depth would give is matched to the measured one by dynamic time warping; the
measured point that its bottom falls on is followed both ways until the phase jumps, and a parabola through
that V-zone has its bottom at the tag. The offset being unknown, the profile is tried at eight of them. Places
of several antennas and channels are put together by their median.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from benchmarks.peers.views import View, to_positions, views
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]

MIN_READINGS = 6
HALF_PROFILE_M = 0.4
OFFSETS_RAD = np.arange(8) * np.pi / 4


def locate(recording: Recording, plan: Plan) -> Positions:
    """Place each tag at the median bottom of its V-zones, kept inside the face."""
    seen = views(recording, plan)
    return to_positions(seen, [_place(view) for view in seen])


def _place(view: View) -> float:
    bottoms = [_bottom(view, rows) for rows in view.each_series() if len(rows) >= MIN_READINGS]
    known = [np.clip(bottom, 0.0, view.face.length_m) for bottom in bottoms if np.isfinite(bottom)]
    return float(np.median(known)) if known else float("nan")


def _bottom(view: View, rows: npt.NDArray[np.int64]) -> float:
    rows = rows[np.argsort(view.along_m[rows], kind="stable")]
    along, phase = view.along_m[rows], view.phase_rad[rows] % (2 * np.pi)
    k, away = float(view.wavenumber[rows[0]]), float(np.median(view.away_m[rows]))
    step = max(float(np.median(np.diff(along))), 0.005)
    half = np.arange(0.0, HALF_PROFILE_M, step)
    places = np.concatenate([-half[:0:-1], half])
    profiles = (k * np.hypot(places, away) + OFFSETS_RAD[:, None]) % (2 * np.pi)
    costs, matches = zip(*(_match(phase, profile, len(half) - 1) for profile in profiles), strict=True)
    at = int(matches[int(np.argmin(costs))])
    jumps = np.flatnonzero(np.abs(np.diff(phase)) >= np.pi)
    left = int(jumps[jumps < at].max(initial=-1)) + 1
    right = int(jumps[jumps >= at].min(initial=len(phase) - 1)) + 1
    if right - left < 4:
        return float("nan")
    mid = float(along[left:right].mean())
    bend, slope, _ = np.polyfit(along[left:right] - mid, phase[left:right], 2)
    return mid - slope / (2 * bend) if bend > 0 else float("nan")


@numba.njit(cache=True)
def _match(measured: Floats, profile: Floats, bottom: int) -> tuple[float, int]:
    """Return the cost of aligning the profile with a part of the phases, and where its bottom falls."""
    n, m = len(measured), len(profile)
    cost = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            here = abs(measured[i] - profile[j])
            if j == 0:
                before = 0.0  # the profile may begin anywhere
            elif i == 0:
                before = cost[0, j - 1]
            else:
                before = min(cost[i - 1, j - 1], cost[i, j - 1], cost[i - 1, j])
            cost[i, j] = here + before
    i, j = 0, m - 1
    for end in range(n):  # and end anywhere
        if cost[end, j] < cost[i, j]:
            i = end
    total = cost[i, j]
    while j > bottom:
        if i == 0 or (cost[i, j - 1] <= cost[i - 1, j] and cost[i, j - 1] <= cost[i - 1, j - 1]):
            j -= 1
        elif cost[i - 1, j - 1] <= cost[i - 1, j]:
            i, j = i - 1, j - 1
        else:
            i -= 1
    return total, i
