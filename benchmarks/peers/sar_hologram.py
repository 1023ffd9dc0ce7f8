"""The synthetic-aperture hologram: back-projection of the phases of one pass.

For a place p the phasors of one antenna and channel are turned back by the phase that the way to p and
back would give; where they line up, the tag stands. With an unknown offset for each antenna and channel
(R. Miesen, F. Kirsch, M. Vossiek, "Holographic Localization of Passive UHF RFID Transponders", IEEE RFID
2011) the magnitudes of their sums are added:

    I(p) = sum_s | sum_n exp(j (theta_n - k_n |a_n - p|)) |
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from benchmarks.peers.views import View, to_positions, views
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]

STEP_M = 0.005
FREE_DEPTHS_M = np.arange(-0.25, 0.351, 0.025)


def locate(recording: Recording, plan: Plan) -> Positions:
    """Place each tag at the hologram's peak over the face's tag plane."""
    return _locate(recording, plan, np.zeros(1))


def locate_free_depth(recording: Recording, plan: Plan) -> Positions:
    """Place each tag at the hologram's peak when its depth is not known to 0.3 m."""
    return _locate(recording, plan, FREE_DEPTHS_M)


def _locate(recording: Recording, plan: Plan, depths: Floats) -> Positions:
    seen = views(recording, plan)
    offset, height, depth = [], [], []
    for view in seen:
        offsets, heights = view.offsets_m(STEP_M), view.heights_m()
        image = hologram(view, offsets, depths, heights)
        i, j, k = np.unravel_index(int(np.argmax(image)), image.shape)
        offset.append(peak(offsets, image[:, j, k], int(i)))
        depth.append(float(depths[j]))
        height.append(float(heights[k]))
    return to_positions(seen, offset, height, depth)


def hologram(view: View, offsets_m: Floats, depths_m: Floats, heights_m: Floats) -> Floats:
    """Return the image, shape (offsets, depths, heights); depths count from the tag plane into the face."""
    return _back_project(
        view.along_m, view.away_m, view.height_m, view.phase_rad, view.wavenumber, view.series,
        int(view.series.max()) + 1, offsets_m, depths_m, heights_m,
    )  # fmt: skip


def hologram_reference(view: View, offsets_m: Floats, depths_m: Floats, heights_m: Floats) -> Floats:
    """Return the same as :func:`hologram`, in plain numpy."""
    along = offsets_m[:, None, None, None] - view.along_m
    away = depths_m[:, None, None] + view.away_m
    up = heights_m[:, None] - view.height_m
    phasor = np.exp(1j * (view.phase_rad - view.wavenumber * np.sqrt(along**2 + away**2 + up**2)))
    member = view.series[:, None] == np.arange(view.series.max() + 1)
    return np.abs(phasor @ member).sum(axis=-1)


def peak(grid: Floats, values: Floats, at: int) -> float:
    """Return the place of the maximum at index ``at``, refined by a parabola through its neighbours."""
    if at in (0, len(grid) - 1):
        return float(grid[at])
    left, top, right = values[at - 1], values[at], values[at + 1]
    bend = left - 2 * top + right
    return float(grid[at] + (0.5 * (left - right) / bend if bend < 0 else 0.0) * (grid[1] - grid[0]))


@numba.njit(cache=True, fastmath=True)
def _back_project(
    along: Floats, away: Floats, height: Floats, phase: Floats, wavenumber: Floats, series:
    npt.NDArray[np.int64], n_series: int, offsets: Floats, depths: Floats, heights: Floats,
) -> Floats:  # fmt: skip
    image = np.zeros((len(offsets), len(depths), len(heights)))
    real, imag = np.empty(n_series), np.empty(n_series)
    for i in range(len(offsets)):
        for j in range(len(depths)):
            for k in range(len(heights)):
                real[:] = 0.0
                imag[:] = 0.0
                for n in range(len(along)):
                    way = math.sqrt(
                        (offsets[i] - along[n]) ** 2
                        + (depths[j] + away[n]) ** 2
                        + (heights[k] - height[n]) ** 2
                    )
                    angle = phase[n] - wavenumber[n] * way
                    real[series[n]] += math.cos(angle)
                    imag[series[n]] += math.sin(angle)
                for s in range(n_series):
                    image[i, j, k] += math.sqrt(real[s] ** 2 + imag[s] ** 2)
    return image
