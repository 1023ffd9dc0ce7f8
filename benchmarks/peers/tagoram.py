"""Tagoram's differential augmented hologram (L. Yang et al., "Tagoram", MobiCom 2014, section 4).

Phases are taken less that of the first reading of their antenna and channel, so that the unknown offset
falls out, and every phasor is weighted by how likely its residual is under Gaussian phase noise of 0.1 rad:

    I(p) = sum_s | sum_n w_n exp(j e_n) |
    e_n = (theta_n - theta_0) - (k d_n - k d_0),  w_n = 2 (1 - Phi(|e_n| / (0.1 sqrt 2)))
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from benchmarks.peers.sar_hologram import STEP_M, peak
from benchmarks.peers.views import to_positions, views
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]


def locate(recording: Recording, plan: Plan) -> Positions:
    """Place each tag at the peak of the hologram over the face's tag plane."""
    seen = views(recording, plan)
    offset, height = [], []
    for view in seen:
        offsets, heights = view.offsets_m(STEP_M), view.heights_m()
        first = np.full(int(view.series.max()) + 1, -1, np.int64)
        for rows in view.each_series():
            first[view.series[rows[0]]] = rows[0]
        image = _differential(
            view.along_m, view.away_m, view.height_m, view.phase_rad, view.wavenumber, view.series, first,
            offsets, heights
        )  # fmt: skip
        i, k = np.unravel_index(int(np.argmax(image)), image.shape)
        offset.append(peak(offsets, image[:, k], int(i)))
        height.append(float(heights[k]))
    return to_positions(seen, offset, height)


@numba.njit(cache=True, fastmath=True)
def _differential(
    along: Floats, away: Floats, height: Floats, phase: Floats, wavenumber: Floats,
    series: npt.NDArray[np.int64], first: npt.NDArray[np.int64], offsets: Floats, heights: Floats,
) -> Floats:  # fmt: skip
    image = np.zeros((len(offsets), len(heights)))
    real, imag, start = np.empty(len(first)), np.empty(len(first)), np.empty(len(first))
    turn = 2.0 * math.pi
    for i in range(len(offsets)):
        for k in range(len(heights)):
            for s in range(len(first)):
                n = first[s]
                way = math.sqrt((offsets[i] - along[n]) ** 2 + away[n] ** 2 + (heights[k] - height[n]) ** 2)
                start[s] = phase[n] - wavenumber[n] * way
            real[:] = 0.0
            imag[:] = 0.0
            for n in range(len(along)):
                way = math.sqrt((offsets[i] - along[n]) ** 2 + away[n] ** 2 + (heights[k] - height[n]) ** 2)
                error = phase[n] - wavenumber[n] * way - start[series[n]]
                error -= turn * math.floor(error / turn + 0.5)
                weight = math.erfc(abs(error) / 0.2)  # 2 (1 - Phi(x / sigma)) with sigma = 0.1 sqrt 2
                real[series[n]] += weight * math.cos(error)
                imag[series[n]] += weight * math.sin(error)
            for s in range(len(first)):
                image[i, k] += math.sqrt(real[s] ** 2 + imag[s] ** 2)
    return image
