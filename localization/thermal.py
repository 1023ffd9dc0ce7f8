"""The last refinement, for tags whose phases err by the receiver's noise alone.

In a filled shelf reflections rule: alike over a stretch of track, so that a stretch has one vote however often it was
read, and heavy-tailed. Where they do not (free tags, an empty shelf's books, a lone trolley), that throws most of the
information away. There every reading counts by the inverse of its own variance (the maximum likelihood of Gaussian
errors), and the antennas' phases against one another and their cables are the run's, not the tag's, to find.

Which of both holds is read off the residuals of that fit: if neighbouring readings of an antenna err alike, they are
left as the robust fit placed them. ``D f / (1 - f)``, with ``f`` the share of the variance that neighbours have in
common and ``D`` the readings of a stretch, is how much of the variance of a stretch's mean is not the receiver's.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from localization.choice import Boards
from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import Hypotheses
from localization.observations import Observations
from localization.placing import FEW_CELLS, TAG_FLOOR_M, Places
from localization.thermal_law import ThermalRows, learn_law
from localization.thermal_peaks import PEAK_APART_M, StrengthLaw, best_peaks, fitted_anew, on_other_boards

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The run's law is learnt from so many tags at most; fewer do not tell it.
MOST_TEACHERS, FEWEST_TEACHERS = 200, 12
#: Below this the refinement is left out.
LEAST_SHARE = 0.02
#: A tag whose squares are so many deviations beyond what the run's noise gives has something else as well.
STRANGE, STRANGE_SOFT = 5.0, 1.0


def refine_thermal(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, frames: Frames,
    strengths: StrengthLaw, shelved: Ints | None = None,
) -> Places:  # fmt: skip
    """Place tags by their readings' own variances, where these are all that ails them.

    Parameters
    ----------
    observations, candidates, hypotheses, frames
        Of the block.
    places : Places
        As the robust fit has them.
    strengths : StrengthLaw
    shelved : int64 array, shape (i,), optional
        Rows of the places that were fitted with their shelves, and stay as they are: where metal was found the
        receiver is not all that errs, and what neighbours and centres pull tags by shows in no residual.

    Returns
    -------
    Places
        Moved as far as the refinement is believed, with bars to match; of those that went to another peak or board
        all columns speak of the new place.
    """
    alone = places.cells >= FEW_CELLS
    if shelved is not None:
        alone[shelved] = False
    able = np.flatnonzero(alone)
    if len(able) < FEWEST_TEACHERS:
        return places
    counts = np.diff(candidates.start)[places.candidate[able]]
    teachers = np.sort(able[np.argsort(-counts, kind="stable")][:MOST_TEACHERS])
    rows = ThermalRows.of(observations, candidates, hypotheses, places, teachers)
    crowd = float(candidates.density[rows_of(candidates.start, places.candidate[teachers])].mean())
    law = learn_law(rows, _begin(places, teachers), crowd)
    if law.share < LEAST_SHARE:
        return places
    # Cables unknown so far may have put tags on wrong peaks: those teach once more from where they are now.
    block = observations, candidates, hypotheses
    again = best_peaks(*block, places, frames, teachers, rows, law, _begin(places, teachers))
    law = learn_law(rows, again.fits.place, crowd, law)
    if law.share < LEAST_SHARE:
        return places
    every = ThermalRows.of(observations, candidates, hypotheses, places, able)
    found = best_peaks(*block, places, frames, able, every, law, _begin(places, able))
    if law.share > 0.5:
        before_boards = places.hypothesis
        places = on_other_boards(*block, places, frames, able, law, found, strengths)
        if (places.hypothesis != before_boards).any():
            every = ThermalRows.of(*block, places, able)
            found = best_peaks(*block, places, frames, able, every, law, _begin(places, able))
    fits = found.fits
    strange = np.nan_to_num(fits.excess, nan=np.inf)
    share = law.share * expit((STRANGE - strange) / STRANGE_SOFT)
    offset = fits.place[:, 0]
    moved = offset - places.offset_m[able]
    # Two peaks have no middle.
    far = np.abs(moved) > 0.5 * PEAK_APART_M
    share = np.where(far, np.round(share), share)
    shelf, level = places.shelf.copy(), hypotheses.level[places.hypothesis[able]]
    gone = far & (share == 1.0) & (level > 0)
    shelf[able[gone]] = Boards.of(frames).at(places.face[able[gone]], level[gone], offset[gone])
    own = fits.result[:, 3] + TAG_FLOOR_M**2 + found.rival
    before = places.sigma_m[able] ** 2
    variance = share * own + (1.0 - share) * before + share * (1.0 - share) * moved**2
    wide = np.exp(-0.5 * np.minimum(_rms(every, fits.residual), np.pi) ** 2)
    cells = places.cells[able]
    quality = wide * found.chance * cells / (cells + 5.0)

    def blend(old: Floats, new: Floats) -> Floats:
        out = old.copy()
        out[able] += share * (new - old[able])
        return out

    sigma = places.sigma_m.copy()
    sigma[able] = np.sqrt(variance)
    moved_to = dataclasses.replace(
        places, offset_m=blend(places.offset_m, offset), depth_m=blend(places.depth_m, fits.place[:, 1]),
        height_m=blend(places.height_m, fits.place[:, 2]), shelf=shelf,
    )  # fmt: skip
    anew = fitted_anew(observations, candidates, hypotheses, moved_to, able[far & (share == 1.0)], strengths)
    return dataclasses.replace(anew, sigma_m=sigma, quality=np.clip(blend(places.quality, quality), 0.0, 1.0))


def elsewhere(before: Places, after: Places) -> npt.NDArray[np.bool_]:
    """Tell which places are on another board or another peak than they were, shape (p,)."""
    away = np.abs(after.offset_m - before.offset_m) > 0.5 * PEAK_APART_M
    return np.asarray((after.hypothesis != before.hypothesis) | away, np.bool_)


def _begin(places: Places, chosen: Ints) -> Floats:
    return np.stack([places.offset_m[chosen], places.depth_m[chosen], places.height_m[chosen]], axis=1)


def _rms(rows: ThermalRows, residual: Floats) -> Floats:
    """Return each tag's root mean square residual, rad."""
    n = len(rows.start) - 1
    square = np.bincount(rows.owner, residual**2, n)
    return np.asarray(np.sqrt(square / np.maximum(np.diff(rows.start), 1)), np.float64)
