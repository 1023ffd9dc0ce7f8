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

from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import Hypotheses
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, power_centre
from localization.observations import Observations
from localization.placing import FEW_CELLS, TAG_FLOOR_M, Places
from localization.profile import STEP_M, image
from localization.thermal_law import ThermalFit, ThermalLaw, ThermalRows, learn_law

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The run's law is learnt from so many tags at most; fewer do not tell it.
MOST_TEACHERS, FEWEST_TEACHERS = 200, 12
#: Below this the refinement is left out.
LEAST_SHARE = 0.02
#: A tag whose squares are so many deviations beyond what the run's noise gives has something else as well.
STRANGE, STRANGE_SOFT = 5.0, 1.0
#: Peaks of the image that are tried for a tag.
PEAKS = 8
PEAK_APART_M = 0.05
#: The place so far was chosen by where and how loud the tag was read, too: log-odds.
HEAD_START = 2.0


def refine_thermal(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, frames: Frames,
    shelved: Ints | None = None,
) -> Places:  # fmt: skip
    """Place tags by their readings' own variances, where these are all that ails them.

    Parameters
    ----------
    observations, candidates, hypotheses, frames
        Of the block.
    places : Places
        As the robust fit has them.
    shelved : int64 array, optional
        Rows of the places that were fitted with their shelves, and stay as they are: where metal was found the
        receiver is not all that errs, and what neighbours and centres pull tags by shows in no residual.

    Returns
    -------
    Places
        Moved as far as the refinement is believed, with bars to match.
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
    again, _, _ = _best_peaks(observations, candidates, hypotheses, places, frames, teachers, rows, law)
    law = learn_law(rows, again.place, crowd, law)
    if law.share < LEAST_SHARE:
        return places
    every = ThermalRows.of(observations, candidates, hypotheses, places, able)
    fits, chance, rival = _best_peaks(observations, candidates, hypotheses, places, frames, able, every, law)
    strange = np.nan_to_num(fits.excess, nan=np.inf)
    share = law.share * expit((STRANGE - strange) / STRANGE_SOFT)
    offset = fits.place[:, 0]
    moved = offset - places.offset_m[able]
    # Two peaks have no middle.
    share = np.where(np.abs(moved) > 0.5 * PEAK_APART_M, np.round(share), share)
    own = fits.result[:, 3] + TAG_FLOOR_M**2 + rival
    before = places.sigma_m[able] ** 2
    variance = share * own + (1.0 - share) * before + share * (1.0 - share) * moved**2
    wide = np.exp(-0.5 * np.minimum(_rms(every, fits.residual), np.pi) ** 2)
    cells = places.cells[able]
    quality = wide * chance * cells / (cells + 5.0)

    def blend(old: Floats, new: Floats) -> Floats:
        out = old.copy()
        out[able] += share * (new - old[able])
        return out

    sigma = places.sigma_m.copy()
    sigma[able] = np.sqrt(variance)
    return dataclasses.replace(
        places, offset_m=blend(places.offset_m, offset), depth_m=blend(places.depth_m, fits.place[:, 1]),
        height_m=blend(places.height_m, fits.place[:, 2]), sigma_m=sigma,
        quality=np.clip(blend(places.quality, quality), 0.0, 1.0),
    )  # fmt: skip


def _begin(places: Places, chosen: Ints) -> Floats:
    return np.stack([places.offset_m[chosen], places.depth_m[chosen], places.height_m[chosen]], axis=1)


def _rms(rows: ThermalRows, residual: Floats) -> Floats:
    """Return each tag's root mean square residual, rad."""
    n = len(rows.start) - 1
    square = np.bincount(rows.owner, residual**2, n)
    return np.asarray(np.sqrt(square / np.maximum(np.diff(rows.start), 1)), np.float64)


def _best_peaks(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, frames: Frames,
    able: Ints, rows: ThermalRows, law: ThermalLaw,
) -> tuple[ThermalFit, Floats, Floats]:  # fmt: skip
    """Fit each tag from where it was placed and from the highest peaks of its image, and take the likeliest.

    Returns
    -------
    fits : ThermalFit
    chance : float64 array, shape (tags,)
        Of the peak taken, among those tried.
    rival : float64 array, shape (tags,)
        Mean square distance to the others, by their chances, m^2.
    """
    mine = candidates.select(places.candidate[able])
    y = places.hypothesis[able]
    n = len(able)
    one = Hypotheses(
        start=np.arange(n + 1), depth_m=hypotheses.depth_m[y], height_m=hypotheses.height_m[y],
        depth_sigma_m=hypotheses.depth_sigma_m[y], height_sigma_m=hypotheses.height_sigma_m[y],
        log_prior=np.zeros(n), level=hypotheses.level[y],
    )  # fmt: skip
    obs = mine.observation
    heard = np.isfinite(observations.phase_rad[obs])
    weight, phase = np.zeros(len(obs)), observations.phase_rad.copy()
    weight[heard], phase[obs[heard]] = rows.weight(law), rows.turned(law)
    if law.tau_rad <= 0.1:
        mine = dataclasses.replace(mine, group=np.zeros_like(mine.group))
    seen = image(dataclasses.replace(observations, phase_rad=phase), mine, one, frames, weight)
    centre = power_centre(observations, mine)
    starts = np.repeat(_begin(places, able)[:, None], PEAKS + 1, axis=1)
    apart = round(PEAK_APART_M / STEP_M)
    for i in range(n):
        value = seen.value[seen.start[i] : seen.start[i + 1]].astype(np.float64)
        at = seen.low_m[i] + STEP_M * np.arange(len(value))
        value += _near_centre(at - centre[i])
        for peak in range(1, PEAKS + 1):
            top = int(value.argmax())
            starts[i, peak] = at[top], one.depth_m[i], one.height_m[i]
            value[max(top - apart, 0) : top + apart + 1] = -np.inf
    tried = [rows.fit(law, starts[:, peak]) for peak in range(PEAKS + 1)]
    offset = np.stack([fit.result[:, 0] for fit in tried], axis=1)
    score = -0.5 * np.stack([fit.result[:, 6] for fit in tried], axis=1)
    score += _near_centre(offset - centre[:, None])
    score[:, 0] += HEAD_START
    best = score.argmax(axis=1)
    away = offset - offset[np.arange(n), best][:, None]
    # Fits that ended on the same peak are one.
    share = np.where(np.abs(away) < STEP_M, 0.0, np.exp(score - score.max(axis=1, keepdims=True)))
    share = share / (1.0 + share.sum(axis=1, keepdims=True))
    result = np.stack([fit.result for fit in tried])[best, np.arange(n)]
    of_row = best[rows.owner], np.arange(len(rows.owner))
    residual = np.stack([fit.residual for fit in tried])[of_row]
    added = np.stack([fit.added for fit in tried])[of_row]
    return ThermalFit(result, residual, added), 1.0 - share.sum(axis=1), (share * away**2).sum(axis=1)


def _near_centre(away_m: Floats) -> Floats:
    return np.logaddexp(-0.5 * (away_m / CENTRE_SIGMA_M) ** 2, CENTRE_WRONG)
