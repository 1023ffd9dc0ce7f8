"""RF-Scanner's least squares.

J. Liu et al., "RF-Scanner: Shelf Scanning with Robot-assisted RFID Systems", IEEE INFOCOM 2017: along a straight
pass the unwrapped phase of one antenna and channel is a hyperbola, theta(u) = k sqrt((u - a)^2 + b^2) + c;
a is the tag's place, and the places of the channels are averaged.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import curve_fit

from benchmarks.peers.views import View, centroid, to_positions, views
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]

MIN_READINGS = 6  # of one antenna and channel: three unknowns and as many again


def locate(recording: Recording, plan: Plan) -> Positions:
    """Place each tag at the mean apex of its hyperbolas, kept inside the face."""
    seen = views(recording, plan)
    return to_positions(seen, [_place(view) for view in seen])


def _place(view: View) -> float:
    apexes = [_apex(view, rows) for rows in view.each_series() if len(rows) >= MIN_READINGS]
    known = [np.clip(apex, 0.0, view.face.length_m) for apex in apexes if np.isfinite(apex)]
    return float(np.mean(known)) if known else float("nan")


def _apex(view: View, rows: npt.NDArray[np.int64]) -> float:
    k = float(view.wavenumber[rows[0]])
    along = view.along_m[rows]
    phase = np.unwrap(view.phase_rad[rows])
    away = float(np.median(view.away_m[rows]))
    start = centroid(view)
    offset = float(np.mean(phase - k * np.hypot(along - start, away)))

    def hyperbola(u: Floats, a: float, b: float, c: float) -> Floats:
        return k * np.hypot(u - a, b) + c

    def slopes(u: Floats, a: float, b: float, _c: float) -> Floats:
        way = np.hypot(u - a, b) + 1e-9
        return np.stack([-k * (u - a) / way, k * b / way, np.ones_like(u)], axis=1)

    try:
        fitted, _ = curve_fit(
            hyperbola, along, phase, p0=(start, away, offset), jac=slopes, method="lm", maxfev=200
        )
    except RuntimeError:  # no convergence: this channel tells nothing
        return float("nan")
    return float(fitted[0])
