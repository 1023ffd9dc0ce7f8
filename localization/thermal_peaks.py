"""The likeliest peak of a tag under the run's own law: where it was placed, the image's peaks, and other boards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from localization.choice import Boards
from localization.faces import Candidates, Frames
from localization.hypotheses import Hypotheses
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, power_centre
from localization.observations import Mounts, Observations
from localization.placing import Places, fit_quality, local_sigma
from localization.profile import STEP_M, Fits, image, refine_all, weigh
from localization.strength import rssi_likelihood
from localization.thermal_law import ThermalFit, ThermalLaw, ThermalRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Peaks of the image that are tried for a tag, and as one that is not of its row.
PEAKS: Final = 8
STRANGE_PEAKS: Final = 2
PEAK_APART_M = 0.05
#: The place so far was chosen by where and how loud the tag was read, too: log-odds of its peak, and of its board.
HEAD_START, BOARD_START = 2.0, 5.0
#: A tag whose squares are so many deviations beyond the run's noise is tried on the face's other boards, too, and moves
#: to one where they are not beyond this.
ILL_FITTED, EXPLAINED = 2.0, 4.0


@dataclass(frozen=True, slots=True)
class StrengthLaw:
    """What it takes to tell a tag's strength at a place.

    Attributes
    ----------
    mounts : Mounts
    pattern_share : float
    bias_db : float64 array, shape (256,)
        As the run taught them (``strength.learn_pattern``).
    """

    mounts: Mounts
    pattern_share: float
    bias_db: Floats


@dataclass(frozen=True, slots=True)
class Peaks:
    """The likeliest of the peaks tried for each tag.

    Attributes
    ----------
    fits : ThermalFit
    score : float64 array, shape (tags,)
        Its log-likelihood with what speaks for the peak beside.
    chance : float64 array, shape (tags,)
        Of the peak taken, among those tried.
    rival : float64 array, shape (tags,)
        Mean square distance to the others, by their chances, m^2.
    """

    fits: ThermalFit
    score: Floats
    chance: Floats
    rival: Floats


def best_peaks(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, frames: Frames,
    able: Ints, rows: ThermalRows, law: ThermalLaw, begin: Floats,
) -> Peaks:  # fmt: skip
    """Fit each tag from ``begin`` and from the highest peaks of its image, and take the likeliest.

    Parameters
    ----------
    observations, candidates, hypotheses, places, frames
        Of the block.
    able : int64 array, shape (tags,)
        Which of the places.
    rows : ThermalRows
        Of these.
    law : ThermalLaw
    begin : float64 array, shape (tags, 3)
        Offset, depth and height.
    """
    mine = candidates.select(places.candidate[able])
    y = places.hypothesis[able]
    n = len(able)
    middle, width = rows.expected(law)
    one = Hypotheses(
        start=np.arange(n + 1), depth_m=middle[:, 0], height_m=middle[:, 1],
        depth_sigma_m=width[:, 0], height_sigma_m=width[:, 1],
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
    starts = np.repeat(begin[:, None], PEAKS + 1, axis=1)
    apart = round(PEAK_APART_M / STEP_M)
    for i in range(n):
        value = seen.value[seen.start[i] : seen.start[i + 1]].astype(np.float64)
        at = seen.low_m[i] + STEP_M * np.arange(len(value))
        value += _near_centre(at - centre[i])
        for peak in range(1, PEAKS + 1):
            top = int(value.argmax())
            starts[i, peak] = at[top], one.depth_m[i], one.height_m[i]
            value[max(top - apart, 0) : top + apart + 1] = -np.inf
    stranger = rows.strangers()
    spread = law.spread
    tried = [rows.fit(law, starts[:, peak]) for peak in range(PEAKS + 1)]
    tried += [stranger.fit(law, starts[:, peak]) for peak in range(STRANGE_PEAKS + 1)]
    offset = np.stack([fit.result[:, 0] for fit in tried], axis=1)
    score = -0.5 * np.stack([fit.result[:, 6] for fit in tried], axis=1)
    score += _near_centre(offset - centre[:, None])
    score[:, [0, PEAKS + 1]] += HEAD_START
    score[:, : PEAKS + 1] += np.log1p(-spread.strange) - np.log(rows.told(law)[1]).sum(axis=1, keepdims=True)
    score[:, PEAKS + 1 :] += np.log(spread.strange)
    best = score.argmax(axis=1)
    away = offset - offset[np.arange(n), best][:, None]
    # Fits that ended on the same peak are one.
    share = np.where(np.abs(away) < STEP_M, 0.0, np.exp(score - score.max(axis=1, keepdims=True)))
    share = share / (1.0 + share.sum(axis=1, keepdims=True))
    at = np.arange(n)
    of_row = best[rows.owner], np.arange(len(rows.owner))
    return Peaks(
        ThermalFit(
            np.stack([fit.result for fit in tried])[best, at],
            np.stack([fit.residual for fit in tried])[of_row],
            np.stack([fit.added for fit in tried])[of_row],
        ),
        score[at, best],
        1.0 - share.sum(axis=1),
        (share * away**2).sum(axis=1),
    )


def on_other_boards(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, frames: Frames,
    able: Ints, law: ThermalLaw, found: Peaks, strengths: StrengthLaw,
) -> Places:  # fmt: skip
    """Let tags that the run's law does not explain on their board try the face's others.

    Readings that were placed at a wrong peak may have been given a wrong board as well: there no peak fits.

    Returns
    -------
    Places
        With other boards where these explain a tag, and clearly better; all of a moved tag's columns are of its new
        place, by :func:`fitted_anew`.
    """
    ill = np.flatnonzero(found.fits.excess > ILL_FITTED)
    own = places.hypothesis[able[ill]]
    best, take = found.score[ill] + BOARD_START, own.copy()
    every, second, runner_up = best.copy(), np.full(len(ill), -np.inf), own.copy()
    offset, peak, rival = places.offset_m[able[ill]].copy(), np.ones(len(ill)), np.zeros(len(ill))
    beside = offset.copy()
    first = hypotheses.start[places.candidate[able[ill]]]
    count = hypotheses.start[places.candidate[able[ill]] + 1] - first
    for nth in range(int(count.max(initial=0))):
        y = first + np.minimum(nth, count - 1)
        some = np.flatnonzero((nth < count) & (y != own) & (hypotheses.level[y] > 0))
        if len(some) == 0:
            continue
        which, there = able[ill[some]], places.hypothesis.copy()
        there[which] = y[some]
        other = dataclasses.replace(places, hypothesis=there)
        rows = ThermalRows.of(observations, candidates, hypotheses, other, which)
        begin = np.column_stack([places.offset_m[which], rows.expected(law)[0]])
        tried = best_peaks(observations, candidates, hypotheses, other, frames, which, rows, law, begin)
        score = np.where(tried.fits.excess < EXPLAINED, tried.score, -np.inf)
        every[some] = np.logaddexp(every[some], score)
        better = np.flatnonzero(score > best[some])
        # What was best so far comes second; or else this board may.
        to = some[better]
        second[to], runner_up[to], beside[to] = best[to], take[to], offset[to]
        next_best = np.flatnonzero((score <= best[some]) & (score > second[some]))
        at = some[next_best]
        second[at], runner_up[at], beside[at] = score[next_best], y[at], tried.fits.result[next_best, 0]
        best[to], take[to], offset[to] = score[better], y[to], tried.fits.result[better, 0]
        peak[to], rival[to] = tried.chance[better], tried.rival[better]
    moved = np.flatnonzero(take != own)
    which, y = able[ill[moved]], take[moved]
    if len(which) == 0:
        return places
    boards = Boards.of(frames)
    new = {
        "hypothesis": y,
        "offset_m": offset[moved],
        "depth_m": hypotheses.depth_m[y],
        "height_m": hypotheses.height_m[y],
        "shelf": boards.at(places.face[which], hypotheses.level[y], offset[moved]),
        "p": np.exp(best - every)[moved],
        "alt_face": places.face[which],
        "alt_shelf": boards.at(places.face[which], hypotheses.level[runner_up[moved]], beside[moved]),
        "alt_offset_m": beside[moved],
        "p_alt": np.exp(second - every)[moved],
    }
    there = fitted_anew(observations, candidates, hypotheses, _with(places, which, new), which, strengths)
    wide = np.hypot(there.sigma_m[which], np.sqrt(rival[moved]))
    return _with(there, which, {"sigma_m": wide, "quality": there.quality[which] * peak[moved]})


def fitted_anew(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, which: Ints,
    strengths: StrengthLaw,
) -> Places:  # fmt: skip
    """Let the columns that say how well a tag was fitted speak of where it stands now.

    Parameters
    ----------
    observations, candidates, hypotheses
        Of the block.
    places : Places
    which : int64 array, shape (k,)
        Rows of those that were moved to another peak or board; the others stay as they are.
    strengths : StrengthLaw

    Returns
    -------
    Places
        With residual scale, cells, strength, bar and quality of the robust fit that begins at the place stated.
    """
    if len(which) == 0:
        return places
    order = np.argsort(places.candidate[which])
    which = which[order]
    mine, y = candidates.select(places.candidate[which]), places.hypothesis[which]
    n = np.arange(len(which))
    one = Hypotheses(
        start=np.arange(len(which) + 1), depth_m=hypotheses.depth_m[y], height_m=hypotheses.height_m[y],
        depth_sigma_m=hypotheses.depth_sigma_m[y], height_sigma_m=hypotheses.height_sigma_m[y],
        log_prior=np.zeros(len(y)), level=hypotheses.level[y],
    )  # fmt: skip
    k = observations.wavenumber[mine.observation]
    phase = np.nan_to_num(observations.phase_rad[mine.observation])
    begin = places.offset_m[which]
    fits = Fits.of(begin, refine_all(mine, n, begin, one, n, k, phase, weigh(observations, mine)))
    strength = rssi_likelihood(
        observations, mine, one, fits, strengths.mounts, strengths.pattern_share, strengths.bias_db
    )[0]
    return _with(
        places, which,
        {
            "scale_rad": fits.scale_rad, "cells": fits.cells, "strength_db": strength,
            "sigma_m": local_sigma(fits, np.maximum.reduceat(k, mine.start[:-1])), "quality": fit_quality(fits),
        },
    )  # fmt: skip


def _with(places: Places, which: Ints, new: Mapping[str, npt.NDArray[Any]]) -> Places:
    columns: dict[str, npt.NDArray[Any]] = {name: getattr(places, name).copy() for name in new}
    for name, value in new.items():
        columns[name][which] = value
    return dataclasses.replace(places, **columns)


def _near_centre(away_m: Floats) -> Floats:
    return np.logaddexp(-0.5 * (away_m / CENTRE_SIGMA_M) ** 2, CENTRE_WRONG)
