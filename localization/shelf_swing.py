"""How loudness swings along the shelves of a block, and the bars of tags placed by themselves that it widens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from localization.bars import coupled_m, supposed_swing
from localization.faces import rows_of
from localization.placing import (
    FEW_CELLS,
    PULL_SHARE,
    SIGMA_MOST_M,
    Places,
    left_alone,
    taken_cells,
    wavenumbers,
)
from localization.shelf_kernels import LEAST_FIELD
from localization.shelf_scan import Block, pattern_exponent
from localization.swing import Swings, swings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Rows of the places of a believed shelf's tags, and the amplitude that its fit has for each of their observations.
Fitted = tuple[Ints, Floats]


def swings_of(block: Block, places: Places, fitted: Sequence[Fitted] = ()) -> Swings:
    """Return the swings of a block's placed tags, shape (p,).

    Parameters
    ----------
    block : Block
    places : Places
    fitted : sequence of Fitted
        Of shelves whose metal is known. The field at all other tags is taken to come straight from the antenna.
    """
    candidates, observations = block.candidates, block.observations
    rows, size = rows_of(candidates.start, places.candidate), np.diff(candidates.start)[places.candidate]
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    if len(rows) == 0:
        return Swings(np.zeros(0), np.zeros(0))
    owner, obs = np.repeat(np.arange(len(size)), size), candidates.observation[rows]
    depth = places.depth_m.copy()
    for members, _ in fitted:
        depth[members] = 0.0
    along = places.offset_m[owner] - candidates.u[rows]
    out = -(candidates.h[rows] + depth[owner])
    rise = places.height_m[owner] - candidates.z[rows]
    away = np.sqrt(along**2 + out**2 + rise**2) + 1e-9
    look, antenna = candidates.look[rows], observations.antenna[obs]
    ahead = np.maximum((look[:, 0] * along + look[:, 1] * out + look[:, 2] * rise) / away, 1e-3)
    exponent = pattern_exponent(block.mounts.beamwidth_deg)[antenna]
    field = np.maximum(ahead**exponent, LEAST_FIELD) / away
    for members, amplitude in fitted:
        field[rows_of(start, members)] = amplitude
    fold = np.where(observations.doubled[obs], 4.0, 2.0)
    return swings(
        start,
        -along / away,
        observations.rssi_dbm[obs],
        20.0 * np.log10(np.maximum(field, 1e-9)),
        antenna,
        np.where(np.isfinite(observations.phase_rad[obs]), block.weight[rows], 0.0),
        float(np.median(observations.wavenumber[obs] / fold)),
    )


def widened_alone(block: Block, places: Places, told: Swings, members: Ints) -> Places:
    """Return the places, the bars of tags placed by themselves wider by what their loudness's swing says of coupling.

    What residuals tell of reflections is in them; coupling leaves next to no residual. A field pulls a tag placed by
    itself, whose depth and height are free, by the same share of a swing as of a residual.

    Parameters
    ----------
    told : Swings
        Of all places.
    members : int64 array, shape (i,)
        Rows of those placed with their shelves.
    """
    alone = places.cells >= FEW_CELLS
    alone[members] = False
    rows = np.flatnonzero(alone)
    if len(rows) == 0:
        return places
    waves = wavenumbers(block.observations, block.candidates, places)
    left = left_alone(places, waves, taken_cells(block.candidates, places))[rows]
    coupled, _ = coupled_m(told.select(rows), supposed_swing(left, left))
    sigma = places.sigma_m.copy()
    sigma[rows] = np.minimum(np.hypot(sigma[rows], PULL_SHARE * coupled), SIGMA_MOST_M)
    return dataclasses.replace(places, sigma_m=sigma)
