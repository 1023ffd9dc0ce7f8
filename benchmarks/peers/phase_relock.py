"""Phase ReLock: unwrapped phases and non-linear least squares, all antennas joint.

A. Tzitzis, S. Megalou, S. Siachalou, E. Tsardoulias, A. Kehagias, T. Yioultsis, A. Dimitriou, "Localization of RFID
Tags by a Moving Robot, via Phase Unwrapping and Non-Linear Optimization", IEEE Journal of Radio Frequency
Identification 3(4), 2019 (first as "Phase ReLock", EuCAP 2019): the phases of each antenna are freed of their
jumps of 2 pi along the track, and the tag's place p together with one constant for each series s minimise

    sum_s sum_n (theta_sn - k |a_sn - p| - c_s)^2
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from benchmarks.peers.views import View, centroid, to_positions, views
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]

MIN_READINGS = 3  # of one series: a shorter one is explained by its constant and one unwrapped step
MIN_AWAY_M = 0.02  # nearer to the antenna's path the start has no slope in the depth


def locate(recording: Recording, plan: Plan) -> Positions:
    """Place each tag where its unwrapped phases fit best, kept inside the face; NaN without a usable series."""
    seen = views(recording, plan)
    places = [_place(view) for view in seen]
    return to_positions(
        seen, [place[0] for place in places], [place[2] for place in places], [place[1] for place in places]
    )


def _place(view: View) -> tuple[float, float, float]:
    series = [rows for rows in view.each_series() if len(rows) >= MIN_READINGS]
    if not series:
        return float("nan"), float("nan"), float("nan")
    rows = np.concatenate(series)
    lengths = np.array([len(one) for one in series])
    starts = np.cumsum(lengths) - lengths
    phase = np.concatenate([np.unwrap(view.phase_rad[one]) for one in series])
    k, along, away, up = view.wavenumber[rows], view.along_m[rows], view.away_m[rows], view.height_m[rows]

    def centred(values: Floats) -> Floats:
        # A series' best constant is its residuals' mean: taking it off solves for all constants at once.
        return values - np.repeat(np.add.reduceat(values, starts) / lengths, lengths)

    def way(p: Floats) -> Floats:
        return np.sqrt((p[0] - along) ** 2 + (p[1] + away) ** 2 + (height(p) - up) ** 2) + 1e-9

    # Antennas of one height see the distance from their line alone; the height is then taken to be theirs.
    free = 3 if np.ptp(up) > 0.01 else 2

    def height(p: Floats) -> float:
        return float(p[2]) if free == 3 else float(up[0])

    def misfit(p: Floats) -> Floats:
        return centred(phase - k * way(p))

    def slopes(p: Floats) -> Floats:
        d = way(p)
        columns = (p[0] - along, p[1] + away, height(p) - up)[:free]
        return np.stack([centred(-k * column / d) for column in columns], axis=1)

    power = 10.0 ** ((view.rssi_dbm - view.rssi_dbm.max()) / 10.0)
    heard_m = float(np.sum(power * view.height_m) / np.sum(power))
    # A start at an antenna's own height has no slope in the height.
    start = np.array([centroid(view), 0.0, heard_m + MIN_AWAY_M])[:free]
    if len(rows) < free:
        return float("nan"), float("nan"), float("nan")
    solve: Any = least_squares  # scipy ships no types; the default of `jac` would pass for its only one
    fitted = solve(misfit, start, jac=slopes, method="lm", max_nfev=200).x
    offset = float(np.clip(fitted[0], 0.0, view.face.length_m))
    return offset, float(fitted[1]), height(fitted)
