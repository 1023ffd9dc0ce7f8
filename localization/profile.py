"""One tag at a time: where its phases fit, over every face and height it may stand at.

First the profile likelihood on a grid, which cannot be led astray by wrapped phases; then robust least squares from
the grid's best places. The profile likelihood is what a synthetic-aperture hologram images; the robust refinement
with a depth prior is what the least squares of RF-Scanner (Liu et al., INFOCOM 2017) becomes with heavy-tailed,
correlated residuals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames
from localization.footprint import STEP_M as FOOTPRINT_STEP_M
from localization.footprint import footprint
from localization.hypotheses import Hypotheses
from localization.kernels import SETTLED_M, profile_grid, refine
from localization.listening import Listening, ReadRate
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, PER_DB, power_centre
from localization.observations import Mounts, Observations
from localization.peaks import find_peaks
from localization.signal_model import DOUBLED_FACTOR, MULTIPATH_RAD

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Grid of offsets: a sixth of the narrowest main lobe (lambda/16 where phases are doubled).
STEP_M = 0.01
#: How far beyond a face's ends a tag may be placed: what surveys and odometry disagree by.
SLACK_M = 0.10
#: Few cells agree somewhere by chance: this many more, as coherent as in filled shelves, temper what a tag's own say.
USUAL_CELLS, USUAL_R2 = 10.0, 0.4
#: Phases are believed within this way of where the tag was heard best: beyond the antenna's main lobe, what comes by
#: reflection is as strong.
LOBE_M, LOBE_ORDER = 1.0, 4
#: Readings come in bursts: where a tag was read counts for so much beside its phases.
FOOTPRINT_SHARE = 0.5
#: Log-chance that it says nothing of the tag's offset: reflections, a reader that other tags kept busy.
FOOTPRINT_WRONG = -3.0


@dataclass(frozen=True, slots=True)
class Fits:
    """The refined fit of each hypothesis; columns of shape (y,), see ``kernels.refine``."""

    #: The peak refinement began at, and its whole result, shape (y, 8).
    start_m: Floats
    refined: Floats
    offset_m: Floats
    depth_m: Floats
    height_m: Floats
    variance: Floats
    scale_rad: Floats
    log_likelihood: Floats
    cells: Floats
    #: Posterior mass, within the hypothesis, of the peak the fit sits on.
    peak_share: Floats
    #: Where the second best peak of the hypothesis lies.
    other_m: Floats
    #: Log-likelihood of when and by which antenna the tag was read, at the fit's peak.
    read_likelihood: Floats

    @classmethod
    def of(cls, start_m: Floats, refined: Floats) -> Fits:
        """Return fits of one peak each, which has no rivals, by what ``refine_all`` found from ``start_m``.

        ``start_m`` has the shape (h,), ``refined`` (h, 8): the results of ``kernels.refine``.
        """
        return cls(
            start_m=start_m, refined=refined, offset_m=refined[:, 0], depth_m=refined[:, 1], height_m=refined[:, 2],
            variance=refined[:, 3], scale_rad=refined[:, 4], log_likelihood=-refined[:, 5] * refined[:, 6],
            cells=refined[:, 7], peak_share=np.ones(len(refined)), other_m=refined[:, 0],
            read_likelihood=np.zeros(len(refined)),
        )  # fmt: skip


def weigh(observations: Observations, candidates: Candidates) -> Floats:
    """Relative weights, shape (m,).

    Receiver noise beside multipath; one vote a stretch of correlated track; and a weak signal's phase less than a
    strong one's, since what is reflected to the antenna stays while the direct signal fades with distance or in a
    null: the square root of relative power, between none (all alike) and the full power that independent errors
    would ask for.
    """
    obs = candidates.observation
    doubled = np.where(observations.doubled[obs], DOUBLED_FACTOR, 1.0)
    multipath = (MULTIPATH_RAD * doubled) ** 2
    weight = multipath / (multipath + observations.variance[obs])
    weight[~np.isfinite(observations.phase_rad[obs])] = 0.0
    if len(weight):
        top = np.maximum.reduceat(observations.rssi_dbm[obs], candidates.start[:-1])
        weight *= np.exp(
            (observations.rssi_dbm[obs] - np.repeat(top, np.diff(candidates.start))) * (0.25 * PER_DB)
        )
        away = candidates.u - np.repeat(power_centre(observations, candidates), np.diff(candidates.start))
        weight *= np.exp(-(((away / LOBE_M) ** 2) ** (LOBE_ORDER // 2)))
    return weight / candidates.density


@dataclass(frozen=True, slots=True)
class Image:
    """The profile likelihood of every candidate's hypotheses over its offsets.

    Attributes
    ----------
    low_m, high_m : float64 array, shape (c,)
        Offsets looked at, ``STEP_M`` apart.
    x_count : int64 array, shape (c,)
    start : int64 array, shape (c + 1,)
    value : float32 array, shape (start[-1],)
        Candidate, hypothesis, offset; see ``kernels.profile_grid``.
    """

    low_m: Floats
    high_m: Floats
    x_count: Ints
    start: Ints
    value: npt.NDArray[np.float32]


def image(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, frames: Frames, weight: Floats,
    about_m: float = math.inf,
) -> Image:  # fmt: skip
    """Image every candidate; the same whatever the run teaches of read rates.

    Only within ``about_m`` of the centroid of received power, where that is less than the stretch it was heard from.

    ``weight`` is that of every row of the candidates, shape (m,).
    """
    obs = candidates.observation
    phase = np.nan_to_num(observations.phase_rad[obs])
    k = observations.wavenumber[obs]
    x_low, x_high = _window(candidates, frames)
    if math.isfinite(about_m):
        centre = np.clip(power_centre(observations, candidates), x_low, x_high)
        x_low, x_high = np.maximum(x_low, centre - about_m), np.minimum(x_high, centre + about_m)
    x_count = np.maximum(((x_high - x_low) / STEP_M).astype(np.int64) + 1, 2)
    shape = np.diff(hypotheses.start) * x_count
    out_start = np.concatenate([[0], np.cumsum(shape)])
    surface = np.empty(out_start[-1], np.float32)
    local = candidates.u - np.repeat(x_low, np.diff(candidates.start))
    profile_grid(
        candidates.start, local.astype(np.float32), candidates.h.astype(np.float32), candidates.z.astype(np.float32),
        (k / (2 * math.pi)).astype(np.float32), (phase / (2 * math.pi)).astype(np.float32),
        weight.astype(np.float32), candidates.group, np.zeros(len(x_count), np.float32), STEP_M, x_count,
        hypotheses.start, hypotheses.depth_m.astype(np.float32), hypotheses.height_m.astype(np.float32),
        out_start, surface,
    )  # fmt: skip
    return Image(x_low, x_high, x_count, out_start, surface)


def fit(
    observations: Observations,
    candidates: Candidates,
    hypotheses: Hypotheses,
    seen: Image,
    frames: Frames,
    weight: Floats,
    mounts: Mounts,
    listening: Listening | None,
    rate: ReadRate | None,
    before: Fits | None = None,
) -> Fits:
    """Fit every hypothesis of every candidate; with a read rate, where a tag was read helps to choose the peak.

    ``before`` are the fits of an earlier rate: a hypothesis whose peak is the same as then is not refined again.

    ``weight`` is that of every row of the candidates, shape (m,).
    """
    obs = candidates.observation
    count = len(candidates.tag)
    phase = np.nan_to_num(observations.phase_rad[obs])
    k = observations.wavenumber[obs]
    x_low, x_high, x_count, out_start, surface = seen.low_m, seen.high_m, seen.x_count, seen.start, seen.value
    y = int(hypotheses.start[-1])
    total = np.add.reduceat(np.append(weight, 0.0), candidates.start[:-1]) if count else np.zeros(0)
    centre = power_centre(observations, candidates)
    coarse = None
    if listening is not None and rate is not None and count:
        coarse = footprint(
            observations, candidates, frames, mounts, listening, rate, hypotheses.start, hypotheses.depth_m,
            hypotheses.height_m, x_low, x_high,
        )  # fmt: skip
    groups = candidates.group[candidates.start[1:] - 1] + 1 if count else np.zeros(0, np.int64)
    none = np.zeros(0, np.int64)
    read_count, read_start, read_value = (none, none, np.zeros(0)) if coarse is None else coarse
    peaks = np.zeros((y, 4))
    find_peaks(
        out_start, x_count, x_low, STEP_M, surface, hypotheses.start, total, groups, centre, read_count, read_start,
        read_value, FOOTPRINT_STEP_M, np.array([USUAL_CELLS, USUAL_R2]), FOOTPRINT_SHARE, FOOTPRINT_WRONG,
        CENTRE_SIGMA_M, CENTRE_WRONG, peaks,
    )  # fmt: skip
    best, share, other, read = (np.ascontiguousarray(column) for column in peaks.T)
    owner = np.repeat(np.arange(count), np.diff(hypotheses.start))
    if before is None:
        result = refine_all(candidates, owner, best, hypotheses, np.arange(y), k, phase, weight)
    else:
        result = before.refined.copy()
        moved = np.flatnonzero(best != before.start_m)
        result[moved] = refine_all(candidates, owner, best, hypotheses, moved, k, phase, weight)
    return replace(Fits.of(best, result), peak_share=share, other_m=other, read_likelihood=read)


def refine_all(
    candidates: Candidates,
    owner: Ints,
    start_m: Floats,
    hypotheses: Hypotheses,
    chosen: Ints,
    k: Floats,
    phase: Floats,
    weight: Floats,
    settled_m: float = SETTLED_M,
) -> Floats:
    """Refine each chosen hypothesis from its start; the observations are listed once for each.

    ``owner`` (candidate) and ``start_m`` (m) are of every hypothesis, shape (h,); ``k`` (rad/m), ``phase`` (rad) and
    ``weight`` of every row of the candidates, shape (m,). Returns the results of ``kernels.refine``, shape (chosen, 8).
    """
    owner = owner[chosen]
    size = (candidates.start[1:] - candidates.start[:-1])[owner]
    first = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    index = np.arange(first[-1]) - np.repeat(first[:-1] - candidates.start[owner], size)
    result = np.zeros((len(owner), 8))
    refine(
        first, candidates.u[index], candidates.h[index], candidates.z[index], k[index], phase[index], weight[index],
        candidates.group[index], candidates.cell[index], start_m[chosen], hypotheses.depth_m[chosen],
        hypotheses.height_m[chosen], hypotheses.depth_sigma_m[chosen], hypotheses.height_sigma_m[chosen], result,
        settled_m,
    )  # fmt: skip
    return result


def _window(candidates: Candidates, frames: Frames) -> tuple[Floats, Floats]:
    """Offsets a candidate may stand at: along the stretch it was heard from, and a metre more, within the face."""
    begin = candidates.start[:-1]
    low = np.minimum.reduceat(candidates.u, begin) - 1.0 if len(begin) else np.zeros(0)
    high = np.maximum.reduceat(candidates.u, begin) + 1.0 if len(begin) else np.zeros(0)
    length = frames.length_m[candidates.face]
    low = np.clip(low, -SLACK_M, length + SLACK_M - STEP_M)
    high = np.clip(high, low + STEP_M, length + SLACK_M)
    return low, high
